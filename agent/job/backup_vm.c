/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Store first, snapshot second: a store that can't be written to costs no snapshot. Then stream,
 * publish, and give the snapshot up. The way out is one: whatever was begun is ended, without
 * listening to the cancel that may have brought us there, but not for ever.
 */
#include "agent/job/backup_vm.h"

#include <stdlib.h>
#include <string.h>

#include "agent/pipeline/check_xva.h"
#include "agent/pipeline/pipeline.h"
#include "agent/pipeline/sink_file.h"
#include "agent/pipeline/source_xapi.h"
#include "agent/snapshot.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/version.h"
#include "common/format/meta.h"
#include "common/format/xva.h"
#include "common/model/backup.h"
#include "common/model/pool.h"
#include "common/store/find.h"
#include "common/store/publish.h"
#include "common/store/root.h"
#include "common/store/settle.h"
#include "common/xapi/record.h"
#include "common/xapi/remains.h"
#include "common/xapi/session.h"
#include "common/xapi/stream.h"

#include "common/base/poison.h"

#define ROOM "backup"
#define CLEAN_MS 120000 /* longer than the retries of a destroy */
#define IDLE_TIMEOUT_MS 600000

/* One attempt, and what it has begun. */
struct attempt {
    const struct job_context *context;
    struct job_report *report;
    const struct job *job;
    struct pool pool; /* the VM as it was before the snapshot: vms[0] */
    struct publish *publish;
    struct snapshot snapshot;
    bool is_asked; /* a snapshot was asked for */
    bool is_published;
    struct pipeline_result streamed;
    int64_t clean_until_ms;
};

static void attempt_done(struct attempt *attempt)
{
    pool_done(&attempt->pool);
    if (!attempt->streamed.is_hung) /* else another thread still uses it */
        publish_free(attempt->publish);
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
    attempt->report->bytes = bytes;
    attempt->context->tell(attempt->context->context, attempt->report);
}

static bool is_cancelled(void *context)
{
    const struct attempt *attempt = context;
    return attempt->context->is_cancelled(attempt->context->context);
}

static bool is_clean_time_over(void *context)
{
    const struct attempt *attempt = context;
    return clock_monotonic_ms(attempt->context->clock) >= attempt->clean_until_ms;
}

/* --- a backup that this job has published before --------------------------------------------- */

static void report_meta(struct job_report *report, const struct meta *meta)
{
    struct job_file *file = job_report_add_file(report);
    file->name = mem_dup(meta->backup.file);
    file->size_bytes = meta->backup.size_bytes;
    file->sha256 = mem_dup(meta->backup.sha256);
    file->proof = mem_dup(meta->backup.proof);
    report->bytes = meta->backup.size_bytes;
    report->snapshot_at = meta->backup.snapshot_at;
    report->stream_ms = meta->backup.stream_ms;
    report->consistency = meta->backup.consistency;
}

/* 1 this job is done already, 0 not, -1 failed. */
static int look_for_earlier(struct attempt *attempt, struct error *err)
{
    CLEAN_META struct meta meta = {0};
    CLEAN_FD int folder = -1;
    uint64_t size = 0;
    const struct job *job = attempt->job;
    struct store *store = attempt->context->store;
    int found = find_by_job(store, job->folder, job->id, &meta, NULL, err);
    if (found != 1)
        return found;
    if (meta.backup.file == NULL || store_open_folder(store, job->folder, false, &folder, err) != 0)
        return -1;
    int is_there = store_file_size(store, folder, meta.backup.file, &size, err);
    if (is_there < 0)
        return -1;
    if (is_there == 0 || size != meta.backup.size_bytes) {
        text_list_add_format(&attempt->report->warnings,
                             "%s/%s does not fit its .meta: the VM is exported again", job->folder,
                             meta.backup.file);
        return 0;
    }
    log_info(ROOM, "%s: %s was published by attempt %u of this job", job->vm_name,
             meta.backup.file, (unsigned)meta.backup.attempt);
    report_meta(attempt->report, &meta);
    return 1;
}

/* --- store and snapshot ---------------------------------------------------------------------- */

static int begin_file(struct attempt *attempt, struct error *err)
{
    const struct job *job = attempt->job;
    struct publish_place place = {
        .folder = job->folder,
        .stem = job->stem,
        .suffix = backup_suffix(job->kind, job->compress, job->disk_format),
        .job = job->id,
        .attempt = job->attempt,
    };
    return publish_begin(attempt->context->store, &place, &attempt->publish, err);
}

