/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rules as tables: which power states an operation of a VM needs, whether a template or a snapshot
 * may do it; and what a VDI's operation does not stand beside it.
 */
#include "tests/poolsim/operations.h"

#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/task.h"

#include "common/base/poison.h"

#define QUEUED_CALLS_MAX 100

enum { HALTED = 1, PAUSED = 2, SUSPENDED = 4, RUNNING = 8, ANY = 15 };
enum { PLAIN = 1, TEMPLATE = 2, SNAPSHOT = 4, EVERY = 7 };
enum { NEEDS_TOOLS = 1, DOMAIN0_TOO = 2 };

struct vm_rule {
    const char *name;
    int states;
    int on;
    int flags;
};

/* In the order in which XAPI lists them. */
static const struct vm_rule vm_rules[] = {
    {"create_vtpm", HALTED, PLAIN, 0},
    {"sysprep", RUNNING, PLAIN, 0},
    {"destroy", HALTED | SUSPENDED, EVERY, 0},
    {"metadata_export", ANY, EVERY, DOMAIN0_TOO},
    {"export", HALTED | SUSPENDED, EVERY, 0},
    {"make_into_template", HALTED, PLAIN, 0},
    {"provision", HALTED, TEMPLATE, 0},
    {"changing_NVRAM", HALTED, PLAIN | TEMPLATE, 0},
    {"changing_shadow_memory", HALTED, PLAIN | TEMPLATE, 0},
    {"changing_static_range", HALTED, PLAIN | TEMPLATE, DOMAIN0_TOO},
    {"changing_dynamic_range", HALTED | RUNNING, PLAIN | TEMPLATE, DOMAIN0_TOO},
    {"revert", ANY, SNAPSHOT, 0},
    {"migrate_send", HALTED | RUNNING | SUSPENDED, PLAIN, NEEDS_TOOLS},
    {"pool_migrate", RUNNING, PLAIN, NEEDS_TOOLS},
    {"resume_on", SUSPENDED, PLAIN, 0},
    {"resume", SUSPENDED, PLAIN, 0},
    {"suspend", RUNNING, PLAIN, NEEDS_TOOLS},
    {"hard_reboot", PAUSED | RUNNING, PLAIN, 0},
    {"hard_shutdown", PAUSED | SUSPENDED | RUNNING, PLAIN, 0},
    {"clean_reboot", RUNNING, PLAIN, NEEDS_TOOLS},
    {"clean_shutdown", RUNNING, PLAIN, NEEDS_TOOLS},
    {"unpause", PAUSED, PLAIN, 0},
    {"pause", RUNNING, PLAIN, 0},
    {"start_on", HALTED, PLAIN, 0},
    {"start", HALTED, PLAIN, 0},
    {"copy", HALTED | SUSPENDED, EVERY, 0},
    {"clone", HALTED | SUSPENDED, EVERY, 0},
    {"checkpoint", PAUSED | SUSPENDED | RUNNING, PLAIN, NEEDS_TOOLS},
    {"snapshot", ANY, PLAIN, 0},
    {"snapshot_with_quiesce", RUNNING, PLAIN, NEEDS_TOOLS},
    {"import", ANY, EVERY, 0},
};

static const struct vm_rule *find_rule(const char *operation)
{
    for (size_t i = 0; i < sizeof vm_rules / sizeof *vm_rules; i++)
        if (strcmp(vm_rules[i].name, operation) == 0)
            return &vm_rules[i];
    return NULL;
}

static int state_of(const struct object *vm)
{
    const char *state = object_text(vm, F_VM_power_state);

    return strcmp(state, "Halted") == 0      ? HALTED
           : strcmp(state, "Paused") == 0    ? PAUSED
           : strcmp(state, "Suspended") == 0 ? SUSPENDED
                                             : RUNNING;
}

static int sort_of(const struct object *vm)
{
    if (object_bool(vm, F_VM_is_a_snapshot))
        return SNAPSHOT;
    return object_bool(vm, F_VM_is_a_template) ? TEMPLATE : PLAIN;
}

/* copy and clone take a suspended VM only as a snapshot. */
static int states_for(const struct vm_rule *rule, const struct object *vm)
{
    bool is_clone = strcmp(rule->name, "copy") == 0 || strcmp(rule->name, "clone") == 0;

    return is_clone && sort_of(vm) != SNAPSHOT ? HALTED : rule->states;
}

