/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The walk over the file's objects, class by class, and what belongs to all classes. Disks, VMs
 * and devices have a file of their own: import_vm.c.
 */
#include "tests/poolsim/import_objects.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/import_inside.h"
#include "tests/poolsim/make_vdi.h"
#include "tests/poolsim/store.h"
#include "tests/poolsim/task.h"
#include "tests/poolsim/value.h"

#include "common/base/poison.h"

#define IMPORT_OBJECTS_MAX 100000

void import_done(struct import *import)
{
    json_decref(import->objects);
    text_map_done(&import->vdi_map);
    text_map_done(&import->table);
    text_list_done(&import->vms);
    text_list_done(&import->vbds);
    text_list_done(&import->vifs);
    text_list_done(&import->vdis);
    text_list_done(&import->networks);
    free(import->disks);
    import->disks = NULL;
}

const char *import_text(const json_t *record, const char *field)
{
    const char *text = json_string_value(json_object_get(record, field));
    return text ? text : "";
}

bool import_bool(const json_t *record, const char *field)
{
    const json_t *value = json_object_get(record, field);
    return value && value_bool(value);
}

int64_t import_int(const json_t *record, const char *field)
{
    const json_t *value = json_object_get(record, field);
    return value ? value_int(value) : 0;
}

const char *import_map_text(const json_t *record, const char *field, const char *key)
{
    return json_string_value(json_object_get(json_object_get(record, field), key));
}

const json_t *import_find(const struct import *import, const char *id)
{
    size_t i;
    const json_t *object;
    json_array_foreach(import->objects, i, object) if (strcmp(import_text(object, "id"), id) ==
                                                       0) return json_object_get(object,
                                                                                 "snapshot");
    return NULL;
}

const char *import_lookup(const struct import *import, const char *id)
{
    return text_map_get(&import->table, id);
}

int import_fail_lookup(const char *id, struct failure *failure)
{
    return failure_set(failure, "IMPORT_ERROR_FAILED_TO_FIND_OBJECT", id, NULL);
}

static void set_list(struct pool *pool, struct object *object, enum field_id field,
                     const json_t *value)
{
    CLEAN_TEXT_LIST struct text_list items = TEXT_LIST_INIT;
    size_t i;
    const json_t *item;
    json_array_foreach(value, i, item) text_list_add_take(&items, value_text(item));
    object_set_set(pool, object, field, &items);
}

static void set_map(struct pool *pool, struct object *object, enum field_id field, json_t *value)
{
    CLEAN_TEXT_MAP struct text_map pairs = TEXT_MAP_INIT;
    const char *key;
    json_t *item;
    json_object_foreach(value, key, item)
    {
        CLEAN_CHAR char *text = value_text(item);
        text_map_set(&pairs, key, text);
    }
    object_set_map(pool, object, field, &pairs);
}

static void set_field(struct pool *pool, struct object *object, enum field_id field,
                      const struct type *type, json_t *value)
{
    if (type->kind == KIND_INT) {
        object_set_int(pool, object, field, value_int(value));
    } else if (type->kind == KIND_BOOL) {
        object_set_bool(pool, object, field, value_bool(value));
    } else if (type->kind == KIND_FLOAT) {
        object_set_float(pool, object, field, value_float(value));
    } else if (type->kind == KIND_SET) {
        set_list(pool, object, field, value);
    } else if (type->kind == KIND_MAP) {
        set_map(pool, object, field, value);
    } else {
        CLEAN_CHAR char *text = value_text(value);
        object_set_text(pool, object, field, text);
    }
}

static bool is_named(const char *name, const char *const *names)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

