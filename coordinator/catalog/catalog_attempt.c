/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog's attempts: intents, their ends, and what may have been left.
 *
 * The pair (folder, stem) is unique over all times, so two attempts can never mean one file. A
 * stem is the second in which the attempt began; a taken second gives the next free one.
 */
#include "coordinator/catalog/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "coordinator/catalog/catalog_sql.h"

#include "common/base/poison.h"

#define STEM_TRIES_MAX 100000

#define ATTEMPT_COLUMNS                                                                            \
    "attempt.job, job.run, attempt.attempt, job.kind, job.vm_uuid, job.vm_name, attempt.folder,"   \
    " attempt.stem, attempt.host_uuid, attempt.host_name, attempt.lease, attempt.state,"           \
    " attempt.is_clean, attempt.assigned_at, attempt.started_at, attempt.finished_at,"             \
    " attempt.snapshot_at, attempt.stream_ms, attempt.bytes, attempt.consistency,"                 \
    " attempt.error_code, attempt.error_origin, attempt.error_text, attempt.throttled_ms,"         \
    " attempt.rate_limit"
#define ATTEMPT_TABLES "attempt JOIN job ON job.id = attempt.job"

void catalog_attempt_done(struct catalog_attempt *attempt)
{
    free(attempt->vm_uuid);
    free(attempt->vm_name);
    free(attempt->folder);
    free(attempt->stem);
    free(attempt->host_uuid);
    free(attempt->host_name);
    text_list_done(&attempt->warnings);
    *attempt = (struct catalog_attempt){0};
}

/* 1 taken, 0 free: by an attempt, or by a backup that a scan found. */
static int catalog_is_stem_taken(struct catalog *catalog, const char *folder, const char *stem,
                                 struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT 1 FROM attempt WHERE folder = ?1 AND stem = ?2 UNION ALL"
                        " SELECT 1 FROM backup WHERE folder = ?1"
                        " AND substr(file, 1, length(?2) + 1) = ?2 || '.' COLLATE NOCASE LIMIT 1",
                        "ss", folder, stem) < 0)
        return -1;
    return catalog_step(catalog, rows, err);
}

static int catalog_choose_stem(struct catalog *catalog, const char *folder, const char *prefix,
                               int64_t now_at, char **ret_stem, struct error *err)
{
    for (int64_t i = 0; i < STEM_TRIES_MAX; i++) {
        char stamp[CLOCK_STAMP_MAX];
        CLEAN_CHAR char *stem =
            str_format("%s%s", prefix, clock_format_stamp(now_at + i * 1000, stamp));
        int taken = catalog_is_stem_taken(catalog, folder, stem, err);

        if (taken < 0)
            return -1;
        if (!taken) {
            *ret_stem = stem;
            stem = NULL;
            return 0;
        }
    }
    return error_set(err, ERROR_LIMIT, "no free file name in folder %s", folder);
}

struct catalog_intent {
    const char *job;
    uint32_t attempt;
    const char *host_uuid;
    const char *host_name;
    uint64_t lease;
    const char *prefix;
    int64_t now_at;
};

static int catalog_insert_attempt(struct catalog *catalog, const struct catalog_intent *intent,
                                  char **ret_stem, struct error *err)
{
    CLEAN_CATALOG_JOB struct catalog_job job = {0};
    CLEAN_CHAR char *stem = NULL;
    int found = catalog_find_job(catalog, intent->job, &job, err);

    if (found < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "catalog %s has no job %s", catalog->path,
                         intent->job);
    if (intent->attempt <= job.job.attempt)
        return error_set(err, ERROR_EXISTS, "job %s has its attempt %u already", intent->job,
                         job.job.attempt);
    const char *folder = intent->prefix ? job.job.folder : NULL;
    if (folder && catalog_choose_stem(catalog, folder, intent->prefix, intent->now_at, &stem,
                                      err) < 0)
        return -1;
    if (catalog_run_sql(catalog, err,
                        "INSERT INTO attempt(job, attempt, folder, stem, host_uuid, host_name,"
                        " lease, state, is_clean, assigned_at, started_at, finished_at,"
                        " snapshot_at, stream_ms, bytes, consistency, error_code)"
                        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, 0, 0, 0, 0, 0, 0)",
                        "sissssuii", intent->job, (int64_t)intent->attempt, folder, stem,
                        intent->host_uuid, intent->host_name, intent->lease,
                        (int64_t)JOB_STATE_ASSIGNED, intent->now_at) < 0 ||
        catalog_run_sql(catalog, err,
                        "UPDATE job SET attempt = ?, lease = ?, state = ?, reason = NULL"
                        " WHERE id = ?",
                        "iuis", (int64_t)intent->attempt, intent->lease,
                        (int64_t)JOB_STATE_ASSIGNED, intent->job) < 0)
        return -1;
    *ret_stem = stem;
    stem = NULL;
    return 0;
}

