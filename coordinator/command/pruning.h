/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What retention says of the backups in the catalog, folder by folder, outside of a run: the
 * verdicts that prune shows, and the jobs that it carries out.
 */
#ifndef ONYX_COORDINATOR_COMMAND_PRUNING_H
#define ONYX_COORDINATOR_COMMAND_PRUNING_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/mem.h"
#include "coordinator/expiry.h"
#include "coordinator/policy/plan.h"
#include "coordinator/settings.h"

struct catalog;
struct error;
struct pool;

struct pruning_folder {
    struct expiry expiry;
    bool is_orphan; /* none of its VMs is in the pool: listed, never removed */
    struct retain_rules rules; /* that it was judged by */
    struct keep_choice keep;   /* which of them are its VM's own */
    char *max_by;              /* where max_backups comes from */
};

struct pruning {
    struct pruning_folder *folders; /* in order of their names */
    size_t n, cap;
};

void pruning_done(struct pruning *pruning);
#define CLEAN_PRUNING CLEANUP(pruning_done)

/* The rules that the settings give to every folder, without max_backups. */
struct retain_rules pruning_rules(const struct settings *settings);

/*
 * Judge every folder that the catalog has backups in, or with vm (name, uuid or folder) only its own.
 * max_backups is that of the entry which selects the VM, else that of the setting keep, else the
 * global one. A VM that is no longer selected goes on being kept by its keep entry.
 *
 * Fails:  ERROR_NOT_FOUND (nothing of that vm in the catalog), what planning_make and the catalog give.
 * Owns:   *ret_pruning is zero before and the caller's in every case.
 */
int pruning_judge(const struct settings *settings, struct catalog *catalog,
                  const struct pool *pool, const char *vm, struct pruning *ret_pruning,
                  struct error *err);

/* "keep_daily = 7 (keep: DB-.*:daily=7)": the number behind the verdict on a backup and where it
 * comes from; NULL for verdicts that go by no number. Caller frees. */
char *pruning_because(const struct settings *settings, const struct pruning_folder *folder,
                      size_t index);

/* A plan of the expire jobs, for any enabled host. */
void pruning_plan(const struct pruning *pruning, const struct pool *pool, struct plan *ret_plan);

#endif
