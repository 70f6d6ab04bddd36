/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VM calls apart from power: create, snapshot, clone, copy, revert, templates, destroy.
 *
 * Source: xapi_vm_clone.ml, xapi_vm_snapshot.ml (contract 3); recordings 205-262, 293-304,
 * 1005-1008, 1239-1279.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/operations.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/task.h"
#include "tests/poolsim/value.h"
#include "tests/poolsim/vm_copy.h"

#include "common/base/poison.h"

#define MEMORY_OVERHEAD_BYTES 6291456

struct object *vm_make(struct pool *pool, const char *uuid, const char *name)
{
    struct object *vm = store_create_with_uuid(pool, CLASS_VM, uuid);
    struct object *metrics = store_create(pool, CLASS_VM_metrics);
    char seed[UUID_TEXT_MAX];

    object_set_text(pool, vm, F_VM_name_label, name);
    object_set_text(pool, vm, F_VM_metrics, object_ref(metrics));
    object_set_text(pool, vm, F_VM_generation_id, "0:0");
    object_set_int(pool, vm, F_VM_domid, -1);
    object_set_int(pool, vm, F_VM_user_version, 1);
    object_set_int(pool, vm, F_VM_memory_overhead, MEMORY_OVERHEAD_BYTES);
    object_set_int(pool, vm, F_VM_hardware_platform_version, 2);
    object_set_float(pool, vm, F_VM_HVM_shadow_multiplier, 1.0);
    object_set_text(pool, vm, F_VM_domain_type, "hvm");
    object_map_put(pool, vm, F_VM_other_config, "mac_seed", random_uuid(pool->random, seed));
    return vm;
}

void vm_renew_generation(struct pool *pool, struct object *vm)
{
    CLEAN_CHAR char *text = str_format("%lld:%lld", (long long)(random_u64(pool->random) >> 1),
                                       (long long)(random_u64(pool->random) >> 1));

    object_set_text(pool, vm, F_VM_generation_id, text);
}

static void destroy_followed(struct pool *pool, const struct object *object, enum field_id field)
{
    struct object *target = object_follow(pool, object, field);

    if (target)
        store_destroy(pool, target);
}

/* Objects of a class whose text field is this reference. */
static void destroy_belonging(struct pool *pool, enum class_id class, enum field_id field,
                              const char *ref)
{
    struct object *next;
    enum field_id metrics = class == CLASS_VBD ? F_VBD_metrics : F_VIF_metrics;

    for (struct object *object = store_first(pool, class); object; object = next) {
        next = store_next(pool, object);
        if (strcmp(object_text(object, field), ref) != 0)
            continue;
        if (class == CLASS_VBD || class == CLASS_VIF)
            destroy_followed(pool, object, metrics);
        store_destroy(pool, object);
    }
}

static void destroy_set(struct pool *pool, const struct object *vm, enum field_id set,
                        enum class_id class, enum field_id metrics)
{
    while (object_set(vm, set)->n) {
        struct object *member = store_find(pool, class, object_set(vm, set)->items[0]);
        if (metrics != F_NONE)
            destroy_followed(pool, member, metrics);
        store_destroy(pool, member);
    }
}

void vm_delete(struct pool *pool, struct object *vm)
{
    char parent[REF_MAX];
    CLEAN_TEXT_LIST struct text_list children = TEXT_LIST_INIT;

    destroy_set(pool, vm, F_VM_VBDs, CLASS_VBD, F_VBD_metrics);
    destroy_set(pool, vm, F_VM_VIFs, CLASS_VIF, F_VIF_metrics);
    destroy_belonging(pool, CLASS_console, F_console_VM, object_ref(vm));
    destroy_belonging(pool, CLASS_VTPM, F_VTPM_VM, object_ref(vm));
    destroy_belonging(pool, CLASS_VUSB, F_VUSB_VM, object_ref(vm));
    destroy_followed(pool, vm, F_VM_metrics);
    destroy_followed(pool, vm, F_VM_guest_metrics);
    str_copy(parent, sizeof parent, object_text(vm, F_VM_parent));
    text_list_copy(&children, object_set(vm, F_VM_children));
    for (size_t i = 0; i < children.n; i++) {
        struct object *child = store_find(pool, CLASS_VM, children.items[i]);
        if (child)
            object_set_text(pool, child, F_VM_parent, parent);
    }
    store_destroy(pool, vm);
}

/* --- create --- */

