/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hosts with what a dom0 brings along: metrics, CPUs, a management interface, a control domain
 * with its consoles, and the drivers of storage.
 */
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/build.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/pool_file.h"

#include "common/base/poison.h"

#define ADDRESSES_PER_NET 250
#define DOM0_MEMORY_BYTES (INT64_C(1) << 30)
#define CORES_MAX         64

static const char *const host_members[] = {
    "name",       "cores", "rate_mib_s",   "enabled",  "uuid",        "address", "clock_offset_s",
    "memory_mib", "tags",  "other_config", "hostname", "description", NULL};

static void build_cpus(struct pool *pool, const struct host *host, int64_t cores)
{
    for (int64_t i = 0; i < cores; i++) {
        struct object *cpu = store_create(pool, CLASS_host_cpu);
        object_set_text(pool, cpu, F_host_cpu_host, host->ref);
        object_set_int(pool, cpu, F_host_cpu_number, i);
        object_set_text(pool, cpu, F_host_cpu_vendor, "GenuineIntel");
        object_set_int(pool, cpu, F_host_cpu_speed, 2400);
        object_set_text(pool, cpu, F_host_cpu_modelname, "Simulated CPU");
        object_set_int(pool, cpu, F_host_cpu_family, 6);
        object_set_int(pool, cpu, F_host_cpu_model, 85);
        object_set_text(pool, cpu, F_host_cpu_stepping, "7");
        object_set_text(pool, cpu, F_host_cpu_flags, "fpu de tsc msr pae");
    }
}

static void put(struct pool *pool, struct object *object, enum field_id field,
                const char *const (*pairs)[2])
{
    CLEAN_TEXT_MAP struct text_map map = TEXT_MAP_INIT;

    for (; (*pairs)[0]; pairs++)
        text_map_set(&map, (*pairs)[0], (*pairs)[1]);
    object_set_map(pool, object, field, &map);
}

static void build_versions(struct pool *pool, struct object *record, int64_t cores)
{
    const struct profile *profile = pool->profile;
    CLEAN_CHAR char *cpus = str_format("%lld", (long long)cores);
    const char *const software[][2] = {{"product_version", profile->product_version},
                                       {"product_version_text", profile->product_version},
                                       {"product_version_text_short", profile->product_version},
                                       {"platform_name", "XCP"},
                                       {"platform_version", "3.4.0"},
                                       {"product_brand", profile->product_brand},
                                       {"build_number", "release/simulated"},
                                       {"git_id", "0"},
                                       {"hostname", "localhost"},
                                       {"date", "20260101T00:00:00Z"},
                                       {"xapi", profile->xapi_version},
                                       {"xapi_build", profile->xapi_version},
                                       {"xen", "4.17.5"},
                                       {"linux", "4.19.0+1"},
                                       {"xencenter_min", "2.21"},
                                       {"xencenter_max", "2.23"},
                                       {"network_backend", "openvswitch"},
                                       {"db_schema", "5.909"},
                                       {NULL, NULL}};
    const char *const cpu[][2] = {{"cpu_count", cpus},
                                  {"socket_count", "1"},
                                  {"threads_per_core", "1"},
                                  {"nr_nodes", "1"},
                                  {"vendor", "GenuineIntel"},
                                  {"speed", "2400.000"},
                                  {"modelname", "Simulated CPU"},
                                  {"family", "6"},
                                  {"model", "85"},
                                  {"stepping", "7"},
                                  {"flags", "fpu de tsc msr pae"},
                                  {NULL, NULL}};

    put(pool, record, F_host_software_version, software);
    put(pool, record, F_host_cpu_info, cpu);
    object_set_int(pool, record, F_host_API_version_major, profile->api_major);
    object_set_int(pool, record, F_host_API_version_minor, profile->api_minor);
    object_set_text(pool, record, F_host_API_version_vendor, "XenSource");
}

static void build_licence(struct pool *pool, struct object *record)
{
    static const char *const features[] = {"restrict_checkpoint",  "restrict_cbt",
                                           "restrict_zstd_export", "restrict_vss",
                                           "restrict_rbac",        "restrict_pooling"};
    static const char *const capabilities[] = {"xen-3.0-x86_64", "hvm-3.0-x86_32",
                                               "hvm-3.0-x86_32p", "hvm-3.0-x86_64", ""};
    struct object *own = store_find(pool, CLASS_pool, pool->pool_ref);

    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        object_map_put(pool, record, F_host_license_params, features[i], "false");
        object_map_put(pool, own, F_pool_restrictions, features[i], "false");
    }
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++)
        object_set_add(pool, record, F_host_capabilities, capabilities[i]);
    object_set_add(pool, record, F_host_supported_bootloaders, "pygrub");
    object_set_add(pool, record, F_host_supported_bootloaders, "eliloader");
    object_set_text(pool, record, F_host_edition, "xcp-ng");
    object_set_add(pool, record, F_host_editions, "xcp-ng");
    object_set_int(pool, record, F_host_memory_overhead, INT64_C(2415919104));
}

