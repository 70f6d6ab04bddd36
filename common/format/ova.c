/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The value is {version: {...}, objects: [{class, id, snapshot: {...}}]}: a scalar that stands at a
 * level we know is kept. The fields we want are collected for every object before its class is
 * known, for members of a struct have no order.
 */
#include "common/format/ova.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/format/xmlrpc.h"

#include "common/base/poison.h"

enum field {
    F_CLASS,
    F_ID,
    F_UUID,
    F_NAME,
    F_POWER_STATE,
    F_IS_TEMPLATE,
    F_TYPE,
    F_DEVICE,
    F_USERDEVICE,
    F_VDI,
    F_SR,
    F_VIRTUAL_SIZE,
    F_CONTENT_TYPE,
    F_COUNT
};

/* The record's names for them; class and id stand beside the record. */
static const char *const field_names[F_COUNT] = {
    [F_CLASS] = "class",
    [F_ID] = "id",
    [F_UUID] = "uuid",
    [F_NAME] = "name_label",
    [F_POWER_STATE] = "power_state",
    [F_IS_TEMPLATE] = "is_a_template",
    [F_TYPE] = "type",
    [F_DEVICE] = "device",
    [F_USERDEVICE] = "userdevice",
    [F_VDI] = "VDI",
    [F_SR] = "SR",
    [F_VIRTUAL_SIZE] = "virtual_size",
    [F_CONTENT_TYPE] = "content_type",
};

enum version_field { V_BRAND, V_PRODUCT, V_BUILD, V_MAJOR, V_MINOR, V_EXPORT, V_COUNT };

static const char *const version_names[V_COUNT] = {
    [V_BRAND] = "product_brand", [V_PRODUCT] = "product_version", [V_BUILD] = "build_number",
    [V_MAJOR] = "xapi_major",    [V_MINOR] = "xapi_minor",        [V_EXPORT] = "export_vsn",
};

struct object {
    struct str fields[F_COUNT];
};

struct objects {
    struct object *items;
    size_t n, cap;
};

struct ova_reader {
    struct xmlrpc *xmlrpc;
    struct str version[V_COUNT];
    struct object object; /* being read */
    struct objects vms, vbds, vdis, srs;
};

static void object_done(struct object *object)
{
    for (size_t i = 0; i < F_COUNT; i++)
        str_done(&object->fields[i]);
}

static const char *get(const struct object *object, enum field field)
{
    return str_text(&object->fields[field]);
}

static void objects_done(struct objects *objects)
{
    for (size_t i = 0; i < objects->n; i++)
        object_done(&objects->items[i]);
    mem_free_void(&objects->items);
}

static const struct object *objects_find(const struct objects *objects, const char *id)
{
    for (size_t i = 0; i < objects->n; i++)
        if (str_equal(get(&objects->items[i], F_ID), id))
            return &objects->items[i];
    return NULL;
}

/* Moves the object into the list of its class; others are dropped. */
static int keep_object(struct ova_reader *reader, struct error *err)
{
    const struct {
        const char *class;
        struct objects *objects;
    } classes[] = {
        {"VM", &reader->vms}, {"VBD", &reader->vbds}, {"VDI", &reader->vdis}, {"SR", &reader->srs}};

    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        struct objects *to = classes[i].objects;
        if (!str_equal(get(&reader->object, F_CLASS), classes[i].class))
            continue;
        if (to->n == OVA_OBJECTS_MAX)
            return error_set(err, ERROR_LIMIT, "ova.xml: more than %d objects of class %s",
                             OVA_OBJECTS_MAX, classes[i].class);
        to->items = mem_grow(to->items, &to->cap, to->n + 1, sizeof *to->items);
        to->items[to->n++] = reader->object;
        reader->object = (struct object){.fields = {STR_INIT}};
    }
    for (size_t i = 0; i < F_COUNT; i++)
        str_clear(&reader->object.fields[i]);
    return 0;
}

static void keep_field(struct str *to, const struct str *text)
{
    str_clear(to);
    str_add_n(to, str_text(text), text->len);
}

