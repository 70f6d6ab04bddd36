/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker's pipe tells its reports, its end tells the rest.
 */
#include "agent/attempts.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/process_lock.h"
#include "common/base/str.h"
#include "common/model/rate.h"

#include "common/base/poison.h"

#define ROOM    "agent"
#define IDLE_MS 600000 /* where a job names no other time */

static int64_t now_ms(const struct attempts *attempts)
{
    return clock_monotonic_ms(attempts->clock);
}

static void item_done(struct attempts_item *item)
{
    child_done(&item->child);
    job_done(&item->job);
    job_report_done(&item->report);
    job_report_done(&item->before_result);
}

void attempts_done(struct attempts *attempts)
{
    for (size_t i = 0; i < attempts->n; i++)
        item_done(&attempts->items[i]);
    spare_dismiss(&attempts->spare);
    free(attempts->items);
    attempts->items = NULL;
    attempts->n = attempts->cap = 0;
}

static char *slot_name(size_t slot)
{
    return str_format("worker-%zu", slot);
}

static bool is_own_slot(const struct attempts *attempts, size_t slot)
{
    if (attempts->spare.child.pid != 0 && attempts->spare.child.slot == slot)
        return true;
    for (size_t i = 0; i < attempts->n; i++)
        if (attempts->items[i].is_running && attempts->items[i].child.slot == slot)
            return true;
    return false;
}

size_t attempts_look_for_orphans(struct attempts *attempts)
{
    size_t n = 0;
    /* All there may be: the killed agent may have had more of them than we have, and a spare. */
    for (size_t slot = 0; slot <= ATTEMPTS_SLOTS_MAX; slot++) {
        CLEAN_CHAR char *name = slot_name(slot);
        struct error ignored = ERROR_INIT;
        if (!is_own_slot(attempts, slot) &&
            process_lock_is_held(attempts->scope, name, &ignored) == 1)
            n++;
    }
    attempts->orphans_n = n;
    return n;
}

size_t attempts_count_running(const struct attempts *attempts)
{
    size_t n = 0;
    for (size_t i = 0; i < attempts->n; i++)
        n += attempts->items[i].is_running;
    return n;
}

size_t attempts_count_free(const struct attempts *attempts)
{
    size_t taken = attempts_count_running(attempts) + attempts->orphans_n;
    return taken < attempts->slots ? attempts->slots - taken : 0;
}

static struct attempts_item *find(const struct attempts *attempts, const char *id, uint32_t attempt)
{
    for (size_t i = 0; i < attempts->n; i++)
        if (attempts->items[i].job.attempt == attempt && strcmp(attempts->items[i].job.id, id) == 0)
            return &attempts->items[i];
    return NULL;
}

static bool is_job_running(const struct attempts *attempts, const char *id)
{
    for (size_t i = 0; i < attempts->n; i++)
        if (attempts->items[i].is_running && strcmp(attempts->items[i].job.id, id) == 0)
            return true;
    return false;
}

/* Lock a slot: 1 (*ret_fd, *ret_slot), 0 none is free. There is one more name than there are slots, for
 * the spare, which keeps its name when it becomes a worker: the number of jobs is not for this to hold. */
static int take_slot(const struct attempts *attempts, int *ret_fd, size_t *ret_slot)
{
    for (size_t slot = 0; slot <= attempts->slots; slot++) {
        CLEAN_CHAR char *name = slot_name(slot);
        struct error ignored = ERROR_INIT;
        if (!is_own_slot(attempts, slot) &&
            process_lock_take(attempts->scope, name, ret_fd, &ignored) == 0) {
            *ret_slot = slot;
            return 1;
        }
    }
    return 0;
}

static void end_item(struct attempts *attempts, struct attempts_item *item, const struct error *why)
{
    struct job_report *report = &item->report;
    item->is_running = false;
    report->is_hung = false;
    child_done(&item->child);
    if (item->has_result)
        return;
    report->state = JOB_STATE_FAILED;
    report->finished_at = clock_wall_ms(attempts->clock);
    report->error = *why;
    if (item->is_overdue)
        error_add(&report->error, "it said nothing for too long in a call to the share");
}

/* The spare if there is one, else a new process. 0, -1; 1 no slot is free. */
static int find_worker(struct attempts *attempts, const struct wire_task *task,
                       struct child *ret_child, struct error *err)
{
    int lock = -1;
    size_t slot = 0;
    if (spare_give(&attempts->spare, attempts->program, task, now_ms(attempts), ret_child) == 1)
        return 0;
    if (take_slot(attempts, &lock, &slot) != 1)
        return 1;
    if (child_start(attempts->program, lock, task, ret_child, err) != 0)
        return -1;
    ret_child->slot = slot;
    return 0;
}

