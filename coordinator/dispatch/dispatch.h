/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who does what: the jobs of a run, what agents tell of them, and the orders they are answered.
 *
 * A state machine without I/O, clock or thread: Syncs and the time go in, changes for the catalog
 * and Orders come out. The caller's round is
 *
 *     dispatch_hear (a Sync) or dispatch_tick (time passed)
 *     dispatch_place (hand jobs to that host)
 *     dispatch_changes -> all into the catalog in one transaction -> dispatch_recorded
 *     dispatch_orders  (only what is recorded: no attempt begins and no finished one is forgotten
 *                       before the catalog has it)
 *
 * If the transaction fails the changes stay for the next round and nothing is lost. Syncs are
 * state: a lost, doubled or late one changes nothing. An attempt that was assigned and is not
 * listed is assigned again as it is. One that was listed and is no longer, or whose agent was
 * restarted, or lost, is dead: if it may have left anything, a cleanup job comes before the next
 * attempt of that job.
 */
#ifndef ONYX_COORDINATOR_DISPATCH_H
#define ONYX_COORDINATOR_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/model/job.h"
#include "common/model/space.h"
#include "common/wire/message.h"
#include "coordinator/agents.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/progress.h"

struct plan;
struct random;
struct text_map;

#define DISPATCH_NEXT_MS 1000      /* when an agent shall come again: nothing is waiting for it */
#define DISPATCH_NEXT_SOON_MS 200  /* work is waiting or being handed over */
#define DISPATCH_ASSIGN_MAX 4      /* jobs in one Orders */

struct dispatch_settings {
    uint32_t attempts_max;
    int64_t backoff_ms; /* before the second attempt; doubles, at most 16 times */
    int64_t later_ms;   /* a pool or host that is not there costs no attempt for so long; 0: it does */
    int64_t lost_ms;
    int64_t strange_ms; /* so long a job waits for an agent on one of its hosts before any takes it */
    int64_t stall_ms;   /* nothing runs and nothing can begin: after so long what waits fails */
    int64_t run_max_ms; /* jobs that have not begun by then fail */
    uint64_t idle_timeout_ms; /* of jobs that name none; 0: the agents' own */
    uint32_t host_jobs_max; /* 0: no limit */
    uint32_t sr_jobs_max;
    uint32_t store_jobs_max;
    uint32_t pool_jobs_max;
    uint64_t host_rate, pool_rate; /* bytes a second, 0: no limit; a job's stands in tuning */
    struct space_rule space;
    struct job_tuning tuning;
    struct job_ways ways;
    const char *run;         /* copied */
    const char *store_uuid;  /* copied */
    const char *store_nonce; /* copied */
    const char *store_root;  /* copied; stands in Orders */
    const struct random *random; /* ids of cleanup jobs; borrowed */
};

/* Monotonic and wall time, both ms. */
struct dispatch_now {
    int64_t ms;
    int64_t at;
};

struct dispatch;

struct dispatch *dispatch_new(const struct dispatch_settings *settings, struct dispatch_now now);
void dispatch_free(struct dispatch **dispatch);
#define CLEAN_DISPATCH CLEANUP(dispatch_free)

/* The n that stands in Orders and new jobs. While it is not renewed nothing is assigned. */
void dispatch_set_lease(struct dispatch *dispatch, uint64_t lease, bool is_renewed);
/* The run that jobs are of from now on, and the nonce that its agents must have read. */
void dispatch_set_run(struct dispatch *dispatch, const char *run, const char *store_uuid,
                      const char *store_nonce);
void dispatch_name_host(struct dispatch *dispatch, const char *host_uuid, const char *name);

/*
 * Add a job, new (attempt 0) or continued (attempt, state and is_open as the catalog has them). A
 * continued one that an agent listed since dispatch_new is taken over as it runs. An open attempt of
 * an agent that was not heard since is waited for until that agent counts as lost; else it is dead,
 * and its caller names it among the remains.
 */
void dispatch_add_job(struct dispatch *dispatch, const struct catalog_job *job,
                      struct dispatch_now now);

/* A job that was added as waiting may begin. */
void dispatch_release_job(struct dispatch *dispatch, const char *id);

/* An attempt, of whatever run, that may have left something: it is cleaned before any job of the
 * same VM begins. Doubles and attempts that an agent lists as running are left out. To be called
 * after the jobs were added. */
