/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which VM's backups are kept by which numbers: a list of NAME-OR-REGEX:WORD=N;WORD=N, the first
 * entry that matches a VM's name decides.
 *
 * A number that the entry does not name is the global one. max_backups of an entry holds for VMs
 * whose own entry in vdi_exports or vm_exports names none. A bad entry is an error, never skipped:
 * what it was to keep would go by the global numbers.
 */
#ifndef ONYX_COORDINATOR_POLICY_KEEP_LIST_H
#define ONYX_COORDINATOR_POLICY_KEEP_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "coordinator/policy/entry.h"
#include "coordinator/policy/retain.h"

struct error;
struct str;
struct text_list;

/* Ranges, of the global settings too. */
#define KEEP_COPIES_MAX  1000
#define KEEP_PERIODS_MAX 100000

/* Word, its key among the global settings, smallest, largest. */
#define KEEP_WORD_TABLE(X)                                                                         \
    X(MAX_BACKUPS, "max_backups", "max_backups", 1, INT32_MAX)                                     \
    X(COPIES, "copies", "keep_copies", 1, KEEP_COPIES_MAX)                                         \
    X(LAST, "last", "keep_last", 0, KEEP_PERIODS_MAX)                                              \
    X(DAILY, "daily", "keep_daily", 0, KEEP_PERIODS_MAX)                                           \
    X(WEEKLY, "weekly", "keep_weekly", 0, KEEP_PERIODS_MAX)                                        \
    X(MONTHLY, "monthly", "keep_monthly", 0, KEEP_PERIODS_MAX)                                     \
    X(YEARLY, "yearly", "keep_yearly", 0, KEEP_PERIODS_MAX)

enum keep_word {
#define X(name, word, key, min, max) KEEP_##name,
    KEEP_WORD_TABLE(X)
#undef X
    KEEP_WORDS_N
};

struct keep_numbers {
    bool has[KEEP_WORDS_N];
    int64_t values[KEEP_WORDS_N];
};

struct keep_rule {
    char *text; /* as written */
    struct entry entry;
    struct keep_numbers numbers;
};

struct keep_list {
    struct keep_rule *rules;
    size_t n, cap;
};

void keep_list_done(struct keep_list *list);
#define CLEAN_KEEP_LIST CLEANUP(keep_list_done)

/* ERROR_SETTINGS: the first bad entry, with the word and its range. */
int keep_list_parse(const struct text_list *texts, struct keep_list *ret_list, struct error *err);

/* What was decided for one VM. */
struct keep_choice {
    char *by; /* "keep: DB-.*:daily=7"; NULL: no entry matches */
    struct keep_numbers numbers;
};

void keep_choice_done(struct keep_choice *choice);
void keep_choice_copy(struct keep_choice *to, const struct keep_choice *from); /* to is zero */

/* An entry that can't be matched on this name (its regex goes over the limits) keeps everything,
 * with a warning: which numbers were meant is not known. *ret_choice is zero before. */
void keep_list_choose(const struct keep_list *list, const char *vm_name,
                      struct keep_choice *ret_choice, struct text_list *warnings);

/* The numbers over the global ones; max_backups is the caller's affair. */
void keep_choice_apply(const struct keep_choice *choice, struct retain_rules *rules);

/* The word that a verdict goes by: KEEP_WORDS_N for those of no number. */
enum keep_word keep_word_of(enum retain_rule rule);
const char *keep_word_key(enum keep_word word);
int64_t keep_word_value(const struct retain_rules *rules, enum keep_word word);

/* "daily 7, weekly 4" of all numbers that are in use but max_backups; "" when there is none. */
void keep_format_rules(const struct retain_rules *rules, struct str *out);

#endif
