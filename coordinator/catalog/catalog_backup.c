/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog's backups: published files, one row a file.
 */
#include "coordinator/catalog/catalog.h"

#include <stdlib.h>

#include "common/base/str.h"
#include "coordinator/catalog/catalog_sql.h"

#include "common/base/poison.h"

#define BACKUP_COLUMNS                                                                             \
    "folder, file, kind, state, vm_uuid, vm_name, device, size_bytes, sha256, proof, consistency," \
    " job, run, attempt, host_uuid, host_name, snapshot_at, started_at, finished_at, stream_ms,"   \
    " is_pinned"
#define VERIFY_COLUMNS ", verified_at, verified_text, is_verify_wanted"

int catalog_add_backup(struct catalog *catalog, const struct backup *backup, struct error *err)
{
    /* The same file told twice is one backup. Another job's file of that name can't be: stems are
     * never given twice; if a scan brings one, the file that is there now is the truth. */
    return catalog_run_sql(
        catalog, err,
        "INSERT INTO backup(" BACKUP_COLUMNS
        ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(folder, file) DO UPDATE SET state = excluded.state, kind = excluded.kind,"
        " vm_uuid = excluded.vm_uuid, vm_name = excluded.vm_name,"
        " size_bytes = excluded.size_bytes, sha256 = excluded.sha256, proof = excluded.proof,"
        " job = excluded.job, run = excluded.run, attempt = excluded.attempt"
        " WHERE job != excluded.job OR attempt != excluded.attempt",
        "ssiisssussississiiiii", backup->folder, backup->file, (int64_t)backup->kind,
        (int64_t)backup->state, backup->vm_uuid, backup->vm_name, backup->device,
        backup->size_bytes, backup->sha256, backup->proof, (int64_t)backup->consistency,
        backup->job, backup->run, (int64_t)backup->attempt, backup->host_uuid, backup->host_name,
        backup->snapshot_at, backup->started_at, backup->finished_at, backup->stream_ms,
        (int64_t)backup->is_pinned);
}

static int catalog_read_backup(const struct catalog *catalog, sqlite3_stmt *row,
                               struct backup *ret, struct error *err)
{
    ret->folder = catalog_column_dup(row, 0);
    ret->file = catalog_column_dup(row, 1);
    if (!job_kind_from_number((int)catalog_column_int(row, 2), &ret->kind) ||
        !backup_state_from_number((int)catalog_column_int(row, 3), &ret->state))
        return error_set(err, ERROR_CORRUPT,
                         "catalog %s: backup %s/%s has a kind or state that this program does not "
                         "know",
                         catalog->path, ret->folder, ret->file);
    ret->vm_uuid = catalog_column_dup(row, 4);
    ret->vm_name = catalog_column_dup(row, 5);
    ret->device = catalog_column_dup(row, 6);
    ret->size_bytes = (uint64_t)catalog_column_int(row, 7);
    ret->sha256 = catalog_column_dup(row, 8);
    ret->proof = catalog_column_dup(row, 9);
    ret->consistency = (enum job_consistency)catalog_column_int(row, 10);
    catalog_column_id(row, 11, ret->job, sizeof ret->job);
    catalog_column_id(row, 12, ret->run, sizeof ret->run);
    ret->attempt = (uint32_t)catalog_column_int(row, 13);
    ret->host_uuid = catalog_column_dup(row, 14);
    ret->host_name = catalog_column_dup(row, 15);
    ret->snapshot_at = catalog_column_int(row, 16);
    ret->started_at = catalog_column_int(row, 17);
    ret->finished_at = catalog_column_int(row, 18);
    ret->stream_ms = catalog_column_int(row, 19);
    ret->is_pinned = catalog_column_int(row, 20) != 0;
    ret->verified_at = catalog_column_int(row, 21);
    ret->verified_text = catalog_column_dup(row, 22);
    ret->is_verify_wanted = catalog_column_int(row, 23) != 0;
    return 0;
}

int catalog_each_backup(struct catalog *catalog, const struct catalog_backup_filter *filter,
                        catalog_backup_fn *each, void *context, struct error *err)
{
    static const struct catalog_backup_filter all = {0};
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (!filter)
        filter = &all;
    if (catalog_prepare(
            catalog, &rows, err,
            "SELECT " BACKUP_COLUMNS VERIFY_COLUMNS " FROM backup WHERE"
            " (?1 IS NULL OR vm_uuid = ?1 COLLATE NOCASE OR vm_name = ?1)"
            " AND (?2 IS NULL OR run = ?2) AND (?3 IS NULL OR folder = ?3)"
            " AND (?4 IS NULL OR file = ?4 OR folder || '/' || file = ?4)"
            " AND (?5 OR state != ?6) AND (?8 IS NULL OR expired_run = ?8)"
            " AND (?9 IS NULL OR run IN (SELECT id FROM run WHERE store_uuid = ?9))"
            " AND (?10 IS NULL OR verified_run IN (SELECT id FROM run WHERE store_uuid = ?10"
            " AND state NOT IN (?11, ?12)))"
            " AND (NOT ?13 OR is_verify_wanted != 0)"
            " AND (?14 IS NULL OR verified_run = ?14)"
            " ORDER BY COALESCE(NULLIF(snapshot_at, 0), finished_at) DESC, id DESC LIMIT ?7",
            "ssssiiisssiiis", filter->vm, filter->run, filter->folder, filter->file,
            (int64_t)filter->with_expired, (int64_t)BACKUP_EXPIRED,
            filter->limit ? (int64_t)filter->limit : (int64_t)-1, filter->expired_run,
            filter->store, filter->verified_store, (int64_t)CATALOG_RUN_DONE,
            (int64_t)CATALOG_RUN_FAILED, (int64_t)filter->only_wanted,
            filter->verified_run) < 0)
        return -1;
    for (;;) {
        CLEAN_BACKUP struct backup backup = {0};
        int found = catalog_step(catalog, rows, err);

        if (found <= 0)
            return found;
        if (catalog_read_backup(catalog, rows, &backup, err) < 0 ||
            each(context, &backup, err) < 0)
            return -1;
    }
}

