/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the rooms of dispatch share: its jobs with their present attempts, what agents list, and the
 * steps from one state of a job to the next. Included by dispatch*.c alone. Rooms are named from the
 * lowest to the highest; each uses those named before it.
 */
#ifndef ONYX_COORDINATOR_DISPATCH_INSIDE_H
#define ONYX_COORDINATOR_DISPATCH_INSIDE_H

#include "common/base/text_map.h"
#include "common/model/rate.h"
#include "common/xapi/fault.h"
#include "coordinator/dispatch/dispatch.h"
#include "coordinator/dispatch/id_index.h"
#include "coordinator/policy/place.h"

#define DISPATCH_OFFER_MS 30000 /* an attempt that its agent does not take goes elsewhere */
#define DISPATCH_FAIR_MS 3000   /* an agent heard within may be waited for */
#define DISPATCH_PIN_MS 30000   /* an agent heard within is the one to clean up after itself */
#define DISPATCH_BACKOFF_STEPS 4 /* doublings */

/* The present attempt of a job that is assigned or running. Its number and stem are in the job. */
struct attempt {
    char *host_uuid;
    size_t agent;     /* that was given it: index in agents */
    uint64_t boot;    /* of the agent that was given it or listed it last; 0: not known yet */
    bool is_recorded; /* the catalog has it: it may be ordered */
    bool is_offered;  /* it stood in an answer */
    bool is_listed;   /* its agent has told of it */
    bool is_seen;     /* listed in the Sync that is being taken in */
    bool is_cancelled; /* it shall end */
    int64_t begun_ms;
    struct job_report report; /* the last one */
    struct rate_meter rate;
};

struct item {
    struct catalog_job job; /* job.attempt is the number of the newest attempt */
    struct attempt now;     /* when assigned or running */
    uint32_t failures;       /* attempts that count */
    uint32_t waits;          /* in a row, for a pool or host that was not there */
    int64_t waits_since_ms;  /* when the first of them ended */
    enum fault_step step;    /* taken after the last attempt, where that failed */
    struct text_list allowed; /* the job's hosts without those that can't do it; empty: all */
    int64_t not_before_ms;
    char *avoid_uuid;    /* host where the last attempt failed */
    char *last_host_uuid; /* of the newest attempt */
    bool is_own_wish;    /* waits because the plan says so, until it is released */
    bool is_ended_recorded;
    uint64_t bytes;      /* read by its ended attempts: the newest */
};

/* An attempt that has ended, whatever job it is of. */
struct ended {
    char id[JOB_ID_MAX];
    uint32_t attempt;
    bool is_recorded;
    bool is_guess; /* no agent has told so: it was taken for dead */
    enum job_state state;
    size_t files_n; /* that it told of */
};

/* What an agent listed last. */
struct listed {
    size_t agent; /* index in agents */
    struct job_report report; /* without files and warnings unless it is an end */
};

/* The host of an agent, as of the last look at all. */
struct dispatch_host {
    size_t placed; /* its index in placement */
    uint32_t slots_free;
};

struct dispatch {
    struct dispatch_settings settings;
    char *run;
    char *store_uuid;
    char *store_nonce;
    char *store_root;
    uint64_t lease;
    bool is_renewed;
    bool is_started;
    bool is_cancelled;
    int64_t new_ms;
    int64_t started_ms;
    int64_t moved_ms; /* when something last ran or began */
    struct agents agents;
    struct text_map host_names;
    struct text_map away;  /* hosts that get no job, and why */
    bool is_replan_wanted; /* a job's end says that the plan is out of date */
    struct item *items;
    size_t items_n, items_cap;
    struct id_index item_index;
    struct place *place; /* knows every item by its index; errands are over to it */
    struct dispatch_host *hosts; /* of the agents, in their order */
    size_t hosts_n, hosts_cap;
    size_t *active; /* indexes of the items that are assigned or running, in order */
    size_t active_n, active_cap;
    size_t *errands; /* of the cleanup and expire jobs that have not ended, in order */
    size_t errands_n, errands_cap;
    struct ended *ended;
    size_t ended_n, ended_cap;
    struct id_index ended_index;
    struct listed *listed;
    size_t listed_n, listed_cap;
    struct dispatch_change *changes;
    size_t changes_n, changes_cap;
    size_t next_reason; /* item whose reason is looked at next */
    size_t reported_n; /* changes handed out, to be marked by dispatch_recorded */
};

/* dispatch_items.c */
void dispatch_attempt_done(struct attempt *attempt);
bool dispatch_is_active(const struct item *item); /* assigned or running */
bool dispatch_is_cleanup(const struct item *item);
/* Cleanup, expire, verify: goes to any host, and no placement knows it. */
bool dispatch_is_errand(const struct item *item);
bool dispatch_is_verify(const struct item *item);
/* "Done" of a backup counts when it says what was saved: people will look for those files. */
bool dispatch_is_empty_claim(const struct job *job, enum job_state state, size_t files_n);
struct item *dispatch_find_item(const struct dispatch *dispatch, const char *id);
struct ended *dispatch_find_ended(const struct dispatch *dispatch, const char *id,
                                  uint32_t attempt);
