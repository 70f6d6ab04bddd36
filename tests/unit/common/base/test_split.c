/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cutting outside brackets: parts joined by "|" against what is wanted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/split.h"
#include "common/base/str.h"
#include "common/base/text_list.h"

static const struct {
    const char *text;
    char separator;
    size_t max;
    const char *want;
} cases[] = {
    {"", ',', 0, ""},
    {"a", ',', 0, "a"},
    {" a , b,c ", ',', 0, "a|b|c"},
    {"a,,b,", ',', 0, "a||b|"},
    {"print[\\d{1,}]$:8,x", ',', 0, "print[\\d{1,}]$:8|x"},
    {"a{1,2},b", ',', 0, "a{1,2}|b"},
    {"(a,b),c", ',', 0, "(a,b)|c"},
    {"(a,[),]),c", ',', 0, "(a,[),])|c"},
    {"[],],c", ',', 0, "[],]|c"},
    {"[^],],c", ',', 0, "[^],]|c"},
    {"a\\,b,c", ',', 0, "a\\,b|c"},
    {"a\\(b,c),d", ',', 0, "a\\(b|c)|d"},
    {"DEV-(,MYSQL", ',', 0, "DEV-(|MYSQL"},
    {"a),b", ',', 0, "a)|b"},
    {"(a{b),c},d", ',', 0, "(a{b)|c}|d"},
    {"[a,b", ',', 0, "[a|b"},
    {"a[,b](,c", ',', 0, "a[,b](|c"},
    {"(?:a:b):2:xvda", ':', 3, "(?:a:b)|2|xvda"},
    {"a:b:c:d", ':', 3, "a|b|c:d"},
    {"a\\", ',', 0, "a\\"},
    {"[a\\],b],c", ',', 0, "[a\\],b]|c"},
};

static void text_when_cut_then_the_parts_outside_brackets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN_TEXT_LIST struct text_list parts = TEXT_LIST_INIT;
        CLEAN_STR struct str got = STR_INIT;
        split_outside_brackets(cases[i].text, cases[i].separator, cases[i].max, &parts);
        for (size_t k = 0; k < parts.n; k++)
            str_add_format(&got, "%s%s", k ? "|" : "", parts.items[k]);
        if (strcmp(str_text(&got), cases[i].want) != 0)
            fail_msg("\"%s\" gave \"%s\", not \"%s\"", cases[i].text, str_text(&got),
                     cases[i].want);
    }
}

/* Ten thousand open brackets of each kind must not take quadratic time. */
static void text_when_full_of_open_brackets_then_cut_in_linear_time(void **state)
{
    (void)state;
    CLEAN_STR struct str text = STR_INIT;
    for (int i = 0; i < 200000; i++)
        str_add(&text, i % 3 == 0 ? "(" : i % 3 == 1 ? "{" : "[");
    for (int i = 0; i < 200000; i++)
        str_add(&text, "),}");
    CLEAN_TEXT_LIST struct text_list parts = TEXT_LIST_INIT;
    split_outside_brackets(str_text(&text), ',', 0, &parts);
    assert_true(parts.n > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_when_cut_then_the_parts_outside_brackets),
        cmocka_unit_test(text_when_full_of_open_brackets_then_cut_in_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
