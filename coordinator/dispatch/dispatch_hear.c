/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What agents tell: a Sync is the whole state of one agent, compared with what we think it has.
 *
 * What is listed moves its job; what is not listed was never taken, was forgotten with its agent,
 * or is dead. Reports of attempts that are not the present one are recorded too: the attempt may
 * have published its files, and the files are the truth.
 */
#include "coordinator/dispatch/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "coordinator/dispatch/dispatch_inside.h"

#include "common/base/poison.h"

/* Forget what this agent listed before. */
static void dispatch_drop_listed(struct dispatch *dispatch, size_t agent)
{
    size_t kept = 0;

    for (size_t i = 0; i < dispatch->listed_n; i++) {
        if (dispatch->listed[i].agent == agent)
            job_report_done(&dispatch->listed[i].report);
        else
            dispatch->listed[kept++] = dispatch->listed[i];
    }
    dispatch->listed_n = kept;
}

static void dispatch_keep_listed(struct dispatch *dispatch, size_t agent,
                                 const struct job_report *report)
{
    dispatch->listed = mem_grow(dispatch->listed, &dispatch->listed_cap, dispatch->listed_n + 1,
                                sizeof *dispatch->listed);
    struct listed *listed = &dispatch->listed[dispatch->listed_n++];

    *listed = (struct listed){.agent = agent};
    job_report_copy(&listed->report, report);
}

/* The present attempt is at work. */
static void dispatch_hear_running(struct dispatch *dispatch, struct item *item,
                                  const struct job_report *report, struct dispatch_now now)
{
    struct attempt *attempt = &item->now;

    attempt->is_listed = true;
    attempt->is_seen = true;
    dispatch->moved_ms = now.ms;
    rate_meter_note(&attempt->rate, report->bytes, now.ms);
    job_report_done(&attempt->report);
    job_report_copy(&attempt->report, report);
    place_set_progress(dispatch->place, (size_t)(item - dispatch->items), report->bytes,
                       attempt->rate.rate);
    if (item->job.state == JOB_STATE_ASSIGNED)
        dispatch_set_state(dispatch, item, JOB_STATE_RUNNING, NULL);
    /* Killed, and it lives on in the kernel: the run does not wait for it. Its agent goes on
     * listing it, and keeps its slot. */
    if (report->is_hung)
        dispatch_end_dead(dispatch, item, JOB_STATE_FAILED, false, ERROR_HUNG,
                          "its worker hangs in a call to the share that nothing ends, and keeps a "
                          "slot of this host until the share answers",
                          now);
}

/* The end of an attempt that is not the present one of its job, or of a job of another run. */
static void dispatch_hear_other_end(struct dispatch *dispatch, struct item *item,
                                    const struct job_report *report, struct dispatch_now now)
{
    const struct ended *ended = dispatch_find_ended(dispatch, report->id, report->attempt);
    bool was_known = ended && !ended->is_guess;

    dispatch_note_end(dispatch, report, false);
    if (!item || was_known || dispatch_is_cleanup(item))
        return;
    if (report->state == JOB_STATE_DONE && item->job.state != JOB_STATE_DONE) {
        if (item->job.state == JOB_STATE_WAITING)
            dispatch_set_state(dispatch, item, JOB_STATE_PLANNED, NULL);
        /* A second attempt that is under way is told to end: its job is no longer its own. */
        item->bytes = report->bytes;
        dispatch->moved_ms = now.ms;
        dispatch_set_state(dispatch, item, JOB_STATE_DONE, NULL);
    }
}

/* A failure that a cleanup follows: the files that it finds, if any, count after all. */
static void dispatch_doubt(const struct job_report *report, struct job_report *ret)
{
    job_report_copy(ret, report);
    ret->state = JOB_STATE_FAILED;
    ret->is_clean = false;
    error_set(&ret->error, ERROR_PROTOCOL,
              "the agent says that it is done, and names %zu file%s: nothing of it is believed",
              report->files_n, report->files_n == 1 ? "" : "s");
}

