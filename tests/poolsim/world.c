/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Control calls that change the world: hosts that fail, a master that moves, VMs that migrate or
 * vanish, guests that write, fields set at will; and what is there, for tests of leaks.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/control.h"
#include "tests/poolsim/disks.h"
#include "tests/poolsim/guest.h"
#include "tests/poolsim/host.h"
#include "tests/poolsim/server.h"
#include "tests/poolsim/store_inside.h"
#include "tests/poolsim/value.h"

#include "common/base/poison.h"

struct control {
    struct pool *pool;
    const json_t *params;
    struct error *err;
    json_t *result;
};

typedef int control_fn(struct control *control);

static const char *text_of(const struct control *control, const char *name)
{
    return json_string_value(json_object_get(control->params, name));
}

static json_int_t number_of(const struct control *control, const char *name)
{
    return json_integer_value(json_object_get(control->params, name));
}

static bool is_on(const struct control *control)
{
    return !json_is_false(json_object_get(control->params, "on"));
}

static struct host *host_of(struct control *control)
{
    const char *name = text_of(control, "host");
    struct host *host = name ? pool_host_by_name(control->pool, name) : NULL;

    if (!host)
        error_set(control->err, ERROR_USAGE, "host: there is no host %s",
                  name ? name : "(none given)");
    return host;
}

/* By reference, uuid or name. */
static struct object *object_of(struct control *control, enum class_id class, const char *name)
{
    const char *wanted = text_of(control, name);
    struct object *object = wanted ? store_find_any(control->pool, class, wanted) : NULL;
    enum field_id field;

    if (wanted && !object && schema_find_field(class, "name_label", &field))
        for (object = store_first(control->pool, class);
             object && strcmp(object_text(object, field), wanted) != 0;)
            object = store_next(control->pool, object);
    if (!object)
        error_set(control->err, ERROR_USAGE, "%s: there is no %s %s", name,
                  schema_class(class)->name, wanted ? wanted : "(none given)");
    return object;
}

/* --- hosts --- */

static int host_silent(struct control *control)
{
    struct host *host = host_of(control);

    if (!host)
        return -1;
    host->is_silent = is_on(control);
    pool_notify(control->pool);
    return 0;
}

static int host_down(struct control *control)
{
    struct host *host = host_of(control);

    if (!host)
        return -1;
    host_set_down(host, true);
    return 0;
}

static int host_up(struct control *control)
{
    struct host *host = host_of(control);

    if (!host)
        return -1;
    host->is_silent = false;
    host->is_emergency = false;
    host_set_down(host, false);
    return 0;
}

static int host_emergency(struct control *control)
{
    struct host *host = host_of(control);

    if (!host)
        return -1;
    host->is_emergency = is_on(control);
    return 0;
}

static int host_enabled(struct control *control)
{
    struct host *host = host_of(control);

    if (!host)
        return -1;
    object_set_bool(control->pool, store_find(control->pool, CLASS_host, host->ref), F_host_enabled,
                    is_on(control));
    return 0;
}

static int host_rate(struct control *control)
{
    struct host *host = host_of(control);

    if (!host)
        return -1;
    host->rate_bytes_per_s =
        (uint64_t)(json_number_value(json_object_get(control->params, "mib_s")) * 1048576.0);
    return 0;
}

static int host_clock(struct control *control)
{
    struct host *host = host_of(control);

    if (!host)
        return -1;
    host->clock_offset_ms = number_of(control, "offset_s") * 1000;
    return 0;
}

/* The PBD is unplugged (or plugged) behind everybody's back; without sr: all of the host's. */
static int host_sr(struct control *control)
{
    struct host *host = host_of(control);
    const struct object *sr = text_of(control, "sr") ? object_of(control, CLASS_SR, "sr") : NULL;

    if (!host || (text_of(control, "sr") && !sr))
        return -1;
    for (struct object *pbd = store_first(control->pool, CLASS_PBD); pbd;
         pbd = store_next(control->pool, pbd))
        if (strcmp(object_text(pbd, F_PBD_host), host->ref) == 0 &&
            (!sr || strcmp(object_text(pbd, F_PBD_SR), object_ref(sr)) == 0))
            object_set_bool(control->pool, pbd, F_PBD_currently_attached, is_on(control));
    return 0;
}

