/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GET /rrd_updates, /host_rrd, /vm_rrd: what a host measured of itself and of the VMs that run on
 * it, as xport (XML or JSON) or as whole RRDs.
 *
 * Memory is that of the pool's records; load is low and steady. A host answers for its own VMs
 * alone; one that runs elsewhere is a redirect.
 * Source: rrdd_proxy.ml, rrdd_http_handler.ml, rrd_updates.ml, rrd_timescales.ml; recordings
 * 624-628 for who may ask.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "tests/poolsim/handler.h"
#include "tests/poolsim/http.h"
#include "tests/poolsim/store.h"

#include "common/base/poison.h"

#define IDLE_CPU 0.02
#define LOAD     0.08

/* How long each step is kept. */
static const struct {
    int64_t step_s, rows_n;
} scales[] = {{5, 120}, {60, 120}, {3600, 168}, {86400, 366}};

struct column {
    char name[160]; /* "vm:UUID:memory" */
    double value;
};

struct columns {
    struct column *items;
    size_t n, cap;
};

static void columns_done(struct columns *columns)
{
    free(columns->items);
}

static void add(struct columns *columns, const char *class, const char *uuid, const char *name,
                double value)
{
    CLEAN_CHAR char *text = str_format("%s:%s:%s", class, uuid, name);
    struct column *column;

    columns->items =
        mem_grow(columns->items, &columns->cap, columns->n + 1, sizeof *columns->items);
    column = &columns->items[columns->n++];
    (void)str_copy(column->name, sizeof column->name, text);
    column->value = value;
}

static void add_cpus(struct columns *columns, const char *class, const char *uuid, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        CLEAN_CHAR char *name = str_format("cpu%lld", (long long)i);
        add(columns, class, uuid, name, IDLE_CPU);
    }
}

static void add_vm(struct columns *columns, const struct object *vm)
{
    double memory = (double)object_int(vm, F_VM_memory_dynamic_max);

    add(columns, "vm", object_uuid(vm), "memory", memory);
    add(columns, "vm", object_uuid(vm), "memory_target", memory);
    add_cpus(columns, "vm", object_uuid(vm), object_int(vm, F_VM_VCPUs_at_startup));
}

static void add_host(struct columns *columns, struct pool *pool, const struct object *record)
{
    const struct object *metrics = object_follow(pool, record, F_host_metrics);
    double total = metrics ? (double)object_int(metrics, F_host_metrics_memory_total) / 1024 : 0;
    double left = total;

    for (size_t i = 0; i < object_set(record, F_host_resident_VMs)->n; i++) {
        const struct object *vm =
            store_find(pool, CLASS_VM, object_set(record, F_host_resident_VMs)->items[i]);
        left -= vm ? (double)object_int(vm, F_VM_memory_dynamic_max) / 1024 : 0;
    }
    add(columns, "host", object_uuid(record), "memory_total_kib", total);
    add(columns, "host", object_uuid(record), "memory_free_kib", left > 0 ? left : 0);
    add(columns, "host", object_uuid(record), "loadavg", LOAD);
    add(columns, "host", object_uuid(record), "cpu_avg", IDLE_CPU);
    add_cpus(columns, "host", object_uuid(record),
             (int64_t)object_set(record, F_host_host_CPUs)->n);
}

/* Lock held. vm_uuid NULL: all that run here. */
static void measure(struct columns *columns, const struct host *host, const char *vm_uuid,
                    bool with_host)
{
    struct pool *pool = host->pool;
    const struct object *record = store_find(pool, CLASS_host, host->ref);
    const struct text_list *residents = object_set(record, F_host_resident_VMs);

    for (size_t i = 0; i < residents->n; i++) {
        const struct object *vm = store_find(pool, CLASS_VM, residents->items[i]);
        if (vm && (!vm_uuid || strcmp(vm_uuid, object_uuid(vm)) == 0))
            add_vm(columns, vm);
    }
    if (with_host)
        add_host(columns, pool, record);
}

static int64_t host_now_s(const struct host *host)
{
    return (clock_wall_ms(clock_system()) + host->clock_offset_ms) / 1000;
}

/* --- as xport --- */

struct xport {
    const struct columns *columns;
    const char *function;
    int64_t start_s, step_s, end_s;
    uint64_t rows_n; /* newest first */
};

