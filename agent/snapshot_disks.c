/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Snapshots of chosen disks. Whether disks can be left out of a VM's snapshot is asked by trying:
 * a pool that can't says that there are too many arguments, before it does anything.
 * Source: xapi datamodel_vm.ml (snapshot, ignore_vdis since 21.4), xapi_vdi.ml (what a snapshot
 * copies: name and other_config of its disk, our mark on a restored disk included).
 */
#include <stdlib.h>
#include <string.h>

#include "agent/snapshot_inside.h"
#include "agent/snapshot_mark.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/model/mark.h"
#include "common/model/pool.h"
#include "common/xapi/call.h"
#include "common/xapi/fault.h"
#include "common/xapi/session.h"
#include "common/xapi/task.h"

#include "common/base/poison.h"

#define ADOPT_WAIT_MS (15 * 60 * 1000)

/* By its uuid; a disk that storage migration moved has another, and is what is at the device. */
static const struct vdi *find_chosen(const struct pool *pool, const struct job_disk *disk,
                                     bool *ret_is_moved)
{
    const struct vm *vm = &pool->vms[0];
    const struct vdi *at_device = NULL;
    char device[16];
    for (size_t i = 0; i < vm->vbds_n; i++) {
        const struct vbd *vbd = &pool->vbds[vm->vbds[i]];
        if (!pool_vbd_is_exported(pool, vbd))
            continue;
        *ret_is_moved = false;
        if (str_equal(pool->vdis[vbd->vdi].uuid, disk->vdi_uuid))
            return &pool->vdis[vbd->vdi];
        if (str_equal(vbd_device_name(vbd, device), disk->device))
            at_device = &pool->vdis[vbd->vdi];
    }
    *ret_is_moved = true;
    return at_device;
}

static int find_all_chosen(const struct pool *pool, const struct job *job,
                           struct text_list *ret_refs, struct text_list *warnings,
                           struct error *err)
{
    for (size_t i = 0; i < job->disks_n; i++) {
        const struct job_disk *disk = &job->disks[i];
        bool is_moved = false;
        const struct vdi *vdi = find_chosen(pool, disk, &is_moved);
        if (vdi == NULL)
            return fault_set_own(err, FAULT_DISK_GONE, "%s does not have its disk %s (%s) any more",
                                 job->vm_name, disk->device, disk->vdi_uuid);
        if (is_moved)
            text_list_add_format(warnings,
                                 "%s: its disk %s is another one than when the run was planned (%s, "
                                 "then %s): the one it has now is saved",
                                 job->vm_name, disk->device, vdi->uuid, disk->vdi_uuid);
        text_list_add(ret_refs, vdi->ref);
    }
    return 0;
}

/* The VM's disks that were not chosen. */
static void find_others(const struct pool *pool, const struct text_list *chosen,
                        struct text_list *ret_refs)
{
    const struct vm *vm = &pool->vms[0];
    for (size_t i = 0; i < vm->vbds_n; i++) {
        const struct vbd *vbd = &pool->vbds[vm->vbds[i]];
        if (vbd->type == VBD_DISK && vbd->vdi != POOL_NONE &&
            !text_list_has(chosen, pool->vdis[vbd->vdi].ref))
            text_list_add(ret_refs, pool->vdis[vbd->vdi].ref);
    }
}

/* Bring the snapshot's disks into the order of the chosen ones. */
static int sort_disks(struct snapshot *snapshot, const struct text_list *chosen, struct error *err)
{
    for (size_t i = 0; i < chosen->n; i++) {
        size_t k = i;
        while (k < snapshot->disks_n && !str_equal(snapshot->disks[k].origin_ref, chosen->items[i]))
            k++;
        if (k >= snapshot->disks_n)
            return error_set(err, ERROR_NOT_FOUND, "the snapshot lacks the chosen disk %s",
                             chosen->items[i]);
        struct snapshot_disk disk = snapshot->disks[i];
        snapshot->disks[i] = snapshot->disks[k];
        snapshot->disks[k] = disk;
    }
    return 0;
}

/* --- one disk -------------------------------------------------------------------------------- */

/* What the task made, with our mark and name on it. */
static int adopt(struct xapi *xapi, const char *ref, const char *job, uint64_t lease,
                 struct snapshot_disk *disk, struct error *err)
{
    char birth[MARK_BIRTH_MAX];
    CLEAN_JSON json_t *record = NULL;
    mark_format_birth_name(job, birth);
    if (xapi_call(xapi, &record, err, "VDI.get_record", "[s]", ref) != 0)
        return -1;
    disk->uuid = mem_dup(reply_text(record, "uuid", ""));
    disk->origin_ref = mem_dup(reply_ref(record, "snapshot_of"));
    disk->virtual_size_bytes = reply_u64(record, "virtual_size", 0);
    if (!reply_bool(record, "is_a_snapshot", false))
        return error_set(err, ERROR_PROTOCOL, "%s is no snapshot", disk->uuid);
    if (snapshot_mark_set(xapi, "VDI", ref, disk->uuid, job, lease, err) != 0)
        return error_add(err, "mark the disk %s", disk->uuid);
    return xapi_call(xapi, NULL, err, "VDI.set_name_label", "[s, s]", ref, birth);
}

