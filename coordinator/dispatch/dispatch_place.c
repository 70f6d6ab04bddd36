/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Handing jobs out, and what only the time brings: lost agents, deadlines, stalls.
 *
 * Which job fits which host, and whose turn it is, is placement's rule (policy/place); here is what
 * keeps a job back beside it: a cleanup that goes before, a pause after a failure, the store's room.
 */
#include "coordinator/dispatch/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/num.h"
#include "common/base/str.h"
#include "coordinator/dispatch/dispatch_inside.h"
#include "coordinator/policy/place.h"

#include "common/base/poison.h"

#define DISPATCH_REASONS_N 32 /* reasons that are looked at in one tick */
#define DISPATCH_CANCEL_SHARE 20      /* of lost_ms: how long a cancelled run bears an agent's silence, */
#define DISPATCH_CANCEL_LEAST_MS 2000 /* and at least */

/* What decides whether a job may begin beside what placement knows. */
struct asked {
    struct dispatch *dispatch;
    struct dispatch_now now;
    struct space_facts space;
};

static bool dispatch_may_begin(void *context, size_t job)
{
    const struct asked *asked = context;
    const struct item *item = &asked->dispatch->items[job];
    char text[SPACE_TEXT_MAX];

    return dispatch_is_ready(asked->dispatch, item, asked->now) &&
           dispatch_judge_space(asked->dispatch, &asked->space, item, text) != SPACE_WAIT;
}

/* The host that a cleanup shall run on, where the dead attempt was, while its agent is heard of. */
static bool dispatch_is_cleanup_for(const struct dispatch *dispatch, const struct item *item,
                                    const char *host_uuid, struct dispatch_now now)
{
    char why[AGENTS_REASON_MAX];

    for (size_t i = 0; i < item->job.hosts.n; i++) {
        const struct agent *agent = agents_find(&dispatch->agents, item->job.hosts.items[i]);

        if (agent && now.ms - agent->heard_ms < DISPATCH_PIN_MS &&
            !dispatch_agent_why_not(dispatch, agent, why))
            return text_list_has(&item->job.hosts, host_uuid);
    }
    return true;
}

static struct item *dispatch_choose_cleanup(const struct dispatch *dispatch, const char *host_uuid,
                                            struct dispatch_now now)
{
    for (size_t i = 0; i < dispatch->errands_n; i++) {
        struct item *item = &dispatch->items[dispatch->errands[i]];

        if (dispatch_is_cleanup(item) && dispatch_is_ready(dispatch, item, now) &&
            dispatch_is_cleanup_for(dispatch, item, host_uuid, now))
            return item;
    }
    return NULL;
}

static struct item *dispatch_choose_expire(const struct dispatch *dispatch,
                                           struct dispatch_now now)
{
    for (size_t i = 0; i < dispatch->errands_n; i++) {
        struct item *item = &dispatch->items[dispatch->errands[i]];

        if (item->job.job.kind == JOB_EXPIRE && dispatch_is_ready(dispatch, item, now))
            return item;
    }
    return NULL;
}

/* The first verify job that this host may have; one that failed here goes to another if it can. */
static struct item *dispatch_choose_verify(const struct dispatch *dispatch, const char *host_uuid,
                                           struct dispatch_now now)
{
    struct item *last = NULL;

    if (!dispatch_may_verify(dispatch, host_uuid))
        return NULL;
    for (size_t i = 0; i < dispatch->errands_n; i++) {
        struct item *item = &dispatch->items[dispatch->errands[i]];

        if (!dispatch_is_verify(item) || !dispatch_is_ready(dispatch, item, now))
            continue;
        if (!str_equal(item->avoid_uuid, host_uuid))
            return item;
        if (!last && (dispatch->agents.n == 1 || now.ms - item->not_before_ms >= DISPATCH_PIN_MS))
            last = item;
    }
    return last;
}

/* The best backup for this host that the store has room for; those on the way that it has none for
 * are refused. NULL when there is none now. */
static struct item *dispatch_choose_backup(struct asked *asked, const struct agent *agent,
                                           struct place_choice *ret_choice)
{
    struct dispatch *dispatch = asked->dispatch;
    char text[SPACE_TEXT_MAX];

