/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The parts of a planned job that all kinds need, and the reasons for which there is none: where it
 * may run, its disks, its VM.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "coordinator/policy/plan_inside.h"

#include "common/base/poison.h"

void plan_job_done(struct plan_job *job)
{
    job_done(&job->job);
    mem_free_char(&job->reason);
    text_list_done(&job->hosts);
    text_list_done(&job->srs);
    text_list_done(&job->warnings);
    keep_choice_done(&job->keep);
}

struct plan_job *plan_add_job(struct plan *plan)
{
    plan->jobs = mem_grow(plan->jobs, &plan->jobs_cap, plan->jobs_n + 1, sizeof *plan->jobs);
    struct plan_job *job = &plan->jobs[plan->jobs_n++];
    *job = (struct plan_job){.state = JOB_STATE_PLANNED};
    return job;
}

char *plan_stem_prefix(const struct job *job)
{
    switch (job->kind) {
    case JOB_BACKUP_VM:
    case JOB_BACKUP_DISK: /* each disk's own stem is made from it: backup_disk_stem */
        return mem_dup("backup_");
    case JOB_BACKUP_POOL:
        return mem_dup("metadata_");
    case JOB_BACKUP_HOST:
        return mem_dup("host_");
    case JOB_EXPIRE:
    case JOB_SCAN:
    case JOB_VERIFY:
    case JOB_RESTORE:
    case JOB_CLEANUP:
        break;
    }
    return NULL;
}

