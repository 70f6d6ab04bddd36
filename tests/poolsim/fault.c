/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of faults: which one fits, and playing those of calls. Faults stay in the list when
 * they are used up, so that a test can ask what they did; fault.clear removes them.
 */
#include "tests/poolsim/fault.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "tests/poolsim/store_inside.h"
#include "tests/poolsim/task.h"

#include "common/base/poison.h"

struct sim_faults {
    struct fault *first;
    struct fault *cleared; /* kept for those that still wait in them */
    int next_id;
};

struct sim_faults *faults_new(void)
{
    return mem_zero(1, sizeof(struct sim_faults));
}

static void fault_list_free(struct fault *fault)
{
    while (fault) {
        struct fault *next = fault->next;
        free(fault->method);
        free(fault->object);
        free(fault->host);
        free(fault->originator);
        text_list_done(&fault->error);
        free(fault);
        fault = next;
    }
}

void faults_free(struct sim_faults *faults)
{
    if (!faults)
        return;
    fault_list_free(faults->first);
    fault_list_free(faults->cleared);
    free(faults);
}

/* --- which fits --- */

static const struct object *find_any_class(struct pool *pool, const char *ref)
{
    for (int class = 0; class < CLASSES_N; class ++) {
        const struct object *object = store_find(pool, (enum class_id) class, ref);
        if (object)
            return object;
    }
    return NULL;
}

bool fault_names(struct pool *pool, const char *wanted, const char *ref)
{
    const struct object *object;
    enum field_id field;

    if (strcmp(wanted, ref) == 0)
        return true;
    object = str_starts(ref, "OpaqueRef:") ? find_any_class(pool, ref) : NULL;
    if (!object)
        return false;
    if (strcmp(object_uuid(object), wanted) == 0)
        return true;
    return schema_find_field(object_class(object), "name_label", &field) &&
           strcmp(object_text(object, field), wanted) == 0;
}

static bool fits_params(struct pool *pool, const struct fault *fault, const json_t *params)
{
    size_t i;
    json_t *item;

    if (!fault->object)
        return true;
    json_array_foreach(
        (json_t *)(uintptr_t)params, i,
        item) if (json_is_string(item) &&
                  fault_names(pool, fault->object, json_string_value(item))) return true;
    return false;
}

static struct fault *find_for_call(struct call *call)
{
    struct pool *pool = call->pool;
    const struct object *session = store_find(pool, CLASS_session, call->session_ref);

    for (struct fault *fault = pool->faults->first; fault; fault = fault->next) {
        if (fault->action != FAULT_CALL || fault->left == 0 ||
            (fault->method && strcmp(fault->method, call->name) != 0) ||
            (fault->host && pool_host_by_name(pool, fault->host) != call->asked) ||
            (fault->originator &&
             (!session ||
              strcmp(fault->originator, object_text(session, F_session_originator)) != 0)) ||
            !fits_params(pool, fault, call->params))
            continue;
        return fault;
    }
    return NULL;
}

static void use(struct fault *fault)
{
    fault->hits++;
    if (fault->left > 0)
        fault->left--;
}

struct fault *fault_of_stream(struct pool *pool, const struct host *host, const char *kind,
                              const char *ref)
{
    for (struct fault *fault = pool->faults->first; fault; fault = fault->next) {
        if (fault->action == FAULT_CALL || fault->left == 0 ||
            (fault->method && strcmp(fault->method, kind) != 0) ||
            (fault->host && pool_host_by_name(pool, fault->host) != host) ||
            (fault->object && !fault_names(pool, fault->object, ref)))
            continue;
        use(fault);
        return fault;
    }
    return NULL;
}

/* --- playing those of calls --- */

static void play_wait(struct pool *pool, struct fault *fault)
{
    int64_t deadline = pool_now_ms() + fault->delay_ms;

    fault->held++;
    pool_notify(pool);
    while (!pool->is_ending && fault->delay_ms && !fault->is_released && pool_now_ms() < deadline)
        pool_wait_until(pool, deadline);
    while (!pool->is_ending && fault->is_hold && !fault->is_released)
        pool_wait_until(pool, INT64_MAX);
    fault->held--;
}

/* One wait, then the error or the cut. */
static int play(struct call *call, struct fault *fault, int result)
{
    use(fault);
    play_wait(call->pool, fault);
    if (fault->is_drop)
        call->drops_connection = true;
    if (fault->error.n) {
        text_list_copy(&call->failure->params, &fault->error);
        return -1;
    }
    return fault->is_drop && !fault->is_after ? -1 : result;
}