/* Fields whose absence XAPI does not forgive; it looks for them in this order. */
static const enum field_id needed_fields[] = {F_VM_user_version,
                                              F_VM_is_a_template,
                                              F_VM_affinity,
                                              F_VM_memory_static_max,
                                              F_VM_memory_dynamic_max,
                                              F_VM_memory_dynamic_min,
                                              F_VM_memory_static_min,
                                              F_VM_VCPUs_params,
                                              F_VM_VCPUs_max,
                                              F_VM_VCPUs_at_startup,
                                              F_VM_actions_after_shutdown,
                                              F_VM_actions_after_reboot,
                                              F_VM_actions_after_crash,
                                              F_VM_PV_bootloader,
                                              F_VM_PV_kernel,
                                              F_VM_PV_ramdisk,
                                              F_VM_PV_args,
                                              F_VM_PV_bootloader_args,
                                              F_VM_PV_legacy_args,
                                              F_VM_HVM_boot_policy,
                                              F_VM_HVM_boot_params,
                                              F_VM_platform,
                                              F_VM_PCI_bus,
                                              F_VM_other_config,
                                              F_VM_recommendations};

static int check_record(const json_t *record, struct failure *failure)
{
    for (size_t i = 0; i < sizeof needed_fields / sizeof *needed_fields; i++)
        if (!json_object_get(record, schema_field(needed_fields[i])->name)) {
            CLEAN_CHAR char *text = str_format("Server_helpers.Dispatcher_FieldNotFound(\"%s\")",
                                               schema_field(needed_fields[i])->name);
            return failure_set(failure, "INTERNAL_ERROR", text, NULL);
        }
    return value_check_record(record, CLASS_VM, failure);
}

static void set_value(struct pool *pool, struct object *object, enum field_id field,
                      const json_t *value)
{
    CLEAN_TEXT_MAP struct text_map pairs = TEXT_MAP_INIT;
    CLEAN_CHAR char *text = NULL;
    const char *key;
    json_t *item;
    size_t i;

    switch (schema_field(field)->type.kind) {
    case KIND_INT:
        object_set_int(pool, object, field, value_int(value));
        break;
    case KIND_BOOL:
        object_set_bool(pool, object, field, value_bool(value));
        break;
    case KIND_FLOAT:
        object_set_float(pool, object, field, value_float(value));
        break;
    case KIND_SET:
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
            object_set_add(pool, object, field, json_string_value(item));
        break;
    case KIND_MAP:
        if (object_map_get(object, field, "mac_seed"))
            text_map_set(&pairs, "mac_seed", object_map_get(object, field, "mac_seed"));
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            CLEAN_CHAR char *item_text = value_text(item);
            text_map_set(&pairs, key, item_text);
        }
        object_set_map(pool, object, field, &pairs);
        break;
    default:
        text = value_text(value);
        object_set_text(pool, object, field, text);
        break;
    }
}

static int create(struct call *call)
{
    struct pool *pool = call->pool;
    const json_t *record = call_value(call, 0);
    const struct object *own = store_find(pool, CLASS_pool, pool->pool_ref);
    struct object *vm;
    const char *name;
    json_t *value;

    if (check_record(record, call->failure))
        return -1;
    vm = vm_make(pool, NULL, "");
    object_set_bool(pool, vm, F_VM_has_vendor_device,
                    !object_bool(own, F_pool_policy_no_vendor_device));
    json_object_foreach((json_t *)(uintptr_t)record, name, value)
    {
        enum field_id field;
        if (!schema_find_field(CLASS_VM, name, &field) ||
            schema_field(field)->access == ACCESS_DYNAMIC_RO || field == F_VM_power_state)
            continue;
        set_value(pool, vm, field, value);
    }
    if (strcmp(object_text(vm, F_VM_domain_type), "unspecified") == 0)
        object_set_text(pool, vm, F_VM_domain_type,
                        *object_text(vm, F_VM_HVM_boot_policy) ? "hvm" : "pv");
    if (object_bool(vm, F_VM_is_a_template)) {
        destroy_followed(pool, vm, F_VM_metrics);
        object_set_text(pool, vm, F_VM_metrics, NULL);
    }
    answer_text(call->answer, object_ref(vm));
    return 0;
}

/* --- snapshot, clone, copy --- */

static int do_copy(struct call *call, const char *operation, struct vm_copy *copy)
{
    struct pool *pool = call->pool;
    char ref[REF_MAX];
    int result;

    copy->vm_ref = call_text(call, 0);
    copy->name = call_text(call, 1);
    copy->task_ref = call->task_ref;
    if (operations_begin_vm(pool, copy->vm_ref, operation, call->task_ref, WAIT_NORMAL_MS,
                            call->failure))
        return -1;
    result = vm_copy(pool, copy, call->failure, ref);
    operation_end(pool, CLASS_VM, copy->vm_ref, call->task_ref);
    if (result)
        return -1;
    answer_text(call->answer, ref);
    return 0;
}

