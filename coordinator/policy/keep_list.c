/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The numbers stand behind the last colon, so whatever a regex holds before it stays whole.
 */
#include "coordinator/policy/keep_list.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/split.h"
#include "common/base/str.h"
#include "common/base/text_list.h"

#include "common/base/poison.h"

static const struct {
    const char *word;
    const char *key;
    int64_t min, max;
} words[KEEP_WORDS_N] = {
#define X(name, word, key, min, max) [KEEP_##name] = {word, key, min, max},
    KEEP_WORD_TABLE(X)
#undef X
};

/* ---- reading ---- */

static void rule_done(struct keep_rule *rule)
{
    mem_free_char(&rule->text);
    entry_done(&rule->entry);
}

void keep_list_done(struct keep_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        rule_done(&list->rules[i]);
    free(list->rules);
    *list = (struct keep_list){0};
}

static int fail_shape(const char *text, struct error *err)
{
    return error_set(err, ERROR_SETTINGS,
                     "keep: entry \"%s\": it is NAME-OR-REGEX:WORD=N;WORD=N, words are "
                     "max_backups, copies, last, daily, weekly, monthly and yearly",
                     text);
}

/* One "daily=7". */
static int parse_number(const char *text, const char *part, struct keep_numbers *numbers,
                        struct error *err)
{
    const char *equals = strchr(part, '=');
    CLEAN_CHAR char *name = mem_dup_n(part, equals ? (size_t)(equals - part) : 0);
    CLEAN_CHAR char *number = mem_dup(equals ? equals + 1 : "");
    const char *word = str_trim(name), *value = str_trim(number);

    for (size_t i = 0; i < KEEP_WORDS_N; i++) {
        if (strcmp(word, words[i].word) != 0)
            continue;
        if (numbers->has[i])
            return error_set(err, ERROR_SETTINGS, "keep: entry \"%s\": %s stands there twice",
                             text, word);
        if (num_parse(value, words[i].min, words[i].max, &numbers->values[i], NULL) < 0)
            return error_set(err, ERROR_SETTINGS,
                             "keep: entry \"%s\": %s = %s: it is a number from %lld to %lld", text,
                             word, value, (long long)words[i].min, (long long)words[i].max);
        numbers->has[i] = true;
        return 0;
    }
    return fail_shape(text, err);
}

static int parse_rule(const char *text, struct keep_rule *rule, struct error *err)
{
    const char *colon = strrchr(text, ':');
    CLEAN_TEXT_LIST struct text_list ignored = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list parts = TEXT_LIST_INIT;

    rule->text = mem_dup(text);
    if (!colon)
        return fail_shape(text, err);
    CLEAN_CHAR char *pattern = mem_dup_n(text, (size_t)(colon - text));
    split_outside_brackets(colon + 1, ';', 0, &parts);
    for (size_t i = 0; i < parts.n; i++)
        if (parse_number(text, parts.items[i], &rule->numbers, err) < 0)
            return -1;
    struct error why = ERROR_INIT;
    if (entry_parse(pattern, &rule->entry, &ignored, &why) < 0)
        return error_set(err, ERROR_SETTINGS, "keep: %s", why.text);
    if (ignored.n > 0 || rule->entry.max_backups != 0 || rule->entry.disks.n > 0)
        return fail_shape(text, err);
    return 0;
}

int keep_list_parse(const struct text_list *texts, struct keep_list *ret_list, struct error *err)
{
    CLEAN_KEEP_LIST struct keep_list list = {0};

    for (size_t i = 0; texts && i < texts->n; i++) {
        list.rules = mem_grow(list.rules, &list.cap, list.n + 1, sizeof *list.rules);
        struct keep_rule *rule = &list.rules[list.n++];
        *rule = (struct keep_rule){.text = NULL};
        if (parse_rule(texts->items[i], rule, err) < 0)
            return -1;
    }
    *ret_list = list;
    list = (struct keep_list){0};
    return 0;
}

/* ---- deciding ---- */

