/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows of the catalog as retain sees them, and its verdicts as a job.
 */
#include "coordinator/expiry.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "coordinator/catalog/catalog.h"

#include "common/base/poison.h"

void expiry_rules_list_done(struct expiry_rules_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i].folder);
    free(list->items);
    *list = (struct expiry_rules_list){0};
}

static struct expiry_rules *find_rules(const struct expiry_rules_list *list, const char *folder)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->items[i].folder, folder))
            return &list->items[i];
    return NULL;
}

void expiry_rules_list_add(struct expiry_rules_list *list, const char *folder,
                           const struct retain_rules *retain, int64_t max_backups)
{
    struct expiry_rules *rules = find_rules(list, folder);

    if (!rules) {
        list->items = mem_grow(list->items, &list->cap, list->n + 1, sizeof *list->items);
        rules = &list->items[list->n++];
        *rules = (struct expiry_rules){.folder = mem_dup(folder), .retain = *retain};
        rules->retain.max_backups = max_backups;
    }
    if (max_backups > rules->retain.max_backups)
        rules->retain.max_backups = max_backups;
}

const struct retain_rules *expiry_rules_list_find(const struct expiry_rules_list *list,
                                                  const char *folder)
{
    const struct expiry_rules *rules = find_rules(list, folder);

    return rules ? &rules->retain : NULL;
}

void expiry_done(struct expiry *expiry)
{
    for (size_t i = 0; i < expiry->n; i++)
        backup_done(&expiry->backups[i]);
    free(expiry->backups);
    free(expiry->verdicts);
    free(expiry->folder);
    *expiry = (struct expiry){0};
}

static int64_t taken_at(const struct backup *backup)
{
    return backup->snapshot_at ? backup->snapshot_at : backup->finished_at;
}

static bool is_proven(const struct backup *backup)
{
    return backup->state == BACKUP_PROVEN || backup->state == BACKUP_REHEARSED;
}

static int add_backup(void *context, const struct backup *backup, struct error *err)
{
    struct expiry *expiry = context;

    (void)err;
    expiry->backups =
        mem_grow(expiry->backups, &expiry->cap, expiry->n + 1, sizeof *expiry->backups);
    backup_copy(&expiry->backups[expiry->n++], backup);
    return 0;
}

static bool is_newer(const struct backup *a, const struct backup *b, int64_t now_at)
{
    int64_t a_at = retain_order(taken_at(a), now_at), b_at = retain_order(taken_at(b), now_at);

    return a_at != b_at ? a_at > b_at : strcmp(a->file, b->file) > 0;
}

/* The newest first. The catalog gives them nearly so. */
static void sort_backups(struct backup *backups, size_t n, int64_t now_at)
{
    for (size_t i = 1; i < n; i++) {
        struct backup moved = backups[i];
        size_t k = i;

        for (; k > 0 && is_newer(&moved, &backups[k - 1], now_at); k--)
            backups[k] = backups[k - 1];
        backups[k] = moved;
    }
}

/* Equal for the files that one run made of a VM in one way; NULL: by itself. */
static char *copy_of(const struct backup *backup)
{
    if (!backup->run[0])
        return NULL;
    return str_format("%s %s", backup->run, job_kind_name(backup->kind));
}

static void make_items(const struct expiry *expiry, struct retain_item *items,
                       struct text_list *copies)
{
    for (size_t i = 0; i < expiry->n; i++) {
        const struct backup *backup = &expiry->backups[i];
        char *copy = copy_of(backup);

        items[i] = (struct retain_item){.name = backup->file,
                                        .vm_uuid = backup->vm_uuid,
                                        .copy = copy,
                                        .taken_at = taken_at(backup),
                                        .state = backup->state,
                                        .is_pinned = backup->is_pinned};
        if (copy)
            text_list_add_take(copies, copy);
    }
}

/* Whether a newer file of the same copy stands before i. */
static bool is_met(const struct retain_item *items, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (items[i].copy && str_equal(items[k].copy, items[i].copy) &&
            str_equal(items[k].vm_uuid, items[i].vm_uuid))
            return true;
    return false;
}

/*
 * How many copies must be kept so that wanted_n whole ones are among them: a copy that lacks a disk
 * does not stand for one that has it.
 */
