/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tasks. Events tell of the end at once; the record is looked at when a time without events is
 * over, when an event came without its record, and where XAPI knows no event.from.
 */
#include "common/xapi/task.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/format/xml.h"
#include "common/xapi/call.h"
#include "common/xapi/event.h"
#include "common/xapi/fault.h"
#include "common/xapi/inside.h"
#include "common/xapi/task_inside.h"

#include "common/base/poison.h"

#define TASK_POLL_FIRST_MS   100
#define TASK_POLL_MAX_MS     2000
#define TASK_CLEANUP_MS      10000 /* cancelling or destroying a task after we were told to stop */
#define TASK_DESTROY_TRIES   2
#define TASK_RESULTS_MAX     1024
#define TASK_FAULT_ITEMS_MAX 16

void task_facts_done(struct task_facts *facts)
{
    text_list_done(&facts->result);
    text_list_done(&facts->error_info);
    memset(facts, 0, sizeof *facts);
}

int task_facts_check(const struct task_facts *facts, struct error *err)
{
    switch (facts->status) {
    case TASK_SUCCESS:
        return 0;
    case TASK_FAILURE:
        return fault_set(err, &facts->error_info);
    case TASK_CANCELLED:
        return fault_set_own(err, "TASK_CANCELLED", "TASK_CANCELLED");
    case TASK_GONE:
        return fault_set_own(err, FAULT_TASK_GONE, "the task vanished before its end was seen");
    case TASK_PENDING:
        break;
    }
    return error_set(err, ERROR_TIMEOUT, "the task has not ended");
}

/* --- result -------------------------------------------------------------------------------- */

struct result_reader {
    struct text_list *texts;
    struct str text;
    size_t depth;      /* open <value>s */
    bool has_children; /* the innermost value holds elements, so its text is white space */
};

static int result_open(void *context, const char *name, struct error *err)
{
    struct result_reader *reader = context;

    (void)err;
    if (!strcmp(name, "value")) {
        reader->depth++;
        reader->has_children = false;
        str_clear(&reader->text);
    } else if (!strcmp(name, "array") || !strcmp(name, "struct")) {
        reader->has_children = true;
    }
    return 0;
}

static int result_text(void *context, const char *bytes, size_t n, struct error *err)
{
    struct result_reader *reader = context;

    if (n > TASK_RESULT_MAX - reader->text.len)
        return error_set(err, ERROR_LIMIT, "a task's result of more than %d bytes",
                         TASK_RESULT_MAX);
    str_add_n(&reader->text, bytes, n);
    return 0;
}

static int result_close(void *context, const char *name, struct error *err)
{
    struct result_reader *reader = context;

    if (strcmp(name, "value") != 0)
        return 0;
    if (!reader->has_children) {
        if (reader->texts->n >= TASK_RESULTS_MAX)
            return error_set(err, ERROR_LIMIT, "a task's result of more than %d values",
                             TASK_RESULTS_MAX);
        if (reader->depth > 1 || reader->text.len)
            text_list_add(reader->texts, str_text(&reader->text));
    }
    reader->depth--;
    reader->has_children = true;
    str_clear(&reader->text);
    return 0;
}

static void result_reader_done(struct result_reader *reader)
{
    str_done(&reader->text);
}

int task_parse_result(const char *text, struct text_list *ret_texts, struct error *err)
{
    static const struct xml_events events = {
        .open = result_open, .text = result_text, .close = result_close};
    CLEANUP(result_reader_done) struct result_reader reader = {.texts = ret_texts};

    if (!*text)
        return 0;
    CLEAN_XML struct xml *xml = xml_new(&events, &reader);

    if (xml_feed(xml, text, strlen(text), err) || xml_finish(xml, err)) {
        if (err)
            err->code = ERROR_PROTOCOL;
        return error_add(err, "a task's result");
    }
    return 0;
}

/* --- record -------------------------------------------------------------------------------- */

