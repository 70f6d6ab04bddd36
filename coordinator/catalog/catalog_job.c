/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog's jobs: what was planned, with disks, places and remains in tables of their own.
 */
#include "coordinator/catalog/catalog.h"

#include <stdlib.h>

#include "common/base/str.h"
#include "coordinator/catalog/catalog_sql.h"

#include "common/base/poison.h"

#define JOB_COLUMNS                                                                                \
    "job.id, job.run, job.position, job.kind, job.state, job.reason, job.attempt, job.lease,"      \
    " job.vm_uuid, job.vm_name, job.host_uuid, job.folder, job.compress, job.disk_format,"         \
    " job.estimate_bytes, job.chosen_by, job.idle_timeout_ms, job.may_be_redirected, attempt.stem,"\
    " attempt.finished_at, job.subject, attempt.host_uuid"
#define JOB_TABLES                                                                                 \
    "job LEFT JOIN attempt ON attempt.job = job.id AND attempt.attempt = job.attempt"

void catalog_job_done(struct catalog_job *job)
{
    job_done(&job->job);
    free(job->reason);
    free(job->open_host_uuid);
    text_list_done(&job->hosts);
    text_list_done(&job->srs);
    *job = (struct catalog_job){0};
}

void catalog_job_copy(struct catalog_job *to, const struct catalog_job *from)
{
    job_copy(&to->job, &from->job);
    to->position = from->position;
    to->state = from->state;
    to->reason = mem_dup(from->reason);
    text_list_copy(&to->hosts, &from->hosts);
    text_list_copy(&to->srs, &from->srs);
    to->may_be_redirected = from->may_be_redirected;
    to->is_open = from->is_open;
    to->open_host_uuid = mem_dup(from->open_host_uuid);
}

static int catalog_put_places(struct catalog *catalog, const char *job, const char *what,
                              const struct text_list *uuids, struct error *err)
{
    for (size_t i = 0; i < uuids->n; i++)
        if (catalog_run_sql(catalog, err,
                            "INSERT INTO job_place(job, what, position, uuid) VALUES(?, ?, ?, ?)",
                            "ssus", job, what, (uint64_t)i, uuids->items[i]) < 0)
            return -1;
    return 0;
}

static int catalog_put_details(struct catalog *catalog, const struct catalog_job *job,
                               struct error *err)
{
    const char *id = job->job.id;

    if (catalog_run_sql(catalog, err, "DELETE FROM job_disk WHERE job = ?", "s", id) < 0 ||
        catalog_run_sql(catalog, err, "DELETE FROM job_place WHERE job = ?", "s", id) < 0 ||
        catalog_run_sql(catalog, err, "DELETE FROM job_remains WHERE job = ?", "s", id) < 0)
        return -1;
    for (size_t i = 0; i < job->job.disks_n; i++) {
        const struct job_disk *disk = &job->job.disks[i];

        if (catalog_run_sql(catalog, err,
                            "INSERT INTO job_disk(job, position, device, vdi_uuid,"
                            " virtual_size_bytes) VALUES(?, ?, ?, ?, ?)",
                            "sussu", id, (uint64_t)i, disk->device, disk->vdi_uuid,
                            disk->virtual_size_bytes) < 0)
            return -1;
    }
    for (size_t i = 0; i < job->job.remains_n; i++) {
        const struct job_remains *remains = &job->job.remains[i];

        if (catalog_run_sql(catalog, err,
                            "INSERT INTO job_remains(job, position, dead, attempt, vm_uuid,"
                            " folder, stem) VALUES(?, ?, ?, ?, ?, ?, ?)",
                            "susisss", id, (uint64_t)i, remains->job, (int64_t)remains->attempt,
                            remains->vm_uuid, remains->folder, remains->stem) < 0)
            return -1;
    }
    if (catalog_put_places(catalog, id, "host", &job->hosts, err) < 0)
        return -1;
    return catalog_put_places(catalog, id, "sr", &job->srs, err);
}

