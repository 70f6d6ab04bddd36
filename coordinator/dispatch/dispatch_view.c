/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dispatch for people, and what its caller asks about the whole.
 */
#include "coordinator/dispatch/dispatch.h"

#include <string.h>

#include "coordinator/dispatch/dispatch_inside.h"

#include "common/base/poison.h"

void dispatch_list_alive(const struct dispatch *dispatch, struct text_list *ret_ids)
{
    for (size_t i = 0; i < dispatch->listed_n; i++) {
        const struct job_report *report = &dispatch->listed[i].report;

        if (!job_state_is_end(report->state) && !text_list_has(ret_ids, report->id))
            text_list_add(ret_ids, report->id);
    }
    for (size_t i = 0; i < dispatch->items_n; i++) {
        const struct item *item = &dispatch->items[i];

        if (dispatch_is_active(item) && !text_list_has(ret_ids, item->job.job.id))
            text_list_add(ret_ids, item->job.job.id);
    }
}

bool dispatch_is_over(const struct dispatch *dispatch)
{
    if (!dispatch->is_started || dispatch->changes_n > 0)
        return false;
    for (size_t i = 0; i < dispatch->items_n; i++)
        if (!job_state_is_end(dispatch->items[i].job.state) ||
            !dispatch->items[i].is_ended_recorded)
            return false;
    return true;
}

bool dispatch_is_listed(const struct dispatch *dispatch)
{
    for (size_t i = 0; i < dispatch->listed_n; i++)
        if (!dispatch->agents.items[dispatch->listed[i].agent].is_lost)
            return true;
    return false;
}

const struct agents *dispatch_agents(const struct dispatch *dispatch)
{
    return &dispatch->agents;
}

bool dispatch_why_not(const struct dispatch *dispatch, const char *host_uuid,
                      char text[AGENTS_REASON_MAX])
{
    const struct agent *agent = agents_find(&dispatch->agents, host_uuid);

    text[0] = '\0';
    return !agent || dispatch_agent_why_not(dispatch, agent, text);
}

size_t dispatch_jobs_n(const struct dispatch *dispatch)
{
    return dispatch->items_n;
}

void dispatch_view_job(const struct dispatch *dispatch, size_t index, struct run_job *ret_job)
{
    const struct item *item = &dispatch->items[index];
    const struct job *job = &item->job.job;
    const char *host_uuid = item->now.host_uuid ? item->now.host_uuid : item->last_host_uuid;

    *ret_job = (struct run_job){.kind = job->kind,
                                .state = item->job.state,
                                .phase = item->now.report.phase,
                                .attempt = job->attempt,
                                .vm_name = job->vm_name,
                                .folder = job->folder,
                                .host_uuid = host_uuid,
                                .host_name =
                                    host_uuid ? dispatch_host_name(dispatch, host_uuid) : NULL,
                                .bytes = item->bytes,
                                .estimate_bytes = job->estimate_bytes,
                                .rate_bytes_s = item->now.rate.rate,
                                .is_hung = item->now.report.is_hung,
                                .reason = item->job.reason};
    memcpy(ret_job->id, job->id, sizeof ret_job->id);
    if (dispatch_is_active(item))
        ret_job->bytes = item->now.report.bytes;
}

int dispatch_find_job(const struct dispatch *dispatch, const char *id, struct run_job *ret_job)
{
    const struct item *item = dispatch_find_item(dispatch, id);

    if (!item)
        return 0;
    dispatch_view_job(dispatch, (size_t)(item - dispatch->items), ret_job);
    return 1;
}

static void dispatch_count_cleanup(const struct run_job *job, struct run_totals *totals)
{
    if (!job_state_is_end(job->state))
        totals->cleanups_n++;
    else if (job->state == JOB_STATE_FAILED)
        totals->cleanups_failed_n++;
}

static void dispatch_count_state(const struct run_job *job, struct run_totals *totals)
{
    switch (job->state) {
    case JOB_STATE_PLANNED:
    case JOB_STATE_WAITING:
        totals->waiting_n++;
        break;
    case JOB_STATE_ASSIGNED:
    case JOB_STATE_RUNNING:
        totals->running_n++;
        break;
    case JOB_STATE_DONE:
        totals->done_n++;
        break;
    case JOB_STATE_FAILED:
    case JOB_STATE_LOST:
        totals->failed_n++;
        break;
    case JOB_STATE_CANCELLED:
        totals->cancelled_n++;
        break;
    case JOB_STATE_SKIPPED:
        totals->skipped_n++;
        break;
    }
}

void dispatch_view_totals(const struct dispatch *dispatch, struct run_totals *ret_totals)
{
    *ret_totals = (struct run_totals){.agents_n = agents_present_n(&dispatch->agents)};
    for (size_t i = 0; i < dispatch->items_n; i++) {
        struct run_job job;
        uint64_t expected = 0;

        dispatch_view_job(dispatch, i, &job);
        if (job.kind == JOB_CLEANUP) {
            dispatch_count_cleanup(&job, ret_totals);
            continue;
        }
        if (job.kind == JOB_EXPIRE)
            continue;
        ret_totals->jobs_n++;
        dispatch_count_state(&job, ret_totals);
        /* What has ended came to what was read; what goes on, to the estimate at least. */
        expected = job.state != JOB_STATE_DONE && job.estimate_bytes > job.bytes
                       ? job.estimate_bytes
                       : job.bytes;
        ret_totals->bytes += job.bytes;
        ret_totals->estimate_bytes += job.state == JOB_STATE_SKIPPED ? 0 : expected;
        ret_totals->rate_bytes_s += job.rate_bytes_s;
    }
}