int task_read_record(const json_t *record, struct task_facts *facts, struct error *err)
{
    const char *status = reply_text(record, "status", "");
    const json_t *items = json_object_get(record, "error_info");
    const json_t *item;
    size_t i;

    task_facts_done(facts);
    facts->progress = reply_real(record, "progress", 0);
    facts->progress = facts->progress >= 0 && facts->progress <= 1 ? facts->progress : 0;
    if (!strcmp(status, "success"))
        facts->status = TASK_SUCCESS;
    else if (!strcmp(status, "failure"))
        facts->status = TASK_FAILURE;
    else if (!strcmp(status, "cancelled"))
        facts->status = TASK_CANCELLED;
    else if (!strcmp(status, "pending") || !strcmp(status, "cancelling"))
        facts->status = TASK_PENDING;
    else
        return error_set(err, ERROR_PROTOCOL, "a task with the status \"%.40s\"", status);
    if (json_is_array(items))
        json_array_foreach(items, i, item) if (json_is_string(item) && i < TASK_FAULT_ITEMS_MAX)
            text_list_add(&facts->error_info, json_string_value(item));
    if (facts->status == TASK_FAILURE && !facts->error_info.n)
        text_list_add(&facts->error_info, "");
    if (facts->status != TASK_SUCCESS)
        return 0;
    return task_parse_result(reply_text(record, "result", ""), &facts->result, err);
}

int xapi_task_look(struct xapi *xapi, const char *task, struct task_facts *ret_facts,
                   struct error *err)
{
    struct error failure = ERROR_INIT;
    CLEAN_JSON json_t *record = NULL;

    if (!xapi_call(xapi, &record, &failure, "task.get_record", "[s]", task))
        return task_read_record(record, ret_facts, err);
    if (failure.code == ERROR_XAPI_GONE) {
        task_facts_done(ret_facts);
        ret_facts->status = TASK_GONE;
        return 0;
    }
    if (err)
        *err = failure;
    return -1;
}

int xapi_task_create(struct xapi *xapi, const char *label, const char *description, char **ret_task,
                     struct error *err)
{
    return xapi_call_text(xapi, ret_task, err, "task.create", "[s, s]", label, description);
}

/* A call that is made although we were told to stop: what we made is ours to take away. */
static int task_call_anyway(struct xapi *xapi, const char *method, json_t *params_take,
                            struct error *err)
{
    xapi_cancel_fn *cancel = xapi->cancel;
    void *context = xapi->cancel_context;

    if (!params_take)
        return error_set(err, ERROR_BAD_INPUT, "%s: no reference", method);
    xapi_set_cancel(xapi, NULL, NULL);
    int result = xapi_call_params(xapi, method, params_take, TASK_CLEANUP_MS, NULL, err);

    xapi_set_cancel(xapi, cancel, context);
    return result;
}

void xapi_task_destroy(struct xapi *xapi, const char *task)
{
    for (int attempt = 1;; attempt++) {
        struct error err = ERROR_INIT;

        json_t *params = json_pack("[s]", task);

        if (!task_call_anyway(xapi, "task.destroy", params, &err) || err.code == ERROR_XAPI_GONE)
            return;
        /* A broken connection is no answer, and to destroy it twice does no harm. */
        if (attempt < TASK_DESTROY_TRIES &&
            (err.code == ERROR_SHORT || err.code == ERROR_POOL_UNREACHABLE))
            continue;
        log_warn("xapi", "a task is left in the pool: %s", err.text);
        return;
    }
}

int xapi_task_cancel(struct xapi *xapi, const char *task, struct error *err)
{
    return task_call_anyway(xapi, "task.cancel", json_pack("[s]", task), err);
}

void xapi_task_give_up(struct xapi *xapi, const char *task)
{
    struct error ignored = ERROR_INIT;
    json_t *params = json_pack("[s, s]", task, "cancelled");

    (void)xapi_task_cancel(xapi, task, &ignored);
    error_clear(&ignored);
    if (params)
        (void)task_call_anyway(xapi, "task.set_status", params, &ignored);
    xapi_task_destroy(xapi, task);
}

