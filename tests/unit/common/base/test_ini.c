/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Settings files as Python 2.7's ConfigParser reads them.
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
#include "common/base/ini.h"
#include "common/base/str.h"

static int collect(void *context, const char *section, const char *key, const char *value,
                   unsigned line, struct error *err)
{
    (void)err;
    str_add_format(context, "%s|%s|%s|%u\n", section, key, value, line);
    return 0;
}

/* Text in; "section|key|value|line" lines out. */
static const struct {
    const char *what, *text, *want;
} good[] = {
    {"empty", "", ""},
    {"only comments", "# a\n; b\nrem c\nREM\n\n   \n", ""},
    {"plain", "[s]\na = 1\nb: 2\n", "s|a|1|2\ns|b|2|3\n"},
    {"no line end at the end", "[s]\na=1", "s|a|1|2\n"},
    {"keys are lower-cased, sections are not", "[Xen]\nBackup_Dir=/X\n", "Xen|backup_dir|/X|2\n"},
    {"windows line ends", "[s]\r\na = 1\r\n\r\nb = \r\n", "s|a|1|2\ns|b||4\n"},
    {"byte order mark", "\xef\xbb\xbf[s]\na=1\n", "s|a|1|2\n"},
    {"continuation", "[s]\na = 1,\n  2,\n\t3\n", "s|a|1,\n2,\n3|2\n"},
    {"continuation over comments and blank lines", "[s]\na = 1\n# x\n\n 2\n", "s|a|1\n2|2\n"},
    {"an indented comment continues", "[s]\na = 1\n # x\n", "s|a|1\n# x|2\n"},
    {"an indented key continues", "[s]\na = 1\n b = 2\n", "s|a|1\nb = 2|2\n"},
    {"comment behind a value", "[s]\na = 1 ; c\nb = 1;2\nc = 1\t;3\n",
     "s|a|1|2\ns|b|1;2|3\ns|c|1|4\n"},
    {"only the first semicolon counts", "[s]\na = x;y ;z\n", "s|a|x;y ;z|2\n"},
    {"a semicolon in front stays", "[s]\na = ;x\n", "s|a|;x|2\n"},
    {"unless blanks end the line", "[s]\na = ;x \n", "s|a||2\n"},
    {"comment behind a colon value", "[s]\na : 1 ; c\n", "s|a|1|2\n"},
    {"no comment in a continuation", "[s]\na = 1\n 2 ; c\n", "s|a|1\n2 ; c|2\n"},
    {"hash is no comment in a value", "[s]\na = 1 # c\n", "s|a|1 # c|2\n"},
    {"two quotes are nothing", "[s]\na = \"\"\nb = \"x\"\n", "s|a||2\ns|b|\"x\"|3\n"},
    {"percent stays", "[s]\na = 50%\nb = %(a)s\n", "s|a|50%|2\ns|b|%(a)s|3\n"},
    {"the first delimiter divides", "[s]\na:b=c\nd=e:f\n", "s|a|b=c|2\ns|d|e:f|3\n"},
    {"keys may hold blanks", "[s]\na b\t= c\n", "s|a b|c|2\n"},
    {"text behind a header", "[s] x\na=1\n", "s|a|1|2\n"},
    {"a header may hold anything but ]", "[a b=c]\nd=1\n", "a b=c|d|1|2\n"},
    {"sections meet again", "[s]\na=1\n[t]\na=2\n[s]\nb=3\n", "s|a|1|2\nt|a|2|4\ns|b|3|6\n"},
    {"the last of two holds", "[s]\na=1\n 2\nb=3\nA=4\n", "s|a|4|5\ns|b|3|4\n"},
    {"rem needs a blank", "[s]\nremove=1\nrem=2\n", "s|remove|1|2\ns|rem|2|3\n"},
    {"rem with blank is a comment", "[s]\nrem = 2\nrem\tx\n", ""},
};

static void good_files_give_what_python_gives(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CLEAN_STR struct str got = STR_INIT;
        struct error err = ERROR_INIT;
        if (ini_read("f", good[i].text, strlen(good[i].text), collect, &got, &err))
            fail_msg("%s: %s", good[i].what, err.text);
        if (!str_equal(str_text(&got), good[i].want))
            fail_msg("%s: got '%s', want '%s'", good[i].what, str_text(&got), good[i].want);
    }
}

