/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One VM read object by object, for those who work on it alone in a pool of thousands. Records are
 * gathered by class first, following references, and given to the reader in its order then.
 */
#include <string.h>

#include "common/base/error.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "common/model/pool.h"
#include "common/xapi/call.h"
#include "common/xapi/record.h"

#include "common/base/poison.h"

/* Records of a class by their reference. */
struct gathered {
#define X(class_name, name) json_t *name;
    RECORD_ORDER(X)
#undef X
    bool has_disks_only;
};

static void gathered_done(struct gathered *gathered)
{
#define X(class_name, name) json_decref(gathered->name);
    RECORD_ORDER(X)
#undef X
}

static void gathered_init(struct gathered *gathered)
{
#define X(class_name, name) gathered->name = json_object();
    RECORD_ORDER(X)
#undef X
}

/* The record of ref, asked for once. 1 there, 0 gone or no reference, -1 failed. Borrowed. */
static int gather(struct xapi *xapi, const char *class_name, json_t *records, const char *ref,
                  const json_t **ret_record, struct error *err)
{
    struct error failure = ERROR_INIT;
    CLEAN_CHAR char *method = str_format("%s.get_record", class_name);
    json_t *record = NULL;

    if (!ref)
        return 0;
    if (!(*ret_record = json_object_get(records, ref))) {
        if (xapi_call(xapi, &record, &failure, method, "[s]", ref)) {
            if (failure.code == ERROR_XAPI_GONE)
                return 0;
            if (err)
                *err = failure;
            return -1;
        }
        json_object_set_new(records, ref, record);
        *ret_record = record;
    }
    return 1;
}

/* What is done with each reference in a set of references. */
typedef int gather_fn(struct xapi *xapi, struct gathered *gathered, const char *ref,
                      struct error *err);

static int gather_set(struct xapi *xapi, struct gathered *gathered, const json_t *record,
                      const char *name, gather_fn *each, struct error *err)
{
    const json_t *set = json_object_get(record, name);
    const json_t *item;
    size_t i;

    if (!json_is_array(set))
        return 0;
    json_array_foreach(set, i,
                       item) if (json_is_string(item) && i < RECORD_ITEMS_MAX &&
                                 each(xapi, gathered, json_string_value(item), err)) return -1;
    return 0;
}

static int gather_pbd(struct xapi *xapi, struct gathered *gathered, const char *ref,
                      struct error *err)
{
    const json_t *pbd;

    return gather(xapi, "PBD", gathered->pbd, ref, &pbd, err) < 0 ? -1 : 0;
}

static int gather_vdi(struct xapi *xapi, struct gathered *gathered, const char *ref,
                      struct error *err)
{
    const json_t *vdi;
    const json_t *sr;
    int found = gather(xapi, "VDI", gathered->vdi, ref, &vdi, err);

    if (found <= 0)
        return found;
    const char *sr_ref = reply_ref(vdi, "SR");

    if (!sr_ref || json_object_get(gathered->sr, sr_ref))
        return 0;
    found = gather(xapi, "SR", gathered->sr, sr_ref, &sr, err);
    if (found <= 0 || gathered->has_disks_only)
        return found < 0 ? -1 : 0;
    return gather_set(xapi, gathered, sr, "PBDs", gather_pbd, err);
}

static int gather_vbd(struct xapi *xapi, struct gathered *gathered, const char *ref,
                      struct error *err)
{
    const json_t *vbd;
    int found = gather(xapi, "VBD", gathered->vbd, ref, &vbd, err);

    if (found <= 0)
        return found;
    return gather_vdi(xapi, gathered, reply_ref(vbd, "VDI"), err);
}

static int gather_vif(struct xapi *xapi, struct gathered *gathered, const char *ref,
                      struct error *err)
{
    const json_t *vif;
    const json_t *network;
    int found = gather(xapi, "VIF", gathered->vif, ref, &vif, err);

    if (found <= 0)
        return found;
    found = gather(xapi, "network", gathered->network, reply_ref(vif, "network"), &network, err);
    return found < 0 ? -1 : 0;
}

static int gather_vm(struct xapi *xapi, struct gathered *gathered, const char *ref,
                     struct error *err)
{
    const json_t *metrics;
    json_t *vm;