static int bad_state(const struct object *vm, int states, struct failure *failure)
{
    static const char *const names[] = {"halted", "paused", "suspended", "running"};
    CLEAN_STR struct str expected = STR_INIT;
    const char *actual = "";

    for (int i = 0; i < 4; i++) {
        if (states & 1 << i)
            str_add_format(&expected, "%s%s", expected.len ? ", " : "", names[i]);
        if (state_of(vm) == 1 << i)
            actual = names[i];
    }
    return failure_set(failure, "VM_BAD_POWER_STATE", object_ref(vm), str_text(&expected), actual,
                       NULL);
}

static bool is_one_of(const char *operation, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(*names, operation) == 0)
            return true;
    return false;
}

/* {clone, copy, export} go together, {snapshot, checkpoint} go together, else one at a time. */
static bool go_together(const char *running, const char *asked)
{
    static const char *const reads[] = {"clone", "copy", "export", NULL};
    static const char *const snapshots[] = {"snapshot", "checkpoint", NULL};

    return (is_one_of(running, reads) && is_one_of(asked, reads)) ||
           (is_one_of(running, snapshots) && is_one_of(asked, snapshots));
}

static int in_progress(const struct pool *pool, const char *class, const struct object *object,
                       const struct text_pair *other, struct failure *failure)
{
    if (pool->profile->in_progress_has_op)
        return failure_set(failure, "OTHER_OPERATION_IN_PROGRESS", class, object_ref(object),
                           other->value, other->key, NULL);
    return failure_set(failure, "OTHER_OPERATION_IN_PROGRESS", class, object_ref(object), NULL);
}

static int check_others(const struct pool *pool, const struct object *vm, const char *operation,
                        struct failure *failure)
{
    const struct text_map *current = object_map(vm, F_VM_current_operations);

    for (size_t i = 0; i < current->n; i++)
        if (!go_together(current->pairs[i].value, operation))
            return in_progress(pool, "VM", vm, &current->pairs[i], failure);
    return 0;
}

static bool is_default_template(const struct object *vm)
{
    const char *mark = object_map_get(vm, F_VM_other_config, "default_template");

    return object_bool(vm, F_VM_is_default_template) || (mark && strcmp(mark, "true") == 0);
}

static bool has_on_boot_reset(struct pool *pool, const struct object *vm)
{
    const struct text_list *vbds = object_set(vm, F_VM_VBDs);

    for (size_t i = 0; i < vbds->n; i++) {
        const struct object *vbd = store_find(pool, CLASS_VBD, vbds->items[i]);
        const struct object *vdi = vbd ? object_follow(pool, vbd, F_VBD_VDI) : NULL;
        if (vdi && strcmp(object_text(vdi, F_VDI_on_boot), "reset") == 0)
            return true;
    }
    return false;
}

static bool has_tools(struct pool *pool, const struct object *vm)
{
    const struct object *metrics = object_follow(pool, vm, F_VM_guest_metrics);

    return metrics && object_bool(metrics, F_VM_guest_metrics_PV_drivers_detected);
}

static int check_rest(struct pool *pool, const struct object *vm, const struct vm_rule *rule,
                      struct failure *failure)
{
    bool is_snapshot = str_starts(rule->name, "snapshot") || strcmp(rule->name, "checkpoint") == 0;

    if (object_bool(vm, F_VM_is_control_domain) && !(rule->flags & DOMAIN0_TOO))
        return failure_set(failure, "OPERATION_NOT_ALLOWED",
                           "Operations on domain 0 are not allowed", NULL);
    if (strcmp(rule->name, "destroy") == 0 && is_default_template(vm))
        return failure_set(failure, "OPERATION_NOT_ALLOWED",
                           "Default templates cannot be destroyed", NULL);
    if (is_snapshot && object_set(vm, F_VM_VUSBs)->n)
        return failure_set(failure, "VM_HAS_VUSBS", object_ref(vm), NULL);
    if (strcmp(rule->name, "checkpoint") == 0 && object_set(vm, F_VM_attached_PCIs)->n)
        return failure_set(failure, "VM_HAS_PCI_ATTACHED", object_ref(vm), NULL);
    if (is_snapshot && has_on_boot_reset(pool, vm))
        return failure_set(failure, "VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION", NULL);
    if (rule->flags & NEEDS_TOOLS && state_of(vm) == RUNNING && !has_tools(pool, vm))
        return failure_set(failure,
                           strcmp(rule->name, "snapshot_with_quiesce") == 0
                               ? "VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED"
                               : "VM_LACKS_FEATURE",
                           object_ref(vm), NULL);
    return 0;
}

