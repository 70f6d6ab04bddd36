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

/* Folders that backups stand in. */
struct found {
    const char *vm; /* NULL: all */
    struct text_list folders;
};

void pruning_done(struct pruning *pruning)
{
    for (size_t i = 0; i < pruning->n; i++)
        expiry_done(&pruning->folders[i].expiry);
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
    text_list_done(&found->folders);
}

static int add_folder(void *context, const struct backup *backup, struct error *err)
{
    struct found *found = context;

    (void)err;
    if (found->vm && !str_equal(found->vm, backup->vm_name) &&
        !str_equal(found->vm, backup->vm_uuid) && !str_equal(found->vm, backup->folder))
        return 0;
    /* Rows of one folder mostly stand side by side; other twins are passed over later. */
    if (found->folders.n == 0 ||
        !str_equal(found->folders.items[found->folders.n - 1], backup->folder))
        text_list_add(&found->folders, backup->folder);
    return 0;
}

/* The numbers of selected folders. */
static int read_rules(const struct settings *settings, struct catalog *catalog,
                      const struct pool *pool, const struct retain_rules *retain,
                      struct expiry_rules_list *ret_rules, struct error *err)
{
    CLEAN_SELECTION struct selection selection = {0};
    CLEAN_PLAN struct plan plan = {0};

    if (planning_make(settings, catalog, pool, &selection, &plan, err) < 0)
        return -1;
    for (size_t i = 0; i < plan.jobs_n; i++) {
        const struct plan_job *job = &plan.jobs[i];

        if (job->job.folder && job->max_backups > 0)
            expiry_rules_list_add(ret_rules, job->job.folder, retain, job->max_backups);
    }
    return 0;
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
    CLEAN_EXPIRY_RULES_LIST struct expiry_rules_list rules = {0};
    CLEANUP(found_done) struct found found = {.vm = vm};
    const struct retain_rules global = pruning_rules(settings);

    if (read_rules(settings, catalog, pool, &global, &rules, err) < 0 ||
        catalog_each_backup(catalog, NULL, add_folder, &found, err) < 0)
        return -1;
    if (vm && found.folders.n == 0)
        return error_set(err, ERROR_NOT_FOUND, "the catalog has no backup of %s", vm);
    text_list_sort(&found.folders);
    for (size_t i = 0; i < found.folders.n; i++) {
        const char *folder = found.folders.items[i];
        const struct retain_rules *own = expiry_rules_list_find(&rules, folder);

        if (i > 0 && str_equal(folder, found.folders.items[i - 1]))
            continue;
        ret_pruning->folders = mem_grow(ret_pruning->folders, &ret_pruning->cap,
                                        ret_pruning->n + 1, sizeof *ret_pruning->folders);
        struct pruning_folder *item = &ret_pruning->folders[ret_pruning->n++];
        *item = (struct pruning_folder){.is_orphan = false};
        if (expiry_judge(catalog, folder, own ? own : &global, &item->expiry, err) < 0)
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