static int begin_snapshot(struct attempt *attempt, struct error *err)
{
    struct job_report *report = attempt->report;
    struct xapi *xapi = attempt->context->xapi;
    const struct vm *vm = &attempt->pool.vms[0];
    tell(attempt, JOB_PHASE_SNAPSHOT);
    report->consistency =
        vm->power_state == VM_HALTED ? JOB_POWERED_OFF : JOB_CRASH_CONSISTENT;
    attempt->is_asked = true;
    if (snapshot_begin(xapi, attempt->job, vm, &attempt->snapshot, &report->warnings, err) != 0)
        return -1;
    report->snapshot_at = attempt->snapshot.at;
    return 0;
}

/* --- stream ---------------------------------------------------------------------------------- */

static int new_check(const struct snapshot *snapshot, struct xva_check **ret_check,
                     struct error *err)
{
    CLEANUP(mem_free_void) struct xva_expected *expected =
        mem_zero(snapshot->disks_n + 1, sizeof *expected);
    for (size_t i = 0; i < snapshot->disks_n; i++) {
        (void)str_copy(expected[i].vdi_uuid, sizeof expected[i].vdi_uuid, snapshot->disks[i].uuid);
        expected[i].virtual_size_bytes = snapshot->disks[i].virtual_size_bytes;
    }
    *ret_check = xva_check_new(expected, snapshot->disks_n, err);
    return *ret_check != NULL ? 0 : -1;
}

static int stream(struct attempt *attempt, struct error *err)
{
    const struct job *job = attempt->job;
    CLEAN_SOURCE_XAPI struct source_xapi *source = NULL;
    CLEAN_XVA_CHECK struct xva_check *check = NULL;
    CLEAN_STR struct str query = STR_INIT;
    CLEAN_CHAR char *label = remains_task_label(job->id);
    int64_t idle_ms = job->idle_timeout_ms != 0 ? (int64_t)job->idle_timeout_ms : IDLE_TIMEOUT_MS;
    tell(attempt, JOB_PHASE_STREAM);
    str_add(&query, "/export?ref=");
    stream_add_escaped(&query, attempt->snapshot.ref);
    if (new_check(&attempt->snapshot, &check, err) != 0 ||
        source_xapi_open(attempt->context->xapi, label, str_text(&query), idle_ms, &source, err) !=
            0)
        return -1;
    struct pipeline_source pipeline_source = source_xapi_source(source);
    struct pipeline_check pipeline_check = check_xva(check);
    struct pipeline_sink pipeline_sink = sink_file(attempt->publish);
    struct pipeline_settings settings = {
        .hang_ms = idle_ms,
        .is_cancelled = is_cancelled,
        .progress = on_progress,
        .context = attempt,
    };
    int result = pipeline_run(&pipeline_source, &pipeline_check, &pipeline_sink, &settings,
                              &attempt->streamed, err);
    attempt->report->bytes = attempt->streamed.bytes;
    attempt->report->stream_ms = attempt->streamed.stream_ms;
    attempt->report->is_hung = attempt->streamed.is_hung;
    if (source_xapi_redirected_to(source) != NULL)
        text_list_add_format(&attempt->report->warnings, "the bytes came from the host at %s",
                             source_xapi_redirected_to(source));
    return result;
}

/* --- publish --------------------------------------------------------------------------------- */

static void format_meta(const struct attempt *attempt, int64_t now, struct str *text)
{
    const struct job *job = attempt->job;
    const struct job_context *context = attempt->context;
    CLEAN_META struct meta meta = {0};
    meta_set_vm(&meta, &attempt->pool, &attempt->pool.vms[0]);
    meta.is_ours = true;
    meta.compress = job->compress;
    meta.tool = mem_dup("onyxpool " VERSION_TEXT);
    struct backup *backup = &meta.backup;
    backup->file = mem_dup(publish_file(attempt->publish));
    backup->kind = job->kind;
    backup->vm_uuid = mem_dup(job->vm_uuid);
    backup->vm_name = mem_dup(attempt->pool.vms[0].name);
    backup->size_bytes = publish_bytes(attempt->publish);
    backup->sha256 = mem_dup(attempt->streamed.sha256);
    backup->proof = mem_dup(XVA_PROOF);
    backup->consistency = attempt->report->consistency;
    (void)str_copy(backup->job, sizeof backup->job, job->id);
    (void)str_copy(backup->run, sizeof backup->run, job->run);
    backup->attempt = job->attempt;
    backup->host_uuid = mem_dup(context->host_uuid);
    backup->host_name = mem_dup(context->host_name);
    backup->snapshot_at = attempt->snapshot.at;
    backup->started_at = attempt->report->started_at;
    backup->finished_at = now;
    backup->stream_ms = attempt->streamed.stream_ms;
    meta_format(&meta, text);
}

