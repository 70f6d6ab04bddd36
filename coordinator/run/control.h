/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The thread `control`: the wire's server, the dispatch and the catalog's commits in one poll loop.
 *
 * It never waits for another machine. While it lives the catalog is its own; all functions here may
 * be called from another thread and take or give values.
 */
#ifndef ONYX_COORDINATOR_RUN_CONTROL_H
#define ONYX_COORDINATOR_RUN_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"
#include "coordinator/dispatch/dispatch.h"
#include "coordinator/run/events.h"
#include "coordinator/expiry.h"

struct catalog;
struct catalog_refused;
struct clock;
struct control;
struct error;
struct plan;
struct random;
struct text_map;
struct wire_pool_keys;

/* All of it is borrowed until control_stop but the keys and the dispatch's texts. */
struct control_settings {
    struct catalog *catalog;
    const struct wire_pool_keys *keys;
    const char *key_path; /* read again when it changes */
    const char *address; /* to listen on */
    const struct clock *clock;
    const struct random *random;
    struct dispatch_settings dispatch;
};

/* Listen and begin to answer. ERROR_SETTINGS, ERROR_BUSY (address in use), ERROR_INTERNAL. */
int control_start(const struct control_settings *settings, struct control **ret_control,
                  struct error *err);
/* End the thread; the catalog is the caller's again. NULL inside is fine. */
void control_stop(struct control **control);
#define CLEAN_CONTROL CLEANUP(control_stop)

/* The run that begins now: its id stands in Orders, lines and cleanup jobs. */
void control_set_run(struct control *control, const char *run, const char *store_uuid,
                     const char *store_nonce);
/* How many old backups stay in which folder, as far as the run saves to it. Takes the list. */
void control_set_rules_take(struct control *control, struct expiry_rules_list *rules);
void control_set_lease(struct control *control, uint64_t lease, bool is_renewed);
void control_name_host(struct control *control, const char *host_uuid, const char *name);

/* The first takes values for the run that was set; all into the catalog, then the dispatch starts.
 * What fails leaves nothing behind. */
int control_plan(struct control *control, const struct catalog_job *jobs, size_t jobs_n,
                 const struct job_remains *remains, size_t remains_n, struct error *err);
/* See dispatch_set_away, dispatch_take_replan, dispatch_follow_plan. */
void control_set_away(struct control *control, const struct text_map *away);
bool control_take_replan(struct control *control);
void control_follow_plan(struct control *control, const struct plan *plan);
void control_release_job(struct control *control, const char *id);
void control_cancel(struct control *control);

void control_list_alive(struct control *control, struct text_list *ret_ids);
/* Of these hosts, how many have an agent that would be given a job. */
size_t control_ready_n(struct control *control, const struct text_list *host_uuids);
/* Of these hosts, how many have an agent that was heard, whether it may work or not. */
size_t control_heard_n(struct control *control, const struct text_list *host_uuids);
/* A sentence for each agent that is there and would get no job. */
void control_list_troubles(struct control *control, struct text_list *ret_lines);

/* Peers that were refused or dropped since control_start. */
void control_count_refused(struct control *control, struct catalog_refused *ret_refused);

bool control_is_over(struct control *control);
bool control_is_listed(struct control *control); /* something waits to be forgotten */
bool control_was_asked_to_cancel(struct control *control); /* by a request in the catalog */

/* What has happened since the last call; ret is empty before. */
void control_take_events(struct control *control, struct events *ret);
/* All assigned or running jobs as they are now (an array of n, to be released item by item). */
struct events_job *control_view(struct control *control, size_t *ret_n,
                                struct run_totals *ret_totals);

/* -1 when the thread has given up (its socket is broken). */
int control_check(struct control *control, struct error *err);

#endif
