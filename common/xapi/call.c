/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The session goes in front of the arguments; a session that XAPI forgot is replaced once.
 */
#include "common/xapi/call.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/xapi/fault.h"
#include "common/xapi/inside.h"

#include "common/base/poison.h"

/* What is done with the text of an answer. */
typedef int answer_fn(void *context, struct str *text, struct error *err);

static int call_once(struct xapi *xapi, const char *method, const json_t *params,
                     int64_t timeout_ms, answer_fn *answer, void *context, struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;

    if (xapi_post(xapi, method, params, timeout_ms ? 0 : XAPI_CALL_IDLE_MS, timeout_ms, &text, err))
        return -1;
    return answer(context, &text, err);
}

static int call_with_session(struct xapi *xapi, const char *method, json_t *params,
                             int64_t timeout_ms, answer_fn *answer, void *context,
                             struct error *err)
{
    struct error own = ERROR_INIT;
    struct error first = ERROR_INIT;

    if (!err)
        err = &own;
    if (!xapi->session && xapi_login(xapi, err))
        return -1;
    if (json_array_insert_new(params, 0, json_string(xapi->session)))
        return error_set(err, ERROR_INTERNAL, "%s: arguments are no array", method);
    if (!call_once(xapi, method, params, timeout_ms, answer, context, &first))
        return 0;
    bool is_again = xapi->is_own && fault_is(&first, "SESSION_INVALID");

    /* After the election of another master the old one sends us away. */
    is_again = is_again || (xapi->is_own && fault_is(&first, "HOST_IS_SLAVE"));
    if (!is_again) {
        if (first.code == ERROR_POOL_UNREACHABLE && xapi->is_own)
            xapi_forget_master(xapi); /* for the next call; this one may have been heard */
        *err = first;
        return error_add(err, "%s", method);
    }
    if (xapi_login(xapi, err))
        return error_add(err, "%s: after %s", method, first.origin);
    json_array_set_new(params, 0, json_string(xapi->session));
    if (call_once(xapi, method, params, timeout_ms, answer, context, err))
        return error_add(err, "%s", method);
    return 0;
}

static int answer_parse(void *context, struct str *text, struct error *err)
{
    json_t **ret_result = context;
    json_t *result = NULL;

    if (reply_parse(text, &result, err))
        return -1;
    *ret_result = result;
    return 0;
}

int xapi_call_params(struct xapi *xapi, const char *method, json_t *params_take, int64_t timeout_ms,
                     json_t **ret_result, struct error *err)
{
    CLEAN_JSON json_t *params = params_take ? params_take : json_array();
    json_t *result = NULL;

    if (call_with_session(xapi, method, params, timeout_ms, answer_parse, &result, err))
        return -1;
    if (ret_result)
        *ret_result = result;
    else
        json_decref(result);
    return 0;
}

static int params_pack(const char *method, const char *format, va_list args, json_t **ret_params,
                       struct error *err)
{
    json_error_t error;

    *ret_params = format ? json_vpack_ex(&error, 0, format, args) : json_array();
    if (!*ret_params)
        return error_set(err, ERROR_BAD_INPUT, "%s: bad arguments: %s", method, error.text);
    return 0;
}

int xapi_call(struct xapi *xapi, json_t **ret_result, struct error *err, const char *method,
              const char *format, ...)
{
    json_t *params;
    va_list args;

    va_start(args, format);
    int result = params_pack(method, format, args, &params, err);

    va_end(args);
    return result ? -1 : xapi_call_params(xapi, method, params, 0, ret_result, err);
}

int xapi_call_text(struct xapi *xapi, char **ret_text, struct error *err, const char *method,
                   const char *format, ...)
{
    CLEAN_JSON json_t *value = NULL;
    json_t *params;
    va_list args;

    va_start(args, format);
    int result = params_pack(method, format, args, &params, err);

    va_end(args);
    if (result || xapi_call_params(xapi, method, params, 0, &value, err))
        return -1;
    if (!json_is_string(value))
        return error_set(err, ERROR_PROTOCOL, "%s: the result is no text", method);
    *ret_text = mem_dup(json_string_value(value));
    return 0;
}

struct records {
    reply_record_fn *each;
    void *context;
};

static int answer_records(void *context, struct str *text, struct error *err)
{
    const struct records *records = context;

    return reply_each_record(text, records->each, records->context, err);
}

int xapi_call_records(struct xapi *xapi, const char *method, reply_record_fn *each, void *context,
                      struct error *err)
{
    CLEAN_JSON json_t *params = json_array();
    struct records records = {each, context};

    return call_with_session(xapi, method, params, 0, answer_records, &records, err);
}
