/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The way out is one: whatever was begun is ended, without listening to the cancel that may have
 * brought us there, but not for ever. Several files are published in two rounds, so that once the
 * first name is seen a crash can only roll all of them forward.
 */
#include "agent/job/attempt.h"

#include <stdlib.h>
#include <string.h>

#include "agent/hook.h"
#include "agent/job/earlier.h"
#include "agent/job/why.h"
#include "agent/pipeline/sink_file.h"
#include "agent/pipeline/source_xapi.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/version.h"
#include "common/format/meta.h"
#include "common/model/backup.h"
#include "common/model/rate.h"
#include "common/store/publish.h"
#include "common/store/settle.h"
#include "common/xapi/remains.h"
#include "common/xapi/session.h"

#include "common/base/poison.h"

#define CLEAN_MS        120000 /* longer than the retries of a destroy */
#define IDLE_TIMEOUT_MS 600000

static void attempt_done(struct attempt *attempt)
{
    for (size_t i = 0; i < attempt->files_n; i++) {
        struct attempt_file *file = &attempt->files[i];
        if (!file->streamed.is_hung) /* else another thread still uses it */
            publish_free(file->publish);
        free(file->stem);
    }
    free(attempt->files);
    pool_done(&attempt->pool);
    snapshot_done(&attempt->snapshot);
}

static void tell(struct attempt *attempt, enum job_phase phase)
{
    attempt->report->phase = phase;
    attempt->context->tell(attempt->context->context, attempt->report);
}

static void on_progress(void *context, uint64_t bytes)
{
    struct attempt *attempt = context;
    attempt->report->bytes = attempt->bytes_before + bytes;
    attempt->context->tell(attempt->context->context, attempt->report);
}

static bool is_cancelled(void *context)
{
    const struct attempt *attempt = context;
    return attempt->context->is_cancelled(attempt->context->context);
}

static uint64_t rate_limit(void *context)
{
    const struct attempt *attempt = context;
    return attempt->context->rate_limit(attempt->context->context);
}

static bool is_clean_time_over(void *context)
{
    const struct attempt *attempt = context;
    return clock_monotonic_ms(attempt->context->clock) >= attempt->clean_until_ms;
}

/* --- steps ----------------------------------------------------------------------------------- */

int attempt_begin_file(struct attempt *attempt, const char *device, size_t *ret_index,
                       struct error *err)
{
    const struct job *job = attempt->job;
    attempt->files =
        mem_grow(attempt->files, &attempt->files_cap, attempt->files_n + 1, sizeof *attempt->files);
    struct attempt_file *file = &attempt->files[attempt->files_n];
    *file = (struct attempt_file){.device = device};
    file->stem = device != NULL ? backup_disk_stem(job->stem, device) : mem_dup(job->stem);
    struct publish_place place = {
        .folder = job->folder,
        .stem = file->stem,
        .suffix = backup_suffix(job->kind, job->compress, job->disk_format),
        .job = job->id,
        .attempt = job->attempt,
        .is_private = job->kind == JOB_BACKUP_POOL || job->kind == JOB_BACKUP_HOST,
    };
    *ret_index = attempt->files_n++;
    return publish_begin(attempt->context->store, &place, &file->publish, err);
}

/* A hook that fails costs the stillness, not the backup. 1 it ran, 0 it failed, -1 this
 * host has none. */
static int run_hook(struct attempt *attempt, enum hook_when when)
{
    const struct job *job = attempt->job;
    struct error why = ERROR_INIT;
    if (hook_run(attempt->context->settings, job, when, &why) == 0)
        return 1;
    text_list_add_format(&attempt->report->warnings, "hook %s, %s: %s", job->hook,
                         hook_when_name(when), why.text);
    return why.code == ERROR_SETTINGS ? -1 : 0;
}

