/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The steps of a job: its attempt begins, ends, is taken for dead; then again, or no more.
 *
 * An attempt that may have left something gets a cleanup job, and no other attempt of that VM
 * begins before it has ended. A cleanup that can't be done does not keep a VM from its backup: the
 * remains stay recorded for the next run, and people are warned.
 */
#include "coordinator/dispatch/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "coordinator/dispatch/dispatch_inside.h"
#include "coordinator/policy/plan.h"

#include "common/base/poison.h"

/* The cleanup job that holds this attempt's remains, if any. */
static const struct item *dispatch_find_cleanup(const struct dispatch *dispatch,
                                                const struct job_remains *remains)
{
    for (size_t i = 0; i < dispatch->errands_n; i++) {
        const struct item *item = &dispatch->items[dispatch->errands[i]];

        if (!dispatch_is_cleanup(item))
            continue;
        for (size_t k = 0; k < item->job.job.remains_n; k++)
            if (item->job.job.remains[k].attempt == remains->attempt &&
                strcmp(item->job.job.remains[k].job, remains->job) == 0)
                return item;
    }
    return NULL;
}

void dispatch_add_cleanup(struct dispatch *dispatch, const struct job_remains *remains,
                          const char *vm_name, const char *host_uuid)
{
    if (dispatch_find_cleanup(dispatch, remains))
        return;
    struct item *item = dispatch_add_item(dispatch);
    struct job *job = &item->job.job;

    random_id(dispatch->settings.random, job->id);
    str_copy(job->run, sizeof job->run, dispatch->run);
    job->kind = JOB_CLEANUP;
    job->vm_uuid = mem_dup(remains->vm_uuid);
    job->vm_name = mem_dup(vm_name);
    struct job_remains *copy = job_add_remains(job);
    *copy = *remains;
    copy->vm_uuid = mem_dup(remains->vm_uuid);
    copy->folder = mem_dup(remains->folder);
    copy->stem = mem_dup(remains->stem);
    item->job.position = dispatch->items_n;
    item->job.state = JOB_STATE_PLANNED;
    if (host_uuid)
        text_list_add(&item->job.hosts, host_uuid);
    dispatch_enter(dispatch, item);
    struct dispatch_change *change = dispatch_add_change(dispatch, DISPATCH_ADD_JOB, job->id);
    catalog_job_copy(&change->job, &item->job);
}

void dispatch_add_expire(struct dispatch *dispatch, const struct job *job, struct dispatch_now now)
{
    struct item *item = dispatch_add_item(dispatch);

    job_copy(&item->job.job, job);
    random_id(dispatch->settings.random, item->job.job.id);
    str_copy(item->job.job.run, sizeof item->job.job.run, dispatch->run);
    item->job.position = dispatch->items_n;
    item->job.state = JOB_STATE_PLANNED;
    dispatch_enter(dispatch, item);
    dispatch->moved_ms = now.ms;
    struct dispatch_change *change =
        dispatch_add_change(dispatch, DISPATCH_ADD_JOB, item->job.job.id);
    catalog_job_copy(&change->job, &item->job);
}

static bool dispatch_blocks(const struct item *cleanup, const struct item *item)
{
    const struct job *job = &cleanup->job.job;

    if (job->vm_uuid && str_equal(job->vm_uuid, item->job.job.vm_uuid))
        return true;
    for (size_t i = 0; i < job->remains_n; i++)
        if (strcmp(job->remains[i].job, item->job.job.id) == 0)
            return true;
    return false;
}

bool dispatch_is_blocked(const struct dispatch *dispatch, const struct item *item)
{
    if (dispatch_is_cleanup(item))
        return false;
    for (size_t i = 0; i < dispatch->errands_n; i++) {
        const struct item *cleanup = &dispatch->items[dispatch->errands[i]];

        if (dispatch_is_cleanup(cleanup) && dispatch_blocks(cleanup, item))
            return true;
    }
    return dispatch_is_held_by_folder(dispatch, item);
}

bool dispatch_is_ready(const struct dispatch *dispatch, const struct item *item,
                       struct dispatch_now now)
{
    return (item->job.state == JOB_STATE_PLANNED || item->job.state == JOB_STATE_WAITING) &&
           !item->is_own_wish && now.ms >= item->not_before_ms &&
           !dispatch_is_blocked(dispatch, item);
}

