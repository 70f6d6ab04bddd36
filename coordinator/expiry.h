/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the catalog's backups of a folder to the verdict on each, and to the job that carries it out.
 *
 * The rules are policy/retain's; here they meet the catalog. A copy is what one run made of a VM in
 * the folder, so that disks that were taken one by one stand or go together; one that lacks files,
 * because a job of it failed, does not count among those that protect the VM.
 */
#ifndef ONYX_COORDINATOR_EXPIRY_H
#define ONYX_COORDINATOR_EXPIRY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"
#include "common/model/backup.h"
#include "coordinator/policy/retain.h"

struct catalog;
struct error;

/* What holds for a folder. */
struct expiry_rules {
    char *folder;
    struct retain_rules retain;
};

/* Rules by folder: of two for one folder the larger max_backups holds. */
struct expiry_rules_list {
    struct expiry_rules *items;
    size_t n, cap;
};

void expiry_rules_list_done(struct expiry_rules_list *list);
#define CLEAN_EXPIRY_RULES_LIST CLEANUP(expiry_rules_list_done)
void expiry_rules_list_add(struct expiry_rules_list *list, const char *folder,
                           const struct retain_rules *retain, int64_t max_backups);
/* NULL: none for this folder. Borrowed. */
const struct retain_rules *expiry_rules_list_find(const struct expiry_rules_list *list,
                                                  const char *folder);

struct expiry {
    char *folder;
    int64_t max_backups;
    struct backup *backups; /* that stand in the folder, newest first */
    size_t n, cap;
    struct retain_verdict *verdicts; /* one for each */
};

void expiry_done(struct expiry *expiry);
#define CLEAN_EXPIRY CLEANUP(expiry_done)

/* ret_expiry is zero before; its caller releases it in every case. */
int expiry_judge(struct catalog *catalog, const char *folder, const struct retain_rules *rules,
                 struct expiry *ret_expiry, struct error *err);

/* The expire job, without id, run, attempt and lease. 1 made, 0 nothing goes. */
int expiry_make_job(const struct expiry *expiry, struct job *ret_job);

/* What people should know: that the last copies are more than max_backups. */
void expiry_add_warnings(const struct expiry *expiry, struct text_list *warnings);

#endif
