/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Retention, from retain.cases, and what must hold for any folder whatever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "coordinator/policy/retain.h"
#include "tests/unit/coordinator/policy/pool_text.h"

#define ITEMS_MAX 32
#define ROUNDS_N 20000

struct scene {
    struct retain_item items[ITEMS_MAX];
    size_t n;
    struct retain_rules rules;
    struct text_list texts;
};

static const char *keep(struct scene *scene, const char *text)
{
    if (!text)
        return NULL;
    text_list_add(&scene->texts, text);
    return scene->texts.items[scene->texts.n - 1];
}

static unsigned number(const struct text_list *words, const char *key)
{
    const char *text = pool_text_value(words, key);
    return text ? (unsigned)strtoul(text, NULL, 10) : 0;
}

static void take_line(struct scene *scene, const char *line)
{
    CLEAN_TEXT_LIST struct text_list words = TEXT_LIST_INIT;
    struct error err = ERROR_INIT;
    pool_text_words(line, &words);
    if (strcmp(words.items[0], "rules") == 0) {
        scene->rules = (struct retain_rules){
            .max_backups = number(&words, "max"),    .keep_copies = number(&words, "copies"),
            .expire_max = number(&words, "expire"),  .keep_last = number(&words, "last"),
            .keep_daily = number(&words, "daily"),   .keep_weekly = number(&words, "weekly"),
            .keep_monthly = number(&words, "monthly"), .keep_yearly = number(&words, "yearly"),
        };
        const char *now = pool_text_value(&words, "now");
        if (now)
            assert_int_equal(clock_parse_stamp(now, &scene->rules.now_at, &err), 0);
        return;
    }
    assert_string_equal(words.items[0], "file");
    assert_true(scene->n < ITEMS_MAX);
    struct retain_item *item = &scene->items[scene->n++];
    item->name = keep(scene, words.items[1]);
    assert_int_equal(clock_parse_stamp(words.items[2], &item->taken_at, &err), 0);
    item->vm_uuid = keep(scene, pool_text_value(&words, "vm"));
    item->copy = keep(scene, pool_text_value(&words, "copy"));
    item->state = text_list_has(&words, "found")       ? BACKUP_FOUND
                  : text_list_has(&words, "damaged")   ? BACKUP_DAMAGED
                  : text_list_has(&words, "rehearsed") ? BACKUP_REHEARSED
                                                       : BACKUP_PROVEN;
    item->is_pinned = text_list_has(&words, "pinned");
    item->is_in_use = text_list_has(&words, "in-use");
}

static void run_case(const struct text_list *lines, struct str *out)
{
    struct scene scene = {0};
    struct retain_verdict verdicts[ITEMS_MAX];
    for (size_t i = 0; i < lines->n; i++)
        take_line(&scene, lines->items[i]);
    retain_decide(scene.items, scene.n, &scene.rules, verdicts);
    for (size_t i = 0; i < scene.n; i++) {
        if (verdicts[i].rule == RETAIN_GOES)
            str_add_format(out, "%s goes: %s\n", scene.items[i].name,
                           scene.items[verdicts[i].witness].name);
        else
            str_add_format(out, "%s keeps: %s%s\n", scene.items[i].name,
                           retain_rule_text(verdicts[i].rule),
                           verdicts[i].beats_count ? " !" : "");
    }
    text_list_done(&scene.texts);
}

static void folder_when_judged_then_as_the_case_file_says(void **state)
{
    (void)state;
    pool_text_run_cases("tests/unit/coordinator/policy/retain.cases", run_case);
}

/* Whether every file of the item's copy is proven. */
static bool is_whole(const struct retain_item *items, size_t n, size_t at)
{
    for (size_t i = 0; i < n; i++) {
        bool is_proven = items[i].state == BACKUP_PROVEN || items[i].state == BACKUP_REHEARSED;
        bool is_same = i == at || (items[i].copy && str_equal(items[i].copy, items[at].copy) &&
                                   str_equal(items[i].vm_uuid, items[at].vm_uuid));
        if (is_same && !is_proven)
            return false;
    }
    return true;
}

/* For random folders: what goes has a proven, newer, staying witness of its VM; each VM that had a
 * proven file keeps one; no more than expire_max go; pinned ones stay. */
static void check_folder(const struct retain_item *items, size_t n,
                         const struct retain_rules *rules)
{
    struct retain_verdict verdicts[ITEMS_MAX];
    size_t gone_n = 0, stay_n = 0;
    retain_decide(items, n, rules, verdicts);
    for (size_t i = 0; i < n; i++) {
        bool has_proven = false, keeps_proven = false;
        for (size_t m = 0; m < n; m++) {
            bool is_good = is_whole(items, n, m) && str_equal(items[m].vm_uuid, items[i].vm_uuid);
            has_proven = has_proven || is_good;
            keeps_proven = keeps_proven || (is_good && verdicts[m].rule != RETAIN_GOES);
        }
        assert_int_equal(has_proven, keeps_proven);
        if (verdicts[i].rule != RETAIN_GOES) {
            stay_n++;
            continue;
        }
        gone_n++;
        const struct retain_item *witness = &items[verdicts[i].witness];
        assert_true(verdicts[i].witness < n);
        assert_int_not_equal(verdicts[verdicts[i].witness].rule, RETAIN_GOES);
        assert_true(is_whole(items, n, verdicts[i].witness));
        assert_true(witness->taken_at >= items[i].taken_at);
        assert_false(items[i].is_pinned || items[i].is_in_use);
    }
    assert_true(gone_n <= rules->expire_max);
    assert_true(n == 0 || stay_n > 0);
}

/* The same numbers at every run: a failure can be seen again. */
static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525u + 1013904223u;
    return *random >> 8;
}

static void folder_when_random_then_no_vm_loses_its_last_proven_copy(void **state)
{
    (void)state;
    static const char *const vms[] = {"a", "b", NULL};
    static const char *const copies[] = {"1", "2", "3", NULL};
    static const char *const names[] = {"p", "q", "r", "s", "t", "u", "v", "w"};
    uint32_t random = 12345;
#define NEXT(n) (next_random(&random) % (n))
    for (int round = 0; round < ROUNDS_N; round++) {
        struct retain_item items[8];
        size_t n = NEXT(9);
        for (size_t i = 0; i < n; i++)
            items[i] = (struct retain_item){
                .name = names[i],
                .vm_uuid = vms[NEXT(3)],
                .copy = copies[NEXT(4)],
                .taken_at = (int64_t)(NEXT(5)) * 40000000,
                .state = (enum backup_state)(BACKUP_FOUND + NEXT(4)),
                .is_pinned = NEXT(8) == 0,
                .is_in_use = NEXT(8) == 0,
            };
        const struct retain_rules rules = {.max_backups = 1 + NEXT(3),
                                           .keep_copies = 1 + NEXT(2),
                                           .expire_max = 1 + NEXT(4),
                                           .keep_daily = NEXT(3)};
        check_folder(items, n, &rules);
    }
#undef NEXT
}

static int use_utc(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    return clock_use_zone("UTC", &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folder_when_judged_then_as_the_case_file_says),
        cmocka_unit_test(folder_when_random_then_no_vm_loses_its_last_proven_copy),
    };
    return cmocka_run_group_tests(tests, use_utc, NULL);
}
