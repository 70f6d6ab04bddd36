/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Giving a snapshot up, and finding what dead attempts left: one way to destroy, two to find.
 *
 * Before VM.destroy every disk that will go is marked: were we killed behind it, a disk without
 * its VM could not be told from a user's. Calls are not "Async.": a killed caller's task would stay
 * behind, and a destroy whose answer is lost is just repeated.
 * Source: xapi xapi_vm.ml (destroy), xapi_vdi.ml (destroy, VDI_IN_USE); recorded: dom0 may keep a
 * disk attached after an export whose detach failed.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/snapshot.h"
#include "agent/snapshot_inside.h"
#include "agent/snapshot_mark.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/model/mark.h"
#include "common/model/pool.h"
#include "common/xapi/call.h"
#include "common/xapi/fault.h"
#include "common/xapi/record.h"
#include "common/xapi/remains.h"
#include "common/xapi/session.h"

#include "common/base/poison.h"

#define TRIES 12
#define FIRST_PAUSE_MS 250
#define PAUSE_MAX_MS 8000
#define OPERATION_LOOKS 600
#define OPERATION_PAUSE_MS 1000

static bool is_gone(const struct error *err)
{
    return err->code == ERROR_XAPI_GONE;
}

/* A call on one object until it works, is refused for good, or the object is gone (which is fine).
 * between, if any, is done before each further try. */
static int insist(struct xapi *xapi, const char *method, const char *ref,
                  int (*between)(struct xapi *xapi, const char *ref, struct error *err),
                  struct error *err)
{
    int64_t pause_ms = FIRST_PAUSE_MS;
    for (int attempt = 1;; attempt++) {
        error_clear(err);
        if (xapi_call(xapi, NULL, err, method, "[s]", ref) == 0)
            return 0;
        if (is_gone(err)) {
            error_clear(err);
            return 0;
        }
        bool is_worth_it = fault_is_transient(err) || err->code == ERROR_TIMEOUT;
        if (!is_worth_it || attempt == TRIES)
            return -1;
        struct error why = ERROR_INIT;
        if (between != NULL && between(xapi, ref, &why) != 0) {
            *err = why;
            return -1;
        }
        if (xapi_sleep(xapi, pause_ms, &why) != 0) {
            *err = why;
            return -1;
        }
        pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
    }
}

/* Whether the VBD's VM is a control domain: 1, 0, -1. */
static int is_dom0s(struct xapi *xapi, const char *vbd, struct error *err)
{
    CLEAN_CHAR char *vm = NULL;
    CLEAN_JSON json_t *answer = NULL;
    if (xapi_call_text(xapi, &vm, err, "VBD.get_VM", "[s]", vbd) != 0 ||
        xapi_call(xapi, &answer, err, "VM.get_is_control_domain", "[s]", vm) != 0)
        return -1;
    return json_is_true(answer) ? 1 : 0;
}

/* A user attached a disk of our snapshot to a VM of his: it stays as long as he has it there. */
static int set_kept(struct xapi *xapi, const char *vdi, const char *vbd, struct error *err)
{
    CLEAN_CHAR char *vm = NULL, *name = NULL, *uuid = NULL;
    if (xapi_call_text(xapi, &vm, NULL, "VBD.get_VM", "[s]", vbd) == 0)
        (void)xapi_call_text(xapi, &name, NULL, "VM.get_name_label", "[s]", vm);
    (void)xapi_call_text(xapi, &uuid, NULL, "VDI.get_uuid", "[s]", vdi);
    return fault_set_own(err, FAULT_DISK_KEPT, "the VM %s has the disk %s of a backup's snapshot",
                         name != NULL ? name : "of somebody", uuid != NULL ? uuid : vdi);
}

/* Take what dom0 has attached away from a disk. FAULT_DISK_KEPT if a VM has it: it is not ours
 * then. */
