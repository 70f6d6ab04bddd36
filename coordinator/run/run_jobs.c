/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a plan to the jobs of a run: new ones get their ids, those of a continued run keep theirs
 * with all they have behind them, and what dead attempts left is named.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/store/settle_find.h"
#include "coordinator/run/run_inside.h"
#include "coordinator/inventory.h"
#include "coordinator/policy/leftover.h"

#include "common/base/poison.h"

/* Jobs that a list owns. */
struct jobs {
    struct catalog_job *items;
    bool *taken; /* old ones: found again in the plan */
    size_t n, cap, taken_cap;
};

static void jobs_done(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++)
        catalog_job_done(&jobs->items[i]);
    free(jobs->items);
    free(jobs->taken);
}

static struct catalog_job *jobs_add(struct jobs *jobs)
{
    jobs->items = mem_grow(jobs->items, &jobs->cap, jobs->n + 1, sizeof *jobs->items);
    jobs->taken = mem_grow(jobs->taken, &jobs->taken_cap, jobs->n + 1, sizeof *jobs->taken);
    jobs->taken[jobs->n] = false;
    struct catalog_job *job = &jobs->items[jobs->n++];

    *job = (struct catalog_job){.state = JOB_STATE_PLANNED};
    return job;
}

struct remains_list {
    struct job_remains *items;
    size_t n, cap;
};

static void remains_list_done(struct remains_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].vm_uuid);
        free(list->items[i].folder);
        free(list->items[i].stem);
    }
    free(list->items);
}

static struct job_remains *remains_list_add(struct remains_list *list, const char *job,
                                            uint32_t attempt)
{
    list->items = mem_grow(list->items, &list->cap, list->n + 1, sizeof *list->items);
    struct job_remains *remains = &list->items[list->n++];

    *remains = (struct job_remains){.attempt = attempt};
    str_copy(remains->job, sizeof remains->job, job);
    return remains;
}

int run_begin_record(struct run *run, struct error *err)
{
    const int64_t now_at = clock_wall_ms(run->clock);
    struct catalog_run *record = &run->record;
    int found = 0;

    if (!run->request->is_new)
        found = catalog_find_unfinished_run(run->catalog, run->request->selection, run->pool_uuid,
                                            run->marker.store_uuid,
                                            now_at - run->settings.continue_ms, record, err);
    if (found < 0)
        return -1;
    if (catalog_abandon_runs(run->catalog, found ? record->id : NULL, now_at, err) < 0)
        return -1;
    run->outcome->is_continued = found > 0;
    record->state = CATALOG_RUN_RUNNING;
    record->lease = pool_thread_look_lease(run->pool_thread).n;
    if (found) {
        record->continued_at = now_at;
        error_clear(&record->error);
        if (catalog_update_run(run->catalog, record, err) < 0)
            return -1;
    } else {
        random_id(run->random, record->id);
        record->started_at = now_at;
        record->selection = mem_dup(run->request->selection);
        record->pool_uuid = mem_dup(run->pool_uuid);
        record->pool_name = mem_dup(run->pool_name);
        record->store_root = mem_dup(run->settings.store_root);
        record->store_uuid = mem_dup(run->marker.store_uuid);
        if (catalog_add_run(run->catalog, record, err) < 0)
            return -1;
    }
    str_copy(run->outcome->run, sizeof run->outcome->run, record->id);
    return 0;
}

static int add_old_job(void *context, const struct catalog_job *job, struct error *err)
{
    (void)err;
    catalog_job_copy(jobs_add(context), job);
    return 0;
}

/* Whether both mean the same piece of work. */
static bool is_same_work(const struct job *a, const struct job *b)
{
    if (a->kind != b->kind || !job_kind_is_backup(a->kind) || !str_equal(a->vm_uuid, b->vm_uuid) ||
        !str_equal(a->host_uuid, b->host_uuid))
        return false;
    if (a->kind != JOB_BACKUP_DISK)
        return a->vm_uuid || a->host_uuid || str_equal(a->vm_name, b->vm_name);
    if (a->disks_n != b->disks_n)
        return false;
    for (size_t i = 0; i < a->disks_n; i++)
        if (!str_equal(a->disks[i].vdi_uuid, b->disks[i].vdi_uuid))
            return false;
    return true;
}

static struct catalog_job *find_old(const struct jobs *old, const struct job *job)
{
    for (size_t i = 0; i < old->n; i++)
        if (!old->taken[i] && is_same_work(&old->items[i].job, job)) {
            old->taken[i] = true;
            return &old->items[i];
        }
    return NULL;
}

