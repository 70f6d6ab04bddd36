/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One job for each chosen VM, disk, host and the pool's database, or a reason why there is none.
 * A VM's folder is the one its former backups are in; a new one is its encoded name, unless that
 * folder is another VM's.
 */
#include "coordinator/policy/plan.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/str.h"
#include "common/model/name_on_share.h"
#include "coordinator/policy/plan_inside.h"

#include "common/base/poison.h"

#define POOL_FOLDER        "POOL_DB"
#define HOST_FOLDER_PREFIX "HOST_"

/* ---- the plan as a value ---- */

void plan_job_done(struct plan_job *job)
{
    job_done(&job->job);
    mem_free_char(&job->reason);
    text_list_done(&job->hosts);
    text_list_done(&job->srs);
    text_list_done(&job->warnings);
    keep_choice_done(&job->keep);
}

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

/* ---- folders ---- */

static void own_folder(struct planner *p, const char *folder, const char *uuid)
{
    p->folders = mem_grow(p->folders, &p->folders_cap, p->folders_n + 1, sizeof *p->folders);
    p->folders[p->folders_n++] = (struct folder_owner){mem_dup(folder), uuid};
}

static const struct plan_known *find_known(const struct planner *p, const char *uuid)
{
    for (size_t i = 0; i < p->settings->known_n; i++) {
        if (str_equal(p->settings->known[i].vm_uuid, uuid))
            return &p->settings->known[i];
    }
    return NULL;
}

static bool is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

/* name_on_share_same, quicker for the thousands of plain pairs. */
static bool is_same_folder(const char *a, const char *b)
{
    if (is_ascii(a) && is_ascii(b))
        return strcasecmp(a, b) == 0;
    return name_on_share_same(a, b);
}

static bool is_taken(const struct planner *p, const char *folder, const char *uuid)
{
    for (size_t i = 0; i < p->folders_n; i++) {
        if (is_same_folder(p->folders[i].folder, folder) && !str_equal(p->folders[i].uuid, uuid))
            return true;
    }
    return false;
}

/* The VM's folder; warnings of its choice go to list. Caller frees. */
static char *choose_folder(struct planner *p, const struct vm *vm, struct text_list *warnings)
{
    for (size_t i = 0; i < p->folders_n; i++) {
        if (str_equal(p->folders[i].uuid, vm->uuid))
            return mem_dup(p->folders[i].folder);
    }
    char *folder = name_on_share_encode(vm->name, vm->uuid);
    if (is_taken(p, folder, vm->uuid)) {
        char *twin = name_on_share_encode_twin(vm->name, vm->uuid);
        text_list_add_format(warnings,
                             "%s: the folder %s belongs to another VM; this one goes to %s",
                             vm->name, folder, twin);
        mem_free_char(&folder);
        folder = twin;
    } else if (!name_on_share_is_plain(vm->name)) {
        text_list_add_format(warnings, "%s: the name can't be a folder's name; the folder is %s",
                             vm->name, folder);
    }
    own_folder(p, folder, vm->uuid);
    return folder;
}

/* ---- where a job may run ---- */

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

/* ---- disks ---- */

static int compare_disks(const void *left, const void *right)
{
    const struct vdi *const *a = left, *const *b = right;
    return strcmp((*a)->uuid, (*b)->uuid);
}

static void sort_disks(struct planner *p)
{
    p->disks = mem_zero(p->pool->vdis_n + 1, sizeof *p->disks);
    for (size_t i = 0; i < p->pool->vdis_n; i++)
        p->disks[i] = &p->pool->vdis[i];
    if (p->pool->vdis_n > 1)
        qsort(p->disks, p->pool->vdis_n, sizeof *p->disks, compare_disks);
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

/* ---- jobs ---- */

void plan_add_vm_facts(struct planner *p, struct plan_job *job, const struct vm *vm,
                       const struct selected *selected)
{
    mem_set(&job->job.vm_uuid, vm->uuid);
    mem_set(&job->job.vm_name, vm->name);
    mem_set(&job->job.chosen_by, selected->by);
    mem_set(&job->job.hook, selected->hook);
    job->job.folder = choose_folder(p, vm, &job->warnings);
    job->job.idle_timeout_ms = p->settings->idle_timeout_ms;
    keep_list_choose(p->settings->keep, vm->name, &job->keep, &job->warnings);
    job->has_own_max_backups = selected->max_backups != 0;
    job->max_backups = selected->max_backups                     ? selected->max_backups
                       : job->keep.numbers.has[KEEP_MAX_BACKUPS] ? job->keep.numbers.values[KEEP_MAX_BACKUPS]
                                                                 : p->settings->max_backups;
    job->may_be_redirected = true;
}

static uint64_t estimate_vm(const struct planner *p, const struct vm *vm, bool *ret_is_proven)
{
    const struct plan_known *known = find_known(p, vm->uuid);
    uint64_t physical = pool_vm_physical_bytes(p->pool, vm);
    *ret_is_proven = known && known->vm_bytes != 0;
    if (!*ret_is_proven)
        return physical ? physical : pool_vm_virtual_bytes(p->pool, vm);
    if (known->vm_source_bytes == 0 || physical == 0)
        return known->vm_bytes;
    double ratio = (double)known->vm_bytes / (double)known->vm_source_bytes;
    return (uint64_t)((double)physical * ratio);
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

int plan_compare_devices(const void *left, const void *right)
{
    const char *a = ((const struct job_disk *)left)->device;
    const char *b = ((const struct job_disk *)right)->device;
    if (strlen(a) != strlen(b))
        return strlen(a) < strlen(b) ? -1 : 1;
    return strcmp(a, b);
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
            own_folder(&p, settings->known[i].folder, settings->known[i].vm_uuid);
    }
    sort_disks(&p);
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