    if (xapi_call(xapi, &vm, err, "VM.get_record", "[s]", ref))
        return -1;
    json_object_set_new(gathered->vm, ref, vm);
    if (gather_set(xapi, gathered, vm, "VBDs", gather_vbd, err) ||
        gather_vdi(xapi, gathered, reply_ref(vm, "suspend_VDI"), err) < 0)
        return -1;
    if (gathered->has_disks_only)
        return 0;
    if (gather_set(xapi, gathered, vm, "VIFs", gather_vif, err))
        return -1;
    return gather(xapi, "VM_guest_metrics", gathered->guest_metrics, reply_ref(vm, "guest_metrics"),
                  &metrics, err) < 0
               ? -1
               : 0;
}

static int keep_record(void *context, const char *ref, const json_t *record, struct error *err)
{
    CLEAN_JSON json_t *copy = json_deep_copy(record);

    if (!copy || json_object_set(context, ref, copy))
        return error_set(err, ERROR_NO_MEMORY, "keep a record");
    return 0;
}

static int gather_all(struct xapi *xapi, struct gathered *gathered, const char *ref,
                      struct error *err)
{
    if (gather_vm(xapi, gathered, ref, err) ||
        xapi_call_records(xapi, "host_metrics.get_all_records", keep_record, gathered->host_metrics,
                          err) ||
        xapi_call_records(xapi, "host.get_all_records", keep_record, gathered->host, err) ||
        xapi_call_records(xapi, "pool.get_all_records", keep_record, gathered->pool, err) ||
        xapi_call_records(xapi, "SM.get_all_records", keep_record, gathered->sm, err))
        return -1;
    return 0;
}

/* Whether a VM can do without the object that makes no sense: it only says a word of it. */
static bool is_left_out(const char *class_name, const struct error *failure)
{
    static const char *const needed[] = {"pool", "SR", "VDI", "VM", "VBD"};

    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (str_equal(class_name, needed[i]))
            return false;
    return failure->code == ERROR_PROTOCOL;
}

static int gathered_give(const struct gathered *gathered, struct record_reader *reader,
                         struct error *err)
{
    const char *ref;
    json_t *record;

#define X(class_name, name)                                                                        \
    json_object_foreach(gathered->name, ref, record)                                               \
    {                                                                                              \
        struct error failure = ERROR_INIT;                                                         \
                                                                                                   \
        if (record_add_##name(reader, ref, record, &failure) &&                                    \
            !is_left_out(class_name, &failure)) {                                                  \
            if (err)                                                                               \
                *err = failure;                                                                    \
            return -1;                                                                             \
        }                                                                                          \
    }
    RECORD_ORDER(X)
#undef X
    return gathered->has_disks_only ? 0 : record_reader_finish(reader, err);
}

int record_read_vm(struct xapi *xapi, const char *ref_or_uuid, struct pool *ret_pool,
                   struct error *err)
{
    CLEANUP(gathered_done) struct gathered gathered = {0};
    CLEAN_POOL struct pool pool = {0};
    CLEAN_RECORD_READER struct record_reader *reader = record_reader_new(&pool);
    CLEAN_CHAR char *ref = NULL;

    gathered_init(&gathered);
    if (!uuid_is_valid(ref_or_uuid))
        ref = mem_dup(ref_or_uuid);
    else if (xapi_call_text(xapi, &ref, err, "VM.get_by_uuid", "[s]", ref_or_uuid))
        return -1;
    if (gather_all(xapi, &gathered, ref, err) || gathered_give(&gathered, reader, err))
        return error_add(err, "read VM %s", ref_or_uuid);
    *ret_pool = pool;
    pool = (struct pool){0};
    return 0;
}

int record_read_disks(struct xapi *xapi, const char *ref, struct pool *ret_pool, struct error *err)
{
    CLEANUP(gathered_done) struct gathered gathered = {0};
    CLEAN_POOL struct pool pool = {0};
    CLEAN_RECORD_READER struct record_reader *reader = record_reader_new(&pool);

    gathered_init(&gathered);
    gathered.has_disks_only = true;
    if (gather_vm(xapi, &gathered, ref, err) || gathered_give(&gathered, reader, err))
        return error_add(err, "read VM %s", ref);
    *ret_pool = pool;
    pool = (struct pool){0};
    return 0;
}