static const struct {
    const char *what, *text, *want;
} bad[] = {
    {"key before a section", "a = 1\n", "f line 1: a [section]"},
    {"blank and key before a section", " a = 1\n", "f line 1: a [section]"},
    {"no delimiter", "[s]\na\n", "f line 2: 'a' is neither"},
    {"indented line with nothing to continue", "[s]\n a = 1\n", "f line 2"},
    {"indented line behind a header", "[s]\na=1\n[t]\n b=1\n", "f line 4"},
    {"no key", "[s]\n= 1\n", "f line 2"},
    {"empty header", "[s]\n[]\n", "f line 2"},
    {"open header", "[s\n", "f line 1"},
};

static void bad_lines_are_named_and_nothing_is_given(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CLEAN_STR struct str got = STR_INIT;
        struct error err = ERROR_INIT;
        if (!ini_read("f", bad[i].text, strlen(bad[i].text), collect, &got, &err))
            fail_msg("%s: was read", bad[i].what);
        assert_int_equal(err.code, ERROR_SETTINGS);
        if (!str_starts(err.text, bad[i].want))
            fail_msg("%s: says '%s'", bad[i].what, err.text);
        assert_int_equal(got.len, 0);
    }
}

static void a_nul_byte_is_refused(void **state)
{
    struct error err = ERROR_INIT;
    CLEAN_STR struct str got = STR_INIT;

    (void)state;
    assert_int_equal(ini_read("f", "[s]\na=\0b\n", 9, collect, &got, &err), -1);
    assert_non_null(strstr(err.text, "NUL"));
}

static void a_line_of_a_mebibyte_is_one_value(void **state)
{
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_STR struct str got = STR_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    str_add(&text, "[s]\nexcludes = ");
    for (int i = 0; i < 100000; i++)
        str_add_format(&text, "name%06d,", i);
    size_t value = text.len - strlen("[s]\nexcludes = ");
    str_add(&text, "\n");
    assert_int_equal(ini_read("f", text.data, text.len, collect, &got, &err), 0);
    assert_int_equal(got.len, strlen("s|excludes|") + value + strlen("|2\n"));
}

static void too_many_keys_are_refused(void **state)
{
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_STR struct str got = STR_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    str_add(&text, "[s]\n");
    for (int i = 0; i <= INI_KEYS_MAX; i++)
        str_add_format(&text, "k%d=1\n", i);
    assert_int_equal(ini_read("f", text.data, text.len, collect, &got, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
}

static int stop(void *context, const char *section, const char *key, const char *value,
                unsigned line, struct error *err)
{
    (void)context, (void)section, (void)value;
    return error_set(err, ERROR_USAGE, "%s %u", key, line);
}

static void the_caller_can_stop_the_reading(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(ini_read("f", "[s]\na=1\nb=2\n", 12, stop, NULL, &err), -1);
    assert_string_equal(err.text, "a 2");
}

static void a_file_is_read_and_its_absence_is_no_error(void **state)
{
    char folder[] = "/tmp/onyx-ini-XXXXXX";
    CLEAN_STR struct str got = STR_INIT;
    struct error err = ERROR_INIT;
    int found = 7;

    (void)state;
    assert_non_null(mkdtemp(folder));
    CLEAN_CHAR char *path = str_format("%s/a.cfg", folder);
    assert_int_equal(ini_read_file(path, collect, &got, &found, &err), 0);
    assert_int_equal(found, 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("[s]\na = 1\n", file);
    fclose(file);
    assert_int_equal(ini_read_file(path, collect, &got, &found, &err), 0);
    assert_int_equal(found, 1);
    assert_string_equal(str_text(&got), "s|a|1|2\n");
    assert_int_equal(ini_read_file(folder, collect, &got, &found, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
    assert_non_null(strstr(err.text, folder));
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_give_what_python_gives),
        cmocka_unit_test(bad_lines_are_named_and_nothing_is_given),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(a_line_of_a_mebibyte_is_one_value),
        cmocka_unit_test(too_many_keys_are_refused),
        cmocka_unit_test(the_caller_can_stop_the_reading),
        cmocka_unit_test(a_file_is_read_and_its_absence_is_no_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
