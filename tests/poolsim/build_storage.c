/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Storage drivers, SRs with their PBDs and ISOs, and networks.
 */
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/build.h"
#include "tests/poolsim/disks.h"
#include "tests/poolsim/pool_file.h"

#include "common/base/poison.h"

#define SIZE_MIB_MAX     (INT64_C(1) << 30)
#define SIZE_MIB_DEFAULT (INT64_C(1) << 20)

enum { CAN_SNAPSHOT = 1, CAN_CBT = 2, IS_ISO = 4 };

static const struct {
    const char *type;
    const char *name;
    int abilities;
} drivers[] = {
    {"nfs", "NFS VHD", CAN_SNAPSHOT | CAN_CBT},
    {"ext", "Local EXT3 VHD", CAN_SNAPSHOT | CAN_CBT},
    {"lvm", "Local VHD on LVM", CAN_SNAPSHOT | CAN_CBT},
    {"lvmoiscsi", "VHD over iSCSI", CAN_SNAPSHOT | CAN_CBT},
    {"lvmohba", "LVHD over FC", CAN_SNAPSHOT | CAN_CBT},
    {"smb", "SMB", CAN_SNAPSHOT | CAN_CBT},
    {"file", "File", CAN_SNAPSHOT | CAN_CBT},
    {"rawhba", "Raw HBA", 0},
    {"udev", "udev", IS_ISO},
    {"iso", "ISO", IS_ISO},
};
#define DRIVERS_N (sizeof drivers / sizeof *drivers)

static void build_driver(struct pool *pool, size_t index)
{
    static const char *const always[] = {
        "SR_ATTACH",  "SR_CREATE",     "SR_DELETE",  "SR_DETACH",  "SR_PROBE",       "SR_SCAN",
        "SR_UPDATE",  "VDI_ACTIVATE",  "VDI_ATTACH", "VDI_CREATE", "VDI_DEACTIVATE", "VDI_DELETE",
        "VDI_DETACH", "VDI_INTRODUCE", "VDI_RESIZE", "VDI_UPDATE"};
    struct object *sm = store_create(pool, CLASS_SM);
    CLEAN_TEXT_LIST struct text_list able = TEXT_LIST_INIT;

    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        text_list_add(&able, always[i]);
    if (drivers[index].abilities & CAN_SNAPSHOT) {
        text_list_add(&able, "VDI_CLONE");
        text_list_add(&able, "VDI_SNAPSHOT");
        text_list_add(&able, "VDI_GENERATE_CONFIG");
    }
    if (drivers[index].abilities & CAN_CBT)
        text_list_add(&able, "VDI_CONFIG_CBT");
    text_list_sort(&able);
    object_set_text(pool, sm, F_SM_name_label, drivers[index].name);
    object_set_text(pool, sm, F_SM_name_description, "simulated driver");
    object_set_text(pool, sm, F_SM_type, drivers[index].type);
    object_set_text(pool, sm, F_SM_vendor, "poolsim");
    object_set_text(pool, sm, F_SM_version, "1.0");
    object_set_text(pool, sm, F_SM_required_api_version, "1.0");
    object_set_text(pool, sm, F_SM_driver_filename, "/opt/xensource/sm/SimSR");
    object_set_set(pool, sm, F_SM_capabilities, &able);
    for (size_t i = 0; i < able.n; i++)
        object_map_put(pool, sm, F_SM_features, able.items[i], "1");
}

static int check_type(const struct node *node, const char *type, int *ret_abilities)
{
    CLEAN_STR struct str known = STR_INIT;
    struct node place = node_member(node, "type");

    for (size_t i = 0; i < DRIVERS_N; i++) {
        if (strcmp(drivers[i].type, type) == 0) {
            *ret_abilities = drivers[i].abilities;
            return 0;
        }
        str_add_format(&known, "%s%s", i ? ", " : "", drivers[i].type);
    }
    return node_fail(&place, "one of %s is expected, not %s", str_text(&known), type);
}

