/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Jobs of single disks. Those of one VM go into one job, so that one snapshot can hold them, as
 * long as there is a host that sees them all.
 */
#include <stdlib.h>

#include "common/base/str.h"
#include "coordinator/policy/plan_inside.h"

#include "common/base/poison.h"

static const struct vbd *find_device(const struct planner *p, const struct vm *vm,
                                     const char *device)
{
    for (size_t i = 0; i < vm->vbds_n; i++) {
        const struct vbd *vbd = &p->pool->vbds[vm->vbds[i]];
        char name[16];
        if (pool_vbd_is_exported(p->pool, vbd) && str_equal(vbd_device_name(vbd, name), device))
            return vbd;
    }
    return NULL;
}

static uint64_t estimate_disk(const struct vdi *vdi, enum job_disk_format format)
{
    return format == JOB_DISK_RAW || vdi->physical_utilisation_bytes == 0
               ? vdi->virtual_size_bytes
               : vdi->physical_utilisation_bytes;
}

/* One job for these disks of one VM (VBDs of the pool), read from one snapshot where the pool can
 * do that; false, and nothing added, when no host sees them all. */
static bool plan_disks(struct planner *p, const struct selected *selected, const size_t *vbds,
                       size_t n, enum job_disk_format format, char reason[REASON_MAX])
{
    struct plan_job *job = plan_add_job(p->plan);
    job->job.kind = JOB_BACKUP_DISK;
    job->job.disk_format = format;
    job->job.compress =
        p->settings->disk_compress != 0 ? p->settings->disk_compress : JOB_COMPRESS_NONE;
    for (size_t i = 0; i < n; i++) {
        const struct vbd *vbd = &p->pool->vbds[vbds[i]];
        plan_add_disk(p, job, vbd);
        job->job.estimate_bytes += estimate_disk(&p->pool->vdis[vbd->vdi], format);
    }
    if (!plan_find_hosts(p, job, reason)) {
        plan_job_done(job);
        p->plan->jobs_n--;
        return false;
    }
    plan_check_room(p, job, vbds, n);
    if (n > 1)
        qsort(job->job.disks, n, sizeof *job->job.disks, plan_compare_devices);
    plan_add_vm_facts(p, job, &p->pool->vms[selected->vm], selected);
    return true;
}

/* Each disk by a job of its own, on whatever host sees it. */
static void plan_disks_apart(struct planner *p, const struct selected *selected, const size_t *vbds,
                             size_t n, enum job_disk_format format)
{
    const struct vm *vm = &p->pool->vms[selected->vm];
    for (size_t i = 0; i < n; i++) {
        char reason[REASON_MAX] = "", device[16];
        if (!plan_disks(p, selected, &vbds[i], 1, format, reason))
            plan_skip(p, JOB_BACKUP_DISK, vm->uuid, vm->name, "disk %s: %s",
                      vbd_device_name(&p->pool->vbds[vbds[i]], device), reason);
    }
}

bool plan_scattered(struct planner *p, const struct selected *selected, const char *reason)
{
    const struct vm *vm = &p->pool->vms[selected->vm];
    CLEANUP(mem_free_void) size_t *vbds = mem_zero(vm->vbds_n + 1, sizeof *vbds);
    size_t n = 0, jobs = p->plan->jobs_n;
    for (size_t i = 0; i < vm->vbds_n; i++)
        if (pool_vbd_is_exported(p->pool, &p->pool->vbds[vm->vbds[i]]))
            vbds[n++] = vm->vbds[i];
    if (n < 2 || !(p->settings->kinds & (1u << JOB_BACKUP_DISK)))
        return false;
    for (size_t i = 0; i < n; i++) {
        char ignored[REASON_MAX];
        if (plan_disks(p, selected, &vbds[i], 1, JOB_DISK_VHD, ignored))
            continue;
        while (p->plan->jobs_n > jobs)
            plan_job_done(&p->plan->jobs[--p->plan->jobs_n]);
        return false;
    }
    text_list_add_format(&p->plan->jobs[jobs].warnings,
                         "%s: %s; each disk is exported as a VHD, not all at one moment", vm->name,
                         reason);
    return true;
}

void plan_vdi_exports(struct planner *p, const struct selected *selected)
{
    const struct vm *vm = &p->pool->vms[selected->vm];
    if (!plan_may(p, JOB_BACKUP_DISK, vm->uuid, vm->name) || !plan_check_vm(p, JOB_BACKUP_DISK, vm))
        return;
    CLEANUP(mem_free_void) size_t *vbds = mem_zero(selected->disks.n + 1, sizeof *vbds);
    size_t n = 0;
    for (size_t i = 0; i < selected->disks.n; i++) {
        const char *device = selected->disks.items[i];
        const struct vbd *vbd = find_device(p, vm, device);
        const char *obstacle = vbd ? plan_disk_obstacle(p->pool, vbd) : "is not there";
        if (obstacle)
            plan_skip(p, JOB_BACKUP_DISK, vm->uuid, vm->name, "disk %s %s", device, obstacle);
        else
            vbds[n++] = (size_t)(vbd - p->pool->vbds);
    }
    char reason[REASON_MAX] = "";
    enum job_disk_format format = p->settings->disk_format;
    if (n == 0 || (n > 1 && plan_disks(p, selected, vbds, n, format, reason)))
        return;
    size_t before = p->plan->jobs_n;
    plan_disks_apart(p, selected, vbds, n, format);
    if (n > 1 && p->plan->jobs_n > before)
        text_list_add_format(&p->plan->jobs[before].warnings,
                             "%s: its disks are not taken at one moment: %s", vm->name, reason);
}
