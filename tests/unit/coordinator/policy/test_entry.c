/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * List entries: how they are cut, what counts as a simple name, what Python's re would say.
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
#include "coordinator/policy/entry.h"
#include "coordinator/policy/regex.h"

/* Entry in; "pattern|name or regex|max_backups|disks|warnings" out. */
static const struct {
    const char *text, *want;
} good[] = {
    {"web1", "web1|name|0||0"},
    {" DEV MYSQL ", "DEV MYSQL|name|0||0"},
    {"a-b_c 9", "a-b_c 9|name|0||0"},
    {"DEV-MY.*", "DEV-MY.*|regex|0||0"},
    {"web1:2", "web1|name|2||0"},
    {"web1 : 2", "web1|name|2||0"},
    {"web1:-1:xvdb", "web1|name|0|xvdb|0"},
    {"web1:7:xvda;xvdb", "web1|name|7|xvda,xvdb|0"},
    {"web1:7: xvda ; xvdb;;xvda", "web1|name|7|xvda,xvdb|0"},
    {"web1:0", "web1|name|0||1"},
    {"web1:-2", "web1|name|0||1"},
    {"web1:many:xvdb", "web1|name|0|xvdb|1"},
    {"web1:", "web1|name|0||1"},
    {"(?:a|b):3", "(?:a|b)|regex|3||0"},
    {"(?i:WEB)", "(?i:WEB)|regex|0||0"},
    {"a\\:b:2", "a\\:b|regex|2||0"},
    {"[a:b]:2", "[a:b]|regex|2||0"},
    {"PRD-.*print[\\d{1,}]$:8", "PRD-.*print[\\d{1,}]$|regex|8||0"},
    {"B\xc3\xbcro", "B\xc3\xbcro|name|0||0"},
    {"B\xc3\xbcro.", "B\xc3\xbcro.|regex|0||0"},
    {"a:1:x:y", "a|name|1|x:y|0"},
};

static const struct {
    const char *text, *want;
} bad[] = {
    {"", "empty entry"},
    {"   ", "empty entry"},
    {":2", "names no VM"},
    {"DEV-(", "missing )"},
    {"a)", "unbalanced parenthesis"},
    {"*a", "nothing to repeat"},
    {"a**", "multiple repeat"},
    {"a{3,2}", "min repeat greater than max repeat"},
    {"[z-a]", "bad character range"},
    {"[abc", "unterminated character set"},
    {"\\Q.\\E", "bad escape \\Q"},
    {"\\h", "bad escape \\h"},
    {"\\R", "bad escape \\R"},
    {"\\z.", "bad escape \\z"},
    {"\\C", "bad escape \\C"},
    {"(?P<n>a)(?P<n>b)", "redefinition of group name"},
    {"(?<=a+)b", "look-behind requires fixed-width pattern"},
    {"(?R)", "unknown extension ?R"},
    {"(*ACCEPT)a", "nothing to repeat"},
    {"a(?i)b", "global flags not at the start"},
    {"(?a)b", "the flag a (ASCII) is not supported"},
    {"\\N{DIGIT ONE}", "is not supported"},
    {"\\1(a)", "invalid group reference 1"},
    {"a\\", "bad escape (end of pattern)"},
    {"\xff.", "no UTF-8"},
};

/* Pattern, name, whether re.match matches: where PCRE2 by itself would say otherwise. */
static const struct {
    const char *pattern, *name;
    int want;
} matches[] = {
    {"a{,3}b", "aab", 1},          {"a{,3}b", "a{,3}b", 0},     {"a.c$", "abc\n", 1},
    {"abc\\Z", "abc\n", 0},        {"[[:alpha:]]x", "ax", 0},   {"[[:alpha:]]x", ":]x", 1},
    {"\\s", "\x1c", 1},            {"\\s", "\xe1\xa0\x8e", 0},  {"\\w", "\xc3\xa9", 1},
    {"\\d", "\xd9\xa3", 1},        {"(?i)I", "\xc4\xb1", 1},    {"web", "web-12", 1},
    {"web", "my web", 0},          {"^web$", "web", 1},         {".*", "", 1},
    {"\\Bx", "x", 0},              {"(?m)a$\nb", "a\nb", 1},    {"a++b", "aab", 1},
    {"{a}", "{a}", 1},             {"x{}", "x{}", 1},           {"\\u0041", "A", 1},
    {"[^\\W\\d]", "a", 1},         {"[^\\W\\d]", "1", 0},       {"(?x) a b # c", "ab", 1},
};

