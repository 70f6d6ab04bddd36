/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One run of the coordinator from its lock to its report.
 *
 * run_conduct takes the catalog's lock, the pool's lease and the store, gathers the agents,
 * reads the inventory, asks for the plan, dispatches it until its end and records everything in
 * the catalog. Three threads: the caller's (plans, tells the watch), `control` (wire, dispatch,
 * catalog) and `pool` (session and lease). What to back up is the caller's affair: it comes in as
 * a function that makes a plan from an inventory.
 */
#ifndef ONYX_COORDINATOR_RUN_RUN_H
#define ONYX_COORDINATOR_RUN_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/text_list.h"
#include "common/model/job.h"
#include "common/model/space.h"
#include "common/store/mount.h"
#include "coordinator/policy/retain.h"
#include "coordinator/progress.h"

struct clock;
struct plan;
struct pool;
struct random;
struct xapi_target;

#define RUN_LISTEN_PORT 7451

/* All texts are borrowed. Zero stands for the default named beside it. */
struct run_settings {
    const struct xapi_target *target;
    const char *store_root;   /* -d */
    const char *catalog_path;
    const char *key_path;     /* pool key */
    const char *listen;       /* "ADDRESS:PORT"; NULL: the management address of this host */
    int64_t muster_ms;        /* 15 s: how long agents are gathered before planning */
    int64_t lease_wait_ms;    /* 12 h: how long to wait for the lock and the lease */
    int64_t lease_renew_ms;   /* 20 s: period of renewal; the term is three of them */
    int64_t lost_ms;          /* 20 min: silence after which an agent is lost */
    int64_t pool_lost_ms;     /* 30 min: without a word of the pool; then the run ends */
    int64_t run_max_ms;       /* 20 h: jobs that have not begun by then fail */
    int64_t continue_ms;      /* 12 h: a younger run without an end is continued */
    int64_t backoff_ms;       /* 5 s: before the second attempt; doubles */
    int64_t idle_timeout_ms;  /* 10 min: a stream without a byte ends */
    uint32_t attempts_max;    /* 3 */
    uint32_t host_jobs_max;   /* 2 */
    uint32_t sr_jobs_max;     /* 4 */
    uint32_t store_jobs_max;  /* 8 */
    uint32_t pool_jobs_max;   /* 0: no limit */
    uint64_t host_rate, pool_rate; /* bytes a second, 0: no limit */
    struct space_rule space;  /* zero: no limits */
    struct job_tuning tuning; /* what each worker is told about its stream */
    struct job_ways ways;
    enum mount_kind share;    /* what must be mounted there */
    bool require_mount;       /* false: whatever is there is written to */
    struct retain_rules retain; /* max_backups is each job's own */
    bool is_share_forced;       /* OnyxBackupVM's newer files and snapshots are no objection */
    bool adopt_snapshots;       /* its old snapshots go */
};

/* Where a run stands, for people. */
#define RUN_STAGE_TABLE(X)                                                                         \
    X(LOCK, "waiting for another coordinator on this catalog")                                     \
    X(CONNECT, "logging in to the pool")                                                           \
    X(LEASE, "waiting for the pool's lease")                                                       \
    X(STORE, "checking the store")                                                                 \
    X(MUSTER, "gathering agents")                                                                  \
    X(PLAN, "reading the inventory and planning")                                                  \
    X(RUN, "running")                                                                              \
    X(CANCEL, "cancelling (once more: leave at once, the agents clean up)")                        \
    X(END, "ending")

enum run_stage {
#define X(name, text) RUN_STAGE_##name,
    RUN_STAGE_TABLE(X)
#undef X
};

enum run_event_kind {
    RUN_EVENT_STAGE,    /* stage, text (may be NULL: a detail such as who holds the lease) */
    RUN_EVENT_STARTED,  /* run, is_continued */
    RUN_EVENT_PLAN,     /* plan: once, before jobs begin */
    RUN_EVENT_JOB,      /* job: its state changed */
    RUN_EVENT_PROGRESS, /* jobs, jobs_n: all assigned or running ones; totals. About twice a second */
    RUN_EVENT_AGENT,    /* host_uuid, host_name, text: NULL ready, else why it gets no job */
    RUN_EVENT_WARNING   /* text */
};

/* Everything in it is borrowed for the time of the call. */
struct run_event {
    enum run_event_kind kind;
    enum run_stage stage;
    const char *run;
    bool is_continued;
    const struct plan *plan;
    struct run_job job;
    const struct run_job *jobs;
    size_t jobs_n;
    struct run_totals totals;
    const char *host_uuid;
    const char *host_name;
    const char *text;
};

/* Called on the thread that called run_conduct. */
struct run_watch {
    void (*event)(void *context, const struct run_event *event);
    void *context;
};

/* Make the plan of this run. The inventory is borrowed; *ret_plan is the coordinator's. */
typedef int run_plan_fn(void *context, const struct pool *pool, struct plan *ret_plan,
                        struct error *err);

struct run_request {
    /* Canonical text of all that decides what is backed up and how: an unfinished run is continued
     * when its text is the same. */
    const char *selection;
    bool is_new; /* --new: never continue */
    run_plan_fn *plan;
    void *plan_context;
    struct run_watch watch; /* event may be NULL */
    const struct clock *clock;   /* NULL: the system's */
    const struct random *random; /* NULL: the system's */
};

struct run_outcome {
    char run[RUN_ID_MAX]; /* "" when it did not come to a run; rows are in the catalog */
    bool is_continued;
    int exit_status;
    struct run_totals totals;
    struct text_list warnings;
};

void run_outcome_done(struct run_outcome *outcome);
#define CLEAN_RUN_OUTCOME CLEANUP(run_outcome_done)

const char *run_stage_name(enum run_stage stage);

/* Every zero replaced by its default. */
void run_settings_fill(struct run_settings *settings);

/*
 * Run the request to its end.
 *
 * 0 when the run came to its end, with failed jobs too: exit_status in *ret tells (0 all done, 1
 * some failed, 6 interrupted). -1 when it could not be run or was broken off as a whole: *err tells
 * why, *ret is filled as far as it came and must be released in both cases.
 *
 * Signals: the caller has called quit_watch. At the first the run stops assigning, cancels and
 * waits for the agents' reports; at the second it leaves at once.
 *
 * Fails:  ERROR_BUSY, ERROR_LEASE (held by others for lease_wait), ERROR_POOL_UNREACHABLE,
 *         ERROR_POOL_REFUSED, ERROR_AUTH, ERROR_SETTINGS, ERROR_STORE_MISSING,
 *         ERROR_STORE_FOREIGN, ERROR_NO_SPACE, ERROR_NOT_FOUND (no agent answered),
 *         ERROR_INTERRUPTED, and what the plan function gives.
 */
int run_conduct(const struct run_settings *settings, const struct run_request *request,
                    struct run_outcome *ret_outcome, struct error *err);

#endif
