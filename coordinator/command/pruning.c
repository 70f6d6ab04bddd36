/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Folders come from the catalog, their numbers from the very plan that a run would begin with.
 */
#include "coordinator/command/pruning.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/model/pool.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/command/planning.h"

#include "common/base/poison.h"

/* A folder that backups stand in, and whose they are: the newest one's VM. */
struct found_folder {
    char *folder;
    char *vm_uuid; /* NULL: no VM's */
    char *vm_name;
    size_t age; /* 0 is the newest backup's */
};

struct found {
    const char *vm; /* NULL: all */
    struct found_folder *items;
    size_t n, cap;
};

void pruning_done(struct pruning *pruning)
{
    for (size_t i = 0; i < pruning->n; i++) {
        expiry_done(&pruning->folders[i].expiry);
        keep_choice_done(&pruning->folders[i].keep);
        mem_free_char(&pruning->folders[i].max_by);
    }
    free(pruning->folders);
    *pruning = (struct pruning){0};
}

struct retain_rules pruning_rules(const struct settings *settings)
{
    return (struct retain_rules){.max_backups = settings->max_backups,
                                 .keep_copies = (unsigned)settings->keep_copies,
                                 .expire_max = (unsigned)settings->expire_max,
                                 .keep_last = (unsigned)settings->keep_last,
                                 .keep_daily = (unsigned)settings->keep_daily,
                                 .keep_weekly = (unsigned)settings->keep_weekly,
                                 .keep_monthly = (unsigned)settings->keep_monthly,
                                 .keep_yearly = (unsigned)settings->keep_yearly};
}

static void found_done(struct found *found)
{
    for (size_t i = 0; i < found->n; i++) {
        mem_free_char(&found->items[i].folder);
        mem_free_char(&found->items[i].vm_uuid);
        mem_free_char(&found->items[i].vm_name);
    }
    free(found->items);
}

static int add_folder(void *context, const struct backup *backup, struct error *err)
{
    struct found *found = context;

    (void)err;
    if (found->vm && !str_equal(found->vm, backup->vm_name) &&
        !str_equal(found->vm, backup->vm_uuid) && !str_equal(found->vm, backup->folder))
        return 0;
    /* Rows of one folder mostly stand side by side; other twins are passed over later. */
    if (found->n > 0 && str_equal(found->items[found->n - 1].folder, backup->folder))
        return 0;
    found->items = mem_grow(found->items, &found->cap, found->n + 1, sizeof *found->items);
    found->items[found->n] = (struct found_folder){.folder = mem_dup(backup->folder),
                                                     .vm_uuid = mem_dup(backup->vm_uuid),
                                                     .vm_name = mem_dup(backup->vm_name),
                                                     .age = found->n};
    found->n++;
    return 0;
}

/* By folder; of twins the newest one's VM stands in front. */
static int compare_found(const void *left, const void *right)
{
    const struct found_folder *a = left, *b = right;
    int order = strcmp(a->folder, b->folder);

    return order ? order : a->age < b->age ? -1 : a->age > b->age;
}

/* The name that a VM bears now, else that of its newest backup. */
static const char *name_now(const struct pool *pool, const struct found_folder *found)
{
    for (size_t i = 0; found->vm_uuid && i < pool->vms_n; i++)
        if (str_equal(pool->vms[i].uuid, found->vm_uuid))
            return pool->vms[i].name;
    return found->vm_uuid ? found->vm_name : NULL;
}

/* A folder that the plan saves to. false: it has none. */
static bool choose_planned(const struct settings *settings, const struct plan *plan,
                           struct pruning_folder *folder, const char *name)
{
    const struct plan_job *best = NULL;

    for (size_t i = 0; i < plan->jobs_n; i++) {
        const struct plan_job *job = &plan->jobs[i];

        if (!str_equal(job->job.folder, name) || job->max_backups <= 0)
            continue;
        if (!best || (job->has_own_max_backups && !best->has_own_max_backups))
            best = job;
    }
    if (!best)
        return false;
    keep_choice_copy(&folder->keep, &best->keep);
    folder->rules.max_backups = best->max_backups;
    folder->max_by = mem_dup(best->has_own_max_backups                    ? best->job.chosen_by
                             : best->keep.numbers.has[KEEP_MAX_BACKUPS]   ? best->keep.by
                                                                          : NULL);
    if (!folder->max_by)
        folder->max_by = mem_dup(settings_source(settings, "max_backups"));
    return true;
}

/* What holds for a folder, and where it comes from. */
static void choose_rules(const struct settings *settings, const struct plan *plan,
                         const struct pool *pool, const struct found_folder *found,
                         struct pruning_folder *folder)
{
    CLEAN_TEXT_LIST struct text_list told = TEXT_LIST_INIT; /* a run warns of it */
    const char *name = name_now(pool, found);

