/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XVA blocks: what is written follows the rules and is read back; broken archives fail as recorded.
 */
#include "tests/poolsim/compressor.h"
#include "tests/poolsim/decompressor.h"
#include "tests/poolsim/xva_reader.h"
#include "tests/poolsim/xva_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/text_list.h"

#define MIB (UINT64_C(1) << 20)
#define A   "aaaaaaaa-0000-4000-8000-000000000000"
#define B   "bbbbbbbb-0000-4000-8000-000000000000"

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
    snprintf(f->dir, sizeof f->dir, "/tmp/onyx-xva-XXXXXX");
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
    size_t part = n < 100000 ? n : 100000;
    *ret_n = part < left ? part : left;
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

static void put_text(struct fixture *f, const char *uuid, uint64_t at, const char *text)
{
    assert_int_equal(disks_write(f->disks, uuid, at, text, strlen(text), NULL), 0);
}

static void write_disk(struct fixture *f, const char *uuid, struct xva_style style, struct str *out)
{
    const struct sink sink = {append, out};
    CLEAN_DISK struct disk *disk = disks_find(f->disks, uuid);
    assert_int_equal(xva_write_disk(&sink, disk, "Ref:5/", &style, NULL, NULL, NULL), 0);
    assert_int_equal(xva_write_end(&sink, NULL), 0);
}

static int read_from(struct fixture *f, const char *uuid, struct source source, bool is_forced,
                     struct error *err)
{
    struct xva_reader reader;
    CLEAN_DISK struct disk *disk = disks_find(f->disks, uuid);
    xva_reader_init(&reader, source);
    reader.is_forced = is_forced;
    return xva_read_disk(&reader, disk, disk_size(disk), "Ref:5", NULL, NULL, err);
}

static int read_disk(struct fixture *f, const char *uuid, const struct str *in, bool is_forced,
                     struct error *err)
{
    struct cursor cursor = {(const unsigned char *)in->data, in->len, 0};
    return read_from(f, uuid, (struct source){read_cursor, &cursor}, is_forced, err);
}

static void assert_same_bytes(struct fixture *f, const char *a, const char *b)
{
    char x[DISK_SHA256_MAX], y[DISK_SHA256_MAX];
    assert_int_equal(disks_sha256(f->disks, a, x, NULL), 0);
    assert_int_equal(disks_sha256(f->disks, b, y, NULL), 0);
    assert_string_equal(x, y);
}

/* Names of all members, "-" before those of length zero. */
static void list_members(const struct str *in, struct text_list *names)
{
    size_t at = 0;
    struct xva_member member;
    while (xva_parse_header((const unsigned char *)in->data + at, &member, NULL) == 0) {
        text_list_add_format(names, "%s%s", member.length == 0 ? "-" : "", member.name);
        at += 512 + (size_t)(member.length + 511) / 512 * 512;
    }
    assert_int_equal(in->len - at, 1024);
}

static void assert_members(const struct str *in, const char *const *want)
{
    CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
    list_members(in, &names);
    for (size_t i = 0; i < names.n; i++) {
        assert_non_null(want[i]);
        assert_string_equal(names.items[i], want[i]);
    }
    assert_null(want[names.n]);
}

static void first_and_last_block_are_sent_and_inner_zeros_are_not(void **state)
{
    static const char *const want[] = {"Ref:5/00000000", "Ref:5/00000000.xxhash", "Ref:5/00000002",
                                       "Ref:5/00000002.xxhash", NULL};
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    add_zero(f, A, 2 * MIB + MIB / 2);
    put_text(f, A, 0, "x");
    put_text(f, A, MIB, "\n");
    assert_int_equal(disks_write(f->disks, A, MIB, "\0", 1, NULL), 0);
    put_text(f, A, 2 * MIB, "x");
    write_disk(f, A, (struct xva_style){.has_xxhash = true}, &out);
    assert_members(&out, want);
}

static void allocated_clusters_are_sent_whole_even_if_zero(void **state)
{
    static const char *const want[] = {
        "Ref:5/00000000",        "Ref:5/00000000.xxhash", "Ref:5/00000002",
        "Ref:5/00000002.xxhash", "Ref:5/00000003",        "Ref:5/00000003.xxhash",
        "Ref:5/00000007",        "Ref:5/00000007.xxhash", NULL};
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    add_zero(f, A, 8 * MIB);
    put_text(f, A, 2 * MIB, "x");
    write_disk(f, A, (struct xva_style){.has_xxhash = true, .sends_clusters = true}, &out);
    assert_members(&out, want);
}

