/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every snapshot is asked twice: is it ours (mark with its own uuid, or birth name), and is its
 * job dead. Disk snapshots count for themselves only when no VM record holds them; those of a VM
 * snapshot go with it.
 */
#include "coordinator/policy/leftover.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "common/model/mark.h"
#include "common/model/pool.h"

#include "common/base/poison.h"

#define OLD_TOOL_NAME "ONYXBACKUP" /* what OnyxBackupVM calls its snapshots */

struct finder {
    const struct pool *pool;
    const struct leftover_request *request;
    struct leftover_list *list;
    bool *is_held; /* by VDI: some VM's drive holds it */
};

void leftover_list_done(struct leftover_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        mem_free_char(&list->items[i].vm_uuid);
        mem_free_char(&list->items[i].vm_name);
        text_list_done(&list->items[i].hosts);
        text_list_done(&list->items[i].srs);
    }
    mem_free_void(&list->items);
    for (size_t i = 0; i < list->olds_n; i++) {
        mem_free_char(&list->olds[i].uuid);
        mem_free_char(&list->olds[i].of_name);
    }
    mem_free_void(&list->olds);
    text_list_done(&list->notices);
    *list = (struct leftover_list){0};
}

static struct leftover *find_or_add(struct finder *f, const char *job, const char *vm_uuid,
                                    const char *vm_name)
{
    struct leftover_list *list = f->list;
    for (size_t i = 0; i < list->n; i++) {
        if (str_equal(list->items[i].job, job) && str_equal(list->items[i].vm_uuid, vm_uuid))
            return &list->items[i];
    }
    list->items = mem_grow(list->items, &list->cap, list->n + 1, sizeof *list->items);
    struct leftover *item = &list->items[list->n++];
    *item = (struct leftover){.vm_uuid = mem_dup(vm_uuid), .vm_name = mem_dup(vm_name)};
    str_copy(item->job, sizeof item->job, job);
    return item;
}

static bool is_alive(const struct finder *f, const char *job)
{
    return f->request->alive_jobs && text_list_has(f->request->alive_jobs, job);
}

static void add_sr(struct finder *f, struct leftover *item, size_t vdi)
{
    if (vdi == POOL_NONE || f->pool->vdis[vdi].sr == POOL_NONE)
        return;
    const char *sr = f->pool->srs[f->pool->vdis[vdi].sr].uuid;
    if (!text_list_has(&item->srs, sr))
        text_list_add(&item->srs, sr);
}

/* A marked object that is proven ours: is its job dead? Tells about a living lease. */
static bool is_dead(struct finder *f, const struct mark *mark, const char *what, const char *name)
{
    if (is_alive(f, mark->job))
        return false;
    if (mark->lease >= f->request->lease) {
        text_list_add_format(&f->list->notices,
                             "%s %s carries a mark of a coordinator that may live (lease %llu, "
                             "ours is %llu); left alone",
                             what, name, (unsigned long long)mark->lease,
                             (unsigned long long)f->request->lease);
        return false;
    }
    return true;
}

/* OnyxBackupVM's. One of the future was taken while a clock was wrong, or a moment ago. */
static void add_old(struct finder *f, const char *uuid, const char *of_name, int64_t snapshot_at,
                    bool is_disk)
{
    struct leftover_list *list = f->list;
    list->olds =
        mem_grow(list->olds, &list->olds_cap, list->olds_n + 1, sizeof *list->olds);
    list->olds[list->olds_n++] = (struct leftover_old){
        .uuid = mem_dup(uuid),
        .of_name = mem_dup(of_name),
        .is_disk = is_disk,
        .is_fresh = snapshot_at > f->request->now_at - LEFTOVER_FRESH_MS};
}

static const char *name_of_vm(const struct pool *pool, const struct vm *vm)
{
    size_t of = pool_find_vm(pool, vm->snapshot_of);
    return of != POOL_NONE ? pool->vms[of].name : vm->name;
}

static const char *name_of_disk(const struct pool *pool, const struct vdi *vdi)
{
    size_t of = pool_find_vdi(pool, vdi->snapshot_of);
    return of != POOL_NONE ? pool->vdis[of].name : vdi->name;
}

/* The job a VM snapshot belongs to when it is ours and dead. */
static bool judge_snapshot(struct finder *f, const struct vm *vm, char job[JOB_ID_MAX])
{
    struct mark mark;
    if (mark_proves(vm->mark, vm->uuid, &mark)) {
        str_copy(job, JOB_ID_MAX, mark.job);
        return is_dead(f, &mark, "snapshot", vm->name);
    }
    /* A restored VM hands its old mark on: until ours replaces it the birth name alone tells. */
    if (mark_parse_birth_name(vm->name, job))
        return !is_alive(f, job);
    if (str_equal(vm->name, OLD_TOOL_NAME))
        add_old(f, vm->uuid, name_of_vm(f->pool, vm), vm->snapshot_at, false);
    return false;
}