int attempts_start(struct attempts *attempts, const struct job *job, struct wire_task *task)
{
    struct error err = ERROR_INIT;
    struct child child = {.task_fd = -1, .note_fd = -1};
    if (find(attempts, job->id, job->attempt) != NULL)
        return 1;
    if (is_job_running(attempts, job->id) || attempts_count_free(attempts) == 0)
        return 0;
    job_copy(&task->job, job);
    int found = find_worker(attempts, task, &child, &err);
    if (found == 1)
        return 0;
    attempts->items =
        mem_grow(attempts->items, &attempts->cap, attempts->n + 1, sizeof *attempts->items);
    struct attempts_item *item = &attempts->items[attempts->n++];
    memset(item, 0, sizeof *item);
    item->child = child;
    job_copy(&item->job, job);
    (void)str_copy(item->report.id, sizeof item->report.id, job->id);
    item->report.attempt = job->attempt;
    item->report.state = JOB_STATE_RUNNING;
    item->report.phase = JOB_PHASE_START;
    item->report.consistency = JOB_CRASH_CONSISTENT;
    item->report.started_at = clock_wall_ms(attempts->clock);
    item->rate_limit = job->tuning.max_rate;
    if (found < 0) {
        log_error(ROOM, "%s", err.text);
        item->report.is_clean = true;
        end_item(attempts, item, &err);
        return 1;
    }
    item->child.clean_ms = attempts->clean_ms;
    item->begun_ms = item->heard_ms = item->rate.ms = now_ms(attempts);
    item->is_running = true;
    log_info(ROOM, "job %s attempt %u (%s%s%s) begins", job->id, (unsigned)job->attempt,
             job_kind_name(job->kind), job->vm_name != NULL ? " of " : "",
             job->vm_name != NULL ? job->vm_name : "");
    return 1;
}

static void cancel_item(struct attempts *attempts, struct attempts_item *item)
{
    if (!item->is_running || item->is_cancelled)
        return;
    item->is_cancelled = true;
    child_cancel(&item->child, now_ms(attempts));
}

void attempts_cancel(struct attempts *attempts, const char *id, uint32_t attempt)
{
    struct attempts_item *item = find(attempts, id, attempt);
    if (item != NULL)
        cancel_item(attempts, item);
}

void attempts_cancel_all(struct attempts *attempts)
{
    for (size_t i = 0; i < attempts->n; i++)
        cancel_item(attempts, &attempts->items[i]);
}

void attempts_forget(struct attempts *attempts, const char *id, uint32_t attempt)
{
    struct attempts_item *item = find(attempts, id, attempt);
    if (item == NULL || item->is_running)
        return;
    item_done(item);
    size_t at = (size_t)(item - attempts->items);
    memmove(item, item + 1, (attempts->n - at - 1) * sizeof *item);
    attempts->n--;
}

/* A worker tells of its own attempt only; whatever else it says is not believed. */
static void take_report(struct attempts *attempts, struct attempts_item *item,
                        const struct job_report *report)
{
    if (item->has_result || strcmp(report->id, item->job.id) != 0 ||
        report->attempt != item->job.attempt)
        return;
    if (report->bytes > item->report.bytes)
        attempts->taken_bytes += report->bytes - item->report.bytes;
    item->has_result = job_state_is_end(report->state);
    if (item->has_result) {
        item->before_result = item->report;
        memset(&item->report, 0, sizeof item->report);
    }
    job_report_done(&item->report);
    job_report_copy(&item->report, report);
}

static void hear(struct attempts *attempts, struct attempts_item *item)
{
    for (;;) {
        CLEAN_WIRE_NOTE struct wire_note note = {0};
        if (child_read(&item->child, &note) != 1)
            return;
        item->heard_ms = now_ms(attempts);
        if (note.kind == WIRE_NOTE_REPORT)
            take_report(attempts, item, &note.report);
        else if (note.kind == WIRE_NOTE_LOG && attempts->log != NULL)
            attempts->log(attempts->log_context, &note.line);
    }
}

static void tell_end(const struct attempts_item *item)
{
    const struct job_report *report = &item->report;
    bool is_good = report->state == JOB_STATE_DONE;
    log_write(is_good ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, ROOM, "job %s attempt %u%s%s: %s%s%s",
              item->job.id, (unsigned)item->job.attempt, item->job.vm_name != NULL ? " of " : "",
              item->job.vm_name != NULL ? item->job.vm_name : "", job_state_name(report->state),
              is_good ? "" : ": ", is_good ? "" : report->error.text);
}

/* In these phases a worker waits for the share alone, and nothing in itself ends a call that hangs
 * there; the stream has its own time-out, a snapshot takes as long as its SR. Cleaning up in the
 * pool may take clean_ms beside it, whoever asked for it. */
