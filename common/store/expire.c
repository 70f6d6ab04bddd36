/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One victim after the other. Each step looks at what stands in the folder now, so that a second
 * expire goes on where a first one was killed.
 */
#include "common/store/expire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/format/meta.h"
#include "common/model/backup.h"
#include "common/store/root.h"
#include "common/store/trouble.h"

#include "common/base/poison.h"

struct expire {
    struct store *store;
    const struct job *job;
    int folder;
};

static void expire_done(struct expire *expire)
{
    fd_close(&expire->folder);
}

/* Whether a .meta or tombstone is that of the named file: 1 yes, 0 not there, -1 failed or
 * another's (ERROR_STORE_FOREIGN). A found file's is OnyxBackupVM's: it has no section of ours. */
static int check_meta(struct expire *expire, const char *name, const struct job_copied *copied,
                      struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_META struct meta meta = {0};
    struct error why = ERROR_INIT;
    int found = store_read_small(expire->store, expire->folder, name, &text, err);
    if (found != 1)
        return found;
    bool is_read = meta_parse(str_text(&text), text.len, &meta, &why) == 0;
    bool is_same = copied->job[0] == '\0'
                       ? is_read && !meta.is_ours
                       : is_read && meta.is_ours && strcmp(meta.backup.job, copied->job) == 0 &&
                             str_equal(meta.backup.file, copied->file) &&
                             meta.backup.size_bytes == copied->size_bytes;
    if (is_same)
        return 1;
    return error_set(err, ERROR_STORE_FOREIGN, "%s/%s is not that of the %s backup %s: %s",
                     expire->job->folder, name, copied->job[0] != '\0' ? "expected" : "found",
                     copied->file, is_read ? "it names another" : why.text);
}

/* The data as it was named: 1 there, 0 not there, -1 failed or of another size. */
static int check_data(struct expire *expire, const struct job_copied *copied, struct error *err)
{
    uint64_t bytes = 0;
    int found = store_file_size(expire->store, expire->folder, copied->file, &bytes, err);
    if (found != 1 || bytes == copied->size_bytes)
        return found;
    return error_set(err, ERROR_STORE_FOREIGN, "%s/%s has %llu bytes, not %llu",
                     expire->job->folder, copied->file, (unsigned long long)bytes,
                     (unsigned long long)copied->size_bytes);
}

/* A copy that justifies the others' end must be there, whole to the eye. */
static int check_keeper(struct expire *expire, const struct job_copied *keeper, struct error *err)
{
    CLEAN_CHAR char *meta = backup_meta_name(keeper->file);
    int data_found = check_data(expire, keeper, err);
    int meta_found = data_found < 0 ? -1 : check_meta(expire, meta, keeper, err);
    if (data_found < 0 || meta_found < 0) {
        if (err->code == ERROR_STORE_FOREIGN)
            err->code = ERROR_CORRUPT;
        return error_add(err, "nothing was removed: a newer backup is not as it should be");
    }
    if (data_found == 0 || meta_found == 0)
        return error_set(err, ERROR_NOT_FOUND,
                         "nothing was removed: the newer backup %s/%s is not there",
                         expire->job->folder, data_found == 0 ? keeper->file : meta);
    return 0;
}

static int step_rename(struct expire *expire, const char *from, const char *to, struct error *err)
{
    if (store_rename(expire->store, expire->folder, from, to, err) != 0)
        return -1;
    return store_sync(expire->store, expire->folder, "the folder", err);
}

static int step_unlink(struct expire *expire, const char *name, struct error *err)
{
    if (store_unlink(expire->store, expire->folder, name, err) < 0)
        return -1;
    return store_sync(expire->store, expire->folder, "the folder", err);
}

/* 0: it is there no more. */
static int remove_victim(struct expire *expire, const struct job_copied *victim, struct error *err)
{
    CLEAN_CHAR char *meta = backup_meta_name(victim->file);
    CLEAN_CHAR char *tombstone = str_format("%s" EXPIRE_TOMBSTONE, meta);
    int has_data = check_data(expire, victim, err);
    int has_meta = has_data < 0 ? -1 : check_meta(expire, meta, victim, err);
    int has_tombstone = has_meta < 0 ? -1 : check_meta(expire, tombstone, victim, err);
    if (has_tombstone < 0)
        return -1;
    if (!has_meta && !has_tombstone && !has_data)
        return 0;
    if (!has_meta && !has_tombstone)
        return error_set(err, ERROR_STORE_FOREIGN, "%s/%s has no .meta: it is left as it is",
                         expire->job->folder, victim->file);
    if (has_meta && step_rename(expire, meta, tombstone, err) != 0)
        return -1;
    if (has_data && step_unlink(expire, victim->file, err) != 0)
        return -1;
    return step_unlink(expire, tombstone, err);
}

static int check_names(const struct job *job, struct error *err)
{
    for (size_t i = 0; i < job->victims_n; i++)
        if (store_check_name(job->victims[i].file, err) != 0)
            return -1;
    for (size_t i = 0; i < job->keepers_n; i++)
        if (store_check_name(job->keepers[i].file, err) != 0)
            return -1;
    if (job->keepers_n == 0)
        return error_set(err, ERROR_BAD_INPUT, "no newer backup is named that justifies it");
    return 0;
}

int expire_files(struct store *store, const struct job *job, expire_cancel_fn *is_cancelled,
                 void *context, struct text_list *gone, struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    CLEANUP(expire_done) struct expire expire = {.store = store, .job = job, .folder = -1};
    int result = 0;
    if (check_names(job, err) != 0 ||
        store_open_folder(store, job->folder, false, &expire.folder, err) != 0)
        return -1;
    for (size_t i = 0; i < job->keepers_n; i++)
        if (check_keeper(&expire, &job->keepers[i], err) != 0)
            return -1;
    for (size_t i = 0; i < job->victims_n; i++) {
        struct error why = ERROR_INIT;
        if (is_cancelled != NULL && is_cancelled(context))
            return error_set(err, ERROR_CANCELLED, "%zu of %zu old backups removed", gone->n,
                             job->victims_n);
        if (remove_victim(&expire, &job->victims[i], &why) == 0) {
            text_list_add(gone, job->victims[i].file);
            continue;
        }
        if (result == 0)
            *err = why;
        result = -1;
    }
    return result;
}