static int pool_move_master(struct control *control)
{
    struct host *host = host_of(control);

    if (!host)
        return -1;
    host_become_master(control->pool, host);
    return 0;
}

/* xapi is killed and started again on a host (the master): its streams end, the master's sessions
 * and tasks are gone, dom0's disks stay attached. */
static int pool_restart_toolstack(struct control *control)
{
    struct host *host = text_of(control, "host") ? host_of(control) : control->pool->master;

    if (!host)
        return -1;
    host_keep_attached(host);
    if (pool_is_master(host))
        host_forget_runtime(control->pool);
    return 0;
}

static int pool_rotate_certificate(struct control *control)
{
    return server_rotate_certificate(control->pool->master->server, text_of(control, "ca"),
                                     text_of(control, "ca_key"), control->err);
}

/* --- VMs --- */

static int vm_migrate(struct control *control)
{
    struct object *vm = object_of(control, CLASS_VM, "vm");
    struct host *host = vm ? host_of(control) : NULL;

    if (!host)
        return -1;
    vm_set_running(control->pool, vm, host);
    return 0;
}

static int vm_state(struct control *control)
{
    struct object *vm = object_of(control, CLASS_VM, "vm");
    const char *state = text_of(control, "power_state");

    if (!vm)
        return -1;
    if (!state || !schema_enum_has("vm_power_state", state))
        return error_set(control->err, ERROR_USAGE,
                         "power_state: Halted, Paused, Running or Suspended");
    if (strcmp(state, "Suspended") != 0)
        vm_drop_suspend_image(control->pool, vm);
    if (strcmp(state, "Halted") == 0)
        vm_set_halted(control->pool, vm);
    else if (strcmp(state, "Suspended") == 0)
        vm_set_suspended(control->pool, vm);
    else
        vm_set_running(control->pool, vm,
                       text_of(control, "host") ? host_of(control) : control->pool->master);
    if (strcmp(state, "Paused") == 0)
        object_set_text(control->pool, vm, F_VM_power_state, state);
    return 0;
}

static int vm_rename(struct control *control)
{
    struct object *vm = object_of(control, CLASS_VM, "vm");

    if (!vm)
        return -1;
    object_set_text(control->pool, vm, F_VM_name_label, text_of(control, "name"));
    return 0;
}

/* The guest's tools speak up. */
static int vm_tools(struct control *control)
{
    struct object *vm = object_of(control, CLASS_VM, "vm");
    const char *os = text_of(control, "os");

    if (!vm)
        return -1;
    if (!os)
        return error_set(control->err, ERROR_USAGE, "os is missing");
    guest_report_tools(control->pool, vm, os);
    return 0;
}

/* Deleted by somebody else, with its disks. */
static int vm_vanish(struct control *control)
{
    struct pool *pool = control->pool;
    struct object *vm = object_of(control, CLASS_VM, "vm");
    CLEAN_TEXT_LIST struct text_list vdis = TEXT_LIST_INIT;

    if (!vm)
        return -1;
    for (size_t i = 0; i < object_set(vm, F_VM_VBDs)->n; i++) {
        const struct object *vbd = store_find(pool, CLASS_VBD, object_set(vm, F_VM_VBDs)->items[i]);
        if (strcmp(object_text(vbd, F_VBD_type), "Disk") == 0)
            text_list_add(&vdis, object_text(vbd, F_VBD_VDI));
    }
    vm_drop_suspend_image(pool, vm);
    vm_delete(pool, vm);
    for (size_t i = 0; i < vdis.n; i++) {
        CLEAN_FAILURE struct failure ignored = FAILURE_INIT;
        vdi_destroy(pool, vdis.items[i], &ignored);
    }
    return 0;
}

/* --- disks --- */

/* "vdi", or "vm" and "device" ("0", "xvda"; the first one if left out). */
static struct object *vdi_of(struct control *control)
{
    struct pool *pool = control->pool;
    const char *device = text_of(control, "device");
    const struct object *vm;