    while (place_choose(dispatch->place, agent->host_uuid, dispatch_may_begin, asked,
                        ret_choice) == 1) {
        struct item *item = &dispatch->items[ret_choice->job];

        if (dispatch_judge_space(dispatch, &asked->space, item, text) == SPACE_MAY)
            return item;
        dispatch_set_state(dispatch, item, JOB_STATE_FAILED, text);
    }
    return NULL;
}

/* One job for this host; false when there is none now. */
static bool dispatch_place_one(struct dispatch *dispatch, const struct agent *agent,
                               struct dispatch_now now)
{
    struct asked asked = {.dispatch = dispatch, .now = now};
    struct place_choice choice = {0};
    char text[SPACE_TEXT_MAX];

    dispatch_look_at_hosts(dispatch, now);
    if (dispatch->hosts[agent - dispatch->agents.items].slots_free == 0)
        return false;
    struct item *item = dispatch_choose_cleanup(dispatch, agent->host_uuid, now);

    if (!item)
        item = dispatch_choose_expire(dispatch, now);
    if (item) {
        dispatch_begin(dispatch, item, agent, now);
        return true;
    }
    asked.space = dispatch_space(dispatch, agent->host_uuid);
    item = dispatch_choose_backup(&asked, agent, &choice);
    if (!item) {
        item = dispatch_choose_verify(dispatch, agent->host_uuid, now);
        if (item)
            dispatch_begin(dispatch, item, agent, now);
        return item != NULL;
    }
    if (choice.is_redirected)
        dispatch_warn(dispatch,
                      "%s is read through host %s, which does not see its disks: no host that "
                      "does has an agent that can take it",
                      item->job.job.vm_name ? item->job.job.vm_name : item->job.job.id,
                      dispatch_host_name(dispatch, agent->host_uuid));
    if (dispatch_judge_space(dispatch, &asked.space, item, text) == SPACE_MAY && text[0])
        dispatch_warn(dispatch, "%s: %s",
                      item->job.job.vm_name ? item->job.job.vm_name : item->job.job.folder, text);
    dispatch_begin(dispatch, item, agent, now);
    return true;
}

void dispatch_place(struct dispatch *dispatch, const char *host_uuid, struct dispatch_now now)
{
    const struct agent *agent = agents_find(&dispatch->agents, host_uuid);
    char why[AGENTS_REASON_MAX];

    if (!agent || !dispatch->is_started || dispatch->is_cancelled || !dispatch->is_renewed ||
        dispatch_agent_why_not(dispatch, agent, why))
        return;
    for (size_t n = 0; n < DISPATCH_ASSIGN_MAX; n++)
        if (!dispatch_place_one(dispatch, agent, now))
            return;
}

/* How long an agent may be silent. A cancelled run has nothing to gain by waiting: what a silent
 * agent leaves is recorded, and the next run cleans up after it. */
static int64_t dispatch_patience_ms(const struct dispatch *dispatch)
{
    const int64_t lost_ms = dispatch->settings.lost_ms;
    int64_t short_ms = lost_ms / DISPATCH_CANCEL_SHARE;

    if (short_ms < DISPATCH_CANCEL_LEAST_MS)
        short_ms = DISPATCH_CANCEL_LEAST_MS;
    return dispatch->is_cancelled && short_ms < lost_ms ? short_ms : lost_ms;
}

static void dispatch_lose_agents(struct dispatch *dispatch, struct dispatch_now now)
{
    const int64_t patience_ms = dispatch_patience_ms(dispatch);
    const struct agent *agent = NULL;
    char silence[NUM_TEXT_MAX];

    while ((agent = agents_next_lost(&dispatch->agents, now.ms, patience_ms))) {
        CLEAN_CHAR char *why = str_format("the agent has been silent for %s",
                                          num_format_duration(patience_ms, silence));
        size_t lost = (size_t)(agent - dispatch->agents.items);

        for (size_t i = 0; i < dispatch->active_n;) {
            size_t at = dispatch->active[i];
            struct item *item = &dispatch->items[at];

            if (item->now.agent == lost)
                dispatch_end_dead(dispatch, item, JOB_STATE_LOST, !item->now.is_offered,
                                  ERROR_LOST, why, now);
            if (i < dispatch->active_n && dispatch->active[i] == at)
                i++;
        }
    }
}