void import_set_fields(struct import *import, struct object *object, const json_t *record,
                       const char *const *skipped)
{
    static const char *const never[] = {"uuid", "allowed_operations", "current_operations", NULL};
    const struct class_schema *schema = schema_class(object_class(object));
    for (int i = 0; i < schema->fields_n; i++) {
        const struct field *field = &schema->fields[i];
        json_t *value = json_object_get(record, field->name);
        enum field_id id = (enum field_id)((int)object_class(object) << 8 | i);
        bool has_refs = field->type.kind == KIND_REF || field->type.item == KIND_REF;
        struct failure failure = FAILURE_INIT;
        if (value && !has_refs && !field->is_hidden && !is_named(field->name, never) &&
            !is_named(field->name, skipped) && value_check(value, &field->type, &failure) == 0)
            set_field(import->pool, object, id, &field->type, value);
        failure_done(&failure);
    }
}

/* --- reading --- */

static int check_version(const struct import *import, const json_t *version,
                         struct failure *failure)
{
    const char *ours = import->pool->profile->xapi_version;
    const char *dot = strchr(ours, '.');
    int64_t major = strtoll(ours, NULL, 10);
    int64_t minor = dot ? strtoll(dot + 1, NULL, 10) : 0;
    int64_t theirs = import_int(version, "xapi_major");
    if (theirs > major || (theirs == major && import_int(version, "xapi_minor") > minor))
        return failure_set(failure, "IMPORT_INCOMPATIBLE_VERSION", NULL);
    return 0;
}

static int fail_text(struct failure *failure, const char *text)
{
    CLEAN_CHAR char *inner = str_format("INTERNAL_ERROR: [ %s ]", text);
    return failure_set(failure, "IMPORT_ERROR", inner, NULL);
}

/* Whether the VM in the file and the one that is there may share a mac_seed: they are one VM, or
 * snapshots of it. */
static bool is_same_vm(const struct import *import, const json_t *record, const struct object *vm)
{
    const json_t *owner = record;
    const struct object *their_owner = vm;
    if (import_bool(record, "is_a_snapshot"))
        owner = import_find(import, import_text(record, "snapshot_of"));
    if (object_bool(vm, F_VM_is_a_snapshot))
        their_owner = object_follow(import->pool, vm, F_VM_snapshot_of);
    return owner && their_owner &&
           strcmp(import_text(owner, "uuid"), object_uuid(their_owner)) == 0;
}

static int check_mac_seeds(const struct import *import, struct failure *failure)
{
    size_t i;
    const json_t *object;
    json_array_foreach(import->objects, i, object)
    {
        const json_t *record = json_object_get(object, "snapshot");
        const char *seed = import_map_text(record, "other_config", "mac_seed");
        if (strcmp(import_text(object, "class"), "VM") != 0 || !seed)
            continue;
        for (const struct object *vm = store_first(import->pool, CLASS_VM); vm;
             vm = store_next(import->pool, vm)) {
            const char *theirs = object_map_get(vm, F_VM_other_config, "mac_seed");
            if (theirs && strcmp(theirs, seed) == 0 && !is_same_vm(import, record, vm))
                return failure_set(failure, "DUPLICATE_MAC_SEED", theirs, NULL);
        }
    }
    return 0;
}

int import_parse(struct import *import, const struct str *xml, struct failure *failure)
{
    CLEAN_STR struct str call = STR_INIT;
    CLEAN_CHAR char *method = NULL;
    CLEAN_CHAR char *error = NULL;
    json_t *params = NULL;
    str_add(&call, "<?xml version=\"1.0\"?><methodCall><methodName>x</methodName><params><param>");
    str_add_n(&call, str_text(xml), xml->len);
    str_add(&call, "</param></params></methodCall>");
    if (value_parse_xml_call(call.data, call.len, &method, &params, &error) != 0)
        return fail_text(failure, error ? error : "Xmlm.Error");
    const json_t *header = json_array_get(params, 0);
    const json_t *version = json_object_get(header, "version");
    import->objects = json_incref(json_object_get(header, "objects"));
    int failed = 0;
    if (!json_is_object(version) || !json_is_array(import->objects) ||
        json_array_size(import->objects) > IMPORT_OBJECTS_MAX)
        failed = fail_text(failure, "Xapi_importexport.Dispatcher_FieldNotFound(\"version\")");
    import->has_inline_sums = import_int(version, "export_vsn") > 0;
    if (!failed)
        failed = check_version(import, version, failure);
    if (!failed && import->is_restore)
        failed = check_mac_seeds(import, failure);
    json_decref(params);
    return failed;
}

