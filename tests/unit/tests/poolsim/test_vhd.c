/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VHD streams: what is written is read back, differences apply, bad streams are refused.
 */
#include "tests/poolsim/vhd_reader.h"
#include "tests/poolsim/vhd_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"

#define MIB (UINT64_C(1) << 20)
#define A   "aaaaaaaa-0000-4000-8000-000000000000"
#define B   "bbbbbbbb-0000-4000-8000-000000000000"
#define C   "cccccccc-0000-4000-8000-000000000000"

struct fixture {
    char dir[64];
    struct disks *disks;
};

struct cursor {
    const unsigned char *bytes;
    size_t n, at;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err = ERROR_INIT;
    snprintf(f->dir, sizeof f->dir, "/tmp/onyx-vhd-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(disks_open(f->dir, &f->disks, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    disks_free(f->disks);
    snprintf(command, sizeof command, "rm -r %s", f->dir);
    int status = system(command);
    free(f);
    return status;
}

static int append(void *context, const void *bytes, size_t n)
{
    str_add_n(context, bytes, n);
    return 0;
}

static int read_cursor(void *context, void *bytes, size_t n, size_t *ret_n)
{
    struct cursor *cursor = context;
    size_t left = cursor->n - cursor->at;
    *ret_n = n < left ? n : left;
    memcpy(bytes, cursor->bytes + cursor->at, *ret_n);
    cursor->at += *ret_n;
    return 0;
}

static void add_seed(struct fixture *f, const char *uuid, uint64_t size, double fill)
{
    struct content_spec spec = {.kind = CONTENT_SEED, .seed = 9, .fill = fill};
    assert_int_equal(disks_add(f->disks, uuid, size, &spec, NULL), 0);
}

static void add_zero(struct fixture *f, const char *uuid, uint64_t size)
{
    assert_int_equal(disks_add(f->disks, uuid, size, NULL, NULL), 0);
}

static int export(struct fixture *f, const char *uuid, const char *base, bool is_raw,
                  struct str *out, struct error *err)
{
    struct sink sink = {append, out};
    CLEAN_DISK struct disk *disk = disks_find(f->disks, uuid);
    CLEAN_DISK struct disk *under = base ? disks_find(f->disks, base) : NULL;
    struct vhd_request request = {.disk = disk, .base = under, .is_raw_backed = is_raw};
    (void)str_copy(request.base_path, sizeof request.base_path, "/dev/sr/x.vhd");
    return vhd_write(&sink, &request, err);
}

static int import(struct fixture *f, const char *uuid, const char *bytes, size_t n,
                  struct vhd_footer *footer, struct error *err)
{
    struct cursor cursor = {(const unsigned char *)bytes, n, 0};
    struct source source = {read_cursor, &cursor};
    CLEAN_DISK struct disk *disk = disks_find(f->disks, uuid);
    return vhd_read(&source, disk, footer, err);
}

static void assert_same_bytes(struct fixture *f, const char *a, const char *b)
{
    char x[DISK_SHA256_MAX], y[DISK_SHA256_MAX];
    assert_int_equal(disks_sha256(f->disks, a, x, NULL), 0);
    assert_int_equal(disks_sha256(f->disks, b, y, NULL), 0);
    assert_string_equal(x, y);
}

static void full_stream_read_back_gives_the_disk(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    struct vhd_footer footer;
    add_seed(f, A, 9 * MIB + 1536, 0.5);
    add_zero(f, B, 9 * MIB + 1536);
    assert_int_equal(export(f, A, NULL, false, &out, NULL), 0);
    assert_int_equal(import(f, B, out.data, out.len, &footer, NULL), 0);
    assert_int_equal(footer.type, VHD_TYPE_DYNAMIC);
    assert_int_equal(footer.size_bytes, 9 * MIB + 1536);
    assert_same_bytes(f, A, B);
}

static void layout_is_that_of_the_worked_example(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    add_zero(f, A, 5 * MIB);
    assert_int_equal(disks_write(f->disks, A, 0, "x", 1, NULL), 0);
    assert_int_equal(disks_write(f->disks, A, 4 * MIB, "x", 1, NULL), 0);
    assert_int_equal(export(f, A, NULL, false, &out, NULL), 0);
    const unsigned char *bytes = (const unsigned char *)out.data;
    assert_int_equal(out.len, 4198400);
    assert_int_equal(vhd_get_u32(bytes + 2048), 5);
    assert_int_equal(vhd_get_u32(bytes + 2052), VHD_ABSENT);
    assert_int_equal(vhd_get_u32(bytes + 2056), 4102);
    assert_memory_equal(bytes, bytes + out.len - 512, 512);
    assert_int_equal(bytes[2560], 0xFF);
}

static void difference_over_the_base_gives_the_newer_disk(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str full = STR_INIT;
    CLEAN_STR struct str diff = STR_INIT;
    struct vhd_footer footer;
    add_seed(f, A, 16 * MIB, 0.5);
    assert_int_equal(disks_snapshot(f->disks, A, B, NULL), 0);
    assert_int_equal(disks_write(f->disks, A, 7 * MIB - 5, "across two blocks", 17, NULL), 0);
    assert_int_equal(export(f, B, NULL, false, &full, NULL), 0);
    assert_int_equal(export(f, A, B, false, &diff, NULL), 0);
    assert_int_equal(diff.len, 2560 + (512 + 2 * MIB) + 512);
    add_zero(f, C, 16 * MIB);
    assert_int_equal(import(f, C, full.data, full.len, NULL, NULL), 0);
    assert_int_equal(import(f, C, diff.data, diff.len, &footer, NULL), 0);
    assert_int_equal(footer.type, VHD_TYPE_DIFFERENCING);
    assert_same_bytes(f, A, C);
}

static void difference_to_itself_is_empty(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    add_seed(f, A, 16 * MIB, 0.5);
    assert_int_equal(export(f, A, A, false, &out, NULL), 0);
    assert_int_equal(out.len, 3072);
}

static void raw_backed_odd_size_stops_where_vhd_tool_hangs(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    struct error err = ERROR_INIT;
    add_zero(f, A, 7 * MIB);
    assert_int_equal(disks_write(f->disks, A, 0, "x", 1, NULL), 0);
    assert_int_equal(disks_write(f->disks, A, 2 * MIB, "x", 1, NULL), 0);
    assert_int_equal(disks_write(f->disks, A, 7 * MIB - 1, "x", 1, NULL), 0);
    assert_int_equal(export(f, A, NULL, true, &out, &err), -1);
    assert_int_equal(err.code, ERROR_TIMEOUT);
    assert_int_equal(out.len, 5246976);
}

static void raw_backed_zero_blocks_are_absent_though_written(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    add_zero(f, A, 4 * MIB);
    assert_int_equal(disks_write(f->disks, A, 0, "\0\0\0", 3, NULL), 0);
    assert_int_equal(export(f, A, NULL, true, &out, NULL), 0);
    assert_int_equal(out.len, 3072);
    str_clear(&out);
    assert_int_equal(export(f, A, NULL, false, &out, NULL), 0);
    assert_int_equal(out.len, 3072 + 512 + 2 * MIB);
}

static void cut_stream_is_short_at_every_place(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    struct error err = ERROR_INIT;
    add_seed(f, A, 4 * MIB, 1.0);
    add_zero(f, B, 4 * MIB);
    assert_int_equal(export(f, A, NULL, false, &out, NULL), 0);
    static const size_t cuts[] = {0, 511, 600, 1536, 2050, 2700, 3000000};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        assert_int_equal(import(f, B, out.data, cuts[i], NULL, &err), -1);
        assert_int_equal(err.code, ERROR_SHORT);
    }
    assert_int_equal(import(f, B, out.data, out.len - 1, NULL, &err), -1);
}

