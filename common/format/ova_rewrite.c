/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One pass collects edits (a span and what stands there afterwards), a second one applies them, and
 * both texts are read by the ova reader: disks and versions must be the same.
 */
#include "common/format/ova_rewrite.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/ova.h"
#include "common/format/xmlrpc.h"
#include "common/model/mark.h"

#include "common/base/poison.h"

/* Levels of the path to a record: the root's struct, the array of objects, the object's struct. */
#define OBJECT_DEPTH 3
#define RECORD_DEPTH 4
#define MAP_DEPTH    5

enum field { F_UUID, F_NAME, F_TEMPLATE, F_COUNT };

static const char *const field_names[F_COUNT] = {
    [F_UUID] = "uuid", [F_NAME] = "name_label", [F_TEMPLATE] = "is_a_template"};

enum edit_kind { EDIT_DROP, EDIT_UUID, EDIT_NAME, EDIT_NO_TEMPLATE };

struct edit {
    struct xmlrpc_span span;
    enum edit_kind kind;
};

/* The object being read. */
struct object {
    bool is_vm, is_ours;
    unsigned seen[F_COUNT];
    struct xmlrpc_span spans[F_COUNT];
    bool is_as_wanted[F_COUNT];
};

struct rewriting {
    const struct ova_identity *identity;
    struct xmlrpc *xmlrpc;
    struct object object;
    unsigned vms_n;
    bool is_done; /* the VM was found and its edits are listed */
    struct edit *edits;
    size_t edits_n, edits_cap;
};

static void rewriting_done(struct rewriting *rewriting)
{
    xmlrpc_free(rewriting->xmlrpc);
    mem_free_void(&rewriting->edits);
}

static int add_edit(struct rewriting *rewriting, struct xmlrpc_span span, enum edit_kind kind,
                    struct error *err)
{
    if (rewriting->edits_n == OVA_EDITS_MAX)
        return error_set(err, ERROR_LIMIT, "more than %d places to change", OVA_EDITS_MAX);
    rewriting->edits = mem_grow(rewriting->edits, &rewriting->edits_cap, rewriting->edits_n + 1,
                                sizeof *rewriting->edits);
    rewriting->edits[rewriting->edits_n++] = (struct edit){.span = span, .kind = kind};
    return 0;
}

static bool is_in_record(const struct xmlrpc *at)
{
    return str_equal(xmlrpc_name(at, 0), "objects") && !xmlrpc_is_struct(at, 1) &&
           str_equal(xmlrpc_name(at, 2), "snapshot");
}

static bool is_wanted(const struct rewriting *rewriting, enum field field, const char *text)
{
    switch (field) {
    case F_UUID:
        return str_equal(text, rewriting->identity->vm_uuid);
    case F_NAME:
        return str_equal(text, rewriting->identity->vm_name);
    default:
        return !str_equal(text, "1") && !str_equal(text, "true");
    }
}

static int on_scalar(void *context, const struct xmlrpc *at, const struct str *text,
                     struct xmlrpc_span span, struct error *err)
{
    struct rewriting *rewriting = context;
    struct object *object = &rewriting->object;
    size_t depth = xmlrpc_depth(at);

    (void)err;
    if (depth == OBJECT_DEPTH && str_equal(xmlrpc_name(at, 0), "objects") &&
        str_equal(xmlrpc_name(at, 2), "class"))
        object->is_vm = str_equal(str_text(text), "VM");
    if (depth != RECORD_DEPTH || !is_in_record(at))
        return 0;
    for (unsigned i = 0; i < F_COUNT; i++) {
        if (!str_equal(xmlrpc_name(at, RECORD_DEPTH - 1), field_names[i]))
            continue;
        object->seen[i]++;
        object->spans[i] = span;
        object->is_as_wanted[i] = is_wanted(rewriting, (enum field)i, str_text(text));
        if (i == F_UUID)
            object->is_ours = str_equal(str_text(text), rewriting->identity->snapshot_uuid);
    }
    return 0;
}

