/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What clients ask about a VM before they do something with it: may it, could it move, how much
 * memory does it take.
 *
 * Source: xapi_vm.ml, agility.ml, memory_check.ml.
 */
#include <string.h>

#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/operations.h"
#include "tests/poolsim/rpc.h"

#include "common/base/poison.h"

static int assert_operation_valid(struct call *call)
{
    struct object *vm = call_object(call, 0, CLASS_VM);

    return vm ? operations_check_vm(call->pool, vm, call_text(call, 1), call->failure) : -1;
}

/* As it booted last; one that never did is answered as it is now. */
static int get_boot_record(struct call *call)
{
    const struct object *vm = call_object(call, 0, CLASS_VM);

    if (!vm)
        return -1;
    answer_record(call->answer, call->pool, vm);
    return 0;
}

static bool is_seen_by_all(struct pool *pool, const char *sr_ref)
{
    const struct object *sr = store_find(pool, CLASS_SR, sr_ref);

    if (!sr || !object_bool(sr, F_SR_shared))
        return false;
    for (size_t i = 0; i < pool->hosts_n; i++)
        if (!pool_host_sees_sr(pool, pool->hosts[i], sr_ref))
            return false;
    return true;
}

static int assert_agile(struct call *call)
{
    struct pool *pool = call->pool;
    const struct object *vm = call_object(call, 0, CLASS_VM);

    if (!vm)
        return -1;
    if (object_set(vm, F_VM_VUSBs)->n)
        return failure_set(call->failure, "VM_HAS_VUSBS", object_ref(vm), NULL);
    for (size_t i = 0; i < object_set(vm, F_VM_VBDs)->n; i++) {
        const struct object *vbd = store_find(pool, CLASS_VBD, object_set(vm, F_VM_VBDs)->items[i]);
        const struct object *vdi = vbd ? object_follow(pool, vbd, F_VBD_VDI) : NULL;
        if (vdi && !is_seen_by_all(pool, object_text(vdi, F_VDI_SR)))
            return failure_set(call->failure, "HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED",
                               object_text(vdi, F_VDI_SR), NULL);
    }
    return 0;
}

static int compute_memory_overhead(struct call *call)
{
    const struct object *vm = call_object(call, 0, CLASS_VM);

    if (!vm)
        return -1;
    answer_int(call->answer, object_int(vm, F_VM_memory_overhead));
    return 0;
}

/* The largest static_max that fits into total. */
static int maximise_memory(struct call *call)
{
    const struct object *vm = call_object(call, 0, CLASS_VM);

    if (!vm)
        return -1;
    answer_int(call->answer, call_int(call, 1) - object_int(vm, F_VM_memory_overhead));
    return 0;
}

/* A range, or one value that all limits but the static minimum take. */
static int set_memory_range(struct call *call)
{
    struct object *vm = call_object(call, 0, CLASS_VM);
    bool is_static = strcmp(call->name, "VM.set_memory_dynamic_range") != 0;
    bool is_dynamic = strcmp(call->name, "VM.set_memory_static_range") != 0;
    bool is_one = strcmp(call->name, "VM.set_memory") == 0;
    int64_t low = call_int(call, 1);
    int64_t high = is_one ? low : call_int(call, 2);

    if (!vm)
        return -1;
    if (high < low)
        return failure_set(call->failure, "MEMORY_CONSTRAINT_VIOLATION",
                           "Memory limits must satisfy: static_min <= dynamic_min <= dynamic_max "
                           "<= static_max",
                           NULL);
    if (is_static && !is_one)
        object_set_int(call->pool, vm, F_VM_memory_static_min, low);
    if (is_static)
        object_set_int(call->pool, vm, F_VM_memory_static_max, high);
    if (is_dynamic) {
        object_set_int(call->pool, vm, F_VM_memory_dynamic_min, low);
        object_set_int(call->pool, vm, F_VM_memory_dynamic_max, high);
    }
    return 0;
}

/* The older field and the newer one say the same. Source: xapi_vm.ml. */
static int set_domain(struct call *call)
{
    struct object *vm = call_object(call, 0, CLASS_VM);
    const char *value = call_text(call, 1);
    bool is_policy = strcmp(call->name, "VM.set_HVM_boot_policy") == 0;
    const char *type = is_policy ? (*value ? "hvm" : "pv") : value;

    if (!vm)
        return -1;
    if (strcmp(type, "unspecified") == 0)
        return failure_set(call->failure, "INVALID_VALUE", "domain_type", type, NULL);
    object_set_text(call->pool, vm, F_VM_domain_type, type);
    object_set_text(call->pool, vm, F_VM_HVM_boot_policy,
                    is_policy                  ? value
                    : strcmp(type, "hvm") == 0 ? "BIOS order"
                                               : "");
    return 0;
}

/* Guests here do what they are told at once. */
static int get_cooperative(struct call *call)
{
    if (!call_object(call, 0, CLASS_VM))
        return -1;
    answer_bool(call->answer, true);
    return 0;
}

static int nothing_to_wait_for(struct call *call)
{
    return call_object(call, 0, CLASS_VM) ? 0 : -1;
}

/* XAPI itself has it no more. */
static int query_services(struct call *call)
{
    return failure_set(call->failure, "NOT_IMPLEMENTED", "query_services", NULL);
}

const struct method_row vm_ask_methods[] = {
    {"VM.assert_operation_valid", assert_operation_valid},
    {"VM.get_boot_record", get_boot_record},
    {"VM.assert_agile", assert_agile},
    {"VM.compute_memory_overhead", compute_memory_overhead},
    {"VM.maximise_memory", maximise_memory},
    {"VM.set_memory", set_memory_range},
    {"VM.set_memory_dynamic_range", set_memory_range},
    {"VM.set_memory_static_range", set_memory_range},
    {"VM.set_memory_target_live", nothing_to_wait_for},
    {"VM.wait_memory_target_live", nothing_to_wait_for},
    {"VM.set_HVM_boot_policy", set_domain},
    {"VM.set_domain_type", set_domain},
    {"VM.get_cooperative", get_cooperative},
    {"VM.query_services", query_services},
    {NULL, NULL},
};
