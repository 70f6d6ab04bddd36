/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Items are looked at from the newest to the oldest. Every rule only ever keeps; what no rule has
 * kept goes, oldest first, as far as expire_max allows and a witness is there.
 */
#include "coordinator/policy/retain.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#include "common/base/poison.h"

struct keeper {
    const struct retain_item *items;
    size_t n;
    const struct retain_rules *rules;
    struct retain_verdict *verdicts;
    size_t *order;  /* newest first */
    bool *is_first; /* by place in order: no newer file is of its copy */
    bool *is_whole; /* by item: every file of its copy is proven */
};

const char *retain_rule_text(enum retain_rule rule)
{
    static const char *const texts[] = {
#define X(name, text) [RETAIN_##name] = text,
        RETAIN_RULE_TABLE(X)
#undef X
    };
    return texts[rule];
}

/* ---- order ---- */

int64_t retain_order(int64_t taken_at, int64_t now_at)
{
    return now_at && taken_at - RETAIN_SKEW_MS > now_at ? taken_at - INT64_MAX / 2 : taken_at;
}

struct place {
    const struct retain_item *item;
    int64_t order;
    size_t index;
};

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->order != b->order)
        return a->order > b->order ? -1 : 1;
    return strcmp(b->item->name, a->item->name);
}

static void sort_items(struct keeper *k)
{
    struct place *places = mem_zero(k->n + 1, sizeof *places);
    for (size_t i = 0; i < k->n; i++)
        places[i] = (struct place){&k->items[i],
                                   retain_order(k->items[i].taken_at, k->rules->now_at), i};
    if (k->n > 1)
        qsort(places, k->n, sizeof *places, compare_places);
    for (size_t i = 0; i < k->n; i++)
        k->order[i] = places[i].index;
    mem_free_void(&places);
}

/* ---- keeping ---- */

static bool is_open(const struct keeper *k, size_t i)
{
    return k->verdicts[i].rule == RETAIN_GOES;
}

static void keep(struct keeper *k, size_t i, enum retain_rule rule)
{
    if (is_open(k, i))
        k->verdicts[i].rule = rule;
}

static bool is_same_copy(const struct retain_item *a, const struct retain_item *b)
{
    return a == b || (a->copy && str_equal(a->copy, b->copy) && str_equal(a->vm_uuid, b->vm_uuid));
}

static void keep_copy(struct keeper *k, size_t i, enum retain_rule rule)
{
    for (size_t m = 0; m < k->n; m++) {
        if (is_same_copy(&k->items[i], &k->items[m]))
            keep(k, m, rule);
    }
}

/* The manual's count: files, newest first; damaged ones do not count and are not kept by it. */
static void keep_count(struct keeper *k)
{
    int64_t counted_n = 0;
    for (size_t p = 0; p < k->n; p++) {
        size_t i = k->order[p];
        if (counted_n >= k->rules->max_backups)
            return;
        keep(k, i, RETAIN_COUNT); /* a damaged one among them stays for people to look at */
        counted_n += k->items[i].state != BACKUP_DAMAGED;
    }
}

static bool is_proven(const struct retain_item *item)
{
    return item->state == BACKUP_PROVEN || item->state == BACKUP_REHEARSED;
}

static void look_at_copies(struct keeper *k)
{
    for (size_t i = 0; i < k->n; i++) {
        k->is_whole[i] = true;
        for (size_t m = 0; m < k->n && k->is_whole[i]; m++)
            k->is_whole[i] =
                !is_same_copy(&k->items[i], &k->items[m]) || is_proven(&k->items[m]);
    }
    for (size_t p = 0; p < k->n; p++) {
        k->is_first[p] = true;
        for (size_t q = 0; q < p && k->is_first[p]; q++)
            k->is_first[p] = !is_same_copy(&k->items[k->order[q]], &k->items[k->order[p]]);
    }
}

static bool is_same_vm(const struct retain_item *a, const struct retain_item *b)
{
    return str_equal(a->vm_uuid, b->vm_uuid);
}

/* How many proven copies of the VM stand before position p. */
static unsigned count_newer_copies(const struct keeper *k, size_t p)
{
    unsigned n = 0;
    for (size_t q = 0; q < p; q++) {
        const struct retain_item *item = &k->items[k->order[q]];
        n += k->is_whole[k->order[q]] && k->is_first[q] &&
             is_same_vm(item, &k->items[k->order[p]]);
    }
    return n;
}

static void keep_last_copies(struct keeper *k)
{
    unsigned keep_n = k->rules->keep_copies ? k->rules->keep_copies : 1;
    for (size_t p = 0; p < k->n; p++) {
        size_t i = k->order[p];
        if (!k->is_whole[i] || !k->is_first[p] ||
            count_newer_copies(k, p) >= keep_n)
            continue;
        for (size_t m = 0; m < k->n; m++) {
            if (is_open(k, m) && is_same_copy(&k->items[i], &k->items[m])) {
                k->verdicts[m].rule = RETAIN_LAST_COPY;
                k->verdicts[m].beats_count = true;
            }
        }
    }
}

