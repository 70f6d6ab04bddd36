/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tar reader: members, ends, sizes, and archives made by the tar program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/tar.h"
#include "tests/unit/common/format/make_xva.h"

static int on_begin(void *context, const struct tar_member *member, struct error *err)
{
    (void)err;
    str_add_format(context, "%s(%c %" PRIu64 " @%" PRIu64 ")", member->name, member->type,
                   member->size_bytes, member->data_at);
    return 0;
}

static int on_data(void *context, const unsigned char *bytes, size_t n, struct error *err)
{
    (void)err;
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++)
        if (bytes[i] >= 'a' && bytes[i] <= 'z')
            str_add_char(context, (char)bytes[i]);
    return 0;
}

static int on_end(void *context, struct error *err)
{
    (void)err;
    str_add(context, ";");
    return 0;
}

static const struct tar_events events = {on_begin, on_data, on_end};

/* What the events said; the verdict in *err. */
static void read_tar(const struct str *archive, enum tar_rule rule, size_t piece, struct str *out,
                     struct error *err)
{
    struct tar_reader reader;

    tar_reader_init(&reader, rule, &events, out);
    for (size_t at = 0; at < archive->len; at += piece)
        if (tar_reader_feed(&reader, archive->data + at,
                            archive->len - at < piece ? archive->len - at : piece, err))
            return;
    if (tar_reader_finish(&reader, err) == 0)
        assert_true(tar_reader_is_at_end(&reader));
}

static void assert_reads(const struct str *archive, enum tar_rule rule, const char *want)
{
    static const size_t pieces[] = {1, 7, 512, 1 << 20};

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        CLEAN_STR struct str out = STR_INIT;
        struct error err = ERROR_INIT;
        read_tar(archive, rule, pieces[i], &out, &err);
        assert_string_equal(err.text, "");
        assert_string_equal(str_text(&out), want);
    }
}

static void assert_fails(const struct str *archive, enum error_code code, const char *says)
{
    static const size_t pieces[] = {1, 512, 1 << 20};

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        CLEAN_STR struct str out = STR_INIT;
        struct error err = ERROR_INIT;
        read_tar(archive, TAR_FILES_ONLY, pieces[i], &out, &err);
        assert_int_equal(err.code, code);
        if (!strstr(err.text, says))
            fail_msg("'%s' has no '%s'", err.text, says);
    }
}

static void members_come_with_their_data_and_places(void **state)
{
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    make_member(&a, "first", "hello", 5);
    make_member(&a, "empty", "", 0);
    make_member(&a, "last", "world", 5);
    make_end(&a);
    assert_reads(&a, TAR_FILES_ONLY, "first(0 5 @512)hello;empty(0 0 @1536);last(0 5 @2048)world;");
}

static void an_empty_member_ends_before_more_bytes_come(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_STR struct str out = STR_INIT;
    struct tar_reader reader;
    struct error err = ERROR_INIT;

    (void)state;
    make_member(&a, "empty", "", 0);
    tar_reader_init(&reader, TAR_FILES_ONLY, &events, &out);
    assert_int_equal(tar_reader_feed(&reader, a.data, a.len, &err), 0);
    assert_string_equal(str_text(&out), "empty(0 0 @512);");
}

static void an_archive_of_nothing_but_its_end_is_whole(void **state)
{
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    make_end(&a);
    assert_reads(&a, TAR_FILES_ONLY, "");
}

static void the_verdict_says_where_it_stopped(void **state)
{
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    assert_fails(&a, ERROR_SHORT, "empty");
    make_member(&a, "m", "hello", 5);
    assert_fails(&a, ERROR_SHORT,
                 "stops at byte 1024 without its end mark of two zero blocks, "
                 "after member m");
    str_set_len(&a, 515);
    assert_fails(&a, ERROR_SHORT, "stops at byte 515 inside member m (3 of 5 bytes)");
    str_set_len(&a, 100);
    assert_fails(&a, ERROR_SHORT, "stops at byte 100");
}

static void one_zero_block_is_no_end(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_STR struct str b = STR_INIT;

    (void)state;
    make_end(&a);
    str_set_len(&a, 512);
    assert_fails(&a, ERROR_SHORT, "without its end mark");
    str_add_n(&b, a.data, 512);
    make_member(&b, "m", "x", 1);
    assert_fails(&b, ERROR_CORRUPT, "one zero block alone at byte 0");
}

static void damage_is_named_with_its_place(void **state)
{
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    make_member(&a, "m", "hello", 5);
    make_member(&a, "n", "hello", 5);
    make_end(&a);
    a.data[1024] ^= 1;
    assert_fails(&a, ERROR_CORRUPT, "no header at byte 1024, after member m");
    a.data[1024] ^= 1;
    a.data[700] = 'x';
    assert_fails(&a, ERROR_CORRUPT, "padding that is not zero at byte 700");
    a.data[700] = 0;
    str_add_char(&a, '\0');
    assert_fails(&a, ERROR_CORRUPT, "data behind the end");
}

/* A header whose size field is these 12 bytes, its sum made right. */
static void make_sized_header(struct str *out, const char size[12])
{
    unsigned sum = 0;

    make_header(out, "m", '0', 0);
    char *block = out->data + out->len - 512;
    memcpy(block + 124, size, 12);
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++)
        sum += (unsigned char)block[i];
    snprintf(block + 148, 8, "%07o", sum & 07777777);
}

