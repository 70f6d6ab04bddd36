/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Authentication and tasks of data handlers.
 */
#include "tests/poolsim/handler.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/call_log.h"
#include "tests/poolsim/session.h"
#include "tests/poolsim/task.h"

#include "common/base/poison.h"

/* "Basic cm9vdDpwdw==" against name and password; the session made is the handler's own. */
static bool login_basic(struct handler_context *context, const char *authorization)
{
    unsigned char decoded[513] = "";
    CLEAN_FAILURE struct failure failure = FAILURE_INIT;
    const char *encoded = authorization + strlen("Basic ");
    size_t n = strlen(encoded);
    char *colon;
    struct object *session;

    if (!str_starts(authorization, "Basic ") || n == 0 || n > 680 || n % 4 ||
        EVP_DecodeBlock(decoded, (const unsigned char *)encoded, (int)n) < 0)
        return false;
    colon = strchr((char *)decoded, ':');
    if (!colon)
        return false;
    *colon = '\0';
    if (session_check_password(context->pool, (char *)decoded, colon + 1, &failure))
        return false;
    session = session_make(context->host, (char *)decoded, "http using Basic auth");
    str_copy(context->session_ref, REF_MAX, object_ref(session));
    context->owns_session = true;
    return true;
}

static bool is_known(struct handler_context *context)
{
    const struct request *request = context->request;
    const char *session_ref = request_cookie_or_query(request, "session_id");
    const char *authorization = request_header(request, "authorization");
    CLEAN_FAILURE struct failure failure = FAILURE_INIT;

    if (request->transport == TRANSPORT_UNIX) {
        /* Always root, whatever session_id says; a good one is noted for the task. */
        if (session_ref && store_find(context->pool, CLASS_session, session_ref))
            str_copy(context->session_ref, REF_MAX, session_ref);
        return true;
    }
    if (session_ref) {
        str_copy(context->session_ref, REF_MAX, session_ref);
        return session_check(context->pool, session_ref, &failure) == 0;
    }
    return authorization && login_basic(context, authorization);
}

int handler_authenticate(struct connection *connection, struct request *request,
                         const char *permission, struct handler_context *ret_context)
{
    const char *slash = strchr(permission, '/');
    bool is_in;

    *ret_context =
        (struct handler_context){.request = request, .pool = request->pool, .host = request->host};
    pool_lock(request->pool);
    session_collect_garbage(request->pool);
    is_in = is_known(ret_context);
    call_log_add_request(request, ret_context->session_ref);
    pool_unlock(request->pool);
    if (is_in)
        return 0;
    http_reply_unauthorised(connection, slash ? slash + 1 : permission);
    return -1;
}

int handler_begin_task(struct connection *connection, struct handler_context *context,
                       const char *label)
{
    const char *ref = request_cookie_or_query(context->request, "task_id");
    bool is_there = true;

    pool_lock(context->pool);
    if (ref) {
        is_there = store_find(context->pool, CLASS_task, ref) != NULL;
        str_copy(context->task_ref, REF_MAX, ref);
    } else {
        str_copy(context->task_ref, REF_MAX,
                 object_ref(task_make(context->host, label, "", context->session_ref)));
        context->owns_task = true;
    }
    /* Transfers of single disks don't look for a cancellation (recordings 543, 1158-1163). */
    if (is_there && !strstr(context->request->path, "raw_vdi"))
        task_set_cancellable(context->pool, context->task_ref, true);
    pool_unlock(context->pool);
    if (!is_there) {
        CLEAN_CHAR char *text =
            str_format("Db_exn.DBCache_NotFound(\"missing row\", \"task\", \"%s\")", ref);
        http_reply_error(connection, context->request, 500, text);
        return -1;
    }
    return 0;
}

/* Lock held. A task of our own and the session of Basic auth go; the caller's task stays. */
static void leave(struct handler_context *context)
{
    struct object *object;

    if (context->owns_task) {
        object = store_find(context->pool, CLASS_task, context->task_ref);
        if (object)
            store_destroy(context->pool, object);
        context->owns_task = false;
    }
    if (context->owns_session) {
        object = store_find(context->pool, CLASS_session, context->session_ref);
        if (object)
            store_destroy(context->pool, object);
        context->owns_session = false;
    }
}

void handler_leave(struct handler_context *context)
{
    pool_lock(context->pool);
    leave(context);
    pool_unlock(context->pool);
}

void handler_complete(struct handler_context *context, const char *result_xml)
{
    pool_lock(context->pool);
    task_complete(context->pool, context->task_ref, result_xml);
    leave(context);
    pool_unlock(context->pool);
}

void handler_fail(struct handler_context *context, const char *const *params)
{
    pool_lock(context->pool);
    task_fail(context->pool, context->task_ref, params);
    leave(context);
    pool_unlock(context->pool);
}

void handler_cancelled(struct handler_context *context)
{
    pool_lock(context->pool);
    task_cancelled(context->pool, context->task_ref);
    leave(context);
    pool_unlock(context->pool);
}

bool handler_progress(struct handler_context *context, double progress)
{
    bool is_cancelling;

    pool_lock(context->pool);
    task_set_progress(context->pool, context->task_ref, progress);
    is_cancelling = task_is_cancelling(context->pool, context->task_ref);
    pool_unlock(context->pool);
    return !is_cancelling;
}

char *handler_error_text(const char *const *params)
{
    struct failure failure = FAILURE_INIT;
    char *text;

    failure_set_list(&failure, params);
    text = failure_format(&failure);
    failure_done(&failure);
    return text;
}