static void build_pbd(struct pool *pool, const char *sr_ref, const struct host *host,
                      const char *location, bool is_attached)
{
    struct object *pbd = store_create(pool, CLASS_PBD);

    object_set_text(pool, pbd, F_PBD_host, host->ref);
    object_set_text(pool, pbd, F_PBD_SR, sr_ref);
    object_map_put(pool, pbd, F_PBD_device_config, "location", location);
    object_set_bool(pool, pbd, F_PBD_currently_attached, is_attached);
}

/* A shared SR has a PBD on every host, a local one on its own; "hosts" names them one by one. */
static int build_pbds(struct pool *pool, const struct node *node, const char *sr_ref,
                      bool is_shared)
{
    CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
    const char *one = node_text(node, "host", NULL);
    bool is_attached = node_bool(node, "attached", true);
    struct node place = node_member(node, one ? "host" : "hosts");
    CLEAN_CHAR char *location = str_format("/var/run/sr-mount/%s", sr_ref + strlen("OpaqueRef:"));

    node_texts(node, "hosts", &names);
    if (one)
        text_list_add(&names, one);
    if (!names.n && !is_shared)
        text_list_add(&names, pool->master->name);
    for (size_t i = 0; i < names.n; i++)
        if (!pool_host_by_name(pool, names.items[i]))
            return node_fail(&place, "there is no host %s in hosts", names.items[i]);
    for (size_t i = 0; i < pool->hosts_n; i++)
        if (text_list_has(&names, pool->hosts[i]->name) || (is_shared && !names.n))
            build_pbd(pool, sr_ref, pool->hosts[i], location, is_attached);
    return 0;
}

static int build_isos(struct pool *pool, const struct node *node, const char *sr_ref)
{
    static const char *const members[] = {"name", "size_mib", "content", "uuid", NULL};
    struct node list = node_member(node, "isos");
    size_t n = node_items(&list);

    for (size_t i = 0; i < n; i++) {
        struct node iso = node_item(&list, i);
        CLEAN_CONTENT_SPEC struct content_spec spec = {0};
        int64_t size = node_number(&iso, "size_mib", 1, SIZE_MIB_MAX, 8) << 20;
        const char *name = node_text(&iso, "name", NULL);
        struct object *vdi;
        if (!node_check_members(&iso, members))
            return -1;
        if (!name)
            return node_fail(&iso, "name is missing");
        if (content_spec_parse(json_object_get(iso.json, "content"), &spec, node->err))
            return error_add(node->err, "%s.content", iso.place);
        vdi = vdi_make(pool, sr_ref, node_text(&iso, "uuid", NULL), name, size, "user");
        object_set_text(pool, vdi, F_VDI_location, name);
        object_set_bool(pool, vdi, F_VDI_read_only, true);
        object_set_int(pool, vdi, F_VDI_physical_utilisation, size);
        if (disks_add(pool->disks, object_uuid(vdi), (uint64_t)size, &spec, node->err))
            return error_add(node->err, "%s", iso.place);
    }
    return 0;
}

static int build_sr(struct pool *pool, const struct node *node)
{
    static const char *const members[] = {
        "name",     "type", "shared", "host",         "hosts",       "attached", "content_type",
        "size_mib", "uuid", "isos",   "other_config", "description", "tags",     NULL};
    const char *name = node_text(node, "name", NULL);
    const char *type = node_text(node, "type", "nfs");
    CLEAN_TEXT_MAP struct text_map other = TEXT_MAP_INIT;
    CLEAN_TEXT_LIST struct text_list tags = TEXT_LIST_INIT;
    int abilities = 0;
    bool is_shared = node_bool(node, "shared", true);
    struct object *sr;

    if (!node_check_members(node, members) || check_type(node, type, &abilities))
        return -1;
    if (!name || !*name)
        return node_fail(node, "name is missing");
    if (!json_object_get(node->json, "shared"))
        is_shared = !json_object_get(node->json, "host");
    sr = store_create_with_uuid(pool, CLASS_SR, node_text(node, "uuid", NULL));
    node_map(node, "other_config", &other);
    node_texts(node, "tags", &tags);
    object_set_text(pool, sr, F_SR_name_label, name);
    object_set_text(pool, sr, F_SR_name_description, node_text(node, "description", ""));
    object_set_text(pool, sr, F_SR_type, type);
    object_set_text(pool, sr, F_SR_content_type,
                    node_text(node, "content_type", abilities & IS_ISO ? "iso" : "user"));
    object_set_bool(pool, sr, F_SR_shared, is_shared);
    object_set_map(pool, sr, F_SR_other_config, &other);
    object_set_set(pool, sr, F_SR_tags, &tags);
    object_set_int(pool, sr, F_SR_physical_size,
                   node_number(node, "size_mib", 1, SIZE_MIB_MAX, SIZE_MIB_DEFAULT) << 20);
    if (build_pbds(pool, node, object_ref(sr), is_shared) || build_isos(pool, node, object_ref(sr)))
        return -1;
    sr_recount(pool, object_ref(sr));
    return error_is_set(node->err) ? -1 : 0;
}