int operations_check_vm(struct pool *pool, struct object *vm, const char *operation,
                        struct failure *failure)
{
    const struct vm_rule *rule = find_rule(operation);
    const char *blocked = object_map_get(vm, F_VM_blocked_operations, operation);

    if (blocked)
        return failure_set(failure, "OPERATION_BLOCKED", object_ref(vm), blocked, NULL);
    if (!rule)
        return check_others(pool, vm, operation, failure);
    if (!(states_for(rule, vm) & state_of(vm)))
        return bad_state(vm, states_for(rule, vm), failure);
    if (check_others(pool, vm, operation, failure))
        return -1;
    if (strcmp(operation, "revert") == 0 && sort_of(vm) != SNAPSHOT)
        return failure_set(failure, "VM_REVERT_FAILED", object_ref(vm),
                           object_text(vm, F_VM_snapshot_of), NULL);
    if (strcmp(operation, "provision") == 0 && sort_of(vm) == PLAIN)
        return failure_set(failure, "PROVISION_ONLY_ALLOWED_ON_TEMPLATE", NULL);
    if (sort_of(vm) == TEMPLATE && !(rule->on & TEMPLATE))
        return failure_set(failure, "VM_IS_TEMPLATE", object_ref(vm), operation, NULL);
    if (sort_of(vm) == SNAPSHOT && !(rule->on & SNAPSHOT))
        return failure_set(failure, "VM_IS_SNAPSHOT", object_ref(vm), operation, NULL);
    return check_rest(pool, vm, rule, failure);
}

/* XAPI lets a hundred calls queue behind others and turns the next away. */
static bool wait_behind_others(struct pool *pool, int64_t deadline, struct failure *failure)
{
    if (pool->queued_calls >= QUEUED_CALLS_MAX) {
        failure_set(failure, "TOO_MANY_PENDING_TASKS", NULL);
        return false;
    }
    failure_done(failure);
    pool->queued_calls++;
    pool_wait_until(pool, deadline);
    pool->queued_calls--;
    return true;
}

int operations_begin_vm(struct pool *pool, const char *vm_ref, const char *operation,
                        const char *task_ref, int64_t wait_ms, struct failure *failure)
{
    int64_t deadline = pool_now_ms() + wait_ms;

    for (;;) {
        struct object *vm = store_find(pool, CLASS_VM, vm_ref);
        if (!vm)
            return failure_set(failure, "HANDLE_INVALID", "VM", vm_ref, NULL);
        if (operations_check_vm(pool, vm, operation, failure) == 0) {
            operation_begin(pool, vm, task_ref, operation);
            return 0;
        }
        if (strcmp(failure_code(failure), "OTHER_OPERATION_IN_PROGRESS") != 0 ||
            pool_now_ms() >= deadline || pool->is_ending)
            return -1;
        if (task_is_cancelling(pool, task_ref))
            return failure_set(failure, "TASK_CANCELLED", task_ref, NULL);
        if (!wait_behind_others(pool, deadline, failure))
            return -1;
    }
}

/* --- VDIs --- */

enum { ATTACHED_TOO = 1, METADATA_TOO = 2, NEEDS_CBT_SM = 4, ATTACHED_RO_TOO = 8 };

struct vdi_rule {
    const char *name;
    int flags;
};

static const struct vdi_rule vdi_rules[] = {
    {"copy", ATTACHED_RO_TOO},
    {"generate_config", METADATA_TOO},
    {"clone", ATTACHED_TOO},
    {"enable_cbt", ATTACHED_TOO | NEEDS_CBT_SM},
    {"disable_cbt", ATTACHED_TOO | NEEDS_CBT_SM},
    {"list_changed_blocks", METADATA_TOO | NEEDS_CBT_SM},
    {"data_destroy", ATTACHED_TOO | METADATA_TOO | NEEDS_CBT_SM},
    {"forget", METADATA_TOO},
    {"update", METADATA_TOO},
    {"resize", 0},
    {"snapshot", ATTACHED_TOO},
    {"destroy", METADATA_TOO},
};

