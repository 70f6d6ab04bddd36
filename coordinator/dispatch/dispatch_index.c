/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The indexes of dispatch: which items are active, which are errands, and what placement knows of
 * them and of the agents. They follow each change, so that a Sync costs what it is about, not what
 * the pool has; a job's state is changed here and nowhere else, so that none is forgotten.
 */
#include <assert.h>
#include <string.h>

#include "coordinator/dispatch/dispatch_inside.h"

#include "common/base/poison.h"

/* Put a number into a sorted array, or take it out. */
static void dispatch_set_in(size_t **items, size_t *n, size_t *cap, size_t number, bool is_in)
{
    size_t at = *n;

    while (at > 0 && (*items)[at - 1] >= number)
        at--;
    bool was_in = at < *n && (*items)[at] == number;
    if (was_in == is_in)
        return;
    if (is_in) {
        *items = mem_grow(*items, cap, *n + 1, sizeof **items);
        memmove(*items + at + 1, *items + at, (*n - at) * sizeof **items);
        (*items)[at] = number;
        (*n)++;
    } else {
        (*n)--;
        memmove(*items + at, *items + at + 1, (*n - at) * sizeof **items);
    }
}

void dispatch_enter(struct dispatch *dispatch, struct item *item)
{
    size_t index = (size_t)(item - dispatch->items);
    const struct place_job job = {.kind = item->job.job.kind,
                                  .estimate_bytes = item->job.job.estimate_bytes,
                                  .hosts = &item->job.hosts,
                                  .srs = &item->job.srs,
                                  .may_be_redirected = item->job.may_be_redirected};

    id_index_add(&dispatch->item_index, item->job.job.id, index);
    size_t placed = place_add_job(dispatch->place, dispatch_is_errand(item) ? NULL : &job);
    assert(placed == index);
    dispatch_follow(dispatch, item);
}

void dispatch_follow(struct dispatch *dispatch, const struct item *item)
{
    size_t index = (size_t)(item - dispatch->items);
    bool is_active = dispatch_is_active(item) && item->now.host_uuid;

    dispatch_set_in(&dispatch->active, &dispatch->active_n, &dispatch->active_cap, index,
                    is_active);
    if (dispatch_is_errand(item)) {
        dispatch_set_in(&dispatch->errands, &dispatch->errands_n, &dispatch->errands_cap, index,
                        !job_state_is_end(item->job.state));
        return;
    }
    if (is_active)
        place_set_running(dispatch->place, index, item->now.host_uuid);
    else if (job_state_is_end(item->job.state) || item->is_own_wish || dispatch_is_active(item))
        place_set_over(dispatch->place, index);
    else
        place_set_ready(dispatch->place, index);
}

void dispatch_set_state(struct dispatch *dispatch, struct item *item, enum job_state state,
                        const char *reason)
{
    struct dispatch_change *change =
        dispatch_add_change(dispatch, DISPATCH_STATE, item->job.job.id);

    assert(state == item->job.state || job_state_may_follow(item->job.state, state));
    change->state = state;
    change->reason = mem_dup(reason);
    item->job.state = state;
    if (item->job.reason != reason)
        mem_set(&item->job.reason, reason);
    item->is_ended_recorded = false;
    if (item->job.job.kind == JOB_EXPIRE && (state == JOB_STATE_FAILED || state == JOB_STATE_LOST))
        dispatch_warn(dispatch, "old backups in %s could not be removed: %s",
                      item->job.job.folder, reason ? reason : "no reason was told");
    dispatch_follow(dispatch, item);
    if (!dispatch_is_active(item))
        dispatch_attempt_done(&item->now);
}

/* Free slots of each agent's host: as it told, less what it was given and has not listed yet. */
static void dispatch_count_slots(struct dispatch *dispatch)
{
    while (dispatch->hosts_n < dispatch->agents.n) {
        const char *uuid = dispatch->agents.items[dispatch->hosts_n].host_uuid;

        dispatch->hosts = mem_grow(dispatch->hosts, &dispatch->hosts_cap, dispatch->hosts_n + 1,
                                   sizeof *dispatch->hosts);
        dispatch->hosts[dispatch->hosts_n++] =
            (struct dispatch_host){.placed = place_need_host(dispatch->place, uuid)};
    }
    for (size_t i = 0; i < dispatch->hosts_n; i++)
        dispatch->hosts[i].slots_free = dispatch->agents.items[i].sync.free_slots;
    for (size_t i = 0; i < dispatch->active_n; i++) {
        const struct item *item = &dispatch->items[dispatch->active[i]];
        struct dispatch_host *host = &dispatch->hosts[item->now.agent];

        host->slots_free -= !item->now.is_listed && host->slots_free > 0;
    }
}

void dispatch_look_at_hosts(struct dispatch *dispatch, struct dispatch_now now)
{
    char why[AGENTS_REASON_MAX];

    dispatch_count_slots(dispatch);
    for (size_t i = 0; i < dispatch->hosts_n; i++) {
        const struct agent *agent = &dispatch->agents.items[i];
        const struct place_host host = {
            .is_ready = !dispatch_agent_why_not(dispatch, agent, why),
            .is_near = now.ms - agent->heard_ms <= DISPATCH_FAIR_MS,
            .slots_free = dispatch->hosts[i].slots_free};

        place_set_host(dispatch->place, dispatch->hosts[i].placed, &host);
    }
    place_allow_redirects(dispatch->place,
                          now.ms - dispatch->started_ms >= dispatch->settings.strange_ms);
}