int attempt_begin_snapshot(struct attempt *attempt, attempt_snapshot_fn *begin, struct error *err)
{
    struct job_report *report = attempt->report;
    struct xapi *xapi = attempt->context->xapi;
    const struct job *job = attempt->job;
    const struct vm *vm = &attempt->pool.vms[0];
    tell(attempt, JOB_PHASE_SNAPSHOT);
    report->consistency = vm->power_state == VM_HALTED ? JOB_POWERED_OFF : JOB_CRASH_CONSISTENT;
    attempt->is_asked = true;
    bool has_hook = job->hook != NULL && vm->power_state == VM_RUNNING;
    int hooked = has_hook ? run_hook(attempt, HOOK_BEFORE) : -1;
    int result = begin(xapi, job, &attempt->pool, &attempt->snapshot, &report->warnings, err);
    /* Whatever came of the one before, and of the snapshot: what was frozen must thaw. */
    if (hooked >= 0)
        (void)run_hook(attempt, HOOK_AFTER);
    if (result != 0)
        return -1;
    if (hooked == 1)
        report->consistency = JOB_HOOKED;
    else if (attempt->snapshot.is_quiesced)
        report->consistency = JOB_QUIESCED;
    report->snapshot_at = attempt->snapshot.at;
    return 0;
}

/* Into a file, or into nothing (file NULL). */
static int run_pipeline(struct attempt *attempt, const struct attempt_stream *stream,
                        const struct attempt_file *file, struct pipeline_result *ret_result,
                        struct error *err)
{
    const struct job *job = attempt->job;
    CLEAN_SOURCE_XAPI struct source_xapi *source = NULL;
    CLEAN_CHAR char *label = remains_task_label(job->id);
    int64_t idle_ms = job->idle_timeout_ms != 0 ? (int64_t)job->idle_timeout_ms : IDLE_TIMEOUT_MS;
    if (source_xapi_open(attempt->context->xapi, label, stream->query, idle_ms, &source, err) != 0)
        return -1;
    struct pipeline_source pipeline_source = source_xapi_source(source);
    struct pipeline_sink pipeline_sink = file == NULL        ? sink_none()
                                         : stream->is_sparse ? sink_file_sparse(file->publish)
                                                             : sink_file(file->publish);
    struct pipeline_settings settings = {
        .hang_ms = idle_ms,
        .compress = file != NULL ? job->compress : JOB_COMPRESS_NONE,
        .tuning = job->tuning,
        .stage = stream->stage,
        .has_no_digests = stream->has_own_digest,
        .is_cancelled = is_cancelled,
        .rate_limit = rate_limit,
        .progress = file != NULL ? on_progress : NULL,
        .context = attempt,
    };
    int result = pipeline_run(&pipeline_source, &stream->check, &pipeline_sink, &settings,
                              ret_result, err);
    const char *redirected_to = source_xapi_redirected_to(source);
    if (redirected_to != NULL && stream->is_never_redirected)
        return error_set(err, ERROR_XAPI, "the bytes came from the host at %s, not from this one",
                         redirected_to);
    if (redirected_to != NULL)
        text_list_add_format(&attempt->report->warnings, "the bytes came from the host at %s",
                             redirected_to);
    return result;
}

int attempt_run_stream(struct attempt *attempt, size_t index, const struct attempt_stream *stream,
                       struct error *err)
{
    struct attempt_file *file = &attempt->files[index];
    tell(attempt, JOB_PHASE_STREAM);
    file->proof = stream->proof;
    int result = run_pipeline(attempt, stream, file, &file->streamed, err);
    attempt->bytes_before += file->streamed.bytes;
    attempt->report->bytes = attempt->bytes_before;
    attempt->report->stream_ms += file->streamed.stream_ms;
    attempt->report->throttled_ms += file->streamed.throttled_us / 1000;
    attempt->report->rate_limit =
        rate_lower(attempt->report->rate_limit, file->streamed.rate_limit);
    attempt->report->is_hung = file->streamed.is_hung;
    return result;
}

int attempt_read_stream(struct attempt *attempt, const struct attempt_stream *stream,
                        struct error *err)
{
    struct pipeline_result result;
    return run_pipeline(attempt, stream, NULL, &result, err);
}

/* --- publish --------------------------------------------------------------------------------- */

static char *text_or_none(const char *text)
{
    return *text != '\0' ? mem_dup(text) : NULL;
}