/* The mark goes wherever a copy of other_config brought it. */
static int on_member(void *context, const struct xmlrpc *at, struct xmlrpc_span span,
                     struct error *err)
{
    if (xmlrpc_depth(at) != MAP_DEPTH || !is_in_record(at) ||
        !str_equal(xmlrpc_name(at, RECORD_DEPTH - 1), "other_config") ||
        !str_equal(xmlrpc_name(at, MAP_DEPTH - 1), MARK_KEY))
        return 0;
    return add_edit(context, span, EDIT_DROP, err);
}

static int end_vm(struct rewriting *rewriting, struct error *err)
{
    static const enum edit_kind kinds[F_COUNT] = {
        [F_UUID] = EDIT_UUID, [F_NAME] = EDIT_NAME, [F_TEMPLATE] = EDIT_NO_TEMPLATE};
    const struct object *object = &rewriting->object;

    rewriting->vms_n++;
    if (!object->is_ours)
        return 0;
    rewriting->is_done = true;
    for (unsigned i = 0; i < F_COUNT; i++) {
        if (object->seen[i] != 1)
            return error_set(err, ERROR_CORRUPT, "its VM has %s %u times", field_names[i],
                             object->seen[i]);
        if (!object->is_as_wanted[i] && add_edit(rewriting, object->spans[i], kinds[i], err) != 0)
            return -1;
    }
    return 0;
}

static int on_end(void *context, const struct xmlrpc *at, bool is_struct, struct error *err)
{
    struct rewriting *rewriting = context;

    if (!is_struct || xmlrpc_depth(at) != OBJECT_DEPTH - 1 ||
        !str_equal(xmlrpc_name(at, 0), "objects"))
        return 0;
    int result = rewriting->object.is_vm ? end_vm(rewriting, err) : 0;
    rewriting->object = (struct object){.is_vm = false};
    return result;
}

static int find_edits(struct rewriting *rewriting, const char *text, size_t n, struct error *err)
{
    static const struct xmlrpc_events events = {
        .scalar = on_scalar, .member = on_member, .end = on_end};

    rewriting->xmlrpc = xmlrpc_new(&events, rewriting);
    if (xmlrpc_feed(rewriting->xmlrpc, text, n, err) != 0 ||
        xmlrpc_finish(rewriting->xmlrpc, err) != 0)
        return -1;
    if (rewriting->vms_n != 1 || !rewriting->is_done)
        return error_set(err, ERROR_NOT_FOUND, "it has %u VMs, and %s with uuid %s",
                         rewriting->vms_n, rewriting->is_done ? "one" : "none",
                         rewriting->identity->snapshot_uuid);
    return 0;
}

/* XAPI leaves control characters out of its XML, since they can't stand there. */
static void add_escaped(struct str *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            str_add(out, "&amp;");
        else if (c == '<')
            str_add(out, "&lt;");
        else if (c == '>')
            str_add(out, "&gt;");
        else if (c >= ' ' || c == '\t' || c == '\n')
            str_add_n(out, text, 1);
    }
}

static void add_value(struct str *out, const char *text)
{
    str_add(out, "<value>");
    add_escaped(out, text);
    str_add(out, "</value>");
}

static void add_edited(const struct rewriting *rewriting, const struct edit *edit, struct str *out)
{
    switch (edit->kind) {
    case EDIT_DROP:
        break;
    case EDIT_UUID:
        add_value(out, rewriting->identity->vm_uuid);
        break;
    case EDIT_NAME:
        add_value(out, rewriting->identity->vm_name);
        break;
    case EDIT_NO_TEMPLATE:
        str_add(out, "<value><boolean>0</boolean></value>");
        break;
    }
}

static int compare_edits(const void *a, const void *b)
{
    const struct edit *left = a;
    const struct edit *right = b;

    return left->span.from < right->span.from ? -1 : left->span.from > right->span.from;
}

static int apply(const struct rewriting *rewriting, const char *text, size_t n, struct str *out,
                 struct error *err)
{
    uint64_t at = 0;

