/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dispatch as an object: its jobs, the changes it wants recorded, the orders it gives.
 *
 * dispatch_hear.c takes in what agents tell, dispatch_step.c moves jobs from state to state,
 * dispatch_place.c hands jobs out and minds the time, dispatch_view.c tells people.
 */
#include "coordinator/dispatch/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "coordinator/dispatch/dispatch_inside.h"

#include "common/base/poison.h"

struct dispatch *dispatch_new(const struct dispatch_settings *settings, struct dispatch_now now)
{
    struct dispatch *dispatch = mem_zero(1, sizeof *dispatch);

    dispatch->settings = *settings;
    dispatch->run = mem_dup(settings->run);
    dispatch->store_uuid = mem_dup(settings->store_uuid);
    dispatch->store_nonce = mem_dup(settings->store_nonce);
    dispatch->store_root = mem_dup(settings->store_root);
    dispatch->place = place_new(&(struct place_limits){.host_n = settings->host_jobs_max,
                                                       .sr_n = settings->sr_jobs_max,
                                                       .store_n = settings->store_jobs_max,
                                                       .pool_n = settings->pool_jobs_max});
    dispatch->new_ms = now.ms;
    dispatch->moved_ms = now.ms;
    return dispatch;
}

static void dispatch_change_done(struct dispatch_change *change)
{
    free(change->host_uuid);
    free(change->host_name);
    free(change->prefix);
    free(change->stem);
    free(change->reason);
    catalog_job_done(&change->job);
    job_report_done(&change->report);
}

void dispatch_free(struct dispatch **dispatch)
{
    struct dispatch *d = *dispatch;

    if (!d)
        return;
    for (size_t i = 0; i < d->items_n; i++) {
        catalog_job_done(&d->items[i].job);
        dispatch_attempt_done(&d->items[i].now);
        free(d->items[i].avoid_uuid);
        text_list_done(&d->items[i].allowed);
        free(d->items[i].last_host_uuid);
    }
    for (size_t i = 0; i < d->listed_n; i++)
        job_report_done(&d->listed[i].report);
    for (size_t i = 0; i < d->changes_n; i++)
        dispatch_change_done(&d->changes[i]);
    free(d->items);
    id_index_done(&d->item_index);
    place_free(&d->place);
    free(d->hosts);
    free(d->active);
    free(d->errands);
    id_index_done(&d->ended_index);
    free(d->listed);
    free(d->changes);
    free(d->ended);
    agents_done(&d->agents);
    text_map_done(&d->host_names);
    text_map_done(&d->away);
    free(d->run);
    free(d->store_uuid);
    free(d->store_nonce);
    free(d->store_root);
    free(d);
    *dispatch = NULL;
}

void dispatch_set_lease(struct dispatch *dispatch, uint64_t lease, bool is_renewed)
{
    dispatch->lease = lease;
    dispatch->is_renewed = is_renewed;
}

void dispatch_set_run(struct dispatch *dispatch, const char *run, const char *store_uuid,
                      const char *store_nonce)
{
    mem_set(&dispatch->run, run);
    mem_set(&dispatch->store_uuid, store_uuid);
    mem_set(&dispatch->store_nonce, store_nonce);
}

void dispatch_name_host(struct dispatch *dispatch, const char *host_uuid, const char *name)
{
    struct agent *agent = agents_find(&dispatch->agents, host_uuid);

    text_map_set(&dispatch->host_names, host_uuid, name);
    if (agent)
        mem_set(&agent->host_name, name);
}

bool dispatch_is_folder_saved(const struct dispatch *dispatch, const char *folder)
{
    bool has_done = false;

    for (size_t i = 0; i < dispatch->items_n; i++) {
        const struct item *item = &dispatch->items[i];

        if (dispatch_is_errand(item) || !str_equal(item->job.job.folder, folder))
            continue;
        if (!job_state_is_end(item->job.state))
            return false;
        has_done = has_done || item->job.state == JOB_STATE_DONE;
    }
    return has_done;
}

void dispatch_add_warning(struct dispatch *dispatch, const char *text)
{
    dispatch_warn(dispatch, "%s", text);
}