int catalog_begin_attempt(struct catalog *catalog, const char *job, uint32_t attempt,
                          const char *host_uuid, const char *host_name, uint64_t lease,
                          const char *prefix, int64_t now_at, char **ret_stem, struct error *err)
{
    struct catalog_intent intent = {.job = job,
                                    .attempt = attempt,
                                    .host_uuid = host_uuid,
                                    .host_name = host_name,
                                    .lease = lease,
                                    .prefix = prefix,
                                    .now_at = now_at};
    CLEAN_CHAR char *stem = NULL;

    if (catalog_enter(catalog, err) < 0)
        return -1;
    if (catalog_leave(catalog, catalog_insert_attempt(catalog, &intent, &stem, err), err) < 0)
        return -1;
    *ret_stem = stem;
    stem = NULL;
    return 0;
}

static int catalog_read_attempt(struct catalog *catalog, sqlite3_stmt *row,
                                struct catalog_attempt *ret, struct error *err)
{
    catalog_column_id(row, 0, ret->job, sizeof ret->job);
    catalog_column_id(row, 1, ret->run, sizeof ret->run);
    ret->attempt = (uint32_t)catalog_column_int(row, 2);
    ret->vm_uuid = catalog_column_dup(row, 4);
    ret->vm_name = catalog_column_dup(row, 5);
    ret->folder = catalog_column_dup(row, 6);
    ret->stem = catalog_column_dup(row, 7);
    ret->host_uuid = catalog_column_dup(row, 8);
    ret->host_name = catalog_column_dup(row, 9);
    ret->lease = (uint64_t)catalog_column_int(row, 10);
    ret->is_clean = catalog_column_int(row, 12) != 0;
    ret->assigned_at = catalog_column_int(row, 13);
    ret->started_at = catalog_column_int(row, 14);
    ret->finished_at = catalog_column_int(row, 15);
    ret->snapshot_at = catalog_column_int(row, 16);
    ret->stream_ms = catalog_column_int(row, 17);
    ret->throttled_ms = catalog_column_int(row, 23);
    ret->rate_limit = (uint64_t)catalog_column_int(row, 24);
    ret->bytes = (uint64_t)catalog_column_int(row, 18);
    ret->consistency = (enum job_consistency)catalog_column_int(row, 19);
    catalog_column_error(row, 20, &ret->error);
    if (!job_kind_from_number((int)catalog_column_int(row, 3), &ret->kind) ||
        !job_state_from_number((int)catalog_column_int(row, 11), &ret->state))
        return error_set(err, ERROR_CORRUPT,
                         "catalog %s: attempt %u of job %s has a kind or state that this program "
                         "does not know",
                         catalog->path, ret->attempt, ret->job);
    return catalog_get_warnings(catalog, ret->run, ret->job, ret->attempt, &ret->warnings, err);
}

static int catalog_find_attempt(struct catalog *catalog, const char *job, uint32_t attempt,
                                struct catalog_attempt *ret, struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT " ATTEMPT_COLUMNS " FROM " ATTEMPT_TABLES
                        " WHERE attempt.job = ? AND attempt.attempt = ?",
                        "si", job, (int64_t)attempt) < 0)
        return -1;
    int found = catalog_step(catalog, rows, err);
    if (found <= 0)
        return found;
    return catalog_read_attempt(catalog, rows, ret, err) < 0 ? -1 : 1;
}

