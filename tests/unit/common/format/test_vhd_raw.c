/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/format/vhd_raw: the disk that leaves is the one the VHD describes, whatever the pieces,
 * holes and bitmaps; sizes are cut; what it can't read in one pass is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/vhd_raw.h"

#define BLOCK  4096u
#define STRIDE (512u + BLOCK)

static void put32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> (24 - 8 * i));
}

/* Head and table of a VHD with these sectors in its table. */
static void make_head(struct str *out, const uint32_t *table, uint32_t n)
{
    char head[2560] = "";
    memcpy(head, "conectix", 8);
    memcpy(head + 512, "cxsparse", 8);
    put32(head + 512 + 20, 2048);
    put32(head + 512 + 28, n);
    put32(head + 512 + 32, BLOCK);
    memset(head + 2048, 0xff, 512);
    for (uint32_t i = 0; i < n; i++)
        put32(head + 2048 + 4 * i, table[i]);
    str_add_n(out, head, sizeof head);
}

/* A block whose bytes are all c, with this bitmap of its eight sectors. */
static void make_block(struct str *out, unsigned bitmap, char c)
{
    memset(str_reserve(out, STRIDE), 0, STRIDE);
    char *at = out->data + out->len;
    at[0] = (char)bitmap;
    memset(at + 512, c, BLOCK);
    str_set_len(out, out->len + STRIDE);
}

static void make_end(struct str *out)
{
    memset(str_reserve(out, 512), 'f', 512);
    str_set_len(out, out->len + 512);
}

struct disk {
    struct str bytes;
    size_t zeros; /* told as such */
};

static int keep(void *context, const void *bytes, size_t n, struct error *err)
{
    struct disk *disk = context;
    (void)err;
    assert_true(n > 0);
    disk->zeros += bytes == NULL ? n : 0;
    if (bytes != NULL) {
        str_add_n(&disk->bytes, bytes, n);
    } else {
        memset(str_reserve(&disk->bytes, n), 0, n);
        str_set_len(&disk->bytes, disk->bytes.len + n);
    }
    return 0;
}

static int convert(const struct str *in, uint64_t disk_bytes, size_t piece, struct disk *disk,
                   struct error *err)
{
    CLEAN_VHD_RAW struct vhd_raw *raw = vhd_raw_new(disk_bytes);
    for (size_t at = 0; at < in->len; at += piece)
        if (vhd_raw_feed(raw, in->data + at, in->len - at < piece ? in->len - at : piece, keep,
                         disk, err) != 0)
            return -1;
    return vhd_raw_finish(raw, keep, disk, err);
}

/* Blocks 1 and 3 of five; in 3 the sectors 0, 2 and 7 are absent. */
static void make_vhd(struct str *in)
{
    static const uint32_t table[] = {UINT32_MAX, 5, UINT32_MAX, 14, UINT32_MAX};
    make_head(in, table, 5);
    make_block(in, 0xff, 'a');
    make_block(in, 0x5e, 'b'); /* 01011110 */
    make_end(in);
}

static void raw_when_converted_then_the_disk_whatever_the_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 7, 511, 512, 513, 4096, 100000};
    static const uint64_t sizes[] = {
        5 * BLOCK, 5 * BLOCK - 512, 4 * BLOCK - 700, 3 * BLOCK + 100, BLOCK + 1, 10, 0};
    CLEAN_STR struct str in = STR_INIT;
    char want[5 * BLOCK] = "";
    memset(want + BLOCK, 'a', BLOCK);
    for (unsigned sector = 0; sector < 8; sector++)
        memset(want + 3 * BLOCK + sector * 512, sector == 0 || sector == 2 || sector == 7 ? 0 : 'b',
               512);
    make_vhd(&in);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            struct disk disk = {.bytes = STR_INIT};
            struct error err = ERROR_INIT;
            assert_int_equal(convert(&in, sizes[k], pieces[i], &disk, &err), 0);
            assert_int_equal(disk.bytes.len, sizes[k]);
            if (sizes[k] > 0)
                assert_memory_equal(disk.bytes.data, want, sizes[k]);
            if (k == 0)
                assert_int_equal(disk.zeros, 3 * BLOCK + 3 * 512);
            str_done(&disk.bytes);
        }
}

static void raw_when_nothing_is_allocated_then_one_hole(void **state)
{
    (void)state;
    static const uint32_t table[] = {UINT32_MAX, UINT32_MAX};
    CLEAN_STR struct str in = STR_INIT, none = STR_INIT;
    struct disk disk = {.bytes = STR_INIT};
    struct error err = ERROR_INIT;
    make_head(&in, table, 2);
    make_end(&in);
    assert_int_equal(convert(&in, 2 * BLOCK, 1000, &disk, &err), 0);
    assert_int_equal(disk.zeros, 2 * BLOCK);
    make_head(&none, NULL, 0);
    make_end(&none);
    assert_int_equal(convert(&none, 0, 100, &disk, &err), 0);
    str_done(&disk.bytes);
}

static void raw_when_blocks_do_not_ascend_then_refused(void **state)
{
    (void)state;
    static const uint32_t tables[][2] = {{14, 5}, {5, 5}, {5, 13}, {4, 14}, {0, 14}};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        CLEAN_STR struct str in = STR_INIT;
        struct disk disk = {.bytes = STR_INIT};
        struct error err = ERROR_INIT;
        make_head(&in, tables[i], 2);
        make_block(&in, 0xff, 'a');
        make_block(&in, 0xff, 'b');
        make_end(&in);
        assert_int_equal(convert(&in, 2 * BLOCK, 4096, &disk, &err), -1);
        assert_int_equal(err.code, ERROR_UNSUPPORTED);
        assert_non_null(strstr(err.text, "raw_source"));
        str_done(&disk.bytes);
    }
}

static void raw_when_cut_then_short(void **state)
{
    (void)state;
    CLEAN_STR struct str in = STR_INIT;
    make_vhd(&in);
    for (size_t n = 0; n < in.len - 512; n += 13) {
        CLEAN_STR struct str cut = STR_INIT;
        struct disk disk = {.bytes = STR_INIT};
        struct error err = ERROR_INIT;
        str_add_n(&cut, in.data, n);
        assert_int_equal(convert(&cut, 5 * BLOCK, 512, &disk, &err), -1);
        assert_int_equal(err.code, ERROR_SHORT);
        str_done(&disk.bytes);
    }
}

static void raw_when_the_header_lies_then_an_error(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint32_t value;
        enum error_code code;
    } lies[] = {{28, UINT32_MAX, ERROR_LIMIT}, {32, 0, ERROR_CORRUPT}, {32, 5000, ERROR_CORRUPT},
                {32, 1u << 31, ERROR_CORRUPT}, {16, 1, ERROR_CORRUPT}, {20, 100, ERROR_CORRUPT}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        CLEAN_STR struct str in = STR_INIT;
        struct disk disk = {.bytes = STR_INIT};
        struct error err = ERROR_INIT;
        make_vhd(&in);
        put32(in.data + 512 + lies[i].at, lies[i].value);
        assert_int_equal(convert(&in, 5 * BLOCK, 4096, &disk, &err), -1);
        assert_int_equal(err.code, lies[i].code);
        str_done(&disk.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_when_converted_then_the_disk_whatever_the_pieces),
        cmocka_unit_test(raw_when_nothing_is_allocated_then_one_hole),
        cmocka_unit_test(raw_when_blocks_do_not_ascend_then_refused),
        cmocka_unit_test(raw_when_cut_then_short),
        cmocka_unit_test(raw_when_the_header_lies_then_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