/* What agents told of the newest attempt of a job before it was added. */
static const struct listed *dispatch_find_listed(const struct dispatch *dispatch, const char *id,
                                                 uint32_t attempt)
{
    for (size_t i = 0; i < dispatch->listed_n; i++) {
        const struct job_report *report = &dispatch->listed[i].report;

        if (report->attempt == attempt && strcmp(report->id, id) == 0)
            return &dispatch->listed[i];
    }
    return NULL;
}

/* The agent that has an open attempt and was not heard yet: it may be late, and its worker goes on
 * meanwhile. It gets the time that an agent has which falls silent. */
static bool dispatch_wait_for(struct dispatch *dispatch, struct item *item,
                              struct dispatch_now now)
{
    const struct catalog_job *job = &item->job;
    CLEAN_JOB_REPORT struct job_report report = {.attempt = job->job.attempt,
                                                 .state = JOB_STATE_RUNNING,
                                                 .phase = JOB_PHASE_START};

    if (!job->is_open || !job->open_host_uuid)
        return false;
    const struct agent *agent = agents_expect(&dispatch->agents, job->open_host_uuid, now.ms);
    if (!agent || !agent->is_expected)
        return false;
    str_copy(report.id, sizeof report.id, job->job.id);
    dispatch_take_over(dispatch, item, agent, &report, now);
    return true;
}

/* A "done" that was taken down as it came, before its job was known, and says too little for it. */
static bool dispatch_drop_claim(struct dispatch *dispatch, const struct job *job)
{
    struct ended *ended = dispatch_find_ended(dispatch, job->id, job->attempt);

    if (!ended || !dispatch_is_empty_claim(job, ended->state, ended->files_n))
        return false;
    ended->state = JOB_STATE_FAILED;
    dispatch_warn(dispatch,
                  "%s: its agent said that attempt %u is done, and named %zu file%s: nothing of it "
                  "is believed",
                  job->vm_name ? job->vm_name : job->id, job->attempt, ended->files_n,
                  ended->files_n == 1 ? "" : "s");
    return true;
}

/* What it left goes as that of a dead one; files that it published after all count then. */
static void dispatch_clean_claim(struct dispatch *dispatch, const struct job *job)
{
    struct job_remains remains = {.attempt = job->attempt,
                                  .vm_uuid = job->vm_uuid,
                                  .folder = job->folder,
                                  .stem = job->stem};

    str_copy(remains.job, sizeof remains.job, job->id);
    dispatch_add_cleanup(dispatch, &remains, job->vm_name, NULL);
}

/* A job that a former coordinator had begun: what is known of its newest attempt decides. */
static void dispatch_continue(struct dispatch *dispatch, struct item *item,
                              struct dispatch_now now)
{
    struct catalog_job *job = &item->job;
    const struct listed *listed = dispatch_find_listed(dispatch, job->job.id, job->job.attempt);
    const struct ended *ended = dispatch_find_ended(dispatch, job->job.id, job->job.attempt);

    if (listed && !job_state_is_end(listed->report.state)) {
        dispatch_take_over(dispatch, item, &dispatch->agents.items[listed->agent],
                           &listed->report, now);
        return;
    }
    if (ended && ended->state == JOB_STATE_DONE) {
        job->state = JOB_STATE_RUNNING;
        dispatch_set_state(dispatch, item, JOB_STATE_DONE, NULL);
        return;
    }
    if (!ended && dispatch_wait_for(dispatch, item, now))
        return;
    if (job->is_open && !ended) {
        struct dispatch_change *change = dispatch_add_change(dispatch, DISPATCH_END, job->job.id);

        str_copy(change->report.id, sizeof change->report.id, job->job.id);
        change->report.attempt = job->job.attempt;
        change->report.state = JOB_STATE_LOST;
        error_set(&change->report.error, ERROR_LOST,
                  "the coordinator died and no agent knows the attempt");
    }
    job->is_open = false;
    dispatch_set_state(dispatch, item, JOB_STATE_PLANNED, NULL);
}

