/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VMs with disks, drives, interfaces, guest tools, in their power states; and default templates.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/build.h"
#include "tests/poolsim/disks.h"
#include "tests/poolsim/guest.h"
#include "tests/poolsim/pool_file.h"

#include "common/base/poison.h"

#define MEMORY_MIB_MAX (INT64_C(1) << 24)
#define SIZE_MIB_MAX   (INT64_C(1) << 26)
#define COUNT_MAX      100000

static const char *const vm_members[] = {"name",
                                         "count",
                                         "host",
                                         "power_state",
                                         "memory_mib",
                                         "vcpus",
                                         "os",
                                         "description",
                                         "tags",
                                         "other_config",
                                         "disks",
                                         "cd",
                                         "vifs",
                                         "is_a_template",
                                         "blocked_operations",
                                         "vusb",
                                         "affinity",
                                         "uuid",
                                         "tools",
                                         "platform",
                                         "ha_restart_priority",
                                         "vtpm",
                                         NULL};
static const char *const disk_members[] = {"device",  "sr",          "size_mib",     "size_bytes",
                                           "content", "sharable",    "on_boot",      "name",
                                           "mode",    "bootable",    "missing",      "other_config",
                                           "uuid",    "description", "image_format", NULL};

/* "xvda", "sda", "hda" or "0" to the number that userdevice holds. */
static int device_number(const char *device)
{
    size_t n = strlen(device);

    if (n == 0)
        return -1;
    if (device[0] >= '0' && device[0] <= '9')
        return (int)strtol(device, NULL, 10);
    if (n >= 3 &&
        (str_starts(device, "xvd") || str_starts(device, "sd") || str_starts(device, "hd")) &&
        device[n - 1] >= 'a' && device[n - 1] <= 'z')
        return device[n - 1] - 'a';
    return -1;
}

static const char *find_sr(struct pool *pool, const struct node *node)
{
    const char *name = node_text(node, "sr", NULL);
    struct object *sr = name ? build_find(pool, CLASS_SR, name) : store_first(pool, CLASS_SR);
    struct node place = node_member(node, "sr");

    if (sr)
        return object_ref(sr);
    node_fail(&place, name ? "there is no SR %s in srs" : "the pool file has no srs%s",
              name ? name : "");
    return NULL;
}

static int build_disk(struct pool *pool, const struct node *node, const char *vm_ref,
                      const char *vm_name, size_t index)
{
    CLEAN_CONTENT_SPEC struct content_spec spec = {0};
    CLEAN_TEXT_MAP struct text_map other = TEXT_MAP_INIT;
    int64_t size = node_number(node, "size_bytes", 1, SIZE_MIB_MAX << 20, 0);
    const char *device = node_text(node, "device", NULL);
    int number = device ? device_number(device) : (int)index;
    CLEAN_CHAR char *userdevice = str_format("%d", number);
    CLEAN_CHAR char *name = str_format("%s %s", vm_name, device ? device : userdevice);
    const char *sr_ref;
    const char *format = node_text(node, "image_format", NULL);
    struct node place = node_member(node, "device");
    struct node format_place = node_member(node, "image_format");
    struct object *vdi;
    struct object *vbd;

    if (!node_check_members(node, disk_members))
        return -1;
    if (number < 0)
        return node_fail(&place, "xvda, xvdb ... or 0, 1 ... is expected, not %s", device);
    if (vbd_has_device(pool, store_find(pool, CLASS_VM, vm_ref), userdevice))
        return node_fail(&place, "the VM has a disk %s already", userdevice);
    if (format && strcmp(format, "vhd") != 0 && strcmp(format, "qcow2") != 0)
        return node_fail(&format_place, "vhd or qcow2 is expected, not %s", format);
    if (!size)
        size = node_number(node, "size_mib", 1, SIZE_MIB_MAX, 64) << 20;
    sr_ref = find_sr(pool, node);
    if (!sr_ref)
        return -1;
    if (content_spec_parse(json_object_get(node->json, "content"), &spec, node->err))
        return error_add(node->err, "%s.content", node->place);
    vdi = vdi_make(pool, sr_ref, node_text(node, "uuid", NULL), node_text(node, "name", name), size,
                   "user");
    node_map(node, "other_config", &other);
    for (size_t i = 0; i < other.n; i++)
        object_map_put(pool, vdi, F_VDI_other_config, other.pairs[i].key, other.pairs[i].value);
    object_set_text(pool, vdi, F_VDI_name_description, node_text(node, "description", ""));
    object_set_bool(pool, vdi, F_VDI_sharable, node_bool(node, "sharable", false));
    if (format)
        object_map_put(pool, vdi, F_VDI_sm_config, "image-format", format);
    object_set_bool(pool, vdi, F_VDI_missing, node_bool(node, "missing", false));
    object_set_text(pool, vdi, F_VDI_on_boot, node_text(node, "on_boot", "persist"));
    vbd =
        vbd_make(pool, vm_ref, object_ref(vdi), userdevice, "Disk", node_text(node, "mode", "RW"));
    object_set_bool(pool, vbd, F_VBD_bootable, node_bool(node, "bootable", index == 0));
    vdi_renew_content(pool, object_ref(vdi));
    if (disks_add(pool->disks, object_uuid(vdi), (uint64_t)size, &spec, node->err))
        return error_add(node->err, "%s", node->place);
    object_set_int(pool, vdi, F_VDI_physical_utilisation,
                   (int64_t)disks_physical_bytes(pool->disks, object_uuid(vdi)));
    return error_is_set(node->err) ? -1 : 0;
}

