/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The VHD check: streams as XAPI makes them, and every part of them damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/vhd.h"

#define RECORDED TEST_SOURCE_ROOT "/../shared/xapi/vhd/"
#define BLOCK    (2u << 20)
#define MIB      (1u << 20)

static void put32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> (24 - 8 * i));
}

static void put64(char *at, uint64_t value)
{
    put32(at, (uint32_t)(value >> 32));
    put32(at + 4, (uint32_t)value);
}

static void put_sum(char *bytes, size_t n, size_t at)
{
    uint32_t sum = 0;

    put32(bytes + at, 0);
    for (size_t i = 0; i < n; i++)
        sum += (unsigned char)bytes[i];
    put32(bytes + at, ~sum);
}

static void make_footer(char footer[512], uint64_t size, uint32_t type)
{
    memset(footer, 0, 512);
    memcpy(footer, "conectix", 8);
    put32(footer + 8, 2);
    put32(footer + 12, 0x10000);
    put64(footer + 16, 512);
    memcpy(footer + 28, "caml", 4);
    put64(footer + 40, size);
    put64(footer + 48, size);
    put32(footer + 60, type);
    put_sum(footer, 512, 64);
}

static void make_head(struct str *out, uint64_t size, uint32_t type, uint32_t entries)
{
    char footer[512], header[1024] = "";

    make_footer(footer, size, type);
    str_add_n(out, footer, sizeof footer);
    memcpy(header, "cxsparse", 8);
    put64(header + 8, UINT64_MAX);
    put64(header + 16, 2048);
    put32(header + 24, 0x10000);
    put32(header + 28, entries);
    put32(header + 32, BLOCK);
    put_sum(header, sizeof header, 36);
    str_add_n(out, header, sizeof header);
    memset(str_reserve(out, 512), 0, 512);
    str_set_len(out, out->len + 512);
}

/* 5 MiB in three blocks, of which the middle one is absent; second_at moves the last one. */
static void make_vhd(struct str *out, uint32_t type, uint32_t first_at, uint32_t second_at)
{
    char table[512];
    char footer[512];

    make_head(out, 5 * MIB, type, 3);
    memset(table, 0xff, sizeof table);
    put32(table, first_at);
    put32(table + 8, second_at);
    str_add_n(out, table, sizeof table);
    for (int i = 0; i < 2; i++) {
        memset(str_reserve(out, 512 + BLOCK), 0xff, 512 + BLOCK);
        str_set_len(out, out->len + 512 + BLOCK);
    }
    make_footer(footer, 5 * MIB, type);
    str_add_n(out, footer, sizeof footer);
}

static int check(const struct str *in, enum vhd_kind kind, uint64_t size, size_t piece,
                 struct vhd_summary *summary, struct error *err)
{
    CLEAN_VHD_CHECK struct vhd_check *check = vhd_check_new(kind, size);

    for (size_t at = 0; at < in->len; at += piece)
        if (vhd_check_feed(check, in->data + at, in->len - at < piece ? in->len - at : piece, err))
            return -1;
    return vhd_check_finish(check, summary, err);
}

static void assert_bad(const struct str *in, enum vhd_kind kind, uint64_t size,
                       enum error_code code, const char *says)
{
    static const size_t pieces[] = {1 << 20, 777};

    for (size_t i = 0; i < 2; i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(check(in, kind, size, pieces[i], NULL, &err), -1);
        if (err.code != code || !strstr(err.text, says))
            fail_msg("%s: '%s' has no '%s'", error_name(err.code), err.text, says);
    }
}

static void a_stream_of_xapi_passes_in_any_pieces(void **state)
{
    static const size_t pieces[] = {1 << 20, 512, 1000};
    CLEAN_STR struct str in = STR_INIT;

    (void)state;
    make_vhd(&in, 3, 5, 4102);
    assert_int_equal(in.len, 4198400);
    for (size_t i = 0; i < 3; i++) {
        struct vhd_summary summary = {.bytes = 0};
        struct error err = ERROR_INIT;
        assert_int_equal(check(&in, VHD_DYNAMIC, 5 * MIB, pieces[i], &summary, &err), 0);
        assert_int_equal(summary.kind, VHD_DYNAMIC);
        assert_int_equal(summary.blocks_n, 2);
        assert_int_equal(summary.block_bytes, BLOCK);
        assert_int_equal(summary.disk_bytes, 5 * MIB);
        assert_int_equal(summary.bytes, in.len);
    }
}

static void blocks_may_stand_in_any_order(void **state)
{
    CLEAN_STR struct str in = STR_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    make_vhd(&in, 4, 4102, 5);
    assert_int_equal(check(&in, VHD_DIFFERENCING, 0, 4096, NULL, &err), 0);
}

static void a_size_that_was_rounded_up_is_right(void **state)
{
    CLEAN_STR struct str in = STR_INIT;
    struct error err = ERROR_INIT;
    char footer[512];

    (void)state;
    make_head(&in, 4 * MIB, 3, 2);
    memset(str_reserve(&in, 512), 0xff, 512);
    str_set_len(&in, in.len + 512);
    make_footer(footer, 4 * MIB, 3);
    str_add_n(&in, footer, sizeof footer);
    assert_int_equal(check(&in, VHD_ANY, 3 * MIB, 100, NULL, &err), 0);
    assert_bad(&in, VHD_ANY, 5 * MIB, ERROR_CORRUPT, "4194304 bytes, 5242880 were expected");
}

