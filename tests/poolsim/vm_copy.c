/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Disks first, one after another, then the record with its VBDs and VIFs.
 */
#include "tests/poolsim/vm_copy.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/disks.h"
#include "tests/poolsim/operations.h"
#include "tests/poolsim/store_inside.h"
#include "tests/poolsim/task.h"

#include "common/base/poison.h"

#define BETWEEN_DISKS_MS 1

static bool is_own(const struct field *field)
{
    static const char *const own[] = {"uuid",
                                      "allowed_operations",
                                      "current_operations",
                                      "VBDs",
                                      "VIFs",
                                      "VUSBs",
                                      "VTPMs",
                                      "VGPUs",
                                      "consoles",
                                      "crash_dumps",
                                      "snapshots",
                                      "children",
                                      "blobs",
                                      "attached_PCIs"};

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(own[i], field->name) == 0)
            return true;
    return false;
}

void object_copy_values(struct pool *pool, const struct object *from, struct object *to)
{
    const struct class_schema *schema = schema_class(object_class(from));

    for (int i = 0; i < schema->fields_n; i++) {
        enum field_id field = (enum field_id)((int)object_class(from) * 256 + i);
        if (is_own(&schema->fields[i]))
            continue;
        switch (schema->fields[i].type.kind) {
        case KIND_INT:
            object_set_int(pool, to, field, object_int(from, field));
            break;
        case KIND_BOOL:
            object_set_bool(pool, to, field, object_bool(from, field));
            break;
        case KIND_FLOAT:
            object_set_float(pool, to, field, object_float(from, field));
            break;
        case KIND_SET:
            object_set_set(pool, to, field, object_set(from, field));
            break;
        case KIND_MAP:
            object_set_map(pool, to, field, object_map(from, field));
            break;
        default:
            object_set_text(pool, to, field, object_text(from, field));
            break;
        }
    }
}

/* --- the dump in snapshot_metadata: (('name' 'value') ...), names descending --- */

static void add_quoted(struct str *out, const char *text)
{
    str_add_char(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            str_add_char(out, '\\');
        str_add_char(out, *text);
    }
    str_add_char(out, '\'');
}

static void add_dumped(struct str *out, const struct object *object, enum field_id field)
{
    struct str value = STR_INIT;
    enum kind kind = schema_field(field)->type.kind;

    if (kind == KIND_INT)
        str_add_format(&value, "%lld", (long long)object_int(object, field));
    else if (kind == KIND_BOOL)
        str_add(&value, object_bool(object, field) ? "true" : "false");
    else if (kind == KIND_FLOAT)
        str_add_format(&value, "%.15g", object_float(object, field));
    else if (kind == KIND_SET || kind == KIND_MAP) {
        str_add_char(&value, '(');
        if (kind == KIND_SET)
            for (size_t i = 0; i < object_set(object, field)->n; i++) {
                str_add(&value, i ? " " : "");
                add_quoted(&value, object_set(object, field)->items[i]);
            }
        else
            for (size_t i = 0; i < object_map(object, field)->n; i++) {
                str_add(&value, i ? " (" : "(");
                add_quoted(&value, object_map(object, field)->pairs[i].key);
                str_add_char(&value, ' ');
                add_quoted(&value, object_map(object, field)->pairs[i].value);
                str_add_char(&value, ')');
            }
        str_add_char(&value, ')');
    } else {
        str_add(&value, object_text(object, field));
    }
    add_quoted(out, str_text(&value));
    str_done(&value);
}

static int compare_fields_down(const void *a, const void *b)
{
    const enum field_id *left = a;
    const enum field_id *right = b;

    return strcmp(schema_field(*right)->name, schema_field(*left)->name);
}

