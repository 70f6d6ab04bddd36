/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a VM could run, and at which places it takes more devices.
 *
 * A host must be live, enabled, and see the SR of every disk and of every disc in a drive. Memory
 * is not looked at. Source: xapi_vm_helpers.ml (contract 5).
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/attach.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/store.h"

#include "common/base/poison.h"

#define VBD_DEVICES_N 255
#define VIF_DEVICES_N 7

static int check_host(struct pool *pool, const struct object *vm, const struct host *host,
                      struct failure *failure)
{
    const struct object *record = store_find(pool, CLASS_host, host->ref);
    CLEAN_TEXT_LIST struct text_list srs = TEXT_LIST_INIT;

    if (host->is_down)
        return failure_set(failure, "HOST_NOT_LIVE", NULL);
    if (!object_bool(record, F_host_enabled))
        return failure_set(failure, "HOST_DISABLED", host->ref, NULL);
    (void)attach_vm_srs(pool, object_ref(vm), &srs);
    for (size_t i = 0; i < srs.n; i++)
        if (!pool_host_sees_sr(pool, host, srs.items[i]))
            return failure_set(failure, "VM_REQUIRES_SR", object_ref(vm), srs.items[i], NULL);
    return 0;
}

static int get_possible_hosts(struct call *call)
{
    struct pool *pool = call->pool;
    const struct object *vm = call_object(call, 0, CLASS_VM);

    if (!vm)
        return -1;
    answer_begin_set(call->answer);
    for (size_t i = 0; i < pool->hosts_n; i++) {
        CLEAN_FAILURE struct failure failure = FAILURE_INIT;
        if (check_host(pool, vm, pool->hosts[i], &failure) == 0)
            answer_text(call->answer, pool->hosts[i]->ref);
    }
    answer_end_set(call->answer);
    return 0;
}

static int assert_can_boot_here(struct call *call)
{
    const struct object *vm = call_object(call, 0, CLASS_VM);
    const struct host *host = pool_host_by_ref(call->pool, call_text(call, 1));

    if (!vm)
        return -1;
    if (!host)
        return call_handle_invalid(call, "host", call_text(call, 1));
    return check_host(call->pool, vm, host, call->failure);
}

static bool is_taken(struct pool *pool, const struct text_list *devices, enum class_id class,
                     enum field_id field, const char *name)
{
    for (size_t i = 0; i < devices->n; i++) {
        const struct object *device = store_find(pool, class, devices->items[i]);
        if (device && strcmp(object_text(device, field), name) == 0)
            return true;
    }
    return false;
}

static int get_allowed_devices(struct call *call)
{
    bool is_vbd = strcmp(call->name, "VM.get_allowed_VBD_devices") == 0;
    const struct object *vm = call_object(call, 0, CLASS_VM);
    const struct text_list *devices;

    if (!vm)
        return -1;
    devices = object_set(vm, is_vbd ? F_VM_VBDs : F_VM_VIFs);
    answer_begin_set(call->answer);
    for (int i = 0; i < (is_vbd ? VBD_DEVICES_N : VIF_DEVICES_N); i++) {
        CLEAN_CHAR char *name = str_format("%d", i);
        if (!is_taken(call->pool, devices, is_vbd ? CLASS_VBD : CLASS_VIF,
                      is_vbd ? F_VBD_userdevice : F_VIF_device, name))
            answer_text(call->answer, name);
    }
    answer_end_set(call->answer);
    return 0;
}

const struct method_row vm_place_methods[] = {
    {"VM.get_possible_hosts", get_possible_hosts},
    {"VM.assert_can_boot_here", assert_can_boot_here},
    {"VM.get_allowed_VBD_devices", get_allowed_devices},
    {"VM.get_allowed_VIF_devices", get_allowed_devices},
    {NULL, NULL},
};