/* --- making --- */

static int make_host(struct import *import, const char *id, const json_t *record,
                     struct failure *failure)
{
    const struct object *host =
        store_find_uuid(import->pool, CLASS_host, import_text(record, "uuid"));
    (void)failure;
    text_map_set(&import->table, id, host ? object_ref(host) : REF_NULL);
    return 0;
}

static int make_sr(struct import *import, const char *id, const json_t *record,
                   struct failure *failure)
{
    const struct object *sr = store_find_uuid(import->pool, CLASS_SR, import_text(record, "uuid"));
    (void)failure;
    if (import->sr_ref[0] != '\0') {
        if (strcmp(import_text(record, "content_type"), "iso") != 0)
            text_map_set(&import->table, id, import->sr_ref);
    } else if (sr) {
        text_map_set(&import->table, id, object_ref(sr));
    }
    return 0;
}

static int make_guest_metrics(struct import *import, const char *id, const json_t *record,
                              struct failure *failure)
{
    (void)failure;
    if (import->is_dry_run)
        return 0;
    struct object *metrics = store_create(import->pool, CLASS_VM_guest_metrics);
    import_set_fields(import, metrics, record, NULL);
    text_map_set(&import->table, id, object_ref(metrics));
    return 0;
}

static const struct object *find_network(struct pool *pool, const json_t *record)
{
    for (int by_bridge = 0; by_bridge < 2; by_bridge++) {
        const char *wanted = import_text(record, by_bridge ? "bridge" : "name_label");
        for (const struct object *net = store_first(pool, CLASS_network); net;
             net = store_next(pool, net))
            if (strcmp(object_text(net, by_bridge ? F_network_bridge : F_network_name_label),
                       wanted) == 0)
                return net;
    }
    return NULL;
}

static int make_network(struct import *import, const char *id, const json_t *record,
                        struct failure *failure)
{
    const struct object *found = find_network(import->pool, record);
    (void)failure;
    if (found || import->is_dry_run) {
        text_map_set(&import->table, id, found ? object_ref(found) : REF_NULL);
        return 0;
    }
    struct object *network = store_create(import->pool, CLASS_network);
    import_set_fields(import, network, record, NULL);
    object_map_put(import->pool, network, F_network_other_config, "import_task", import->task_ref);
    text_list_add(&import->networks, object_ref(network));
    text_map_set(&import->table, id, object_ref(network));
    return 0;
}

typedef int make_fn(struct import *import, const char *id, const json_t *record,
                    struct failure *failure);

static const struct {
    const char *class;
    make_fn *make;
} makers[] = {{"host", make_host},       {"SR", make_sr},
              {"VDI", import_make_vdi},  {"VM_guest_metrics", make_guest_metrics},
              {"VM", import_make_vm},    {"network", make_network},
              {"VBD", import_make_vbd},  {"VIF", import_make_vif},
              {"VTPM", import_make_vtpm}};

static int make_class(struct import *import, size_t row, struct failure *failure)
{
    size_t i;
    const json_t *object;
    json_array_foreach(import->objects, i,
                       object) if (strcmp(import_text(object, "class"), makers[row].class) == 0 &&
                                   makers[row].make(import, import_text(object, "id"),
                                                    json_object_get(object, "snapshot"),
                                                    failure) != 0) return -1;
    return 0;
}

static int compare_disks(const void *a, const void *b)
{
    return strcmp(((const struct import_disk *)a)->id, ((const struct import_disk *)b)->id);
}

/* Whether the file streams this VDI: some VBD that is no CD has it and its SR holds no ISOs, or it
 * is a suspend image. */