static void sizes_are_read_in_every_spelling_or_refused(void **state)
{
    static const struct {
        const char *field;
        const char *size; /* NULL: refused */
    } rows[] = {
        {"00000000005\0", "5"},
        {"          5 ", "5"},
        {"5\0xxxxxxxxxx", "5"},
        {"777777777777", "68719476735"},
        {"\x80\0\0\0\0\0\0\x20\0\0\0\0", "137438953472"},
        {"           \0", NULL},
        {"0000000000x\0", NULL},
        {"-0000000001\0", NULL},
        {"\0\0\0\0\0\0\0\0\0\0\0\0", NULL},
        {"\x80\1\0\0\0\0\0\0\0\0\0\0", NULL},
        {"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", NULL},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CLEAN_STR struct str a = STR_INIT;
        CLEAN_STR struct str out = STR_INIT;
        struct tar_reader reader;
        struct error err = ERROR_INIT;
        make_sized_header(&a, rows[i].field);
        tar_reader_init(&reader, TAR_FILES_ONLY, &events, &out);
        int rc = tar_reader_feed(&reader, a.data, a.len, &err);
        if (rows[i].size) {
            CLEAN_CHAR char *want = str_format("m(0 %s @512)", rows[i].size);
            assert_int_equal(rc, 0);
            assert_string_equal(str_text(&out), want);
        } else {
            assert_int_equal(rc, -1);
            assert_int_equal(err.code, ERROR_CORRUPT);
        }
    }
}

static void only_files_are_members_of_an_xva(void **state)
{
    static const char types[] = "12345xgLKS";

    (void)state;
    for (const char *type = types; *type; type++) {
        CLEAN_STR struct str a = STR_INIT;
        make_header(&a, "m", *type, 0);
        make_end(&a);
        assert_fails(&a, ERROR_CORRUPT, "a member that is no file");
    }
}

static void a_name_of_a_hundred_bytes_needs_no_end(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_STR struct str want = STR_INIT;
    char name[101];

    (void)state;
    memset(name, 'n', 100);
    name[100] = '\0';
    make_member(&a, name, "", 0);
    make_end(&a);
    str_add_format(&want, "%s(0 0 @512);", name);
    assert_reads(&a, TAR_FILES_ONLY, str_text(&want));
}

static int stop(void *context, const unsigned char *bytes, size_t n, struct error *err)
{
    (void)context, (void)bytes, (void)n;
    return error_set(err, ERROR_NO_SPACE, "enough");
}

static void a_callback_can_stop_the_reading(void **state)
{
    static const struct tar_events stopping = {on_begin, stop, on_end};
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_STR struct str out = STR_INIT;
    struct tar_reader reader;
    struct error err = ERROR_INIT;

    (void)state;
    make_member(&a, "m", "hello", 5);
    tar_reader_init(&reader, TAR_FILES_ONLY, &stopping, &out);
    assert_int_equal(tar_reader_feed(&reader, a.data, a.len, &err), -1);
    assert_int_equal(err.code, ERROR_NO_SPACE);
}

/* The output of a command, which tests of this folder run with fixed words only. */
static void read_command(const char *command, struct str *out)
{
    FILE *pipe = popen(command, "r");
    size_t n;

    assert_non_null(pipe);
    while ((n = fread(str_reserve(out, 65536), 1, 65536, pipe)) > 0)
        str_set_len(out, out->len + n);
    assert_int_equal(pclose(pipe), 0);
}

static void archives_of_gnu_tar_are_read(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_STR struct str out = STR_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    read_command("set -e; d=$(mktemp -d); cd $d; mkdir s; echo hello >s/f; ln -s f s/l;"
                 "n=$(printf %0150d 7); echo world >s/$n; truncate -s 1M s/sparse;"
                 "for i in 1 2 3 4 5 6 7 8 9; do echo x | dd of=s/sparse bs=1 seek=${i}00000 "
                 "conv=notrunc status=none; done;"
                 "tar --sort=name --sparse --format=gnu -cf - s; cd /; rm -r $d",
                 &a);
    read_tar(&a, TAR_ANY, 1000, &out, &err);
    assert_string_equal(err.text, "");
    assert_non_null(strstr(str_text(&out), "s/(5 0"));
    assert_non_null(strstr(str_text(&out), "s/f(0 6 "));
    assert_non_null(strstr(str_text(&out), "hello;"));
    assert_non_null(strstr(str_text(&out), "(L 153 "));
    assert_non_null(strstr(str_text(&out), "s/l(2 0 "));
    assert_non_null(strstr(str_text(&out), "s/sparse(S "));
    str_set_len(&a, a.len - 10240);
    error_clear(&err);
    read_tar(&a, TAR_ANY, 1000, &out, &err);
    assert_int_equal(err.code, ERROR_SHORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_with_their_data_and_places),
        cmocka_unit_test(an_empty_member_ends_before_more_bytes_come),
        cmocka_unit_test(an_archive_of_nothing_but_its_end_is_whole),
        cmocka_unit_test(the_verdict_says_where_it_stopped),
        cmocka_unit_test(one_zero_block_is_no_end),
        cmocka_unit_test(damage_is_named_with_its_place),
        cmocka_unit_test(sizes_are_read_in_every_spelling_or_refused),
        cmocka_unit_test(only_files_are_members_of_an_xva),
        cmocka_unit_test(a_name_of_a_hundred_bytes_needs_no_end),
        cmocka_unit_test(a_callback_can_stop_the_reading),
        cmocka_unit_test(archives_of_gnu_tar_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