static int free_disk(struct xapi *xapi, const char *vdi, struct error *err)
{
    CLEAN_JSON json_t *vbds = NULL;
    if (xapi_call(xapi, &vbds, err, "VDI.get_VBDs", "[s]", vdi) != 0)
        return -1;
    for (size_t i = 0; i < json_array_size(vbds); i++) {
        const char *vbd = json_string_value(json_array_get(vbds, i));
        struct error ignored = ERROR_INIT;
        if (vbd == NULL)
            continue;
        int dom0s = is_dom0s(xapi, vbd, &ignored);
        if (dom0s < 0 && is_gone(&ignored))
            continue;
        if (dom0s < 0) {
            *err = ignored;
            return -1;
        }
        if (dom0s == 0)
            return set_kept(xapi, vdi, vbd, err);
        error_clear(&ignored);
        (void)xapi_call(xapi, NULL, &ignored, "VBD.unplug", "[s]", vbd);
        error_clear(&ignored);
        (void)xapi_call(xapi, NULL, &ignored, "VBD.destroy", "[s]", vbd);
    }
    return 0;
}

/* Disks are destroyed only when no VM has them. */
static int destroy_disk(struct xapi *xapi, const char *vdi, struct error *err)
{
    CLEAN_JSON json_t *vbds = NULL;
    if (xapi_call(xapi, &vbds, err, "VDI.get_VBDs", "[s]", vdi) != 0) {
        if (!is_gone(err))
            return -1;
        error_clear(err);
        return 0;
    }
    for (size_t i = 0; i < json_array_size(vbds); i++) {
        const char *vbd = json_string_value(json_array_get(vbds, i));
        struct error why = ERROR_INIT;
        int dom0s = vbd != NULL ? is_dom0s(xapi, vbd, &why) : 1;
        if (dom0s == 0)
            return set_kept(xapi, vdi, vbd, err);
        if (dom0s < 0 && !is_gone(&why)) {
            *err = why;
            return -1;
        }
    }
    return insist(xapi, "VDI.destroy", vdi, free_disk, err);
}

/* The disks that go with a snapshot: of VBDs of type Disk, snapshots themselves; marked here if
 * they are not yet. A disk with another job's proven mark is passed over. */
static int gather_disks(struct xapi *xapi, const struct pool *pool, const char *job,
                        uint64_t lease, struct text_list *disks, struct error *err)
{
    const struct vm *vm = &pool->vms[0];
    for (size_t i = 0; i < vm->vbds_n; i++) {
        const struct vbd *vbd = &pool->vbds[vm->vbds[i]];
        if (vbd->type != VBD_DISK || vbd->vdi == POOL_NONE)
            continue;
        const struct vdi *vdi = &pool->vdis[vbd->vdi];
        struct mark mark;
        if (!vdi->is_snapshot)
            continue;
        bool is_marked = vdi->mark != NULL && mark_proves(vdi->mark, vdi->uuid, &mark);
        if (is_marked && strcmp(mark.job, job) != 0)
            continue;
        if (!is_marked &&
            snapshot_mark_set(xapi, "VDI", vdi->ref, vdi->uuid, job, lease, err) != 0) {
            if (!is_gone(err))
                return error_add(err, "mark the disk %s", vdi->uuid);
            error_clear(err);
            continue;
        }
        text_list_add(disks, vdi->ref);
    }
    if (vm->suspend_vdi != NULL) {
        size_t image = pool_find_vdi(pool, vm->suspend_vdi);
        if (image != POOL_NONE && pool->vdis[image].is_snapshot)
            text_list_add(disks, vm->suspend_vdi);
    }
    return 0;
}

/* Of several errors the first is told, but one that a user keeps is told last. 0, -1. */
static int add_error(int result, const struct error *why, struct error *err)
{
    if (result == 0 || (fault_is(err, FAULT_DISK_KEPT) && !fault_is(why, FAULT_DISK_KEPT)))
        *err = *why;
    return -1;
}

/* One VM snapshot that is ours, and its disks. */
static int destroy_snapshot(struct xapi *xapi, const char *ref, const char *job, uint64_t lease,
                            struct text_list *ret_destroyed, struct error *err)
{
    CLEAN_POOL struct pool pool = {0};
    CLEAN_TEXT_LIST struct text_list disks = TEXT_LIST_INIT;
    if (record_read_disks(xapi, ref, &pool, err) != 0) {
        if (!is_gone(err))
            return -1;
        error_clear(err);
        return 0;
    }
    if (!pool.vms[0].is_snapshot)
        return error_set(err, ERROR_INTERNAL, "%s is no snapshot", pool.vms[0].uuid);
    if (gather_disks(xapi, &pool, job, lease, &disks, err) != 0 ||
        insist(xapi, "VM.destroy", ref, NULL, err) != 0)
        return -1;
    if (ret_destroyed != NULL)
        text_list_add(ret_destroyed, ref);
    int result = 0;
    for (size_t i = 0; i < disks.n; i++) {
        struct error why = ERROR_INIT;
        if (destroy_disk(xapi, disks.items[i], &why) == 0) {
            if (ret_destroyed != NULL)
                text_list_add(ret_destroyed, disks.items[i]);
            continue;
        }
        result = add_error(result, &why, err);
    }
    return result;
}