static bool is_streamed(const struct import *import, const char *id, const json_t *record)
{
    const json_t *sr = import_find(import, import_text(record, "SR"));
    size_t i;
    const json_t *object;
    if (strcmp(import_text(record, "type"), "suspend") == 0)
        return true;
    if (sr && strcmp(import_text(sr, "content_type"), "iso") == 0)
        return false;
    json_array_foreach(import->objects, i, object)
    {
        const json_t *vbd = json_object_get(object, "snapshot");
        if (strcmp(import_text(object, "class"), "VBD") == 0 &&
            strcmp(import_text(vbd, "VDI"), id) == 0 && strcmp(import_text(vbd, "type"), "CD") != 0)
            return true;
    }
    return false;
}

static void list_disks(struct import *import)
{
    size_t i;
    const json_t *object;
    json_array_foreach(import->objects, i, object)
    {
        const char *id = import_text(object, "id");
        const json_t *record = json_object_get(object, "snapshot");
        const char *ref = import_lookup(import, id);
        const struct object *vdi = ref ? store_find(import->pool, CLASS_VDI, ref) : NULL;
        if (strcmp(import_text(object, "class"), "VDI") != 0 || !vdi ||
            !is_streamed(import, id, record))
            continue;
        import->disks =
            mem_grow(import->disks, &import->disks_cap, import->disks_n + 1, sizeof *import->disks);
        struct import_disk *disk = &import->disks[import->disks_n++];
        (void)str_copy(disk->id, sizeof disk->id, id);
        (void)str_copy(disk->vdi_ref, sizeof disk->vdi_ref, ref);
        (void)str_copy(disk->vdi_uuid, sizeof disk->vdi_uuid, object_uuid(vdi));
        disk->size_bytes = (uint64_t)import_int(record, "virtual_size");
    }
    if (import->disks_n > 1)
        qsort(import->disks, import->disks_n, sizeof *import->disks, compare_disks);
}

int import_make(struct import *import, struct failure *failure)
{
    for (size_t row = 0; row < sizeof makers / sizeof makers[0]; row++) {
        if (make_class(import, row, failure) != 0) {
            import_undo(import);
            return -1;
        }
    }
    import_link_snapshots(import);
    if (import->sr_ref[0] != '\0')
        list_disks(import);
    return 0;
}

/* --- ends --- */

void import_undo(struct import *import)
{
    struct pool *pool = import->pool;
    if (import->is_forced)
        return;
    for (size_t i = 0; i < import->vms.n; i++) {
        struct object *vm = store_find(pool, CLASS_VM, import->vms.items[i]);
        if (vm) {
            operation_end(pool, CLASS_VM, import->vms.items[i], import->task_ref);
            vm_delete(pool, vm);
        }
    }
    for (size_t i = 0; i < import->vdis.n; i++)
        make_vdi_undo(pool, import->vdis.items[i]);
    for (size_t i = 0; i < import->networks.n; i++) {
        struct object *network = store_find(pool, CLASS_network, import->networks.items[i]);
        if (network)
            store_destroy(pool, network);
    }
}

char *import_finish(struct import *import)
{
    struct str result = STR_INIT;
    bool has_plain = false;
    for (size_t i = 0; i < import->vms.n; i++) {
        const struct object *vm = store_find(import->pool, CLASS_VM, import->vms.items[i]);
        operation_end(import->pool, CLASS_VM, import->vms.items[i], import->task_ref);
        has_plain = has_plain || (vm && !object_bool(vm, F_VM_is_a_snapshot));
    }
    str_add(&result, "<value><array><data>");
    for (size_t i = 0; i < import->vms.n; i++) {
        const struct object *vm = store_find(import->pool, CLASS_VM, import->vms.items[i]);
        if (vm && (!has_plain || !object_bool(vm, F_VM_is_a_snapshot)))
            str_add_format(&result, "<value>%s</value>", import->vms.items[i]);
    }
    str_add(&result, "</data></array></value>");
    return str_take(&result);
}
