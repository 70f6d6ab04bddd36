/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One function a class. Every text is cut at RECORD_TEXT_MAX, every map and set at
 * RECORD_ITEMS_MAX: a name of megabytes in a guest's metrics must not fill our memory.
 */
#include "common/xapi/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "common/model/mark.h"
#include "common/model/pool.h"
#include "common/xapi/ref_table.h"
#include "common/xapi/reply.h"

#include "common/base/poison.h"

/* A ref with one text of it that others need: a network's name, a guest's system. */
struct named_ref {
    char *ref;
    char *text;
};

struct named_refs {
    struct named_ref *items;
    size_t n, cap;
    struct ref_table table;
};

struct record_reader {
    struct pool *pool;
    struct ref_table hosts;
    struct ref_table srs;
    struct ref_table vdis;
    struct ref_table vms;
    struct named_refs live_metrics; /* text "1" alive, "0" not */
    struct named_refs systems;      /* guest metrics: os_version name */
    struct named_refs networks;     /* name_label */
    struct named_refs sms;          /* key is the SR type; text "1" can snapshot, "0" not */
    size_t vbds_n;
    size_t vifs_n;
    size_t pbds_n;
    char *master; /* ref, when the pool came before its host */
};

static void named_refs_done(struct named_refs *refs)
{
    for (size_t i = 0; i < refs->n; i++) {
        free(refs->items[i].ref);
        free(refs->items[i].text);
    }
    free(refs->items);
    ref_table_done(&refs->table);
}

static void named_refs_add(struct named_refs *refs, const char *ref, const char *text)
{
    refs->items = mem_grow(refs->items, &refs->cap, refs->n + 1, sizeof *refs->items);
    refs->items[refs->n] = (struct named_ref){mem_dup(ref), mem_dup(text)};
    ref_table_add(&refs->table, refs->items[refs->n].ref, refs->n);
    refs->n++;
}

static const char *named_refs_get(const struct named_refs *refs, const char *ref,
                                  const char *otherwise)
{
    size_t i = ref_table_find(&refs->table, ref);

    return i == REF_TABLE_NONE ? otherwise : refs->items[i].text;
}

struct record_reader *record_reader_new(struct pool *pool)
{
    struct record_reader *reader = mem_zero(1, sizeof *reader);

    reader->pool = pool;
    pool->master = POOL_NONE;
    return reader;
}

void record_reader_free(struct record_reader *reader)
{
    int kept = errno;

    if (!reader)
        return;
    ref_table_done(&reader->hosts);
    ref_table_done(&reader->srs);
    ref_table_done(&reader->vdis);
    ref_table_done(&reader->vms);
    named_refs_done(&reader->live_metrics);
    named_refs_done(&reader->systems);
    named_refs_done(&reader->networks);
    named_refs_done(&reader->sms);
    free(reader->master);
    free(reader);
    errno = kept;
}

void record_reader_clean(struct record_reader **reader)
{
    record_reader_free(*reader);
    *reader = NULL;
}

/* --- fields -------------------------------------------------------------------------------- */

static char *text_dup(const char *text)
{
    size_t n = text ? strlen(text) : 0;

    if (!text)
        return NULL;
    return mem_dup_n(text, n > RECORD_TEXT_MAX ? str_utf8_cut(text, n, RECORD_TEXT_MAX) : n);
}

static char *field_text(const json_t *record, const char *name)
{
    return text_dup(reply_text(record, name, ""));
}

/* 1970 stands for none. */
static int64_t snapshot_time(const json_t *record)
{
    int64_t at = 0;

    return clock_parse_utc(reply_text(record, "snapshot_time", ""), &at, NULL) == 0 && at > 0 ? at
                                                                                             : 0;
}

static char *field_ref(const json_t *record, const char *name)
{
    return text_dup(reply_ref(record, name));
}

static void field_map(const json_t *record, const char *name, struct text_map *map)
{
    const char *key;
    const json_t *value;

    /* A cast for the macro, which wants to hand out members that can be changed. */
    json_object_foreach(json_object_get(record, name), key, value)
    {
        CLEAN_CHAR char *text = text_dup(json_string_value(value));

        if (map->n >= RECORD_ITEMS_MAX)
            return;
        if (text && strlen(key) <= RECORD_TEXT_MAX)
            text_map_set(map, key, text);
    }
}

static void field_set(const json_t *record, const char *name, struct text_list *list)
{
    const json_t *set = json_object_get(record, name);
    const json_t *item;
    size_t i;

    if (!json_is_array(set))
        return;
    json_array_foreach(set, i, item) if (json_is_string(item) && list->n < RECORD_ITEMS_MAX)
        text_list_add_take(list, text_dup(json_string_value(item)));
}