/* A scalar is complete: is it one that we want? */
static int on_scalar(void *context, const struct xmlrpc *at, const struct str *text,
                     struct xmlrpc_span span, struct error *err)
{
    struct ova_reader *reader = context;
    size_t depth = xmlrpc_depth(at);
    const char *name = depth ? xmlrpc_name(at, depth - 1) : "";

    (void)span;
    (void)err;
    if (depth < 2 || !xmlrpc_is_struct(at, depth - 1))
        return 0;
    if (depth == 2 && str_equal(xmlrpc_name(at, 0), "version")) {
        for (size_t i = 0; i < V_COUNT; i++)
            if (str_equal(name, version_names[i]))
                keep_field(&reader->version[i], text);
        return 0;
    }
    if (!str_equal(xmlrpc_name(at, 0), "objects") || xmlrpc_is_struct(at, 1))
        return 0;
    bool is_beside = depth == 3;
    bool is_inside = depth == 4 && str_equal(xmlrpc_name(at, 2), "snapshot");
    for (size_t i = 0; i < F_COUNT; i++)
        if ((i <= F_ID ? is_beside : is_inside) && str_equal(name, field_names[i]))
            keep_field(&reader->object.fields[i], text);
    return 0;
}

static int on_end(void *context, const struct xmlrpc *at, bool is_struct, struct error *err)
{
    bool is_object = is_struct && xmlrpc_depth(at) == 2 && !xmlrpc_is_struct(at, 1) &&
                     str_equal(xmlrpc_name(at, 0), "objects");

    return is_object ? keep_object(context, err) : 0;
}

struct ova_reader *ova_reader_new(void)
{
    static const struct xmlrpc_events events = {.scalar = on_scalar, .end = on_end};
    struct ova_reader *reader = mem_zero(1, sizeof *reader);

    reader->xmlrpc = xmlrpc_new(&events, reader);
    return reader;
}

void ova_reader_free(struct ova_reader *reader)
{
    if (!reader)
        return;
    xmlrpc_free(reader->xmlrpc);
    for (size_t i = 0; i < V_COUNT; i++)
        str_done(&reader->version[i]);
    object_done(&reader->object);
    objects_done(&reader->vms);
    objects_done(&reader->vbds);
    objects_done(&reader->vdis);
    objects_done(&reader->srs);
    mem_free_void(&reader);
}

void ova_reader_clean(struct ova_reader **reader)
{
    ova_reader_free(*reader);
    *reader = NULL;
}

int ova_reader_feed(struct ova_reader *reader, const void *bytes, size_t n, struct error *err)
{
    return xmlrpc_feed(reader->xmlrpc, bytes, n, err) ? error_add(err, "ova.xml") : 0;
}

void ova_done(struct ova *ova)
{
    for (size_t i = 0; i < ova->disks_n; i++) {
        mem_free_char(&ova->disks[i].vdi_uuid);
        mem_free_char(&ova->disks[i].vdi_name);
        mem_free_char(&ova->disks[i].device);
        mem_free_char(&ova->disks[i].userdevice);
    }
    mem_free_void(&ova->disks);
    mem_free_char(&ova->product_brand);
    mem_free_char(&ova->product_version);
    mem_free_char(&ova->build_number);
    mem_free_char(&ova->vm_uuid);
    mem_free_char(&ova->vm_name);
    mem_free_char(&ova->vm_power_state);
    *ova = (struct ova){.disks = NULL};
}

/* The VBD that puts this VDI into the archive, NULL if none does. */
static const struct object *find_exporting_vbd(const struct ova_reader *reader, const char *vdi)
{
    for (size_t i = 0; i < reader->vbds.n; i++) {
        const struct object *vbd = &reader->vbds.items[i];
        if (str_equal(get(vbd, F_VDI), vdi) && !str_equal(get(vbd, F_TYPE), "CD"))
            return vbd;
    }
    return NULL;
}

static int add_disk(struct ova *ova, const struct object *vdi, const struct object *vbd,
                    struct error *err)
{
    struct ova_disk disk = {.is_suspend = !vbd};
    const char *ref = get(vdi, F_ID);
    struct error why = ERROR_INIT;