int snapshot_destroy(struct xapi *xapi, const char *ref, const char *job, uint64_t lease,
                     struct error *err)
{
    return destroy_snapshot(xapi, ref, job, lease, NULL, err);
}

int snapshot_destroy_disk(struct xapi *xapi, const char *ref, struct error *err)
{
    return destroy_disk(xapi, ref, err);
}

int snapshot_end(struct xapi *xapi, const struct job *job, const struct snapshot *snapshot,
                 struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    CLEAN_TEXT_LIST struct text_list destroyed = TEXT_LIST_INIT;
    if (snapshot->ref != NULL &&
        destroy_snapshot(xapi, snapshot->ref, job->id, job->lease, &destroyed, err) != 0)
        return error_add(err, "remove the snapshot");
    /* If VM.destroy had gone through before in a call whose answer was lost. */
    for (size_t i = 0; i < snapshot->disks_n; i++)
        if (!text_list_has(&destroyed, snapshot->disks[i].ref) &&
            destroy_disk(xapi, snapshot->disks[i].ref, err) != 0)
            return error_add(err, "remove the snapshot's disk %s", snapshot->disks[i].uuid);
    return 0;
}

/* What is searched for, and what was found. */
struct search {
    const struct job_remains *remains;
    size_t n;
    uint64_t lease_max;
    struct text_list refs; /* found, of the class being listed */
    struct text_list jobs; /* whose, in the same order */
};

static void search_clear(struct search *search)
{
    text_list_done(&search->refs);
    text_list_done(&search->jobs);
}

static const char *other_config(const json_t *record, const char *key)
{
    return reply_text(json_object_get(record, "other_config"), key, NULL);
}

static void note_found(struct search *search, const char *ref, const char *job)
{
    text_list_add(&search->refs, ref);
    text_list_add(&search->jobs, job);
}

/* By its mark, if that proves itself; an unproven or missing one leaves the birth name. */
static int look_at_vm(void *context, const char *ref, const json_t *record, struct error *err)
{
    (void)err;
    struct search *search = context;
    struct mark mark;
    char birth_job[JOB_ID_MAX];
    if (!reply_bool(record, "is_a_snapshot", false))
        return 0;
    const char *text = other_config(record, MARK_KEY);
    bool is_marked = text != NULL && mark_proves(text, reply_text(record, "uuid", ""), &mark);
    bool is_born = !is_marked &&
                   mark_parse_birth_name(reply_text(record, "name_label", ""), birth_job);
    if (is_marked && mark.lease > search->lease_max)
        return 0;
    for (size_t i = 0; i < search->n; i++) {
        const struct job_remains *remains = &search->remains[i];
        if (remains->vm_uuid == NULL)
            continue;
        if ((is_marked && strcmp(mark.job, remains->job) == 0) ||
            (is_born && strcmp(birth_job, remains->job) == 0)) {
            note_found(search, ref, remains->job);
            break;
        }
    }
    return 0;
}

static int look_at_vdi(void *context, const char *ref, const json_t *record, struct error *err)
{
    (void)err;
    struct search *search = context;
    struct mark mark;
    const char *text = other_config(record, MARK_KEY);
    if (text == NULL || !reply_bool(record, "is_a_snapshot", false) ||
        !mark_proves(text, reply_text(record, "uuid", ""), &mark) ||
        mark.lease > search->lease_max)
        return 0;
    for (size_t i = 0; i < search->n; i++)
        if (search->remains[i].vm_uuid != NULL &&
            strcmp(mark.job, search->remains[i].job) == 0) {
            note_found(search, ref, mark.job);
            break;
        }
    return 0;
}

