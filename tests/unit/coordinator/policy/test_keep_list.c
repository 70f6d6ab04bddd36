/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbers of single VMs, from keep_list.cases, and which number a verdict goes by.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "coordinator/policy/keep_list.h"
#include "tests/unit/coordinator/policy/pool_text.h"

struct scene {
    struct retain_rules global;
    struct text_list entries;
    struct text_list vms;
};

static unsigned number(const struct text_list *words, const char *key)
{
    const char *text = pool_text_value(words, key);
    return text ? (unsigned)strtoul(text, NULL, 10) : 0;
}

static void take_line(struct scene *scene, const char *line)
{
    CLEAN_TEXT_LIST struct text_list words = TEXT_LIST_INIT;
    pool_text_words(line, &words);
    if (strcmp(words.items[0], "keep") == 0) {
        text_list_add(&scene->entries, line + strlen("keep "));
        return;
    }
    if (strcmp(words.items[0], "vm") == 0) {
        text_list_add(&scene->vms, words.items[1]);
        return;
    }
    assert_string_equal(words.items[0], "global");
    scene->global = (struct retain_rules){
        .max_backups = number(&words, "max"),      .keep_copies = number(&words, "copies"),
        .keep_last = number(&words, "last"),       .keep_daily = number(&words, "daily"),
        .keep_weekly = number(&words, "weekly"),   .keep_monthly = number(&words, "monthly"),
        .keep_yearly = number(&words, "yearly"),
    };
}

static void judge_vm(const struct scene *scene, const struct keep_list *list, const char *vm,
                     struct str *out)
{
    struct keep_choice choice = {.by = NULL};
    struct retain_rules rules = scene->global;
    CLEAN_TEXT_LIST struct text_list warnings = TEXT_LIST_INIT;
    CLEAN_STR struct str words = STR_INIT;

    keep_list_choose(list, vm, &choice, &warnings);
    keep_choice_apply(&choice, &rules);
    if (choice.numbers.has[KEEP_MAX_BACKUPS])
        rules.max_backups = choice.numbers.values[KEEP_MAX_BACKUPS];
    keep_format_rules(&rules, &words);
    str_add_format(out, "%s: max_backups %" PRId64 "%s%s%s%s\n", vm, rules.max_backups,
                   words.len ? ", " : "", str_text(&words), choice.by ? ", by " : "",
                   choice.by ? choice.by : "");
    for (size_t i = 0; i < warnings.n; i++)
        str_add_format(out, "warning: %s\n", warnings.items[i]);
    keep_choice_done(&choice);
}

static void run_case(const struct text_list *lines, struct str *out)
{
    struct scene scene = {.vms = TEXT_LIST_INIT};
    CLEAN_KEEP_LIST struct keep_list list = {0};
    struct error err = ERROR_INIT;

    for (size_t i = 0; i < lines->n; i++)
        take_line(&scene, lines->items[i]);
    if (keep_list_parse(&scene.entries, &list, &err) < 0) {
        assert_int_equal(err.code, ERROR_SETTINGS);
        str_add_format(out, "error: %s\n", err.text);
    }
    for (size_t i = 0; i < scene.vms.n; i++)
        judge_vm(&scene, &list, scene.vms.items[i], out);
    text_list_done(&scene.entries);
    text_list_done(&scene.vms);
}

static void vm_when_judged_then_as_the_case_file_says(void **state)
{
    (void)state;
    pool_text_run_cases("tests/unit/coordinator/policy/keep_list.cases", run_case);
}

static void rule_when_of_a_number_then_its_key_and_value(void **state)
{
    (void)state;
    static const struct {
        enum retain_rule rule;
        const char *key; /* NULL: of no number */
        int64_t value;
    } cases[] = {
        {RETAIN_COUNT, "max_backups", 4},       {RETAIN_GOES, "max_backups", 4},
        {RETAIN_LAST_COPY, "keep_copies", 2},   {RETAIN_KEEP_LAST, "keep_last", 10},
        {RETAIN_KEEP_DAILY, "keep_daily", 7},   {RETAIN_KEEP_WEEKLY, "keep_weekly", 5},
        {RETAIN_KEEP_MONTHLY, "keep_monthly", 12}, {RETAIN_KEEP_YEARLY, "keep_yearly", 3},
        {RETAIN_PINNED, NULL, 0},               {RETAIN_IN_USE, NULL, 0},
        {RETAIN_NOTHING_NEWER, NULL, 0},        {RETAIN_LATER, NULL, 0},
    };
    const struct retain_rules rules = {.max_backups = 4, .keep_copies = 2, .keep_last = 10,
                                       .keep_daily = 7, .keep_weekly = 5, .keep_monthly = 12,
                                       .keep_yearly = 3};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum keep_word word = keep_word_of(cases[i].rule);
        assert_true(str_equal(keep_word_key(word), cases[i].key));
        assert_int_equal(keep_word_value(&rules, word), cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vm_when_judged_then_as_the_case_file_says),
        cmocka_unit_test(rule_when_of_a_number_then_its_key_and_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