char *vm_format_snapshot_metadata(const struct object *vm)
{
    enum field_id order[256];
    int n = schema_class(CLASS_VM)->fields_n;
    struct str out = STR_INIT;

    for (int i = 0; i < n; i++)
        order[i] = (enum field_id)((int)CLASS_VM * 256 + i);
    qsort(order, (size_t)n, sizeof *order, compare_fields_down);
    str_add_char(&out, '(');
    for (int i = 0; i < n; i++) {
        str_add(&out, i ? " (" : "(");
        add_quoted(&out, schema_field(order[i])->name);
        str_add_char(&out, ' ');
        add_dumped(&out, vm, order[i]);
        str_add_char(&out, ')');
    }
    str_add_char(&out, ')');
    return str_take(&out);
}

/* --- disks --- */

/* A VBD of the source and the VDI that the copy gets for it. */
struct disk_pair {
    char vbd_ref[REF_MAX];
    char vdi_ref[REF_MAX]; /* REF_NULL when the drive is empty */
    bool is_new;
};

struct pairs {
    struct disk_pair *items;
    size_t n, cap;
};

static void drop_disks(struct pool *pool, const struct pairs *pairs)
{
    for (size_t i = 0; i < pairs->n; i++) {
        CLEAN_FAILURE struct failure ignored = FAILURE_INIT;
        if (pairs->items[i].is_new)
            vdi_destroy(pool, pairs->items[i].vdi_ref, &ignored);
    }
}

static int copy_disk(struct pool *pool, const struct vm_copy *copy, const char *vbd_ref,
                     struct pairs *pairs, struct failure *failure)
{
    static const char *const operations[] = {"snapshot", "clone", "copy"};
    const struct object *vbd = store_find(pool, CLASS_VBD, vbd_ref);
    struct disk_pair pair = {.vdi_ref = REF_NULL};
    const char *vdi_ref;
    char uuid[UUID_TEXT_MAX];
    CLEAN_CHAR char *subtask = NULL;

    if (!vbd)
        return 0;
    vdi_ref = object_text(vbd, F_VBD_VDI);
    if (copy->ignored && text_list_has(copy->ignored, vdi_ref))
        return 0;
    str_copy(pair.vbd_ref, sizeof pair.vbd_ref, vbd_ref);
    if (strcmp(object_text(vbd, F_VBD_type), "Disk") == 0 && !object_bool(vbd, F_VBD_empty)) {
        subtask = str_format("OpaqueRef:%s", random_uuid(pool->random, uuid));
        CLEAN_CHAR char *waited = mem_dup(vdi_ref); /* the VBD may go while we wait */
        if (operations_wait_vdi(pool, waited, operations[copy->how], copy->task_ref, WAIT_NORMAL_MS,
                                failure) ||
            vdi_duplicate(pool, waited, copy->how, copy->sr_ref, subtask, failure, pair.vdi_ref))
            return -1;
        pair.is_new = true;
    } else {
        str_copy(pair.vdi_ref, sizeof pair.vdi_ref, vdi_ref);
    }
    pairs->items = mem_grow(pairs->items, &pairs->cap, pairs->n + 1, sizeof *pairs->items);
    pairs->items[pairs->n++] = pair;
    return 0;
}

/* The snapshots of two disks are not of one instant: others may run between them. */
static int copy_disks(struct pool *pool, const struct vm_copy *copy, struct pairs *pairs,
                      struct failure *failure)
{
    CLEAN_TEXT_LIST struct text_list vbds = TEXT_LIST_INIT;

    text_list_copy(&vbds, object_set(store_find(pool, CLASS_VM, copy->vm_ref), F_VM_VBDs));
    for (size_t i = 0; i < vbds.n; i++) {
        if (copy_disk(pool, copy, vbds.items[i], pairs, failure))
            return -1;
        pool_wait_until(pool, pool_now_ms() + BETWEEN_DISKS_MS);
        if (task_is_cancelling(pool, copy->task_ref))
            return failure_set(failure, "TASK_CANCELLED", copy->task_ref, NULL);
        if (!store_find(pool, CLASS_VM, copy->vm_ref))
            return failure_set(failure, "HANDLE_INVALID", "VM", copy->vm_ref, NULL);
    }
    return 0;
}

/* --- the record --- */