static void keepalive_takes_a_number_and_no_place(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
    uint64_t size = 2600 * MIB;
    add_zero(f, A, size);
    add_zero(f, B, size);
    put_text(f, A, 2500 * MIB, "behind two keep-alives");
    write_disk(f, A, (struct xva_style){.has_xxhash = true, .sends_keepalives = true}, &out);
    list_members(&out, &names);
    assert_int_equal(names.n, 10);
    assert_int_equal(names.items[2][0], '-');
    assert_string_equal(names.items[6], "Ref:5/00002502");
    assert_string_equal(names.items[8], "Ref:5/00002601");
    assert_int_equal(read_disk(f, B, &out, false, NULL), 0);
    assert_same_bytes(f, A, B);
}

static void both_kinds_of_checksum_are_read_back(void **state)
{
    struct fixture *f = *state;
    add_seed(f, A, 5 * MIB + 1536, 0.5);
    for (int has_xxhash = 0; has_xxhash < 2; has_xxhash++) {
        CLEAN_STR struct str out = STR_INIT;
        add_zero(f, B, 5 * MIB + 1536);
        write_disk(f, A, (struct xva_style){.has_xxhash = has_xxhash}, &out);
        assert_int_equal(read_disk(f, B, &out, false, NULL), 0);
        assert_same_bytes(f, A, B);
        assert_int_equal(disks_remove(f->disks, B, NULL), 0);
    }
}

static void flipped_bit_is_an_invalid_checksum_unless_forced(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    struct error err = ERROR_INIT;
    add_seed(f, A, 2 * MIB, 1.0);
    add_zero(f, B, 2 * MIB);
    write_disk(f, A, (struct xva_style){.has_xxhash = true}, &out);
    out.data[512 + 1000] = (char)(out.data[512 + 1000] ^ 1);
    assert_int_equal(read_disk(f, B, &out, false, &err), -1);
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_non_null(strstr(err.text, "Stream_vdi.Invalid_checksum(\"Block Ref:5/00000000 "));
    assert_int_equal(read_disk(f, B, &out, true, &err), 0);
}

static void cut(struct str *text, size_t from, size_t to)
{
    memmove(text->data + from, text->data + to, text->len - to);
    str_set_len(text, text->len - (to - from));
}

/* The first header's checksum, right again. */
static void fix_header(char *header)
{
    unsigned sum = 0;
    char text[9];
    for (size_t i = 0; i < 512; i++)
        sum += i >= 148 && i < 156 ? ' ' : (unsigned char)header[i];
    snprintf(text, sizeof text, "%07o", sum);
    memcpy(header + 148, text, 8);
}

static void missing_members_fail_as_recorded(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    const size_t member = 512 + MIB, sum = 1024;
    add_seed(f, A, 3 * MIB, 1.0);
    add_zero(f, B, 3 * MIB);
    CLEAN_STR struct str whole = STR_INIT;
    write_disk(f, A, (struct xva_style){.has_xxhash = true}, &whole);
    CLEAN_STR struct str middle = STR_INIT;
    str_add_n(&middle, whole.data, whole.len);
    cut(&middle, member + sum, 2 * (member + sum));
    assert_int_equal(read_disk(f, B, &middle, false, &err), 0);
    CLEAN_STR struct str last = STR_INIT;
    str_add_n(&last, whole.data, whole.len);
    cut(&last, 2 * (member + sum), 3 * (member + sum));
    assert_int_equal(read_disk(f, B, &last, false, &err), -1);
    assert_string_equal(err.text, "Tar.Header.End_of_stream");
    CLEAN_STR struct str hash = STR_INIT;
    str_add_n(&hash, whole.data, whole.len);
    cut(&hash, member, member + sum);
    assert_int_equal(read_disk(f, B, &hash, false, &err), -1);
    assert_string_equal(err.text,
                        "Stream_vdi.Failure(\"Found unsupported checksum file: Ref:5/00000001\")");
    str_set_len(&whole, whole.len - 1024);
    assert_int_equal(read_disk(f, B, &whole, false, &err), 0);
    str_set_len(&whole, whole.len - 1024);
    assert_int_equal(read_disk(f, B, &whole, false, &err), -1);
    assert_int_equal(err.code, ERROR_SHORT);
}