void dispatch_add_remains(struct dispatch *dispatch, const struct job_remains *remains,
                          struct dispatch_now now);

/* Add an expire job while the run goes on: any host takes it, before new backups. A failure of it
 * is a warning of the run. job is copied; its id and run are given here. */
void dispatch_add_expire(struct dispatch *dispatch, const struct job *job, struct dispatch_now now);

/* What people should know, as a warning of the run. */
void dispatch_add_warning(struct dispatch *dispatch, const char *text);

/* Whether all backup jobs of a folder have ended, and some of them well. */
bool dispatch_is_folder_saved(const struct dispatch *dispatch, const char *folder);

/* All jobs are there: assigning may begin. */
void dispatch_start(struct dispatch *dispatch, struct dispatch_now now);

/* Hosts that get no job at the moment, by uuid, with the reason for people. Copied. */
void dispatch_set_away(struct dispatch *dispatch, const struct text_map *away);

/* Whether, since the last question, an attempt failed because the plan is out of date. */
bool dispatch_take_replan(struct dispatch *dispatch);
/* Where backups that have not ended may run now, as a plan made later says. What it adds or lacks
 * changes nothing. */
void dispatch_follow_plan(struct dispatch *dispatch, const struct plan *plan);

/* No job begins any more, running ones are told to end. */
void dispatch_cancel(struct dispatch *dispatch, struct dispatch_now now);

/* Take in what an agent tells. ERROR_LIMIT when there are too many agents. */
int dispatch_hear(struct dispatch *dispatch, const struct wire_sync *sync, struct dispatch_now now,
                  struct error *err);

/* Time passed: lost agents, deadlines, waiting reasons. */
void dispatch_tick(struct dispatch *dispatch, struct dispatch_now now);

/* Hand jobs to this host as far as slots, limits and fairness allow. */
void dispatch_place(struct dispatch *dispatch, const char *host_uuid, struct dispatch_now now);

enum dispatch_change_kind {
    DISPATCH_ADD_JOB, /* a cleanup or expire job was made: job */
    DISPATCH_BEGIN,   /* an attempt begins: id, attempt, host_uuid, prefix; the recorder sets stem */
    DISPATCH_END,     /* an attempt ended: report */
    DISPATCH_CLEAN,   /* nothing of it is left: id, attempt */
    DISPATCH_STATE,   /* a job's state: id, state, reason */
    DISPATCH_WARN     /* reason: what people should know */
};

struct dispatch_change {
    enum dispatch_change_kind kind;
    char id[JOB_ID_MAX];
    uint32_t attempt;
    char *host_uuid;
    char *host_name;
    char *prefix; /* of the stem; NULL: no files */
    char *stem;         /* set by whoever records it; heap memory */
    uint64_t lease;
    enum job_state state;
    char *reason;
    struct catalog_job job;
    struct job_report report;
};

/* What the catalog must hold before the next orders; in order. Borrowed until recorded. */
struct dispatch_change *dispatch_changes(struct dispatch *dispatch, size_t *ret_n);
/* They are committed. */
void dispatch_recorded(struct dispatch *dispatch);

/* The answer to this host's last Sync. ret_orders is zero before; the caller releases it. */
void dispatch_orders(struct dispatch *dispatch, const char *host_uuid, struct dispatch_now now,
                     struct wire_orders *ret_orders);

/* Ids of jobs that some agent is busy with, and of those that are handed out. */
void dispatch_list_alive(const struct dispatch *dispatch, struct text_list *ret_ids);

/* Every job has come to an end and it is recorded. */
bool dispatch_is_over(const struct dispatch *dispatch);
/* An agent that is present still lists something that it will be told to forget. */
bool dispatch_is_listed(const struct dispatch *dispatch);

const struct agents *dispatch_agents(const struct dispatch *dispatch);
/* Why this host gets no job; false when it may. */
bool dispatch_why_not(const struct dispatch *dispatch, const char *host_uuid,
                      char text[AGENTS_REASON_MAX]);

size_t dispatch_jobs_n(const struct dispatch *dispatch);
/* Borrowed texts until the next change of dispatch. find: 1 there is such a job, 0 not. */
int dispatch_find_job(const struct dispatch *dispatch, const char *id, struct run_job *ret_job);
void dispatch_view_job(const struct dispatch *dispatch, size_t index, struct run_job *ret_job);
void dispatch_view_totals(const struct dispatch *dispatch, struct run_totals *ret_totals);

#endif