void dispatch_begin(struct dispatch *dispatch, struct item *item, const struct agent *agent,
                    struct dispatch_now now)
{
    struct job *job = &item->job.job;

    job->attempt++;
    job->lease = dispatch->lease;
    if (job->idle_timeout_ms == 0)
        job->idle_timeout_ms = dispatch->settings.idle_timeout_ms;
    if (job_kind_is_backup(job->kind)) {
        job->space_threshold_percent = dispatch->settings.space.threshold_percent;
        job->hard_floor_percent = dispatch->settings.space.floor_percent;
        job->tuning = dispatch->settings.tuning;
        job->ways = dispatch->settings.ways;
    }
    mem_set(&job->stem, NULL);
    item->job.state = JOB_STATE_ASSIGNED;
    item->job.is_open = true;
    mem_set(&item->job.reason, NULL);
    mem_set(&item->last_host_uuid, agent->host_uuid);
    item->now = (struct attempt){.host_uuid = mem_dup(agent->host_uuid),
                                 .agent = (size_t)(agent - dispatch->agents.items),
                                 .boot = agent->sync.boot,
                                 .begun_ms = now.ms,
                                 .rate = {.ms = now.ms}};
    dispatch_follow(dispatch, item);
    dispatch->moved_ms = now.ms;
    struct dispatch_change *change = dispatch_add_change(dispatch, DISPATCH_BEGIN, job->id);
    change->attempt = job->attempt;
    change->host_uuid = mem_dup(agent->host_uuid);
    change->host_name = mem_dup(dispatch_host_name(dispatch, agent->host_uuid));
    change->prefix = plan_stem_prefix(job);
    change->lease = job->lease;
}

void dispatch_take_over(struct dispatch *dispatch, struct item *item, const struct agent *agent,
                        const struct job_report *report, struct dispatch_now now)
{
    mem_set(&item->last_host_uuid, agent->host_uuid);
    item->now = (struct attempt){.host_uuid = mem_dup(agent->host_uuid),
                                 .agent = (size_t)(agent - dispatch->agents.items),
                                 .boot = agent->sync.boot,
                                 .is_recorded = true,
                                 .is_offered = true,
                                 .is_listed = true,
                                 .begun_ms = now.ms,
                                 .rate = {.bytes = report->bytes, .ms = now.ms}};
    job_report_copy(&item->now.report, report);
    dispatch->moved_ms = now.ms;
    item->job.state = JOB_STATE_ASSIGNED;
    dispatch_set_state(dispatch, item, JOB_STATE_RUNNING, NULL);
}

void dispatch_note_end(struct dispatch *dispatch, const struct job_report *report, bool is_guess)
{
    struct ended *ended = dispatch_find_ended(dispatch, report->id, report->attempt);

    if (ended && (is_guess || !ended->is_guess))
        return;
    if (!ended) {
        dispatch->ended = mem_grow(dispatch->ended, &dispatch->ended_cap, dispatch->ended_n + 1,
                                   sizeof *dispatch->ended);
        id_index_add(&dispatch->ended_index, report->id, dispatch->ended_n);
        ended = &dispatch->ended[dispatch->ended_n++];
        *ended = (struct ended){.attempt = report->attempt};
        str_copy(ended->id, sizeof ended->id, report->id);
    }
    ended->is_guess = is_guess;
    ended->state = report->state;
    ended->files_n = report->files_n;
    ended->is_recorded = false;
    struct dispatch_change *change = dispatch_add_change(dispatch, DISPATCH_END, report->id);
    change->attempt = report->attempt;
    job_report_copy(&change->report, report);
}

/* Another attempt, after a pause that doubles. */
static void dispatch_again(struct dispatch *dispatch, struct item *item, const char *reason,
                           struct dispatch_now now)
{
    uint32_t n = item->failures + item->waits;
    uint32_t steps = n > 0 ? n - 1 : 0;

    if (steps > DISPATCH_BACKOFF_STEPS)
        steps = DISPATCH_BACKOFF_STEPS;
    item->not_before_ms = now.ms;
    if (n > 0 && item->step != FAULT_ELSEWHERE)
        item->not_before_ms += dispatch->settings.backoff_ms << steps;
    dispatch_set_state(dispatch, item, JOB_STATE_PLANNED, reason);
}