    if (rewriting->edits_n)
        qsort(rewriting->edits, rewriting->edits_n, sizeof *rewriting->edits, compare_edits);
    for (size_t i = 0; i < rewriting->edits_n; i++) {
        const struct edit *edit = &rewriting->edits[i];
        if (edit->span.from < at || edit->span.to < edit->span.from || edit->span.to > n)
            return error_set(err, ERROR_CORRUPT, "its values lie one in another");
        str_add_n(out, text + at, (size_t)(edit->span.from - at));
        add_edited(rewriting, edit, out);
        at = edit->span.to;
    }
    str_add_n(out, text + at, n - (size_t)at);
    return 0;
}

static int read_ova(const char *text, size_t n, struct ova *ret, struct error *err)
{
    CLEAN_OVA_READER struct ova_reader *reader = ova_reader_new();

    if (ova_reader_feed(reader, text, n, err) != 0)
        return -1;
    return ova_reader_finish(reader, ret, err);
}

static bool is_same_disk(const struct ova_disk *a, const struct ova_disk *b)
{
    return str_equal(a->ref, b->ref) && str_equal(a->vdi_uuid, b->vdi_uuid) &&
           str_equal(a->vdi_name, b->vdi_name) && str_equal(a->device, b->device) &&
           str_equal(a->userdevice, b->userdevice) && a->is_suspend == b->is_suspend &&
           a->virtual_size_bytes == b->virtual_size_bytes;
}

/* What the identity does not touch. */
static bool is_same_else(const struct ova *a, const struct ova *b)
{
    bool is_same = str_equal(a->product_brand, b->product_brand) &&
                   str_equal(a->product_version, b->product_version) &&
                   str_equal(a->build_number, b->build_number) && a->xapi_major == b->xapi_major &&
                   a->xapi_minor == b->xapi_minor && a->export_vsn == b->export_vsn &&
                   str_equal(a->vm_power_state, b->vm_power_state) && a->disks_n == b->disks_n;

    for (size_t i = 0; is_same && i < a->disks_n; i++)
        is_same = is_same_disk(&a->disks[i], &b->disks[i]);
    return is_same;
}

/* Nothing is believed, our own work included. */
static int check_result(const char *text, size_t n, const struct str *out,
                        const struct ova_identity *identity, struct error *err)
{
    CLEAN_OVA struct ova before = {.disks = NULL};
    CLEAN_OVA struct ova after = {.disks = NULL};
    CLEAN_STR struct str name = STR_INIT;

    if (read_ova(text, n, &before, err) != 0 || read_ova(str_text(out), out->len, &after, err) != 0)
        return -1;
    for (const char *at = identity->vm_name; *at; at++)
        if ((unsigned char)*at >= ' ' || *at == '\t' || *at == '\n')
            str_add_n(&name, at, 1);
    if (!is_same_else(&before, &after) || !str_equal(after.vm_uuid, identity->vm_uuid) ||
        !str_equal(after.vm_name, str_text(&name)) || after.vm_is_template)
        return error_set(err, ERROR_CORRUPT, "it would not read as it should");
    return 0;
}

int ova_rewrite(const char *text, size_t n, const struct ova_identity *identity,
                struct str *ret_text, struct error *err)
{
    CLEANUP(rewriting_done) struct rewriting rewriting = {.identity = identity};
    CLEAN_STR struct str out = STR_INIT;

    if (n > OVA_REWRITE_MAX)
        return error_set(err, ERROR_LIMIT, "it has %zu bytes, more than %u", n, OVA_REWRITE_MAX);
    if (strlen(identity->vm_name) > OVA_TEXT_MAX)
        return error_set(err, ERROR_LIMIT, "the VM's name is longer than %d bytes", OVA_TEXT_MAX);
    if (find_edits(&rewriting, text, n, err) != 0 || apply(&rewriting, text, n, &out, err) != 0 ||
        check_result(text, n, &out, identity, err) != 0)
        return -1;
    str_add_n(ret_text, str_text(&out), out.len);
    return 0;
}