void dispatch_add_job(struct dispatch *dispatch, const struct catalog_job *job,
                      struct dispatch_now now)
{
    bool has_claim = !job_state_is_end(job->state) && dispatch_drop_claim(dispatch, &job->job);
    struct item *item = dispatch_add_item(dispatch);

    catalog_job_copy(&item->job, job);
    dispatch_enter(dispatch, item);
    if (job_state_is_end(job->state))
        item->is_ended_recorded = true;
    else if (job->job.attempt > 0)
        dispatch_continue(dispatch, item, now);
    else if (job->state == JOB_STATE_WAITING)
        item->is_own_wish = true;
    else
        item->job.state = JOB_STATE_PLANNED;
    dispatch_follow(dispatch, item);
    if (has_claim)
        dispatch_clean_claim(dispatch, &job->job);
}

void dispatch_release_job(struct dispatch *dispatch, const char *id)
{
    struct item *item = dispatch_find_item(dispatch, id);

    if (!item || !item->is_own_wish)
        return;
    item->is_own_wish = false;
    if (item->job.state == JOB_STATE_WAITING)
        dispatch_set_state(dispatch, item, JOB_STATE_PLANNED, NULL);
    dispatch_follow(dispatch, item);
}

static bool dispatch_is_busy_with(const struct dispatch *dispatch, const char *id,
                                  uint32_t attempt)
{
    const struct item *item = dispatch_find_item(dispatch, id);
    const struct listed *listed = dispatch_find_listed(dispatch, id, attempt);

    if (item && dispatch_is_active(item) && item->job.job.attempt == attempt)
        return true;
    return listed && !job_state_is_end(listed->report.state);
}

void dispatch_add_remains(struct dispatch *dispatch, const struct job_remains *remains,
                          struct dispatch_now now)
{
    const struct item *item = dispatch_find_item(dispatch, remains->job);

    (void)now;
    if (dispatch_is_busy_with(dispatch, remains->job, remains->attempt))
        return;
    dispatch_add_cleanup(dispatch, remains, item ? item->job.job.vm_name : NULL, NULL);
}

void dispatch_start(struct dispatch *dispatch, struct dispatch_now now)
{
    dispatch->is_started = true;
    dispatch->started_ms = now.ms;
    dispatch->moved_ms = now.ms;
}

void dispatch_cancel(struct dispatch *dispatch, struct dispatch_now now)
{
    (void)now;
    dispatch->is_cancelled = true;
    for (size_t i = 0; i < dispatch->items_n; i++) {
        struct item *item = &dispatch->items[i];

        if (dispatch_is_active(item))
            item->now.is_cancelled = !dispatch_is_cleanup(item) || item->now.is_cancelled;
        else if (!job_state_is_end(item->job.state))
            dispatch_set_state(dispatch, item, JOB_STATE_CANCELLED, "the run was cancelled");
    }
}

struct dispatch_change *dispatch_changes(struct dispatch *dispatch, size_t *ret_n)
{
    dispatch->reported_n = dispatch->changes_n;
    *ret_n = dispatch->changes_n;
    return dispatch->changes;
}

static void dispatch_apply(struct dispatch *dispatch, struct dispatch_change *change)
{
    struct item *item = dispatch_find_item(dispatch, change->id);
    struct ended *ended = NULL;

    switch (change->kind) {
    case DISPATCH_BEGIN:
        if (item && dispatch_is_active(item) && item->job.job.attempt == change->attempt) {
            item->now.is_recorded = true;
            mem_set(&item->job.job.stem, change->stem);
        }
        break;
    case DISPATCH_END:
        ended = dispatch_find_ended(dispatch, change->report.id, change->report.attempt);
        if (ended)
            ended->is_recorded = true;
        break;
    case DISPATCH_STATE:
        if (item && job_state_is_end(change->state) && item->job.state == change->state)
            item->is_ended_recorded = true;
        break;
    case DISPATCH_ADD_JOB:
    case DISPATCH_CLEAN:
    case DISPATCH_WARN:
        break;
    }
}

