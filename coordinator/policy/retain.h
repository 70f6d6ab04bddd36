/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Retention: which files of one folder may go after a success, and by which rule each stays.
 *
 * Counting goes by files, as OnyxBackupVM's: the newest max_backups files of the folder stay,
 * whatever their kind. Keeping goes by copies (all files of one VM from one snapshot; proven when
 * every file of it is): no file of the last keep_copies proven copies of a VM goes, whatever count
 * and age say. Order is by the
 * time of the snapshot, never by the file's. Found files (an older tool's) go only when a newer
 * proven one of their VM is there; damaged ones never count.
 * Source: manual of OnyxBackupVM, "max_backups"; docs/DESIGN.md, decision 15.
 */
#ifndef ONYX_COORDINATOR_POLICY_RETAIN_H
#define ONYX_COORDINATOR_POLICY_RETAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/model/backup.h"

#define RETAIN_EXPIRE_MAX 3
#define RETAIN_NONE SIZE_MAX

/* A file of the folder; all texts are borrowed. */
struct retain_item {
    const char *name;    /* orders files of one moment */
    const char *vm_uuid; /* NULL: unknown (found files may not tell) */
    const char *copy;    /* equal for the files of one snapshot; NULL: a copy of its own */
    int64_t taken_at;    /* wall ms UTC */
    enum backup_state state;
    bool is_pinned;
    bool is_in_use;      /* a living job reads it */
};

struct retain_rules {
    int64_t max_backups;  /* >= 1 */
    unsigned keep_copies; /* 0: 1 */
    unsigned expire_max;  /* 0: RETAIN_EXPIRE_MAX */
    /* How many of the newest copies, days, weeks, months, years keep a copy; 0: rule not used.
     * Days and so on are those of the used zone; of each the newest copy stays. */
    unsigned keep_last, keep_daily, keep_weekly, keep_monthly, keep_yearly;
    int64_t now_at; /* wall ms; what was taken later counts as older than all others; 0: unknown */
};

#define RETAIN_SKEW_MS INT64_C(3600000) /* so far the hosts' clocks may differ */

/* What files are ordered by: the greater, the newer. A file from the future was taken while a clock
 * was wrong; were it the newest, every new backup would go as soon as it was made. */
int64_t retain_order(int64_t taken_at, int64_t now_at);

/* Rule, what it says. */
#define RETAIN_RULE_TABLE(X)                                                                       \
    X(COUNT, "among the newest max_backups files")                                                 \
    X(PINNED, "pinned")                                                                            \
    X(IN_USE, "a running job reads it")                                                            \
    X(LAST_COPY, "of the last proven copies of its VM")                                            \
    X(NOTHING_NEWER, "no newer proven copy of its VM is there")                         \
    X(KEEP_LAST, "keep_last")                                                                      \
    X(KEEP_DAILY, "keep_daily")                                                                    \
    X(KEEP_WEEKLY, "keep_weekly")                                                                  \
    X(KEEP_MONTHLY, "keep_monthly")                                                                \
    X(KEEP_YEARLY, "keep_yearly")                                                                  \
    X(LATER, "would go, but enough go in one run")                                                 \
    X(GOES, "beyond max_backups and kept by no rule")

enum retain_rule {
#define X(name, text) RETAIN_##name,
    RETAIN_RULE_TABLE(X)
#undef X
};

struct retain_verdict {
    enum retain_rule rule; /* it goes if and only if this is RETAIN_GOES */
    size_t witness;        /* goes: the newest proven item of the VM that justifies it */
    bool beats_count;      /* kept by LAST_COPY though the count alone would drop it: warn */
};

const char *retain_rule_text(enum retain_rule rule);

/* Judge every item; verdicts has n places. Items may come in any order. */
void retain_decide(const struct retain_item *items, size_t n, const struct retain_rules *rules,
                   struct retain_verdict *verdicts);

#endif