/* One key of a map, NULL without. */
static char *field_map_item(const json_t *record, const char *name, const char *key)
{
    return text_dup(reply_text(json_object_get(record, name), key, NULL));
}

/* What every object must have: to be one, a reference, and room for it. */
static int record_check(const char *class_name, const char *ref, const json_t *record, size_t n,
                        struct error *err)
{
    if (!json_is_object(record) || !ref || !*ref)
        return error_set(err, ERROR_PROTOCOL, "%s: what XAPI gave is no record", class_name);
    if (n >= RECORD_OBJECTS_MAX)
        return error_set(err, ERROR_LIMIT, "more than %d objects of class %s", RECORD_OBJECTS_MAX,
                         class_name);
    return 0;
}

/* The same for classes whose objects are known by their uuid. */
static int record_check_uuid(const char *class_name, const char *ref, const json_t *record,
                             size_t n, struct error *err)
{
    if (record_check(class_name, ref, record, n, err))
        return -1;
    if (!uuid_is_valid(reply_text(record, "uuid", "")))
        return error_set(err, ERROR_PROTOCOL, "%s %.60s: \"%.60s\" is no uuid", class_name, ref,
                         reply_text(record, "uuid", ""));
    return 0;
}

static void index_add(size_t **items, size_t *n, size_t *cap, size_t index)
{
    *items = mem_grow(*items, cap, *n + 1, sizeof **items);
    (*items)[(*n)++] = index;
}

/* --- classes ------------------------------------------------------------------------------- */

int record_add_host_metrics(struct record_reader *reader, const char *ref, const json_t *record,
                            struct error *err)
{
    if (record_check("host_metrics", ref, record, reader->live_metrics.n, err))
        return -1;
    named_refs_add(&reader->live_metrics, ref, reply_bool(record, "live", false) ? "1" : "0");
    return 0;
}

int record_add_host(struct record_reader *reader, const char *ref, const json_t *record,
                    struct error *err)
{
    if (record_check_uuid("host", ref, record, reader->pool->hosts_n, err))
        return -1;
    struct host *host = pool_add_host(reader->pool);
    const char *metrics = reply_ref(record, "metrics");

    host->ref = mem_dup(ref);
    host->uuid = field_text(record, "uuid");
    host->name = field_text(record, "name_label");
    host->hostname = field_text(record, "hostname");
    host->address = field_text(record, "address");
    host->enabled = reply_bool(record, "enabled", false);
    host->live = *named_refs_get(&reader->live_metrics, metrics, "0") == '1';
    ref_table_add(&reader->hosts, host->ref, reader->pool->hosts_n - 1);
    return 0;
}

int record_add_pool(struct record_reader *reader, const char *ref, const json_t *record,
                    struct error *err)
{
    struct pool *pool = reader->pool;

    if (record_check_uuid("pool", ref, record, 0, err))
        return -1;
    if (pool->ref)
        return error_set(err, ERROR_PROTOCOL, "XAPI tells of more than one pool");
    pool->ref = mem_dup(ref);
    pool->uuid = field_text(record, "uuid");
    pool->name = field_text(record, "name_label");
    field_map(record, "other_config", &pool->other_config);
    reader->master = field_ref(record, "master");
    return 0;
}

/* Features as a map since 6.2, capabilities as a set before. */
static bool sm_can_snapshot(const json_t *record)
{
    const json_t *features = json_object_get(record, "features");
    const json_t *capabilities = json_object_get(record, "capabilities");
    const json_t *item;
    size_t i;

    if (json_object_get(features, "VDI_SNAPSHOT"))
        return true;
    if (json_is_array(capabilities))
        json_array_foreach(capabilities, i,
                           item) if (json_is_string(item) &&
                                     !strcmp(json_string_value(item), "VDI_SNAPSHOT")) return true;
    return false;
}

int record_add_sm(struct record_reader *reader, const char *ref, const json_t *record,
                  struct error *err)
{
    if (record_check("SM", ref, record, reader->sms.n, err))
        return -1;
    CLEAN_CHAR char *type = field_text(record, "type");

    named_refs_add(&reader->sms, type, sm_can_snapshot(record) ? "1" : "0");
    return 0;
}

int record_add_sr(struct record_reader *reader, const char *ref, const json_t *record,
                  struct error *err)
{
    if (record_check_uuid("SR", ref, record, reader->pool->srs_n, err))
        return -1;
    struct sr *sr = pool_add_sr(reader->pool);

