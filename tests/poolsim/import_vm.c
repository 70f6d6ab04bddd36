/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VDIs, VMs, VBDs and VIFs of an import.
 *
 * VDIs are made before the VM is looked at: a forced restore over a running VM skips the VM and
 * leaves its new disks as orphans (recording 1694).
 */
#include <stdlib.h>
#include <string.h>

#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/import_inside.h"
#include "tests/poolsim/make_vdi.h"
#include "tests/poolsim/task.h"

#include "common/base/poison.h"

/* --- VDI --- */

static const struct object *find_iso(struct pool *pool, const char *location)
{
    for (const struct object *vdi = store_first(pool, CLASS_VDI); vdi;
         vdi = store_next(pool, vdi)) {
        const struct object *sr = object_follow(pool, vdi, F_VDI_SR);
        if (sr && strcmp(object_text(sr, F_SR_content_type), "iso") == 0 &&
            strcmp(object_text(sr, F_SR_type), "udev") != 0 &&
            strcmp(object_text(vdi, F_VDI_location), location) == 0)
            return vdi;
    }
    return NULL;
}

static const struct object *find_by_location(struct pool *pool, const char *sr_ref,
                                             const char *location)
{
    for (const struct object *vdi = store_first(pool, CLASS_VDI); vdi; vdi = store_next(pool, vdi))
        if (strcmp(object_text(vdi, F_VDI_SR), sr_ref) == 0 &&
            strcmp(object_text(vdi, F_VDI_location), location) == 0)
            return vdi;
    return NULL;
}

/* Metadata only: the disk has to be there. */
static int find_disk(struct import *import, const char *id, const json_t *record,
                     struct failure *failure)
{
    const char *mapped = text_map_get(&import->vdi_map, import_text(record, "uuid"));
    const char *sr_ref = import_lookup(import, import_text(record, "SR"));
    const char *location = import_text(record, "location");
    const struct object *vdi = mapped ? store_find_uuid(import->pool, CLASS_VDI, mapped) : NULL;
    if (!vdi && sr_ref)
        vdi = find_by_location(import->pool, sr_ref, location);
    if (vdi) {
        text_map_set(&import->table, id, object_ref(vdi));
        return 0;
    }
    if (import->is_forced)
        return 0;
    if (sr_ref)
        return failure_set(failure, "VDI_LOCATION_MISSING", sr_ref, location, NULL);
    return failure_set(failure, "VDI_CONTENT_ID_MISSING", NULL);
}

int import_make_vdi(struct import *import, const char *id, const json_t *record,
                    struct failure *failure)
{
    static const char *const skipped[] = {"virtual_size",
                                          "physical_utilisation",
                                          "location",
                                          "managed",
                                          "missing",
                                          "sm_config",
                                          "is_a_snapshot",
                                          "snapshot_time",
                                          "cbt_enabled",
                                          "storage_lock",
                                          NULL};
    const json_t *sr = import_find(import, import_text(record, "SR"));
    if (!sr)
        return import_fail_lookup(import_text(record, "SR"), failure);
    if (strcmp(import_text(sr, "content_type"), "iso") == 0) {
        const struct object *iso = find_iso(import->pool, import_text(record, "location"));
        if (iso)
            text_map_set(&import->table, id, object_ref(iso));
        return 0;
    }
    if (import->sr_ref[0] == '\0')
        return find_disk(import, id, record, failure);
    struct object *vdi = NULL;
    if (make_vdi(import->pool, import->sr_ref, import_text(record, "name_label"),
                 (uint64_t)import_int(record, "virtual_size"), &vdi, failure) != 0)
        return -1;
    import_set_fields(import, vdi, record, skipped);
    object_map_put(import->pool, vdi, F_VDI_sm_config, "import_task", import->task_ref);
    text_list_add(&import->vdis, object_ref(vdi));
    text_map_set(&import->table, id, object_ref(vdi));
    return 0;
}

/* --- VM --- */

static bool is_default_template(const json_t *record)
{
    const char *key = import_map_text(record, "other_config", "default_template");
    return import_bool(record, "is_default_template") ||
           (import_bool(record, "is_a_template") && key && strcmp(key, "true") == 0);
}

static const struct object *find_vm_by_name(struct pool *pool, const char *name)
{
    for (const struct object *vm = store_first(pool, CLASS_VM); vm; vm = store_next(pool, vm))
        if (strcmp(object_text(vm, F_VM_name_label), name) == 0)
            return vm;
    return NULL;
}

enum verdict { VERDICT_MAKE, VERDICT_REPLACE, VERDICT_SKIP, VERDICT_FAIL };