/* --- following ----------------------------------------------------------------------------- */

struct follow {
    struct task_facts *facts;
    bool is_known;   /* facts hold the state */
    bool is_missing; /* an event without a record: look yourself */
};

static int follow_on_event(void *context, const char *ref, const json_t *snapshot,
                           struct error *err)
{
    struct follow *follow = context;

    (void)ref;
    follow->is_missing = !snapshot;
    if (!snapshot || (follow->is_known && follow->facts->status != TASK_PENDING))
        return 0;
    if (task_read_record(snapshot, follow->facts, err))
        return -1;
    follow->is_known = true;
    return 0;
}

void task_follower_init(struct task_follower *follower, const char *task)
{
    CLEAN_CHAR char *what = str_format("task/%s", task);

    follower->task = mem_dup(task);
    event_stream_init(&follower->events, what);
    follower->poll_ms = TASK_POLL_FIRST_MS;
    follower->is_polling = false;
}

void task_follower_done(struct task_follower *follower)
{
    free(follower->task);
    event_stream_done(&follower->events);
}

static int follower_poll(struct xapi *xapi, struct task_follower *follower, int64_t timeout_ms,
                         struct task_facts *facts, struct error *err)
{
    if (xapi_sleep(xapi, timeout_ms < follower->poll_ms ? timeout_ms : follower->poll_ms, err))
        return -1;
    follower->poll_ms =
        follower->poll_ms * 2 < TASK_POLL_MAX_MS ? follower->poll_ms * 2 : TASK_POLL_MAX_MS;
    return xapi_task_look(xapi, follower->task, facts, err);
}

int task_follower_next(struct xapi *xapi, struct task_follower *follower, int64_t timeout_ms,
                       struct task_facts *facts, struct error *err)
{
    struct follow follow = {.facts = facts};
    struct error failure = ERROR_INIT;
    size_t n = 0;

    if (follower->is_polling)
        return follower_poll(xapi, follower, timeout_ms, facts, err);
    if (event_next(xapi, &follower->events, timeout_ms, follow_on_event, &follow, &n, &failure)) {
        if (failure.code == ERROR_UNSUPPORTED || failure.code == ERROR_PROTOCOL) {
            follower->is_polling = true;
            return xapi_task_look(xapi, follower->task, facts, err);
        }
        if (err)
            *err = failure;
        return -1;
    }
    bool has_ended = follow.is_known && facts->status != TASK_PENDING;

    if (has_ended || (follow.is_known && !follow.is_missing))
        return 0;
    return xapi_task_look(xapi, follower->task, facts, err);
}

static int64_t now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

/* Until it ended; the task is left alone on failure. */
static int task_follow(struct xapi *xapi, const char *task, int64_t timeout_ms,
                       struct task_facts *facts, struct error *err)
{
    CLEANUP(task_follower_done) struct task_follower follower = {0};
    int64_t end_ms = now_ms() + timeout_ms;
    char text[NUM_TEXT_MAX];

    task_follower_init(&follower, task);
    for (;;) {
        int64_t left_ms = timeout_ms ? end_ms - now_ms() : EVENT_WAIT_MAX_MS;

        if (task_follower_next(xapi, &follower, left_ms > 0 ? left_ms : 0, facts, err))
            return -1;
        if (facts->status != TASK_PENDING)
            return 0;
        if (timeout_ms && now_ms() >= end_ms)
            return error_set(err, ERROR_TIMEOUT, "its task did not end within %s",
                             num_format_duration(timeout_ms, text));
    }
}

int xapi_task_follow(struct xapi *xapi, const char *task, int64_t timeout_ms,
                     struct task_facts *ret_facts, struct error *err)
{
    struct error own = ERROR_INIT;
    CLEAN_TASK_FACTS struct task_facts facts = {0};