/* What a continued job keeps of its former life. */
static void keep_old(struct catalog_job *job, const struct catalog_job *old)
{
    str_copy(job->job.id, sizeof job->job.id, old->job.id);
    job->job.attempt = old->job.attempt;
    mem_set(&job->job.stem, old->job.stem);
    job->is_open = old->is_open;
    mem_set(&job->open_host_uuid, old->open_host_uuid);
    if (old->state == JOB_STATE_SKIPPED || (old->job.attempt == 0 && !job_state_is_end(old->state)))
        return; /* as the plan sees it now */
    job->state = old->state;
    mem_set(&job->reason, old->reason);
}

static void fill_job(struct run *run, struct catalog_job *job, const struct jobs *old)
{
    const struct catalog_job *known = find_old(old, &job->job);

    str_copy(job->job.run, sizeof job->job.run, run->record.id);
    job->job.lease = run->record.lease;
    if (known)
        keep_old(job, known);
    else
        random_id(run->random, job->job.id);
}

/* What a job that waits is known by in the next plan. */
static char *name_work(const struct job *job)
{
    return str_format("%s %s %s", job_kind_name(job->kind), job->vm_uuid ? job->vm_uuid : "",
                      job->kind == JOB_BACKUP_DISK && job->disks_n > 0 ? job->disks[0].vdi_uuid
                                                                       : "");
}

static void add_planned(struct run *run, const struct plan_job *planned, const struct jobs *old,
                        struct jobs *jobs)
{
    struct catalog_job *job = jobs_add(jobs);

    job_copy(&job->job, &planned->job);
    job->position = jobs->n;
    job->state = planned->state;
    job->reason = mem_dup(planned->reason);
    job->may_be_redirected = planned->may_be_redirected;
    text_list_copy(&job->hosts, &planned->hosts);
    text_list_copy(&job->srs, &planned->srs);
    fill_job(run, job, old);
    if (job->state == JOB_STATE_WAITING && job->job.vm_uuid) {
        CLEAN_CHAR char *work = name_work(&job->job);

        text_map_set(&run->waiting, work, job->job.id);
    }
    for (size_t i = 0; i < planned->warnings.n; i++)
        run_warn(run, planned->warnings.items[i]);
}

static void add_skipped(struct run *run, const struct plan_skipped *skipped, const struct jobs *old,
                        struct jobs *jobs)
{
    struct catalog_job *job = jobs_add(jobs);

    job->job.kind = skipped->kind;
    job->job.vm_uuid = mem_dup(skipped->vm_uuid);
    job->job.vm_name = mem_dup(skipped->name);
    job->job.compress = JOB_COMPRESS_NONE;
    job->job.disk_format = JOB_DISK_RAW;
    job->position = jobs->n;
    fill_job(run, job, old);
    /* A finished backup stays one, though its VM can't be planned any more. */
    if (job->state == JOB_STATE_DONE)
        return;
    job->state = skipped->is_failure ? JOB_STATE_FAILED : JOB_STATE_SKIPPED;
    mem_set(&job->reason, skipped->reason);
}

/* Jobs of the former part of the run that the plan does not have any more. */
static void end_unplanned(const struct jobs *old, struct jobs *jobs)
{
    for (size_t i = 0; i < old->n; i++) {
        if (old->taken[i])
            continue;
        struct catalog_job *job = jobs_add(jobs);

        catalog_job_copy(job, &old->items[i]);
        if (job_state_is_end(job->state))
            continue;
        /* Cleanups and expires are made anew from what the catalog says. */
        bool is_backup = job_kind_is_backup(job->job.kind);
        job->state = is_backup ? JOB_STATE_SKIPPED : JOB_STATE_CANCELLED;
        mem_set(&job->reason,
                is_backup ? "it is no longer there to be backed up" : "a later job does it");
    }
}

static int add_attempt_remains(void *context, const struct catalog_attempt *attempt,
                               struct error *err)
{
    struct job_remains *remains = remains_list_add(context, attempt->job, attempt->attempt);

    (void)err;
    remains->vm_uuid = mem_dup(attempt->vm_uuid);
    if (attempt->folder && attempt->stem) {
        remains->folder = mem_dup(attempt->folder);
        remains->stem = mem_dup(attempt->stem);
    }
    return 0;
}

static bool has_remains_of(const struct remains_list *list, const char *job)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].job, job) == 0)
            return true;
    return false;
}

/* What OnyxBackupVM left: reported, and removed only if that is wished and nobody can be at work with
 * it any more. */