/* The device asked for, or the first free one from 3 on, where XenCenter puts drives; -1: none. */
static int drive_number(struct pool *pool, const struct object *vm, const char *wanted)
{
    for (int number = wanted ? device_number(wanted) : 3; number >= 0; number++) {
        CLEAN_CHAR char *text = str_format("%d", number);
        if (!vbd_has_device(pool, vm, text))
            return number;
        if (wanted)
            return -1;
    }
    return -1;
}

/* "cd": {} is an empty drive; {"sr": NAME, "iso": NAME} has an ISO in it. */
static int build_drive(struct pool *pool, const struct node *node, const char *vm_ref)
{
    static const char *const members[] = {"sr", "iso", "device", NULL};
    const char *sr_name = node_text(node, "sr", NULL);
    const char *iso_name = node_text(node, "iso", NULL);
    const struct object *sr = sr_name ? build_find(pool, CLASS_SR, sr_name) : NULL;
    const struct object *iso = NULL;
    const char *wanted = node_text(node, "device", NULL);
    int number = drive_number(pool, store_find(pool, CLASS_VM, vm_ref), wanted);
    CLEAN_CHAR char *device = str_format("%d", number);
    struct object *vbd;

    if (!node_check_members(node, members))
        return -1;
    if (number < 0)
        return node_fail(node, "device: xvdd or 3 that no disk has is expected, not %s", wanted);
    if (sr_name && !sr)
        return node_fail(node, "there is no SR %s in srs", sr_name);
    for (size_t i = 0; sr && i < object_set(sr, F_SR_VDIs)->n && !iso; i++) {
        const struct object *vdi = store_find(pool, CLASS_VDI, object_set(sr, F_SR_VDIs)->items[i]);
        if (!iso_name || strcmp(object_text(vdi, F_VDI_name_label), iso_name) == 0)
            iso = vdi;
    }
    if (sr && !iso)
        return node_fail(node, "SR %s has no ISO %s (give it \"isos\")", sr_name,
                         iso_name ? iso_name : "at all");
    vbd = vbd_make(pool, vm_ref, iso ? object_ref(iso) : REF_NULL, device, "CD", "RO");
    object_set_bool(pool, vbd, F_VBD_bootable, false);
    return 0;
}

static int build_interfaces(struct pool *pool, const struct node *node, const char *vm_ref)
{
    static const char *const members[] = {"network", "mac", "device", NULL};
    struct node list = node_member(node, "vifs");
    size_t n = node_items(&list);
    struct object *network = NULL;

    if (!node_is_there(&list)) {
        /* The first network that is not the management's own, if there is one. */
        for (network = store_first(pool, CLASS_network);
             network && object_set(network, F_network_PIFs)->n;)
            network = store_next(pool, network);
        if (network)
            vif_make(pool, vm_ref, object_ref(network), "0", NULL);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct node vif = node_item(&list, i);
        CLEAN_CHAR char *device = str_format("%zu", i);
        const char *name = node_text(&vif, "network", "");
        if (!node_check_members(&vif, members))
            return -1;
        network = build_find(pool, CLASS_network, name);
        if (!network)
            return node_fail(&vif, "there is no network %s in networks", name);
        vif_make(pool, vm_ref, object_ref(network), node_text(&vif, "device", device),
                 node_text(&vif, "mac", NULL));
    }
    return 0;
}