/* restore=true meets a VM of that uuid. */
static enum verdict judge_existing(const struct import *import, const struct object *vm,
                                   const json_t *record, struct failure *failure)
{
    int64_t ours = object_int(vm, F_VM_version);
    int64_t theirs = import_int(record, "version");
    CLEAN_CHAR char *ours_text = str_format("%lld", (long long)ours);
    CLEAN_CHAR char *theirs_text = str_format("%lld", (long long)theirs);
    if (strcmp(object_text(vm, F_VM_power_state), "Halted") != 0) {
        if (import->is_forced)
            return VERDICT_SKIP;
        (void)failure_set(failure, "VM_BAD_POWER_STATE", object_ref(vm), "Halted",
                          object_text(vm, F_VM_power_state), NULL);
        return VERDICT_FAIL;
    }
    if (ours >= theirs && !import->is_forced) {
        (void)failure_set(failure, "VM_TO_IMPORT_IS_NOT_NEWER_VERSION", object_ref(vm), ours_text,
                          theirs_text, NULL);
        return VERDICT_FAIL;
    }
    return VERDICT_REPLACE;
}

static void set_other_config(struct import *import, struct object *vm, const json_t *record)
{
    struct pool *pool = import->pool;
    const char *seed = import_map_text(record, "other_config", "mac_seed");
    char fresh[UUID_TEXT_MAX];
    if (!import->is_restore)
        object_map_put(pool, vm, F_VM_other_config, "mac_seed", random_uuid(pool->random, fresh));
    else if (!seed)
        object_map_remove(pool, vm, F_VM_other_config, "mac_seed");
    if (!import->is_forced)
        object_map_remove(pool, vm, F_VM_other_config, "default_template");
    object_map_put(pool, vm, F_VM_other_config, "import_task", import->task_ref);
}

static void set_links(struct import *import, struct object *vm, const json_t *record)
{
    static const struct {
        const char *name;
        enum field_id field;
    } links[] = {{"resident_on", F_VM_resident_on}, {"affinity", F_VM_affinity}};
    struct pool *pool = import->pool;
    const char *guest_metrics = import_lookup(import, import_text(record, "guest_metrics"));
    const json_t *metrics = import_find(import, import_text(record, "metrics"));
    struct object *ours = object_follow(pool, vm, F_VM_metrics);
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        const char *ref = import_lookup(import, import_text(record, links[i].name));
        object_set_text(pool, vm, links[i].field, ref ? ref : REF_NULL);
    }
    if (guest_metrics)
        object_set_text(pool, vm, F_VM_guest_metrics, guest_metrics);
    if (metrics && ours)
        import_set_fields(import, ours, metrics, NULL);
}

static void set_power_state(struct import *import, struct object *vm, const json_t *record)
{
    const char *suspend_vdi = import_lookup(import, import_text(record, "suspend_VDI"));
    bool is_suspended = strcmp(import_text(record, "power_state"), "Suspended") == 0;
    object_set_text(import->pool, vm, F_VM_power_state,
                    is_suspended && suspend_vdi ? "Suspended" : "Halted");
    if (is_suspended && suspend_vdi)
        object_set_text(import->pool, vm, F_VM_suspend_VDI, suspend_vdi);
}

static void make_one_vm(struct import *import, const char *id, const json_t *record)
{
    static const char *const skipped[] = {"power_state", "domid", "version", "blobs", NULL};
    struct pool *pool = import->pool;
    CLEAN_CHAR char *genid = str_format("%lld:%lld", (long long)(random_u64(pool->random) >> 1),
                                        (long long)(random_u64(pool->random) >> 1));
    struct object *vm = vm_make(pool, import->is_restore ? import_text(record, "uuid") : NULL,
                                import_text(record, "name_label"));
    import_set_fields(import, vm, record, skipped);
    set_other_config(import, vm, record);
    if (!import_bool(record, "is_a_template"))
        object_set_text(pool, vm, F_VM_generation_id, genid);
    if (!import->is_forced)
        object_set_bool(pool, vm, F_VM_is_default_template, false);
    object_set_int(pool, vm, F_VM_version,
                   import->is_restore ? import_int(record, "version") + 1 : 0);
    set_links(import, vm, record);
    set_power_state(import, vm, record);
    if (!import->is_forced)
        operation_begin(pool, vm, import->task_ref, "import");
    text_list_add(&import->vms, object_ref(vm));
    text_map_set(&import->table, id, object_ref(vm));
}

int import_make_vm(struct import *import, const char *id, const json_t *record,
                   struct failure *failure)
{
    struct pool *pool = import->pool;
    const struct object *template = is_default_template(record)
                                        ? find_vm_by_name(pool, import_text(record, "name_label"))
                                        : NULL;
    struct object *existing = store_find_uuid(pool, CLASS_VM, import_text(record, "uuid"));
    enum verdict verdict = VERDICT_MAKE;
    if (template) {
        text_map_set(&import->table, id, object_ref(template));
        return 0;
    }
    if (import->is_restore && existing)
        verdict = judge_existing(import, existing, record, failure);
    if (verdict == VERDICT_FAIL)
        return -1;
    if (verdict == VERDICT_SKIP)
        return 0;
    if (import->is_dry_run) {
        text_map_set(&import->table, id, REF_NULL);
        return 0;
    }
    if (verdict == VERDICT_REPLACE)
        vm_delete(pool, existing);
    make_one_vm(import, id, record);
    return 0;
}

