/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Login, the way to the master, logout. Nothing here logs: a session is worth a password.
 */
#include "common/xapi/session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/xapi/certificate.h"
#include "common/xapi/fault.h"
#include "common/xapi/inside.h"
#include "common/xapi/reply.h"

#include "common/base/poison.h"

#define XAPI_API_VERSION    "1.0"
#define XAPI_SLEEP_SLICE_MS 100
#define XAPI_TAG_HEADER     "X-Http-Other-Config-Onyxpool"

static int xapi_new(const struct xapi_target *target, struct xapi **ret_xapi, struct error *err)
{
    CLEAN_STR struct str pins = STR_INIT;

    if (target->kind == XAPI_TARGET_SOCKET && (!target->socket || !*target->socket))
        return error_set(err, ERROR_SETTINGS, "no XAPI socket is named");
    if (target->certificate_file && certificate_add_file(target->certificate_file, &pins, err))
        return -1;
    struct xapi *xapi = mem_zero(1, sizeof *xapi);

    xapi_target_copy(&xapi->target, target);
    xapi->base = mem_dup(target->kind == XAPI_TARGET_URL ? target->url : "http://localhost");
    xapi->pins = pins.len ? str_take(&pins) : NULL;
    xapi->http = http_new();
    *ret_xapi = xapi;
    return 0;
}

static void xapi_free(struct xapi *xapi)
{
    int kept = errno;

    http_free(xapi->http);
    xapi_target_done(&xapi->target);
    free(xapi->base);
    free(xapi->pins);
    free(xapi->originator);
    free(xapi->session);
    free(xapi->tag_header);
    free(xapi);
    errno = kept;
}

void xapi_set_cancel(struct xapi *xapi, xapi_cancel_fn *cancel, void *context)
{
    xapi->cancel = cancel;
    xapi->cancel_context = context;
    http_set_cancel(xapi->http, cancel, context);
}

void xapi_set_tag(struct xapi *xapi, const char *tag)
{
    CLEAN_CHAR char *line = tag ? str_format(XAPI_TAG_HEADER ": %s", tag) : NULL;

    mem_set(&xapi->tag_header, line);
}

const char *xapi_session(const struct xapi *xapi)
{
    return xapi->session ? xapi->session : "";
}

const char *xapi_name(const struct xapi *xapi)
{
    return xapi->target.kind == XAPI_TARGET_SOCKET ? xapi->target.socket : xapi->base;
}

int xapi_sleep(struct xapi *xapi, int64_t ms, struct error *err)
{
    const struct clock *clock = clock_system();
    int64_t end_ms = clock_monotonic_ms(clock) + ms;

    for (;;) {
        int64_t left_ms = end_ms - clock_monotonic_ms(clock);

        if (xapi->cancel && xapi->cancel(xapi->cancel_context))
            return error_set(err, ERROR_CANCELLED, "cancelled");
        if (left_ms <= 0)
            return 0;
        poll(NULL, 0, (int)(left_ms < XAPI_SLEEP_SLICE_MS ? left_ms : XAPI_SLEEP_SLICE_MS));
    }
}

/* Releases before 7.0 know XML-RPC alone: to them our calls are no calls. */
#define XAPI_STRANGER                                                                              \
    "%s does not answer as a XAPI with JSON-RPC (is the address right? onyxpool needs XenServer "  \
    "7.0, XCP-ng 7.4 or newer)"

/* --- one exchange -------------------------------------------------------------------------- */

struct post {
    int status;
    struct str *text;
};

static int post_on_head(void *context, const struct http_head *head, struct error *err)
{
    struct post *post = context;

    post->status = head->status;
    if (head->content_length > (int64_t)REPLY_MAX)
        return error_set(err, ERROR_LIMIT, "an answer of more than %zu MiB", REPLY_MAX >> 20);
    if (head->content_length > 0)
        str_reserve(post->text, (size_t)head->content_length);
    return 0;
}

static int post_on_bytes(void *context, const void *bytes, size_t n, struct error *err)
{
    struct post *post = context;
    size_t max = post->status == 200 ? REPLY_MAX : HTTP_ERROR_BODY_MAX;

    if (post->status == 200 && n > max - post->text->len)
        return error_set(err, ERROR_LIMIT, "an answer of more than %zu MiB", REPLY_MAX >> 20);
    if (n > max - post->text->len)
        n = max - post->text->len;
    str_add_n(post->text, bytes, n);
    return 0;
}