static void copy_vbd(struct pool *pool, const struct disk_pair *pair, const char *vm_ref)
{
    const struct object *vbd = store_find(pool, CLASS_VBD, pair->vbd_ref);
    struct object *mine;

    if (!vbd)
        return;
    mine = vbd_make(pool, vm_ref, pair->vdi_ref, object_text(vbd, F_VBD_userdevice),
                    object_text(vbd, F_VBD_type), object_text(vbd, F_VBD_mode));
    object_set_bool(pool, mine, F_VBD_bootable, object_bool(vbd, F_VBD_bootable));
    object_set_bool(pool, mine, F_VBD_unpluggable, object_bool(vbd, F_VBD_unpluggable));
    object_set_bool(pool, mine, F_VBD_empty, object_bool(vbd, F_VBD_empty));
    object_set_map(pool, mine, F_VBD_other_config, object_map(vbd, F_VBD_other_config));
    object_set_map(pool, mine, F_VBD_qos_algorithm_params,
                   object_map(vbd, F_VBD_qos_algorithm_params));
    if (strcmp(object_text(vbd, F_VBD_type), "Disk") == 0)
        object_map_put(pool, mine, F_VBD_other_config, "owner", "");
}

static void copy_vifs(struct pool *pool, const struct vm_copy *copy, const char *ref)
{
    CLEAN_TEXT_LIST struct text_list vifs = TEXT_LIST_INIT;

    text_list_copy(&vifs, object_set(store_find(pool, CLASS_VM, copy->vm_ref), F_VM_VIFs));
    for (size_t i = 0; i < vifs.n; i++) {
        const struct object *vif = store_find(pool, CLASS_VIF, vifs.items[i]);
        struct object *mine =
            vif_make(pool, ref, object_text(vif, F_VIF_network), object_text(vif, F_VIF_device),
                     copy->is_snapshot ? object_text(vif, F_VIF_MAC) : NULL);
        object_set_int(pool, mine, F_VIF_MTU, object_int(vif, F_VIF_MTU));
        object_set_map(pool, mine, F_VIF_other_config, object_map(vif, F_VIF_other_config));
        object_set_text(pool, mine, F_VIF_locking_mode, object_text(vif, F_VIF_locking_mode));
        object_set_bool(pool, mine, F_VIF_MAC_autogenerated,
                        object_bool(vif, F_VIF_MAC_autogenerated));
    }
}

static void copy_metrics(struct pool *pool, const struct object *vm, struct object *mine)
{
    const struct object *metrics = object_follow(pool, vm, F_VM_metrics);
    const struct object *guest = object_follow(pool, vm, F_VM_guest_metrics);

    object_set_text(pool, mine, F_VM_metrics, NULL);
    object_set_text(pool, mine, F_VM_guest_metrics, NULL);
    if (metrics) {
        struct object *own = store_create(pool, CLASS_VM_metrics);
        object_copy_values(pool, metrics, own);
        object_set_text(pool, mine, F_VM_metrics, object_ref(own));
    }
    if (guest) {
        struct object *own = store_create(pool, CLASS_VM_guest_metrics);
        object_copy_values(pool, guest, own);
        object_set_text(pool, mine, F_VM_guest_metrics, object_ref(own));
    }
}

static void reset_runtime(struct pool *pool, struct object *mine)
{
    object_set_text(pool, mine, F_VM_power_state, "Halted");
    object_set_text(pool, mine, F_VM_resident_on, NULL);
    object_set_text(pool, mine, F_VM_scheduled_to_be_resident_on, NULL);
    object_set_text(pool, mine, F_VM_suspend_VDI, NULL);
    object_set_text(pool, mine, F_VM_appliance, NULL);
    object_set_text(pool, mine, F_VM_snapshot_schedule, NULL);
    object_set_text(pool, mine, F_VM_protection_policy, NULL);
    object_set_text(pool, mine, F_VM_domarch, "");
    object_set_int(pool, mine, F_VM_domid, -1);
    object_set_int(pool, mine, F_VM_start_delay, 0);
    object_set_int(pool, mine, F_VM_shutdown_delay, 0);
    object_set_int(pool, mine, F_VM_order, 0);
    object_set_int(pool, mine, F_VM_version, 0);
    object_set_bool(pool, mine, F_VM_is_default_template, false);
    object_set_bool(pool, mine, F_VM_ha_always_run, false);
    object_set_map(pool, mine, F_VM_blocked_operations, NULL);
    object_map_remove(pool, mine, F_VM_other_config, "default_template");
    object_map_remove(pool, mine, F_VM_other_config, "xensource_internal");
}