static void build_values(struct pool *pool, const struct node *node, struct object *vm)
{
    static const enum field_id memory[] = {F_VM_memory_static_max, F_VM_memory_dynamic_max,
                                           F_VM_memory_dynamic_min, F_VM_memory_static_min};
    int64_t bytes = node_number(node, "memory_mib", 16, MEMORY_MIB_MAX, 512) << 20;
    int64_t vcpus = node_number(node, "vcpus", 1, 256, 1);
    CLEAN_TEXT_MAP struct text_map other = TEXT_MAP_INIT;
    CLEAN_TEXT_MAP struct text_map blocked = TEXT_MAP_INIT;
    CLEAN_TEXT_MAP struct text_map platform = TEXT_MAP_INIT;
    CLEAN_TEXT_LIST struct text_list tags = TEXT_LIST_INIT;

    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        object_set_int(pool, vm, memory[i], bytes);
    object_set_int(pool, vm, F_VM_VCPUs_max, vcpus);
    object_set_int(pool, vm, F_VM_VCPUs_at_startup, vcpus);
    object_set_text(pool, vm, F_VM_name_description, node_text(node, "description", ""));
    object_set_text(pool, vm, F_VM_HVM_boot_policy, "BIOS order");
    object_map_put(pool, vm, F_VM_HVM_boot_params, "order", "cd");
    text_map_set(&platform, "acpi", "1");
    text_map_set(&platform, "apic", "true");
    node_map(node, "platform", &platform);
    node_map(node, "other_config", &other);
    node_map(node, "blocked_operations", &blocked);
    node_texts(node, "tags", &tags);
    object_set_map(pool, vm, F_VM_platform, &platform);
    for (size_t i = 0; i < other.n; i++)
        object_map_put(pool, vm, F_VM_other_config, other.pairs[i].key, other.pairs[i].value);
    object_set_map(pool, vm, F_VM_blocked_operations, &blocked);
    object_set_set(pool, vm, F_VM_tags, &tags);
    object_set_text(pool, vm, F_VM_ha_restart_priority, node_text(node, "ha_restart_priority", ""));
}

static int build_state(struct pool *pool, const struct node *node, struct object *vm,
                       struct host *host)
{
    const char *state = node_text(node, "power_state", "Halted");
    struct node place = node_member(node, "power_state");

    if (!schema_enum_has("vm_power_state", state))
        return node_fail(&place, "one of Halted, Paused, Running, Suspended is expected, not %s",
                         state);
    if (node_bool(node, "is_a_template", false)) {
        object_set_bool(pool, vm, F_VM_is_a_template, true);
        return 0;
    }
    if (strcmp(state, "Suspended") == 0)
        vm_set_suspended(pool, vm);
    else if (strcmp(state, "Halted") != 0)
        vm_set_running(pool, vm, host ? host : pool->master);
    if (strcmp(state, "Paused") == 0)
        object_set_text(pool, vm, F_VM_power_state, "Paused");
    return 0;
}

static int build_disks(struct pool *pool, const struct node *node, const struct object *vm)
{
    struct node list = node_member(node, "disks");
    struct node drive = node_member(node, "cd");
    size_t n = node_items(&list);

    for (size_t i = 0; i < n; i++) {
        struct node disk = node_item(&list, i);
        if (build_disk(pool, &disk, object_ref(vm), object_text(vm, F_VM_name_label), i))
            return -1;
    }
    if (node_is_there(&drive) && build_drive(pool, &drive, object_ref(vm)))
        return -1;
    return build_interfaces(pool, node, object_ref(vm));
}