static void add_old(struct run *run, const struct leftover_old *old, struct remains_list *list)
{
    bool may_go = run->settings.adopt_snapshots && !old->is_fresh;
    char job[JOB_ID_MAX];
    CLEAN_CHAR char *text = str_format(
        "OnyxBackupVM left %s ONYXBACKUP of %s (%s)%s", old->is_disk ? "a disk snapshot" : "a snapshot",
        old->of_name, old->uuid,
        may_go          ? ": it is removed (adopt_snapshots)"
        : old->is_fresh ? "; it is less than a day old and stays"
                        : "; adopt_snapshots = yes removes it");

    run_warn(run, text);
    if (!may_go)
        return;
    random_id(run->random, job);
    struct job_remains *remains = remains_list_add(list, job, 1);
    remains->vm_uuid = mem_dup(old->uuid);
    remains->is_old_tool = true;
}

/* What stands in the pool and bears our mark, whatever catalog once knew of it. */
static void add_leftovers(struct run *run, struct remains_list *list)
{
    CLEAN_TEXT_LIST struct text_list alive = TEXT_LIST_INIT;
    CLEAN_LEFTOVER_LIST struct leftover_list found = {0};
    const struct leftover_request request = {
        .lease = pool_thread_look_lease(run->pool_thread).n,
        .alive_jobs = &alive,
        .now_at = clock_wall_ms(run->clock)};

    control_list_alive(run->control, &alive);
    leftover_find(&run->inventory, &request, &found);
    for (size_t i = 0; i < found.n; i++)
        if (!has_remains_of(list, found.items[i].job))
            remains_list_add(list, found.items[i].job, 1)->vm_uuid =
                mem_dup(found.items[i].vm_uuid);
    for (size_t i = 0; i < found.olds_n; i++)
        add_old(run, &found.olds[i], list);
    for (size_t i = 0; i < found.notices.n; i++)
        log_info("run", "%s", found.notices.items[i]);
}

/* What is looked for in one folder. */
struct partials {
    struct remains_list *list;
    const struct text_list *alive;
    const char *folder;
};

static void add_partial(void *context, const char *stem, const char *job, uint32_t attempt)
{
    const struct partials *partials = context;
    struct remains_list *list = partials->list;

    if (text_list_has(partials->alive, job))
        return;
    for (size_t i = 0; i < list->n; i++) {
        struct job_remains *known = &list->items[i];

        if (strcmp(known->job, job) != 0 || (known->folder && known->attempt != attempt))
            continue;
        if (known->folder)
            return;
        /* Found in the pool: now its files are known too. */
        known->attempt = attempt;
        known->folder = mem_dup(partials->folder);
        known->stem = mem_dup(stem);
        return;
    }
    struct job_remains *remains = remains_list_add(list, job, attempt);

    remains->folder = mem_dup(partials->folder);
    remains->stem = mem_dup(stem);
}

/* What stands half done in the folders that are saved to: a lost catalog would leave it for good. */
static void add_partials(struct run *run, const struct jobs *jobs, struct remains_list *list)
{
    CLEAN_TEXT_LIST struct text_list alive = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list folders = TEXT_LIST_INIT;
    struct partials partials = {.list = list, .alive = &alive};

    control_list_alive(run->control, &alive);
    for (size_t i = 0; i < jobs->n; i++)
        if (jobs->items[i].job.folder && !text_list_has(&folders, jobs->items[i].job.folder))
            text_list_add(&folders, jobs->items[i].job.folder);
    for (size_t i = 0; i < folders.n; i++) {
        struct error error = ERROR_INIT;

        partials.folder = folders.items[i];
        if (settle_find(run->store, folders.items[i], add_partial, &partials, &error) < 0)
            log_warn("run", "look for what dead attempts left in %s: %s", folders.items[i],
                     error.text);
    }
}

/* Reading a big pool may take longer than a lease lives. */
static void run_keep_lease(void *context)
{
    pool_thread_renew_due(context);
}

struct reading {
    struct run *run;
    struct pool *pool; /* empty; the inventory goes here */
};

static int run_work_inventory(struct xapi *xapi, void *context, struct error *err)
{
    struct reading *reading = context;

    return inventory_read(xapi, run_keep_lease, reading->run->pool_thread, reading->pool, err);
}

static int run_read_pool(struct run *run, struct pool *ret_pool, struct error *err)
{
    struct reading reading = {.run = run, .pool = ret_pool};

    return pool_thread_do(run->pool_thread, run_work_inventory, &reading, err);
}

