/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Blocks packed each alone, joined and read again: by our own reader, by zlib as one member, and
 * by the programs gzip and zstd.
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
#include <zlib.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/decompress.h"
#include "common/format/pack.h"

static const struct way {
    enum job_compress kind;
    struct job_tuning tuning;
} ways[] = {
    {JOB_COMPRESS_GZIP, {.compress_level = 0}},
    {JOB_COMPRESS_GZIP, {.compress_level = 1, .gzip_effort = JOB_GZIP_FAST}},
    {JOB_COMPRESS_GZIP, {.compress_level = 2, .gzip_effort = JOB_GZIP_FAST}},
    {JOB_COMPRESS_GZIP, {.compress_level = 19, .gzip_effort = JOB_GZIP_FAST}},
    {JOB_COMPRESS_GZIP, {.compress_level = 0, .gzip_effort = JOB_GZIP_SMALL}},
    {JOB_COMPRESS_GZIP, {.compress_level = 1, .gzip_effort = JOB_GZIP_SMALL}},
    {JOB_COMPRESS_GZIP, {.compress_level = 9, .gzip_effort = JOB_GZIP_SMALL}},
    {JOB_COMPRESS_ZSTD, {.compress_level = 0}},
    {JOB_COMPRESS_ZSTD, {.compress_level = 3}},
};

#define WAYS_N (sizeof ways / sizeof *ways)

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

enum what { ZEROS, NOISE, WORDS, WHAT_N };

static void fill(unsigned char *bytes, size_t n, enum what what, uint64_t seed)
{
    static const char *const words[] = {"snapshot ", "disk ", "0000", "\n", "pool master ", "x"};
    size_t at = 0;

    memset(bytes, 0, n);
    while (what != ZEROS && at < n) {
        uint64_t value = next_random(&seed);
        const char *from = what == NOISE ? (const char *)&value : words[value % 6];
        size_t length = what == NOISE ? sizeof value : strlen(from);
        length = length < n - at ? length : n - at;
        memcpy(bytes + at, from, length);
        at += length;
    }
}

static void add_packed(struct pack *pack, struct pack_join *join, const unsigned char *bytes,
                       size_t n, struct str *out)
{
    struct error err = ERROR_INIT;
    struct packed packed = {0};
    unsigned char *room = malloc(PACK_ROOM); /* of that size, for the sanitizer to watch */
    assert_non_null(room);
    if (pack_block(pack, bytes, n, room, &packed, &err))
        fail_msg("%s", err.text);
    assert_int_equal(packed.plain_n, n);
    pack_add(join, &packed);
    str_add_n(out, (const char *)room, packed.n);
    free(room);
}

static void add_edge(const unsigned char *edge, size_t n, struct str *out)
{
    assert_true(n <= PACK_EDGE_MAX);
    str_add_n(out, (const char *)edge, n);
}

/* A stream of blocks of these lengths; plain and packed text are appended. */
static void make(const struct way *way, const size_t *lengths, size_t n, struct str *plain,
                 struct str *out)
{
    struct error err = ERROR_INIT;
    struct pack_join join;
    unsigned char edge[PACK_EDGE_MAX];
    CLEAN_PACK struct pack *pack = pack_new(way->kind, &way->tuning, &err);
    assert_non_null(pack);
    add_edge(edge, pack_begin(&join, way->kind, edge), out);
    for (size_t i = 0; i < n; i++) {
        CLEAN_CHAR char *block = mem_zero(lengths[i], 1);
        fill((unsigned char *)block, lengths[i], (enum what)(i % WHAT_N), 77 + i);
        str_add_n(plain, block, lengths[i]);
        add_packed(pack, &join, (unsigned char *)block, lengths[i], out);
    }
    add_edge(edge, pack_end(&join, edge), out);
}

static int keep(void *context, const void *bytes, size_t n, struct error *err)
{
    (void)err;
    str_add_n(context, bytes, n);
    return 0;
}