static void fill_snapshot(struct pool *pool, const struct vm_copy *copy, struct object *vm,
                          struct object *mine)
{
    CLEAN_CHAR char *dump = vm_format_snapshot_metadata(vm);
    char now[32];

    object_set_bool(pool, mine, F_VM_is_a_template, true);
    object_set_bool(pool, mine, F_VM_is_a_snapshot, true);
    object_set_text(pool, mine, F_VM_snapshot_of, object_ref(vm));
    object_set_text(pool, mine, F_VM_snapshot_time, pool_format_time(pool->master, now));
    object_set_map(pool, mine, F_VM_snapshot_info, NULL);
    object_map_put(pool, mine, F_VM_snapshot_info, "power-state-at-snapshot",
                   object_text(vm, F_VM_power_state));
    object_map_put(pool, mine, F_VM_snapshot_info, "disk-snapshot-type",
                   copy->is_quiesced ? "quiesced" : "crash_consistent");
    object_set_text(pool, mine, F_VM_snapshot_metadata, dump);
    object_set_text(pool, mine, F_VM_parent, object_text(vm, F_VM_parent));
    object_set_text(pool, vm, F_VM_parent, object_ref(mine));
}

/* New names for the network of a clone: it shares no MAC with its source. */
static void fill_clone(struct pool *pool, const struct object *vm, struct object *mine)
{
    char seed[UUID_TEXT_MAX];

    object_set_bool(pool, mine, F_VM_is_a_snapshot, false);
    object_set_bool(pool, mine, F_VM_is_a_template,
                    object_bool(vm, F_VM_is_a_template) && !object_bool(vm, F_VM_is_a_snapshot));
    object_set_text(pool, mine, F_VM_snapshot_of, NULL);
    object_set_text(pool, mine, F_VM_snapshot_time, NULL);
    object_set_text(pool, mine, F_VM_snapshot_metadata, "");
    object_set_map(pool, mine, F_VM_snapshot_info, NULL);
    object_set_text(pool, mine, F_VM_parent, NULL);
    object_map_put(pool, mine, F_VM_other_config, "mac_seed", random_uuid(pool->random, seed));
}

static int add_suspend_image(struct pool *pool, struct object *vm, struct object *mine,
                             struct failure *failure)
{
    char ref[REF_MAX];

    if (vm_make_suspend_image(pool, vm, ref, failure))
        return -1;
    if (strcmp(ref, REF_NULL) == 0)
        return 0;
    object_set_text(pool, mine, F_VM_suspend_VDI, ref);
    object_set_text(pool, mine, F_VM_power_state, "Suspended");
    return 0;
}

static int make_record(struct pool *pool, const struct vm_copy *copy, const struct pairs *pairs,
                       struct failure *failure, char ret_ref[REF_MAX])
{
    struct object *vm = store_find(pool, CLASS_VM, copy->vm_ref);
    struct object *mine = store_create(pool, CLASS_VM);

    object_copy_values(pool, vm, mine);
    reset_runtime(pool, mine);
    object_set_text(pool, mine, F_VM_name_label, copy->name);
    vm_renew_generation(pool, mine);
    copy_metrics(pool, vm, mine);
    if (copy->is_snapshot)
        fill_snapshot(pool, copy, vm, mine);
    else
        fill_clone(pool, vm, mine);
    str_copy(ret_ref, REF_MAX, object_ref(mine));
    for (size_t i = 0; i < pairs->n; i++)
        copy_vbd(pool, &pairs->items[i], ret_ref);
    copy_vifs(pool, copy, ret_ref);
    vtpm_copy_all(pool, copy->vm_ref, ret_ref);
    if (copy->is_checkpoint && add_suspend_image(pool, vm, mine, failure)) {
        vm_delete(pool, mine);
        return -1;
    }
    return 0;
}