/* Reads change nothing, so they may be sent again over a connection that was already closed. */
static bool method_is_repeatable(const char *method)
{
    const char *dot = strrchr(method, '.');

    return dot && strncmp(method, "Async.", 6) != 0 &&
           (str_starts(dot, ".get_") || !strcmp(method, "event.from") ||
            !strcmp(method, "system.listMethods"));
}

static int post_check(const struct xapi *xapi, const struct post *post, struct error *err)
{
    const char *text = str_text(post->text);

    if (post->status == 200)
        return 0;
    if (post->status == 500)
        return fault_set_page(err, post->status, text);
    fault_set_page(err, post->status, text);
    if (err)
        err->code = ERROR_POOL_UNREACHABLE;
    return error_add(err, XAPI_STRANGER, xapi_name(xapi));
}

int xapi_post(struct xapi *xapi, const char *method, const json_t *params, int64_t idle_ms,
              int64_t timeout_ms, struct str *ret_text, struct error *err)
{
    CLEAN_JSON json_t *request =
        json_pack("{s:s, s:I, s:s, s:O}", "jsonrpc", "2.0", "id", (json_int_t)++xapi->calls_n,
                  "method", method, "params", params);
    CLEAN_CHAR char *body = request ? json_dumps(request, JSON_COMPACT) : NULL;
    CLEAN_CHAR char *url = str_format("%s%s", xapi->base, XAPI_RPC_PATH);
    struct post post = {0, ret_text};
    const struct http_sink sink = {post_on_head, post_on_bytes, &post};

    if (!body)
        return error_set(err, ERROR_BAD_INPUT, "arguments that JSON can't hold");
    const struct http_request ask = {
        .socket = xapi->target.socket,
        .url = url,
        .pins = xapi->pins,
        .pinned_by = xapi->target.certificate_file,
        .ca_file = xapi->target.certificate_file,
        .body = body,
        .body_n = strlen(body),
        .header = !strncmp(method, "Async.", 6) ? xapi->tag_header : NULL,
        .is_repeatable = method_is_repeatable(method),
        .idle_timeout_ms = idle_ms,
        .timeout_ms = timeout_ms,
    };
    int result = http_perform(xapi->http, &ask, &sink, err);

    explicit_bzero(body, strlen(body)); /* a password or a session */
    return result ? -1 : post_check(xapi, &post, err);
}

/* --- login --------------------------------------------------------------------------------- */

static json_t *login_params(const struct xapi *xapi)
{
    bool is_socket = xapi->target.kind == XAPI_TARGET_SOCKET;
    const char *user = xapi->target.user ? xapi->target.user : "root";
    const char *password = is_socket ? "" : xapi->target.password;

    return json_pack("[s, s, s, s]", user, password ? password : "", XAPI_API_VERSION,
                     xapi->originator);
}

/* 0 logged in, 1 the master is elsewhere (ret_fault), -1 failed. */
static int login_once(struct xapi *xapi, struct text_list *ret_fault, struct error *err)
{
    CLEAN_JSON json_t *params = login_params(xapi);
    CLEAN_JSON json_t *result = NULL;
    CLEAN_STR struct str text = STR_INIT;

    if (!params)
        return error_set(err, ERROR_SETTINGS, "user or password is no UTF-8 text");
    if (xapi_post(xapi, "session.login_with_password", params, XAPI_LOGIN_IDLE_MS, 0, &text, err))
        return -1;
    int found = reply_parse_fault(&text, &result, ret_fault, err);

    if (found < 0)
        return error_add(err, XAPI_STRANGER, xapi_name(xapi));
    if (found) {
        fault_set(err, ret_fault);
        return fault_is(err, "HOST_IS_SLAVE") && ret_fault->n > 1 ? 1 : -1;
    }
    if (!json_is_string(result) || !*json_string_value(result))
        return error_set(err, ERROR_PROTOCOL, "%s gave no session", xapi_name(xapi));
    if (xapi->session)
        explicit_bzero(xapi->session, strlen(xapi->session));
    mem_set(&xapi->session, json_string_value(result));
    return 0;
}