static void other_disks_prefix_is_invalid(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    struct error err = ERROR_INIT;
    struct xva_reader reader;
    add_seed(f, A, MIB, 1.0);
    write_disk(f, A, (struct xva_style){.has_xxhash = true}, &out);
    struct cursor cursor = {(const unsigned char *)out.data, out.len, 0};
    CLEAN_DISK struct disk *disk = disks_find(f->disks, A);
    xva_reader_init(&reader, (struct source){read_cursor, &cursor});
    assert_int_equal(xva_read_disk(&reader, disk, MIB, "Ref:6", NULL, NULL, &err), -1);
    assert_string_equal(err.text, "Stream_vdi.Failure(\"Invalid XVA file\")");
}

static void compress(enum compression kind, const struct str *in, struct str *out, bool is_finished)
{
    const struct sink sink = {append, out};
    CLEAN_COMPRESSOR struct compressor *c = NULL;
    assert_int_equal(compressor_new(kind, &sink, &c, NULL), 0);
    const struct sink *to = compressor_sink(c);
    assert_int_equal(to->write(to->context, in->data, in->len), 0);
    if (is_finished)
        assert_int_equal(compressor_finish(c), 0);
}

static void compressed_archives_are_read_and_cut_ones_end_early(void **state)
{
    static const enum compression kinds[] = {COMPRESSION_GZIP, COMPRESSION_ZSTD};
    struct fixture *f = *state;
    CLEAN_STR struct str plain = STR_INIT;
    struct error err = ERROR_INIT;
    add_seed(f, A, 3 * MIB, 0.5);
    write_disk(f, A, (struct xva_style){.has_xxhash = true}, &plain);
    for (size_t i = 0; i < 2; i++) {
        CLEAN_STR struct str packed = STR_INIT;
        CLEAN_DECOMPRESSOR struct decompressor *d = NULL;
        compress(kinds[i], &plain, &packed, true);
        add_zero(f, B, 3 * MIB);
        for (int is_cut = 0; is_cut < 2; is_cut++) {
            struct cursor cursor = {(const unsigned char *)packed.data + 512,
                                    packed.len - 512 - (is_cut ? packed.len / 2 : 0), 0};
            const struct source from = {read_cursor, &cursor};
            assert_int_equal(decompressor_new(packed.data, 512, &from, &d, NULL), 0);
            int failed = read_from(f, B, decompressor_source(d), false, &err);
            assert_int_equal(failed, is_cut ? -1 : 0);
            decompressor_free(&d);
        }
        assert_int_equal(err.code, ERROR_SHORT);
        assert_same_bytes(f, A, B);
        assert_int_equal(disks_remove(f->disks, B, NULL), 0);
    }
}

static void mutated_archives_never_do_harm(void **state)
{
    struct fixture *f = *state;
    CLEAN_STR struct str out = STR_INIT;
    unsigned seed = 7;
    add_zero(f, A, 3 * 4096);
    add_zero(f, B, 3 * 4096);
    write_disk(f, A, (struct xva_style){.has_xxhash = true}, &out);
    for (int round = 0; round < 2000; round++) {
        size_t places[3];
        char kept[3];
        for (int i = 0; i < 3; i++) {
            seed = seed * 1103515245U + 12345U;
            places[i] = (seed >> 8) % (i ? out.len : 512);
            kept[i] = out.data[places[i]];
            out.data[places[i]] = round % 3 ? (char)('0' + (seed >> 16) % 8) : (char)(seed >> 16);
        }
        if (round % 2)
            fix_header(out.data);
        (void)read_disk(f, B, &out, round % 5 == 0, NULL);
        for (int i = 2; i >= 0; i--)
            out.data[places[i]] = kept[i];
        fix_header(out.data);
    }
    assert_int_equal(read_disk(f, B, &out, false, NULL), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(first_and_last_block_are_sent_and_inner_zeros_are_not),
        CASE(allocated_clusters_are_sent_whole_even_if_zero),
        CASE(keepalive_takes_a_number_and_no_place),
        CASE(both_kinds_of_checksum_are_read_back),
        CASE(flipped_bit_is_an_invalid_checksum_unless_forced),
        CASE(missing_members_fail_as_recorded),
        CASE(other_disks_prefix_is_invalid),
        CASE(compressed_archives_are_read_and_cut_ones_end_early),
        CASE(mutated_archives_never_do_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