static void dispatch_hear_report(struct dispatch *dispatch, const struct agent *agent,
                                 const struct job_report *report, struct dispatch_now now)
{
    CLEAN_JOB_REPORT struct job_report doubted = {.attempt = 0};
    struct item *item = dispatch_find_item(dispatch, report->id);
    if (item && dispatch_is_empty_claim(&item->job.job, report->state, report->files_n)) {
        dispatch_doubt(report, &doubted);
        report = &doubted;
    }
    bool is_end = job_state_is_end(report->state);
    bool is_present = item && dispatch_is_active(item) &&
                      item->job.job.attempt == report->attempt &&
                      strcmp(item->now.host_uuid, agent->host_uuid) == 0;

    if (!is_present) {
        if (is_end)
            dispatch_hear_other_end(dispatch, item, report, now);
        return;
    }
    item->now.is_listed = true;
    item->now.is_seen = true;
    item->now.boot = agent->sync.boot;
    if (!is_end) {
        dispatch_hear_running(dispatch, item, report, now);
        return;
    }
    dispatch_note_end(dispatch, report, false);
    dispatch_end(dispatch, item, report, now);
}

/* An attempt that this agent was given and does not list. */
static void dispatch_hear_nothing(struct dispatch *dispatch, struct item *item, bool is_restarted,
                                  struct dispatch_now now)
{
    struct attempt *attempt = &item->now;

    if (attempt->is_listed || (is_restarted && attempt->is_offered)) {
        dispatch_end_dead(dispatch, item, JOB_STATE_FAILED, false, ERROR_DIED,
                          is_restarted ? "the agent was restarted"
                                       : "the agent does not know it any more",
                          now);
        return;
    }
    if (attempt->is_cancelled)
        dispatch_end_dead(dispatch, item, JOB_STATE_CANCELLED, true, ERROR_NONE, NULL, now);
    else if (now.ms - attempt->begun_ms >= DISPATCH_OFFER_MS)
        dispatch_end_dead(dispatch, item, JOB_STATE_CANCELLED, true, ERROR_NONE, NULL, now);
}

static void dispatch_hear_absent(struct dispatch *dispatch, size_t agent,
                                 const struct wire_sync *sync, bool is_restarted,
                                 struct dispatch_now now)
{
    for (size_t i = 0; i < dispatch->active_n;) {
        size_t at = dispatch->active[i];
        struct item *item = &dispatch->items[at];
        bool is_same_boot = item->now.boot == 0 || sync->boot == item->now.boot;

        if (item->now.agent == agent && !item->now.is_seen && !(sync->is_partial && is_same_boot))
            dispatch_hear_nothing(dispatch, item, is_restarted || !is_same_boot, now);
        /* One that ended is active no more, and the next stands in its place. */
        if (i < dispatch->active_n && dispatch->active[i] == at)
            i++;
    }
}

int dispatch_hear(struct dispatch *dispatch, const struct wire_sync *sync, struct dispatch_now now,
                  struct error *err)
{
    struct agent *agent = NULL;
    enum agents_heard heard = AGENTS_NEXT;

    if (agents_hear(&dispatch->agents, sync, now.ms, &heard, &agent, err) < 0)
        return -1;
    if (heard == AGENTS_STALE)
        return 0;
    if (!agent->host_name)
        agent->host_name = mem_dup(text_map_get(&dispatch->host_names, agent->host_uuid));
    size_t index = (size_t)(agent - dispatch->agents.items);

    dispatch_drop_listed(dispatch, index);
    for (size_t i = 0; i < dispatch->active_n; i++)
        dispatch->items[dispatch->active[i]].now.is_seen = false;
    for (size_t i = 0; i < sync->reports_n; i++) {
        dispatch_keep_listed(dispatch, index, &sync->reports[i]);
        dispatch_hear_report(dispatch, agent, &sync->reports[i], now);
    }
    place_learn_host(dispatch->place, sync->host_uuid, now.ms);
    dispatch_hear_absent(dispatch, index, sync, heard == AGENTS_RESTARTED, now);
    return 0;
}
