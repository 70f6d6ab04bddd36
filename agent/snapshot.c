/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking a snapshot and preparing it for export.
 *
 * The mark goes on before anything else is changed, and on the VM snapshot before its birth name
 * goes: at every moment it can be told whose it is. A mark that came over from the VM itself (one
 * restored from a backup of ours) is replaced. Giving up and cleaning is snapshot_clean.c.
 * Source: xapi xapi_vm_clone.ml (what a snapshot copies), xapi_vm_helpers.ml (set_is_a_template).
 */
#include "agent/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "agent/snapshot_inside.h"
#include "agent/snapshot_mark.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/model/mark.h"
#include "common/model/pool.h"
#include "common/xapi/call.h"
#include "common/xapi/fault.h"
#include "common/xapi/record.h"
#include "common/xapi/task.h"

#include "common/base/poison.h"

void snapshot_done(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->disks_n; i++) {
        free(snapshot->disks[i].ref);
        free(snapshot->disks[i].uuid);
        free(snapshot->disks[i].origin_ref);
    }
    free(snapshot->disks);
    free(snapshot->ref);
    free(snapshot->uuid);
    memset(snapshot, 0, sizeof *snapshot);
}

struct snapshot_disk *snapshot_add_disk(struct snapshot *snapshot)
{
    snapshot->disks = mem_grow(snapshot->disks, &snapshot->disks_cap, snapshot->disks_n + 1,
                               sizeof *snapshot->disks);
    struct snapshot_disk *disk = &snapshot->disks[snapshot->disks_n++];
    *disk = (struct snapshot_disk){0};
    return disk;
}

/* Empty a drive of the snapshot; never fails the backup. */
static void eject(struct xapi *xapi, const struct vbd *vbd, struct text_list *warnings)
{
    struct error err = ERROR_INIT;
    if (xapi_call(xapi, NULL, &err, "VBD.eject", "[s]", vbd->ref) == 0)
        return;
    error_clear(&err);
    if (xapi_call(xapi, NULL, &err, "VBD.destroy", "[s]", vbd->ref) != 0)
        text_list_add_format(warnings, "the CD stays in the snapshot's drive %s: %s",
                             vbd->userdevice != NULL ? vbd->userdevice : "", err.text);
}

/* Mark the snapshot's disks, note them, empty its drives. */
static int prepare_disks(struct xapi *xapi, const struct job *job, struct pool *pool,
                         struct snapshot *snapshot, struct text_list *warnings, struct error *err)
{
    const struct vm *vm = &pool->vms[0];
    for (size_t i = 0; i < vm->vbds_n; i++) {
        const struct vbd *vbd = &pool->vbds[vm->vbds[i]];
        if (vbd->type != VBD_DISK) {
            if (!vbd->empty && vbd->vdi != POOL_NONE)
                eject(xapi, vbd, warnings);
            continue;
        }
        if (vbd->vdi == POOL_NONE)
            continue;
        const struct vdi *vdi = &pool->vdis[vbd->vdi];
        if (vdi->is_snapshot &&
            snapshot_mark_set(xapi, "VDI", vdi->ref, vdi->uuid, job->id, job->lease, err) != 0)
            return error_add(err, "mark the disk %s", vdi->uuid);
        if (!pool_vbd_is_exported(pool, vbd))
            continue;
        struct snapshot_disk *disk = snapshot_add_disk(snapshot);
        disk->ref = mem_dup(vdi->ref);
        disk->uuid = mem_dup(vdi->uuid);
        disk->origin_ref = mem_dup(vdi->snapshot_of);
        disk->virtual_size_bytes = vdi->virtual_size_bytes;
    }
    return 0;
}

static int prepare(struct xapi *xapi, const struct job *job, const struct vm *origin,
                   struct snapshot *snapshot, struct text_list *warnings, struct error *err)
{
    CLEAN_POOL struct pool pool = {0};
    if (xapi_call_text(xapi, &snapshot->uuid, err, "VM.get_uuid", "[s]", snapshot->ref) != 0 ||
        snapshot_mark_set(xapi, "VM", snapshot->ref, snapshot->uuid, job->id, job->lease, err) != 0)
        return error_add(err, "mark the snapshot");
    if (record_read_disks(xapi, snapshot->ref, &pool, err) != 0)
        return error_add(err, "read the snapshot");
    if (prepare_disks(xapi, job, &pool, snapshot, warnings, err) != 0)
        return -1;
    if (xapi_call(xapi, NULL, err, "VM.set_is_a_template", "[s, b]", snapshot->ref, 0) != 0)
        return error_add(err, "make the snapshot a VM");
    if (xapi_call(xapi, NULL, err, "VM.set_name_label", "[s, s]", snapshot->ref, origin->name) != 0)
        return error_add(err, "name the snapshot");
    return 0;
}

/* A quiesced snapshot is worth a try, never the backup. */
static bool is_quiesce_offered(const struct vm *vm)
{
    return text_list_has(&vm->allowed_operations, "snapshot_with_quiesce");
}

static bool is_quiesce_fault(const struct error *err)
{
    return str_starts(err->origin, "VM_SNAPSHOT_WITH_QUIESCE") ||
           fault_is(err, "MESSAGE_REMOVED") || fault_is(err, "MESSAGE_METHOD_UNKNOWN");
}

static int take(struct xapi *xapi, const struct vm *vm, const char *birth,
                const struct text_list *ignored, struct snapshot *snapshot,
                struct text_list *warnings, struct error *err)
{
    if (ignored == NULL && is_quiesce_offered(vm)) {
        if (xapi_run_async(xapi, &snapshot->ref, err, SNAPSHOT_TIMEOUT_MS,
                           "VM.snapshot_with_quiesce", "[s, s]", vm->ref, birth) == 0) {
            snapshot->is_quiesced = true;
            return 0;
        }
        if (!is_quiesce_fault(err))
            return -1;
        text_list_add_format(warnings, "%s was not quiesced, its backup is crash-consistent: %s",
                             vm->name, err->text);
        error_clear(err);
    }
    if (ignored == NULL)
        return xapi_run_async(xapi, &snapshot->ref, err, SNAPSHOT_TIMEOUT_MS, "VM.snapshot",
                              "[s, s]", vm->ref, birth);
    json_t *refs = json_array();
    for (size_t i = 0; i < ignored->n; i++)
        json_array_append_new(refs, json_string(ignored->items[i]));
    return xapi_run_async(xapi, &snapshot->ref, err, SNAPSHOT_TIMEOUT_MS, "VM.snapshot",
                          "[s, s, o]", vm->ref, birth, refs);
}

int snapshot_take_vm(struct xapi *xapi, const struct job *job, const struct vm *vm,
                     const struct text_list *ignored, struct snapshot *ret_snapshot,
                     struct text_list *warnings, struct error *err)
{
    char birth[MARK_BIRTH_MAX];
    mark_format_birth_name(job->id, birth);
    if (take(xapi, vm, birth, ignored, ret_snapshot, warnings, err) != 0)
        return error_add(err, "take a snapshot");
    ret_snapshot->is_whole = true;
    ret_snapshot->at = clock_wall_ms(clock_system());
    return prepare(xapi, job, vm, ret_snapshot, warnings, err);
}

int snapshot_begin(struct xapi *xapi, const struct job *job, const struct pool *pool,
                   struct snapshot *ret_snapshot, struct text_list *warnings, struct error *err)
{
    return snapshot_take_vm(xapi, job, &pool->vms[0], NULL, ret_snapshot, warnings, err);
}