static void entry_when_good_then_cut_as_the_grammar_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CLEAN_ENTRY struct entry entry = {0};
        CLEAN_TEXT_LIST struct text_list warnings = TEXT_LIST_INIT;
        CLEAN_STR struct str got = STR_INIT;
        struct error err = ERROR_INIT;
        if (entry_parse(good[i].text, &entry, &warnings, &err) < 0)
            fail_msg("\"%s\": %s", good[i].text, err.text);
        str_add_format(&got, "%s|%s|%lld|", entry.pattern, entry.is_name ? "name" : "regex",
                       (long long)entry.max_backups);
        for (size_t k = 0; k < entry.disks.n; k++)
            str_add_format(&got, "%s%s", k ? "," : "", entry.disks.items[k]);
        str_add_format(&got, "|%zu", warnings.n);
        assert_string_equal(str_text(&got), good[i].want);
    }
}

static void entry_when_bad_then_told_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CLEAN_ENTRY struct entry entry = {0};
        CLEAN_TEXT_LIST struct text_list warnings = TEXT_LIST_INIT;
        struct error err = ERROR_INIT;
        assert_int_equal(entry_parse(bad[i].text, &entry, &warnings, &err), -1);
        if (err.code != ERROR_BAD_INPUT || !strstr(err.text, bad[i].want))
            fail_msg("\"%s\": %s", bad[i].text, err.text);
    }
}

static void entry_when_too_long_then_refused(void **state)
{
    (void)state;
    CLEAN_ENTRY struct entry entry = {0};
    CLEAN_TEXT_LIST struct text_list warnings = TEXT_LIST_INIT;
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;
    for (int i = 0; i <= ENTRY_TEXT_MAX; i++)
        str_add_char(&text, 'a');
    assert_int_equal(entry_parse(str_text(&text), &entry, &warnings, &err), -1);
    assert_int_equal(err.code, ERROR_BAD_INPUT);
}

static void name_when_simple_then_matched_exactly(void **state)
{
    (void)state;
    CLEAN_ENTRY struct entry entry = {0};
    CLEAN_TEXT_LIST struct text_list warnings = TEXT_LIST_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(entry_parse("DEV-MYSQL", &entry, &warnings, &err), 0);
    assert_int_equal(entry_match(&entry, "DEV-MYSQL", &err), 1);
    assert_int_equal(entry_match(&entry, "DEV-MYSQL2", &err), 0);
    assert_int_equal(entry_match(&entry, "dev-mysql", &err), 0);
}

static void regex_when_pcre2_differs_then_pythons_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof matches / sizeof *matches; i++) {
        CLEAN_REGEX struct regex *regex = NULL;
        struct error err = ERROR_INIT;
        if (regex_compile(matches[i].pattern, &regex, &err) < 0)
            fail_msg("\"%s\": %s", matches[i].pattern, err.text);
        if (regex_match(regex, matches[i].name, &err) != matches[i].want)
            fail_msg("\"%s\" on \"%s\"", matches[i].pattern, matches[i].name);
    }
}

static void regex_when_it_would_hang_then_over_the_limit(void **state)
{
    (void)state;
    CLEAN_REGEX struct regex *regex = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(regex_compile("(?:(a+)+)+\\Z", &regex, &err), 0);
    assert_int_equal(regex_match(regex, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
}

static void regex_when_the_name_is_no_utf8_then_read_as_replaced(void **state)
{
    (void)state;
    CLEAN_REGEX struct regex *regex = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(regex_compile("a.b", &regex, &err), 0);
    assert_int_equal(regex_match(regex, "a\xff" "b", &err), 1);
}

static void regex_when_deeply_nested_then_refused(void **state)
{
    (void)state;
    CLEAN_REGEX struct regex *regex = NULL;
    CLEAN_STR struct str pattern = STR_INIT;
    struct error err = ERROR_INIT;
    for (int i = 0; i < 1000; i++)
        str_add_char(&pattern, '(');
    assert_int_equal(regex_compile(str_text(&pattern), &regex, &err), -1);
    assert_non_null(strstr(err.text, "parentheses in one another"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_when_good_then_cut_as_the_grammar_says),
        cmocka_unit_test(entry_when_bad_then_told_why),
        cmocka_unit_test(entry_when_too_long_then_refused),
        cmocka_unit_test(name_when_simple_then_matched_exactly),
        cmocka_unit_test(regex_when_pcre2_differs_then_pythons_answer),
        cmocka_unit_test(regex_when_it_would_hang_then_over_the_limit),
        cmocka_unit_test(regex_when_the_name_is_no_utf8_then_read_as_replaced),
        cmocka_unit_test(regex_when_deeply_nested_then_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