static void a_server_that_ignored_the_base_is_found(void **state)
{
    CLEAN_STR struct str whole = STR_INIT;
    CLEAN_STR struct str difference = STR_INIT;

    (void)state;
    make_vhd(&whole, 3, 5, 4102);
    make_vhd(&difference, 4, 5, 4102);
    assert_bad(&whole, VHD_DIFFERENCING, 0, ERROR_CORRUPT, "not the difference");
    assert_bad(&difference, VHD_DYNAMIC, 0, ERROR_CORRUPT, "not the whole disk");
}

static void blocks_over_each_other_or_the_table_are_found(void **state)
{
    CLEAN_STR struct str over = STR_INIT;
    CLEAN_STR struct str table = STR_INIT;
    CLEAN_STR struct str behind = STR_INIT;

    (void)state;
    make_vhd(&over, 3, 5, 4101);
    assert_bad(&over, VHD_ANY, 0, ERROR_CORRUPT, "lies over what ends at 2100224");
    make_vhd(&table, 3, 4, 4102);
    assert_bad(&table, VHD_ANY, 0, ERROR_CORRUPT, "lies over what ends at 2560");
    make_vhd(&behind, 3, 5, 8000);
    assert_bad(&behind, VHD_ANY, 0, ERROR_SHORT, "stops at byte 4198400 of at least");
}

static void damage_in_head_or_end_is_found(void **state)
{
    static const struct {
        size_t at;
        const char *says;
    } rows[] = {{0, "does not begin with a footer"},
                {49, "footer's checksum"},
                {512, "no header"},
                {512 + 40, "header's checksum"},
                {4198400 - 1, "does not end with"},
                {4198400 - 512, "does not end with"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CLEAN_STR struct str in = STR_INIT;
        make_vhd(&in, 3, 5, 4102);
        in.data[rows[i].at] ^= 1;
        assert_bad(&in, VHD_ANY, 0, ERROR_CORRUPT, rows[i].says);
    }
}

static void headers_that_lie_are_refused(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
        enum error_code code;
        const char *says;
    } rows[] = {{28, 0xffffffff, ERROR_LIMIT, "a table of 4294967295 blocks"},
                {28, 2, ERROR_CORRUPT, "too small"},
                {32, 0, ERROR_CORRUPT, "block size"},
                {32, 3u << 20, ERROR_CORRUPT, "block size"},
                {32, 1u << 31, ERROR_CORRUPT, "block size"},
                {20, 100, ERROR_CORRUPT, "the table does not stand"},
                {16, 1, ERROR_CORRUPT, "the table does not stand"},
                {24, 7, ERROR_CORRUPT, "no header"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CLEAN_STR struct str in = STR_INIT;
        make_vhd(&in, 3, 5, 4102);
        put32(in.data + 512 + rows[i].at, rows[i].value);
        put_sum(in.data + 512, 1024, 36);
        assert_bad(&in, VHD_ANY, 0, rows[i].code, rows[i].says);
    }
}

static void a_stream_cut_anywhere_is_no_vhd(void **state)
{
    CLEAN_STR struct str in = STR_INIT;

    (void)state;
    make_vhd(&in, 3, 5, 4102);
    for (size_t n = 0; n < in.len; n += n < 4096 || n + 2048 > in.len ? 128 : 99991) {
        CLEAN_STR struct str cut = STR_INIT;
        struct error err = ERROR_INIT;
        str_add_n(&cut, in.data, n);
        assert_int_equal(check(&cut, VHD_ANY, 0, 65536, NULL, &err), -1);
        assert_int_equal(err.code, ERROR_SHORT);
    }
    str_add_char(&in, '\0');
    assert_bad(&in, VHD_ANY, 0, ERROR_CORRUPT, "does not end with");
}

/* 12 KiB in blocks of 4 KiB, the first and the last present. */
static void make_small(struct str *out)
{
    char table[512], footer[512];

    make_head(out, 12288, 3, 3);
    put32(out->data + 512 + 32, 4096);
    put_sum(out->data + 512, 1024, 36);
    memset(table, 0xff, sizeof table);
    put32(table, 5);
    put32(table + 8, 14);
    str_add_n(out, table, sizeof table);
    memset(str_reserve(out, 2 * (512 + 4096)), 0xff, 2 * (512 + 4096));
    str_set_len(out, out->len + 2 * (512 + 4096));
    make_footer(footer, 12288, 3);
    str_add_n(out, footer, sizeof footer);
}

/* Whether the format vouches for this byte: both footers, the header, the table's entries. */
static bool is_held(size_t at, size_t n)
{
    return at < 1536 || (at >= 2048 && at < 2048 + 12) || at >= n - 512;
}

static void a_flipped_bit_in_any_byte_of_the_structure_is_found(void **state)
{
    CLEAN_STR struct str in = STR_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    make_small(&in);
    assert_int_equal(check(&in, VHD_DYNAMIC, 12288, 4096, NULL, &err), 0);
    for (size_t at = 0; at < in.len; at++)
        for (int bit = 0; bit < 8; bit++) {
            in.data[at] ^= (char)(1 << bit);
            error_clear(&err);
            int result = check(&in, VHD_DYNAMIC, 12288, 4096, NULL, &err);
            if ((result != 0) != is_held(at, in.len))
                fail_msg("byte %zu bit %d: %d %s", at, bit, result, err.text);
            in.data[at] ^= (char)(1 << bit);
        }
}

static void a_block_that_is_cut_out_or_sent_twice_is_found(void **state)
{
    static const size_t blocks[] = {2560, 2560 + 4608};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEAN_STR struct str in = STR_INIT, less = STR_INIT, more = STR_INIT;
        make_small(&in);
        str_add_n(&less, in.data, blocks[i]);
        str_add_n(&less, in.data + blocks[i] + 4608, in.len - blocks[i] - 4608);
        assert_bad(&less, VHD_DYNAMIC, 0, ERROR_SHORT, "stops at byte");
        str_add_n(&more, in.data, blocks[i] + 4608);
        str_add_n(&more, in.data + blocks[i], in.len - blocks[i]);
        assert_bad(&more, VHD_DYNAMIC, 0, ERROR_CORRUPT, "4608 bytes belong to no block");
    }
}