    if (num_parse_unsigned(get(vdi, F_VIRTUAL_SIZE), INT64_MAX, &disk.virtual_size_bytes, &why))
        return error_set(err, ERROR_CORRUPT, "ova.xml: virtual_size of VDI %s: %s", ref, why.text);
    if (!str_copy(disk.ref, sizeof disk.ref, ref) || !ref[0] || strchr(ref, '/'))
        return error_set(err, ERROR_CORRUPT, "ova.xml: '%s' is no reference of a VDI", ref);
    disk.vdi_uuid = mem_dup(get(vdi, F_UUID));
    disk.vdi_name = mem_dup(get(vdi, F_NAME));
    disk.device = mem_dup(vbd ? get(vbd, F_DEVICE) : "");
    disk.userdevice = mem_dup(vbd ? get(vbd, F_USERDEVICE) : "");
    ova->disks[ova->disks_n++] = disk;
    return 0;
}

static int compare_disks(const void *a, const void *b)
{
    const struct ova_disk *left = a;
    const struct ova_disk *right = b;

    return strcmp(left->ref, right->ref);
}

static int collect_disks(const struct ova_reader *reader, struct ova *ova, struct error *err)
{
    ova->disks = mem_zero(reader->vdis.n, sizeof *ova->disks);
    for (size_t i = 0; i < reader->vdis.n; i++) {
        const struct object *vdi = &reader->vdis.items[i];
        const struct object *sr = objects_find(&reader->srs, get(vdi, F_SR));
        const struct object *vbd = find_exporting_vbd(reader, get(vdi, F_ID));
        bool is_iso = sr && str_equal(get(sr, F_CONTENT_TYPE), "iso");
        if ((vbd && !is_iso) || str_equal(get(vdi, F_TYPE), "suspend"))
            if (add_disk(ova, vdi, vbd, err))
                return -1;
    }
    if (ova->disks_n)
        qsort(ova->disks, ova->disks_n, sizeof *ova->disks, compare_disks);
    for (size_t i = 1; i < ova->disks_n; i++)
        if (str_equal(ova->disks[i].ref, ova->disks[i - 1].ref))
            return error_set(err, ERROR_CORRUPT, "ova.xml: two VDIs are called %s",
                             ova->disks[i].ref);
    return 0;
}

static int parse_number(const struct ova_reader *reader, enum version_field field,
                        int64_t *ret_value, struct error *err)
{
    struct error why = ERROR_INIT;

    if (num_parse(str_text(&reader->version[field]), 0, INT32_MAX, ret_value, &why))
        return error_set(err, ERROR_CORRUPT, "ova.xml: %s: %s", version_names[field], why.text);
    return 0;
}

int ova_reader_finish(struct ova_reader *reader, struct ova *ret, struct error *err)
{
    CLEAN_OVA struct ova ova = {.disks = NULL};

    if (xmlrpc_finish(reader->xmlrpc, err))
        return error_add(err, "ova.xml");
    if (!reader->vms.n)
        return error_set(err, ERROR_CORRUPT, "ova.xml: it describes no VM");
    if (parse_number(reader, V_MAJOR, &ova.xapi_major, err) ||
        parse_number(reader, V_MINOR, &ova.xapi_minor, err) ||
        parse_number(reader, V_EXPORT, &ova.export_vsn, err) || collect_disks(reader, &ova, err))
        return -1;
    const struct object *vm = &reader->vms.items[0];
    const char *is_template = get(vm, F_IS_TEMPLATE);
    ova.product_brand = mem_dup(str_text(&reader->version[V_BRAND]));
    ova.product_version = mem_dup(str_text(&reader->version[V_PRODUCT]));
    ova.build_number = mem_dup(str_text(&reader->version[V_BUILD]));
    ova.vm_uuid = mem_dup(get(vm, F_UUID));
    ova.vm_name = mem_dup(get(vm, F_NAME));
    ova.vm_power_state = mem_dup(get(vm, F_POWER_STATE));
    ova.vm_is_template = str_equal(is_template, "1") || str_equal(is_template, "true");
    *ret = ova;
    ova = (struct ova){.disks = NULL};
    return 0;
}
