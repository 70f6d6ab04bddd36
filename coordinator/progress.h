/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How far a run is, as plain values for people: a job as it is now, and the totals.
 *
 * Texts are borrowed from whoever filled the value in.
 */
#ifndef ONYX_COORDINATOR_PROGRESS_H
#define ONYX_COORDINATOR_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/model/job.h"

/* A job as it is now. */
struct run_job {
    char id[JOB_ID_MAX];
    enum job_kind kind;
    enum job_state state;
    enum job_phase phase;    /* of a running one */
    uint32_t attempt;
    const char *vm_name;     /* NULL for kinds without a VM */
    const char *folder;      /* NULL for kinds without files */
    const char *host_uuid;   /* of the newest attempt; NULL: none yet */
    const char *host_name;
    uint64_t bytes;          /* read so far */
    uint64_t estimate_bytes; /* 0 unknown */
    uint64_t rate_bytes_s;   /* over the last seconds */
    bool is_hung;
    const char *reason;      /* waiting, skipped, failed: why; NULL */
};

struct run_totals {
    size_t jobs_n;    /* backups; cleanup and expire jobs are not counted */
    size_t waiting_n; /* planned or waiting */
    size_t running_n; /* assigned or running */
    size_t done_n;
    size_t failed_n; /* failed or lost */
    size_t cancelled_n;
    size_t skipped_n;
    size_t cleanups_n;       /* cleanup jobs that have not ended */
    size_t cleanups_failed_n;
    uint64_t bytes;          /* read by ended and running attempts */
    uint64_t estimate_bytes; /* of all jobs, never below bytes */
    uint64_t rate_bytes_s;
    size_t agents_n;    /* heard of lately */
    int64_t away_ms;    /* for so long the pool has not been reached; 0: it is */
    int64_t elapsed_ms; /* since the run began here */
};

#endif