static const struct vdi_rule *find_vdi_rule(const char *operation)
{
    for (size_t i = 0; i < sizeof vdi_rules / sizeof *vdi_rules; i++)
        if (strcmp(vdi_rules[i].name, operation) == 0)
            return &vdi_rules[i];
    return NULL;
}

static const struct object *driver_of(struct pool *pool, const struct object *vdi)
{
    const struct object *sr = object_follow(pool, vdi, F_VDI_SR);
    const struct object *sm;

    for (sm = store_first(pool, CLASS_SM); sr && sm; sm = store_next(pool, sm))
        if (strcmp(object_text(sm, F_SM_type), object_text(sr, F_SR_type)) == 0)
            return sm;
    return NULL;
}

static const char *capability_for(const char *operation)
{
    static const char *const rows[][2] = {
        {"snapshot", "VDI_SNAPSHOT"},       {"clone", "VDI_CLONE"},
        {"resize", "VDI_RESIZE"},           {"destroy", "VDI_DELETE"},
        {"enable_cbt", "VDI_CONFIG_CBT"},   {"disable_cbt", "VDI_CONFIG_CBT"},
        {"data_destroy", "VDI_CONFIG_CBT"}, {"list_changed_blocks", "VDI_CONFIG_CBT"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i][0], operation) == 0)
            return rows[i][1];
    return NULL;
}

static int check_attached(struct pool *pool, const struct object *vdi, const struct vdi_rule *rule,
                          struct failure *failure)
{
    const struct text_list *vbds = object_set(vdi, F_VDI_VBDs);
    bool is_diff = strcmp(rule->name, "list_changed_blocks") == 0;

    for (size_t i = 0; i < vbds->n; i++) {
        const struct object *vbd = store_find(pool, CLASS_VBD, vbds->items[i]);
        const struct object *vm = vbd ? object_follow(pool, vbd, F_VBD_VM) : NULL;
        if (!vbd || !object_bool(vbd, F_VBD_currently_attached))
            continue;
        if (is_diff && vm && object_bool(vm, F_VM_is_a_snapshot))
            continue;
        if (rule->flags & ATTACHED_RO_TOO && strcmp(object_text(vbd, F_VBD_mode), "RO") == 0)
            continue;
        if (!(rule->flags & ATTACHED_TOO))
            return failure_set(failure, "VDI_IN_USE", object_ref(vdi), rule->name, NULL);
    }
    return 0;
}

static bool has_operation(const struct object *vdi, const char *operation)
{
    const struct text_map *current = object_map(vdi, F_VDI_current_operations);

    for (size_t i = 0; i < current->n; i++)
        if (strcmp(current->pairs[i].value, operation) == 0)
            return true;
    return false;
}

static bool is_reset(const struct object *vdi)
{
    return strcmp(object_text(vdi, F_VDI_on_boot), "reset") == 0;
}

static int check_cbt(const struct object *vdi, const char *operation, struct failure *failure)
{
    bool is_snapshot = object_bool(vdi, F_VDI_is_a_snapshot);
    CLEAN_CHAR char *text = NULL;

    if (strcmp(operation, "data_destroy") == 0) {
        if (!is_snapshot) {
            text = str_format("VDI is not a snapshot: %s", object_ref(vdi));
            return failure_set(failure, "OPERATION_NOT_ALLOWED", text, NULL);
        }
        if (!object_bool(vdi, F_VDI_cbt_enabled))
            return failure_set(failure, "VDI_NO_CBT_METADATA", object_ref(vdi), NULL);
    }
    if (str_ends(operation, "able_cbt") && is_snapshot) {
        text = str_format("VDI is a snapshot: %s", object_ref(vdi));
        return failure_set(failure, "OPERATION_NOT_ALLOWED", text, NULL);
    }
    if (str_ends(operation, "able_cbt")) {
        const char *type = object_text(vdi, F_VDI_type);
        if (strcmp(type, "user") != 0 && strcmp(type, "system") != 0)
            return failure_set(failure, "VDI_INCOMPATIBLE_TYPE", object_ref(vdi),
                               vdi_type_name(type), NULL);
        if (is_reset(vdi))
            return failure_set(failure, "VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION", NULL);
    }
    return 0;
}

/* What XAPI looks at behind all else. Source: xapi_vdi.ml check_operation_error. */
static int check_last(struct pool *pool, const struct object *vdi, const char *operation,
                      struct failure *failure)
{
    bool is_snapshot = strcmp(operation, "snapshot") == 0;
    const struct object *sr = object_follow(pool, vdi, F_VDI_SR);