    sr->ref = mem_dup(ref);
    sr->uuid = field_text(record, "uuid");
    sr->name = field_text(record, "name_label");
    sr->type = field_text(record, "type");
    sr->content_type = field_text(record, "content_type");
    sr->shared = reply_bool(record, "shared", false);
    sr->physical_size_bytes = reply_u64(record, "physical_size", 0);
    sr->physical_utilisation_bytes = reply_u64(record, "physical_utilisation", 0);
    sr->can_snapshot = *named_refs_get(&reader->sms, sr->type, "1") == '1';
    ref_table_add(&reader->srs, sr->ref, reader->pool->srs_n - 1);
    return 0;
}

int record_add_pbd(struct record_reader *reader, const char *ref, const json_t *record,
                   struct error *err)
{
    if (record_check("PBD", ref, record, reader->pbds_n, err))
        return -1;
    size_t sr = ref_table_find(&reader->srs, reply_ref(record, "SR"));
    size_t host = ref_table_find(&reader->hosts, reply_ref(record, "host"));

    reader->pbds_n++;
    if (sr == REF_TABLE_NONE || host == REF_TABLE_NONE ||
        !reply_bool(record, "currently_attached", false))
        return 0;
    struct sr *of = &reader->pool->srs[sr];

    if (!pool_host_sees_sr(reader->pool, host, sr))
        index_add(&of->hosts, &of->hosts_n, &of->hosts_cap, host);
    return 0;
}

int record_add_vdi(struct record_reader *reader, const char *ref, const json_t *record,
                   struct error *err)
{
    if (record_check_uuid("VDI", ref, record, reader->pool->vdis_n, err))
        return -1;
    struct vdi *vdi = pool_add_vdi(reader->pool);

    vdi->ref = mem_dup(ref);
    vdi->uuid = field_text(record, "uuid");
    vdi->name = field_text(record, "name_label");
    vdi->description = field_text(record, "name_description");
    vdi->type = field_text(record, "type");
    vdi->sr = ref_table_find(&reader->srs, reply_ref(record, "SR"));
    vdi->virtual_size_bytes = reply_u64(record, "virtual_size", 0);
    vdi->physical_utilisation_bytes = reply_u64(record, "physical_utilisation", 0);
    vdi->sharable = reply_bool(record, "sharable", false);
    vdi->read_only = reply_bool(record, "read_only", false);
    vdi->missing = reply_bool(record, "missing", false);
    vdi->managed = reply_bool(record, "managed", true);
    vdi->on_boot_reset = !strcmp(reply_text(record, "on_boot", ""), "reset");
    vdi->cbt_enabled = reply_bool(record, "cbt_enabled", false);
    vdi->is_snapshot = reply_bool(record, "is_a_snapshot", false);
    vdi->snapshot_of = field_ref(record, "snapshot_of");
    vdi->snapshot_at = snapshot_time(record);
    vdi->vhd_parent = field_map_item(record, "sm_config", "vhd-parent");
    vdi->image_format = field_map_item(record, "sm_config", "image-format");
    vdi->mark = field_map_item(record, "other_config", MARK_KEY);
    ref_table_add(&reader->vdis, vdi->ref, reader->pool->vdis_n - 1);
    return 0;
}

int record_add_guest_metrics(struct record_reader *reader, const char *ref, const json_t *record,
                             struct error *err)
{
    if (record_check("VM_guest_metrics", ref, record, reader->systems.n, err))
        return -1;
    CLEAN_CHAR char *system = field_map_item(record, "os_version", "name");

    named_refs_add(&reader->systems, ref, system ? system : "");
    return 0;
}

int record_add_network(struct record_reader *reader, const char *ref, const json_t *record,
                       struct error *err)
{
    if (record_check("network", ref, record, reader->networks.n, err))
        return -1;
    CLEAN_CHAR char *name = field_text(record, "name_label");

    named_refs_add(&reader->networks, ref, name);
    return 0;
}

static enum vm_power_state power_state(const json_t *record)
{
    const char *name = reply_text(record, "power_state", "");

    for (enum vm_power_state state = VM_HALTED; state <= VM_SUSPENDED; state++)
        if (!strcmp(name, vm_power_state_name(state)))
            return state;
    return VM_HALTED;
}

