/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hosts and the pool: enabled or not, times, certificates, who is the master.
 */
#include "tests/poolsim/host.h"

#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/server.h"
#include "tests/poolsim/store.h"

#include "common/base/poison.h"

void host_become_master(struct pool *pool, struct host *host)
{
    struct object *record = store_find(pool, CLASS_pool, pool->pool_ref);

    if (pool->master == host)
        return;
    host_keep_attached(pool->master);
    pool->master = host;
    host_forget_runtime(pool);
    object_set_text(pool, record, F_pool_master, host->ref);
}

void host_forget_runtime(struct pool *pool)
{
    static const enum class_id classes[] = {CLASS_session, CLASS_task};

    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        while (store_count(pool, classes[i]))
            store_destroy(pool, store_first(pool, classes[i]));
}

void host_keep_attached(struct host *host)
{
    struct pool *pool = host->pool;
    const struct object *dom0 = store_find(pool, CLASS_VM, host->dom0_ref);
    const struct text_list *vbds = object_set(dom0, F_VM_VBDs);

    for (size_t i = 0; i < vbds->n; i++)
        if (!text_list_has(&pool->kept_vbds, vbds->items[i]))
            text_list_add(&pool->kept_vbds, vbds->items[i]);
}

void host_set_down(struct host *host, bool is_down)
{
    struct pool *pool = host->pool;
    struct object *record = store_find(pool, CLASS_host, host->ref);
    struct object *metrics = object_follow(pool, record, F_host_metrics);

    host->is_down = is_down;
    object_set_bool(pool, metrics, F_host_metrics_live, !is_down);
    pool_notify(pool);
}

static struct host *call_host(struct call *call, int index)
{
    struct host *host = pool_host_by_ref(call->pool, call_text(call, index));

    if (!host)
        call_handle_invalid(call, "host", call_text(call, index));
    return host;
}

static int set_enabled(struct call *call)
{
    struct host *host = call_host(call, 0);

    if (!host)
        return -1;
    object_set_bool(call->pool, store_find(call->pool, CLASS_host, host->ref), F_host_enabled,
                    strcmp(call->name, "host.enable") == 0);
    return 0;
}

static int get_servertime(struct call *call)
{
    struct host *host = call_host(call, 0);
    char now[32];

    if (!host)
        return -1;
    answer_date(call->answer, pool_format_time(host, now));
    return 0;
}

static int get_server_certificate(struct call *call)
{
    struct host *host = call_host(call, 0);

    if (!host)
        return -1;
    answer_text(call->answer, server_certificate(host->server));
    return 0;
}

static int get_data_sources(struct call *call)
{
    if (!call_host(call, 0))
        return -1;
    answer_begin_set(call->answer);
    answer_end_set(call->answer);
    return 0;
}

/* Memory of dom0 and of what runs there is taken. */
static int compute_free_memory(struct call *call)
{
    struct pool *pool = call->pool;
    const struct host *host = call_host(call, 0);
    const struct object *record = host ? store_find(pool, CLASS_host, host->ref) : NULL;
    const struct object *metrics = record ? object_follow(pool, record, F_host_metrics) : NULL;
    int64_t free_bytes = metrics ? object_int(metrics, F_host_metrics_memory_total) : 0;

    if (!record)
        return -1;
    for (size_t i = 0; i < object_set(record, F_host_resident_VMs)->n; i++) {
        const struct object *vm =
            store_find(pool, CLASS_VM, object_set(record, F_host_resident_VMs)->items[i]);
        free_bytes -= vm ? object_int(vm, F_VM_memory_dynamic_max) : 0;
    }
    answer_int(call->answer, free_bytes > 0 ? free_bytes : 0);
    return 0;
}

static int compute_memory_overhead(struct call *call)
{
    const struct host *host = call_host(call, 0);

    if (!host)
        return -1;
    answer_int(call->answer,
               object_int(store_find(call->pool, CLASS_host, host->ref), F_host_memory_overhead));
    return 0;
}

static int has_extension(struct call *call)
{
    bool is_host = str_starts(call->name, "host.");

    if (!(is_host ? call_host(call, 0) != NULL : call_object(call, 0, CLASS_pool) != NULL))
        return -1;
    answer_bool(call->answer, false);
    return 0;
}

static int get_license_state(struct call *call)
{
    if (!call_object(call, 0, CLASS_pool))
        return -1;
    answer_begin_map(call->answer);
    answer_key(call->answer, "expiry");
    answer_text(call->answer, "never");
    answer_key(call->answer, "edition");
    answer_text(
        call->answer,
        object_text(store_find(call->pool, CLASS_host, call->pool->master->ref), F_host_edition));
    answer_end_map(call->answer);
    return 0;
}

static int list_methods(struct call *call)
{
    return failure_set(call->failure, "NOT_IMPLEMENTED", "list_method", NULL);
}

static int call_plugin(struct call *call)
{
    if (!call_host(call, 0))
        return -1;
    return failure_set(call->failure, "XENAPI_MISSING_PLUGIN", call_text(call, 1), NULL);
}

static int get_log(struct call *call)
{
    answer_text(call->answer, "");
    return 0;
}

static int designate_new_master(struct call *call)
{
    struct host *host = call_host(call, 0);

    if (!host)
        return -1;
    host_become_master(call->pool, host);
    return 0;
}

/* The interface that the host is managed by. */
static int get_management_interface(struct call *call)
{
    struct pool *pool = call->pool;
    const struct host *host = call_host(call, 0);

    if (!host)
        return -1;
    for (struct object *pif = store_first(pool, CLASS_PIF); pif; pif = store_next(pool, pif))
        if (object_bool(pif, F_PIF_management) &&
            strcmp(object_text(pif, F_PIF_host), host->ref) == 0)
            answer_text(call->answer, object_ref(pif));
    return 0;
}

/* Every change is everywhere at once here. */
static int sync_database(struct call *call)
{
    (void)call;
    return 0;
}

static int emergency_transition(struct call *call)
{
    host_become_master(call->pool, call->host);
    return 0;
}

const struct method_row host_methods[] = {
    {"host.enable", set_enabled},
    {"host.disable", set_enabled},
    {"host.get_servertime", get_servertime},
    {"host.get_server_localtime", get_servertime},
    {"host.get_server_certificate", get_server_certificate},
    {"host.get_management_interface", get_management_interface},
    {"host.list_methods", list_methods},
    {"host.get_data_sources", get_data_sources},
    {"host.compute_free_memory", compute_free_memory},
    {"host.compute_memory_overhead", compute_memory_overhead},
    {"host.has_extension", has_extension},
    {"host.call_plugin", call_plugin},
    {"host.dmesg", get_log},
    {"host.get_log", get_log},
    {NULL, NULL},
};

const struct method_row pool_methods[] = {
    {"pool.sync_database", sync_database},
    {"pool.has_extension", has_extension},
    {"pool.get_license_state", get_license_state},
    {"pool.designate_new_master", designate_new_master},
    {"pool.emergency_transition_to_master", emergency_transition},
    {NULL, NULL},
};