static int build_vtpm(struct pool *pool, const struct node *node, const struct object *vm)
{
    const char *contents = node_text(node, "vtpm", NULL);
    struct node place = node_member(node, "vtpm");

    if (!contents)
        return 0;
    if (schema_class(CLASS_VTPM)->since > pool->profile->since_max)
        return node_fail(&place, "profile %s has no VTPMs", pool->profile->name);
    if (!vtpm_is_base64(contents))
        return node_fail(&place, "base64 is expected");
    vtpm_make(pool, object_ref(vm), false, contents);
    return 0;
}

/* Attached while the VM runs. */
static void build_usb(struct pool *pool, const struct node *node, const struct object *vm)
{
    struct object *vusb = store_create(pool, CLASS_VUSB);
    const char *state = node_text(node, "power_state", "Halted");

    object_set_text(pool, vusb, F_VUSB_VM, object_ref(vm));
    object_set_bool(pool, vusb, F_VUSB_currently_attached, strcmp(state, "Running") == 0);
}

static int build_vm(struct pool *pool, const struct node *node, const char *name)
{
    const char *host_name = node_text(node, "host", NULL);
    const char *affinity = node_text(node, "affinity", NULL);
    struct host *host = host_name ? pool_host_by_name(pool, host_name) : NULL;
    struct host *near = affinity ? pool_host_by_name(pool, affinity) : NULL;
    struct node place = node_member(node, "host");
    struct object *vm;

    if (host_name && !host)
        return node_fail(&place, "there is no host %s in hosts", host_name);
    place = node_member(node, "affinity");
    if (affinity && !near)
        return node_fail(&place, "there is no host %s in hosts", affinity);
    vm = vm_make(pool, node_text(node, "uuid", NULL), name);
    build_values(pool, node, vm);
    if (near)
        object_set_text(pool, vm, F_VM_affinity, near->ref);
    if (build_disks(pool, node, vm))
        return -1;
    if (build_vtpm(pool, node, vm))
        return -1;
    if (node_bool(node, "vusb", false))
        build_usb(pool, node, vm);
    if (node_text(node, "os", NULL) && node_bool(node, "tools", true))
        guest_report_tools(pool, vm, node_text(node, "os", ""));
    return build_state(pool, node, vm, host);
}

static int build_group(struct pool *pool, const struct node *node)
{
    const char *name = node_text(node, "name", NULL);
    int64_t count = node_number(node, "count", 1, COUNT_MAX, 1);

    if (!node_check_members(node, vm_members))
        return -1;
    if (!name)
        return node_fail(node, "name is missing");
    for (int64_t i = 1; i <= count; i++) {
        CLEAN_CHAR char *numbered =
            count > 1 ? str_format("%s-%lld", name, (long long)i) : mem_dup(name);
        if (build_vm(pool, node, numbered))
            return -1;
    }
    return error_is_set(node->err) ? -1 : 0;
}

static void build_template(struct pool *pool, const char *name)
{
    struct object *vm = vm_make(pool, NULL, name);
    struct object *metrics = object_follow(pool, vm, F_VM_metrics);

    store_destroy(pool, metrics);
    object_set_text(pool, vm, F_VM_metrics, NULL);
    object_set_bool(pool, vm, F_VM_is_a_template, true);
    object_set_bool(pool, vm, F_VM_is_default_template, true);
    object_map_put(pool, vm, F_VM_other_config, "default_template", "true");
    object_set_text(pool, vm, F_VM_HVM_boot_policy, "BIOS order");
    object_set_int(pool, vm, F_VM_VCPUs_max, 1);
    object_set_int(pool, vm, F_VM_VCPUs_at_startup, 1);
}

int build_vms(struct pool *pool, const struct node *file)
{
    static const char *const templates[] = {"Other install media", "Debian Bookworm 12",
                                            "Windows Server 2022 (64-bit)"};
    struct node list = node_member(file, "vms");
    size_t n = node_items(&list);

    for (size_t i = 0;
         node_bool(file, "default_templates", true) && i < sizeof templates / sizeof *templates;
         i++)
        build_template(pool, templates[i]);
    for (size_t i = 0; i < n; i++) {
        struct node node = node_item(&list, i);
        if (build_group(pool, &node))
            return -1;
    }
    for (struct object *sr = store_first(pool, CLASS_SR); sr; sr = store_next(pool, sr))
        sr_recount(pool, object_ref(sr));
    return 0;
}
