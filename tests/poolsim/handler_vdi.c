/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What both handlers of single disks share.
 */
#include "tests/poolsim/handler_vdi.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/poolsim/store.h"
#include "tests/poolsim/task.h"

#include "common/base/poison.h"

#define POLL_MS 100

static const char *const format_names[] = {"raw", "vhd", "tar", "qcow2"};

static const char *query_or_cookie(const struct request *request, const char *name)
{
    const char *text = request_query(request, name);
    return text ? text : request_cookie(request, name);
}

static bool is_known_format(const struct pool *pool, enum disk_format format)
{
    if (format == FORMAT_QCOW2)
        return pool->has_qcow2;
    return format != FORMAT_TAR || pool->profile->id != PROFILE_XS71;
}

enum disk_format handler_disk_format(const struct request *request)
{
    const char *text = query_or_cookie(request, "format");
    if (!text)
        return FORMAT_RAW;
    for (int i = 0; i < FORMAT_UNKNOWN; i++)
        if (strcasecmp(text, format_names[i]) == 0 &&
            is_known_format(request->pool, (enum disk_format)i))
            return (enum disk_format)i;
    return FORMAT_UNKNOWN;
}

const char *handler_disk_format_name(enum disk_format format)
{
    return format == FORMAT_UNKNOWN ? "" : format_names[format];
}

/* The task of the request, if there is one, fails though nobody has taken it over. */
static void fail_named_task(struct request *request, const char *permission, const char *text)
{
    const char *task_ref = request_cookie_or_query(request, "task_id");
    const char *const params[] = {"RBAC_PERMISSION_DENIED", permission, text, NULL};
    pool_lock(request->pool);
    if (task_ref && store_find(request->pool, CLASS_task, task_ref))
        task_fail(request->pool, task_ref, params);
    pool_unlock(request->pool);
}

int handler_vdi_of_request(struct connection *connection, struct request *request,
                           const char *permission, char ret_ref[REF_MAX])
{
    const char *text = query_or_cookie(request, "vdi");
    if (!text)
        return 0;
    pool_lock(request->pool);
    const struct object *vdi = store_find_any(request->pool, CLASS_VDI, text);
    if (vdi)
        (void)str_copy(ret_ref, REF_MAX, object_ref(vdi));
    pool_unlock(request->pool);
    if (vdi)
        return 1;
    CLEAN_CHAR char *reason = str_format("UUID_INVALID: [ VDI; %s ]", text);
    CLEAN_CHAR char *page = str_format("Db_exn.Read_missing_uuid(\"VDI\", \"\", \"%s\")", text);
    fail_named_task(request, permission, reason);
    http_reply_error(connection, request, 500, page);
    return -1;
}

int handler_choose_host_of_sr(struct connection *connection, struct request *request,
                              const char *sr_ref)
{
    struct pool *pool = request->pool;
    pool_lock(pool);
    bool is_here = pool_host_sees_sr(pool, request->host, sr_ref);
    struct host *other = is_here ? NULL : pool_host_that_sees(pool, &sr_ref, 1, NULL);
    pool_unlock(pool);
    if (is_here)
        return 1;
    if (other)
        http_reply_redirect(connection, request, other);
    else
        http_reply_error(connection, request, 500, "NO_HOSTS_AVAILABLE: [  ]");
    return 0;
}

void handler_refuse_format(struct connection *connection, struct handler_context *context,
                           const char *format_text)
{
    CLEAN_CHAR char *text = str_format("Unknown format %s", format_text);
    const char *const params[] = {"INTERNAL_ERROR", text, NULL};
    handler_fail(context, params);
    (void)http_write_format(connection, "HTTP/1.0 404 Not Found\r\nConnection: close\r\n"
                                        "Cache-Control: no-cache, no-store\r\n\r\n");
    http_close(connection, false);
}

void handler_be_silent(struct connection *connection, struct pool *pool)
{
    while (!http_peer_is_gone(connection) && pool_sleep(pool, POLL_MS))
        continue;
}

bool handler_is_forgotten(const struct handler_context *context)
{
    pool_lock(context->pool);
    bool is_gone = task_is_gone(context->pool, context->task_ref);
    pool_unlock(context->pool);
    return is_gone;
}

void handler_end_as_told(struct handler_context *context, const char *const *params)
{
    if (strcmp(params[0], "PENDING") != 0)
        handler_fail(context, params);
}

void handler_fail_in_body(struct connection *connection, struct handler_context *context,
                          struct failure *failure)
{
    CLEAN_CHAR char *text = failure_format(failure);
    handler_fail(context, failure_params(failure));
    http_append_error(connection, text);
    http_close(connection, false);
}
