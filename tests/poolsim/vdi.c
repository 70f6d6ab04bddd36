/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VDI calls: create, snapshot, clone, copy, resize, destroy, and the SR's sizes that follow.
 *
 * physical_utilisation is kept per VDI: what a disk's own clusters take, a whole disk on a thick
 * SR, and a little for the metadata of a snapshot. An SR's is their sum.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/disks.h"
#include "tests/poolsim/fault.h"
#include "tests/poolsim/operations.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/task.h"
#include "tests/poolsim/value.h"
#include "tests/poolsim/vdi_chain.h"

#include "common/base/poison.h"

static bool is_thick(struct pool *pool, const char *sr_ref)
{
    const struct object *sr = store_find(pool, CLASS_SR, sr_ref);

    return sr && str_starts(object_text(sr, F_SR_type), "lvm");
}

static int64_t own_bytes(struct pool *pool, const struct object *vdi)
{
    if (is_thick(pool, object_text(vdi, F_VDI_SR)) && !object_bool(vdi, F_VDI_is_a_snapshot))
        return object_int(vdi, F_VDI_virtual_size);
    return (int64_t)disks_physical_bytes(pool->disks, object_uuid(vdi));
}

void sr_recount(struct pool *pool, const char *sr_ref)
{
    struct object *sr = store_find(pool, CLASS_SR, sr_ref);
    int64_t used = 0;
    int64_t allocated = 0;

    if (!sr)
        return;
    for (size_t i = 0; i < object_set(sr, F_SR_VDIs)->n; i++) {
        const struct object *vdi = store_find(pool, CLASS_VDI, object_set(sr, F_SR_VDIs)->items[i]);
        used += vdi ? object_int(vdi, F_VDI_physical_utilisation) : 0;
        allocated += vdi ? object_int(vdi, F_VDI_virtual_size) : 0;
    }
    object_set_int(pool, sr, F_SR_physical_utilisation, used);
    object_set_int(pool, sr, F_SR_virtual_allocation, allocated);
}

/* A disk's share of what it had before a snapshot stays its own in the books. */
void vdi_recount(struct pool *pool, const char *vdi_ref)
{
    struct object *vdi = store_find(pool, CLASS_VDI, vdi_ref);
    int64_t bytes;

    if (!vdi)
        return;
    bytes = own_bytes(pool, vdi);
    if (bytes > object_int(vdi, F_VDI_physical_utilisation))
        object_set_int(pool, vdi, F_VDI_physical_utilisation, bytes);
    sr_recount(pool, object_text(vdi, F_VDI_SR));
}

int sr_check_space(struct pool *pool, const char *sr_ref, int64_t bytes, struct failure *failure)
{
    const struct object *sr = store_find(pool, CLASS_SR, sr_ref);

    if (!sr)
        return failure_set(failure, "HANDLE_INVALID", "SR", sr_ref, NULL);
    if (object_int(sr, F_SR_physical_size) >= 0 &&
        object_int(sr, F_SR_physical_utilisation) + bytes > object_int(sr, F_SR_physical_size))
        return failure_set(failure, "SR_BACKEND_FAILURE_44", "", "There is insufficient space", "",
                           NULL);
    return 0;
}

int sr_backend_failure(struct failure *failure, const struct error *err)
{
    if (err->code == ERROR_NO_SPACE)
        return failure_set(failure, "SR_BACKEND_FAILURE_44", "", "There is insufficient space",
                           err->text, NULL);
    return failure_set(failure, "SR_BACKEND_FAILURE_46", "", "The VDI is not available", err->text,
                       NULL);
}

static int check_plugged(struct pool *pool, const char *sr_ref, struct failure *failure)
{
    const struct object *sr = store_find(pool, CLASS_SR, sr_ref);

    if (!sr)
        return failure_set(failure, "HANDLE_INVALID", "SR", sr_ref, NULL);
    if (object_set(sr, F_SR_PBDs)->n == 0)
        return failure_set(failure, "SR_HAS_NO_PBDS", sr_ref, NULL);
    for (size_t i = 0; i < pool->hosts_n; i++)
        if (pool_host_sees_sr(pool, pool->hosts[i], sr_ref))
            return 0;
    return failure_set(failure, "SR_NOT_ATTACHED", sr_ref, NULL);
}

