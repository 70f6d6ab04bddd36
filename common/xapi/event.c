/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One event.from after the other.
 */
#include "common/xapi/event.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/xapi/call.h"
#include "common/xapi/fault.h"

#include "common/base/poison.h"

#define EVENT_SLACK_MS 30000 /* an answer that is later than this after its time never comes */

void event_stream_init(struct event_stream *events, const char *what)
{
    events->what = mem_dup(what);
    events->token[0] = '\0';
}

void event_stream_done(struct event_stream *events)
{
    free(events->what);
    events->what = NULL;
}

static int event_ask(struct xapi *xapi, const struct event_stream *events, int64_t timeout_ms,
                     json_t **ret_answer, struct error *err)
{
    /* A real number with a fraction in every case: XAPI refuses an integer here. */
    double timeout_s = (double)timeout_ms / 1000.0;
    json_t *params = json_pack("[[s], s, f]", events->what, events->token, timeout_s);

    if (!params)
        return error_set(err, ERROR_BAD_INPUT, "event.from: no UTF-8");
    return xapi_call_params(xapi, "event.from", params, timeout_ms + EVENT_SLACK_MS, ret_answer,
                            err);
}

static bool token_is_lost(const struct error *err)
{
    return fault_is(err, "EVENT_FROM_TOKEN_PARSE_FAILURE") || fault_is(err, "EVENTS_LOST") ||
           fault_is(err, "SESSION_NOT_REGISTERED");
}

static int event_give(const json_t *answer, event_fn *each, void *context, size_t *ret_n,
                      struct error *err)
{
    const json_t *events = json_object_get(answer, "events");
    const json_t *event;
    size_t i;
    size_t n = 0;

    if (!json_is_array(events))
        return error_set(err, ERROR_PROTOCOL, "event.from: no list of events");
    json_array_foreach(events, i, event)
    {
        const char *ref = reply_ref(event, "ref");
        const json_t *snapshot = json_object_get(event, "snapshot");
        bool is_gone = !strcmp(reply_text(event, "operation", ""), "del");

        if (!ref)
            continue;
        n++;
        if (each(context, ref, !is_gone && json_is_object(snapshot) ? snapshot : NULL, err))
            return -1;
    }
    *ret_n = n;
    return 0;
}

int event_take(struct event_stream *events, const json_t *answer, event_fn *each, void *context,
               size_t *ret_n, struct error *err)
{
    const char *token = reply_text(answer, "token", NULL);

    if (!token || !str_copy(events->token, sizeof events->token, token)) {
        events->token[0] = '\0';
        return error_set(err, ERROR_PROTOCOL, "event.from: no token");
    }
    return event_give(answer, each, context, ret_n, err);
}

int event_next(struct xapi *xapi, struct event_stream *events, int64_t timeout_ms, event_fn *each,
               void *context, size_t *ret_n, struct error *err)
{
    struct error own = ERROR_INIT;
    CLEAN_JSON json_t *answer = NULL;

    if (!err)
        err = &own;
    if (timeout_ms > EVENT_WAIT_MAX_MS)
        timeout_ms = EVENT_WAIT_MAX_MS;
    if (timeout_ms < 0)
        timeout_ms = 0;
    if (event_ask(xapi, events, timeout_ms, &answer, err)) {
        if (!events->token[0] || !token_is_lost(err))
            return -1;
        error_clear(err);
        events->token[0] = '\0';
        if (event_ask(xapi, events, timeout_ms, &answer, err))
            return -1;
    }
    return event_take(events, answer, each, context, ret_n, err);
}