static void format_meta(const struct attempt *attempt, const struct attempt_file *file, int64_t now,
                        struct str *text)
{
    const struct job *job = attempt->job;
    const struct job_context *context = attempt->context;
    CLEAN_META struct meta meta = {0};
    struct backup *backup = &meta.backup;
    if (attempt->pool.vms_n > 0) {
        meta_set_vm(&meta, &attempt->pool, &attempt->pool.vms[0]);
        backup->vm_uuid = mem_dup(job->vm_uuid);
        backup->vm_name = mem_dup(attempt->pool.vms[0].name);
        backup->consistency = attempt->report->consistency;
    }
    meta.is_ours = true;
    meta.compress = job->compress;
    meta.tool = mem_dup("onyxpool " VERSION_TEXT);
    backup->file = mem_dup(publish_file(file->publish));
    backup->kind = job->kind;
    backup->device = mem_dup(file->device);
    backup->size_bytes = publish_bytes(file->publish);
    backup->sha256 = text_or_none(file->streamed.sha256);
    backup->stream_bytes = file->streamed.stream_bytes;
    backup->stream_xxh128 = text_or_none(file->streamed.stream_xxh128);
    backup->sparse_xxh128 = text_or_none(file->sparse_xxh128);
    backup->proof = mem_dup(file->proof);
    (void)str_copy(backup->job, sizeof backup->job, job->id);
    (void)str_copy(backup->run, sizeof backup->run, job->run);
    backup->attempt = job->attempt;
    backup->host_uuid = mem_dup(context->host_uuid);
    backup->host_name = mem_dup(context->host_name);
    backup->snapshot_at = attempt->report->snapshot_at;
    backup->started_at = attempt->report->started_at;
    backup->finished_at = now;
    backup->stream_ms = file->streamed.stream_ms;
    meta_format(&meta, text);
}

/* After a failure between the renames, or when a cleanup was faster, what stands in the folder
 * decides, for all files of the attempt alike. */
static int settle_own(struct attempt *attempt, struct error *err)
{
    const struct job *job = attempt->job;
    struct store *store = attempt->context->store;
    enum settle_outcome outcome;
    struct error why = ERROR_INIT;
    if (settle_files(store, job->folder, job->stem, job->id, job->attempt, &outcome, &why) != 0)
        return -1;
    for (size_t i = 0; i < attempt->files_n; i++)
        if (settle_attempt(store, job->folder, attempt->files[i].stem, job->id, job->attempt,
                           &outcome, &why) != 0 ||
            (outcome != SETTLE_WAS_DONE && outcome != SETTLE_ROLLED_FORWARD))
            return -1;
    text_list_add_format(&attempt->report->warnings, "published at the second try: %s", err->text);
    error_clear(err);
    return 0;
}

/* The at-th of the files in the order in which they are published. */
static struct attempt_file *file_in_order(struct attempt *attempt, size_t at)
{
    struct attempt_file *files = attempt->files;
    size_t first = 0;
    for (size_t i = 1; i < attempt->files_n; i++)
        if (backup_stem_is_before(files[i].stem, files[first].stem))
            first = i;
    return at == 0 ? &files[first] : at <= first ? &files[at - 1] : &files[at];
}

static int publish_all(struct attempt *attempt, struct error *err)
{
    int64_t now = clock_wall_ms(attempt->context->clock);
    tell(attempt, JOB_PHASE_FINISH);
    if (attempt->files_n > 1 && publish_sync_names(attempt->files[0].publish, err) != 0)
        return -1;
    attempt->reach = ATTEMPT_PREPARED;
    for (size_t i = 0; i < attempt->files_n; i++) {
        struct attempt_file *file = file_in_order(attempt, i);
        CLEAN_STR struct str meta = STR_INIT;
        format_meta(attempt, file, now, &meta);
        if (publish_prepare(file->publish, str_text(&meta), meta.len, err) != 0)
            return error_add(err, "publish %s", publish_file(file->publish));
    }
    attempt->reach = ATTEMPT_COMMITTING;
    for (size_t i = 0; i < attempt->files_n; i++) {
        struct attempt_file *file = file_in_order(attempt, i);
        if (publish_commit(file->publish, NULL, 0, err) == 0)
            continue;
        if (settle_own(attempt, err) != 0)
            return error_add(err, "publish %s", publish_file(file->publish));
        break;
    }
    attempt->reach = ATTEMPT_PUBLISHED;
    return 0;
}

/* Only the last report names what was published. */
static void report_files(const struct attempt *attempt)
{
    for (size_t i = 0; i < attempt->files_n; i++) {
        const struct attempt_file *from = &attempt->files[i];
        struct job_file *file = job_report_add_file(attempt->report);
        file->name = mem_dup(publish_file(from->publish));
        file->size_bytes = publish_bytes(from->publish);
        file->sha256 = text_or_none(from->streamed.sha256);
        file->stream_xxh128 = text_or_none(from->streamed.stream_xxh128);
        file->proof = mem_dup(from->proof);
    }
}