static void find_snapshots(struct finder *f)
{
    for (size_t i = 0; i < f->pool->vms_n; i++) {
        const struct vm *vm = &f->pool->vms[i];
        char job[JOB_ID_MAX];
        if (!vm->is_snapshot || !judge_snapshot(f, vm, job))
            continue;
        size_t of = pool_find_vm(f->pool, vm->snapshot_of);
        struct leftover *item =
            of != POOL_NONE ? find_or_add(f, job, f->pool->vms[of].uuid, f->pool->vms[of].name)
                            : find_or_add(f, job, vm->uuid, vm->name);
        item->objects_n++;
        for (size_t k = 0; k < vm->vbds_n; k++) {
            const struct vbd *vbd = &f->pool->vbds[vm->vbds[k]];
            if (vbd->type == VBD_DISK)
                add_sr(f, item, vbd->vdi);
        }
    }
}

/* The VM whose disk this is a snapshot of, or POOL_NONE. */
static size_t find_vm_of(const struct pool *pool, const struct vdi *vdi)
{
    size_t of = pool_find_vdi(pool, vdi->snapshot_of);
    for (size_t i = 0; of != POOL_NONE && i < pool->vbds_n; i++) {
        const struct vbd *vbd = &pool->vbds[i];
        if (vbd->vdi == of && vbd->vm != POOL_NONE && vm_is_plain(&pool->vms[vbd->vm]))
            return vbd->vm;
    }
    return POOL_NONE;
}

static void find_disks(struct finder *f)
{
    for (size_t i = 0; i < f->pool->vdis_n; i++) {
        const struct vdi *vdi = &f->pool->vdis[i];
        struct mark mark;
        bool is_lone = vdi->is_snapshot && !f->is_held[i];
        if (is_lone && str_equal(vdi->name, OLD_TOOL_NAME) && !mark_proves(vdi->mark, vdi->uuid, &mark))
            add_old(f, vdi->uuid, name_of_disk(f->pool, vdi), vdi->snapshot_at, true);
        if (!is_lone || !mark_proves(vdi->mark, vdi->uuid, &mark) ||
            !is_dead(f, &mark, "disk snapshot", vdi->name))
            continue;
        size_t vm = find_vm_of(f->pool, vdi);
        struct leftover *item =
            vm != POOL_NONE
                ? find_or_add(f, mark.job, f->pool->vms[vm].uuid, f->pool->vms[vm].name)
                : find_or_add(f, mark.job, vdi->uuid, vdi->name);
        item->objects_n++;
        add_sr(f, item, i);
    }
}

static void find_hosts(struct finder *f)
{
    for (size_t i = 0; i < f->list->n; i++) {
        struct leftover *item = &f->list->items[i];
        for (size_t h = 0; h < f->pool->hosts_n; h++) {
            const struct host *host = &f->pool->hosts[h];
            bool sees = host->enabled && host->live;
            for (size_t s = 0; sees && s < item->srs.n; s++)
                sees = pool_host_sees_sr(f->pool, h, pool_find_sr(f->pool, item->srs.items[s]));
            if (sees)
                text_list_add(&item->hosts, host->uuid);
        }
    }
}

static int compare_items(const void *left, const void *right)
{
    const struct leftover *a = left, *b = right;
    int order = strcmp(a->job, b->job);
    return order ? order : strcmp(a->vm_uuid, b->vm_uuid);
}

void leftover_find(const struct pool *pool, const struct leftover_request *request,
                   struct leftover_list *ret_list)
{
    struct leftover_list list = {0};
    struct finder f = {.pool = pool, .request = request, .list = &list};
    f.is_held = mem_zero(pool->vdis_n + 1, sizeof *f.is_held);
    for (size_t i = 0; i < pool->vbds_n; i++) {
        size_t vm = pool->vbds[i].vm, vdi = pool->vbds[i].vdi;
        /* dom0's own drives are attachments that a dead export forgot: they hold nothing */
        if (vdi != POOL_NONE && vm != POOL_NONE && !pool->vms[vm].is_control_domain)
            f.is_held[vdi] = true;
    }
    find_snapshots(&f);
    find_disks(&f);
    find_hosts(&f);
    mem_free_void(&f.is_held);
    if (list.n > 1)
        qsort(list.items, list.n, sizeof *list.items, compare_items);
    *ret_list = list;
}