/* ---- days, weeks, months, years ---- */

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t day_number(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int digits(const char *text, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++)
        value = value * 10 + (text[i] - '0');
    return value;
}

/* What period a moment lies in: equal numbers, one period. */
static int64_t period_of(int64_t taken_at, enum retain_rule rule)
{
    char stamp[CLOCK_STAMP_MAX];
    clock_format_stamp(taken_at, stamp);
    int year = digits(stamp, 4), month = digits(stamp + 4, 2), day = digits(stamp + 6, 2);
    switch (rule) {
    case RETAIN_KEEP_YEARLY:
        return year;
    case RETAIN_KEEP_MONTHLY:
        return (int64_t)year * 12 + month;
    case RETAIN_KEEP_WEEKLY:
        return (day_number(year, month, day) + 3) / 7; /* weeks begin on Monday */
    default:
        return day_number(year, month, day);
    }
}

/* The newest copy of each of the last n periods (keep_last: each copy is its own period); damaged
 * ones keep no period. Each VM of the folder has its own. */
static void keep_periods(struct keeper *k, enum retain_rule rule, unsigned wanted_n)
{
    for (size_t p = 0; p < k->n; p++) {
        const struct retain_item *item = &k->items[k->order[p]];
        unsigned periods_n = 0;
        bool is_newest = item->state != BACKUP_DAMAGED && k->is_first[p];
        int64_t last = INT64_MIN, own = period_of(item->taken_at, rule);
        for (size_t q = 0; q < p && is_newest; q++) {
            const struct retain_item *newer = &k->items[k->order[q]];
            if (newer->state == BACKUP_DAMAGED || !is_same_vm(newer, item) ||
                !k->is_first[q])
                continue;
            int64_t period = period_of(newer->taken_at, rule);
            is_newest = rule == RETAIN_KEEP_LAST || period != own;
            periods_n += rule == RETAIN_KEEP_LAST || period != last;
            last = period;
        }
        if (is_newest && periods_n < wanted_n)
            keep_copy(k, k->order[p], rule);
    }
}

/* ---- what goes ---- */

/* The newest proven file that justifies that this one goes; a found file of unknown VM has any of
 * the folder for its witness. */
static size_t find_witness(const struct keeper *k, size_t p)
{
    const struct retain_item *item = &k->items[k->order[p]];
    for (size_t q = 0; q < p; q++) {
        const struct retain_item *newer = &k->items[k->order[q]];
        if (k->is_whole[k->order[q]] && (is_same_vm(newer, item) || !item->vm_uuid) &&
            !is_open(k, k->order[q]))
            return k->order[q];
    }
    return RETAIN_NONE;
}

static void settle(struct keeper *k)
{
    unsigned left_n = k->rules->expire_max ? k->rules->expire_max : RETAIN_EXPIRE_MAX;
    for (size_t p = 0; p < k->n; p++) {
        size_t i = k->order[p];
        if (!is_open(k, i))
            continue;
        k->verdicts[i].witness = find_witness(k, p);
        if (k->verdicts[i].witness == RETAIN_NONE)
            k->verdicts[i].rule = RETAIN_NOTHING_NEWER;
    }
    for (size_t p = k->n; p > 0; p--) { /* oldest first */
        size_t i = k->order[p - 1];
        if (!is_open(k, i))
            continue;
        if (left_n > 0) {
            left_n--;
        } else {
            k->verdicts[i].rule = RETAIN_LATER;
            k->verdicts[i].witness = RETAIN_NONE;
        }
    }
}

void retain_decide(const struct retain_item *items, size_t n, const struct retain_rules *rules,
                   struct retain_verdict *verdicts)
{
    struct keeper k = {items, n, rules, verdicts, mem_zero(n + 1, sizeof(size_t)),
                       mem_zero(n + 1, sizeof(bool)),
                       mem_zero(n + 1, sizeof(bool))};
    for (size_t i = 0; i < n; i++)
        verdicts[i] = (struct retain_verdict){.rule = RETAIN_GOES, .witness = RETAIN_NONE};
    sort_items(&k);
    look_at_copies(&k);
    keep_count(&k);
    for (size_t i = 0; i < n; i++) {
        if (items[i].is_pinned)
            keep(&k, i, RETAIN_PINNED);
        if (items[i].is_in_use)
            keep(&k, i, RETAIN_IN_USE);
    }
    if (rules->keep_last)
        keep_periods(&k, RETAIN_KEEP_LAST, rules->keep_last);
    if (rules->keep_daily)
        keep_periods(&k, RETAIN_KEEP_DAILY, rules->keep_daily);
    if (rules->keep_weekly)
        keep_periods(&k, RETAIN_KEEP_WEEKLY, rules->keep_weekly);
    if (rules->keep_monthly)
        keep_periods(&k, RETAIN_KEEP_MONTHLY, rules->keep_monthly);
    if (rules->keep_yearly)
        keep_periods(&k, RETAIN_KEEP_YEARLY, rules->keep_yearly);
    keep_last_copies(&k);
    settle(&k);
    mem_free_void(&k.order);
    mem_free_void(&k.is_first);
    mem_free_void(&k.is_whole);
}