void plan_skip(struct planner *p, enum job_kind kind, const char *vm_uuid, const char *name,
               const char *format, ...)
{
    char reason[REASON_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    struct plan *plan = p->plan;
    plan->skipped =
        mem_grow(plan->skipped, &plan->skipped_cap, plan->skipped_n + 1, sizeof *plan->skipped);
    plan->skipped[plan->skipped_n++] =
        (struct plan_skipped){kind, mem_dup(vm_uuid), mem_dup(name), mem_dup(reason), true};
}

/* ---- where it may run ---- */

static void add_sr(struct planner *p, struct plan_job *job, size_t sr)
{
    if (sr != POOL_NONE && !text_list_has(&job->srs, p->pool->srs[sr].uuid))
        text_list_add(&job->srs, p->pool->srs[sr].uuid);
}

static bool sees_all(const struct planner *p, const struct plan_job *job, size_t host)
{
    for (size_t i = 0; i < job->srs.n; i++) {
        if (!pool_host_sees_sr(p->pool, host, pool_find_sr(p->pool, job->srs.items[i])))
            return false;
    }
    return true;
}

bool plan_find_hosts(struct planner *p, struct plan_job *job, char reason[REASON_MAX])
{
    const char *away = NULL;
    for (size_t i = 0; i < p->pool->hosts_n; i++) {
        const struct host *host = p->hosts[i];
        if (!sees_all(p, job, (size_t)(host - p->pool->hosts)))
            continue;
        if (host->enabled && host->live)
            text_list_add(&job->hosts, host->uuid);
        else
            away = host->name;
    }
    if (job->hosts.n > 0)
        return true;
    if (away) {
        snprintf(reason, REASON_MAX, "host %s, which sees its disks, is disabled or down", away);
        return false;
    }
    CLEAN_STR struct str srs = STR_INIT;
    for (size_t i = 0; i < job->srs.n; i++)
        str_add_format(&srs, "%s%s", i ? ", " : "",
                       p->pool->srs[pool_find_sr(p->pool, job->srs.items[i])].name);
    snprintf(reason, REASON_MAX, "no host sees all SRs of its disks (%s)", str_text(&srs));
    return false;
}

/* ---- its disks ---- */

static int compare_disks(const void *left, const void *right)
{
    const struct vdi *const *a = left, *const *b = right;
    return strcmp((*a)->uuid, (*b)->uuid);
}

void plan_sort_disks(struct planner *p)
{
    p->disks = mem_zero(p->pool->vdis_n + 1, sizeof *p->disks);
    for (size_t i = 0; i < p->pool->vdis_n; i++)
        p->disks[i] = &p->pool->vdis[i];
    if (p->pool->vdis_n > 1)
        qsort(p->disks, p->pool->vdis_n, sizeof *p->disks, compare_disks);
}

/* How many disks stand below this one, as far as the pool tells. */
static unsigned chain_length(const struct planner *p, const struct vdi *vdi, unsigned max)
{
    unsigned n = 0;
    while (vdi->vhd_parent && n <= max) {
        const struct vdi wanted = {.uuid = vdi->vhd_parent}, *key = &wanted;
        const struct vdi **parent =
            bsearch(&key, p->disks, p->pool->vdis_n, sizeof *p->disks, compare_disks);
        n++;
        if (!parent)
            break;
        vdi = *parent;
    }
    return n;
}

void plan_add_disk(struct planner *p, struct plan_job *job, const struct vbd *vbd)
{
    const struct vdi *vdi = &p->pool->vdis[vbd->vdi];
    struct job_disk *disk = job_add_disk(&job->job);
    char device[16];
    mem_set(&disk->device, vbd_device_name(vbd, device));
    mem_set(&disk->vdi_uuid, vdi->uuid);
    disk->virtual_size_bytes = vdi->virtual_size_bytes;
    add_sr(p, job, vdi->sr);
    unsigned max = p->settings->chain_max ? p->settings->chain_max : PLAN_CHAIN_MAX;
    unsigned chain = chain_length(p, vdi, max);
    if (chain > max && job->state == JOB_STATE_PLANNED) {
        job->state = JOB_STATE_WAITING;
        job->reason = str_format("disk %s has a chain of more than %u; its SR must coalesce first",
                                 disk->device, max);
    }
}

const char *plan_disk_obstacle(const struct pool *pool, const struct vbd *vbd)
{
    const struct vdi *vdi = &pool->vdis[vbd->vdi];
    if (vdi->missing)
        return "is missing on its SR";
    if (vdi->sr == POOL_NONE)
        return "is on no SR that the pool knows";
    if (!pool->srs[vdi->sr].can_snapshot)
        return "is on an SR that can't make snapshots";
    if (vdi->sharable)
        return "may be shared by several VMs (sharable): the pool takes no snapshot of it";
    if (vdi->on_boot_reset)
        return "is thrown away at each boot (on_boot=reset): the pool takes no snapshot of it";
    return NULL;
}

int plan_compare_devices(const void *left, const void *right)
{
    const char *a = ((const struct job_disk *)left)->device;
    const char *b = ((const struct job_disk *)right)->device;
    if (strlen(a) != strlen(b))
        return strlen(a) < strlen(b) ? -1 : 1;
    return strcmp(a, b);
}

/* ---- its VM ---- */

void plan_add_vm_facts(struct planner *p, struct plan_job *job, const struct vm *vm,
                       const struct selected *selected)
{
    mem_set(&job->job.vm_uuid, vm->uuid);
    mem_set(&job->job.vm_name, vm->name);
    mem_set(&job->job.chosen_by, selected->by);
    mem_set(&job->job.hook, selected->hook);
    job->job.folder = plan_choose_folder(p, vm, &job->warnings);
    job->job.idle_timeout_ms = p->settings->idle_timeout_ms;
    keep_list_choose(p->settings->keep, vm->name, &job->keep, &job->warnings);
    job->has_own_max_backups = selected->max_backups != 0;
    const struct keep_numbers *numbers = &job->keep.numbers;
    job->max_backups = selected->max_backups            ? selected->max_backups
                       : numbers->has[KEEP_MAX_BACKUPS] ? numbers->values[KEEP_MAX_BACKUPS]
                                                        : p->settings->max_backups;
    job->may_be_redirected = true;
}

bool plan_may(struct planner *p, enum job_kind kind, const char *vm_uuid, const char *name)
{
    if (p->settings->kinds & (1u << kind))
        return true;
    plan_skip(p, kind, vm_uuid, name, "no agent of this release carries out %s",
              job_kind_name(kind));
    return false;
}

bool plan_check_vm(struct planner *p, enum job_kind kind, const struct vm *vm)
{
    const char *blocked = text_map_get(&vm->blocked_operations, "snapshot");
    if (blocked)
        plan_skip(p, kind, vm->uuid, vm->name, "the operation snapshot is blocked on this VM (%s)",
                  *blocked ? blocked : "without a reason");
    return !blocked;
}