static int catalog_add_files(struct catalog *catalog, const struct catalog_attempt *attempt,
                             const struct job_report *report, struct error *err)
{
    for (size_t i = 0; i < report->files_n; i++) {
        CLEAN_CHAR char *device = attempt->kind == JOB_BACKUP_DISK
                                      ? backup_device_of(report->files[i].name)
                                      : NULL;
        struct backup backup = {.folder = attempt->folder,
                                .file = report->files[i].name,
                                .kind = attempt->kind,
                                .state = BACKUP_PROVEN,
                                .vm_uuid = attempt->vm_uuid,
                                .vm_name = attempt->vm_name,
                                .device = device,
                                .size_bytes = report->files[i].size_bytes,
                                .sha256 = report->files[i].sha256,
                                .proof = report->files[i].proof,
                                .consistency = report->consistency,
                                .attempt = attempt->attempt,
                                .host_uuid = attempt->host_uuid,
                                .host_name = attempt->host_name,
                                .snapshot_at = report->snapshot_at,
                                .started_at = report->started_at,
                                .finished_at = report->finished_at,
                                .stream_ms = report->stream_ms};

        str_copy(backup.job, sizeof backup.job, attempt->job);
        str_copy(backup.run, sizeof backup.run, attempt->run);
        if (catalog_add_backup(catalog, &backup, err) < 0)
            return -1;
    }
    return 0;
}

int catalog_set_attempt_bytes(struct catalog *catalog, const char *job, uint32_t attempt,
                              uint64_t bytes, struct error *err)
{
    return catalog_run_sql(catalog, err,
                           "UPDATE attempt SET bytes = ? WHERE job = ? AND attempt = ?"
                           " AND finished_at = 0",
                           "usi", bytes, job, (int64_t)attempt);
}

/* What an expire job found gone, or made go. */
static int catalog_expire_files(struct catalog *catalog, const struct catalog_attempt *attempt,
                                const struct job_report *report, struct error *err)
{
    for (size_t i = 0; attempt->kind == JOB_EXPIRE && i < report->gone.n; i++)
        if (catalog_run_sql(catalog, err,
                            "UPDATE backup SET state = ?, expired_run = ?"
                            " WHERE folder = (SELECT folder FROM job WHERE id = ?) AND file = ?",
                            "isss", (int64_t)BACKUP_EXPIRED, attempt->run, attempt->job,
                            report->gone.items[i]) < 0)
            return -1;
    return 0;
}

/* A verify job's verdict on its file. */
static int catalog_record_verdict(struct catalog *catalog, const struct catalog_attempt *attempt,
                                  const struct job_report *report, int64_t now_at,
                                  struct error *err)
{
    CLEAN_CATALOG_JOB struct catalog_job job = {0};

    if (attempt->kind != JOB_VERIFY || report->verdict.kind == JOB_VERDICT_NONE)
        return 0;
    if (catalog_find_job(catalog, attempt->job, &job, err) < 0)
        return -1;
    /* What the job was about is the catalog's word, not the agent's. */
    if (!str_equal(job.job.subject.file, report->verdict.file))
        return 0;
    return catalog_set_verdict(catalog, job.job.folder, attempt->run, &report->verdict, now_at,
                               err);
}

/* A lost attempt may be heard of again, and one that was taken for failed may be found to have
 * published its files; every other end stands. */
static bool catalog_may_end(const struct catalog_attempt *attempt, enum job_state state)
{
    if (attempt->finished_at == 0 ||
        (state == JOB_STATE_DONE && attempt->state != JOB_STATE_DONE))
        return true;
    return attempt->state == JOB_STATE_LOST && state != JOB_STATE_LOST;
}

static int catalog_write_end(struct catalog *catalog, const struct job_report *report,
                             int64_t now_at, struct error *err)
{
    CLEANUP(catalog_attempt_done) struct catalog_attempt attempt = {0};
    int found = catalog_find_attempt(catalog, report->id, report->attempt, &attempt, err);

    if (found <= 0)
        return found;
    if (!catalog_may_end(&attempt, report->state))
        return 1;
    if (catalog_run_sql(
            catalog, err,
            "UPDATE attempt SET state = ?, is_clean = ?, started_at = ?,"
            " finished_at = ?, snapshot_at = ?, stream_ms = ?, throttled_ms = ?,"
            " rate_limit = ?, bytes = ?, consistency = ?,"
            " error_code = ?, error_origin = ?, error_text = ? WHERE job = ? AND attempt = ?",
            "iiiiiiiuuiisssi", (int64_t)report->state, (int64_t)report->is_clean,
            report->started_at, report->finished_at ? report->finished_at : now_at,
            report->snapshot_at, report->stream_ms, report->throttled_ms, report->rate_limit,
            report->bytes, (int64_t)report->consistency,
            (int64_t)report->error.code, report->error.origin, report->error.text, report->id,
            (int64_t)report->attempt) < 0 ||
        catalog_put_warnings(catalog, attempt.run, attempt.job, attempt.attempt,
                             &report->warnings, err) < 0)
        return -1;
    if (catalog_expire_files(catalog, &attempt, report, err) < 0 ||
        catalog_record_verdict(catalog, &attempt, report, now_at, err) < 0)
        return -1;
    if (report->state != JOB_STATE_DONE)
        return 1;
    if (attempt.folder && catalog_add_files(catalog, &attempt, report, err) < 0)
        return -1;
    return catalog_set_job_state(catalog, report->id, JOB_STATE_DONE, NULL, err) < 0 ? -1 : 1;
}