static int take_disk(struct xapi *xapi, const struct job *job, const char *vdi,
                     struct snapshot *snapshot, struct error *err)
{
    CLEAN_TASK_FACTS struct task_facts facts = {0};
    CLEAN_CHAR char *task = NULL;
    if (xapi_start_async(xapi, "VDI.snapshot", json_pack("[s, {}]", vdi), &task, err) != 0)
        return -1;
    if (xapi_task_follow(xapi, task, SNAPSHOT_TIMEOUT_MS, &facts, err) != 0)
        return -1; /* the task stays: it tells whose its result is */
    if (task_facts_check(&facts, err) != 0) {
        xapi_task_destroy(xapi, task);
        return -1;
    }
    struct snapshot_disk *disk = snapshot_add_disk(snapshot);
    disk->ref = mem_dup(facts.result.n > 0 ? facts.result.items[0] : "");
    if (adopt(xapi, disk->ref, job->id, job->lease, disk, err) != 0)
        return -1;
    xapi_task_destroy(xapi, task);
    return 0;
}

static int take_one_by_one(struct xapi *xapi, const struct job *job, const struct text_list *chosen,
                           struct snapshot *snapshot, struct error *err)
{
    for (size_t i = 0; i < chosen->n; i++)
        if (take_disk(xapi, job, chosen->items[i], snapshot, err) != 0)
            return error_add(err, "take a snapshot of the disk %s", job->disks[i].device);
    snapshot->is_whole = true;
    snapshot->at = clock_wall_ms(clock_system());
    return 0;
}

/* --- which way ------------------------------------------------------------------------------- */

int snapshot_begin_disks(struct xapi *xapi, const struct job *job, const struct pool *pool,
                         struct snapshot *ret_snapshot, struct text_list *warnings,
                         struct error *err)
{
    CLEAN_TEXT_LIST struct text_list chosen = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list others = TEXT_LIST_INIT;
    const struct vm *vm = &pool->vms[0];
    if (find_all_chosen(pool, job, &chosen, warnings, err) != 0)
        return -1;
    find_others(pool, &chosen, &others);
    bool is_vss = text_list_has(&vm->allowed_operations, "snapshot_with_quiesce");
    if (chosen.n == 1 && (others.n > 0 || !is_vss))
        return take_one_by_one(xapi, job, &chosen, ret_snapshot, err);
    if (snapshot_take_vm(xapi, job, vm, others.n > 0 ? &others : NULL, ret_snapshot, warnings,
                         err) == 0)
        return sort_disks(ret_snapshot, &chosen, err);
    if (others.n == 0 || !fault_is(err, "MESSAGE_PARAMETER_COUNT_MISMATCH"))
        return -1;
    error_clear(err);
    text_list_add_format(warnings,
                         "%s: its %zu chosen disks are taken one after another, not at one moment: "
                         "this pool can't leave its other disks out of a snapshot",
                         vm->name, chosen.n);
    return take_one_by_one(xapi, job, &chosen, ret_snapshot, err);
}

/* --- what a dead job's tasks made ------------------------------------------------------------ */

struct marked {
    const char *job;
    struct text_list tasks;
    struct text_list disks; /* of tasks, those that make a disk's snapshot */
};

static void marked_done(struct marked *marked)
{
    text_list_done(&marked->tasks);
    text_list_done(&marked->disks);
}

static int look_at_task(void *context, const char *ref, const json_t *record, struct error *err)
{
    struct marked *marked = context;
    (void)err;
    const json_t *config = json_object_get(record, "other_config");
    if (!str_equal(reply_text(config, XAPI_TAG_KEY, NULL), marked->job) &&
        !str_equal(reply_text(config, MARK_KEY, NULL), marked->job)) /* of older agents */
        return 0;
    text_list_add(&marked->tasks, ref);
    if (strcmp(reply_text(record, "name_label", ""), "Async.VDI.snapshot") == 0)
        text_list_add(&marked->disks, ref);
    return 0;
}

static void disk_done(struct snapshot_disk *disk)
{
    free(disk->ref);
    free(disk->uuid);
    free(disk->origin_ref);
}

int snapshot_adopt_tasks(struct xapi *xapi, const char *job, uint64_t lease, struct error *err)
{
    CLEANUP(marked_done) struct marked marked = {.job = job};
    if (xapi_call_records(xapi, "task.get_all_records", look_at_task, &marked, err) != 0)
        return -1;
    for (size_t i = 0; i < marked.tasks.n; i++) {
        CLEAN_TASK_FACTS struct task_facts facts = {0};
        CLEANUP(disk_done) struct snapshot_disk disk = {0};
        const char *task = marked.tasks.items[i];
        if (xapi_task_follow(xapi, task, ADOPT_WAIT_MS, &facts, err) != 0)
            return error_add(err, "wait for what the dead job %s began", job);
        bool is_disk = text_list_has(&marked.disks, task);
        if (is_disk && facts.status == TASK_SUCCESS && facts.result.n > 0 &&
            adopt(xapi, facts.result.items[0], job, lease, &disk, err) != 0) {
            if (err->code != ERROR_XAPI_GONE)
                return -1;
            error_clear(err);
        }
        xapi_task_destroy(xapi, task);
    }
    return 0;
}
