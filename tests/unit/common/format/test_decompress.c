/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Decompressors: streams in pieces, joined members, cut and damaged ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/decompress.h"
#include "tests/unit/common/format/make_packed.h"

static const enum job_compress kinds[] = {JOB_COMPRESS_NONE, JOB_COMPRESS_GZIP, JOB_COMPRESS_ZSTD};
#define KINDS_N (sizeof kinds / sizeof *kinds)

static int keep(void *context, const void *bytes, size_t n, struct error *err)
{
    (void)err;
    assert_true(n > 0);
    str_add_n(context, bytes, n);
    return 0;
}

static void pack(enum job_compress kind, const struct str *in, struct str *out)
{
    make_packed(kind, str_text(in), in->len, out);
}

static int unpack(enum job_compress kind, const char *bytes, size_t n, size_t piece,
                  struct str *out, struct error *err)
{
    CLEAN_DECOMPRESS struct decompress *d = decompress_new(kind, keep, out, err);

    assert_non_null(d);
    for (size_t at = 0; at < n; at += piece)
        if (decompress_feed(d, bytes + at, n - at < piece ? n - at : piece, err))
            return -1;
    return decompress_finish(d, err);
}

/* Half noise, half zeros, more than the room's buffer. */
static void make_input(struct str *in, size_t n)
{
    unsigned seed = 3;

    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245u + 12345u;
        str_add_char(in, i / 65536 % 2 ? (char)(seed >> 16) : '\0');
    }
}

static void data_comes_back_whatever_the_pieces(void **state)
{
    static const size_t sizes[] = {0, 1, 511, 700000};
    static const size_t pieces[] = {7, 4096, 1 << 20};

    (void)state;
    for (size_t k = 0; k < KINDS_N; k++)
        for (size_t s = 0; s < 4; s++)
            for (size_t p = 0; p < 3; p++) {
                CLEAN_STR struct str in = STR_INIT;
                CLEAN_STR struct str packed = STR_INIT;
                CLEAN_STR struct str out = STR_INIT;
                struct error err = ERROR_INIT;
                make_input(&in, sizes[s]);
                pack(kinds[k], &in, &packed);
                assert_int_equal(unpack(kinds[k], str_text(&packed), packed.len,
                                        pieces[(p + 1) % 3], &out, &err),
                                 0);
                assert_int_equal(out.len, in.len);
                if (in.len)
                    assert_memory_equal(out.data, in.data, in.len);
            }
}

static void joined_members_are_one_stream(void **state)
{
    (void)state;
    for (size_t k = 1; k < KINDS_N; k++) {
        CLEAN_STR struct str in = STR_INIT;
        CLEAN_STR struct str packed = STR_INIT;
        CLEAN_STR struct str out = STR_INIT;
        struct error err = ERROR_INIT;
        str_add(&in, "part");
        pack(kinds[k], &in, &packed);
        pack(kinds[k], &in, &packed);
        assert_int_equal(unpack(kinds[k], packed.data, packed.len, 3, &out, &err), 0);
        assert_string_equal(str_text(&out), "partpart");
    }
}

static void a_cut_stream_is_short(void **state)
{
    CLEAN_STR struct str in = STR_INIT;

    (void)state;
    make_input(&in, 100000);
    for (size_t k = 1; k < KINDS_N; k++) {
        CLEAN_STR struct str packed = STR_INIT;
        pack(kinds[k], &in, &packed);
        for (size_t n = 0; n < packed.len; n += n < 40 || n + 40 > packed.len ? 1 : 997) {
            CLEAN_STR struct str out = STR_INIT;
            struct error err = ERROR_INIT;
            assert_int_equal(unpack(kinds[k], packed.data, n, 777, &out, &err), -1);
            assert_int_equal(err.code, ERROR_SHORT);
        }
    }
}

static void a_flipped_byte_or_trailing_garbage_is_found(void **state)
{
    CLEAN_STR struct str in = STR_INIT;

    (void)state;
    make_input(&in, 200000);
    for (size_t k = 1; k < KINDS_N; k++) {
        CLEAN_STR struct str packed = STR_INIT;
        CLEAN_STR struct str out = STR_INIT;
        struct error err = ERROR_INIT;
        pack(kinds[k], &in, &packed);
        packed.data[packed.len / 2] ^= 1;
        assert_int_equal(unpack(kinds[k], packed.data, packed.len, 4096, &out, &err), -1);
        assert_int_equal(err.code, ERROR_CORRUPT);
        packed.data[packed.len / 2] ^= 1;
        str_add(&packed, "HTTP/1.1 500 Internal Error\r\n");
        error_clear(&err);
        assert_int_equal(unpack(kinds[k], packed.data, packed.len, 4096, &out, &err), -1);
        assert_int_equal(err.code, ERROR_CORRUPT);
    }
}

static int refuse(void *context, const void *bytes, size_t n, struct error *err)
{
    (void)context, (void)bytes, (void)n;
    return error_set(err, ERROR_NO_SPACE, "the sink is full");
}

static void what_the_sink_says_is_passed_on(void **state)
{
    CLEAN_STR struct str in = STR_INIT;

    (void)state;
    make_input(&in, 2500000);
    for (size_t k = 0; k < KINDS_N; k++) {
        CLEAN_STR struct str packed = STR_INIT;
        struct error err = ERROR_INIT;
        pack(kinds[k], &in, &packed);
        CLEAN_DECOMPRESS struct decompress *d = decompress_new(kinds[k], refuse, NULL, &err);
        assert_int_equal(decompress_feed(d, packed.data, packed.len, &err), -1);
        assert_int_equal(err.code, ERROR_NO_SPACE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_comes_back_whatever_the_pieces),
        cmocka_unit_test(joined_members_are_one_stream),
        cmocka_unit_test(a_cut_stream_is_short),
        cmocka_unit_test(a_flipped_byte_or_trailing_garbage_is_found),
        cmocka_unit_test(what_the_sink_says_is_passed_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
