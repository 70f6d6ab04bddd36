/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The report of a run: what was done, by which host, how fast, and what went wrong; as text for
 * people (80 columns) and as JSON.
 *
 * A report is a plain value; whoever makes it reads the catalog. Bad news comes first: damaged
 * backups and failed jobs, then warnings, then what was done.
 */
#ifndef ONYX_COORDINATOR_POLICY_REPORT_H
#define ONYX_COORDINATOR_POLICY_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/model/job.h"

struct report_file {
    char *path; /* below the store's root */
    uint64_t size_bytes;
    char *sha256;
    char *proof;
};

struct report_job {
    char id[JOB_ID_MAX];
    enum job_kind kind;
    enum job_state state;
    char *name;      /* VM, host or "pool database"; verify: the backup, "folder/file" */
    char *vm_uuid;   /* NULL when there is no VM */
    char *chosen_by; /* NULL unknown */
    char *host_name; /* of the last attempt; NULL none */
    uint32_t attempts;
    uint64_t bytes;  /* read from the pool by the last attempt */
    int64_t started_at, finished_at; /* last attempt; 0 never */
    int64_t stream_ms;
    int64_t throttled_ms; /* of it, held back by limits of rate */
    uint64_t rate_limit;  /* the lowest that did, bytes a second; 0: none */
    enum job_consistency consistency; /* 0 unknown */
    char *reason; /* failed, waiting, skipped: why */
    char *error_name; /* failed: stable name */
    struct text_list warnings;
    struct report_file *files; /* verify: what was read back, when it is whole */
    size_t files_n, files_cap;
};

struct report {
    char run[RUN_ID_MAX];
    char *state; /* "done", "failed", "interrupted", "running" ... */
    char *pool_name;
    char *pool_uuid;
    char *store_root;
    int64_t started_at, continued_at, finished_at;
    int exit_status;
    char *error; /* what ended the run as a whole, NULL nothing */
    struct text_list warnings;
    struct text_list removed; /* old backups that the run made go, below the store's root */
    uint64_t removed_bytes;
    struct report_job *jobs;
    size_t jobs_n, jobs_cap;
};

void report_done(struct report *report);
#define CLEAN_REPORT CLEANUP(report_done)
struct report_job *report_add_job(struct report *report); /* zeroed, borrowed until the next add */
struct report_file *report_job_add_file(struct report_job *job);

void report_format_text(const struct report *report, struct str *out);
void report_format_json(const struct report *report, struct str *out);

#endif
