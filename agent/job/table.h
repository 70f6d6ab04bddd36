/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kinds of jobs that a worker can run: one const table.
 */
#ifndef ONYX_AGENT_JOB_TABLE_H
#define ONYX_AGENT_JOB_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/model/job.h"

struct clock;
struct error;
struct store;
struct text_map;
struct xapi;

/* All that a job may use. Borrowed. */
struct job_context {
    struct xapi *xapi;
    struct store *store;
    const struct job *job;
    const char *host_uuid; /* where we are */
    const char *host_name;
    const struct text_map *settings; /* of the task: hook.h */
    const struct clock *clock;
    bool (*is_cancelled)(void *context);
    uint64_t (*rate_limit)(void *context); /* bytes a second at this moment; 0: none */
    /* Something of *report is new: phase, bytes. Cheap; passes on what is worth it. */
    void (*tell)(void *context, const struct job_report *report);
    void *context;
};

/*
 * Run one attempt. *report has id, attempt, state running and started_at; the job fills phase,
 * bytes, files, warnings, is_clean, consistency, snapshot_at, stream_ms. The worker adds state and
 * error from the result.
 */
typedef int job_run_fn(const struct job_context *context, struct job_report *report,
                       struct error *err);

struct job_table_row {
    enum job_kind kind;
    job_run_fn *run;
};

/* NULL if this agent can't run that kind. */
const struct job_table_row *job_table_find(enum job_kind kind);

#endif