int catalog_is_expired(struct catalog *catalog, const char *folder, const char *file,
                       struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT 1 FROM backup WHERE folder = ? AND file = ? AND state = ?", "ssi",
                        folder, file, (int64_t)BACKUP_EXPIRED) < 0)
        return -1;
    return catalog_step(catalog, rows, err);
}

int catalog_knows_backup(struct catalog *catalog, const char *folder, const char *file,
                         struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT 1 FROM backup WHERE folder = ? AND file = ?", "ss", folder,
                        file) < 0)
        return -1;
    return catalog_step(catalog, rows, err);
}

int catalog_set_backup_state(struct catalog *catalog, const char *folder, const char *file,
                             enum backup_state state, struct error *err)
{
    return catalog_run_sql(catalog, err,
                           "UPDATE backup SET state = ?, expired_run = NULL"
                           " WHERE folder = ? AND file = ?",
                           "iss", (int64_t)state, folder, file);
}

int catalog_want_verify(struct catalog *catalog, const char *folder, const char *file,
                        bool is_wanted, struct error *err)
{
    return catalog_run_sql(catalog, err,
                           "UPDATE backup SET is_verify_wanted = ? WHERE folder = ? AND file = ?",
                           "iss", (int64_t)is_wanted, folder, file);
}

int catalog_set_verdict(struct catalog *catalog, const char *folder, const char *run,
                        const struct job_verdict *verdict, int64_t at, struct error *err)
{
    return catalog_run_sql(
        catalog, err,
        "UPDATE backup SET is_verify_wanted = 0, verified_at = ?1, verified_run = ?2,"
        " verified_text = ?3, sha256 = COALESCE(sha256, CASE WHEN ?5 != ?8 THEN ?4 END),"
        " proof = CASE WHEN ?5 = ?6 AND proof IS NULL THEN ?7 ELSE proof END,"
        " state = CASE WHEN ?5 = ?8 THEN ?9 WHEN ?5 = ?6 AND state != ?10 THEN ?11"
        " ELSE state END WHERE folder = ?12 AND file = ?13 AND state != ?14",
        "isssiisiiiissi", at, run, verdict->text, verdict->sha256, (int64_t)verdict->kind,
        (int64_t)JOB_VERDICT_PROVEN, verdict->proof, (int64_t)JOB_VERDICT_DAMAGED,
        (int64_t)BACKUP_DAMAGED, (int64_t)BACKUP_REHEARSED, (int64_t)BACKUP_PROVEN, folder,
        verdict->file, (int64_t)BACKUP_EXPIRED);
}

int catalog_pin_backup(struct catalog *catalog, const char *folder, const char *file,
                       bool is_pinned, size_t *ret_n, struct error *err)
{
    if (catalog_run_sql(catalog, err,
                        "UPDATE backup SET is_pinned = ?1 WHERE folder = ?2 AND state != ?4"
                        " AND (file = ?3 OR (run != '' AND (run, kind) ="
                        " (SELECT run, kind FROM backup WHERE folder = ?2 AND file = ?3)))",
                        "issi", (int64_t)is_pinned, folder, file, (int64_t)BACKUP_EXPIRED) < 0)
        return -1;
    *ret_n = (size_t)catalog_changed_n(catalog);
    return 0;
}

int catalog_count_undone(struct catalog *catalog, const char *run, const char *folder,
                         size_t *ret_n, struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT count(*) FROM job WHERE run = ?"
                        " AND folder = ? COLLATE NOCASE AND state != ?"
                        " AND kind IN (?, ?, ?, ?)",
                        "ssiiiii", run, folder, (int64_t)JOB_STATE_DONE, (int64_t)JOB_BACKUP_VM,
                        (int64_t)JOB_BACKUP_DISK, (int64_t)JOB_BACKUP_POOL,
                        (int64_t)JOB_BACKUP_HOST) < 0)
        return -1;
    int found = catalog_step(catalog, rows, err);
    if (found > 0)
        *ret_n = (size_t)catalog_column_int(rows, 0);
    return found < 0 ? -1 : 0;
}

int catalog_find_last_size(struct catalog *catalog, const char *vm_uuid, enum job_kind kind,
                           uint64_t *ret_bytes, struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT size_bytes FROM backup WHERE vm_uuid = ? AND kind = ?"
                        " AND state IN (?, ?) ORDER BY finished_at DESC, id DESC LIMIT 1",
                        "siii", vm_uuid, (int64_t)kind, (int64_t)BACKUP_PROVEN,
                        (int64_t)BACKUP_REHEARSED) < 0)
        return -1;
    int found = catalog_step(catalog, rows, err);
    if (found > 0)
        *ret_bytes = (uint64_t)catalog_column_int(rows, 0);
    return found;
}