static void a_small_stream_cut_at_any_byte_is_no_vhd(void **state)
{
    CLEAN_STR struct str in = STR_INIT;

    (void)state;
    make_small(&in);
    for (size_t n = 0; n < in.len; n++) {
        CLEAN_STR struct str cut = STR_INIT;
        struct error err = ERROR_INIT;
        str_add_n(&cut, in.data, n);
        assert_int_equal(check(&cut, VHD_DYNAMIC, 12288, 65536, NULL, &err), -1);
    }
}

static void a_late_answer_is_named(void **state)
{
    CLEAN_STR struct str in = STR_INIT;

    (void)state;
    make_vhd(&in, 3, 5, 4102);
    str_set_len(&in, 3000000);
    str_add(&in, "HTTP/1.1 500 Internal Error\r\ncontent-length: 5\r\n\r\n<b>no");
    assert_bad(&in, VHD_ANY, 0, ERROR_XAPI, "after 3000055 bytes and said: HTTP/1.1 500");
}

/* Streams of the genuine vhd-tool; skipped where they are not. */
static void recorded_streams_pass(void **state)
{
    static const struct {
        const char *file;
        enum vhd_kind kind;
    } files[] = {{"base.vhd.xz", VHD_DYNAMIC},
                 {"grand.vhd.xz", VHD_DIFFERENCING},
                 {"empty-rawsrc.vhd.xz", VHD_DYNAMIC},
                 {"full-rawsrc.vhd.xz", VHD_DYNAMIC},
                 {"h-full.vhd.xz", VHD_DYNAMIC},
                 {"childd.vhd.xz", VHD_DIFFERENCING},
                 {"h-child-rel-base.vhd.xz", VHD_DIFFERENCING}};

    (void)state;
    if (access(RECORDED, R_OK) != 0) {
        print_message("SKIPPED: there is no %s\n", RECORDED);
        skip();
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        CLEAN_CHAR char *command = str_format("xz -dc '%s%s'", RECORDED, files[i].file);
        CLEAN_STR struct str in = STR_INIT;
        struct vhd_summary summary = {.bytes = 0};
        struct error err = ERROR_INIT;
        FILE *pipe = popen(command, "r");
        size_t n;
        assert_non_null(pipe);
        while ((n = fread(str_reserve(&in, 65536), 1, 65536, pipe)) > 0)
            str_set_len(&in, in.len + n);
        assert_int_equal(pclose(pipe), 0);
        if (check(&in, VHD_ANY, 0, 65536, &summary, &err))
            fail_msg("%s: %s", files[i].file, err.text);
        if (summary.kind != files[i].kind)
            fail_msg("%s: kind %d", files[i].file, (int)summary.kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_of_xapi_passes_in_any_pieces),
        cmocka_unit_test(blocks_may_stand_in_any_order),
        cmocka_unit_test(a_size_that_was_rounded_up_is_right),
        cmocka_unit_test(a_server_that_ignored_the_base_is_found),
        cmocka_unit_test(blocks_over_each_other_or_the_table_are_found),
        cmocka_unit_test(damage_in_head_or_end_is_found),
        cmocka_unit_test(headers_that_lie_are_refused),
        cmocka_unit_test(a_stream_cut_anywhere_is_no_vhd),
        cmocka_unit_test(a_flipped_bit_in_any_byte_of_the_structure_is_found),
        cmocka_unit_test(a_block_that_is_cut_out_or_sent_twice_is_found),
        cmocka_unit_test(a_small_stream_cut_at_any_byte_is_no_vhd),
        cmocka_unit_test(a_late_answer_is_named),
        cmocka_unit_test(recorded_streams_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
