/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Power states and what follows from them; migration.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/disks.h"
#include "tests/poolsim/guest.h"
#include "tests/poolsim/operations.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/task.h"

#include "common/base/poison.h"

#define SUSPEND_IMAGE_BYTES (INT64_C(64) << 20)

static void set_devices(struct pool *pool, const struct object *vm, bool is_attached)
{
    for (size_t i = 0; i < object_set(vm, F_VM_VBDs)->n; i++) {
        struct object *vbd = store_find(pool, CLASS_VBD, object_set(vm, F_VM_VBDs)->items[i]);
        bool is_plugged = is_attached && !object_bool(vbd, F_VBD_empty);
        object_set_bool(pool, vbd, F_VBD_currently_attached, is_attached);
        vbd_name_device(pool, vbd, is_plugged);
    }
    for (size_t i = 0; i < object_set(vm, F_VM_VIFs)->n; i++)
        object_set_bool(pool, store_find(pool, CLASS_VIF, object_set(vm, F_VM_VIFs)->items[i]),
                        F_VIF_currently_attached, is_attached);
}

void vm_set_running(struct pool *pool, struct object *vm, struct host *host)
{
    struct object *metrics = object_follow(pool, vm, F_VM_metrics);
    char now[32];

    object_set_text(pool, vm, F_VM_resident_on, host->ref);
    object_set_text(pool, vm, F_VM_power_state, "Running");
    object_set_int(pool, vm, F_VM_domid, ++pool->next_domid);
    set_devices(pool, vm, true);
    if (metrics) {
        object_set_text(pool, metrics, F_VM_metrics_start_time, pool_format_time(host, now));
        object_set_int(pool, metrics, F_VM_metrics_memory_actual,
                       object_int(vm, F_VM_memory_dynamic_max));
        object_set_int(pool, metrics, F_VM_metrics_VCPUs_number,
                       object_int(vm, F_VM_VCPUs_at_startup));
    }
}

void vm_set_halted(struct pool *pool, struct object *vm)
{
    object_set_text(pool, vm, F_VM_power_state, "Halted");
    object_set_text(pool, vm, F_VM_resident_on, NULL);
    object_set_int(pool, vm, F_VM_domid, -1);
    object_set_text(pool, vm, F_VM_domarch, "");
    set_devices(pool, vm, false);
}

static const char *suspend_sr(struct pool *pool, const struct object *vm)
{
    const struct object *host = object_follow(pool, vm, F_VM_resident_on);
    const struct object *own = store_find(pool, CLASS_pool, pool->pool_ref);
    const struct text_list *vbds = object_set(vm, F_VM_VBDs);

    if (object_follow(pool, vm, F_VM_suspend_SR))
        return object_text(vm, F_VM_suspend_SR);
    if (host && object_follow(pool, host, F_host_suspend_image_sr))
        return object_text(host, F_host_suspend_image_sr);
    if (object_follow(pool, own, F_pool_suspend_image_SR))
        return object_text(own, F_pool_suspend_image_SR);
    for (size_t i = 0; i < vbds->n; i++) {
        const struct object *vbd = store_find(pool, CLASS_VBD, vbds->items[i]);
        const struct object *disk = vbd ? object_follow(pool, vbd, F_VBD_VDI) : NULL;
        if (disk && strcmp(object_text(vbd, F_VBD_type), "Disk") == 0)
            return object_text(disk, F_VDI_SR);
    }
    return NULL;
}

int vm_make_suspend_image(struct pool *pool, const struct object *vm, char ret_ref[REF_MAX],
                          struct failure *failure)
{
    CLEAN_CHAR char *sr_ref = mem_dup(suspend_sr(pool, vm));
    struct error err = ERROR_INIT;
    struct object *vdi;

    str_copy(ret_ref, REF_MAX, REF_NULL);
    if (!sr_ref)
        return 0;
    if (sr_check_space(pool, sr_ref, SUSPEND_IMAGE_BYTES, failure))
        return -1;
    vdi = vdi_make(pool, sr_ref, NULL, "Suspend image", SUSPEND_IMAGE_BYTES, "suspend");
    if (disks_add(pool->disks, object_uuid(vdi), (uint64_t)SUSPEND_IMAGE_BYTES, NULL, &err)) {
        store_destroy(pool, vdi);
        return sr_backend_failure(failure, &err);
    }
    object_set_int(pool, vdi, F_VDI_physical_utilisation, SUSPEND_IMAGE_BYTES);
    sr_recount(pool, sr_ref);
    str_copy(ret_ref, REF_MAX, object_ref(vdi));
    return 0;
}

void vm_drop_suspend_image(struct pool *pool, struct object *vm)
{
    CLEAN_CHAR char *vdi_ref = mem_dup(object_text(vm, F_VM_suspend_VDI));
    CLEAN_FAILURE struct failure ignored = FAILURE_INIT;

    object_set_text(pool, vm, F_VM_suspend_VDI, NULL);
    if (store_find(pool, CLASS_VDI, vdi_ref))
        vdi_destroy(pool, vdi_ref, &ignored);
}