struct object *vdi_make(struct pool *pool, const char *sr_ref, const char *uuid, const char *name,
                        int64_t size_bytes, const char *type)
{
    struct object *vdi = store_create_with_uuid(pool, CLASS_VDI, uuid);

    object_set_text(pool, vdi, F_VDI_SR, sr_ref);
    object_set_text(pool, vdi, F_VDI_name_label, name);
    object_set_text(pool, vdi, F_VDI_location, object_uuid(vdi));
    object_set_text(pool, vdi, F_VDI_type, type);
    object_set_int(pool, vdi, F_VDI_virtual_size, size_bytes);
    object_set_bool(pool, vdi, F_VDI_managed, true);
    return vdi;
}

const char *vdi_type_name(const char *type)
{
    static const char *const rows[][2] = {
        {"system", "System"},       {"user", "User"},
        {"ephemeral", "Ephemeral"}, {"suspend", "Suspend"},
        {"crashdump", "Crashdump"}, {"ha_statefile", "HA statefile"},
        {"metadata", "Metadata"},   {"redo_log", "Redo log"},
        {"pvs_cache", "PVS cache"}, {"cbt_metadata", "CBT metadata"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i][0], type) == 0)
            return rows[i][1];
    return type;
}

void vdi_renew_content(struct pool *pool, const char *vdi_ref)
{
    struct object *vdi = store_find(pool, CLASS_VDI, vdi_ref);
    char id[UUID_TEXT_MAX];

    if (vdi)
        object_map_put(pool, vdi, F_VDI_other_config, "content_id", random_uuid(pool->random, id));
}

/* --- duplicates --- */

/* All bytes are written anew. */
static bool is_whole(enum vdi_copy how)
{
    return how == VDI_COPY_FULL || how == VDI_COPY_MIRROR;
}

static struct object *duplicate_record(struct pool *pool, const struct object *vdi,
                                       enum vdi_copy how, const char *sr_ref)
{
    struct object *copy =
        vdi_make(pool, sr_ref, NULL, object_text(vdi, F_VDI_name_label),
                 object_int(vdi, F_VDI_virtual_size), object_text(vdi, F_VDI_type));
    char now[32];

    object_set_text(pool, copy, F_VDI_name_description, object_text(vdi, F_VDI_name_description));
    object_set_map(pool, copy, F_VDI_other_config, object_map(vdi, F_VDI_other_config));
    object_set_map(pool, copy, F_VDI_xenstore_data, object_map(vdi, F_VDI_xenstore_data));
    object_set_bool(pool, copy, F_VDI_sharable, object_bool(vdi, F_VDI_sharable));
    object_set_bool(pool, copy, F_VDI_read_only,
                    !is_whole(how) && object_bool(vdi, F_VDI_read_only));
    object_set_bool(pool, copy, F_VDI_allow_caching, object_bool(vdi, F_VDI_allow_caching));
    object_set_text(pool, copy, F_VDI_on_boot, object_text(vdi, F_VDI_on_boot));
    object_set_set(pool, copy, F_VDI_tags, object_set(vdi, F_VDI_tags));
    if (how == VDI_COPY_SNAPSHOT) {
        object_set_bool(pool, copy, F_VDI_is_a_snapshot, true);
        object_set_text(pool, copy, F_VDI_snapshot_of, object_ref(vdi));
        object_set_text(pool, copy, F_VDI_snapshot_time, pool_format_time(pool->master, now));
        object_set_bool(pool, copy, F_VDI_cbt_enabled, object_bool(vdi, F_VDI_cbt_enabled));
    }
    return copy;
}