/* The finest scale that reaches back to start, or the coarsest that the interval allows. */
static struct xport xport_make(const struct columns *columns, const char *function, int64_t start_s,
                               int64_t interval_s, int64_t now_s)
{
    size_t scale = 0;
    size_t last = sizeof scales / sizeof *scales - 1;
    struct xport xport = {.columns = columns, .function = function};

    if (interval_s > 0)
        while (scale < last && scales[scale + 1].step_s <= interval_s)
            scale++;
    else
        while (scale < last && now_s - start_s > scales[scale].step_s * scales[scale].rows_n)
            scale++;
    xport.step_s = scales[scale].step_s;
    xport.end_s = now_s / xport.step_s * xport.step_s;
    xport.start_s = xport.end_s - xport.step_s * (scales[scale].rows_n - 1);
    if (start_s >= xport.start_s)
        xport.start_s = (start_s / xport.step_s + 1) * xport.step_s;
    if (xport.start_s <= xport.end_s)
        xport.rows_n = (uint64_t)((xport.end_s - xport.start_s) / xport.step_s + 1);
    return xport;
}

static void format_xml(const struct xport *xport, struct str *out)
{
    str_add_format(out,
                   "<xport><meta><start>%lld</start><step>%lld</step><end>%lld</end>"
                   "<rows>%llu</rows><columns>%zu</columns><legend>",
                   (long long)xport->start_s, (long long)xport->step_s, (long long)xport->end_s,
                   (unsigned long long)xport->rows_n, xport->columns->n);
    for (size_t i = 0; i < xport->columns->n; i++)
        str_add_format(out, "<entry>%s:%s</entry>", xport->function, xport->columns->items[i].name);
    str_add(out, "</legend></meta><data>");
    for (uint64_t row = 0; row < xport->rows_n; row++) {
        str_add_format(out, "<row><t>%lld</t>",
                       (long long)(xport->end_s - (int64_t)row * xport->step_s));
        for (size_t i = 0; i < xport->columns->n; i++)
            str_add_format(out, "<v>%.4f</v>", xport->columns->items[i].value);
        str_add(out, "</row>");
    }
    str_add(out, "</data></xport>");
}

/* Values are texts, for JSON has no NaN. */
static void format_json(const struct xport *xport, struct str *out)
{
    str_add_format(out,
                   "{\"meta\":{\"start\":%lld,\"step\":%lld,\"end\":%lld,\"rows\":%llu,"
                   "\"columns\":%zu,\"legend\":[",
                   (long long)xport->start_s, (long long)xport->step_s, (long long)xport->end_s,
                   (unsigned long long)xport->rows_n, xport->columns->n);
    for (size_t i = 0; i < xport->columns->n; i++)
        str_add_format(out, "%s\"%s:%s\"", i ? "," : "", xport->function,
                       xport->columns->items[i].name);
    str_add(out, "]},\"data\":[");
    for (uint64_t row = 0; row < xport->rows_n; row++) {
        str_add_format(out, "%s{\"t\":%lld,\"values\":[", row ? "," : "",
                       (long long)(xport->end_s - (int64_t)row * xport->step_s));
        for (size_t i = 0; i < xport->columns->n; i++)
            str_add_format(out, "%s\"%.4f\"", i ? "," : "", xport->columns->items[i].value);
        str_add(out, "]}");
    }
    str_add(out, "]}");
}

/* --- as RRD --- */

static void format_rrd(const struct columns *columns, int64_t now_s, struct str *out)
{
    str_add_format(out,
                   "<?xml version=\"1.0\"?><rrd><version>0003</version><step>5</step>"
                   "<lastupdate>%lld</lastupdate>",
                   (long long)now_s);
    for (size_t i = 0; i < columns->n; i++)
        str_add_format(out,
                       "<ds><name>%s</name><type>GAUGE</type>"
                       "<minimal_heartbeat>300.0000</minimal_heartbeat><min>0.0</min>"
                       "<max>Infinity</max><last_ds>%.4f</last_ds><value>0.0</value>"
                       "<unknown_sec>0</unknown_sec></ds>",
                       strrchr(columns->items[i].name, ':') + 1, columns->items[i].value);
    for (size_t scale = 0; scale < sizeof scales / sizeof *scales; scale++) {
        str_add_format(out,
                       "<rra><cf>AVERAGE</cf><pdp_per_row>%lld</pdp_per_row>"
                       "<params><xff>0.5000</xff></params><database>",
                       (long long)(scales[scale].step_s / scales[0].step_s));
        for (int64_t row = 0; row < scales[scale].rows_n; row++) {
            str_add(out, "<row>");
            for (size_t i = 0; i < columns->n; i++)
                str_add_format(out, "<v>%.4f</v>", columns->items[i].value);
            str_add(out, "</row>");
        }
        str_add(out, "</database></rra>");
    }
    str_add(out, "</rrd>");
}

