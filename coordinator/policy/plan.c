/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One job for each chosen VM, disk, host and the pool's database, or a reason why there is none.
 */
#include "coordinator/policy/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "common/model/name_on_share.h"
#include "coordinator/policy/plan_inside.h"

#include "common/base/poison.h"

#define POOL_FOLDER        "POOL_DB"
#define HOST_FOLDER_PREFIX "HOST_"

/* ---- the plan as a value ---- */

void plan_done(struct plan *plan)
{
    for (size_t i = 0; i < plan->jobs_n; i++)
        plan_job_done(&plan->jobs[i]);
    mem_free_void(&plan->jobs);
    for (size_t i = 0; i < plan->skipped_n; i++) {
        mem_free_char(&plan->skipped[i].vm_uuid);
        mem_free_char(&plan->skipped[i].name);
        mem_free_char(&plan->skipped[i].reason);
    }
    mem_free_void(&plan->skipped);
    text_list_done(&plan->warnings);
    *plan = (struct plan){0};
}

static int compare_hosts(const void *left, const void *right)
{
    const struct host *const *a = left, *const *b = right;
    int order = strcmp((*a)->name, (*b)->name);
    return order ? order : strcmp((*a)->uuid, (*b)->uuid);
}

static void sort_hosts(struct planner *p)
{
    p->hosts = mem_zero(p->pool->hosts_n + 1, sizeof *p->hosts);
    for (size_t i = 0; i < p->pool->hosts_n; i++)
        p->hosts[i] = &p->pool->hosts[i];
    if (p->pool->hosts_n > 1)
        qsort(p->hosts, p->pool->hosts_n, sizeof *p->hosts, compare_hosts);
}

/* ---- jobs ---- */

static uint64_t estimate_vm(const struct planner *p, const struct vm *vm, bool *ret_is_proven)
{
    const struct plan_known *known = plan_find_known(p, vm->uuid);
    uint64_t physical = pool_vm_physical_bytes(p->pool, vm);
    *ret_is_proven = known && known->vm_bytes != 0;
    if (!*ret_is_proven)
        return physical ? physical : pool_vm_virtual_bytes(p->pool, vm);
    if (known->vm_source_bytes == 0 || physical == 0)
        return known->vm_bytes;
    double ratio = (double)known->vm_bytes / (double)known->vm_source_bytes;
    return (uint64_t)((double)physical * ratio);
}

/* An ISO that no host can read: the drive of the snapshot is emptied, like every other. */
static void warn_of_cds(const struct planner *p, const struct vm *vm, struct text_list *warnings)
{
    for (size_t i = 0; i < vm->vbds_n; i++) {
        const struct vbd *vbd = &p->pool->vbds[vm->vbds[i]];
        size_t sr = vbd->vdi == POOL_NONE ? POOL_NONE : p->pool->vdis[vbd->vdi].sr;
        if (vbd->type == VBD_CD && sr != POOL_NONE && p->pool->srs[sr].hosts_n == 0)
            text_list_add_format(warnings,
                                 "%s: no host sees %s, where the ISO in its drive is; the VM is "
                                 "saved with an empty drive",
                                 vm->name, p->pool->srs[sr].name);
    }
}

static void plan_vm(struct planner *p, const struct selected *selected)
{
    const struct vm *vm = &p->pool->vms[selected->vm];
    if (!plan_may(p, JOB_BACKUP_VM, vm->uuid, vm->name) || !plan_check_vm(p, JOB_BACKUP_VM, vm))
        return;
    if (vm->has_vusbs) {
        plan_skip(
            p, JOB_BACKUP_VM, vm->uuid, vm->name,
            "it has USB devices (VUSBs), and the pool takes no snapshot of such a VM: take them "
            "from it, or choose its disks in vdi_exports");
        return;
    }
    struct plan_job *job = plan_add_job(p->plan);
    job->job.kind = JOB_BACKUP_VM;
    job->job.compress = p->settings->compress;
    char reason[REASON_MAX] = "";
    for (size_t i = 0; i < vm->vbds_n && !*reason; i++) {
        const struct vbd *vbd = &p->pool->vbds[vm->vbds[i]];
        if (!pool_vbd_is_exported(p->pool, vbd))
            continue;
        char device[16];
        const char *obstacle = plan_disk_obstacle(p->pool, vbd);
        if (obstacle)
            snprintf(reason, sizeof reason, "disk %s %s", vbd_device_name(vbd, device), obstacle);
        else
            plan_add_disk(p, job, vbd);
    }
    bool has_obstacle = *reason != '\0';
    if (has_obstacle || !plan_find_hosts(p, job, reason)) {
        plan_job_done(job);
        p->plan->jobs_n--;
        if (has_obstacle || !plan_scattered(p, selected, reason))
            plan_skip(p, JOB_BACKUP_VM, vm->uuid, vm->name, "%s", reason);
        return;
    }
    plan_check_room(p, job, vm->vbds, vm->vbds_n);
    if (job->job.disks_n > 1)
        qsort(job->job.disks, job->job.disks_n, sizeof *job->job.disks, plan_compare_devices);
    plan_add_vm_facts(p, job, vm, selected);
    job->job.estimate_bytes = estimate_vm(p, vm, &job->job.is_estimate_proven);
    if (job->job.disks_n == 0)
        text_list_add_format(&job->warnings, "%s: has no disk; its metadata alone is exported",
                             vm->name);
    warn_of_cds(p, vm, &job->warnings);
    if (vm->power_state == VM_SUSPENDED)
        text_list_add_format(&job->warnings,
                             "%s: is suspended; its disks are saved, its memory is not", vm->name);
}