/* After a failure between the renames what stands in the folder decides. */
static int settle_own(struct attempt *attempt, struct error *err)
{
    const struct job *job = attempt->job;
    enum settle_outcome outcome;
    struct error why = ERROR_INIT;
    if (settle_attempt(attempt->context->store, job->folder, job->stem, job->id, job->attempt,
                       &outcome, &why) != 0)
        return -1;
    if (outcome != SETTLE_WAS_DONE && outcome != SETTLE_ROLLED_FORWARD)
        return -1;
    text_list_add_format(&attempt->report->warnings, "published at the second try: %s", err->text);
    error_clear(err);
    return 0;
}

static int publish(struct attempt *attempt, struct error *err)
{
    CLEAN_STR struct str meta = STR_INIT;
    tell(attempt, JOB_PHASE_FINISH);
    format_meta(attempt, clock_wall_ms(attempt->context->clock), &meta);
    if (publish_commit(attempt->publish, str_text(&meta), meta.len, err) != 0 &&
        settle_own(attempt, err) != 0)
        return error_add(err, "publish %s", publish_file(attempt->publish));
    attempt->is_published = true;
    return 0;
}

/* Only the last report names what was published. */
static void report_file(const struct attempt *attempt)
{
    struct job_file *file = job_report_add_file(attempt->report);
    file->name = mem_dup(publish_file(attempt->publish));
    file->size_bytes = publish_bytes(attempt->publish);
    file->sha256 = mem_dup(attempt->streamed.sha256);
    file->proof = mem_dup(XVA_PROOF);
}

/* --- the way out ----------------------------------------------------------------------------- */

/* The snapshot goes; one whose making was not answered is looked for. */
static int end_snapshot(struct attempt *attempt, struct error *err)
{
    const struct job *job = attempt->job;
    size_t n = 0;
    if (!attempt->is_asked)
        return 0;
    if (attempt->snapshot.ref != NULL)
        return snapshot_end(attempt->context->xapi, job, &attempt->snapshot, err);
    struct job_remains remains = {.attempt = job->attempt, .vm_uuid = job->vm_uuid};
    (void)str_copy(remains.job, sizeof remains.job, job->id);
    return snapshot_clean(attempt->context->xapi, &remains, 1, job->lease, &n, err);
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

/* The partial files of an attempt that was not published. */
static bool clean_store(struct attempt *attempt)
{
    struct error why = ERROR_INIT;
    struct text_list *warnings = &attempt->report->warnings;
    if (attempt->publish == NULL || attempt->is_published)
        return true;
    if (attempt->streamed.is_hung) {
        text_list_add(warnings, "the store hangs: the partial file is left for a later cleanup");
        return false;
    }
    enum settle_outcome outcome;
    const struct job *job = attempt->job;
    if (publish_abandon(attempt->publish, &why) != 0 ||
        settle_attempt(attempt->context->store, job->folder, job->stem, job->id, job->attempt,
                       &outcome, &why) != 0) {
        text_list_add_format(warnings, "left in the store: %s", why.text);
        return false;
    }
    return true;
}

static int run_steps(struct attempt *attempt, struct error *err)
{
    const struct job *job = attempt->job;
    if (job->compress != JOB_COMPRESS_NONE)
        return error_set(err, ERROR_UNSUPPORTED,
                         "this agent writes XVAs without compression: set compress = none");
    if (record_read_vm(attempt->context->xapi, job->vm_uuid, &attempt->pool, err) != 0)
        return error_add(err, "read the VM");
    if (begin_file(attempt, err) != 0 || begin_snapshot(attempt, err) != 0 ||
        stream(attempt, err) != 0)
        return -1;
    return publish(attempt, err);
}

int backup_vm_run(const struct job_context *context, struct job_report *report, struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    CLEANUP(attempt_done) struct attempt attempt = {
        .context = context, .report = report, .job = context->job};
    tell(&attempt, JOB_PHASE_START);
    report->is_clean = true;
    int earlier = look_for_earlier(&attempt, err);
    if (earlier != 0)
        return earlier < 0 ? -1 : 0;
    int result = run_steps(&attempt, err);
    report->is_clean = false;
    tell(&attempt, JOB_PHASE_CLEAN);
    bool is_pool_clean = clean_pool(&attempt);
    report->is_clean = clean_store(&attempt) && is_pool_clean;
    if (result == 0)
        report_file(&attempt);
    return result;
}