/* --- handlers --- */

static void reply(struct connection *connection, const char *type, const struct str *body)
{
    (void)http_write_format(connection,
                            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n"
                            "Cache-Control: no-cache, no-store\r\n"
                            "access-control-allow-origin: *\r\ncontent-type: %s\r\n\r\n",
                            body->len, type);
    (void)http_write(connection, str_text(body), body->len);
    http_close(connection, false);
}

static void refuse(struct connection *connection, const char *status)
{
    (void)http_write_format(connection,
                            "HTTP/1.0 %s\r\nConnection: close\r\n"
                            "Cache-Control: no-cache, no-store\r\n\r\n",
                            status);
    http_close(connection, false);
}

static int64_t query_int(const struct request *request, const char *name)
{
    const char *text = request_query(request, name);
    uint64_t number = 0;

    if (!text || num_parse_unsigned(text, INT64_MAX / 2, &number, NULL))
        return 0;
    return (int64_t)number;
}

static bool prefers_json(const struct request *request)
{
    const char *accept = request_header(request, "accept");

    return str_equal(request_query(request, "json"), "true") ||
           (accept && strstr(accept, "application/json"));
}

static void run_updates(struct connection *connection, struct request *request)
{
    struct handler_context context;
    CLEANUP(columns_done) struct columns columns = {0};
    CLEAN_STR struct str body = STR_INIT;
    const char *function = request_query(request, "cf");
    const char *host = request_query(request, "host");

    if (handler_authenticate(connection, request, "http/rrd_updates", &context))
        return;
    handler_leave(&context);
    if (!request_query(request, "start")) {
        refuse(connection, "400 Bad Request");
        return;
    }
    pool_lock(request->pool);
    measure(&columns, request->host, request_query(request, "vm_uuid"),
            host && strcmp(host, "true") == 0);
    pool_unlock(request->pool);
    const struct xport xport =
        xport_make(&columns, function ? function : "AVERAGE", query_int(request, "start"),
                   query_int(request, "interval"), host_now_s(request->host));
    if (prefers_json(request))
        format_json(&xport, &body);
    else
        format_xml(&xport, &body);
    reply(connection, prefers_json(request) ? "application/json" : "text/xml", &body);
}

static void run_host(struct connection *connection, struct request *request)
{
    struct handler_context context;
    CLEANUP(columns_done) struct columns columns = {0};
    CLEAN_STR struct str body = STR_INIT;

    if (handler_authenticate(connection, request, "http/host_rrd", &context))
        return;
    handler_leave(&context);
    pool_lock(request->pool);
    add_host(&columns, request->pool, store_find(request->pool, CLASS_host, request->host->ref));
    pool_unlock(request->pool);
    format_rrd(&columns, host_now_s(request->host), &body);
    reply(connection, "text/xml", &body);
}

static void run_vm(struct connection *connection, struct request *request)
{
    struct handler_context context;
    CLEANUP(columns_done) struct columns columns = {0};
    CLEAN_STR struct str body = STR_INIT;
    const char *uuid = request_query(request, "uuid");
    struct host *other = NULL;

    if (handler_authenticate(connection, request, "http/vm_rrd", &context))
        return;
    handler_leave(&context);
    if (!uuid) {
        refuse(connection, "400 Bad Request");
        return;
    }
    pool_lock(request->pool);
    const struct object *vm = store_find_uuid(request->pool, CLASS_VM, uuid);
    measure(&columns, request->host, uuid, false);
    if (vm && columns.n == 0)
        other = pool_host_by_ref(request->pool, object_text(vm, F_VM_resident_on));
    pool_unlock(request->pool);
    if (columns.n) {
        format_rrd(&columns, host_now_s(request->host), &body);
        reply(connection, "text/xml", &body);
    } else if (other) {
        http_reply_redirect(connection, request, other);
    } else {
        refuse(connection, "404 Not Found"); /* none is kept of a VM that does not run */
    }
}

const struct handler_row rrd_handlers[] = {
    {"GET", "/rrd_updates", run_updates},
    {"GET", "/host_rrd", run_host},
    {"GET", "/vm_rrd", run_vm},
    {NULL, NULL, NULL},
};
