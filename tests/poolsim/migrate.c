/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Disks that move to another SR inside the pool: VDI.pool_migrate and VM.migrate_send.
 *
 * A moved disk is another VDI: reference, uuid and chain are new, other_config is not taken along,
 * and its snapshots move with it. Whoever kept one as the base of a difference finds it no more.
 * To other pools nothing moves here.
 * Source: xapi_vm_migrate.ml, message_forwarding.ml pool_migrate, xapi_host.ml migrate_receive.
 */
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/operations.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/session.h"
#include "tests/poolsim/task.h"

#include "common/base/poison.h"

static bool is_tracked(struct call *call, const struct object *vdi)
{
    if (!object_bool(vdi, F_VDI_cbt_enabled))
        return false;
    (void)failure_set(call->failure, "VDI_CBT_ENABLED", object_ref(vdi), NULL);
    return true;
}

/* One VDI: its devices get the new one, the old one goes. */
static int move_one(struct call *call, const char *vdi_ref, const char *sr_ref,
                    char ret_ref[REF_MAX])
{
    struct pool *pool = call->pool;
    const struct text_map none = TEXT_MAP_INIT;
    CLEAN_TEXT_LIST struct text_list vbds = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list snapshots = TEXT_LIST_INIT;
    struct object *old;
    struct object *made;

    if (vdi_duplicate(pool, vdi_ref, VDI_COPY_MIRROR, sr_ref, call->task_ref, call->failure, ret_ref))
        return -1;
    old = store_find(pool, CLASS_VDI, vdi_ref);
    made = store_find(pool, CLASS_VDI, ret_ref);
    if (!old || !made)
        return call_handle_invalid(call, "VDI", vdi_ref);
    object_set_map(pool, made, F_VDI_other_config, &none);
    object_set_bool(pool, made, F_VDI_is_a_snapshot, object_bool(old, F_VDI_is_a_snapshot));
    object_set_text(pool, made, F_VDI_snapshot_of, object_text(old, F_VDI_snapshot_of));
    object_set_text(pool, made, F_VDI_snapshot_time, object_text(old, F_VDI_snapshot_time));
    text_list_copy(&vbds, object_set(old, F_VDI_VBDs));
    text_list_copy(&snapshots, object_set(old, F_VDI_snapshots));
    for (size_t i = 0; i < vbds.n; i++)
        object_set_text(pool, store_find(pool, CLASS_VBD, vbds.items[i]), F_VBD_VDI, ret_ref);
    for (size_t i = 0; i < snapshots.n; i++)
        object_set_text(pool, store_find(pool, CLASS_VDI, snapshots.items[i]), F_VDI_snapshot_of,
                        ret_ref);
    return vdi_destroy(pool, vdi_ref, call->failure);
}

/* With its snapshots, oldest reference first. Nothing moves where it is already. */
static int move(struct call *call, const char *vdi_ref, const char *sr_ref, char ret_ref[REF_MAX])
{
    struct pool *pool = call->pool;
    const struct object *vdi = store_find(pool, CLASS_VDI, vdi_ref);
    CLEAN_TEXT_LIST struct text_list snapshots = TEXT_LIST_INIT;
    char ignored[REF_MAX];

    if (!vdi)
        return call_handle_invalid(call, "VDI", vdi_ref);
    if (!store_find(pool, CLASS_SR, sr_ref))
        return call_handle_invalid(call, "SR", sr_ref);
    (void)str_copy(ret_ref, REF_MAX, vdi_ref);
    if (strcmp(object_text(vdi, F_VDI_SR), sr_ref) == 0)
        return 0;
    if (is_tracked(call, vdi))
        return -1;
    text_list_copy(&snapshots, object_set(vdi, F_VDI_snapshots));
    for (size_t i = 0; i < snapshots.n; i++)
        if (is_tracked(call, store_find(pool, CLASS_VDI, snapshots.items[i])))
            return -1;
    if (move_one(call, vdi_ref, sr_ref, ret_ref))
        return -1;
    for (size_t i = 0; i < snapshots.n; i++)
        if (store_find(pool, CLASS_VDI, snapshots.items[i]) &&
            move_one(call, snapshots.items[i], sr_ref, ignored))
            return -1;
    return 0;
}

/* The VM whose disk it is: not dom0's, and not a snapshot's. */
static const struct object *owner_of(struct pool *pool, const struct object *vdi)
{
    const struct text_list *vbds = object_set(vdi, F_VDI_VBDs);

    for (size_t i = 0; i < vbds->n; i++) {
        const struct object *vbd = store_find(pool, CLASS_VBD, vbds->items[i]);
        const struct object *vm = vbd ? object_follow(pool, vbd, F_VBD_VM) : NULL;
        if (vm && !object_bool(vm, F_VM_is_control_domain))
            return vm;
    }
    return NULL;
}

static int pool_migrate(struct call *call)
{
    struct pool *pool = call->pool;
    const struct object *vdi = call_object(call, 0, CLASS_VDI);
    const struct object *vm = vdi ? owner_of(pool, vdi) : NULL;
    char vm_ref[REF_MAX];
    char made[REF_MAX];
    int failed;

    if (!vdi)
        return -1;
    if (strcmp(object_text(vdi, F_VDI_type), "cbt_metadata") == 0)
        return failure_set(call->failure, "VDI_INCOMPATIBLE_TYPE", object_ref(vdi), "CBT metadata",
                           NULL);
    if (!vm)
        return failure_set(call->failure, "VDI_NEEDS_VM_FOR_MIGRATE", object_ref(vdi), NULL);
    (void)str_copy(vm_ref, sizeof vm_ref, object_ref(vm));
    if (operations_begin_vm(pool, vm_ref, "migrate_send", call->task_ref, WAIT_NORMAL_MS,
                            call->failure))
        return -1;
    failed = move(call, call_text(call, 0), call_text(call, 1), made);
    operation_end(pool, CLASS_VM, vm_ref, call->task_ref);
    if (!failed)
        answer_text(call->answer, made);
    return failed;
}