static void plan_host(struct planner *p, const struct host *host)
{
    if (!plan_may(p, JOB_BACKUP_HOST, NULL, host->name))
        return;
    if (!host->live) {
        plan_skip(p, JOB_BACKUP_HOST, NULL, host->name, "the host is down");
        return;
    }
    struct plan_job *job = plan_add_job(p->plan);
    CLEAN_CHAR char *name = name_on_share_encode(host->hostname, host->uuid);
    job->job.kind = JOB_BACKUP_HOST;
    job->job.compress = JOB_COMPRESS_NONE;
    mem_set(&job->job.host_uuid, host->uuid);
    job->job.folder = str_format(HOST_FOLDER_PREFIX "%s", name);
    job->job.idle_timeout_ms = p->settings->idle_timeout_ms;
    job->max_backups = p->settings->max_backups;
    text_list_add(&job->hosts, host->uuid);
}

static void plan_pool_database(struct planner *p)
{
    if (!plan_may(p, JOB_BACKUP_POOL, NULL, "pool database"))
        return;
    if (p->pool->master == POOL_NONE) {
        plan_skip(p, JOB_BACKUP_POOL, NULL, "pool database", "the pool names no master");
        return;
    }
    struct plan_job *job = plan_add_job(p->plan);
    job->job.kind = JOB_BACKUP_POOL;
    job->job.compress = JOB_COMPRESS_NONE;
    mem_set(&job->job.folder, POOL_FOLDER);
    job->job.idle_timeout_ms = p->settings->idle_timeout_ms;
    job->max_backups = p->settings->max_backups;
    text_list_add(&job->hosts, p->pool->hosts[p->pool->master].uuid);
}

/* ---- order ---- */

/* As policy/place has it: what is unknown is taken for the longest. */
static int compare_sizes(uint64_t a, uint64_t b)
{
    a = a ? a : UINT64_MAX;
    b = b ? b : UINT64_MAX;
    return a > b ? -1 : a < b ? 1 : 0;
}

static int compare_jobs(const void *left, const void *right)
{
    const struct plan_job *a = left, *b = right;
    int a_is_pool = a->job.kind == JOB_BACKUP_POOL, b_is_pool = b->job.kind == JOB_BACKUP_POOL;
    if (a_is_pool != b_is_pool)
        return b_is_pool - a_is_pool;
    if (a->hosts.n != b->hosts.n)
        return a->hosts.n < b->hosts.n ? -1 : 1;
    int order = compare_sizes(a->job.estimate_bytes, b->job.estimate_bytes);
    if (order == 0)
        order = strcmp(a->job.folder, b->job.folder);
    if (order == 0 && a->job.disks_n > 0 && b->job.disks_n > 0)
        order = strcmp(a->job.disks[0].device, b->job.disks[0].device);
    return order ? order : (int)a->job.kind - (int)b->job.kind;
}

/* Of two exports of one VM, the larger number of backups holds for their one folder. */
static void share_max_backups(struct plan *plan)
{
    for (size_t i = 0; i < plan->jobs_n; i++) {
        for (size_t k = 0; plan->jobs[i].job.vm_uuid && k < plan->jobs_n; k++) {
            if (str_equal(plan->jobs[i].job.vm_uuid, plan->jobs[k].job.vm_uuid) &&
                plan->jobs[i].max_backups < plan->jobs[k].max_backups)
                plan->jobs[i].max_backups = plan->jobs[k].max_backups;
        }
    }
}

void plan_make(const struct pool *pool, const struct selection *selection,
               const struct plan_settings *settings, struct plan *ret_plan)
{
    struct plan plan = {0};
    struct planner p = {.pool = pool, .settings = settings, .plan = &plan};
    for (size_t i = 0; i < settings->known_n; i++) {
        if (settings->known[i].folder)
            plan_own_folder(&p, settings->known[i].folder, settings->known[i].vm_uuid);
    }
    plan_sort_disks(&p);
    sort_hosts(&p);
    if (settings->pool_backup)
        plan_pool_database(&p);
    for (size_t i = 0; settings->host_backup && i < pool->hosts_n; i++)
        plan_host(&p, p.hosts[i]);
    for (size_t i = 0; i < selection->vdi_exports.n; i++)
        plan_vdi_exports(&p, &selection->vdi_exports.items[i]);
    for (size_t i = 0; i < selection->vm_exports.n; i++)
        plan_vm(&p, &selection->vm_exports.items[i]);
    if (selection->vdi_exports.n > 0)
        share_max_backups(&plan);
    if (plan.jobs_n > 1)
        qsort(plan.jobs, plan.jobs_n, sizeof *plan.jobs, compare_jobs);
    for (size_t i = 0; i < selection->warnings.n; i++)
        text_list_add(&plan.warnings, selection->warnings.items[i]);
    for (size_t i = 0; i < p.folders_n; i++)
        mem_free_char(&p.folders[i].folder);
    mem_free_void(&p.folders);
    mem_free_void(&p.disks);
    mem_free_void(&p.hosts);
    *ret_plan = plan;
}
