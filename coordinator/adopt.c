/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store is read before the catalog is changed: a share that fails halfway changes nothing.
 */
#include "coordinator/adopt.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/meta.h"
#include "common/model/backup.h"
#include "common/store/find.h"
#include "common/store/scan.h"
#include "coordinator/catalog/catalog.h"

#include "common/base/poison.h"

/* A backup that the catalog has. */
struct row {
    char *path;
    char *folder;
    char *file;
    bool is_expired;
    bool is_seen;
};

struct adopt {
    struct store *store;
    struct adopt_result *result;
    struct row *rows; /* by path */
    size_t rows_n, rows_cap;
    struct backup *backups; /* to be added */
    size_t backups_n, backups_cap;
    int64_t last_run_at; /* 0: there was none */
    char *newer;         /* one that OnyxBackupVM wrote since */
    size_t newer_n;
};

void adopt_result_done(struct adopt_result *result)
{
    text_list_done(&result->found);
    text_list_done(&result->regained);
    text_list_done(&result->missing);
    text_list_done(&result->strays);
}

static void adopt_done(struct adopt *adopt)
{
    for (size_t i = 0; i < adopt->rows_n; i++) {
        free(adopt->rows[i].path);
        free(adopt->rows[i].folder);
        free(adopt->rows[i].file);
    }
    for (size_t i = 0; i < adopt->backups_n; i++)
        backup_done(&adopt->backups[i]);
    free(adopt->rows);
    free(adopt->backups);
    free(adopt->newer);
}

static int add_row(void *context, const struct backup *backup, struct error *err)
{
    struct adopt *adopt = context;

    (void)err;
    adopt->rows = mem_grow(adopt->rows, &adopt->rows_cap, adopt->rows_n + 1, sizeof *adopt->rows);
    adopt->rows[adopt->rows_n++] =
        (struct row){.path = str_format("%s/%s", backup->folder, backup->file),
                     .folder = mem_dup(backup->folder),
                     .file = mem_dup(backup->file),
                     .is_expired = backup->state == BACKUP_EXPIRED};
    return 0;
}

static int compare_rows(const void *left, const void *right)
{
    return strcmp(((const struct row *)left)->path, ((const struct row *)right)->path);
}

static int compare_path(const void *path, const void *row)
{
    return strcmp(path, ((const struct row *)row)->path);
}

static int read_catalog(struct adopt *adopt, struct catalog *catalog, struct error *err)
{
    CLEAN_CATALOG_RUN struct catalog_run run = {.state = CATALOG_RUN_RUNNING};
    const struct catalog_backup_filter all = {.with_expired = true};

    if (catalog_each_backup(catalog, &all, add_row, adopt, err) < 0)
        return -1;
    if (adopt->rows_n > 1)
        qsort(adopt->rows, adopt->rows_n, sizeof *adopt->rows, compare_rows);
    int found = catalog_find_run(catalog, NULL, &run, err);
    if (found > 0)
        adopt->last_run_at = run.started_at;
    return found < 0 ? -1 : 0;
}

/* The file as a row of the catalog. A found one is known by its name and OnyxBackupVM's .meta. */
static void add_backup(struct adopt *adopt, const struct scan_file *file)
{
    adopt->backups = mem_grow(adopt->backups, &adopt->backups_cap, adopt->backups_n + 1,
                              sizeof *adopt->backups);
    struct backup *backup = &adopt->backups[adopt->backups_n++];
    int64_t taken_at = 0;

    backup_copy(backup, &file->meta->backup);
    mem_set(&backup->folder, file->folder);
    mem_set(&backup->file, file->file);
    backup->size_bytes = file->size_bytes;
    if (!backup->device && file->name.device[0])
        mem_set(&backup->device, file->name.device);
    if (file->kind == SCAN_OURS)
        return;
    backup->state = BACKUP_FOUND;
    backup->kind = file->name.kind;
    mem_set(&backup->vm_uuid, file->meta->vm_uuid);
    mem_set(&backup->vm_name, file->meta->vm_name);
    if (clock_parse_stamp(file->name.stamp, &taken_at, NULL) == 0)
        backup->snapshot_at = backup->finished_at = taken_at;
}

