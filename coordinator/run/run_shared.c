/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether OnyxBackupVM still writes to the folders of this run: its rotation would take our files
 * and ours its own. Seen by files with its .meta that are newer than our last run and that nobody
 * has adopted.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/store/scan.h"
#include "coordinator/policy/leftover.h"
#include "coordinator/run/run_inside.h"

#include "common/base/poison.h"

struct shared {
    const struct run *run;
    int64_t since_at;       /* 0: there was no run before */
    struct text_list known; /* "folder/file", sorted */
    size_t newer_n;
    char *newer;
};

static void shared_done(struct shared *shared)
{
    text_list_done(&shared->known);
    free(shared->newer);
}

/* The newest run before this one; a continued run is its own predecessor. */
static int see_run(void *context, const struct catalog_run *run, struct error *err)
{
    struct shared *shared = context;

    (void)err;
    if (shared->since_at == 0 && (strcmp(run->id, shared->run->record.id) != 0 ||
                                  shared->run->outcome->is_continued))
        shared->since_at = run->started_at;
    return 0;
}

static int see_backup(void *context, const struct backup *backup, struct error *err)
{
    struct shared *shared = context;

    (void)err;
    text_list_add_format(&shared->known, "%s/%s", backup->folder, backup->file);
    return 0;
}

static int compare_texts(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;

    return strcmp(*a, *b);
}

static bool is_known(void *context, const char *folder, const char *file)
{
    const struct shared *shared = context;
    CLEAN_CHAR char *path = str_format("%s/%s", folder, file);
    const char *key = path;

    return shared->known.n > 0 && bsearch(&key, shared->known.items, shared->known.n,
                                          sizeof *shared->known.items, compare_texts) != NULL;
}

/* A folder that can't be looked into costs its own job alone, which meets the same there. */
static void look_into(struct shared *shared, struct run *run)
{
    CLEAN_TEXT_LIST struct text_list folders = TEXT_LIST_INIT;

    for (size_t i = 0; i < run->plan.jobs_n; i++)
        /* Reading back takes nothing from anybody. */
        if (run->plan.jobs[i].job.folder && run->plan.jobs[i].job.kind != JOB_VERIFY)
            text_list_add(&folders, run->plan.jobs[i].job.folder);
    text_list_sort(&folders);
    for (size_t i = 0; i < folders.n; i++) {
        if (i > 0 && strcmp(folders.items[i], folders.items[i - 1]) == 0)
            continue;
        struct error why = ERROR_INIT;
        if (scan_find_newer(run->store, folders.items[i], shared->since_at, is_known, shared,
                            &shared->newer_n, &shared->newer, &why) < 0)
            run_warn(run, why.text);
    }
}

/* A run that only reads back takes nothing from anybody. */
static bool has_backups(const struct run *run)
{
    for (size_t i = 0; i < run->plan.jobs_n; i++)
        if (run->plan.jobs[i].job.kind != JOB_VERIFY)
            return true;
    return false;
}

/* A snapshot of OnyxBackupVM that is so young that its run may be going on, or came last night. */
static int check_snapshots(const struct run *run, struct error *err)
{
    CLEAN_LEFTOVER_LIST struct leftover_list found = {0};
    const struct leftover_request request = {.now_at = clock_wall_ms(run->clock)};

    leftover_find(&run->inventory, &request, &found);
    for (size_t i = 0; i < found.olds_n; i++)
        if (found.olds[i].is_fresh)
            return error_set(err, ERROR_STORE_FOREIGN,
                             "OnyxBackupVM has made a snapshot ONYXBACKUP of %s within the last "
                             "day: it still backs this pool up. Remove its cron lines and that "
                             "snapshot, or say --force-shared-folder to go on beside it",
                             found.olds[i].of_name);
    return 0;
}

int run_check_shared(struct run *run, struct error *err)
{
    CLEANUP(shared_done) struct shared shared = {.run = run};
    const struct catalog_backup_filter all = {.with_expired = true};

    if (run->settings.is_share_forced || !has_backups(run))
        return 0;
    if (check_snapshots(run, err) < 0)
        return -1;
    if (catalog_each_run(run->catalog, 2, see_run, &shared, err) < 0)
        return -1;
    if (shared.since_at == 0)
        return 0;
    if (catalog_each_backup(run->catalog, &all, see_backup, &shared, err) < 0)
        return -1;
    text_list_sort(&shared.known);
    look_into(&shared, run);
    if (shared.newer_n == 0)
        return 0;
    return error_set(err, ERROR_STORE_FOREIGN,
                     "OnyxBackupVM has written %zu backup%s here since our last run (%s): its "
                     "rotation would take our files and ours its own. Remove its cron lines and "
                     "run `onyxpool adopt --force-shared-folder`, or say --force-shared-folder "
                     "to go on beside it",
                     shared.newer_n, shared.newer_n == 1 ? "" : "s", shared.newer);
}