void vm_set_suspended(struct pool *pool, struct object *vm)
{
    CLEAN_FAILURE struct failure ignored = FAILURE_INIT;
    char ref[REF_MAX];

    if (!object_follow(pool, vm, F_VM_suspend_VDI) &&
        vm_make_suspend_image(pool, vm, ref, &ignored) == 0)
        object_set_text(pool, vm, F_VM_suspend_VDI, ref);
    vm_set_halted(pool, vm);
    object_set_text(pool, vm, F_VM_power_state, "Suspended");
}

/* SRs of the disks and of the inserted ISOs, which the host must see. */
static struct host *host_for(struct pool *pool, const struct object *vm, struct host *prefer)
{
    const char *srs[256];
    size_t n = 0;

    for (size_t i = 0; i < object_set(vm, F_VM_VBDs)->n && n < 256; i++) {
        const struct object *vbd = store_find(pool, CLASS_VBD, object_set(vm, F_VM_VBDs)->items[i]);
        const struct object *vdi = object_follow(pool, vbd, F_VBD_VDI);
        if (vdi)
            srs[n++] = object_text(vdi, F_VDI_SR);
    }
    return pool_host_that_sees(pool, srs, n, prefer);
}

static void say(struct pool *pool, const struct object *vm, const char *name, const char *what)
{
    CLEAN_CHAR char *body = str_format("VM '%s' (uuid: %s) %s", object_text(vm, F_VM_name_label),
                                       object_uuid(vm), what);

    message_add(pool, name, "VM", vm, body);
}

/* What a first boot leaves in the record. */
static void note_boot(struct pool *pool, struct object *vm)
{
    static const char *const bios[][2] = {
        {"bios-vendor", "Xen"},
        {"bios-version", ""},
        {"system-manufacturer", "Xen"},
        {"system-product-name", "HVM domU"},
        {"system-version", ""},
        {"system-serial-number", ""},
        {"baseboard-manufacturer", ""},
        {"baseboard-product-name", ""},
        {"baseboard-version", ""},
        {"baseboard-serial-number", ""},
        {"baseboard-asset-tag", ""},
        {"baseboard-location-in-chassis", ""},
        {"enclosure-asset-tag", ""},
        {"hp-rombios", ""},
        {"oem-1", "Xen"},
        {"oem-2", "MS_VM_CERT/SHA1/bdbeb6e0a816d43fa6d3fe8aaef04c2bad9d3e3d"}};
    CLEAN_TEXT_MAP struct text_map strings = TEXT_MAP_INIT;
    CLEAN_TEXT_MAP struct text_map platform = TEXT_MAP_INIT;
    const struct text_map *old = object_map(vm, F_VM_platform);

    for (size_t i = 0; i < sizeof bios / sizeof *bios; i++)
        text_map_set(&strings, bios[i][0], bios[i][1]);
    object_set_map(pool, vm, F_VM_bios_strings, &strings);
    text_map_set(&platform, "device-model", "qemu-upstream-compat");
    for (size_t i = 0; i < old->n; i++)
        text_map_set(&platform, old->pairs[i].key, old->pairs[i].value);
    object_set_map(pool, vm, F_VM_platform, &platform);
    object_map_put(pool, vm, F_VM_last_boot_CPU_flags, "features", "");
    object_map_put(pool, vm, F_VM_last_boot_CPU_flags, "vendor", "GenuineIntel");
    vm_renew_generation(pool, vm);
    guest_boot(pool, vm);
}

static int start_on(struct call *call, const char *operation, struct host *prefer, bool is_fixed)
{
    struct pool *pool = call->pool;
    const char *ref = call_text(call, 0);
    struct object *vm;
    struct host *host;
    CLEAN_CHAR char *what = NULL;

    if (operations_begin_vm(pool, ref, operation, call->task_ref, WAIT_NORMAL_MS, call->failure))
        return -1;
    vm = store_find(pool, CLASS_VM, ref);
    if (!prefer)
        prefer = pool_host_by_ref(pool, object_text(vm, F_VM_affinity));
    host = host_for(pool, vm, prefer);
    operation_end(pool, CLASS_VM, ref, call->task_ref);
    for (size_t i = 0; i < object_set(vm, F_VM_VBDs)->n; i++) {
        const struct object *vbd = store_find(pool, CLASS_VBD, object_set(vm, F_VM_VBDs)->items[i]);
        if (vbd && vbd_check_sharing(pool, vbd, call->failure))
            return -1;
    }
    if (!host)
        return failure_set(call->failure, "NO_HOSTS_AVAILABLE", NULL);
    if (is_fixed && host != prefer)
        return failure_set(call->failure, "HOST_DISABLED", prefer->ref, NULL);
    vm_set_running(pool, vm, host);
    if (!str_starts(operation, "resume"))
        note_boot(pool, vm);
    vm_drop_suspend_image(pool, vm);
    vm = store_find(pool, CLASS_VM, ref);
    if (!vm)
        return call_handle_invalid(call, "VM", ref);
    what = str_format("started on host: %s (uuid: %s)", host->name,
                      object_uuid(store_find(pool, CLASS_host, host->ref)));
    say(pool, vm, "VM_STARTED", what);
    return 0;
}