    if (is_snapshot && object_bool(vdi, F_VDI_sharable))
        return failure_set(failure, "VDI_IS_SHARABLE", object_ref(vdi), NULL);
    if ((is_snapshot || strcmp(operation, "copy") == 0) && is_reset(vdi))
        return failure_set(failure, "VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION", NULL);
    if (is_snapshot && has_operation(vdi, "copy"))
        return failure_set(failure, "OPERATION_NOT_ALLOWED",
                           "Snapshot operation not allowed during copy.", NULL);
    if (sr && strcmp(object_text(sr, F_SR_type), "udev") == 0 && str_ends(operation, "destroy"))
        return failure_set(failure, "VDI_IS_A_PHYSICAL_DEVICE", object_ref(vdi), NULL);
    return 0;
}

int operations_check_vdi(struct pool *pool, struct object *vdi, const char *operation,
                         struct failure *failure)
{
    const struct vdi_rule *rule = find_vdi_rule(operation);
    const struct text_map *current = object_map(vdi, F_VDI_current_operations);
    const struct object *driver = driver_of(pool, vdi);
    const char *capability = capability_for(operation);
    bool is_metadata = strcmp(object_text(vdi, F_VDI_type), "cbt_metadata") == 0;

    if (!object_bool(vdi, F_VDI_managed))
        return failure_set(failure, "VDI_NOT_MANAGED", object_ref(vdi), NULL);
    for (size_t i = 0; i < current->n; i++)
        if (strcmp(current->pairs[i].value, "copy") != 0 || strcmp(operation, "destroy") == 0) {
            if (strcmp(current->pairs[i].value, "copy") == 0)
                return failure_set(failure, "VDI_IN_USE", object_ref(vdi), operation, NULL);
            return in_progress(pool, "VDI", vdi, &current->pairs[i], failure);
        }
    if (!rule)
        return 0;
    if (check_attached(pool, vdi, rule, failure))
        return -1;
    if (is_metadata && !(rule->flags & METADATA_TOO))
        return failure_set(failure, "VDI_INCOMPATIBLE_TYPE", object_ref(vdi), "CBT metadata", NULL);
    if (capability && driver && !text_list_has(object_set(driver, F_SM_capabilities), capability))
        return failure_set(failure, "SR_OPERATION_NOT_SUPPORTED", object_text(vdi, F_VDI_SR), NULL);
    if (check_cbt(vdi, operation, failure))
        return -1;
    return check_last(pool, vdi, operation, failure);
}

int operations_wait_vdi(struct pool *pool, const char *vdi_ref, const char *operation,
                        const char *task_ref, int64_t wait_ms, struct failure *failure)
{
    int64_t deadline = pool_now_ms() + wait_ms;

    for (;;) {
        struct object *vdi = store_find(pool, CLASS_VDI, vdi_ref);
        if (!vdi)
            return failure_set(failure, "HANDLE_INVALID", "VDI", vdi_ref, NULL);
        if (operations_check_vdi(pool, vdi, operation, failure) == 0)
            return 0;
        if (strcmp(failure_code(failure), "OTHER_OPERATION_IN_PROGRESS") != 0 ||
            pool_now_ms() >= deadline || pool->is_ending)
            return -1;
        if (task_is_cancelling(pool, task_ref))
            return failure_set(failure, "TASK_CANCELLED", task_ref, NULL);
        if (!wait_behind_others(pool, deadline, failure))
            return -1;
    }
}

/* --- what a record lists --- */

static bool is_file_driver(struct pool *pool, const struct object *vdi)
{
    const struct object *driver = driver_of(pool, vdi);

    return driver && strcmp(object_text(driver, F_SM_type), "file") == 0;
}

static void allowed_vdi(struct pool *pool, struct object *vdi, struct text_list *allowed)
{
    for (size_t i = 0; i < sizeof vdi_rules / sizeof *vdi_rules; i++) {
        CLEAN_FAILURE struct failure failure = FAILURE_INIT;
        /* The plain file driver configures CBT and does not offer it, as recorded. */
        if (vdi_rules[i].flags & NEEDS_CBT_SM && is_file_driver(pool, vdi))
            continue;
        if (operations_check_vdi(pool, vdi, vdi_rules[i].name, &failure) == 0)
            text_list_add(allowed, vdi_rules[i].name);
    }
}

