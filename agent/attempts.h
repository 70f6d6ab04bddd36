/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The attempts that this agent was given: running ones with their workers, and finished ones until
 * the coordinator has told to forget them.
 *
 * An attempt that is given twice is one. A worker that ends without a last report has failed, and
 * may have left something. Each worker holds one of the host's slots as a process lock, so that
 * the agent after this one sees workers that outlive it.
 */
#ifndef ONYX_AGENT_ATTEMPTS_H
#define ONYX_AGENT_ATTEMPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/child.h"
#include "agent/spare.h"
#include "common/base/mem.h"
#include "common/model/job.h"
#include "common/model/rate.h"

#define ATTEMPTS_SLOTS_MAX 64

struct clock;
struct error;

struct attempts_item {
    struct job job;
    struct job_report report;        /* the last one */
    struct job_report before_result; /* the last one while it was running, once has_result */
    struct child child;
    bool is_running; /* the child has not ended */
    bool has_result; /* its last report has come */
    bool is_cancelled;
    uint64_t rate_limit; /* that it knows of */
    struct rate_meter rate;
    int64_t begun_ms; /* monotonic */
    int64_t heard_ms; /* monotonic: when it said something last */
    bool is_overdue;  /* it was cancelled because it said nothing for too long */
};

struct attempts {
    const char *scope;   /* of the locks; borrowed */
    const char *program; /* borrowed */
    const struct clock *clock;
    size_t slots;
    int64_t clean_ms; /* so long a cancelled worker may clean up */
    struct spare spare; /* counts as none of the slots; its name may be one above them */
    struct attempts_item *items;
    size_t n, cap;
    size_t orphans_n;     /* slots held by workers of a killed agent, at the last look */
    uint64_t taken_bytes; /* by workers, since the beginning */
    void (*log)(void *context, const struct wire_log_line *line); /* of workers */
    void *log_context;
};

/* Workers see the end of their standard input, the spare one is killed. */
void attempts_done(struct attempts *attempts);
#define CLEAN_ATTEMPTS CLEANUP(attempts_done)

/* Look for slots held by workers that are not ours; gives their number. They are of an agent that was
 * killed, so there are never more than at the first look. */
size_t attempts_look_for_orphans(struct attempts *attempts);

size_t attempts_count_running(const struct attempts *attempts);
size_t attempts_count_free(const struct attempts *attempts);

/*
 * Take an attempt and start its worker; task is filled but for the job. 1 started, or could not be
 * started (then it is listed as failed), or known already; 0 no slot is free or another attempt at
 * the job still runs: it will be given again.
 */
int attempts_start(struct attempts *attempts, const struct job *job, struct wire_task *task);

void attempts_cancel(struct attempts *attempts, const char *id, uint32_t attempt);
void attempts_cancel_all(struct attempts *attempts);
void attempts_forget(struct attempts *attempts, const char *id, uint32_t attempt);

/* Take what workers have said, bury those that ended. Whether an attempt has finished. */
bool attempts_step(struct attempts *attempts);

/* Keep a worker ready if there is use for it, and may_start. It is started beside a running job only. */
void attempts_keep_spare(struct attempts *attempts, bool may_start);

/* Share a limit of bytes a second (0: none) among the running workers, and tell those to whom that
 * is news. */
void attempts_pace(struct attempts *attempts, uint64_t limit);

/* Append copies of all reports to the Sync. */
void attempts_fill(const struct attempts *attempts, struct wire_sync *sync);

#endif