void dispatch_recorded(struct dispatch *dispatch)
{
    size_t rest = dispatch->changes_n - dispatch->reported_n;

    for (size_t i = 0; i < dispatch->reported_n; i++) {
        dispatch_apply(dispatch, &dispatch->changes[i]);
        dispatch_change_done(&dispatch->changes[i]);
    }
    if (rest > 0)
        memmove(dispatch->changes, dispatch->changes + dispatch->reported_n,
                rest * sizeof *dispatch->changes);
    dispatch->changes_n = rest;
    dispatch->reported_n = 0;
}

/* Whether this host has something to come back for soon. */
static bool dispatch_wants_soon(const struct dispatch *dispatch, const struct agent *agent,
                                struct dispatch_now now)
{
    for (size_t i = 0; i < dispatch->listed_n; i++)
        if (&dispatch->agents.items[dispatch->listed[i].agent] == agent &&
            job_state_is_end(dispatch->listed[i].report.state))
            return true;
    if (!dispatch->is_started || dispatch->is_cancelled)
        return true;
    for (size_t i = 0; i < dispatch->active_n; i++) {
        const struct item *item = &dispatch->items[dispatch->active[i]];

        if (!item->now.is_listed && &dispatch->agents.items[item->now.agent] == agent)
            return true;
    }
    if (agent->sync.free_slots == 0)
        return false;
    for (size_t i = 0; i < dispatch->errands_n; i++) {
        const struct item *item = &dispatch->items[dispatch->errands[i]];

        /* Reading back is in no hurry. */
        if (!dispatch_is_verify(item) && dispatch_is_ready(dispatch, item, now))
            return true;
    }
    return place_ready_n(dispatch->place) > 0;
}

/* Listed things of this agent that are over, or that nobody wants any more. */
static void dispatch_order_ends(const struct dispatch *dispatch, size_t agent,
                                struct wire_orders *orders)
{
    for (size_t i = 0; i < dispatch->listed_n; i++) {
        const struct job_report *report = &dispatch->listed[i].report;

        if (dispatch->listed[i].agent != agent)
            continue;
        if (job_state_is_end(report->state)) {
            const struct ended *ended =
                dispatch_find_ended(dispatch, report->id, report->attempt);

            if (ended && ended->is_recorded && orders->forget_n < WIRE_LIST_MAX)
                wire_orders_add_forget(orders, report->id, report->attempt);
            continue;
        }
        const struct item *item = dispatch_find_item(dispatch, report->id);
        bool is_present = item && dispatch_is_active(item) &&
                          item->job.job.attempt == report->attempt && !item->now.is_cancelled;
        /* Before the plan is there nobody knows what belongs to this run. */
        if (!is_present && dispatch->is_started && orders->cancel_n < WIRE_LIST_MAX)
            wire_orders_add_cancel(orders, report->id, report->attempt);
    }
}

void dispatch_orders(struct dispatch *dispatch, const char *host_uuid, struct dispatch_now now,
                     struct wire_orders *ret_orders)
{
    const struct agent *agent = agents_find(&dispatch->agents, host_uuid);

    ret_orders->lease = dispatch->lease;
    str_copy(ret_orders->run, sizeof ret_orders->run, dispatch->run ? dispatch->run : "");
    ret_orders->store_root = mem_dup(dispatch->store_root);
    ret_orders->store_uuid = mem_dup(dispatch->store_uuid);
    ret_orders->next_ms = DISPATCH_NEXT_MS;
    if (!agent)
        return;
    for (size_t i = 0; i < dispatch->active_n; i++) {
        struct item *item = &dispatch->items[dispatch->active[i]];

        if (!item->now.is_recorded || item->now.is_listed || item->now.is_cancelled ||
            &dispatch->agents.items[item->now.agent] != agent || ret_orders->assign_n >= DISPATCH_ASSIGN_MAX)
            continue;
        job_copy(wire_orders_add_job(ret_orders), &item->job.job);
        item->now.is_offered = true;
    }
    ret_orders->rate_limit = dispatch_host_rate(dispatch, host_uuid);
    dispatch_order_ends(dispatch, (size_t)(agent - dispatch->agents.items), ret_orders);
    if (dispatch_wants_soon(dispatch, agent, now))
        ret_orders->next_ms = DISPATCH_NEXT_SOON_MS;
}