bool xapi_forget_master(struct xapi *xapi)
{
    const char *url = xapi->target.url;

    if (xapi->target.kind != XAPI_TARGET_URL || !strcmp(xapi->base, url))
        return false;
    mem_set(&xapi->base, url);
    return true;
}

/* Nobody who talks as XAPI does: to whoever wants to log in that is all the same. */
static bool login_found_nobody(const struct error *err)
{
    return err->code == ERROR_POOL_UNREACHABLE || err->code == ERROR_SHORT ||
           err->code == ERROR_TIMEOUT || err->code == ERROR_PROTOCOL;
}

int xapi_login(struct xapi *xapi, struct error *err)
{
    struct error failure = ERROR_INIT;

    for (int hop = 0; hop <= XAPI_MASTER_HOPS_MAX; hop++) {
        CLEAN_TEXT_LIST struct text_list fault = TEXT_LIST_INIT;
        int result = login_once(xapi, &fault, &failure);

        if (!result)
            return 0;
        if (result < 0 && !hop && login_found_nobody(&failure) && xapi_forget_master(xapi))
            continue;
        CLEAN_CHAR char *url =
            result > 0 ? xapi_target_url_of_host(&xapi->target, fault.items[1]) : NULL;

        if (!url) /* a socket never sends us away; whatever answered is no dom0's */
            break;
        mem_set(&xapi->base, url);
    }
    if (login_found_nobody(&failure))
        failure.code = ERROR_POOL_UNREACHABLE;
    if (err)
        *err = failure;
    return error_add(err, "log in at %s", xapi_name(xapi));
}

int xapi_open_cancellable(const struct xapi_target *target, const char *originator,
                          xapi_cancel_fn *cancel, void *context, struct xapi **ret_xapi,
                          struct error *err)
{
    CLEAN_XAPI struct xapi *xapi = NULL;

    if (xapi_target_check(target, err) || xapi_new(target, &xapi, err))
        return -1;
    xapi->originator = mem_dup(originator);
    xapi->is_own = true;
    xapi_set_cancel(xapi, cancel, context);
    if (xapi_login(xapi, err))
        return -1;
    *ret_xapi = xapi;
    xapi = NULL;
    return 0;
}

int xapi_open(const struct xapi_target *target, const char *originator, struct xapi **ret_xapi,
              struct error *err)
{
    return xapi_open_cancellable(target, originator, NULL, NULL, ret_xapi, err);
}

void xapi_load(void)
{
    http_load();
}

int xapi_adopt(const struct xapi_target *target, const char *session, struct xapi **ret_xapi,
               struct error *err)
{
    if (!session || !*session)
        return error_set(err, ERROR_BAD_INPUT, "no session was lent");
    if (xapi_new(target, ret_xapi, err))
        return -1;
    (*ret_xapi)->session = mem_dup(session);
    return 0;
}

int xapi_clone(const struct xapi *xapi, struct xapi **ret_xapi, struct error *err)
{
    if (xapi_adopt(&xapi->target, xapi_session(xapi), ret_xapi, err))
        return -1;
    mem_set(&(*ret_xapi)->base, xapi->base);
    return 0;
}

static int xapi_logout(struct xapi *xapi)
{
    CLEAN_JSON json_t *params = json_pack("[s]", xapi->session);
    CLEAN_STR struct str text = STR_INIT;

    xapi_set_cancel(xapi, NULL, NULL);
    if (!params)
        return -1;
    /* An answer that says no says that there is no such session. */
    return xapi_post(xapi, "session.logout", params, XAPI_LOGOUT_TIMEOUT_MS,
                     XAPI_LOGOUT_TIMEOUT_MS, &text, NULL);
}

int xapi_close(struct xapi *xapi)
{
    int result = 0;

    if (!xapi)
        return 0;
    if (xapi->is_own && xapi->session)
        result = xapi_logout(xapi);
    xapi_free(xapi);
    return result;
}

void xapi_clean(struct xapi **xapi)
{
    (void)xapi_close(*xapi);
    *xapi = NULL;
}