int fault_before_call(struct call *call)
{
    struct fault *fault = find_for_call(call);

    return fault && !fault->is_after ? play(call, fault, 0) : 0;
}

int fault_after_call(struct call *call, int result)
{
    struct fault *fault = find_for_call(call);

    return fault && fault->is_after ? play(call, fault, result) : result;
}

int fault_of_driver(struct pool *pool, const char *step, const char *vdi_ref,
                    struct failure *failure)
{
    for (struct fault *fault = pool->faults->first; fault; fault = fault->next) {
        if (fault->action != FAULT_CALL || fault->left == 0 || !fault->method ||
            strcmp(fault->method, step) != 0 ||
            (fault->object && !fault_names(pool, fault->object, vdi_ref)))
            continue;
        use(fault);
        play_wait(pool, fault);
        if (fault->error.n) {
            text_list_copy(&failure->params, &fault->error);
            return -1;
        }
        return 0;
    }
    return 0;
}

/* --- control --- */

static const struct {
    const char *name;
    enum fault_action action;
} actions[] = {
    {"call", FAULT_CALL},
    {"cut", FAULT_CUT},
    {"reset", FAULT_RESET},
    {"corrupt", FAULT_CORRUPT},
    {"stall", FAULT_STALL},
    {"slow", FAULT_SLOW},
    {"pad", FAULT_PAD},
    {"late_500", FAULT_LATE_500},
    {"task_fails", FAULT_TASK_FAILS},
    {"no_reply", FAULT_NO_REPLY},
    {"source_short", FAULT_SOURCE_SHORT},
    {"source_eio", FAULT_SOURCE_EIO},
    {"attach_fails", FAULT_ATTACH_FAILS},
    {"detach_fails", FAULT_DETACH_FAILS},
    {"child_killed", FAULT_CHILD_KILLED},
};
#define ACTIONS_N (sizeof actions / sizeof *actions)

static char *text_of(const json_t *params, const char *name)
{
    return mem_dup(json_string_value(json_object_get(params, name)));
}

static int read_texts(const json_t *params, struct fault *fault, struct error *err)
{
    const char *hold = json_string_value(json_object_get(params, "hold"));
    const char *drop = json_string_value(json_object_get(params, "drop"));
    const char *when = json_string_value(json_object_get(params, "when"));
    const json_t *error = json_object_get(params, "error");
    size_t i;
    json_t *item;

    fault->is_hold = hold != NULL || json_is_true(json_object_get(params, "hold"));
    fault->is_drop = drop != NULL || json_is_true(json_object_get(params, "drop"));
    fault->is_after = (hold && !strcmp(hold, "after")) || (drop && !strcmp(drop, "after")) ||
                      (when && !strcmp(when, "after"));
    if (error && !json_is_array(error))
        return error_set(err, ERROR_USAGE, "error: an array of texts, the code first");
    json_array_foreach((json_t *)(uintptr_t)error, i, item)
    {
        if (!json_is_string(item))
            return error_set(err, ERROR_USAGE, "error[%zu]: a text", i);
        text_list_add(&fault->error, json_string_value(item));
    }
    return 0;
}

static struct fault *fault_read(const json_t *params, struct error *err)
{
    struct fault *fault = mem_zero(1, sizeof *fault);
    const char *action = json_string_value(json_object_get(params, "action"));
    const json_t *count = json_object_get(params, "count");
    const json_t *disk = json_object_get(params, "disk");
    size_t i = 0;

    while (i < ACTIONS_N && strcmp(actions[i].name, action ? action : "call") != 0)
        i++;
    if (i == ACTIONS_N || read_texts(params, fault, err)) {
        if (i == ACTIONS_N)
            error_set(err, ERROR_USAGE, "action: %s is none of those in README.md", action);
        fault_list_free(fault);
        return NULL;
    }
    fault->action = actions[i].action;
    fault->method = text_of(params, fault->action == FAULT_CALL ? "method" : "stream");
    fault->object = text_of(params, "object");
    fault->host = text_of(params, "host");
    fault->originator = text_of(params, "originator");
    fault->left = count ? (int)json_integer_value(count) : 1;
    if (fault->left == 0)
        fault->left = -1;
    fault->delay_ms = json_integer_value(json_object_get(params, "delay_ms"));
    fault->at_byte = (uint64_t)json_integer_value(json_object_get(params, "at_byte"));
    fault->bytes = (uint64_t)json_integer_value(json_object_get(params, "bytes"));
    fault->rate_bytes_per_s =
        (uint64_t)json_integer_value(json_object_get(params, "rate_bytes_per_s"));
    fault->disk = disk ? (int)json_integer_value(disk) : -1;
    return fault;
}

