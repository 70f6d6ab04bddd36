/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Handing jobs out, and what only the time brings: lost agents, deadlines, stalls.
 *
 * Which job fits which host is placement's rule (policy/place); here is whose turn it is. A host
 * is given a job only while no other host that could take it has fewer of them and asked a moment
 * ago: so a few jobs spread over all hosts instead of filling the slots of the first to ask.
 */
#include "coordinator/dispatch/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/num.h"
#include "common/base/str.h"
#include "coordinator/dispatch/dispatch_inside.h"
#include "coordinator/policy/place.h"

#include "common/base/poison.h"

#define DISPATCH_REASONS_N 32 /* reasons that are looked at in one tick */

/* The dispatch as placement sees it. */
struct view {
    struct place_view place;
    struct place_job *jobs;
    struct place_host *hosts;
    struct space_facts space;
};

static void dispatch_view_done(struct view *view)
{
    free(view->jobs);
    free(view->hosts);
}

static size_t dispatch_running_n(const struct dispatch *dispatch, const char *host_uuid,
                                 bool only_unlisted)
{
    size_t n = 0;

    for (size_t i = 0; i < dispatch->items_n; i++) {
        const struct item *item = &dispatch->items[i];

        n += dispatch_is_active(item) && !(only_unlisted && item->now.is_listed) &&
             strcmp(item->now.host_uuid, host_uuid) == 0;
    }
    return n;
}

static enum place_state dispatch_place_state(const struct dispatch *dispatch,
                                             const struct item *item, struct dispatch_now now)
{
    if (job_state_is_end(item->job.state) || dispatch_is_errand(item))
        return PLACE_OVER;
    if (dispatch_is_active(item))
        return PLACE_RUNNING;
    return dispatch_is_ready(dispatch, item, now) ? PLACE_READY : PLACE_HELD;
}

static void dispatch_fill_view(const struct dispatch *dispatch, const char *host_uuid,
                               struct dispatch_now now, struct view *ret)
{
    const struct dispatch_settings *settings = &dispatch->settings;
    struct agents_store store = dispatch_store(dispatch);
    char text[SPACE_TEXT_MAX];
    bool may_redirect = now.ms - dispatch->started_ms >= settings->strange_ms;
    char why[AGENTS_REASON_MAX];

    ret->space = dispatch_space(dispatch, host_uuid);
    ret->jobs = mem_zero(dispatch->items_n, sizeof *ret->jobs);
    ret->hosts = mem_zero(dispatch->agents.n, sizeof *ret->hosts);
    for (size_t i = 0; i < dispatch->items_n; i++) {
        const struct item *item = &dispatch->items[i];

        ret->jobs[i] =
            (struct place_job){.state = dispatch_place_state(dispatch, item, now),
                               .kind = item->job.job.kind,
                               .estimate_bytes = item->job.job.estimate_bytes,
                               .hosts = &item->job.hosts,
                               .srs = &item->job.srs,
                               .may_be_redirected = item->job.may_be_redirected && may_redirect,
                               .host = dispatch_is_active(item) ? item->now.host_uuid : NULL,
                               .avoid = item->avoid_uuid};
        if (ret->jobs[i].state == PLACE_READY &&
            dispatch_judge_space(dispatch, &ret->space, item, text) == SPACE_WAIT)
            ret->jobs[i].state = PLACE_HELD;
    }
    for (size_t i = 0; i < dispatch->agents.n; i++) {
        const struct agent *agent = &dispatch->agents.items[i];
        size_t taken_n = dispatch_running_n(dispatch, agent->host_uuid, true);

        ret->hosts[i] = (struct place_host){
            .uuid = agent->host_uuid,
            .is_ready = !agents_why_not(agent, &store, why),
            .slots_free =
                agent->sync.free_slots > taken_n ? agent->sync.free_slots - (uint32_t)taken_n : 0};
    }
    ret->place = (struct place_view){.jobs = ret->jobs,
                                     .jobs_n = dispatch->items_n,
                                     .hosts = ret->hosts,
                                     .hosts_n = dispatch->agents.n,
                                     .limits = {.host_n = settings->host_jobs_max,
                                                .sr_n = settings->sr_jobs_max,
                                                .store_n = settings->store_jobs_max,
                                                .pool_n = settings->pool_jobs_max}};
}