    if (!err)
        err = &own;
    if (task_follow(xapi, task, timeout_ms, &facts, err)) {
        if (err->code == ERROR_TIMEOUT || err->code == ERROR_CANCELLED)
            xapi_task_cancel(xapi, task, NULL);
        return -1;
    }
    *ret_facts = facts;
    memset(&facts, 0, sizeof facts);
    return 0;
}

/* A wish to stop that is heard in front of a call at once, and in it only when no answer comes. */
struct patience {
    xapi_cancel_fn *cancel;
    void *context;
    int64_t until_ms; /* 0: not heard yet */
};

static bool is_patience_over(void *context)
{
    struct patience *patience = context;

    if (!patience->cancel || !patience->cancel(patience->context))
        return false;
    if (patience->until_ms == 0)
        patience->until_ms = now_ms() + TASK_CLEANUP_MS;
    return now_ms() >= patience->until_ms;
}

/* The answer alone tells what was begun: who leaves before it comes cleans up in front of what the
 * pool has yet to make. */
int xapi_start_async(struct xapi *xapi, const char *method, json_t *params_take, char **ret_task,
                     struct error *err)
{
    struct patience patience = {.cancel = xapi->cancel, .context = xapi->cancel_context};
    CLEAN_CHAR char *name = str_format("Async.%s", method);
    CLEAN_JSON json_t *task = NULL;

    if (patience.cancel && patience.cancel(patience.context)) {
        json_decref(params_take);
        return error_set(err, ERROR_CANCELLED, "cancelled");
    }
    xapi_set_cancel(xapi, is_patience_over, &patience);
    int result = xapi_call_params(xapi, name, params_take, 0, &task, err);

    xapi_set_cancel(xapi, patience.cancel, patience.context);
    if (result)
        return -1;
    if (!json_is_string(task))
        return error_set(err, ERROR_PROTOCOL, "%s gave no task", name);
    *ret_task = mem_dup(json_string_value(task));
    return 0;
}

/* What was cancelled may go on for a while: what it makes is looked for behind its end. */
static void task_let_end(struct xapi *xapi, const char *task)
{
    CLEAN_TASK_FACTS struct task_facts facts = {0};
    xapi_cancel_fn *cancel = xapi->cancel;
    void *context = xapi->cancel_context;
    struct error ignored = ERROR_INIT;

    xapi_set_cancel(xapi, NULL, NULL);
    (void)task_follow(xapi, task, TASK_CLEANUP_MS, &facts, &ignored);
    xapi_set_cancel(xapi, cancel, context);
}

static int async_run(struct xapi *xapi, const char *method, json_t *params_take, int64_t timeout_ms,
                     char **ret_value, struct error *err)
{
    CLEAN_TASK_FACTS struct task_facts facts = {0};
    CLEAN_CHAR char *task = NULL;

    if (xapi_start_async(xapi, method, params_take, &task, err))
        return -1;
    int result = xapi_task_follow(xapi, task, timeout_ms, &facts, err);

    if (result && err->code == ERROR_CANCELLED)
        task_let_end(xapi, task);
    xapi_task_destroy(xapi, task);
    if (result || task_facts_check(&facts, err))
        return error_add(err, "%s", method);
    if (ret_value)
        *ret_value = mem_dup(facts.result.n ? facts.result.items[0] : "");
    return 0;
}

int xapi_run_async(struct xapi *xapi, char **ret_value, struct error *err, int64_t timeout_ms,
                   const char *method, const char *format, ...)
{
    struct error own = ERROR_INIT;
    json_error_t error;
    va_list args;

    va_start(args, format);
    json_t *params = format ? json_vpack_ex(&error, 0, format, args) : json_array();

    va_end(args);
    if (!err)
        err = &own;
    if (!params)
        return error_set(err, ERROR_BAD_INPUT, "%s: bad arguments: %s", method, error.text);
    return async_run(xapi, method, params, timeout_ms, ret_value, err);
}