    if (text_of(control, "vdi"))
        return object_of(control, CLASS_VDI, "vdi");
    vm = object_of(control, CLASS_VM, "vm");
    for (size_t i = 0; vm && i < object_set(vm, F_VM_VBDs)->n; i++) {
        const struct object *vbd = store_find(pool, CLASS_VBD, object_set(vm, F_VM_VBDs)->items[i]);
        const char *number = object_text(vbd, F_VBD_userdevice);
        CLEAN_CHAR char *name = str_format("xvd%c", (char)('a' + strtol(number, NULL, 10) % 26));
        if (strcmp(object_text(vbd, F_VBD_type), "Disk") == 0 &&
            (strcmp(number, device ? device : "0") == 0 || (device && strcmp(name, device) == 0)))
            return object_follow(pool, vbd, F_VBD_VDI);
    }
    if (vm)
        error_set(control->err, ERROR_USAGE, "device: the VM has no disk %s",
                  device ? device : "0");
    return NULL;
}

/* The bytes given in hex, or length bytes made from seed (0: zeros). */
static unsigned char *guest_bytes(struct control *control, size_t *ret_n)
{
    const char *hex = text_of(control, "hex");
    uint64_t state = (uint64_t)number_of(control, "seed");
    unsigned char *bytes;

    *ret_n = hex ? strlen(hex) / 2 : (size_t)number_of(control, "length");
    if (*ret_n == 0 || *ret_n > 64U << 20) {
        error_set(control->err, ERROR_USAGE, "hex, or length (to 64 MiB) and seed, are needed");
        return NULL;
    }
    bytes = mem_zero(*ret_n, 1);
    if (hex) {
        if (num_parse_hex(hex, bytes, *ret_n, control->err) == 0)
            return bytes;
        free(bytes);
        return NULL;
    }
    for (size_t i = 0; state && i < *ret_n; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (unsigned char)(state >> 56);
    }
    return bytes;
}

static int guest_write(struct control *control)
{
    struct object *vdi = vdi_of(control);
    size_t n;
    unsigned char *bytes = vdi ? guest_bytes(control, &n) : NULL;
    int result;

    if (!bytes)
        return -1;
    result = disks_write(control->pool->disks, object_uuid(vdi),
                         (uint64_t)number_of(control, "offset"), bytes, n, control->err);
    free(bytes);
    vdi_recount(control->pool, object_ref(vdi));
    return result;
}

static int disk_sha256(struct control *control)
{
    const struct object *vdi = vdi_of(control);
    char text[DISK_SHA256_MAX];

    if (!vdi || disks_sha256(control->pool->disks, object_uuid(vdi), text, control->err))
        return -1;
    control->result = json_string(text);
    return 0;
}

static int disk_fault(struct control *control)
{
    const struct object *vdi = vdi_of(control);
    const char *fault = text_of(control, "fault");
    enum disk_fault kind = DISK_FAULT_NONE;

    if (!vdi)
        return -1;
    if (fault && strcmp(fault, "eio") == 0)
        kind = DISK_FAULT_EIO;
    else if (fault && strcmp(fault, "short") == 0)
        kind = DISK_FAULT_SHORT;
    else if (!fault || strcmp(fault, "none") != 0)
        return error_set(control->err, ERROR_USAGE, "fault: eio, short or none");
    return disks_set_fault(control->pool->disks, object_uuid(vdi), kind,
                           (uint64_t)number_of(control, "offset"), control->err);
}

/* --- objects --- */

static int object_set_any(struct control *control)
{
    const char *class_name = text_of(control, "class");
    const char *field_name = text_of(control, "field");
    const json_t *value = json_object_get(control->params, "value");
    CLEAN_FAILURE struct failure failure = FAILURE_INIT;
    CLEAN_TEXT_LIST struct text_list items = TEXT_LIST_INIT;
    CLEAN_TEXT_MAP struct text_map pairs = TEXT_MAP_INIT;
    CLEAN_CHAR char *text = NULL;
    enum class_id class;
    enum field_id field;
    struct object *object;
    const char *key;
    json_t *item;
    size_t i;

    if (!class_name || !schema_find_class(class_name, &class))
        return error_set(control->err, ERROR_USAGE, "class: there is no such class");
    object = object_of(control, class, "object");
    if (!object)
        return -1;
    if (!field_name || !schema_find_field(class, field_name, &field) || !value ||
        value_check(value, &schema_field(field)->type, &failure))
        return error_set(control->err, ERROR_USAGE, "field, value: they do not fit %s", class_name);
    switch (schema_field(field)->type.kind) {
    case KIND_INT:
        object_set_int(control->pool, object, field, value_int(value));
        break;
    case KIND_BOOL:
        object_set_bool(control->pool, object, field, value_bool(value));
        break;
    case KIND_FLOAT:
        object_set_float(control->pool, object, field, value_float(value));
        break;
    case KIND_SET:
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
            text_list_add_take(&items, value_text(item));
        object_set_set(control->pool, object, field, &items);
        break;
    case KIND_MAP:
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            CLEAN_CHAR char *item_text = value_text(item);
            text_map_set(&pairs, key, item_text);
        }
        object_set_map(control->pool, object, field, &pairs);
        break;
    default:
        text = value_text(value);
        object_set_text(control->pool, object, field, text);
        break;
    }
    return 0;
}

