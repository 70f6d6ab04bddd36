/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the error of an attempt means for its job: the table of faults, applied.
 *
 * An error of a pool or host that is not there costs no attempt, for as long as a pool may be away
 * before the run ends; what lasts longer costs one like any other. A host that can't do a job is left
 * out until no other is left.
 */
#include "coordinator/dispatch/dispatch.h"

#include <string.h>

#include "common/base/str.h"
#include "coordinator/dispatch/dispatch_inside.h"
#include "coordinator/policy/plan.h"

#include "common/base/poison.h"

const struct text_list *dispatch_hosts(const struct item *item)
{
    return item->allowed.n > 0 ? &item->allowed : &item->job.hosts;
}

void dispatch_allow_all(struct item *item)
{
    text_list_done(&item->allowed);
}

/* Leave this host out; false when no other would be left. */
static bool dispatch_exclude(struct item *item, const char *host_uuid)
{
    CLEAN_TEXT_LIST struct text_list rest = TEXT_LIST_INIT;
    const struct text_list *hosts = dispatch_hosts(item);

    for (size_t i = 0; i < hosts->n; i++)
        if (strcmp(hosts->items[i], host_uuid) != 0)
            text_list_add(&rest, hosts->items[i]);
    dispatch_allow_all(item);
    if (rest.n == 0)
        return false;
    text_list_copy(&item->allowed, &rest);
    return true;
}

static void dispatch_avoid(struct dispatch *dispatch, struct item *item, const char *host_uuid)
{
    mem_set(&item->avoid_uuid, host_uuid);
    place_set_avoid(dispatch->place, (size_t)(item - dispatch->items), host_uuid);
}

void dispatch_place_anew(struct dispatch *dispatch, const struct item *item)
{
    const struct place_job job = {.kind = item->job.job.kind,
                                  .estimate_bytes = item->job.job.estimate_bytes,
                                  .hosts = dispatch_hosts(item),
                                  .srs = &item->job.srs,
                                  .may_be_redirected = item->job.may_be_redirected};

    if (!dispatch_is_errand(item) && !job_state_is_end(item->job.state))
        place_move_job(dispatch->place, (size_t)(item - dispatch->items), &job);
}

/* Whether it may be waited for once more without a cost. */
static bool dispatch_may_wait(const struct dispatch *dispatch, struct item *item,
                              struct dispatch_now now)
{
    if (item->waits == 0)
        item->waits_since_ms = now.ms;
    return now.ms - item->waits_since_ms < dispatch->settings.later_ms;
}

enum fault_step dispatch_weigh(struct dispatch *dispatch, struct item *item,
                               const struct error *error, struct dispatch_now now)
{
    struct fault_verdict verdict = fault_judge(error);

    if (verdict.step == FAULT_LATER && dispatch_may_wait(dispatch, item, now)) {
        item->waits++;
        dispatch_avoid(dispatch, item,
                       verdict.scope == FAULT_OF_HOST ? item->now.host_uuid : NULL);
        return FAULT_LATER;
    }
    if (verdict.step == FAULT_LATER)
        verdict.step = FAULT_SOON;
    else
        item->waits = 0;
    if (verdict.step == FAULT_ELSEWHERE) {
        if (!dispatch_is_errand(item) && dispatch_exclude(item, item->now.host_uuid))
            return FAULT_ELSEWHERE;
        verdict.step = FAULT_SOON;
    }
    item->failures++;
    dispatch_avoid(dispatch, item, item->now.host_uuid);
    if (verdict.step == FAULT_REPLAN)
        dispatch->is_replan_wanted = true;
    return verdict.step;
}

bool dispatch_take_replan(struct dispatch *dispatch)
{
    bool is = dispatch->is_replan_wanted;

    dispatch->is_replan_wanted = false;
    return is;
}

/* Whether both are the same piece of work; its disks may have moved. */
static bool dispatch_is_same_work(const struct job *a, const struct job *b)
{
    if (a->kind != b->kind || !str_equal(a->vm_uuid, b->vm_uuid) ||
        !str_equal(a->host_uuid, b->host_uuid) || a->disks_n != b->disks_n)
        return false;
    for (size_t i = 0; i < a->disks_n; i++)
        if (!str_equal(a->disks[i].device, b->disks[i].device))
            return false;
    return true;
}

static void dispatch_move(struct dispatch *dispatch, struct item *item,
                          const struct plan_job *planned)
{
    text_list_done(&item->job.hosts);
    text_list_copy(&item->job.hosts, &planned->hosts);
    text_list_done(&item->job.srs);
    text_list_copy(&item->job.srs, &planned->srs);
    item->job.may_be_redirected = planned->may_be_redirected;
    dispatch_allow_all(item);
    dispatch_place_anew(dispatch, item);
}

/* What jobs that may be the same work have in common. */
static const char *dispatch_subject(const struct job *job)
{
    return job->vm_uuid ? job->vm_uuid : job->host_uuid ? job->host_uuid : "";
}

void dispatch_follow_plan(struct dispatch *dispatch, const struct plan *plan)
{
    CLEANUP(id_index_done) struct id_index index = {0};

    for (size_t i = 0; i < plan->jobs_n; i++)
        id_index_add(&index, dispatch_subject(&plan->jobs[i].job), i);
    for (size_t i = 0; i < dispatch->items_n; i++) {
        struct item *item = &dispatch->items[i];
        const char *subject = dispatch_subject(&item->job.job);
        size_t cursor = 0, at;

        if (job_state_is_end(item->job.state) || dispatch_is_errand(item))
            continue;
        while ((at = id_index_next(&index, subject, &cursor)) != ID_INDEX_NONE)
            if (dispatch_is_same_work(&item->job.job, &plan->jobs[at].job)) {
                dispatch_move(dispatch, item, &plan->jobs[at]);
                break;
            }
    }
}

void dispatch_set_away(struct dispatch *dispatch, const struct text_map *away)
{
    text_map_done(&dispatch->away);
    text_map_copy(&dispatch->away, away);
}