static int unpack(enum job_compress kind, const char *bytes, size_t n, struct str *out,
                  struct error *err)
{
    CLEAN_DECOMPRESS struct decompress *back = decompress_new(kind, keep, out, err);
    assert_non_null(back);
    if (decompress_feed(back, bytes, n, err))
        return -1;
    return decompress_finish(back, err);
}

static const size_t odd_lengths[] = {1, PACK_BLOCK_MAX, 300000, 511, 2, 65535, PACK_BLOCK_MAX, 7};
#define ODD_N (sizeof odd_lengths / sizeof *odd_lengths)

static void blocks_when_joined_then_come_back_in_every_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS_N; i++)
        for (size_t n = 0; n <= ODD_N; n += n < 3 ? 1 : ODD_N - 3) {
            CLEAN_STR struct str plain = STR_INIT;
            CLEAN_STR struct str packed = STR_INIT;
            CLEAN_STR struct str back = STR_INIT;
            struct error err = ERROR_INIT;
            make(&ways[i], odd_lengths, n, &plain, &packed);
            if (unpack(ways[i].kind, str_text(&packed), packed.len, &back, &err))
                fail_msg("way %zu, %zu blocks: %s", i, n, err.text);
            assert_int_equal(back.len, plain.len);
            assert_memory_equal(str_text(&back), str_text(&plain), plain.len);
        }
}

/* Many lengths and contents: the end of a small block may fall on any bit. */
static void small_blocks_when_they_end_at_any_bit_then_are_mended(void **state)
{
    (void)state;
    size_t lengths[400];
    CLEAN_STR struct str plain = STR_INIT;
    CLEAN_STR struct str packed = STR_INIT;
    CLEAN_STR struct str back = STR_INIT;
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < 400; i++)
        lengths[i] = 1 + i * 3;
    make(&ways[3], lengths, 400, &plain, &packed);
    if (unpack(JOB_COMPRESS_GZIP, packed.data, packed.len, &back, &err))
        fail_msg("%s", err.text);
    assert_int_equal(back.len, plain.len);
    assert_memory_equal(back.data, plain.data, plain.len);
}

static void gzip_when_joined_then_is_one_member(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS_N; i++) {
        CLEAN_STR struct str plain = STR_INIT;
        CLEAN_STR struct str packed = STR_INIT;
        if (ways[i].kind != JOB_COMPRESS_GZIP)
            continue;
        make(&ways[i], odd_lengths, ODD_N, &plain, &packed);
        unsigned char *out = malloc(plain.len + 1);
        z_stream z = {.next_in = (unsigned char *)packed.data, .avail_in = (unsigned)packed.len,
                      .next_out = out, .avail_out = (unsigned)plain.len + 1};
        assert_int_equal(inflateInit2(&z, 31), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.avail_in, 0);
        assert_int_equal(z.total_out, plain.len);
        inflateEnd(&z);
        free(out);
    }
}

static void run_program(const char *program, const struct str *packed)
{
    char path[] = "/tmp/test_pack.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, packed->data, packed->len), packed->len);
    CLEAN_CHAR char *command = str_format("%s < %s", program, path);
    int status = system(command);
    close(fd);
    unlink(path);
    if (status != 0)
        fail_msg("%s does not take %zu bytes", program, packed->len);
}

static void programs_when_given_ours_then_take_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS_N; i++)
        for (size_t n = 0; n <= ODD_N; n += ODD_N) {
            CLEAN_STR struct str plain = STR_INIT;
            CLEAN_STR struct str packed = STR_INIT;
            make(&ways[i], odd_lengths, n, &plain, &packed);
            run_program(ways[i].kind == JOB_COMPRESS_GZIP ? "gzip -t" : "zstd -q -t", &packed);
        }
}

struct damage {
    const char *what;
    enum error_code code; /* 0: either */
    void (*harm)(struct str *packed);
};