/* Whether a snapshot or checkpoint of the VM is being made: 1, 0 (also: no such VM), -1. */
static int is_being_snapshotted(struct xapi *xapi, const char *vm, struct error *err)
{
    CLEAN_JSON json_t *operations = NULL;
    const char *task;
    json_t *operation;
    if (xapi_call(xapi, &operations, err, "VM.get_current_operations", "[s]", vm) != 0) {
        if (!is_gone(err))
            return -1;
        error_clear(err);
        return 0;
    }
    json_object_foreach(operations, task, operation)
    {
        const char *name = json_string_value(operation);
        if (name != NULL && (strstr(name, "snapshot") != NULL || strcmp(name, "checkpoint") == 0))
            return 1;
    }
    return 0;
}

static int wait_for_operations(struct xapi *xapi, const char *vm_uuid, struct error *err)
{
    CLEAN_CHAR char *vm = NULL;
    if (xapi_call_text(xapi, &vm, err, "VM.get_by_uuid", "[s]", vm_uuid) != 0) {
        if (!is_gone(err))
            return -1;
        error_clear(err);
        return 0;
    }
    for (int look = 0; look < OPERATION_LOOKS; look++) {
        int busy = is_being_snapshotted(xapi, vm, err);
        if (busy <= 0)
            return busy;
        if (xapi_sleep(xapi, OPERATION_PAUSE_MS, err) != 0)
            return -1;
    }
    return error_set(err, ERROR_BUSY, "a snapshot of the VM %s is still being made", vm_uuid);
}

/* A killed worker's tasks: its export's by label, its snapshot's by what it made. */
static int reap_tasks(struct xapi *xapi, const struct search *search, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list labels = TEXT_LIST_INIT;
    for (size_t i = 0; i < search->n; i++)
        text_list_add_take(&labels, remains_task_label(search->remains[i].job));
    return remains_reap_tasks(xapi, &labels, &search->refs, NULL, err);
}

/* All that was found; what can't be removed does not keep the rest from it. */
static int clean_found(struct xapi *xapi, struct search *search, struct text_list *destroyed,
                       struct error *err)
{
    int result = 0;
    if (xapi_call_records(xapi, "VM.get_all_records", look_at_vm, search, err) != 0 ||
        reap_tasks(xapi, search, err) != 0)
        return -1;
    for (size_t i = 0; i < search->refs.n; i++) {
        struct error why = ERROR_INIT;
        if (destroy_snapshot(xapi, search->refs.items[i], search->jobs.items[i],
                             search->lease_max, destroyed, &why) == 0)
            continue;
        error_add(&why, "remove a snapshot of the dead job %s", search->jobs.items[i]);
        result = add_error(result, &why, err);
    }
    search_clear(search);
    struct error listing = ERROR_INIT;
    if (xapi_call_records(xapi, "VDI.get_all_records", look_at_vdi, search, &listing) != 0)
        return add_error(result, &listing, err);
    for (size_t i = 0; i < search->refs.n; i++) {
        struct error why = ERROR_INIT;
        if (destroy_disk(xapi, search->refs.items[i], &why) == 0) {
            text_list_add(destroyed, search->refs.items[i]);
            continue;
        }
        error_add(&why, "remove a disk of the dead job %s", search->jobs.items[i]);
        result = add_error(result, &why, err);
    }
    return result;
}

int snapshot_clean(struct xapi *xapi, const struct job_remains *remains, size_t n,
                   uint64_t lease_max, size_t *ret_n, struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    CLEANUP(search_clear) struct search search = {
        .remains = remains, .n = n, .lease_max = lease_max};
    CLEAN_TEXT_LIST struct text_list destroyed = TEXT_LIST_INIT;
    size_t to_look_for = 0;
    for (size_t i = 0; i < n; i++) {
        if (remains[i].vm_uuid == NULL)
            continue;
        to_look_for++;
        if (wait_for_operations(xapi, remains[i].vm_uuid, err) != 0 ||
            snapshot_adopt_tasks(xapi, remains[i].job, lease_max, err) != 0)
            return -1;
    }
    /* Without a VM there was no snapshot, but a stream had its task. */
    int result = to_look_for > 0 ? clean_found(xapi, &search, &destroyed, err)
                                 : reap_tasks(xapi, &search, err);
    *ret_n = destroyed.n;
    return result;
}