    folder->rules = pruning_rules(settings);
    if (!choose_planned(settings, plan, folder, found->folder)) {
        if (name)
            keep_list_choose(&settings->keep, name, &folder->keep, &told);
        bool has_max = folder->keep.numbers.has[KEEP_MAX_BACKUPS];
        if (has_max)
            folder->rules.max_backups = folder->keep.numbers.values[KEEP_MAX_BACKUPS];
        folder->max_by =
            mem_dup(has_max ? folder->keep.by : settings_source(settings, "max_backups"));
    }
    keep_choice_apply(&folder->keep, &folder->rules);
}

char *pruning_because(const struct settings *settings, const struct pruning_folder *folder,
                      size_t index)
{
    enum keep_word word = keep_word_of(folder->expiry.verdicts[index].rule);
    const char *by = word == KEEP_MAX_BACKUPS ? folder->max_by : folder->keep.by;

    if (word == KEEP_WORDS_N || folder->is_orphan)
        return NULL;
    if (word != KEEP_MAX_BACKUPS && !folder->keep.numbers.has[word])
        by = settings_source(settings, keep_word_key(word));
    return str_format("%s = %lld (%s)", keep_word_key(word),
                      (long long)keep_word_value(&folder->rules, word), by ? by : "default");
}

static bool is_in_pool(const struct pool *pool, const char *vm_uuid)
{
    for (size_t i = 0; i < pool->vms_n; i++) {
        const struct vm *vm = &pool->vms[i];

        if (!vm->is_snapshot && !vm->is_template && str_equal(vm->uuid, vm_uuid))
            return true;
    }
    return false;
}

/* Pool and host backups belong to the pool; a VM's folder is an orphan when no VM of it is left. */
static bool is_orphan(const struct expiry *expiry, const struct pool *pool)
{
    bool has_vm = false;

    for (size_t i = 0; i < expiry->n; i++) {
        const char *vm_uuid = expiry->backups[i].vm_uuid;

        if (!vm_uuid)
            continue;
        has_vm = true;
        if (is_in_pool(pool, vm_uuid))
            return false;
    }
    return has_vm;
}

int pruning_judge(const struct settings *settings, struct catalog *catalog,
                  const struct pool *pool, const char *vm, struct pruning *ret_pruning,
                  struct error *err)
{
    CLEAN_SELECTION struct selection selection = {0};
    CLEAN_PLAN struct plan plan = {0};
    CLEANUP(found_done) struct found found = {.vm = vm};

    if (planning_make(settings, catalog, pool, &selection, &plan, err) < 0 ||
        catalog_each_backup(catalog, NULL, add_folder, &found, err) < 0)
        return -1;
    if (vm && found.n == 0)
        return error_set(err, ERROR_NOT_FOUND, "the catalog has no backup of %s", vm);
    if (found.n > 1)
        qsort(found.items, found.n, sizeof *found.items, compare_found);
    for (size_t i = 0; i < found.n; i++) {
        const char *folder = found.items[i].folder;

        if (i > 0 && str_equal(folder, found.items[i - 1].folder))
            continue;
        ret_pruning->folders = mem_grow(ret_pruning->folders, &ret_pruning->cap,
                                        ret_pruning->n + 1, sizeof *ret_pruning->folders);
        struct pruning_folder *item = &ret_pruning->folders[ret_pruning->n++];
        *item = (struct pruning_folder){.is_orphan = false};
        choose_rules(settings, &plan, pool, &found.items[i], item);
        if (expiry_judge(catalog, folder, &item->rules, &item->expiry, err) < 0)
            return -1;
        item->is_orphan = is_orphan(&item->expiry, pool);
    }
    return 0;
}

void pruning_plan(const struct pruning *pruning, const struct pool *pool, struct plan *ret_plan)
{
    for (size_t i = 0; i < pruning->n; i++) {
        const struct pruning_folder *folder = &pruning->folders[i];
        CLEAN_JOB struct job job = {.kind = JOB_EXPIRE};

        if (folder->is_orphan)
            continue;
        expiry_add_warnings(&folder->expiry, &ret_plan->warnings);
        if (!expiry_make_job(&folder->expiry, &job))
            continue;
        struct plan_job *planned = plan_add_job(ret_plan);
        job_copy(&planned->job, &job);
        planned->max_backups = folder->expiry.max_backups;
        for (size_t k = 0; k < pool->hosts_n; k++)
            text_list_add(&planned->hosts, pool->hosts[k].uuid);
    }
}
