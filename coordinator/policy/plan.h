/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A Plan: the ordered jobs of a run, where each may run, and what was left out and why.
 *
 * plan_make turns a selection and the pool into jobs. It knows no clock, catalog or agent: what
 * former backups teach (folders, sizes) comes in as values. `--preview` prints the very plan that
 * a run would begin with.
 */
#ifndef ONYX_COORDINATOR_POLICY_PLAN_H
#define ONYX_COORDINATOR_POLICY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"
#include "common/model/job.h"
#include "coordinator/policy/keep_list.h"

struct pool;
struct selection;

#define PLAN_CHAIN_MAX 25 /* longest vhd-parent chain a new snapshot is put on */

/* What is known of a VM from its former backups. */
struct plan_known {
    const char *vm_uuid;
    const char *folder;       /* where its backups are */
    uint64_t vm_bytes;        /* size of its last VM export, 0 none */
    uint64_t vm_source_bytes; /* what its disks physically used then, 0 unknown */
};

struct plan_settings {
    bool pool_backup;
    bool host_backup;
    enum job_compress compress;
    enum job_compress disk_compress; /* of single disks; 0: none */
    enum job_disk_format disk_format;
    int64_t max_backups; /* global value */
    const struct keep_list *keep; /* NULL: none */
    uint64_t idle_timeout_ms;
    unsigned kinds; /* bit (1u << job_kind) set: agents of this release carry it out */
    unsigned chain_max; /* 0: PLAN_CHAIN_MAX */
    const struct plan_known *known; /* in any order */
    size_t known_n;
};

struct plan_job {
    struct job job;          /* id, run, attempt, lease and stem are empty */
    enum job_state state;    /* planned; waiting or skipped with their reason */
    char *reason;            /* NULL when planned */
    struct text_list hosts;  /* uuids of hosts that may run it: every SR attached, enabled */
    struct text_list srs;    /* uuids of the SRs that it reads */
    bool may_be_redirected;  /* another host may try it when none of hosts has an agent */
    int64_t max_backups;     /* what holds for its folder */
    bool has_own_max_backups; /* its entry in vdi_exports or vm_exports names it */
    struct keep_choice keep; /* of its VM */
    struct text_list warnings;
};

/* Something chosen that there is no job for. is_failure: the run can't be a whole success. */
struct plan_skipped {
    enum job_kind kind;
    char *vm_uuid; /* NULL for what is no VM */
    char *name;
    char *reason;
    bool is_failure;
};

struct plan {
    struct plan_job *jobs; /* best first: pool database, then by placement's order */
    size_t jobs_n, jobs_cap;
    struct plan_skipped *skipped;
    size_t skipped_n, skipped_cap;
    struct text_list warnings;
};

void plan_done(struct plan *plan);
#define CLEAN_PLAN CLEANUP(plan_done)

/* Cannot fail: what can't be planned is skipped with its reason. *ret_plan is the caller's. */
void plan_make(const struct pool *pool, const struct selection *selection,
               const struct plan_settings *settings, struct plan *ret_plan);

/* Building blocks for whoever adds jobs of its own (cleanup): a zeroed planned job at the end,
 * borrowed until the next add. */
struct plan_job *plan_add_job(struct plan *plan);

/* "backup_", "metadata_", "host_": what stands before the stamp in the stem of a
 * job's files. NULL for kinds without files. Caller frees. */
char *plan_stem_prefix(const struct job *job);

#endif