int catalog_end_attempt(struct catalog *catalog, const struct job_report *report, int64_t now_at,
                        struct error *err)
{
    if (catalog_enter(catalog, err) < 0)
        return -1;
    return catalog_leave(catalog, catalog_write_end(catalog, report, now_at, err), err);
}

int catalog_has_error(struct catalog *catalog, const char *run, enum error_code code,
                      struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT 1 FROM attempt JOIN job ON job.id = attempt.job"
                        " WHERE job.run = ? AND attempt.error_code = ? LIMIT 1",
                        "si", run, (int64_t)code) < 0)
        return -1;
    return catalog_step(catalog, rows, err);
}

int catalog_set_clean(struct catalog *catalog, const char *job, uint32_t attempt,
                      struct error *err)
{
    return catalog_run_sql(catalog, err,
                           "UPDATE attempt SET is_clean = 1 WHERE job = ? AND attempt = ?", "si",
                           job, (int64_t)attempt);
}

static int catalog_each_attempt_of(struct catalog *catalog, sqlite3_stmt *rows,
                                   catalog_attempt_fn *each, void *context, struct error *err)
{
    for (;;) {
        CLEANUP(catalog_attempt_done) struct catalog_attempt attempt = {0};
        int found = catalog_step(catalog, rows, err);

        if (found <= 0)
            return found;
        if (catalog_read_attempt(catalog, rows, &attempt, err) < 0 ||
            each(context, &attempt, err) < 0)
            return -1;
    }
}

int catalog_each_attempt(struct catalog *catalog, const char *run, catalog_attempt_fn *each,
                         void *context, struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT " ATTEMPT_COLUMNS " FROM " ATTEMPT_TABLES
                        " WHERE job.run = ? ORDER BY job.position, job.rowid, attempt.attempt",
                        "s", run) < 0)
        return -1;
    return catalog_each_attempt_of(catalog, rows, each, context, err);
}

int catalog_each_remains(struct catalog *catalog, catalog_attempt_fn *each, void *context,
                         struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT " ATTEMPT_COLUMNS " FROM " ATTEMPT_TABLES
                        " WHERE attempt.is_clean = 0 AND job.kind IN (?, ?, ?, ?)"
                        " ORDER BY attempt.assigned_at, attempt.rowid",
                        "iiii", (int64_t)JOB_BACKUP_VM, (int64_t)JOB_BACKUP_DISK,
                        (int64_t)JOB_BACKUP_POOL, (int64_t)JOB_BACKUP_HOST) < 0)
        return -1;
    return catalog_each_attempt_of(catalog, rows, each, context, err);
}

static int catalog_find_text(struct catalog *catalog, const char *text, const char *key,
                             char **ret_text, struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err, text, "s", key) < 0)
        return -1;
    int found = catalog_step(catalog, rows, err);
    if (found > 0)
        *ret_text = catalog_column_dup(rows, 0);
    return found;
}

int catalog_find_folder(struct catalog *catalog, const char *vm_uuid, char **ret_folder,
                        struct error *err)
{
    return catalog_find_text(catalog,
                             "SELECT attempt.folder FROM " ATTEMPT_TABLES
                             " WHERE job.vm_uuid = ? AND attempt.folder IS NOT NULL"
                             " ORDER BY attempt.assigned_at DESC, attempt.rowid DESC LIMIT 1",
                             vm_uuid, ret_folder, err);
}

int catalog_find_folder_owner(struct catalog *catalog, const char *folder, char **ret_vm_uuid,
                              struct error *err)
{
    return catalog_find_text(catalog,
                             "SELECT job.vm_uuid FROM " ATTEMPT_TABLES
                             " WHERE attempt.folder = ? AND job.vm_uuid IS NOT NULL"
                             " ORDER BY attempt.assigned_at, attempt.rowid LIMIT 1",
                             folder, ret_vm_uuid, err);
}