static int start(struct call *call)
{
    return start_on(call, "start", NULL, false);
}

static int start_there(struct call *call)
{
    struct host *host = pool_host_by_ref(call->pool, call_text(call, 1));

    if (!host)
        return call_handle_invalid(call, "host", call_text(call, 1));
    return start_on(call, "start_on", host, true);
}

static int resume_there(struct call *call)
{
    struct host *host = pool_host_by_ref(call->pool, call_text(call, 1));

    if (!host)
        return call_handle_invalid(call, "host", call_text(call, 1));
    return start_on(call, "resume_on", host, true);
}

static int resume(struct call *call)
{
    return start_on(call, "resume", NULL, false);
}

/* Operations that change nothing but the state. */
static int change_state(struct call *call)
{
    static const struct {
        const char *method;
        const char *operation;
        const char *state;
        const char *message;
        const char *what;
    } rows[] = {
        {"VM.hard_shutdown", "hard_shutdown", "Halted", "VM_SHUTDOWN", "shutdown forcibly"},
        {"VM.clean_shutdown", "clean_shutdown", "Halted", "VM_SHUTDOWN", "shutdown"},
        {"VM.shutdown", "hard_shutdown", "Halted", "VM_SHUTDOWN", "shutdown"},
        {"VM.power_state_reset", "power_state_reset", "Halted", "VM_SHUTDOWN", "reset"},
        {"VM.hard_reboot", "hard_reboot", "Running", "VM_REBOOTED", "rebooted forcibly"},
        {"VM.clean_reboot", "clean_reboot", "Running", "VM_REBOOTED", "rebooted"},
        {"VM.suspend", "suspend", "Suspended", "VM_SUSPENDED", "suspended"},
        {"VM.pause", "pause", "Paused", "VM_PAUSED", "paused"},
        {"VM.unpause", "unpause", "Running", "VM_UNPAUSED", "unpaused"},
    };
    struct pool *pool = call->pool;
    const char *ref = call_text(call, 0);
    char image[REF_MAX];
    bool is_suspend;
    struct object *vm;
    size_t i = 0;

    while (strcmp(rows[i].method, call->name) != 0)
        i++;
    if (operations_begin_vm(pool, ref, rows[i].operation, call->task_ref, WAIT_NORMAL_MS,
                            call->failure))
        return -1;
    vm = store_find(pool, CLASS_VM, ref);
    is_suspend = strcmp(rows[i].state, "Suspended") == 0;
    if (is_suspend && vm_make_suspend_image(pool, vm, image, call->failure)) {
        operation_end(pool, CLASS_VM, ref, call->task_ref);
        return -1;
    }
    operation_end(pool, CLASS_VM, ref, call->task_ref);
    if (strcmp(rows[i].state, "Halted") == 0) {
        vm_set_halted(pool, vm);
        vm_drop_suspend_image(pool, vm);
    } else if (is_suspend) {
        object_set_text(pool, vm, F_VM_suspend_VDI, image);
        vm_set_suspended(pool, vm);
    } else {
        object_set_text(pool, vm, F_VM_power_state, rows[i].state);
    }
    say(pool, vm, rows[i].message, rows[i].what);
    return 0;
}

static int pool_migrate(struct call *call)
{
    struct pool *pool = call->pool;
    const char *ref = call_text(call, 0);
    struct host *host = pool_host_by_ref(pool, call_text(call, 1));
    struct object *vm;

    if (!host)
        return call_handle_invalid(call, "host", call_text(call, 1));
    if (operations_begin_vm(pool, ref, "pool_migrate", call->task_ref, WAIT_NORMAL_MS,
                            call->failure))
        return -1;
    operation_end(pool, CLASS_VM, ref, call->task_ref);
    vm = store_find(pool, CLASS_VM, ref);
    if (host_for(pool, vm, host) != host)
        return failure_set(call->failure, "VM_REQUIRES_SR", ref, REF_NULL, NULL);
    vm_set_running(pool, vm, host);
    say(pool, vm, "VM_MIGRATED", "migrated");
    return 0;
}

const struct method_row vm_power_methods[] = {
    {"VM.start", start},
    {"VM.start_on", start_there},
    {"VM.resume", resume},
    {"VM.resume_on", resume_there},
    {"VM.hard_shutdown", change_state},
    {"VM.clean_shutdown", change_state},
    {"VM.shutdown", change_state},
    {"VM.power_state_reset", change_state},
    {"VM.hard_reboot", change_state},
    {"VM.clean_reboot", change_state},
    {"VM.suspend", change_state},
    {"VM.pause", change_state},
    {"VM.unpause", change_state},
    {"VM.pool_migrate", pool_migrate},
    {NULL, NULL},
};