/* What the new disk takes, and what the SR must have room for: the disk that it is made from gets
 * an empty VHD of its own over the base copy, on a thick SR one that is inflated. */
static void duplicate_cost(struct pool *pool, const struct object *vdi, enum vdi_copy how,
                           const char *sr_ref, int64_t *ret_own, int64_t *ret_room)
{
    int64_t full = object_int(vdi, F_VDI_virtual_size);
    bool is_inflated = is_thick(pool, sr_ref);

    *ret_own = VHD_EMPTY_BYTES;
    if (is_whole(how))
        *ret_own = object_int(vdi, F_VDI_physical_utilisation);
    else if (how == VDI_COPY_CLONE && is_inflated)
        *ret_own = full;
    *ret_room = *ret_own;
    if (!is_whole(how) && chain_has_vhds(pool, sr_ref))
        *ret_room += is_inflated && !object_bool(vdi, F_VDI_is_a_snapshot) ? full : VHD_EMPTY_BYTES;
}

int vdi_duplicate(struct pool *pool, const char *vdi_ref, enum vdi_copy how, const char *sr_ref,
                  const char *task_ref, struct failure *failure, char ret_ref[REF_MAX])
{
    static const char *const operations[] = {"snapshot", "clone", "copy", "mirror"};
    static const char *const steps[] = {"SM.snapshot", "SM.clone", "SM.copy", "SM.copy"};
    struct object *vdi = store_find(pool, CLASS_VDI, vdi_ref);
    struct object *copy;
    struct error err = ERROR_INIT;
    char target[REF_MAX];
    int64_t cost;
    int64_t room;
    int result;

    if (!vdi)
        return failure_set(failure, "HANDLE_INVALID", "VDI", vdi_ref, NULL);
    if (operations_check_vdi(pool, vdi, operations[how], failure))
        return -1;
    if (object_bool(vdi, F_VDI_missing))
        return failure_set(failure, "VDI_MISSING", object_text(vdi, F_VDI_SR), vdi_ref, NULL);
    str_copy(target, sizeof target, sr_ref ? sr_ref : object_text(vdi, F_VDI_SR));
    sr_ref = target;
    duplicate_cost(pool, vdi, how, sr_ref, &cost, &room);
    if (check_plugged(pool, sr_ref, failure) || sr_check_space(pool, sr_ref, room, failure))
        return -1;
    operation_begin(pool, vdi, task_ref, operations[how]);
    result = fault_of_driver(pool, steps[how], vdi_ref, failure);
    vdi = store_find(pool, CLASS_VDI, vdi_ref);
    if (!vdi)
        return failure_set(failure, "HANDLE_INVALID", "VDI", vdi_ref, NULL);
    if (result) {
        operation_end(pool, CLASS_VDI, vdi_ref, task_ref);
        return -1;
    }
    copy = duplicate_record(pool, vdi, how, sr_ref);
    if (is_whole(how))
        result = disks_copy(pool->disks, object_uuid(vdi), object_uuid(copy), &err);
    else
        result = disks_snapshot(pool->disks, object_uuid(vdi), object_uuid(copy), &err);
    operation_end(pool, CLASS_VDI, vdi_ref, task_ref);
    if (result) {
        store_destroy(pool, copy);
        return sr_backend_failure(failure, &err);
    }
    object_set_int(pool, copy, F_VDI_physical_utilisation, cost);
    str_copy(ret_ref, REF_MAX, object_ref(copy));
    if (!is_whole(how))
        chain_fork(pool, vdi_ref, ret_ref);
    vdi_recount(pool, ret_ref);
    return 0;
}