/* --- the way out ----------------------------------------------------------------------------- */

/* The snapshot goes; one whose making was not answered is looked for. */
static int end_snapshot(struct attempt *attempt, struct error *err)
{
    const struct job *job = attempt->job;
    struct xapi *xapi = attempt->context->xapi;
    size_t n = 0;
    if (!attempt->is_asked)
        return 0;
    if (snapshot_end(xapi, job, &attempt->snapshot, err) != 0)
        return -1;
    if (attempt->snapshot.is_whole)
        return 0;
    struct job_remains remains = {.attempt = job->attempt, .vm_uuid = job->vm_uuid};
    (void)str_copy(remains.job, sizeof remains.job, job->id);
    return snapshot_clean(xapi, &remains, 1, job->lease, &n, err);
}

static bool clean_pool(struct attempt *attempt)
{
    struct error why = ERROR_INIT;
    attempt->clean_until_ms = clock_monotonic_ms(attempt->context->clock) + CLEAN_MS;
    xapi_set_cancel(attempt->context->xapi, is_clean_time_over, attempt);
    int result = end_snapshot(attempt, &why);
    xapi_set_cancel(attempt->context->xapi, NULL, NULL);
    if (result != 0)
        text_list_add_format(&attempt->report->warnings, "left in the pool: %s", why.text);
    return result == 0;
}

/* Nothing is prepared, so no settler goes forward: each file by itself. */
static bool clean_file(struct attempt *attempt, struct attempt_file *file)
{
    struct error why = ERROR_INIT;
    struct text_list *warnings = &attempt->report->warnings;
    if (file->publish == NULL)
        return true;
    if (file->streamed.is_hung) {
        text_list_add(warnings, "the store hangs: the partial file is left for a later cleanup");
        return false;
    }
    if (publish_abandon(file->publish, &why) != 0) {
        text_list_add_format(warnings, "left in the store: %s", why.text);
        return false;
    }
    return true;
}

/* A settler may go forward by a .meta.partial. Before a commit the first file's data is withdrawn,
 * so that no part of the files becomes a backup; ours is looked for where it was opened, too,
 * should the folder lie elsewhere now. */
static int take_back(struct attempt *attempt, struct error *err)
{
    const struct job *job = attempt->job;
    struct attempt_file *first = file_in_order(attempt, 0);
    enum settle_outcome outcome;
    bool is_committing = attempt->reach == ATTEMPT_COMMITTING;
    if ((!is_committing && publish_withdraw(first->publish, err) != 0) ||
        settle_files(attempt->context->store, job->folder, job->stem, job->id, job->attempt,
                     &outcome, err) != 0)
        return -1;
    if (is_committing)
        return publish_take_back(first->publish, err);
    for (size_t i = attempt->files_n; i > 0; i--)
        if (publish_abandon(file_in_order(attempt, i - 1)->publish, err) != 0)
            return -1;
    return 0;
}

static bool clean_store(struct attempt *attempt)
{
    struct error why = ERROR_INIT;
    bool is_clean = true;
    if (attempt->reach == ATTEMPT_PUBLISHED)
        return true;
    if (attempt->reach == ATTEMPT_BEGUN) {
        for (size_t i = 0; i < attempt->files_n; i++)
            is_clean = clean_file(attempt, &attempt->files[i]) && is_clean;
        return is_clean;
    }
    if (take_back(attempt, &why) == 0)
        return true;
    text_list_add_format(&attempt->report->warnings, "left in the store: %s", why.text);
    return false;
}

int attempt_run(const struct job_context *context, struct job_report *report,
                attempt_steps_fn *steps, struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    CLEANUP(attempt_done)
    struct attempt attempt = {.context = context, .report = report, .job = context->job};
    tell(&attempt, JOB_PHASE_START);
    report->is_clean = true;
    int found = earlier_look(context, report, err);
    if (found != 0)
        return found < 0 ? -1 : 0;
    int result = steps(&attempt, err);
    if (result == 0)
        result = publish_all(&attempt, err);
    else
        why_look(context, err);
    report->is_clean = false;
    tell(&attempt, JOB_PHASE_CLEAN);
    bool is_pool_clean = clean_pool(&attempt);
    report->is_clean = clean_store(&attempt) && is_pool_clean;
    if (result == 0)
        report_files(&attempt);
    return result;
}