static void see_backup(struct adopt *adopt, const struct scan_file *file, const char *path)
{
    struct row *row = adopt->rows_n == 0 ? NULL
                                         : bsearch(path, adopt->rows, adopt->rows_n,
                                                   sizeof *adopt->rows, compare_path);
    int64_t taken_at = 0;

    if (row && !row->is_expired) {
        row->is_seen = true;
        adopt->result->known_n++;
        return;
    }
    add_backup(adopt, file);
    if (file->kind == SCAN_OURS) {
        text_list_add(&adopt->result->regained, path);
        adopt->result->regained_bytes += file->size_bytes;
        return;
    }
    text_list_add(&adopt->result->found, path);
    adopt->result->found_bytes += file->size_bytes;
    if (adopt->last_run_at == 0 ||
        clock_parse_stamp(file->name.stamp, &taken_at, NULL) < 0 || taken_at < adopt->last_run_at)
        return;
    adopt->newer_n++;
    if (!adopt->newer)
        adopt->newer = mem_dup(path);
}

/* Jobs name what they are about, and messages are UTF-8: nothing could ever be done with this one. */
static bool has_usable_name(const struct scan_file *file)
{
    return str_is_utf8(file->folder, strlen(file->folder)) &&
           str_is_utf8(file->file, strlen(file->file));
}

static int see_file(void *context, const struct scan_file *file, struct error *err)
{
    struct adopt *adopt = context;
    CLEAN_CHAR char *path = str_format("%s/%s", file->folder, file->file);

    (void)err;
    switch (file->kind) {
    case SCAN_OURS:
    case SCAN_FOUND:
        if (has_usable_name(file))
            see_backup(adopt, file, path);
        else
            text_list_add(&adopt->result->strays, path);
        break;
    case SCAN_STRAY:
        text_list_add(&adopt->result->strays, path);
        break;
    case SCAN_PARTIAL: /* a later cleanup's */
    case SCAN_EXPIRED: /* a later expire's: whoever names it finds it gone or ends it */
        break;
    }
    return 0;
}

static int see_folder(void *context, const char *folder, const char *vm_uuid, struct error *err)
{
    struct adopt *adopt = context;

    (void)vm_uuid;
    return scan_folder(adopt->store, folder, see_file, adopt, err);
}

static int write_catalog(struct adopt *adopt, struct catalog *catalog, struct error *err)
{
    for (size_t i = 0; i < adopt->backups_n; i++)
        /* The row may be there as expired: the file has come back. */
        if (catalog_add_backup(catalog, &adopt->backups[i], err) < 0 ||
            catalog_set_backup_state(catalog, adopt->backups[i].folder, adopt->backups[i].file,
                                     adopt->backups[i].state, err) < 0 ||
            catalog_want_verify(catalog, adopt->backups[i].folder, adopt->backups[i].file,
                                adopt->backups[i].state == BACKUP_FOUND, err) < 0)
            return -1;
    for (size_t i = 0; i < adopt->rows_n; i++) {
        const struct row *row = &adopt->rows[i];

        if (row->is_seen || row->is_expired)
            continue;
        text_list_add(&adopt->result->missing, row->path);
        if (catalog_set_backup_state(catalog, row->folder, row->file, BACKUP_DAMAGED, err) < 0)
            return -1;
    }
    return 0;
}

int adopt_store(struct catalog *catalog, struct store *store, bool is_forced,
                struct adopt_result *ret_result, struct error *err)
{
    CLEANUP(adopt_done) struct adopt adopt = {.store = store, .result = ret_result};

    if (read_catalog(&adopt, catalog, err) < 0 ||
        find_folders(store, see_folder, &adopt, err) < 0)
        return -1;
    if (adopt.newer_n > 0 && !is_forced)
        return error_set(err, ERROR_STORE_FOREIGN,
                         "OnyxBackupVM has written %zu backup%s since our last run (%s): its "
                         "rotation and ours would take each other's files. Remove its cron lines, "
                         "or say --force-shared-folder if it does not run any more",
                         adopt.newer_n, adopt.newer_n == 1 ? "" : "s", adopt.newer);
    if (catalog_begin(catalog, err) < 0)
        return -1;
    if (write_catalog(&adopt, catalog, err) < 0) {
        catalog_undo(catalog);
        return -1;
    }
    return catalog_commit(catalog, err);
}