/* Whether another host that may take this job has less to do, and will ask at once. */
static bool dispatch_is_others_turn(const struct dispatch *dispatch, const struct view *view,
                                    const struct item *item, const char *host_uuid,
                                    struct dispatch_now now)
{
    size_t own_n = dispatch_running_n(dispatch, host_uuid, false);

    for (size_t i = 0; own_n > 0 && i < view->place.hosts_n; i++) {
        const struct place_host *host = &view->hosts[i];
        const struct agent *agent = &dispatch->agents.items[i];

        if (strcmp(host->uuid, host_uuid) == 0 || !host->is_ready || host->slots_free == 0 ||
            now.ms - agent->heard_ms > DISPATCH_FAIR_MS)
            continue;
        if (!text_list_has(&item->job.hosts, host->uuid) ||
            str_equal(item->avoid_uuid, host->uuid))
            continue;
        if (dispatch_running_n(dispatch, host->uuid, false) < own_n)
            return true;
    }
    return false;
}

/* The host that a cleanup shall run on, where the dead attempt was, while its agent is heard of. */
static bool dispatch_is_cleanup_for(const struct dispatch *dispatch, const struct item *item,
                                    const char *host_uuid, struct dispatch_now now)
{
    struct agents_store store = dispatch_store(dispatch);
    char why[AGENTS_REASON_MAX];

    for (size_t i = 0; i < item->job.hosts.n; i++) {
        const struct agent *agent = agents_find(&dispatch->agents, item->job.hosts.items[i]);

        if (agent && now.ms - agent->heard_ms < DISPATCH_PIN_MS &&
            !agents_why_not(agent, &store, why))
            return text_list_has(&item->job.hosts, host_uuid);
    }
    return true;
}

static struct item *dispatch_choose_cleanup(const struct dispatch *dispatch, const char *host_uuid,
                                            struct dispatch_now now)
{
    for (size_t i = 0; i < dispatch->cleanups_n; i++) {
        struct item *item = &dispatch->items[dispatch->cleanups[i]];

        if (dispatch_is_ready(dispatch, item, now) &&
            dispatch_is_cleanup_for(dispatch, item, host_uuid, now))
            return item;
    }
    return NULL;
}

static struct item *dispatch_choose_expire(const struct dispatch *dispatch,
                                           struct dispatch_now now)
{
    for (size_t i = 0; i < dispatch->items_n; i++) {
        struct item *item = &dispatch->items[i];

        if (item->job.job.kind == JOB_EXPIRE && dispatch_is_ready(dispatch, item, now))
            return item;
    }
    return NULL;
}

/* The best backup for this host that the store has room for; those on the way that it has none for
 * are refused. NULL when there is none now. */
static struct item *dispatch_choose_backup(struct dispatch *dispatch, struct view *view,
                                           const struct agent *agent,
                                           struct place_choice *ret_choice)
{
    char text[SPACE_TEXT_MAX];

    while (place_choose(&view->place, agent->host_uuid, ret_choice) == 1) {
        struct item *item = &dispatch->items[ret_choice->job];

        switch (dispatch_judge_space(dispatch, &view->space, item, text)) {
        case SPACE_REFUSED:
            dispatch_set_state(dispatch, item, JOB_STATE_FAILED, text);
            view->jobs[ret_choice->job].state = PLACE_OVER;
            continue;
        case SPACE_WAIT:
            return NULL;
        case SPACE_MAY:
            return item;
        }
    }
    return NULL;
}

/* One job for this host; false when there is none now. */
static bool dispatch_place_one(struct dispatch *dispatch, const struct agent *agent,
                               struct dispatch_now now)
{
    CLEANUP(dispatch_view_done) struct view view = {0};
    struct place_choice choice = {0};
    char text[SPACE_TEXT_MAX];
    size_t unlisted_n = dispatch_running_n(dispatch, agent->host_uuid, true);