/* What keeps a job from beginning, for people. */
static void dispatch_explain(struct dispatch *dispatch, const struct space_facts *space,
                             const struct item *item, char text[AGENTS_REASON_MAX])
{
    if (!dispatch->is_renewed) {
        str_copy(text, AGENTS_REASON_MAX, "the pool's lease could not be renewed");
        return;
    }
    const struct text_list *hosts = dispatch_hosts(item);

    for (size_t i = 0; i < hosts->n; i++) {
        const char *host_uuid = hosts->items[i];
        const struct agent *agent = agents_find(&dispatch->agents, host_uuid);
        char why[AGENTS_REASON_MAX];
        CLEAN_CHAR char *line = NULL;

        if (agent && !dispatch_agent_why_not(dispatch, agent, why)) {
            if (dispatch_judge_space(dispatch, space, item, text) == SPACE_WAIT)
                return;
            if (agent->sync.hold_back)
                snprintf(text, AGENTS_REASON_MAX, "dom0 of host %s is too busy: %s",
                         dispatch_host_name(dispatch, host_uuid), agent->sync.hold_back);
            else
                place_why_waiting(dispatch->place, (size_t)(item - dispatch->items), text);
            return;
        }
        line = agent ? str_format("the agent of host %s gets no job: %s",
                                  dispatch_host_name(dispatch, host_uuid), why)
                     : str_format("host %s has no agent: start onyxpool-agent there",
                                  dispatch_host_name(dispatch, host_uuid));
        str_copy(text, AGENTS_REASON_MAX, line);
    }
    if (hosts->n == 0)
        str_copy(text, AGENTS_REASON_MAX, "no host of the pool can run it");
}

static bool dispatch_is_waiting(const struct item *item)
{
    return item->job.state == JOB_STATE_PLANNED || item->job.state == JOB_STATE_WAITING;
}

/* A few reasons a tick, so that a pool of thousands costs no more than one of ten. */
static void dispatch_refresh_reasons(struct dispatch *dispatch, struct dispatch_now now)
{
    struct space_facts space = dispatch_space(dispatch, NULL);
    char text[AGENTS_REASON_MAX];

    dispatch_look_at_hosts(dispatch, now);
    for (size_t n = 0; n < DISPATCH_REASONS_N && n < dispatch->items_n; n++) {
        struct item *item = &dispatch->items[dispatch->next_reason++ % dispatch->items_n];

        /* One that may go on since a moment ago is only waiting for the next Sync. */
        if (dispatch_is_errand(item) || !dispatch_is_ready(dispatch, item, now) ||
            (item->failures > 0 && now.ms - item->not_before_ms < DISPATCH_FAIR_MS))
            continue;
        text[0] = '\0';
        dispatch_explain(dispatch, &space, item, text);
        if (text[0] && !str_equal(text, item->job.reason))
            dispatch_set_state(dispatch, item, JOB_STATE_WAITING, text);
    }
}

/* No agent that is there can take it: it has none on its hosts, or they get no jobs. */
static bool dispatch_is_hopeless(const struct dispatch *dispatch, const struct item *item,
                                 struct dispatch_now now)
{
    bool may_go_anywhere = item->job.may_be_redirected || dispatch_is_errand(item);
    char why[AGENTS_REASON_MAX];

    if (!dispatch_is_ready(dispatch, item, now))
        return false;
    for (size_t i = 0; i < dispatch->agents.n; i++) {
        const struct agent *agent = &dispatch->agents.items[i];

        if ((may_go_anywhere || text_list_has(dispatch_hosts(item), agent->host_uuid)) &&
            !dispatch_agent_why_not(dispatch, agent, why))
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
        /* What was not read back stays in the queue for the next run. */
        dispatch_set_state(dispatch, item,
                           dispatch_is_verify(item) && !only_hopeless ? JOB_STATE_SKIPPED
                                                                      : JOB_STATE_FAILED,
                           text);
    }
}

void dispatch_tick(struct dispatch *dispatch, struct dispatch_now now)
{
    char text[NUM_TEXT_MAX];

    dispatch_lose_agents(dispatch, now);
    if (!dispatch->is_started || dispatch->is_cancelled)
        return;
    dispatch_refresh_reasons(dispatch, now);
    if (dispatch->active_n > 0 || !dispatch->is_renewed)
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