static int widen_copies(struct catalog *catalog, const struct expiry *expiry,
                        const struct retain_item *items, unsigned wanted_n, unsigned *ret_n,
                        struct error *err)
{
    unsigned whole_n = 0, n = 0;

    for (size_t i = 0; i < expiry->n && whole_n < wanted_n; i++) {
        const struct backup *backup = &expiry->backups[i];
        size_t undone_n = 0;

        if (!is_proven(backup) || is_met(items, i))
            continue;
        if (backup->run[0] &&
            catalog_count_undone(catalog, backup->run, expiry->folder, &undone_n, err) < 0)
            return -1;
        n++;
        whole_n += undone_n == 0;
    }
    *ret_n = n > wanted_n ? n : wanted_n;
    return 0;
}

int expiry_judge(struct catalog *catalog, const char *folder, const struct retain_rules *rules,
                 struct expiry *ret_expiry, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list copies = TEXT_LIST_INIT;
    CLEANUP(mem_free_void) struct retain_item *items = NULL;
    const struct catalog_backup_filter filter = {.folder = folder};
    struct retain_rules used = *rules;

    ret_expiry->folder = mem_dup(folder);
    ret_expiry->max_backups = rules->max_backups;
    if (catalog_each_backup(catalog, &filter, add_backup, ret_expiry, err) < 0)
        return error_add(err, "old backups of %s", folder);
    const size_t n = ret_expiry->n;
    used.now_at = clock_wall_ms(clock_system());
    sort_backups(ret_expiry->backups, n, used.now_at);
    items = mem_zero(n + 1, sizeof *items);
    ret_expiry->verdicts = mem_zero(n + 1, sizeof *ret_expiry->verdicts);
    make_items(ret_expiry, items, &copies);
    if (widen_copies(catalog, ret_expiry, items, rules->keep_copies ? rules->keep_copies : 1,
                     &used.keep_copies, err) < 0)
        return error_add(err, "old backups of %s", folder);
    retain_decide(items, n, &used, ret_expiry->verdicts);
    return 0;
}

static void name_copied(struct job_copied *copied, const struct backup *backup)
{
    copied->file = mem_dup(backup->file);
    copied->size_bytes = backup->size_bytes;
    str_copy(copied->job, sizeof copied->job, backup->job);
}

static bool has_keeper(const struct job *job, const char *file)
{
    for (size_t i = 0; i < job->keepers_n; i++)
        if (strcmp(job->keepers[i].file, file) == 0)
            return true;
    return false;
}

int expiry_make_job(const struct expiry *expiry, struct job *ret_job)
{
    /* Oldest first; what does not fit into one job goes with the next. */
    for (size_t i = expiry->n; i > 0; i--) {
        const struct retain_verdict *verdict = &expiry->verdicts[i - 1];

        if (verdict->rule != RETAIN_GOES || ret_job->victims_n >= JOB_EXPIRE_MAX)
            continue;
        const struct backup *witness = &expiry->backups[verdict->witness];

        if (!has_keeper(ret_job, witness->file)) {
            if (ret_job->keepers_n >= JOB_EXPIRE_MAX)
                continue;
            name_copied(job_add_keeper(ret_job), witness);
        }
        name_copied(job_add_victim(ret_job), &expiry->backups[i - 1]);
    }
    if (ret_job->victims_n == 0)
        return 0;
    ret_job->kind = JOB_EXPIRE;
    ret_job->folder = mem_dup(expiry->folder);
    ret_job->compress = JOB_COMPRESS_NONE;
    ret_job->disk_format = JOB_DISK_RAW;
    ret_job->chosen_by = str_format("max_backups = %lld", (long long)expiry->max_backups);
    return 1;
}

void expiry_add_warnings(const struct expiry *expiry, struct text_list *warnings)
{
    size_t beaten_n = 0;

    for (size_t i = 0; i < expiry->n; i++)
        beaten_n += expiry->verdicts[i].beats_count;
    if (beaten_n > 0)
        text_list_add_format(warnings,
                             "%s: %zu file%s beyond max_backups = %lld stay%s: a VM's last proven "
                             "backup never goes",
                             expiry->folder, beaten_n, beaten_n == 1 ? "" : "s",
                             (long long)expiry->max_backups, beaten_n == 1 ? "s" : "");
}