static struct host *destination(struct call *call)
{
    CLEAN_TEXT_MAP struct text_map dest = TEXT_MAP_INIT;
    const char *ref;
    struct host *host;

    call_map(call, 1, &dest);
    ref = text_map_get(&dest, "host");
    host = ref ? pool_host_by_ref(call->pool, ref) : NULL;
    if (!host)
        (void)failure_set(call->failure, "CANNOT_CONTACT_HOST", ref ? ref : "", NULL);
    return host;
}

/* Where each disk of the VM is in the end, the destination must see it. */
static int check_seen(struct call *call, const struct object *vm, const struct host *host,
                      const struct text_map *moves)
{
    struct pool *pool = call->pool;

    for (size_t i = 0; i < object_set(vm, F_VM_VBDs)->n; i++) {
        const struct object *vbd = store_find(pool, CLASS_VBD, object_set(vm, F_VM_VBDs)->items[i]);
        const struct object *vdi = vbd ? object_follow(pool, vbd, F_VBD_VDI) : NULL;
        const char *sr_ref = vdi ? text_map_get(moves, object_ref(vdi)) : NULL;
        if (vdi && !sr_ref)
            sr_ref = object_text(vdi, F_VDI_SR);
        if (vdi && !pool_host_sees_sr(pool, host, sr_ref))
            return failure_set(call->failure, "VM_REQUIRES_SR", object_ref(vm), sr_ref, NULL);
    }
    return 0;
}

static int check_moves(struct call *call, struct host **ret_host, struct text_map *ret_moves)
{
    const struct object *vm = call_object(call, 0, CLASS_VM);

    if (!vm)
        return -1;
    *ret_host = destination(call);
    if (!*ret_host)
        return -1;
    call_map(call, 3, ret_moves);
    for (size_t i = 0; i < ret_moves->n; i++) {
        const struct object *vdi = store_find(call->pool, CLASS_VDI, ret_moves->pairs[i].key);
        if (!vdi)
            return call_handle_invalid(call, "VDI", ret_moves->pairs[i].key);
        if (strcmp(object_text(vdi, F_VDI_SR), ret_moves->pairs[i].value) != 0 &&
            is_tracked(call, vdi))
            return -1;
    }
    return check_seen(call, vm, *ret_host, ret_moves);
}

static int assert_can_migrate(struct call *call)
{
    CLEAN_TEXT_MAP struct text_map moves = TEXT_MAP_INIT;
    struct host *host;

    return check_moves(call, &host, &moves);
}

static int migrate_send(struct call *call)
{
    struct pool *pool = call->pool;
    const char *ref = call_text(call, 0);
    CLEAN_TEXT_MAP struct text_map moves = TEXT_MAP_INIT;
    struct host *host;
    struct object *vm;
    char made[REF_MAX];
    int failed = 0;

    if (check_moves(call, &host, &moves) ||
        operations_begin_vm(pool, ref, "migrate_send", call->task_ref, WAIT_NORMAL_MS,
                            call->failure))
        return -1;
    for (size_t i = 0; !failed && i < moves.n; i++)
        failed = move(call, moves.pairs[i].key, moves.pairs[i].value, made);
    operation_end(pool, CLASS_VM, ref, call->task_ref);
    vm = store_find(pool, CLASS_VM, ref);
    if (failed || !vm)
        return failed ? -1 : call_handle_invalid(call, "VM", ref);
    if (strcmp(object_text(vm, F_VM_power_state), "Running") == 0)
        vm_set_running(pool, vm, host);
    answer_text(call->answer, ref);
    return 0;
}

/* Where a migration goes and the session that it is made with. */
static int migrate_receive(struct call *call)
{
    struct pool *pool = call->pool;
    struct host *host = pool_host_by_ref(pool, call_text(call, 0));
    const struct object *network = host ? call_object(call, 1, CLASS_network) : NULL;
    CLEAN_CHAR char *base = NULL;
    CLEAN_CHAR char *sm = NULL;
    CLEAN_CHAR char *xenops = NULL;

    if (!host)
        return call_handle_invalid(call, "host", call_text(call, 0));
    if (!network)
        return -1;
    base = str_format("http://%s/",
                      object_text(store_find(pool, CLASS_host, host->ref), F_host_address));
    const char *session = object_ref(session_make(host, pool->user, ""));
    sm = str_format("%sservices/SM?session_id=%s", base, session);
    xenops = str_format("%sservices/xenops?session_id=%s", base, session);
    answer_begin_map(call->answer);
    answer_key(call->answer, "SM");
    answer_text(call->answer, sm);
    answer_key(call->answer, "host");
    answer_text(call->answer, host->ref);
    answer_key(call->answer, "xenops");
    answer_text(call->answer, xenops);
    answer_key(call->answer, "session_id");
    answer_text(call->answer, session);
    answer_key(call->answer, "master");
    answer_text(call->answer, base);
    answer_end_map(call->answer);
    return 0;
}

const struct method_row migrate_methods[] = {
    {"VDI.pool_migrate", pool_migrate},
    {"VM.migrate_send", migrate_send},
    {"VM.assert_can_migrate", assert_can_migrate},
    {"host.migrate_receive", migrate_receive},
    {NULL, NULL},
};