int vdi_destroy(struct pool *pool, const char *vdi_ref, struct failure *failure)
{
    struct object *vdi = store_find(pool, CLASS_VDI, vdi_ref);
    CLEAN_CHAR char *parent = NULL;
    char sr_ref[REF_MAX];

    if (!vdi)
        return failure_set(failure, "HANDLE_INVALID", "VDI", vdi_ref, NULL);
    if (operations_check_vdi(pool, vdi, "destroy", failure))
        return -1;
    if (check_plugged(pool, object_text(vdi, F_VDI_SR), failure))
        return -1;
    if (fault_of_driver(pool, "SM.destroy", vdi_ref, failure))
        return -1;
    vdi = store_find(pool, CLASS_VDI, vdi_ref);
    if (!vdi)
        return failure_set(failure, "HANDLE_INVALID", "VDI", vdi_ref, NULL);
    while (object_set(vdi, F_VDI_VBDs)->n) {
        struct object *vbd = store_find(pool, CLASS_VBD, object_set(vdi, F_VDI_VBDs)->items[0]);
        struct object *metrics = object_follow(pool, vbd, F_VBD_metrics);
        if (metrics)
            store_destroy(pool, metrics);
        store_destroy(pool, vbd);
    }
    for (struct object *vm = store_first(pool, CLASS_VM); vm; vm = store_next(pool, vm))
        if (strcmp(object_text(vm, F_VM_suspend_VDI), vdi_ref) == 0)
            object_set_text(pool, vm, F_VM_suspend_VDI, NULL);
    str_copy(sr_ref, sizeof sr_ref, object_text(vdi, F_VDI_SR));
    parent = mem_dup(object_map_get(vdi, F_VDI_sm_config, "vhd-parent"));
    disks_remove(pool->disks, object_uuid(vdi), NULL);
    store_destroy(pool, vdi);
    sr_recount(pool, sr_ref);
    if (pool->coalesces_at_once)
        chain_release(pool, parent);
    return 0;
}

/* --- methods --- */

static int missing_field(struct failure *failure, const char *name)
{
    CLEAN_CHAR char *text = str_format("Server_helpers.Dispatcher_FieldNotFound(\"%s\")", name);

    return failure_set(failure, "INTERNAL_ERROR", text, NULL);
}

/* Fields that VDI.create needs, in the order in which XAPI looks for them. */
static int check_record(const json_t *record, struct failure *failure)
{
    static const enum field_id needed[] = {F_VDI_SR,       F_VDI_virtual_size, F_VDI_type,
                                           F_VDI_sharable, F_VDI_read_only,    F_VDI_other_config};

    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        const struct field *field = schema_field(needed[i]);
        const json_t *value = json_object_get(record, field->name);
        if (!value)
            return missing_field(failure, field->name);
        if (value_check(value, &field->type, failure))
            return -1;
    }
    return value_check_record(record, CLASS_VDI, failure);
}

static void set_optional(struct pool *pool, struct object *vdi, const json_t *record)
{
    static const enum field_id fields[] = {F_VDI_other_config, F_VDI_xenstore_data,
                                           F_VDI_sm_config};
    const json_t *tags = json_object_get(record, "tags");
    const char *text = json_string_value(json_object_get(record, "name_description"));
    const char *key;
    json_t *item;
    size_t i;

    object_set_text(pool, vdi, F_VDI_name_description, text ? text : "");
    for (i = 0; i < sizeof fields / sizeof *fields; i++) {
        CLEAN_TEXT_MAP struct text_map pairs = TEXT_MAP_INIT;
        json_object_foreach(json_object_get(record, schema_field(fields[i])->name), key, item)
        {
            CLEAN_CHAR char *value = value_text(item);
            text_map_set(&pairs, key, value);
        }
        object_set_map(pool, vdi, fields[i], &pairs);
    }
    json_array_foreach((json_t *)(uintptr_t)tags, i, item) if (json_is_string(item))
        object_set_add(pool, vdi, F_VDI_tags, json_string_value(item));
    object_set_bool(pool, vdi, F_VDI_sharable, json_is_true(json_object_get(record, "sharable")));
    object_set_bool(pool, vdi, F_VDI_read_only, json_is_true(json_object_get(record, "read_only")));
}