const char *dispatch_host_name(const struct dispatch *dispatch, const char *host_uuid);
struct agents_store dispatch_store(const struct dispatch *dispatch);
/* Why this agent gets no job: itself, or its host. */
bool dispatch_agent_why_not(const struct dispatch *dispatch, const struct agent *agent,
                            char text[AGENTS_REASON_MAX]);
/* A zeroed item at the end; moves the others. To be entered when its job is filled in. */
struct item *dispatch_add_item(struct dispatch *dispatch);
struct dispatch_change *dispatch_add_change(struct dispatch *dispatch,
                                            enum dispatch_change_kind kind, const char *id);
void dispatch_warn(struct dispatch *dispatch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* dispatch_index.c */
void dispatch_enter(struct dispatch *dispatch, struct item *item);
/* Its state or what holds it has changed: the indexes follow. */
void dispatch_follow(struct dispatch *dispatch, const struct item *item);
/* A job's state, with the reason for people, into memory, the indexes and the changes. */
void dispatch_set_state(struct dispatch *dispatch, struct item *item, enum job_state state,
                        const char *reason);
/* Which hosts may have jobs now and how many, here and for placement. */
void dispatch_look_at_hosts(struct dispatch *dispatch, struct dispatch_now now);

/* dispatch_rate.c: what the workers of a host may take together, bytes a second; 0: no limit. */
uint64_t dispatch_host_rate(const struct dispatch *dispatch, const char *host_uuid);

/* dispatch_space.c: room in the store as this host's agent told it last (NULL, or nothing told: the
 * least that any agent told), and what running jobs are still to write. */
struct space_facts dispatch_space(const struct dispatch *dispatch, const char *host_uuid);
/* Whether there is room for this job. A continued one goes to its worker unjudged, which finds
 * out first whether the backup is there already. */
enum space_verdict dispatch_judge_space(const struct dispatch *dispatch,
                                        const struct space_facts *facts, const struct item *item,
                                        char text[SPACE_TEXT_MAX]);

/* dispatch_fault.c: the hosts that may run it now. */
const struct text_list *dispatch_hosts(const struct item *item);
/* None is left out any more. */
void dispatch_allow_all(struct item *item);
/* What follows from an attempt's error; its cost is noted in the item. */
enum fault_step dispatch_weigh(struct dispatch *dispatch, struct item *item,
                               const struct error *error, struct dispatch_now now);
/* Placement is to know the hosts that it may run on now. */
void dispatch_place_anew(struct dispatch *dispatch, const struct item *item);

/* dispatch_verify.c. A verify job goes to any host when no backup waits to begin any more; it reads
 * much, so it counts against the limits of host and store. Whether this host may have one now, by what
 * waits and by the limits. */
bool dispatch_may_verify(const struct dispatch *dispatch, const char *host_uuid);
/* Whether an expire and a verify job of one folder are in each other's way. */
bool dispatch_is_held_by_folder(const struct dispatch *dispatch, const struct item *item);
/* Files that an expire job removed need no verify job of this run any more. */
void dispatch_skip_verifies(struct dispatch *dispatch, const struct item *expire,
                            const struct job_report *report);

/* dispatch_step.c: whether a cleanup that has not ended stands before this job. */
bool dispatch_is_blocked(const struct dispatch *dispatch, const struct item *item);
/* Planned, not held by anything: an agent may be given it now. */
bool dispatch_is_ready(const struct dispatch *dispatch, const struct item *item,
                       struct dispatch_now now);
/* Begin the next attempt on a host. */
void dispatch_begin(struct dispatch *dispatch, struct item *item, const struct agent *agent,
                    struct dispatch_now now);
/* The item has this attempt at this agent, as its report tells. */
void dispatch_take_over(struct dispatch *dispatch, struct item *item, const struct agent *agent,
                        const struct job_report *report, struct dispatch_now now);
/* An attempt ended, of whatever job: record it once; what an agent tells replaces a guess. */
void dispatch_note_end(struct dispatch *dispatch, const struct job_report *report, bool is_guess);
/* The present attempt ended as its report says: done, again, or given up. This and dispatch_end_dead
 * and dispatch_add_cleanup may move the items in memory. */
void dispatch_end(struct dispatch *dispatch, struct item *item, const struct job_report *report,
                  struct dispatch_now now);
/* The present attempt is dead without a report: state is failed, lost or cancelled. */
void dispatch_end_dead(struct dispatch *dispatch, struct item *item, enum job_state state,
                       bool is_clean, enum error_code code, const char *why,
                       struct dispatch_now now);
/* Make a cleanup job of a dead attempt unless there is one. */
void dispatch_add_cleanup(struct dispatch *dispatch, const struct job_remains *remains,
                          const char *vm_name, const char *host_uuid);

#endif