static void vm_fill(struct vm *vm, const struct record_reader *reader, const json_t *record)
{
    vm->uuid = field_text(record, "uuid");
    vm->name = field_text(record, "name_label");
    vm->description = field_text(record, "name_description");
    vm->power_state = power_state(record);
    vm->is_template = reply_bool(record, "is_a_template", false);
    vm->is_snapshot = reply_bool(record, "is_a_snapshot", false);
    vm->is_control_domain = reply_bool(record, "is_control_domain", false);
    vm->snapshot_of = field_ref(record, "snapshot_of");
    vm->snapshot_at = snapshot_time(record);
    vm->resident_on = ref_table_find(&reader->hosts, reply_ref(record, "resident_on"));
    vm->memory_dynamic_max_bytes = reply_u64(record, "memory_dynamic_max", 0);
    vm->vcpus_max = reply_u64(record, "VCPUs_max", 0);
    vm->vcpus_at_startup = reply_u64(record, "VCPUs_at_startup", 0);
    vm->base_template_name = field_map_item(record, "other_config", "base_template_name");
    vm->os_version =
        mem_dup(named_refs_get(&reader->systems, reply_ref(record, "guest_metrics"), ""));
    vm->suspend_vdi = field_ref(record, "suspend_VDI");
    field_set(record, "tags", &vm->tags);
    field_set(record, "allowed_operations", &vm->allowed_operations);
    field_map(record, "blocked_operations", &vm->blocked_operations);
    field_map(record, "other_config", &vm->other_config);
    vm->mark = field_map_item(record, "other_config", MARK_KEY);
    vm->has_vusbs = json_array_size(json_object_get(record, "VUSBs")) > 0;
}

int record_add_vm(struct record_reader *reader, const char *ref, const json_t *record,
                  struct error *err)
{
    if (record_check_uuid("VM", ref, record, reader->pool->vms_n, err))
        return -1;
    struct vm *vm = pool_add_vm(reader->pool);

    vm->ref = mem_dup(ref);
    vm_fill(vm, reader, record);
    ref_table_add(&reader->vms, vm->ref, reader->pool->vms_n - 1);
    return 0;
}

int record_add_vbd(struct record_reader *reader, const char *ref, const json_t *record,
                   struct error *err)
{
    struct pool *pool = reader->pool;
    const char *type;
    size_t owner;

    if (record_check("VBD", ref, record, reader->vbds_n, err))
        return -1;
    reader->vbds_n++;
    owner = ref_table_find(&reader->vms, reply_ref(record, "VM"));
    if (owner == REF_TABLE_NONE)
        return 0;
    struct vbd *vbd = pool_add_vbd(pool);
    struct vm *vm = &pool->vms[owner];

    vbd->ref = mem_dup(ref);
    vbd->uuid = field_text(record, "uuid");
    vbd->device = field_text(record, "device");
    vbd->userdevice = field_text(record, "userdevice");
    vbd->vm = owner;
    vbd->vdi = ref_table_find(&reader->vdis, reply_ref(record, "VDI"));
    type = reply_text(record, "type", "");
    vbd->type = !strcmp(type, "CD") ? VBD_CD : !strcmp(type, "Floppy") ? VBD_FLOPPY : VBD_DISK;
    vbd->bootable = reply_bool(record, "bootable", false);
    vbd->is_read_only = !strcmp(reply_text(record, "mode", ""), "RO");
    vbd->unpluggable = reply_bool(record, "unpluggable", false);
    vbd->empty = reply_bool(record, "empty", false);
    vbd->currently_attached = reply_bool(record, "currently_attached", false);
    index_add(&vm->vbds, &vm->vbds_n, &vm->vbds_cap, pool->vbds_n - 1);
    return 0;
}

int record_add_vif(struct record_reader *reader, const char *ref, const json_t *record,
                   struct error *err)
{
    if (record_check("VIF", ref, record, reader->vifs_n, err))
        return -1;
    reader->vifs_n++;
    size_t owner = ref_table_find(&reader->vms, reply_ref(record, "VM"));

    if (owner == REF_TABLE_NONE)
        return 0;
    struct vm *vm = &reader->pool->vms[owner];

    vm->vifs = mem_grow(vm->vifs, &vm->vifs_cap, vm->vifs_n + 1, sizeof *vm->vifs);
    struct vif *vif = &vm->vifs[vm->vifs_n++];

    *vif = (struct vif){.uuid = field_text(record, "uuid"),
                        .device = field_text(record, "device"),
                        .mac = field_text(record, "MAC"),
                        .mtu = reply_u64(record, "MTU", 0)};
    vif->network_name =
        mem_dup(named_refs_get(&reader->networks, reply_ref(record, "network"), ""));
    field_map(record, "other_config", &vif->other_config);
    return 0;
}

int record_reader_finish(struct record_reader *reader, struct error *err)
{
    struct pool *pool = reader->pool;

    if (!pool->ref)
        return error_set(err, ERROR_PROTOCOL, "XAPI tells of no pool");
    pool->master = ref_table_find(&reader->hosts, reader->master);
    if (pool->master == REF_TABLE_NONE) {
        pool->master = POOL_NONE;
        return error_set(err, ERROR_PROTOCOL, "the pool's master is none of its hosts");
    }
    return 0;
}