static void flipped_head_is_corrupt(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    struct error err = ERROR_INIT;
    add_seed(f, A, 4 * MIB, 1.0);
    add_zero(f, B, 4 * MIB);
    assert_int_equal(export(f, A, NULL, false, &out, NULL), 0);
    static const size_t places[] = {0, 50, 512, 540, 1000};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        out.data[places[i]] = (char)(out.data[places[i]] ^ 0x55);
        assert_int_equal(import(f, B, out.data, out.len, NULL, &err), -1);
        assert_int_equal(err.code, ERROR_CORRUPT);
        out.data[places[i]] = (char)(out.data[places[i]] ^ 0x55);
    }
    assert_int_equal(import(f, B, out.data, out.len, NULL, &err), 0);
}

static void fix_checksum(char *bytes, size_t n, size_t field)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        if (i < field || i >= field + 4)
            sum += (unsigned char)bytes[i];
    vhd_put_u32((unsigned char *)bytes + field, ~sum);
}

static void blocks_in_any_order_are_put_in_place(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    unsigned char byte;
    add_zero(f, A, 4 * MIB);
    add_zero(f, B, 4 * MIB);
    assert_int_equal(disks_write(f->disks, A, 0, "x", 1, NULL), 0);
    assert_int_equal(disks_write(f->disks, A, 2 * MIB, "y", 1, NULL), 0);
    assert_int_equal(export(f, A, NULL, false, &out, NULL), 0);
    vhd_put_u32((unsigned char *)out.data + 2048, 4102);
    vhd_put_u32((unsigned char *)out.data + 2052, 5);
    assert_int_equal(import(f, B, out.data, out.len, NULL, NULL), 0);
    CLEAN_DISK struct disk *disk = disks_find(f->disks, B);
    assert_int_equal(disk_read(disk, 0, &byte, 1, NULL), 0);
    assert_int_equal(byte, 'y');
    vhd_put_u32((unsigned char *)out.data + 2048, 7);
    assert_int_equal(import(f, B, out.data, out.len, NULL, NULL), -1);
}