void import_link_snapshots(struct import *import)
{
    struct pool *pool = import->pool;
    size_t i;
    const json_t *object;
    if (import->is_dry_run)
        return;
    json_array_foreach(import->objects, i, object)
    {
        const json_t *record = json_object_get(object, "snapshot");
        const char *ref = import_lookup(import, import_text(object, "id"));
        struct object *vm = ref ? store_find(pool, CLASS_VM, ref) : NULL;
        if (!vm || strcmp(import_text(object, "class"), "VM") != 0)
            continue;
        const char *snapshot_of = import_lookup(import, import_text(record, "snapshot_of"));
        const char *parent = import_lookup(import, import_text(record, "parent"));
        if (snapshot_of && object_bool(vm, F_VM_is_a_snapshot))
            object_set_text(pool, vm, F_VM_snapshot_of, snapshot_of);
        if (parent)
            object_set_text(pool, vm, F_VM_parent, parent);
    }
}

/* --- devices --- */

/* With restore a device of that uuid that is there is taken as it is. */
static bool take_existing(struct import *import, enum class_id class, const char *id,
                          const json_t *record)
{
    const struct object *found =
        import->is_restore ? store_find_uuid(import->pool, class, import_text(record, "uuid"))
                           : NULL;
    if (found)
        text_map_set(&import->table, id, object_ref(found));
    return found != NULL;
}

/* A restored device keeps its uuid: the fresh one that make gave is put aside for one that has it.
 * Nothing refers to the fresh one yet but its metrics. */
static struct object *with_uuid(struct import *import, struct object *fresh, const json_t *record)
{
    struct pool *pool = import->pool;
    if (!import->is_restore || !uuid_is_valid(import_text(record, "uuid")))
        return fresh;
    enum class_id class = object_class(fresh);
    enum field_id metrics = class == CLASS_VBD ? F_VBD_metrics : F_VIF_metrics;
    struct object *kept = store_create_with_uuid(pool, class, import_text(record, "uuid"));
    object_copy_values(pool, fresh, kept);
    object_set_text(pool, kept, metrics, object_text(fresh, metrics));
    store_destroy(pool, fresh);
    return kept;
}

int import_make_vbd(struct import *import, const char *id, const json_t *record,
                    struct failure *failure)
{
    static const char *const skipped[] = {"device", "currently_attached", "empty",        "type",
                                          "mode",   "userdevice",         "storage_lock", NULL};
    struct pool *pool = import->pool;
    if (take_existing(import, CLASS_VBD, id, record))
        return 0;
    const char *vm_ref = import_lookup(import, import_text(record, "VM"));
    const char *vdi_ref = import_lookup(import, import_text(record, "VDI"));
    bool is_disk = strcmp(import_text(record, "type"), "Disk") == 0;
    if (!vm_ref)
        return import_fail_lookup(import_text(record, "VM"), failure);
    if (!vdi_ref && is_disk && import_bool(record, "currently_attached"))
        return failure_set(failure, "IMPORT_ERROR_ATTACHED_DISKS_NOT_FOUND", NULL);
    if ((!vdi_ref && is_disk) || import->is_dry_run)
        return 0;
    struct object *vbd =
        vbd_make(pool, vm_ref, vdi_ref ? vdi_ref : REF_NULL, import_text(record, "userdevice"),
                 import_text(record, "type"), import_text(record, "mode"));
    vbd = with_uuid(import, vbd, record);
    import_set_fields(import, vbd, record, skipped);
    text_list_add(&import->vbds, object_ref(vbd));
    text_map_set(&import->table, id, object_ref(vbd));
    return 0;
}

int import_make_vtpm(struct import *import, const char *id, const json_t *record,
                     struct failure *failure)
{
    const char *vm_ref = import_lookup(import, import_text(record, "VM"));
    if (!vm_ref)
        return import_fail_lookup(import_text(record, "VM"), failure);
    if (!import->is_dry_run)
        text_map_set(&import->table, id,
                     object_ref(vtpm_make(import->pool, vm_ref, import_bool(record, "is_unique"),
                                          import_text(record, "content"))));
    return 0;
}

int import_make_vif(struct import *import, const char *id, const json_t *record,
                    struct failure *failure)
{
    static const char *const skipped[] = {"MAC", "MAC_autogenerated", "currently_attached",
                                          "device", NULL};
    struct pool *pool = import->pool;
    if (take_existing(import, CLASS_VIF, id, record))
        return 0;
    const char *vm_ref = import_lookup(import, import_text(record, "VM"));
    const char *network_ref = import_lookup(import, import_text(record, "network"));
    if (!vm_ref)
        return import_fail_lookup(import_text(record, "VM"), failure);
    if (!network_ref)
        return import_fail_lookup(import_text(record, "network"), failure);
    if (import->is_dry_run)
        return 0;
    struct object *vif = vif_make(pool, vm_ref, network_ref, import_text(record, "device"),
                                  import->is_restore ? import_text(record, "MAC") : NULL);
    vif = with_uuid(import, vif, record);
    import_set_fields(import, vif, record, skipped);
    text_list_add(&import->vifs, object_ref(vif));
    text_map_set(&import->table, id, object_ref(vif));
    return 0;
}