void keep_choice_done(struct keep_choice *choice)
{
    mem_free_char(&choice->by);
    *choice = (struct keep_choice){.by = NULL};
}

void keep_choice_copy(struct keep_choice *to, const struct keep_choice *from)
{
    *to = *from;
    to->by = mem_dup(from->by);
}

void keep_list_choose(const struct keep_list *list, const char *vm_name,
                      struct keep_choice *ret_choice, struct text_list *warnings)
{
    for (size_t i = 0; list && i < list->n; i++) {
        const struct keep_rule *rule = &list->rules[i];
        struct error why = ERROR_INIT;
        int matches = entry_match(&rule->entry, vm_name, &why);

        if (matches == 0)
            continue;
        ret_choice->by = str_format("keep: %s", rule->text);
        ret_choice->numbers = rule->numbers;
        if (matches < 0) {
            ret_choice->numbers.has[KEEP_LAST] = true;
            ret_choice->numbers.values[KEEP_LAST] = words[KEEP_LAST].max;
            text_list_add_format(warnings, "%s: keep: %s; all its backups are kept", vm_name,
                                 why.text);
        }
        return;
    }
}

static unsigned *place_of(struct retain_rules *rules, enum keep_word word)
{
    switch (word) {
    case KEEP_COPIES:
        return &rules->keep_copies;
    case KEEP_LAST:
        return &rules->keep_last;
    case KEEP_DAILY:
        return &rules->keep_daily;
    case KEEP_WEEKLY:
        return &rules->keep_weekly;
    case KEEP_MONTHLY:
        return &rules->keep_monthly;
    case KEEP_YEARLY:
        return &rules->keep_yearly;
    case KEEP_MAX_BACKUPS:
    case KEEP_WORDS_N:
        break;
    }
    return NULL;
}

void keep_choice_apply(const struct keep_choice *choice, struct retain_rules *rules)
{
    for (size_t i = 0; i < KEEP_WORDS_N; i++) {
        unsigned *place = place_of(rules, (enum keep_word)i);

        if (place && choice->numbers.has[i])
            *place = (unsigned)choice->numbers.values[i];
    }
}

/* ---- telling ---- */

enum keep_word keep_word_of(enum retain_rule rule)
{
    switch (rule) {
    case RETAIN_COUNT:
    case RETAIN_GOES:
        return KEEP_MAX_BACKUPS;
    case RETAIN_LAST_COPY:
        return KEEP_COPIES;
    case RETAIN_KEEP_LAST:
        return KEEP_LAST;
    case RETAIN_KEEP_DAILY:
        return KEEP_DAILY;
    case RETAIN_KEEP_WEEKLY:
        return KEEP_WEEKLY;
    case RETAIN_KEEP_MONTHLY:
        return KEEP_MONTHLY;
    case RETAIN_KEEP_YEARLY:
        return KEEP_YEARLY;
    case RETAIN_PINNED:
    case RETAIN_IN_USE:
    case RETAIN_NOTHING_NEWER:
    case RETAIN_LATER:
        break;
    }
    return KEEP_WORDS_N;
}

const char *keep_word_key(enum keep_word word)
{
    return word < KEEP_WORDS_N ? words[word].key : NULL;
}

int64_t keep_word_value(const struct retain_rules *rules, enum keep_word word)
{
    struct retain_rules copy = *rules;
    const unsigned *place = place_of(&copy, word);

    return place ? *place : word == KEEP_MAX_BACKUPS ? rules->max_backups : 0;
}

void keep_format_rules(const struct retain_rules *rules, struct str *out)
{
    bool has_any = false;

    for (size_t i = 0; i < KEEP_WORDS_N; i++) {
        int64_t value = i == KEEP_MAX_BACKUPS ? 0 : keep_word_value(rules, (enum keep_word)i);

        if (value == 0 || (i == KEEP_COPIES && value == 1))
            continue;
        str_add_format(out, "%s%s %lld", has_any ? ", " : "", words[i].word, (long long)value);
        has_any = true;
    }
}