/* Whom a network serves by NBD reaches it through interfaces of the hosts. */
static int build_purpose(struct pool *pool, const struct node *node, struct object *network,
                         size_t index)
{
    CLEAN_TEXT_LIST struct text_list purpose = TEXT_LIST_INIT;

    node_texts(node, "purpose", &purpose);
    for (size_t i = 0; i < purpose.n; i++)
        if (strcmp(purpose.items[i], "nbd") && strcmp(purpose.items[i], "insecure_nbd"))
            return node_fail(node, "purpose: %s is neither nbd nor insecure_nbd", purpose.items[i]);
    object_set_set(pool, network, F_network_purpose, &purpose);
    if (!purpose.n || object_set(network, F_network_PIFs)->n)
        return 0;
    for (size_t i = 0; i < pool->hosts_n; i++)
        build_interface(pool, pool->hosts[i], object_ref(network), (unsigned)index + 1);
    return 0;
}

static int build_network(struct pool *pool, const struct node *node, size_t index)
{
    static const char *const members[] = {"name",        "bridge",       "purpose",
                                          "description", "other_config", NULL};
    const char *name = node_text(node, "name", NULL);
    CLEAN_CHAR char *bridge = str_format("xapi%zu", index);
    CLEAN_TEXT_MAP struct text_map other = TEXT_MAP_INIT;
    struct object *network = NULL;

    if (!node_check_members(node, members))
        return -1;
    if (!name || !*name)
        return node_fail(node, "name is missing");
    if (strcmp(name, BUILD_MANAGEMENT_NETWORK) == 0)
        network = build_find(pool, CLASS_network, name);
    if (network)
        mem_set(&bridge, object_text(network, F_network_bridge));
    else
        network = store_create(pool, CLASS_network);
    node_map(node, "other_config", &other);
    object_set_text(pool, network, F_network_name_label, name);
    object_set_text(pool, network, F_network_name_description, node_text(node, "description", ""));
    object_set_text(pool, network, F_network_bridge, node_text(node, "bridge", bridge));
    object_set_int(pool, network, F_network_MTU, 1500);
    object_set_bool(pool, network, F_network_managed, true);
    object_set_map(pool, network, F_network_other_config, &other);
    if (build_purpose(pool, node, network, index))
        return -1;
    return error_is_set(node->err) ? -1 : 0;
}

int build_storage(struct pool *pool, const struct node *file)
{
    struct node srs = node_member(file, "srs");
    struct node networks = node_member(file, "networks");
    size_t n = node_items(&srs);

    for (size_t i = 0; i < DRIVERS_N; i++)
        build_driver(pool, i);
    for (size_t i = 0; i < n; i++) {
        struct node node = node_item(&srs, i);
        if (build_sr(pool, &node))
            return -1;
    }
    n = node_items(&networks);
    for (size_t i = 0; i < n; i++) {
        struct node node = node_item(&networks, i);
        if (build_network(pool, &node, i))
            return -1;
    }
    return 0;
}