static void larger_image_on_a_smaller_disk_loses_its_end(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    add_seed(f, A, 8 * MIB, 1.0);
    add_zero(f, B, 3 * MIB);
    add_seed(f, C, 3 * MIB, 1.0);
    assert_int_equal(export(f, A, NULL, false, &out, NULL), 0);
    assert_int_equal(import(f, B, out.data, out.len, NULL, NULL), 0);
    assert_same_bytes(f, B, C);
}

static void mutated_streams_never_do_harm(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    unsigned seed = 1;
    int accepted = 0;
    add_zero(f, A, 4 * MIB);
    add_zero(f, B, 4 * MIB);
    assert_int_equal(disks_write(f->disks, A, 0, "x", 1, NULL), 0);
    assert_int_equal(export(f, A, NULL, false, &out, NULL), 0);
    for (int round = 0; round < 400; round++) {
        size_t places[3];
        char kept[3];
        for (int i = 0; i < 3; i++) {
            seed = seed * 1103515245U + 12345U;
            places[i] = (seed >> 8) % 2560;
            kept[i] = out.data[places[i]];
            out.data[places[i]] = (char)(seed >> 16);
        }
        if (round % 2) { /* checksums right again, so that the fields behind them are looked at */
            fix_checksum(out.data, 512, 64);
            fix_checksum(out.data + 512, 1024, 36);
        }
        accepted += import(f, B, out.data, out.len, NULL, NULL) == 0;
        for (int i = 2; i >= 0; i--)
            out.data[places[i]] = kept[i];
    }
    assert_in_range(accepted, 1, 399);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(full_stream_read_back_gives_the_disk),
        CASE(layout_is_that_of_the_worked_example),
        CASE(difference_over_the_base_gives_the_newer_disk),
        CASE(difference_to_itself_is_empty),
        CASE(raw_backed_odd_size_stops_where_vhd_tool_hangs),
        CASE(raw_backed_zero_blocks_are_absent_though_written),
        CASE(cut_stream_is_short_at_every_place),
        CASE(flipped_head_is_corrupt),
        CASE(blocks_in_any_order_are_put_in_place),
        CASE(larger_image_on_a_smaller_disk_loses_its_end),
        CASE(mutated_streams_never_do_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