    if (agent->sync.free_slots <= unlisted_n)
        return false;
    struct item *item = dispatch_choose_cleanup(dispatch, agent->host_uuid, now);

    if (!item)
        item = dispatch_choose_expire(dispatch, now);
    if (item) {
        dispatch_begin(dispatch, item, agent, now);
        return true;
    }
    dispatch_fill_view(dispatch, agent->host_uuid, now, &view);
    item = dispatch_choose_backup(dispatch, &view, agent, &choice);
    if (!item)
        return false;
    if (dispatch_is_others_turn(dispatch, &view, item, agent->host_uuid, now))
        return false;
    if (choice.is_redirected)
        dispatch_warn(dispatch,
                      "%s is read through host %s, which does not see its disks: no host that "
                      "does has an agent that can take it",
                      item->job.job.vm_name ? item->job.job.vm_name : item->job.job.id,
                      dispatch_host_name(dispatch, agent->host_uuid));
    if (dispatch_judge_space(dispatch, &view.space, item, text) == SPACE_MAY && text[0])
        dispatch_warn(dispatch, "%s: %s",
                      item->job.job.vm_name ? item->job.job.vm_name : item->job.job.folder, text);
    dispatch_begin(dispatch, item, agent, now);
    return true;
}

void dispatch_place(struct dispatch *dispatch, const char *host_uuid, struct dispatch_now now)
{
    const struct agent *agent = agents_find(&dispatch->agents, host_uuid);
    struct agents_store store = dispatch_store(dispatch);
    char why[AGENTS_REASON_MAX];

    if (!agent || !dispatch->is_started || dispatch->is_cancelled || !dispatch->is_renewed ||
        agents_why_not(agent, &store, why))
        return;
    for (size_t n = 0; n < DISPATCH_ASSIGN_MAX; n++)
        if (!dispatch_place_one(dispatch, agent, now))
            return;
}

static void dispatch_lose_agents(struct dispatch *dispatch, struct dispatch_now now)
{
    const struct agent *agent = NULL;
    char silence[NUM_TEXT_MAX];

    while ((agent = agents_next_lost(&dispatch->agents, now.ms, dispatch->settings.lost_ms))) {
        CLEAN_CHAR char *why =
            str_format("the agent has been silent for %s",
                       num_format_duration(dispatch->settings.lost_ms, silence));
        const char *host_uuid = agent->host_uuid;
        size_t n = dispatch->items_n;

        for (size_t i = 0; i < n; i++) {
            struct item *item = &dispatch->items[i];

            if (dispatch_is_active(item) && strcmp(item->now.host_uuid, host_uuid) == 0)
                dispatch_end_dead(dispatch, item, JOB_STATE_LOST, !item->now.is_offered,
                                  ERROR_LOST, why, now);
        }
    }
}

/* What keeps a job from beginning, for people. */
static void dispatch_explain(const struct dispatch *dispatch, const struct view *view,
                             const struct item *item, char text[AGENTS_REASON_MAX])
{
    struct agents_store store = dispatch_store(dispatch);

    if (!dispatch->is_renewed) {
        str_copy(text, AGENTS_REASON_MAX, "the pool's lease could not be renewed");
        return;
    }
    for (size_t i = 0; i < item->job.hosts.n; i++) {
        const char *host_uuid = item->job.hosts.items[i];
        const struct agent *agent = agents_find(&dispatch->agents, host_uuid);
        char why[AGENTS_REASON_MAX];
        CLEAN_CHAR char *line = NULL;

        if (agent && !agents_why_not(agent, &store, why)) {
            if (view->jobs[item - dispatch->items].state == PLACE_HELD)
                (void)dispatch_judge_space(dispatch, &view->space, item, text);
            else
                place_why_waiting(&view->place, (size_t)(item - dispatch->items), text);
            return;
        }
        line = agent ? str_format("the agent of host %s gets no job: %s",
                                  dispatch_host_name(dispatch, host_uuid), why)
                     : str_format("host %s has no agent: start onyxpool-agent there",
                                  dispatch_host_name(dispatch, host_uuid));
        str_copy(text, AGENTS_REASON_MAX, line);
    }
    if (item->job.hosts.n == 0)
        str_copy(text, AGENTS_REASON_MAX, "no host of the pool can run it");
}

