/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SRs.
 */
#include <string.h>

#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/rpc.h"

#include "common/base/poison.h"

static int scan(struct call *call)
{
    struct object *sr = call_object(call, 0, CLASS_SR);

    if (!sr)
        return -1;
    if (object_set(sr, F_SR_PBDs)->n == 0)
        return failure_set(call->failure, "SR_HAS_NO_PBDS", object_ref(sr), NULL);
    sr_recount(call->pool, object_ref(sr));
    return 0;
}

static int forget(struct call *call)
{
    struct pool *pool = call->pool;
    struct object *sr = call_object(call, 0, CLASS_SR);
    bool is_destroy = strcmp(call->name, "SR.destroy") == 0;

    if (!sr)
        return -1;
    for (size_t i = 0; i < object_set(sr, F_SR_PBDs)->n; i++) {
        const struct object *pbd = store_find(pool, CLASS_PBD, object_set(sr, F_SR_PBDs)->items[i]);
        if (pbd && object_bool(pbd, F_PBD_currently_attached))
            return failure_set(call->failure, "SR_HAS_PBD", object_ref(sr), NULL);
    }
    if (is_destroy && object_set(sr, F_SR_VDIs)->n)
        return failure_set(call->failure, "SR_NOT_EMPTY", NULL);
    while (object_set(sr, F_SR_PBDs)->n)
        store_destroy(pool, store_find(pool, CLASS_PBD, object_set(sr, F_SR_PBDs)->items[0]));
    while (object_set(sr, F_SR_VDIs)->n)
        store_destroy(pool, store_find(pool, CLASS_VDI, object_set(sr, F_SR_VDIs)->items[0]));
    store_destroy(pool, sr);
    return 0;
}

static const struct object *find_driver(struct pool *pool, const char *type)
{
    for (struct object *sm = store_first(pool, CLASS_SM); sm; sm = store_next(pool, sm))
        if (strcmp(object_text(sm, F_SM_type), type) == 0)
            return sm;
    return NULL;
}

static int create(struct call *call)
{
    struct pool *pool = call->pool;
    struct host *host = pool_host_by_ref(pool, call_text(call, 0));
    CLEAN_TEXT_MAP struct text_map device_config = TEXT_MAP_INIT;
    bool is_shared = call_bool(call, 7);
    struct object *sr;

    if (!host)
        return call_handle_invalid(call, "host", call_text(call, 0));
    if (!find_driver(pool, call_text(call, 5)))
        return failure_set(call->failure, "SR_UNKNOWN_DRIVER", call_text(call, 5), NULL);
    sr = store_create(pool, CLASS_SR);
    object_set_text(pool, sr, F_SR_name_label, call_text(call, 3));
    object_set_text(pool, sr, F_SR_name_description, call_text(call, 4));
    object_set_text(pool, sr, F_SR_type, call_text(call, 5));
    object_set_text(pool, sr, F_SR_content_type, call_text(call, 6));
    object_set_bool(pool, sr, F_SR_shared, is_shared);
    object_set_int(pool, sr, F_SR_physical_size,
                   call_int(call, 2) > 0 ? call_int(call, 2) : INT64_C(1) << 40);
    call_map(call, 1, &device_config);
    for (size_t i = 0; i < pool->hosts_n; i++) {
        struct object *pbd;
        if (!is_shared && pool->hosts[i] != host)
            continue;
        pbd = store_create(pool, CLASS_PBD);
        object_set_text(pool, pbd, F_PBD_SR, object_ref(sr));
        object_set_text(pool, pbd, F_PBD_host, pool->hosts[i]->ref);
        object_set_map(pool, pbd, F_PBD_device_config, &device_config);
        object_set_bool(pool, pbd, F_PBD_currently_attached, true);
    }
    answer_text(call->answer, object_ref(sr));
    return 0;
}

static int get_supported_types(struct call *call)
{
    struct pool *pool = call->pool;

    answer_begin_set(call->answer);
    for (struct object *sm = store_first(pool, CLASS_SM); sm; sm = store_next(pool, sm))
        answer_text(call->answer, object_text(sm, F_SM_type));
    answer_end_set(call->answer);
    return 0;
}

static int set_text(struct call *call)
{
    struct object *sr = call_object(call, 0, CLASS_SR);
    bool is_name = strcmp(call->name, "SR.set_name_label") == 0;

    if (!sr)
        return -1;
    object_set_text(call->pool, sr, is_name ? F_SR_name_label : F_SR_name_description,
                    call_text(call, 1));
    return 0;
}

const struct method_row sr_methods[] = {
    {"SR.scan", scan},
    {"SR.update", scan},
    {"SR.forget", forget},
    {"SR.destroy", forget},
    {"SR.create", create},
    {"SR.get_supported_types", get_supported_types},
    {"SR.set_name_label", set_text},
    {"SR.set_name_description", set_text},
    {NULL, NULL},
};