static void say_snapshotted(struct call *call, const char *message)
{
    const struct object *vm = store_find(call->pool, CLASS_VM, call_text(call, 0));
    CLEAN_CHAR char *body = NULL;

    if (!vm)
        return;
    body = str_format("VM '%s' (uuid: %s) snapshotted, snapshot name: %s",
                      object_text(vm, F_VM_name_label), object_uuid(vm), call_text(call, 1));
    message_add(call->pool, message, "VM", vm, body);
}

static int snapshot(struct call *call)
{
    CLEAN_TEXT_LIST struct text_list ignored = TEXT_LIST_INIT;
    struct vm_copy copy = {.is_snapshot = true, .how = VDI_COPY_SNAPSHOT, .ignored = &ignored};

    if (call->pool->profile->has_ignore_vdis && call_value(call, 2))
        call_set(call, 2, &ignored);
    if (do_copy(call, "snapshot", &copy))
        return -1;
    say_snapshotted(call, "VM_SNAPSHOTTED");
    return 0;
}

static int snapshot_with_quiesce(struct call *call)
{
    struct vm_copy copy = {.is_snapshot = true, .is_quiesced = true, .how = VDI_COPY_SNAPSHOT};

    if (do_copy(call, "snapshot_with_quiesce", &copy))
        return -1;
    say_snapshotted(call, "VM_SNAPSHOTTED");
    return 0;
}

/* The memory is kept in a suspend VDI of its own; the VM itself goes on. */
static int checkpoint(struct call *call)
{
    struct vm_copy copy = {.is_snapshot = true, .is_checkpoint = true, .how = VDI_COPY_SNAPSHOT};

    if (do_copy(call, "checkpoint", &copy))
        return -1;
    say_snapshotted(call, "VM_CHECKPOINTED");
    return 0;
}

static int make_clone(struct call *call)
{
    struct vm_copy copy = {.how = VDI_COPY_CLONE};

    return do_copy(call, "clone", &copy);
}

static int copy_to_sr(struct call *call)
{
    const char *sr_ref = call_text(call, 2);
    struct vm_copy copy = {.how = VDI_COPY_FULL,
                           .sr_ref = strcmp(sr_ref, REF_NULL) == 0 || !*sr_ref ? NULL : sr_ref};

    return do_copy(call, "copy", &copy);
}

static int revert(struct call *call)
{
    struct pool *pool = call->pool;
    const char *ref = call_text(call, 0);
    char vm_ref[REF_MAX];
    int result;

    if (operations_begin_vm(pool, ref, "revert", call->task_ref, WAIT_NORMAL_MS, call->failure))
        return -1;
    str_copy(vm_ref, sizeof vm_ref, object_text(store_find(pool, CLASS_VM, ref), F_VM_snapshot_of));
    result = vm_revert(pool, ref, call->task_ref, call->failure);
    operation_end(pool, CLASS_VM, ref, call->task_ref);
    if (result == 0) {
        const struct object *vm = store_find(pool, CLASS_VM, vm_ref);
        const struct object *from = store_find(pool, CLASS_VM, ref);
        CLEAN_CHAR char *body = str_format("VM '%s' (uuid: %s) reverted to snapshot: %s (uuid %s)",
                                           object_text(vm, F_VM_name_label), object_uuid(vm),
                                           object_text(from, F_VM_name_label), object_uuid(from));
        message_add(pool, "VM_SNAPSHOT_REVERTED", "VM", vm, body);
    }
    return result;
}

static int destroy(struct call *call)
{
    struct pool *pool = call->pool;
    const char *ref = call_text(call, 0);

    if (operations_begin_vm(pool, ref, "destroy", call->task_ref, WAIT_NORMAL_MS, call->failure))
        return -1;
    vm_delete(pool, store_find(pool, CLASS_VM, ref));
    return 0;
}

/* false is not checked at all, so it works on a snapshot; true needs a halted VM. */
static int set_is_a_template(struct call *call)
{
    struct pool *pool = call->pool;
    struct object *vm = call_object(call, 0, CLASS_VM);
    bool is_on = call_bool(call, 1);

    if (!vm)
        return -1;
    if (is_on) {
        if (operations_begin_vm(pool, call_text(call, 0), "make_into_template", call->task_ref,
                                WAIT_NORMAL_MS, call->failure))
            return -1;
        operation_end(pool, CLASS_VM, call_text(call, 0), call->task_ref);
        vm = store_find(pool, CLASS_VM, call_text(call, 0));
        object_set_text(pool, vm, F_VM_ha_restart_priority, "");
        object_set_bool(pool, vm, F_VM_ha_always_run, false);
        destroy_followed(pool, vm, F_VM_metrics);
        object_set_text(pool, vm, F_VM_metrics, NULL);
        destroy_belonging(pool, CLASS_VUSB, F_VUSB_VM, object_ref(vm));
    } else {
        struct object *metrics = object_follow(pool, vm, F_VM_metrics);
        char now[32];
        if (!metrics) {
            metrics = store_create(pool, CLASS_VM_metrics);
            object_set_text(pool, vm, F_VM_metrics, object_ref(metrics));
        }
        object_set_text(pool, metrics, F_VM_metrics_install_time,
                        pool_format_time(call->host, now));
    }
    object_set_bool(pool, vm, F_VM_is_a_template, is_on);
    return 0;
}