void build_interface(struct pool *pool, const struct host *host, const char *network_ref,
                     unsigned number)
{
    struct object *pif = store_create(pool, CLASS_PIF);
    struct object *metrics = store_create(pool, CLASS_PIF_metrics);
    CLEAN_CHAR char *device = str_format("eth%u", number);
    CLEAN_CHAR char *mac =
        str_format("52:54:00:%02x:%02x:%02x", number & 0xff, (unsigned)(host->index >> 8 & 0xff),
                   (unsigned)(host->index & 0xff));

    object_set_bool(pool, metrics, F_PIF_metrics_carrier, true);
    object_set_text(pool, pif, F_PIF_metrics, object_ref(metrics));
    object_set_text(pool, pif, F_PIF_host, host->ref);
    object_set_text(pool, pif, F_PIF_network, network_ref);
    object_set_text(pool, pif, F_PIF_device, device);
    object_set_text(pool, pif, F_PIF_MAC, mac);
    object_set_text(pool, pif, F_PIF_IP, host->address);
    object_set_text(pool, pif, F_PIF_netmask, "255.0.0.0");
    object_set_text(pool, pif, F_PIF_ip_configuration_mode, "Static");
    object_set_int(pool, pif, F_PIF_MTU, 1500);
    object_set_int(pool, pif, F_PIF_VLAN, -1);
    object_set_bool(pool, pif, F_PIF_physical, true);
    object_set_bool(pool, pif, F_PIF_currently_attached, true);
    object_set_bool(pool, pif, F_PIF_management, number == 0);
    object_set_bool(pool, pif, F_PIF_managed, true);
}

static void build_management(struct pool *pool, const struct host *host)
{
    struct object *network = build_find(pool, CLASS_network, BUILD_MANAGEMENT_NETWORK);

    if (!network) {
        network = store_create(pool, CLASS_network);
        object_set_text(pool, network, F_network_name_label, BUILD_MANAGEMENT_NETWORK);
        object_set_text(pool, network, F_network_bridge, "xenbr0");
        object_set_int(pool, network, F_network_MTU, 1500);
        object_set_bool(pool, network, F_network_managed, true);
    }
    build_interface(pool, host, object_ref(network), 0);
}

static void build_console(struct pool *pool, const char *vm_ref, const struct host *host,
                          const char *protocol)
{
    struct object *console = store_create(pool, CLASS_console);
    CLEAN_CHAR char *location =
        str_format("https://%s/console?ref=%s", host->address, object_ref(console));

    object_set_text(pool, console, F_console_VM, vm_ref);
    object_set_text(pool, console, F_console_protocol, protocol);
    object_set_text(pool, console, F_console_location, location);
}

static void build_dom0(struct pool *pool, struct host *host)
{
    static const enum field_id memory[] = {F_VM_memory_target, F_VM_memory_static_max,
                                           F_VM_memory_dynamic_max, F_VM_memory_dynamic_min,
                                           F_VM_memory_static_min};
    CLEAN_CHAR char *name = str_format("Control domain on host: %s", host->name);
    struct object *dom0 = vm_make(pool, NULL, name);
    struct object *metrics = object_follow(pool, dom0, F_VM_metrics);

    str_copy(host->dom0_ref, REF_MAX, object_ref(dom0));
    object_set_text(pool, dom0, F_VM_name_description,
                    "The domain which manages physical devices and manages other domains");
    object_set_map(pool, dom0, F_VM_other_config, NULL);
    object_set_bool(pool, dom0, F_VM_is_control_domain, true);
    object_set_text(pool, dom0, F_VM_resident_on, host->ref);
    object_set_text(pool, dom0, F_VM_affinity, host->ref);
    object_set_text(pool, dom0, F_VM_power_state, "Running");
    object_set_text(pool, dom0, F_VM_domarch, "x64");
    object_set_text(pool, dom0, F_VM_domain_type, "pv");
    object_set_text(pool, dom0, F_VM_actions_after_reboot, "destroy");
    object_set_text(pool, dom0, F_VM_actions_after_crash, "destroy");
    object_set_int(pool, dom0, F_VM_domid, 0);
    object_set_int(pool, dom0, F_VM_VCPUs_max, 2);
    object_set_int(pool, dom0, F_VM_VCPUs_at_startup, 2);
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        object_set_int(pool, dom0, memory[i], DOM0_MEMORY_BYTES);
    object_set_int(pool, metrics, F_VM_metrics_memory_actual, DOM0_MEMORY_BYTES);
    build_console(pool, host->dom0_ref, host, "rfb");
    build_console(pool, host->dom0_ref, host, "vt100");
    object_set_text(pool, store_find(pool, CLASS_host, host->ref), F_host_control_domain,
                    host->dom0_ref);
}