static bool is_too_silent(const struct attempts *attempts, const struct attempts_item *item)
{
    int64_t idle_ms = item->job.idle_timeout_ms != 0 ? (int64_t)item->job.idle_timeout_ms : IDLE_MS;
    int64_t silent_ms = now_ms(attempts) - item->heard_ms;
    if (item->has_result || item->is_cancelled)
        return false;
    if (!job_kind_is_backup(item->job.kind))
        return silent_ms > 3 * idle_ms + attempts->clean_ms;
    switch (item->report.phase) {
    case JOB_PHASE_START:
    case JOB_PHASE_FINISH:
        return silent_ms > idle_ms;
    case JOB_PHASE_CLEAN:
        return silent_ms > idle_ms + attempts->clean_ms;
    default:
        return false;
    }
}

static void end_silence(struct attempts *attempts, struct attempts_item *item)
{
    if (!is_too_silent(attempts, item))
        return;
    log_warn(ROOM,
             "the worker of job %s attempt %u%s%s says nothing any more (%s): the share may "
             "hang, it is told to end",
             item->job.id, (unsigned)item->job.attempt, item->job.vm_name != NULL ? " of " : "",
             item->job.vm_name != NULL ? item->job.vm_name : "",
             job_phase_name(item->report.phase));
    item->is_overdue = true;
    cancel_item(attempts, item);
}

bool attempts_step(struct attempts *attempts)
{
    bool has_finished = false;
    for (size_t i = 0; i < attempts->n; i++) {
        struct attempts_item *item = &attempts->items[i];
        int status = 0;
        if (!item->is_running)
            continue;
        hear(attempts, item);
        /* A worker that said its last and lives on hangs in the store. */
        if (item->has_result)
            child_cancel(&item->child, now_ms(attempts));
        end_silence(attempts, item);
        if (!child_has_ended(&item->child, now_ms(attempts), &status)) {
            if (child_is_hung(&item->child, now_ms(attempts)))
                item->report.is_hung = true;
            continue;
        }
        hear(attempts, item); /* what it wrote between our last look and its end */
        struct error died = ERROR_INIT;
        CLEAN_CHAR char *how = child_describe_end(status);
        error_set(&died, ERROR_DIED, "the worker %s", how);
        if (!item->has_result)
            item->report.is_clean = false; /* what it said while it ran is no longer true */
        end_item(attempts, item, &died);
        tell_end(item);
        spare_note_end(&attempts->spare, now_ms(attempts) - item->begun_ms, now_ms(attempts));
        has_finished = true;
    }
    return has_finished;
}

void attempts_keep_spare(struct attempts *attempts, bool may_start)
{
    int64_t now = now_ms(attempts);
    int lock = -1;
    size_t slot = 0;
    if (!may_start)
        spare_dismiss(&attempts->spare);
    spare_step(&attempts->spare, attempts->program, now);
    if (may_start && attempts_count_running(attempts) > 0 && spare_is_due(&attempts->spare, now) &&
        take_slot(attempts, &lock, &slot) == 1)
        spare_start(&attempts->spare, attempts->program, lock, slot, now);
}

void attempts_pace(struct attempts *attempts, uint64_t limit)
{
    struct rate_taker takers[ATTEMPTS_SLOTS_MAX] = {{0}};
    struct attempts_item *items[ATTEMPTS_SLOTS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < attempts->n && n < ATTEMPTS_SLOTS_MAX; i++) {
        struct attempts_item *item = &attempts->items[i];
        if (!item->is_running || item->has_result || !job_kind_is_backup(item->job.kind))
            continue;
        rate_meter_note(&item->rate, item->report.bytes, now_ms(attempts));
        takers[n] = (struct rate_taker){.parts = 1,
                                        .cap = item->job.tuning.max_rate,
                                        .taken = rate_meter_taken(&item->rate)};
        items[n++] = item;
    }
    rate_share(limit, takers, n);
    for (size_t i = 0; i < n; i++)
        /* One whose pipe is full is told the next time. */
        if (takers[i].share != items[i]->rate_limit &&
            child_pace(&items[i]->child, takers[i].share) == 0)
            items[i]->rate_limit = takers[i].share;
}

void attempts_fill(const struct attempts *attempts, struct wire_sync *sync)
{
    for (size_t i = 0; i < attempts->n; i++) {
        const struct attempts_item *item = &attempts->items[i];
        struct job_report *report = wire_sync_add_report(sync);
        /* A result counts when its process is gone: until then it holds its slot. */
        const struct job_report *told =
            item->is_running && item->has_result ? &item->before_result : &item->report;
        job_report_copy(report, told);
        report->is_hung = item->report.is_hung;
    }
}