static int run_make_plan(struct run *run, struct error *err)
{
    run_tell_stage(run, RUN_STAGE_PLAN, NULL);
    if (run_read_pool(run, &run->inventory, err) < 0)
        return error_add(err, "read the inventory");
    if (run->request->plan(run->request->plan_context, &run->inventory, &run->plan, err) < 0)
        return -1;
    for (size_t i = 0; i < run->plan.warnings.n; i++)
        run_warn(run, run->plan.warnings.items[i]);
    run_tell(run, &(struct run_event){.kind = RUN_EVENT_PLAN, .plan = &run->plan});
    return 0;
}

/* How many old backups stay in each folder that is saved to. */
static void set_rules(struct run *run)
{
    CLEAN_EXPIRY_RULES_LIST struct expiry_rules_list rules = {0};

    for (size_t i = 0; i < run->plan.jobs_n; i++) {
        const struct plan_job *job = &run->plan.jobs[i];

        if (job_kind_is_backup(job->job.kind) && job->job.folder && job->max_backups > 0) {
            struct retain_rules retain = run->settings.retain;

            keep_choice_apply(&job->keep, &retain);
            expiry_rules_list_add(&rules, job->job.folder, &retain, job->max_backups);
        }
    }
    control_set_rules_take(run->control, &rules);
}

static int read_known(struct run *run, struct jobs *old, struct remains_list *remains,
                      struct error *err)
{
    if (catalog_each_job(run->catalog, run->record.id, add_old_job, old, err) < 0)
        return -1;
    return catalog_each_remains(run->catalog, add_attempt_remains, remains, err);
}

/* A job that no message can carry fails here, with its reason, instead of never being heard. */
static void check_crossing(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++) {
        struct catalog_job *job = &jobs->items[i];
        CLEAN_JOB struct job copy = {.attempt = 0};
        struct error error = ERROR_INIT;

        if (job_state_is_end(job->state))
            continue;
        job_copy(&copy, &job->job);
        copy.attempt = 1;
        copy.lease = 1;
        if (copy.folder)
            mem_set(&copy.stem, "backup_20000101-000000");
        if (wire_job_check(&copy, &error) == 0)
            continue;
        job->state = JOB_STATE_FAILED;
        mem_set(&job->reason, error.text);
    }
}

int run_plan_jobs(struct run *run, struct error *err)
{
    CLEANUP(jobs_done) struct jobs old = {0};
    CLEANUP(jobs_done) struct jobs jobs = {0};
    CLEANUP(remains_list_done) struct remains_list remains = {0};

    if (run_make_plan(run, err) < 0 || run_check_shared(run, err) < 0 ||
        read_known(run, &old, &remains, err) < 0)
        return -1;
    for (size_t i = 0; i < run->plan.jobs_n; i++)
        add_planned(run, &run->plan.jobs[i], &old, &jobs);
    for (size_t i = 0; i < run->plan.skipped_n; i++)
        add_skipped(run, &run->plan.skipped[i], &old, &jobs);
    check_crossing(&jobs);
    end_unplanned(&old, &jobs);
    add_leftovers(run, &remains);
    add_partials(run, &jobs, &remains);
    set_rules(run);
    if (control_plan(run->control, jobs.items, jobs.n, remains.items, remains.n, err) < 0)
        return error_add(err, "record the plan");
    return 0;
}

struct replan {
    struct pool pool;
    struct plan plan;
};

static void replan_done(struct replan *replan)
{
    plan_done(&replan->plan);
    pool_done(&replan->pool);
}

int run_release_waiting(struct run *run, struct error *err)
{
    CLEANUP(replan_done) struct replan again = {0};

    if (run->waiting.n == 0)
        return 0;
    if (run_read_pool(run, &again.pool, err) < 0 ||
        run->request->plan(run->request->plan_context, &again.pool, &again.plan, err) < 0)
        return -1;
    for (size_t i = 0; i < again.plan.jobs_n; i++) {
        const struct plan_job *planned = &again.plan.jobs[i];
        CLEAN_CHAR char *work = name_work(&planned->job);
        const char *id = text_map_get(&run->waiting, work);

        if (id && planned->state == JOB_STATE_PLANNED)
            control_release_job(run->control, id);
    }
    return 0;
}

int run_replan(struct run *run, struct error *err)
{
    CLEANUP(replan_done) struct replan again = {0};

    if (run_read_pool(run, &again.pool, err) < 0 ||
        run->request->plan(run->request->plan_context, &again.pool, &again.plan, err) < 0)
        return -1;
    control_follow_plan(run->control, &again.plan);
    return 0;
}