static void allowed_vm(struct pool *pool, struct object *vm, struct text_list *allowed)
{
    for (size_t i = 0; i < sizeof vm_rules / sizeof *vm_rules; i++) {
        CLEAN_FAILURE struct failure failure = FAILURE_INIT;
        const char *name = vm_rules[i].name;
        if (strcmp(name, "import") == 0 ||
            (str_starts(name, "snapshot_with") && !pool->profile->has_quiesce))
            continue;
        if (operations_check_vm(pool, vm, name, &failure) == 0)
            text_list_add(allowed, name);
    }
}

static void allowed_names(const char *const *names, struct text_list *allowed)
{
    for (; *names; names++)
        text_list_add(allowed, *names);
}

/* "attach" always; what plugs and pauses, of a running VM's device alone. Source:
 * xapi_vbd_helpers.ml, xapi_vif_helpers.ml. */
static void allowed_device(struct pool *pool, const struct object *device, bool is_attached,
                           struct text_list *allowed)
{
    static const char *const vbd_attached[] = {"unpause", "unplug", "unplug_force", "pause", NULL};
    static const char *const vbd_detached[] = {"unpause", "plug", "pause", NULL};
    static const char *const vif_attached[] = {"unplug", NULL};
    static const char *const vif_detached[] = {"plug", NULL};
    bool is_vbd = object_class(device) == CLASS_VBD;
    const struct object *vm = object_follow(pool, device, is_vbd ? F_VBD_VM : F_VIF_VM);

    text_list_add(allowed, "attach");
    if (is_attached)
        allowed_names(is_vbd ? vbd_attached : vif_attached, allowed);
    else if (vm && strcmp(object_text(vm, F_VM_power_state), "Running") == 0)
        allowed_names(is_vbd ? vbd_detached : vif_detached, allowed);
    if (is_vbd && strcmp(object_text(device, F_VBD_type), "CD") == 0)
        text_list_add(allowed, object_bool(device, F_VBD_empty) ? "insert" : "eject");
}

static const char *const sr_operations[] = {"vdi_enable_cbt",
                                            "vdi_list_changed_blocks",
                                            "vdi_introduce",
                                            "unplug",
                                            "plug",
                                            "pbd_create",
                                            "vdi_disable_cbt",
                                            "update",
                                            "pbd_destroy",
                                            "vdi_resize",
                                            "vdi_clone",
                                            "vdi_data_destroy",
                                            "scan",
                                            "vdi_snapshot",
                                            "vdi_create",
                                            "vdi_destroy",
                                            NULL};
static const char *const host_operations[] = {"vm_migrate", "provision", "vm_resume", "enable",
                                              "evacuate",   "vm_start",  NULL};
static const char *const pool_operations[] = {"ha_enable",
                                              "cluster_create",
                                              "designate_new_master",
                                              "tls_verification_enable",
                                              "configure_repositories",
                                              "sync_updates",
                                              "sync_bundle",
                                              "apply_updates",
                                              "cert_refresh",
                                              "exchange_certificates_on_join",
                                              "exchange_ca_certificates_on_join",
                                              "copy_primary_host_certs",
                                              "eject",
                                              "get_updates",
                                              "exchange_crls_on_join",
                                              NULL};

void operations_allowed(struct pool *pool, const struct object *object,
                        struct text_list *ret_allowed)
{
    /* The checks read only; they take objects that may be changed because callers do. */
    struct object *mine = store_find(pool, object_class(object), object_ref(object));

    switch (object_class(object)) {
    case CLASS_VM:
        allowed_vm(pool, mine, ret_allowed);
        break;
    case CLASS_VDI:
        allowed_vdi(pool, mine, ret_allowed);
        break;
    case CLASS_VBD:
        allowed_device(pool, object, object_bool(object, F_VBD_currently_attached), ret_allowed);
        break;
    case CLASS_VIF:
        allowed_device(pool, object, object_bool(object, F_VIF_currently_attached), ret_allowed);
        break;
    case CLASS_task:
        if (object_bool(object, F_task_is_cancellable))
            text_list_add(ret_allowed, "cancel");
        break;
    case CLASS_SR:
        allowed_names(sr_operations, ret_allowed);
        break;
    case CLASS_host:
        allowed_names(host_operations, ret_allowed);
        break;
    case CLASS_pool:
        allowed_names(pool_operations, ret_allowed);
        break;
    default:
        break;
    }
}