static bool dispatch_may_retry(const struct dispatch *dispatch, const struct item *item,
                               enum error_code code)
{
    /* A damaged file is read once more, by another host if there is one; then it is damaged. */
    bool is_damaged = dispatch_is_verify(item) && code == ERROR_CORRUPT && item->failures > 1;

    return !dispatch->is_cancelled && !is_damaged && item->step != FAULT_GIVE_UP &&
           item->failures < dispatch->settings.attempts_max &&
           item->job.job.attempt < JOB_ATTEMPTS_MAX;
}

/* A cleanup found that the dead attempt had published: that attempt is done, and so is its job, of
 * this run or of a former one. */
static void dispatch_end_saved(struct dispatch *dispatch, const struct job_remains *remains,
                               const struct job_report *report, struct dispatch_now now)
{
    struct item *item = dispatch_find_item(dispatch, remains->job);
    CLEAN_JOB_REPORT struct job_report saved = {0};

    job_report_copy(&saved, report);
    str_copy(saved.id, sizeof saved.id, remains->job);
    saved.attempt = remains->attempt;
    struct ended *ended = dispatch_find_ended(dispatch, saved.id, saved.attempt);
    if (ended && ended->state == JOB_STATE_DONE)
        return;
    if (ended)
        ended->is_guess = true; /* its agent saw it die, the files know more */
    dispatch_note_end(dispatch, &saved, false);
    if (!item || item->job.state == JOB_STATE_DONE || dispatch_is_active(item))
        return;
    if (item->job.state == JOB_STATE_WAITING)
        dispatch_set_state(dispatch, item, JOB_STATE_PLANNED, NULL);
    item->bytes = saved.bytes;
    dispatch->moved_ms = now.ms;
    if (job_state_may_follow(item->job.state, JOB_STATE_DONE))
        dispatch_set_state(dispatch, item, JOB_STATE_DONE, NULL);
}

static void dispatch_end_cleanup(struct dispatch *dispatch, struct item *item,
                                 const struct job_report *report, const char *why,
                                 struct dispatch_now now)
{
    const struct job *job = &item->job.job;

    for (size_t i = 0; i < report->warnings.n; i++)
        dispatch_warn(dispatch, "%s", report->warnings.items[i]);
    if (report->state == JOB_STATE_DONE) {
        if (report->files_n > 0 && job->remains_n == 1)
            dispatch_end_saved(dispatch, &job->remains[0], report, now);
        for (size_t i = 0; i < job->remains_n && report->is_clean; i++) {
            struct dispatch_change *change =
                dispatch_add_change(dispatch, DISPATCH_CLEAN, job->remains[i].job);

            change->attempt = job->remains[i].attempt;
        }
        dispatch_set_state(dispatch, item, JOB_STATE_DONE, NULL);
        return;
    }
    if (dispatch->is_cancelled) {
        dispatch_set_state(dispatch, item, JOB_STATE_CANCELLED, why);
        return;
    }
    if (dispatch_may_retry(dispatch, item, report->error.code) ||
        (report->state == JOB_STATE_CANCELLED && job->attempt < JOB_ATTEMPTS_MAX)) {
        text_list_done(&item->job.hosts); /* any agent may try it now */
        dispatch_again(dispatch, item, why, now);
        return;
    }
    dispatch_warn(dispatch, "what an attempt at %s left could not be removed: %s",
                  job->vm_name    ? job->vm_name
                  : job->vm_uuid  ? job->vm_uuid
                                  : "a job",
                  why);
    dispatch_set_state(dispatch, item, JOB_STATE_FAILED, why);
}

/* A cancelled run begins no cleanup: what was left stays recorded, and people are told. */
static void dispatch_end_cancelled(struct dispatch *dispatch, struct item *item,
                                   const struct job_report *report, const char *why)
{
    CLEAN_CHAR char *text =
        report->is_clean || dispatch_is_errand(item)
            ? mem_dup("the run was cancelled")
            : str_format("the run was cancelled; %s; the next run cleans up after it", why);

    dispatch_set_state(dispatch, item, JOB_STATE_CANCELLED, text);
}