static void harm_behind(struct str *packed)
{
    str_add(packed, "HTTP/1.1 500 Internal Error\r\n");
}

static void harm_zero_behind(struct str *packed)
{
    str_add_n(packed, "\0\0\0\0\0\0\0\0", 8);
}

static void harm_cut(struct str *packed)
{
    str_set_len(packed, packed->len / 2);
}

static void harm_cut_last(struct str *packed)
{
    str_set_len(packed, packed->len - 1);
}

static void harm_sum(struct str *packed)
{
    size_t at = packed->len - 5; /* gzip: of the CRC; zstd: of the last frame */
    packed->data[at] = (char)(packed->data[at] ^ 1);
}

static void harm_data(struct str *packed)
{
    size_t at = packed->len / 3;
    packed->data[at] = (char)(packed->data[at] ^ 0x10);
}

static void reader_when_joined_stream_is_damaged_then_refuses(void **state)
{
    (void)state;
    static const struct damage damages[] = {
        {"text behind", ERROR_CORRUPT, harm_behind}, {"zeros behind", ERROR_NONE, harm_zero_behind},
        {"cut", ERROR_SHORT, harm_cut},              {"cut at the end", ERROR_SHORT, harm_cut_last},
        {"sum", ERROR_CORRUPT, harm_sum},            {"data", ERROR_CORRUPT, harm_data},
    };
    for (size_t i = 0; i < WAYS_N; i++)
        for (size_t d = 0; d < sizeof damages / sizeof *damages; d++) {
            CLEAN_STR struct str plain = STR_INIT;
            CLEAN_STR struct str packed = STR_INIT;
            CLEAN_STR struct str back = STR_INIT;
            struct error err = ERROR_INIT;
            make(&ways[i], odd_lengths, ODD_N, &plain, &packed);
            damages[d].harm(&packed);
            if (unpack(ways[i].kind, packed.data, packed.len, &back, &err) == 0)
                fail_msg("way %zu: %s is taken", i, damages[d].what);
            if (damages[d].code != ERROR_NONE && err.code != damages[d].code)
                fail_msg("way %zu: %s: %s", i, damages[d].what, err.text);
        }
}

static void blocks_when_swapped_or_missing_then_the_member_is_refused(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    for (int is_missing = 0; is_missing < 2; is_missing++) {
        struct pack_join join;
        unsigned char edge[PACK_EDGE_MAX];
        struct str parts[2] = {STR_INIT, STR_INIT};
        CLEAN_STR struct str packed = STR_INIT;
        CLEAN_STR struct str back = STR_INIT;
        CLEAN_PACK struct pack *pack = pack_new(JOB_COMPRESS_GZIP, &ways[0].tuning, &err);
        add_edge(edge, pack_begin(&join, JOB_COMPRESS_GZIP, edge), &packed);
        add_packed(pack, &join, (const unsigned char *)"first", 5, &parts[0]);
        add_packed(pack, &join, (const unsigned char *)"second", 6, &parts[1]);
        str_add_n(&packed, parts[1].data, parts[1].len);
        if (!is_missing)
            str_add_n(&packed, parts[0].data, parts[0].len);
        add_edge(edge, pack_end(&join, edge), &packed);
        error_clear(&err);
        assert_int_equal(unpack(JOB_COMPRESS_GZIP, packed.data, packed.len, &back, &err), -1);
        assert_int_equal(err.code, ERROR_CORRUPT);
        str_done(&parts[0]);
        str_done(&parts[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_when_joined_then_come_back_in_every_way),
        cmocka_unit_test(small_blocks_when_they_end_at_any_bit_then_are_mended),
        cmocka_unit_test(gzip_when_joined_then_is_one_member),
        cmocka_unit_test(programs_when_given_ours_then_take_it),
        cmocka_unit_test(reader_when_joined_stream_is_damaged_then_refuses),
        cmocka_unit_test(blocks_when_swapped_or_missing_then_the_member_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