/* Sorted references per class; "classes" narrows. */
static int state_refs(struct control *control)
{
    static const enum class_id usual[] = {CLASS_VM,   CLASS_VDI,    CLASS_VBD,  CLASS_VIF,
                                          CLASS_SR,   CLASS_PBD,    CLASS_task, CLASS_session,
                                          CLASS_host, CLASS_network};
    const json_t *wanted = json_object_get(control->params, "classes");
    json_t *result = json_object();

    for (int class = 0; class < CLASSES_N; class ++) {
        const char *name = schema_class((enum class_id) class)->name;
        bool is_wanted = false;
        struct object **objects;
        json_t *refs;
        json_t *item;
        size_t n;
        size_t i;
        json_array_foreach((json_t *)(uintptr_t)wanted, i,
                           item) if (json_is_string(item) &&
                                     strcmp(json_string_value(item), name) == 0) is_wanted = true;
        for (i = 0; !wanted && i < sizeof usual / sizeof *usual; i++)
            is_wanted = is_wanted || usual[i] == (enum class_id) class;
        if (!is_wanted)
            continue;
        refs = json_array();
        objects = store_sorted(control->pool, (enum class_id) class, &n);
        for (i = n; i > 0; i--)
            json_array_append_new(refs, json_string(object_ref(objects[i - 1])));
        free(objects);
        json_object_set_new(result, name, refs);
    }
    control->result = result;
    return 0;
}

static int state_record(struct control *control)
{
    const char *class_name = text_of(control, "class");
    CLEAN_STR struct str text = STR_INIT;
    enum class_id class;
    const struct object *object;

    if (!class_name || !schema_find_class(class_name, &class))
        return error_set(control->err, ERROR_USAGE, "class: there is no such class");
    object = object_of(control, class, "object");
    if (!object)
        return -1;
    object_format_json(control->pool, object, &text);
    control->result = json_loadb(str_text(&text), text.len, 0, NULL);
    if (control->result)
        json_object_set_new(control->result, "ref", json_string(object_ref(object)));
    return 0;
}

static const struct {
    const char *name;
    control_fn *run;
} rows[] = {
    {"host.silent", host_silent},
    {"host.down", host_down},
    {"host.up", host_up},
    {"host.emergency", host_emergency},
    {"host.enabled", host_enabled},
    {"host.rate", host_rate},
    {"host.clock", host_clock},
    {"host.sr", host_sr},
    {"pool.move_master", pool_move_master},
    {"pool.restart_toolstack", pool_restart_toolstack},
    {"pool.rotate_certificate", pool_rotate_certificate},
    {"vm.migrate", vm_migrate},
    {"vm.power_state", vm_state},
    {"vm.rename", vm_rename},
    {"vm.tools", vm_tools},
    {"vm.vanish", vm_vanish},
    {"guest.write", guest_write},
    {"disk.sha256", disk_sha256},
    {"disk.fault", disk_fault},
    {"object.set", object_set_any},
    {"state.refs", state_refs},
    {"state.record", state_record},
};

int control_world(struct pool *pool, const char *method, const json_t *params, json_t **ret_result,
                  struct error *err)
{
    struct control control = {.pool = pool, .params = params, .err = err};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, method) != 0)
            continue;
        if (rows[i].run(&control))
            return -1;
        *ret_result = control.result ? control.result : json_true();
        return 0;
    }
    return error_set(err, ERROR_NOT_FOUND, "there is no control call %s", method);
}
