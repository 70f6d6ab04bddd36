/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The growing text, UTF-8, trimming and JSON strings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/percent.h"
#include "common/base/str.h"

static void an_empty_str_reads_as_empty_text(void **state)
{
    CLEAN_STR struct str s = STR_INIT;

    (void)state;
    assert_string_equal(str_text(&s), "");
    str_clear(&s);
    str_set_len(&s, 0);
    CLEAN_CHAR char *taken = str_take(&s);
    assert_string_equal(taken, "");
}

static void adding_grows_and_counts_nul_bytes(void **state)
{
    CLEAN_STR struct str s = STR_INIT;

    (void)state;
    str_add(&s, "ab");
    str_add_n(&s, "c\0d", 3);
    str_add_char(&s, 'e');
    str_add_format(&s, "%05d", 42);
    assert_int_equal(s.len, 11);
    assert_memory_equal(s.data, "abc\0de00042", 12);
    for (int i = 0; i < 5000; i++)
        str_add_char(&s, 'x');
    assert_int_equal(strlen(s.data + 11), 5000);
}

static void reserve_gives_room_and_set_len_ends_it(void **state)
{
    CLEAN_STR struct str s = STR_INIT;

    (void)state;
    char *at = str_reserve(&s, 100);
    memset(at, 'y', 100);
    str_set_len(&s, 100);
    assert_int_equal(strlen(str_text(&s)), 100);
    str_set_len(&s, 3);
    assert_string_equal(str_text(&s), "yyy");
}

static void take_leaves_an_empty_str(void **state)
{
    CLEAN_STR struct str s = STR_INIT;

    (void)state;
    str_add(&s, "text");
    CLEAN_CHAR char *taken = str_take(&s);
    assert_string_equal(taken, "text");
    assert_int_equal(s.len, 0);
    assert_null(s.data);
}

static void copy_says_when_it_cut_and_cuts_no_character(void **state)
{
    char field[6];

    (void)state;
    assert_true(str_copy(field, sizeof field, "12345"));
    assert_string_equal(field, "12345");
    assert_false(str_copy(field, sizeof field, "123\xe2\x82\xac"));
    assert_string_equal(field, "123");
    assert_false(str_copy(field, 1, "x"));
    assert_string_equal(field, "");
}

static void equality_knows_null(void **state)
{
    (void)state;
    assert_true(str_equal(NULL, NULL));
    assert_false(str_equal(NULL, ""));
    assert_false(str_equal("", NULL));
    assert_true(str_equal("a", "a"));
    assert_true(str_starts("abc", "ab"));
    assert_false(str_starts("a", "ab"));
    assert_true(str_starts("a", ""));
    assert_true(str_ends("a.xva", ".xva"));
    assert_false(str_ends("xva", ".xva"));
}

static void utf8_is_strict(void **state)
{
    static const struct {
        const char *bytes;
        bool good;
    } rows[] = {
        {"", true},
        {"plain", true},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", true},
        {"\xc0\x80", false},         /* overlong NUL */
        {"\xe0\x80\xaf", false},     /* overlong slash */
        {"\xed\xa0\x80", false},     /* surrogate */
        {"\xf4\x90\x80\x80", false}, /* above U+10FFFF */
        {"\xe2\x82", false},         /* cut */
        {"\x80", false},
        {"\xff", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(str_is_utf8(rows[i].bytes, strlen(rows[i].bytes)), rows[i].good);
}

static void a_cut_never_parts_a_character(void **state)
{
    const char *text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};

    (void)state;
    for (size_t max = 0; max < sizeof want / sizeof *want; max++)
        assert_int_equal(str_utf8_cut(text, 11, max), want[max]);
    assert_int_equal(str_utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
}

static void columns_count_wide_and_combining_characters(void **state)
{
    (void)state;
    assert_int_equal(str_columns(""), 0);
    assert_int_equal(str_columns("web1"), 4);
    assert_int_equal(str_columns("\xc3\xa4"), 1);
    assert_int_equal(str_columns("a\xcc\x88"), 1);                /* a and combining diaeresis */
    assert_int_equal(str_columns("\xe6\x97\xa5\xe6\x9c\xac"), 4); /* two ideographs */
    assert_int_equal(str_columns("\xff\xfe"), 2);
}

static void trim_takes_white_space_off_both_ends(void **state)
{
    char text[] = " \t a b \r\n";
    char blank[] = " \t\n";

    (void)state;
    assert_string_equal(str_trim(text), "a b");
    assert_string_equal(str_trim(blank), "");
}

static void json_escapes_what_json_must(void **state)
{
    CLEAN_STR struct str s = STR_INIT;

    (void)state;
    str_add_json(&s, "a\"b\\c\n\x01\t\x7f\xc3\xa4\xff/");
    assert_string_equal(str_text(&s), "a\\\"b\\\\c\\n\\u0001\\u0009\\u007f\xc3\xa4\xef\xbf\xbd/");
}

static void percent_bytes_are_read_in_either_case(void **state)
{
    CLEAN_STR struct str s = STR_INIT;

    (void)state;
    assert_int_equal(percent_byte("%0a", 3), 10);
    assert_int_equal(percent_byte("%fF!", 4), 255);
    assert_int_equal(percent_byte("%0a", 2), -1);
    assert_int_equal(percent_byte("%g0", 3), -1);
    assert_int_equal(percent_byte("%0", 3), -1);
    assert_int_equal(percent_byte("x0a", 3), -1);
    percent_add(&s, '\n');
    percent_add(&s, (char)0xff);
    assert_string_equal(str_text(&s), "%0A%FF");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_str_reads_as_empty_text),
        cmocka_unit_test(adding_grows_and_counts_nul_bytes),
        cmocka_unit_test(reserve_gives_room_and_set_len_ends_it),
        cmocka_unit_test(take_leaves_an_empty_str),
        cmocka_unit_test(copy_says_when_it_cut_and_cuts_no_character),
        cmocka_unit_test(equality_knows_null),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(a_cut_never_parts_a_character),
        cmocka_unit_test(columns_count_wide_and_combining_characters),
        cmocka_unit_test(trim_takes_white_space_off_both_ends),
        cmocka_unit_test(json_escapes_what_json_must),
        cmocka_unit_test(percent_bytes_are_read_in_either_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