static int create(struct call *call)
{
    struct pool *pool = call->pool;
    const json_t *record = call_value(call, 0);
    const char *sr_ref;
    const char *name;
    int64_t size;
    struct object *vdi;
    struct error err = ERROR_INIT;

    if (check_record(record, call->failure))
        return -1;
    if (str_equal(json_string_value(json_object_get(record, "type")), "cbt_metadata"))
        return failure_set(call->failure, "VDI_INCOMPATIBLE_TYPE", "", "CBT metadata", NULL);
    sr_ref = json_string_value(json_object_get(record, "SR"));
    name = json_string_value(json_object_get(record, "name_label"));
    size = value_int(json_object_get(record, "virtual_size"));
    if (check_plugged(pool, sr_ref, call->failure))
        return -1;
    if (size < 0)
        return failure_set(call->failure, "SR_BACKEND_FAILURE_1200", "",
                           "Python int too large to convert to C long", "", NULL);
    if (sr_check_space(pool, sr_ref, is_thick(pool, sr_ref) ? size : 0, call->failure))
        return -1;
    vdi = vdi_make(pool, sr_ref, NULL, name ? name : "", size,
                   json_string_value(json_object_get(record, "type")));
    if (disks_add(pool->disks, object_uuid(vdi), (uint64_t)size, NULL, &err)) {
        store_destroy(pool, vdi);
        return sr_backend_failure(call->failure, &err);
    }
    set_optional(pool, vdi, record);
    answer_text(call->answer, object_ref(vdi));
    vdi_recount(pool, object_ref(vdi));
    return 0;
}

static int duplicate(struct call *call, enum vdi_copy how, const char *sr_ref)
{
    static const char *const operations[] = {"snapshot", "clone", "copy"};
    char ref[REF_MAX];

    if (operations_wait_vdi(call->pool, call_text(call, 0), operations[how], call->task_ref,
                            WAIT_NORMAL_MS, call->failure) ||
        vdi_duplicate(call->pool, call_text(call, 0), how, sr_ref, call->task_ref, call->failure,
                      ref))
        return -1;
    answer_text(call->answer, ref);
    return 0;
}

static int snapshot(struct call *call)
{
    return duplicate(call, VDI_COPY_SNAPSHOT, NULL);
}

static int make_clone(struct call *call)
{
    return duplicate(call, VDI_COPY_CLONE, NULL);
}

/* Into a disk that is there. With a base, which the target has the bytes of, only what differs
 * from it. Source: xapi_vdi.ml copy. */
static int copy_into(struct call *call, const struct object *from, const struct object *into)
{
    struct pool *pool = call->pool;
    const struct object *base = store_find(pool, CLASS_VDI, call_text(call, 2));
    CLEAN_CHAR char *size = str_format("%lld", (long long)object_int(from, F_VDI_virtual_size));
    CLEAN_CHAR char *into_ref = mem_dup(object_ref(into));
    CLEAN_DISK struct disk *source = disks_find(pool->disks, object_uuid(from));
    CLEAN_DISK struct disk *target = disks_find(pool->disks, object_uuid(into));
    CLEAN_DISK struct disk *known = base ? disks_find(pool->disks, object_uuid(base)) : NULL;
    struct error err = ERROR_INIT;

    if (operations_check_vdi(pool, store_find(pool, CLASS_VDI, object_ref(from)), "copy",
                             call->failure))
        return -1;
    if (object_bool(into, F_VDI_read_only))
        return failure_set(call->failure, "VDI_READONLY", into_ref, NULL);
    if (object_int(into, F_VDI_virtual_size) < object_int(from, F_VDI_virtual_size))
        return failure_set(call->failure, "VDI_TOO_SMALL", into_ref, size, NULL);
    if (!source || !target)
        return failure_set(call->failure, "VDI_IO_ERROR", "Device I/O errors", NULL);
    if (disk_copy_into(source, known, target, &err))
        return failure_set(call->failure, "VDI_IO_ERROR", "Device I/O errors", NULL);
    vdi_renew_content(pool, into_ref);
    vdi_recount(pool, into_ref);
    answer_text(call->answer, into_ref);
    return 0;
}