static int catalog_put_job_rows(struct catalog *catalog, const struct catalog_job *job,
                                struct error *err)
{
    if (catalog_run_sql(
            catalog, err,
            "INSERT INTO job(id, run, position, kind, state, reason, attempt, lease, vm_uuid,"
            " vm_name, host_uuid, folder, compress, disk_format, estimate_bytes, chosen_by,"
            " idle_timeout_ms, may_be_redirected, subject)"
            " VALUES(?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT(id) DO UPDATE SET position = excluded.position, lease = excluded.lease,"
            " state = CASE state WHEN ?19 THEN state ELSE excluded.state END,"
            " reason = excluded.reason,"
            " vm_name = excluded.vm_name, folder = excluded.folder,"
            " compress = excluded.compress, disk_format = excluded.disk_format,"
            " estimate_bytes = excluded.estimate_bytes, chosen_by = excluded.chosen_by,"
            " idle_timeout_ms = excluded.idle_timeout_ms,"
            " may_be_redirected = excluded.may_be_redirected",
            "ssuiisussssiiusuisi", job->job.id, job->job.run, (uint64_t)job->position,
            (int64_t)job->job.kind, (int64_t)job->state, job->reason, job->job.lease,
            job->job.vm_uuid, job->job.vm_name, job->job.host_uuid, job->job.folder,
            (int64_t)job->job.compress, (int64_t)job->job.disk_format, job->job.estimate_bytes,
            job->job.chosen_by, job->job.idle_timeout_ms, (int64_t)job->may_be_redirected,
            job->job.subject.file, (int64_t)JOB_STATE_DONE) < 0)
        return -1;
    return catalog_put_details(catalog, job, err);
}

int catalog_put_job(struct catalog *catalog, const struct catalog_job *job, struct error *err)
{
    if (catalog_enter(catalog, err) < 0)
        return -1;
    return catalog_leave(catalog, catalog_put_job_rows(catalog, job, err), err);
}

int catalog_set_job_state(struct catalog *catalog, const char *id, enum job_state state,
                          const char *reason, struct error *err)
{
    if (catalog_run_sql(catalog, err, "UPDATE job SET state = ?, reason = ? WHERE id = ?", "iss",
                        (int64_t)state, reason, id) < 0)
        return -1;
    if (catalog_changed_n(catalog) == 0)
        return error_set(err, ERROR_NOT_FOUND, "catalog %s has no job %s", catalog->path, id);
    return 0;
}

static int catalog_get_places(struct catalog *catalog, const char *job, const char *what,
                              struct text_list *ret, struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;
    int more = 0;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT uuid FROM job_place WHERE job = ? AND what = ? ORDER BY position",
                        "ss", job, what) < 0)
        return -1;
    while ((more = catalog_step(catalog, rows, err)) > 0)
        text_list_add(ret, catalog_column_text(rows, 0));
    return more;
}

static int catalog_get_disks(struct catalog *catalog, struct job *job, struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;
    int more = 0;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT device, vdi_uuid, virtual_size_bytes FROM job_disk"
                        " WHERE job = ? ORDER BY position",
                        "s", job->id) < 0)
        return -1;
    while ((more = catalog_step(catalog, rows, err)) > 0) {
        struct job_disk *disk = job_add_disk(job);

        disk->device = catalog_column_dup(rows, 0);
        disk->vdi_uuid = catalog_column_dup(rows, 1);
        disk->virtual_size_bytes = (uint64_t)catalog_column_int(rows, 2);
    }
    return more;
}

static int catalog_get_remains(struct catalog *catalog, struct job *job, struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;
    int more = 0;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT dead, attempt, vm_uuid, folder, stem FROM job_remains"
                        " WHERE job = ? ORDER BY position",
                        "s", job->id) < 0)
        return -1;
    while ((more = catalog_step(catalog, rows, err)) > 0) {
        struct job_remains *remains = job_add_remains(job);

        catalog_column_id(rows, 0, remains->job, sizeof remains->job);
        remains->attempt = (uint32_t)catalog_column_int(rows, 1);
        remains->vm_uuid = catalog_column_dup(rows, 2);
        remains->folder = catalog_column_dup(rows, 3);
        remains->stem = catalog_column_dup(rows, 4);
    }
    return more;
}