static int provision(struct call *call)
{
    struct pool *pool = call->pool;
    const char *ref = call_text(call, 0);

    if (operations_begin_vm(pool, ref, "provision", call->task_ref, WAIT_NORMAL_MS, call->failure))
        return -1;
    operation_end(pool, CLASS_VM, ref, call->task_ref);
    object_set_bool(pool, store_find(pool, CLASS_VM, ref), F_VM_is_a_template, false);
    return 0;
}

/* --- fields that have calls of their own --- */

static int set_ha_always_run(struct call *call)
{
    struct object *vm = call_object(call, 0, CLASS_VM);

    if (!vm)
        return -1;
    object_set_bool(call->pool, vm, F_VM_ha_always_run, call_bool(call, 1));
    object_set_text(call->pool, vm, F_VM_ha_restart_priority, call_bool(call, 1) ? "restart" : "");
    return 0;
}

static int set_ha_restart_priority(struct call *call)
{
    struct object *vm = call_object(call, 0, CLASS_VM);

    if (!vm)
        return -1;
    object_set_text(call->pool, vm, F_VM_ha_restart_priority, call_text(call, 1));
    object_set_bool(call->pool, vm, F_VM_ha_always_run, strcmp(call_text(call, 1), "restart") == 0);
    return 0;
}

static int set_memory(struct call *call)
{
    static const enum field_id fields[] = {F_VM_memory_static_min, F_VM_memory_static_max,
                                           F_VM_memory_dynamic_min, F_VM_memory_dynamic_max};
    struct object *vm = call_object(call, 0, CLASS_VM);
    enum field_id field;

    if (!vm)
        return -1;
    if (call->message->params_n == 5)
        for (int i = 0; i < 4; i++)
            object_set_int(call->pool, vm, fields[i], call_int(call, i + 1));
    else if (schema_find_field(CLASS_VM, call->name + strlen("VM.set_"), &field))
        object_set_int(call->pool, vm, field, call_int(call, 1));
    return 0;
}

static int create_new_blob(struct call *call)
{
    struct pool *pool = call->pool;
    struct object *vm = call_object(call, 0, CLASS_VM);
    struct object *blob;

    if (!vm)
        return -1;
    blob = store_create(pool, CLASS_blob);
    object_set_text(pool, blob, F_blob_mime_type, call_text(call, 2));
    object_set_bool(pool, blob, F_blob_public, call_bool(call, 3));
    object_map_put(pool, vm, F_VM_blobs, call_text(call, 1), object_ref(blob));
    answer_text(call->answer, object_ref(blob));
    return 0;
}

static int update_allowed_operations(struct call *call)
{
    struct object *vm = call_object(call, 0, CLASS_VM);

    if (!vm)
        return -1;
    object_touch(call->pool, vm);
    return 0;
}

const struct method_row vm_methods[] = {
    {"VM.create", create},
    {"VM.snapshot", snapshot},
    {"VM.snapshot_with_quiesce", snapshot_with_quiesce},
    {"VM.checkpoint", checkpoint},
    {"VM.clone", make_clone},
    {"VM.copy", copy_to_sr},
    {"VM.revert", revert},
    {"VM.destroy", destroy},
    {"VM.set_is_a_template", set_is_a_template},
    {"VM.provision", provision},
    {"VM.set_ha_always_run", set_ha_always_run},
    {"VM.set_ha_restart_priority", set_ha_restart_priority},
    {"VM.set_memory_limits", set_memory},
    {"VM.set_memory_static_min", set_memory},
    {"VM.set_memory_static_max", set_memory},
    {"VM.set_memory_dynamic_min", set_memory},
    {"VM.set_memory_dynamic_max", set_memory},
    {"VM.set_VCPUs_max", set_memory},
    {"VM.set_VCPUs_at_startup", set_memory},
    {"VM.create_new_blob", create_new_blob},
    {"VM.update_allowed_operations", update_allowed_operations},
    {NULL, NULL},
};
