/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A .meta with the job's id is the proof, if its data is there in full length. A job of several
 * disks is done when every device has one of the same attempt.
 */
#include "agent/job/earlier.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/format/meta.h"
#include "common/store/find.h"
#include "common/store/root.h"

#include "common/base/poison.h"

#define ROOM "backup"

struct look {
    const struct job_context *context;
    const char *folder, *job;
    uint32_t only;             /* this attempt; 0: any */
    struct job_report *report; /* the caller's, for warnings */
    struct job_report found;   /* what fits */
    uint32_t attempt;          /* the newest one that published */
    size_t of_attempt_n;
};

static void look_done(struct look *look)
{
    job_report_done(&look->found);
}

static void note_file(struct look *look, const struct meta *meta)
{
    const struct backup *backup = &meta->backup;
    struct job_file *file = job_report_add_file(&look->found);
    file->name = mem_dup(backup->file);
    file->size_bytes = backup->size_bytes;
    file->sha256 = mem_dup(backup->sha256);
    file->stream_xxh128 = mem_dup(backup->stream_xxh128);
    file->proof = mem_dup(backup->proof);
    if (backup->attempt > look->attempt) {
        look->attempt = backup->attempt;
        look->of_attempt_n = 0;
        look->found.bytes = 0;
        look->found.stream_ms = 0;
    }
    if (backup->attempt < look->attempt)
        return;
    look->of_attempt_n++;
    look->found.bytes += backup->size_bytes;
    look->found.stream_ms += backup->stream_ms;
    look->found.snapshot_at = backup->snapshot_at;
    look->found.started_at = backup->started_at;
    look->found.finished_at = backup->finished_at;
    look->found.consistency = backup->consistency;
}

static int look_at(void *context, const char *name, const struct meta *meta, struct error *err)
{
    struct look *look = context;
    CLEAN_FD int folder = -1;
    uint64_t size = 0;
    (void)name;
    if (strcmp(meta->backup.job, look->job) != 0 || meta->backup.file == NULL ||
        (look->only != 0 && meta->backup.attempt != look->only))
        return 0;
    if (store_open_folder(look->context->store, look->folder, false, &folder, err) != 0)
        return -1;
    int is_there = store_file_size(look->context->store, folder, meta->backup.file, &size, err);
    if (is_there < 0)
        return -1;
    if (is_there == 0 || size != meta->backup.size_bytes) {
        text_list_add_format(&look->report->warnings,
                             "%s/%s does not fit its .meta: it is exported again", look->folder,
                             meta->backup.file);
        return 0;
    }
    note_file(look, meta);
    return 0;
}

/* Only now, for reports that are no end name no files. */
static void report_found(const struct job_report *found, struct job_report *report)
{
    for (size_t i = 0; i < found->files_n; i++) {
        const struct job_file *from = &found->files[i];
        struct job_file *file = job_report_add_file(report);
        file->name = mem_dup(from->name);
        file->size_bytes = from->size_bytes;
        file->sha256 = mem_dup(from->sha256);
        file->stream_xxh128 = mem_dup(from->stream_xxh128);
        file->proof = mem_dup(from->proof);
    }
    report->bytes = found->bytes;
    report->snapshot_at = found->snapshot_at;
    report->stream_ms = found->stream_ms;
    report->consistency = found->consistency;
}

int earlier_look(const struct job_context *context, struct job_report *report, struct error *err)
{
    const struct job *job = context->job;
    CLEANUP(look_done)
    struct look look = {
        .context = context, .folder = job->folder, .job = job->id, .report = report};
    size_t wanted_n = job->kind == JOB_BACKUP_DISK ? job->disks_n : 1;
    if (find_backups(context->store, job->folder, look_at, &look, err) != 0)
        return -1;
    if (look.of_attempt_n > 0 && look.of_attempt_n < wanted_n)
        text_list_add_format(&report->warnings,
                             "attempt %u had published %zu of %zu disks: they stay, and all are "
                             "exported again from one snapshot",
                             (unsigned)look.attempt, look.of_attempt_n, wanted_n);
    if (look.of_attempt_n < wanted_n)
        return 0;
    report_found(&look.found, report);
    log_info(ROOM, "%s was published by attempt %u of this job", job->folder,
             (unsigned)look.attempt);
    return 1;
}

int earlier_report(const struct job_context *context, const struct job_remains *remains,
                   struct job_report *report, struct error *err)
{
    CLEANUP(look_done)
    struct look look = {.context = context,
                        .folder = remains->folder,
                        .job = remains->job,
                        .only = remains->attempt,
                        .report = report};
    if (find_backups(context->store, remains->folder, look_at, &look, err) != 0)
        return -1;
    if (look.of_attempt_n == 0)
        return 0;
    report_found(&look.found, report);
    report->started_at = look.found.started_at;
    report->finished_at = look.found.finished_at;
    return 1;
}