static void build_record(struct pool *pool, struct host *host, const struct node *node)
{
    struct object *record = store_create_with_uuid(pool, CLASS_host, node_text(node, "uuid", NULL));
    struct object *metrics = store_create(pool, CLASS_host_metrics);
    int64_t cores = node_number(node, "cores", 1, CORES_MAX, 4);
    CLEAN_TEXT_LIST struct text_list tags = TEXT_LIST_INIT;
    CLEAN_TEXT_MAP struct text_map other = TEXT_MAP_INIT;
    char now[32];

    str_copy(host->ref, REF_MAX, object_ref(record));
    text_map_set(&other, "agent_start_time", "1795380235.");
    text_map_set(&other, "boot_time", "1795376180.");
    node_texts(node, "tags", &tags);
    node_map(node, "other_config", &other);
    object_set_text(pool, record, F_host_name_label, host->name);
    object_set_text(pool, record, F_host_name_description,
                    node_text(node, "description", "Default install"));
    object_set_text(pool, record, F_host_hostname, node_text(node, "hostname", host->name));
    object_set_text(pool, record, F_host_address, host->address);
    object_set_bool(pool, record, F_host_enabled, node_bool(node, "enabled", true));
    object_set_set(pool, record, F_host_tags, &tags);
    object_set_map(pool, record, F_host_other_config, &other);
    object_set_text(pool, record, F_host_metrics, object_ref(metrics));
    object_set_bool(pool, metrics, F_host_metrics_live, true);
    object_set_int(pool, metrics, F_host_metrics_memory_total,
                   node_number(node, "memory_mib", 1024, 1 << 24, 65536) << 20);
    object_set_text(pool, metrics, F_host_metrics_last_updated, pool_format_time(host, now));
    object_set_bool(pool, record, F_host_https_only, true);
    object_set_bool(pool, record, F_host_ssh_enabled, true);
    object_set_bool(pool, record, F_host_ssh_auto_mode, true);
    object_set_text(pool, record, F_host_timezone, "Etc/UTC");
    for (int i = 0; i < 3; i++) {
        CLEAN_CHAR char *version = str_format("%d", i);
        object_set_add(pool, record, F_host_virtual_hardware_platform_versions, version);
    }
    build_versions(pool, record, cores);
    build_licence(pool, record);
    build_cpus(pool, host, cores);
}

static int build_host(struct pool *pool, const struct node *node)
{
    struct host *host;
    const char *name = node_text(node, "name", NULL);

    if (node_is_there(node) && !node_check_members(node, host_members))
        return -1;
    if (node_is_there(node) && (!name || !*name))
        return node_fail(node, "name is missing");
    if (pool->hosts_n == POOL_HOSTS_MAX)
        return node_fail(node, "more than %d hosts", POOL_HOSTS_MAX);
    if (name && pool_host_by_name(pool, name))
        return node_fail(node, "there are two hosts of the name %s", name);
    host = mem_zero(1, sizeof *host);
    host->pool = pool;
    host->index = pool->hosts_n;
    pool->hosts[pool->hosts_n++] = host;
    host->name = mem_dup(name ? name : "host1");
    host->address = mem_dup(node_text(node, "address", NULL));
    if (!host->address)
        host->address = str_format("127.0.%zu.%zu", 1 + host->index / ADDRESSES_PER_NET,
                                   1 + host->index % ADDRESSES_PER_NET);
    host->socket_path = str_format("%s/%s.sock", pool->dir, host->name);
    if (strchr(host->name, '/'))
        return node_fail(node, "name: a slash can't stand in a host's name");
    host->rate_bytes_per_s = (uint64_t)(node_real(node, "rate_mib_s", 0) * 1048576.0);
    host->clock_offset_ms = node_number(node, "clock_offset_s", -1000000000, 1000000000, 0) * 1000;
    if (!pool->master)
        pool->master = host;
    build_record(pool, host, node);
    build_management(pool, host);
    build_dom0(pool, host);
    return error_is_set(node->err) ? -1 : 0;
}

int build_hosts(struct pool *pool, const struct node *file)
{
    struct node list = node_member(file, "hosts");
    size_t n = node_items(&list);

    for (size_t i = 0; i < n; i++) {
        struct node node = node_item(&list, i);
        if (build_host(pool, &node))
            return -1;
    }
    if (n == 0) {
        struct node none = node_root(NULL, file->err);
        return build_host(pool, &none);
    }
    return 0;
}