int vm_copy(struct pool *pool, const struct vm_copy *copy, struct failure *failure,
            char ret_ref[REF_MAX])
{
    struct pairs pairs = {NULL, 0, 0};
    int result = copy_disks(pool, copy, &pairs, failure);

    if (result == 0)
        result = make_record(pool, copy, &pairs, failure, ret_ref);
    if (result)
        drop_disks(pool, &pairs);
    free(pairs.items);
    return result;
}

/* --- revert --- */

static void remove_old_disks(struct pool *pool, struct object *vm)
{
    CLEAN_TEXT_LIST struct text_list vbds = TEXT_LIST_INIT;

    text_list_copy(&vbds, object_set(vm, F_VM_VBDs));
    for (size_t i = 0; i < vbds.n; i++) {
        struct object *vbd = store_find(pool, CLASS_VBD, vbds.items[i]);
        bool is_disk = strcmp(object_text(vbd, F_VBD_type), "Disk") == 0;
        CLEAN_CHAR char *vdi_ref = mem_dup(object_text(vbd, F_VBD_VDI));
        CLEAN_FAILURE struct failure ignored = FAILURE_INIT;
        store_destroy(pool, vbd);
        if (is_disk)
            vdi_destroy(pool, vdi_ref, &ignored);
    }
}

/* What the snapshot kept comes back; name, identity and history stay the VM's. */
static void restore_values(struct pool *pool, const struct object *snapshot, struct object *vm)
{
    static const enum field_id maps[] = {F_VM_other_config,    F_VM_platform,
                                         F_VM_HVM_boot_params, F_VM_xenstore_data,
                                         F_VM_VCPUs_params,    F_VM_last_boot_CPU_flags};
    static const enum field_id numbers[] = {F_VM_memory_static_max,  F_VM_memory_static_min,
                                            F_VM_memory_dynamic_max, F_VM_memory_dynamic_min,
                                            F_VM_VCPUs_max,          F_VM_VCPUs_at_startup};

    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        object_set_map(pool, vm, maps[i], object_map(snapshot, maps[i]));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        object_set_int(pool, vm, numbers[i], object_int(snapshot, numbers[i]));
    object_set_set(pool, vm, F_VM_tags, object_set(snapshot, F_VM_tags));
    object_set_text(pool, vm, F_VM_parent, object_ref(snapshot));
}

int vm_revert(struct pool *pool, const char *snapshot_ref, const char *task_ref,
              struct failure *failure)
{
    struct object *snapshot = store_find(pool, CLASS_VM, snapshot_ref);
    struct vm_copy copy = {.vm_ref = snapshot_ref, .task_ref = task_ref, .how = VDI_COPY_CLONE};
    struct pairs pairs = {NULL, 0, 0};
    struct object *vm = object_follow(pool, snapshot, F_VM_snapshot_of);

    if (!vm)
        return failure_set(failure, "VM_REVERT_FAILED", snapshot_ref,
                           object_text(snapshot, F_VM_snapshot_of), NULL);
    if (copy_disks(pool, &copy, &pairs, failure)) {
        drop_disks(pool, &pairs);
        free(pairs.items);
        return -1;
    }
    snapshot = store_find(pool, CLASS_VM, snapshot_ref);
    vm = object_follow(pool, snapshot, F_VM_snapshot_of);
    vm_set_halted(pool, vm);
    remove_old_disks(pool, vm);
    for (size_t i = 0; i < pairs.n; i++)
        copy_vbd(pool, &pairs.items[i], object_ref(vm));
    restore_values(pool, snapshot, vm);
    vm_renew_generation(pool, vm);
    if (strcmp(object_text(snapshot, F_VM_power_state), "Suspended") == 0)
        vm_set_suspended(pool, vm);
    free(pairs.items);
    return 0;
}
