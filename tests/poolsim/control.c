/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The envelope of control calls and the few that need no room of their own.
 */
#include "tests/poolsim/control.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "tests/poolsim/call_log.h"
#include "tests/poolsim/fault.h"
#include "tests/poolsim/host.h"
#include "tests/poolsim/server.h"
#include "tests/poolsim/session.h"
#include "tests/poolsim/vdi_chain.h"

#include "common/base/poison.h"

#define CONTROL_BODY_MAX (16U << 20)

static int run_locked(struct pool *pool, const char *method, const json_t *params,
                      json_t **ret_result, struct error *err)
{
    if (str_starts(method, "fault."))
        return fault_control(pool, method, params, ret_result, err);
    if (strcmp(method, "calls.log") == 0) {
        *ret_result = call_log_list(pool, params);
        return 0;
    }
    if (strcmp(method, "calls.busy") == 0) {
        *ret_result = call_log_busy(pool);
        return 0;
    }
    if (strcmp(method, "calls.clear") == 0) {
        call_log_clear(pool);
        *ret_result = json_true();
        return 0;
    }
    if (strcmp(method, "gc.run") == 0) {
        pool->collected_ms = INT64_MIN / 2;
        session_collect_garbage(pool);
        chain_coalesce(pool);
        *ret_result = json_true();
        return 0;
    }
    return control_world(pool, method, params, ret_result, err);
}

/* A host that goes down, or whose xapi starts again, loses its connections; that is done once the
 * answer is out, and without the lock. */
static void cut_connections(struct pool *pool, const json_t *call)
{
    const char *method = json_string_value(json_object_get(call, "method"));
    const char *name = json_string_value(json_object_get(json_object_get(call, "params"), "host"));
    struct host *host;

    if (!method ||
        (strcmp(method, "host.down") != 0 && strcmp(method, "pool.restart_toolstack") != 0))
        return;
    pool_lock(pool);
    host = name ? pool_host_by_name(pool, name) : pool->master;
    pool_unlock(pool);
    if (host)
        server_cut_host(host->server, host);
}

static json_t *answer(struct pool *pool, const json_t *call)
{
    const char *method = json_string_value(json_object_get(call, "method"));
    const json_t *id = json_object_get(call, "id");
    json_t *params = json_object_get(call, "params");
    json_t *result = NULL;
    struct error err = ERROR_INIT;
    int failed;

    if (!method)
        return json_pack("{s:s, s:{s:i, s:s}, s:n}", "jsonrpc", "2.0", "error", "code", -1,
                         "message", "a method is missing", "id");
    pool_lock(pool);
    failed = run_locked(pool, method, params, &result, &err);
    pool_unlock(pool);
    if (failed)
        return json_pack("{s:s, s:{s:i, s:s}, s:O?}", "jsonrpc", "2.0", "error", "code", -1,
                         "message", err.text, "id", id);
    return json_pack("{s:s, s:o, s:O?}", "jsonrpc", "2.0", "result", result, "id", id);
}

void control_handle(struct connection *connection, struct request *request)
{
    CLEAN_STR struct str body = STR_INIT;
    json_error_t problem;
    json_t *call;
    json_t *reply;
    char *text;

    if (!request->has_length || request->content_length > CONTROL_BODY_MAX) {
        http_reply_error(connection, request, 500, "Failure(\"a Content-Length is needed\")");
        return;
    }
    while (body.len < request->content_length) {
        size_t left = (size_t)request->content_length - body.len;
        size_t got;
        char *room = str_reserve(&body, left);
        if (http_read(connection, room, left, &got) || got == 0) {
            http_close(connection, false);
            return;
        }
        str_set_len(&body, body.len + got);
    }
    call = json_loadb(str_text(&body), body.len, 0, &problem);
    reply = call ? answer(request->pool, call)
                 : json_pack("{s:s, s:{s:i, s:s}, s:n}", "jsonrpc", "2.0", "error", "code", -1,
                             "message", problem.text, "id");
    text = json_dumps(reply, JSON_COMPACT);
    http_reply_rpc(connection, request, "application/json", text ? text : "",
                   text ? strlen(text) : 0);
    if (json_object_get(reply, "result"))
        cut_connections(request->pool, call);
    free(text);
    json_decref(reply);
    json_decref(call);
}