static void dispatch_end_backup(struct dispatch *dispatch, struct item *item,
                                const struct job_report *report, const char *why,
                                struct dispatch_now now)
{
    bool is_cancelled = dispatch->is_cancelled || item->now.is_cancelled;

    if (report->state == JOB_STATE_DONE)
        dispatch_set_state(dispatch, item, JOB_STATE_DONE, NULL);
    else if (is_cancelled)
        dispatch_end_cancelled(dispatch, item, report, why);
    else if (report->state == JOB_STATE_CANCELLED && item->job.job.attempt < JOB_ATTEMPTS_MAX)
        dispatch_again(dispatch, item, why, now);
    else if (item->step == FAULT_SKIP)
        dispatch_set_state(dispatch, item, JOB_STATE_SKIPPED, why);
    else if (dispatch_may_retry(dispatch, item, report->error.code))
        dispatch_again(dispatch, item, why, now);
    else
        dispatch_set_state(dispatch, item,
                           report->state == JOB_STATE_LOST ? JOB_STATE_LOST : JOB_STATE_FAILED,
                           why);
}

/* Who failed, and how, for people. */
static char *dispatch_make_reason(const struct dispatch *dispatch, const struct item *item,
                                  const struct job_report *report)
{
    const char *host = dispatch_host_name(dispatch, item->now.host_uuid);

    if (report->state == JOB_STATE_DONE)
        return mem_dup("");
    if (!error_is_set(&report->error))
        return str_format("attempt %u on %s was ended by its agent", report->attempt, host);
    if (fault_judge(&report->error).step == FAULT_SKIP)
        return mem_dup(report->error.text);
    return str_format("attempt %u on %s: %s", report->attempt, host, report->error.text);
}

void dispatch_end(struct dispatch *dispatch, struct item *item, const struct job_report *report,
                  struct dispatch_now now)
{
    CLEAN_CHAR char *why = dispatch_make_reason(dispatch, item, report);
    CLEAN_CHAR char *host_uuid = mem_dup(item->now.host_uuid);
    const struct job *job = &item->job.job;
    struct job_remains remains = {.attempt = report->attempt,
                                  .vm_uuid = job->vm_uuid,
                                  .folder = job->folder,
                                  .stem = job->stem};
    bool is_dirty = !report->is_clean && !dispatch_is_errand(item);

    str_copy(remains.job, sizeof remains.job, job->id);
    dispatch->moved_ms = now.ms;
    item->bytes = report->bytes;
    item->job.is_open = false;
    item->step = FAULT_SOON;
    if (report->state == JOB_STATE_FAILED || report->state == JOB_STATE_LOST)
        item->step = dispatch_weigh(dispatch, item, &report->error, now);
    if (job->kind == JOB_EXPIRE)
        dispatch_skip_verifies(dispatch, item, report);
    if (dispatch_is_cleanup(item))
        dispatch_end_cleanup(dispatch, item, report, why, now);
    else
        dispatch_end_backup(dispatch, item, report, why, now);
    dispatch_place_anew(dispatch, item);
    if (is_dirty && !dispatch->is_cancelled) {
        bool is_hung = report->error.code == ERROR_HUNG; /* better from a host where it is not */
        dispatch_add_cleanup(dispatch, &remains, job->vm_name, is_hung ? NULL : host_uuid);
    }
}

void dispatch_end_dead(struct dispatch *dispatch, struct item *item, enum job_state state,
                       bool is_clean, enum error_code code, const char *why,
                       struct dispatch_now now)
{
    CLEAN_JOB_REPORT struct job_report report = {0};

    str_copy(report.id, sizeof report.id, item->job.job.id);
    report.attempt = item->job.job.attempt;
    report.state = state;
    report.bytes = item->now.report.bytes;
    report.started_at = item->now.report.started_at;
    report.finished_at = now.at;
    report.snapshot_at = item->now.report.snapshot_at;
    report.is_clean = is_clean;
    if (code != ERROR_NONE)
        error_set(&report.error, code, "%s", why);
    dispatch_note_end(dispatch, &report, true);
    dispatch_end(dispatch, item, &report, now);
}