static struct fault *fault_by_id(struct pool *pool, const json_t *params, struct error *err)
{
    json_int_t id = json_integer_value(json_object_get(params, "id"));

    for (struct fault *fault = pool->faults->first; fault; fault = fault->next)
        if (fault->id == id)
            return fault;
    error_set(err, ERROR_NOT_FOUND, "id: there is no fault %lld", (long long)id);
    return NULL;
}

static int control_inject(struct pool *pool, const json_t *params, json_t **ret_result,
                          struct error *err)
{
    struct fault *fault = fault_read(params, err);
    struct fault **at = &pool->faults->first;

    if (!fault)
        return -1;
    while (*at)
        at = &(*at)->next;
    *at = fault;
    fault->id = ++pool->faults->next_id;
    *ret_result = json_integer(fault->id);
    return 0;
}

static json_t *fault_show(const struct fault *fault)
{
    size_t i = 0;

    while (actions[i].action != fault->action)
        i++;
    return json_pack("{s:i, s:s, s:s*, s:s*, s:i, s:i, s:i}", "id", fault->id, "action",
                     actions[i].name, "method", fault->method, "object", fault->object, "left",
                     fault->left, "hits", fault->hits, "held", fault->held);
}

static int control_list(struct pool *pool, json_t **ret_result)
{
    *ret_result = json_array();
    for (const struct fault *fault = pool->faults->first; fault; fault = fault->next)
        json_array_append_new(*ret_result, fault_show(fault));
    return 0;
}

/* Without an id: all. Whoever waits in them goes on. */
static int control_clear(struct pool *pool, const json_t *params, json_t **ret_result)
{
    const json_t *id = json_object_get(params, "id");
    struct fault **at = &pool->faults->first;

    while (*at) {
        struct fault *fault = *at;
        if (id && fault->id != json_integer_value(id)) {
            at = &fault->next;
            continue;
        }
        *at = fault->next;
        fault->is_released = true;
        fault->left = 0;
        fault->next = pool->faults->cleared;
        pool->faults->cleared = fault;
    }
    pool_notify(pool);
    *ret_result = json_true();
    return 0;
}

static int control_release(struct pool *pool, const json_t *params, json_t **ret_result,
                           struct error *err)
{
    struct fault *fault = fault_by_id(pool, params, err);

    if (!fault)
        return -1;
    fault->is_released = true;
    pool_notify(pool);
    *ret_result = fault_show(fault);
    return 0;
}

/* Until a call or stream waits in the fault, or it was used "hits" times. */
static int control_wait(struct pool *pool, const json_t *params, json_t **ret_result,
                        struct error *err)
{
    const json_t *timeout = json_object_get(params, "timeout_ms");
    const json_t *hits = json_object_get(params, "hits");
    int64_t deadline = pool_now_ms() + (timeout ? json_integer_value(timeout) : 10000);

    for (;;) {
        struct fault *fault = fault_by_id(pool, params, err);
        if (!fault)
            return -1;
        if (hits ? fault->hits >= json_integer_value(hits) : fault->held > 0) {
            *ret_result = fault_show(fault);
            return 0;
        }
        if (pool->is_ending || pool_now_ms() >= deadline)
            return error_set(err, ERROR_TIMEOUT, "nothing came to fault %d in time (hits %d)",
                             fault->id, fault->hits);
        pool_wait_until(pool, deadline);
    }
}

int fault_control(struct pool *pool, const char *method, const json_t *params, json_t **ret_result,
                  struct error *err)
{
    if (strcmp(method, "fault.inject") == 0)
        return control_inject(pool, params, ret_result, err);
    if (strcmp(method, "fault.list") == 0)
        return control_list(pool, ret_result);
    if (strcmp(method, "fault.clear") == 0)
        return control_clear(pool, params, ret_result);
    if (strcmp(method, "fault.release") == 0)
        return control_release(pool, params, ret_result, err);
    if (strcmp(method, "fault.wait") == 0)
        return control_wait(pool, params, ret_result, err);
    return error_set(err, ERROR_NOT_FOUND, "there is no control call %s", method);
}