static int catalog_check_job(const struct catalog *catalog, sqlite3_stmt *row,
                             struct catalog_job *ret, struct error *err)
{
    if (!job_kind_from_number((int)catalog_column_int(row, 3), &ret->job.kind) ||
        !job_state_from_number((int)catalog_column_int(row, 4), &ret->state))
        return error_set(err, ERROR_CORRUPT,
                         "catalog %s: job %s has a kind or state that this program does not know",
                         catalog->path, ret->job.id);
    return 0;
}

static int catalog_read_job(struct catalog *catalog, sqlite3_stmt *row, struct catalog_job *ret,
                            struct error *err)
{
    struct job *job = &ret->job;

    catalog_column_id(row, 0, job->id, sizeof job->id);
    catalog_column_id(row, 1, job->run, sizeof job->run);
    ret->position = (size_t)catalog_column_int(row, 2);
    if (catalog_check_job(catalog, row, ret, err) < 0)
        return -1;
    ret->reason = catalog_column_dup(row, 5);
    job->attempt = (uint32_t)catalog_column_int(row, 6);
    job->lease = (uint64_t)catalog_column_int(row, 7);
    job->vm_uuid = catalog_column_dup(row, 8);
    job->vm_name = catalog_column_dup(row, 9);
    job->host_uuid = catalog_column_dup(row, 10);
    job->folder = catalog_column_dup(row, 11);
    job->compress = (enum job_compress)catalog_column_int(row, 12);
    job->disk_format = (enum job_disk_format)catalog_column_int(row, 13);
    job->estimate_bytes = (uint64_t)catalog_column_int(row, 14);
    job->chosen_by = catalog_column_dup(row, 15);
    job->idle_timeout_ms = (uint64_t)catalog_column_int(row, 16);
    ret->may_be_redirected = catalog_column_int(row, 17) != 0;
    job->stem = catalog_column_dup(row, 18);
    ret->is_open = job->attempt > 0 && catalog_column_int(row, 19) == 0;
    ret->open_host_uuid = ret->is_open ? catalog_column_dup(row, 21) : NULL;
    job->subject.file = catalog_column_dup(row, 20);
    if (catalog_get_disks(catalog, job, err) < 0 || catalog_get_remains(catalog, job, err) < 0 ||
        catalog_get_places(catalog, job->id, "host", &ret->hosts, err) < 0)
        return -1;
    return catalog_get_places(catalog, job->id, "sr", &ret->srs, err);
}

static int catalog_read_one_job(struct catalog *catalog, sqlite3_stmt *rows,
                                struct catalog_job *ret_job, struct error *err)
{
    CLEAN_CATALOG_JOB struct catalog_job job = {0};
    int found = catalog_step(catalog, rows, err);

    if (found <= 0)
        return found;
    if (catalog_read_job(catalog, rows, &job, err) < 0)
        return -1;
    *ret_job = job;
    job = (struct catalog_job){0};
    return 1;
}

int catalog_find_job(struct catalog *catalog, const char *id, struct catalog_job *ret_job,
                     struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT " JOB_COLUMNS " FROM " JOB_TABLES " WHERE job.id = ?", "s",
                        id) < 0)
        return -1;
    return catalog_read_one_job(catalog, rows, ret_job, err);
}

int catalog_each_job(struct catalog *catalog, const char *run, catalog_job_fn *each, void *context,
                     struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT " JOB_COLUMNS " FROM " JOB_TABLES
                        " WHERE job.run = ? ORDER BY job.position, job.rowid",
                        "s", run) < 0)
        return -1;
    for (;;) {
        CLEAN_CATALOG_JOB struct catalog_job job = {0};
        int found = catalog_read_one_job(catalog, rows, &job, err);

        if (found <= 0)
            return found;
        if (each(context, &job, err) < 0)
            return -1;
    }
}