static bool dispatch_is_waiting(const struct item *item)
{
    return item->job.state == JOB_STATE_PLANNED || item->job.state == JOB_STATE_WAITING;
}

/* A few reasons a tick, so that a pool of thousands costs no more than one of ten. */
static void dispatch_refresh_reasons(struct dispatch *dispatch, struct dispatch_now now)
{
    CLEANUP(dispatch_view_done) struct view view = {0};
    char text[AGENTS_REASON_MAX];

    if (!dispatch->is_started || dispatch->items_n == 0)
        return;
    dispatch_fill_view(dispatch, NULL, now, &view);
    for (size_t n = 0; n < DISPATCH_REASONS_N && n < dispatch->items_n; n++) {
        struct item *item = &dispatch->items[dispatch->next_reason++ % dispatch->items_n];

        /* One that may go on since a moment ago is only waiting for the next Sync. */
        if (dispatch_is_errand(item) || !dispatch_is_ready(dispatch, item, now) ||
            (item->failures > 0 && now.ms - item->not_before_ms < DISPATCH_FAIR_MS))
            continue;
        text[0] = '\0';
        dispatch_explain(dispatch, &view, item, text);
        if (text[0] && !str_equal(text, item->job.reason))
            dispatch_set_state(dispatch, item, JOB_STATE_WAITING, text);
    }
}

/* No agent that is there can take it: it has none on its hosts, or they get no jobs. */
static bool dispatch_is_hopeless(const struct dispatch *dispatch, const struct item *item,
                                 struct dispatch_now now)
{
    struct agents_store store = dispatch_store(dispatch);
    bool may_go_anywhere = item->job.may_be_redirected || dispatch_is_errand(item);
    char why[AGENTS_REASON_MAX];

    if (!dispatch_is_ready(dispatch, item, now))
        return false;
    for (size_t i = 0; i < dispatch->agents.n; i++) {
        const struct agent *agent = &dispatch->agents.items[i];

        if ((may_go_anywhere || text_list_has(&item->job.hosts, agent->host_uuid)) &&
            !agents_why_not(agent, &store, why))
            return false;
    }
    return true;
}

/* Fail what has not begun; the reason of each stays in its text. */
static void dispatch_give_up(struct dispatch *dispatch, const char *why, bool only_hopeless,
                             struct dispatch_now now)
{
    for (size_t i = 0; i < dispatch->items_n; i++) {
        struct item *item = &dispatch->items[i];

        if (!dispatch_is_waiting(item) ||
            (only_hopeless && !dispatch_is_hopeless(dispatch, item, now)))
            continue;
        CLEAN_CHAR char *text =
            item->job.reason && item->job.reason[0]
                ? str_format("%s: %s", why, item->job.reason)
                : mem_dup(why);
        dispatch_set_state(dispatch, item, JOB_STATE_FAILED, text);
    }
}

static bool dispatch_has_active(const struct dispatch *dispatch)
{
    for (size_t i = 0; i < dispatch->items_n; i++)
        if (dispatch_is_active(&dispatch->items[i]))
            return true;
    return false;
}

void dispatch_tick(struct dispatch *dispatch, struct dispatch_now now)
{
    char text[NUM_TEXT_MAX];

    dispatch_lose_agents(dispatch, now);
    if (!dispatch->is_started || dispatch->is_cancelled)
        return;
    dispatch_refresh_reasons(dispatch, now);
    if (dispatch_has_active(dispatch) || !dispatch->is_renewed)
        dispatch->moved_ms = now.ms;
    if (now.ms - dispatch->started_ms >= dispatch->settings.run_max_ms) {
        CLEAN_CHAR char *why =
            str_format("not begun within the run's time (%s)",
                       num_format_duration(dispatch->settings.run_max_ms, text));
        dispatch_give_up(dispatch, why, false, now);
    } else if (now.ms - dispatch->moved_ms >= dispatch->settings.stall_ms) {
        dispatch_give_up(dispatch, "no agent could take it", true, now);
    }
}