static int copy(struct call *call)
{
    const char *sr_ref = call_text(call, 1);
    const struct object *from = call_object(call, 0, CLASS_VDI);
    const struct object *into = store_find(call->pool, CLASS_VDI, call_text(call, 3));

    if (!from)
        return -1;
    if (into)
        return copy_into(call, from, into);
    if (!store_find(call->pool, CLASS_SR, sr_ref))
        return call_handle_invalid(call, "SR", sr_ref);
    return duplicate(call, VDI_COPY_FULL, sr_ref);
}

/* While something else is done with the disk the call waits, as XAPI's own retry does. */
static int destroy(struct call *call)
{
    if (operations_wait_vdi(call->pool, call_text(call, 0), "destroy", call->task_ref,
                            WAIT_NORMAL_MS, call->failure))
        return -1;
    return vdi_destroy(call->pool, call_text(call, 0), call->failure);
}

static int forget(struct call *call)
{
    struct object *vdi = call_object(call, 0, CLASS_VDI);

    if (!vdi || operations_check_vdi(call->pool, vdi, "forget", call->failure))
        return -1;
    store_destroy(call->pool, vdi);
    return 0;
}

static int resize(struct call *call)
{
    struct pool *pool = call->pool;
    struct object *vdi = call_object(call, 0, CLASS_VDI);
    int64_t size = call_int(call, 1);
    struct error err = ERROR_INIT;

    if (!vdi || operations_check_vdi(pool, vdi, "resize", call->failure))
        return -1;
    if (size < 0 || disks_resize(pool->disks, object_uuid(vdi), (uint64_t)size, &err))
        return sr_backend_failure(call->failure, &err);
    object_set_int(pool, vdi, F_VDI_virtual_size, size);
    vdi_recount(pool, object_ref(vdi));
    return 0;
}

static int set_text(struct call *call)
{
    struct object *vdi = call_object(call, 0, CLASS_VDI);
    bool is_name = str_ends(call->name, "set_name_label");

    if (!vdi)
        return -1;
    object_set_text(call->pool, vdi, is_name ? F_VDI_name_label : F_VDI_name_description,
                    call_text(call, 1));
    return 0;
}

static int set_flag(struct call *call)
{
    struct object *vdi = call_object(call, 0, CLASS_VDI);
    enum field_id field;

    if (!vdi || !schema_find_field(CLASS_VDI, call->name + strlen("VDI.set_"), &field))
        return -1;
    object_set_bool(call->pool, vdi, field, call_bool(call, 1));
    return 0;
}

static int set_on_boot(struct call *call)
{
    struct object *vdi = call_object(call, 0, CLASS_VDI);

    if (!vdi)
        return -1;
    if (object_bool(vdi, F_VDI_cbt_enabled))
        return failure_set(call->failure, "VDI_CBT_ENABLED", object_ref(vdi), NULL);
    object_set_text(call->pool, vdi, F_VDI_on_boot, call_text(call, 1));
    return 0;
}

static int update(struct call *call)
{
    if (!call_object(call, 0, CLASS_VDI))
        return -1;
    vdi_recount(call->pool, call_text(call, 0));
    return 0;
}

const struct method_row vdi_methods[] = {
    {"VDI.create", create},
    {"VDI.snapshot", snapshot},
    {"VDI.clone", make_clone},
    {"VDI.copy", copy},
    {"VDI.destroy", destroy},
    {"VDI.forget", forget},
    {"VDI.resize", resize},
    {"VDI.resize_online", resize},
    {"VDI.set_name_label", set_text},
    {"VDI.set_name_description", set_text},
    {"VDI.set_sharable", set_flag},
    {"VDI.set_read_only", set_flag},
    {"VDI.set_allow_caching", set_flag},
    {"VDI.set_on_boot", set_on_boot},
    {"VDI.update", update},
    {NULL, NULL},
};
