/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XAPI's order: name, number of arguments, their types, session, then the method itself.
 */
#include "tests/poolsim/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "tests/poolsim/call_log.h"
#include "tests/poolsim/fault.h"
#include "tests/poolsim/session.h"
#include "tests/poolsim/task.h"
#include "tests/poolsim/value.h"

#include "common/base/poison.h"

#define STACK_BYTES (512UL << 10)

static const struct method_row *const method_tables[] = {
    session_methods, task_methods,     event_methods,    pool_methods, host_methods,
    vm_methods,      vm_power_methods, vm_place_methods, vdi_methods,  cbt_methods,
    sr_methods,      device_methods,   message_methods,  vtpm_methods,
    vm_ask_methods,  vm_import_methods, migrate_methods, minor_methods};

static method_fn *find_method(const struct message *message)
{
    for (size_t i = 0; i < sizeof method_tables / sizeof *method_tables; i++)
        for (const struct method_row *row = method_tables[i]; row->name; row++)
            if (strcmp(row->name, message->name) == 0)
                return row->run;
    return generic_method(message);
}

/* "VM.snapshot", or "VM_snapshot" with one of its underscores meant as the dot. */
static const struct message *find_message(const struct pool *pool, const char *name)
{
    const struct message *message = schema_find_message(name);

    for (const char *at = strchr(name, '_'); !message && !strchr(name, '.') && at;
         at = strchr(at + 1, '_')) {
        CLEAN_CHAR char *dotted = mem_dup(name);
        dotted[at - name] = '.';
        message = schema_find_message(dotted);
    }
    if (message && message->since > pool->profile->since_max)
        return NULL;
    return message;
}

static int count_mismatch(const struct message *message, int got, struct failure *failure)
{
    CLEAN_CHAR char *expected_text = str_format("%d", message->required_n);
    CLEAN_CHAR char *got_text = str_format("%d", got);

    return failure_set(failure, "MESSAGE_PARAMETER_COUNT_MISMATCH", message->name, expected_text,
                       got_text, NULL);
}

/* How many the profile's version of the message takes: ignore_vdis came later. */
static int params_of(const struct pool *pool, const struct message *message)
{
    if (!pool->profile->has_ignore_vdis && strcmp(message->name, "VM.snapshot") == 0)
        return 2;
    return message->params_n;
}

static int check_params(const struct pool *pool, const struct message *message, json_t *params,
                        struct failure *failure)
{
    struct type text = {.kind = KIND_TEXT, .of = ""};
    int got = (int)json_array_size(params) - (message->has_session ? 1 : 0);
    int takes = params_of(pool, message);

    if (got < message->required_n || (takes == message->required_n && got > takes))
        return count_mismatch(message, got, failure);
    if (message->has_session && value_check(json_array_get(params, 0), &text, failure))
        return -1;
    for (int i = 0; i < got && i < takes; i++)
        if (value_check(json_array_get(params, (size_t)(i + message->has_session)),
                        &message->params[i].type, failure))
            return -1;
    return 0;
}

static const char *master_address(struct pool *pool)
{
    const struct object *master = store_find(pool, CLASS_host, pool->master->ref);

    return master ? object_text(master, F_host_address) : "";
}

static bool is_login(const char *name)
{
    return str_starts(name, "session.login") || strcmp(name, "session.logout") == 0;
}

static bool is_local_call(const char *name)
{
    return str_starts(name, "session.slave_local_login") ||
           strcmp(name, "session.local_logout") == 0 || strcmp(name, "system.listMethods") == 0;
}

/* Where the call runs: on a slave's TCP side it does not, on its socket the master does it. */
static int check_place(struct incoming *incoming, const char *name, struct host **ret_host)
{
    struct host *host = incoming->request->host;
    struct pool *pool = host->pool;

    *ret_host = host;
    if (host->is_emergency) {
        incoming->shape = SHAPE_EARLY;
        return failure_set(incoming->failure, "HOST_STILL_BOOTING", NULL);
    }
    if (pool_is_master(host) || is_local_call(name))
        return 0;
    if (incoming->request->transport != TRANSPORT_UNIX)
        return failure_set(incoming->failure, "HOST_IS_SLAVE", master_address(pool), NULL);
    if (is_login(name) && strcmp(name, "session.logout") != 0)
        return 0;
    incoming->shape = SHAPE_ARRAY;
    while ((pool->master->is_down || pool->master->is_silent) && !pool->is_ending)
        pool_wait_until(pool, INT64_MAX); /* as recorded: the forwarded call waits for its master */
    *ret_host = pool->master;
    return 0;
}

static int finish_result(struct call *call, int result)
{
    result = fault_after_call(call, result);
    if (result == 0 && !call->answer->is_set)
        answer_void(call->answer);
    return result;
}

static int run_method(struct call *call, method_fn *run)
{
    if (fault_before_call(call))
        return -1;
    return finish_result(call, run(call));
}

struct background {
    struct call call;
    method_fn *run;
    struct answer answer;
    struct failure failure;
    char *user_agent;
};

static void *background_run(void *context)
{
    struct background *background = context;
    struct call *call = &background->call;
    struct pool *pool = call->pool;
    int result;

    pool_lock(pool);
    result = run_method(call, background->run);
    if (result == 0) {
        task_complete(pool, call->task_ref, str_text(&call->answer->text));
    } else if (strcmp(failure_code(call->failure), "TASK_CANCELLED") == 0) {
        task_cancelled(pool, call->task_ref);
    } else {
        task_fail(pool, call->task_ref, failure_params(call->failure));
    }
    pool->background_n--;
    pool_notify(pool);
    pool_unlock(pool);
    json_decref(call->params);
    answer_done(&background->answer);
    failure_done(&background->failure);
    free(background->user_agent);
    free(background);
    return NULL;
}

/* The task is made and its reference is the answer; the rest goes on in a thread. */
static int start_background(const struct call *call, method_fn *run)
{
    struct background *background = mem_zero(1, sizeof *background);
    struct pool *pool = call->pool;
    CLEAN_CHAR char *label = str_format("Async.%s", call->name);
    struct object *task = task_make(call->host, label, "", call->session_ref);
    CLEAN_TEXT_MAP struct text_map config = TEXT_MAP_INIT;
    pthread_attr_t attributes;
    pthread_t thread;

    request_task_config(call->request, &config);
    if (config.n > 0)
        object_set_map(pool, task, F_task_other_config, &config);
    answer_text(call->answer, object_ref(task));
    background->call = *call;
    background->call.request = NULL;
    background->run = run;
    background->call.params = json_deep_copy(call->params);
    background->call.answer = &background->answer;
    background->call.failure = &background->failure;
    background->user_agent = mem_dup(call->user_agent);
    background->call.user_agent = background->user_agent;
    answer_init(&background->answer, ENCODING_XML);
    str_copy(background->call.task_ref, REF_MAX, object_ref(task));
    task_set_cancellable(pool, object_ref(task), true);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pool->background_n++;
    if (pthread_create(&thread, &attributes, background_run, background)) {
        const char *const params[] = {"INTERNAL_ERROR", "no thread for the call", NULL};
        pool->background_n--;
        task_fail(pool, object_ref(task), params);
        json_decref(background->call.params);
        answer_done(&background->answer);
        free(background->user_agent);
        free(background);
    }
    pthread_attr_destroy(&attributes);
    return 0;
}

static void list_methods(struct pool *pool, struct answer *answer)
{
    answer_begin_set(answer);
    for (size_t i = 0; i < schema_messages_n(); i++) {
        const struct message *message = schema_message_at(i);
        if (message->since <= pool->profile->since_max)
            answer_text(answer, message->name);
    }
    answer_end_set(answer);
}

static int not_played(struct call *call)
{
    return failure_set(call->failure, "NOT_IMPLEMENTED", call->name, NULL);
}

/* Recording 434: a code that is no XAPI error. */
static int no_async(const struct incoming *incoming, const char *name)
{
    CLEAN_CHAR char *text = str_format("No async mode for this operation (rpc: %s)", name);

    return failure_set(incoming->failure, "Fault", text, NULL);
}

static int dispatch_message(struct incoming *incoming, struct call *call, const char *name,
                            bool is_async)
{
    const struct message *message = find_message(call->pool, name);
    method_fn *run;

    if (!message)
        return failure_set(incoming->failure, "MESSAGE_METHOD_UNKNOWN", name, NULL);
    call->name = message->name;
    call->message = message;
    if (is_async && !message->has_async)
        return no_async(incoming, name);
    if (message->removed && message->removed <= call->pool->profile->since_max)
        return failure_set(incoming->failure, "MESSAGE_REMOVED", NULL);
    if (check_params(call->pool, message, incoming->params, incoming->failure) ||
        check_place(incoming, message->name, &call->host))
        return -1;
    call->params = json_copy(incoming->params);
    if (message->has_session) {
        str_copy(call->session_ref, REF_MAX, json_string_value(json_array_get(call->params, 0)));
        json_array_remove(call->params, 0);
        if (session_check(call->pool, call->session_ref, incoming->failure))
            return -1;
    }
    call_log_add(call);
    run = find_method(message);
    if (!run)
        run = not_played;
    return is_async ? start_background(call, run) : run_method(call, run);
}

/* The name behind "Async." or XAPI's own "InternalAsync.". */
static const char *without_prefix(const char *method)
{
    static const char *const prefixes[] = {"Async.", "InternalAsync."};

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (str_starts(method, prefixes[i]))
            return method + strlen(prefixes[i]);
    return method;
}

void dispatch(struct incoming *incoming)
{
    struct pool *pool = incoming->request->pool;
    const char *agent = request_header(incoming->request, "user-agent");
    const char *name = without_prefix(incoming->method);
    bool is_async = name != incoming->method;
    char uuid[UUID_TEXT_MAX];
    struct call call = {.pool = pool,
                        .asked = incoming->request->host,
                        .host = incoming->request->host,
                        .transport = incoming->request->transport,
                        .user_agent = agent ? agent : "",
                        .request = incoming->request,
                        .answer = incoming->answer,
                        .failure = incoming->failure};
    CLEAN_CHAR char *dummy = str_format("DummyRef:|%s|%s", random_uuid(pool->random, uuid), name);

    str_copy(call.task_ref, REF_MAX, dummy);
    pool_lock(pool);
    session_collect_garbage(pool);
    if (strcmp(incoming->method, "system.listMethods") == 0)
        list_methods(pool, incoming->answer);
    else
        dispatch_message(incoming, &call, name, is_async);
    incoming->drops_connection = call.drops_connection;
    pool_unlock(pool);
    json_decref(call.params);
}

/* --- what methods read --- */

const json_t *call_value(const struct call *call, int index)
{
    return json_array_get(call->params, (size_t)index);
}

const char *call_text(const struct call *call, int index)
{
    const char *text = json_string_value(call_value(call, index));

    return text ? text : "";
}

int64_t call_int(const struct call *call, int index)
{
    const json_t *value = call_value(call, index);

    return value ? value_int(value) : 0;
}

bool call_bool(const struct call *call, int index)
{
    return json_is_true(call_value(call, index));
}

void call_set(const struct call *call, int index, struct text_list *ret_items)
{
    size_t i;
    json_t *item;

    json_array_foreach((json_t *)(uintptr_t)call_value(call, index), i, item)
        text_list_add_take(ret_items, value_text(item));
}

void call_map(const struct call *call, int index, struct text_map *ret_pairs)
{
    const char *key;
    json_t *item;

    json_object_foreach((json_t *)(uintptr_t)call_value(call, index), key, item)
    {
        CLEAN_CHAR char *text = value_text(item);
        text_map_set(ret_pairs, key, text);
    }
}

int call_handle_invalid(struct call *call, const char *class_name, const char *ref)
{
    return failure_set(call->failure, "HANDLE_INVALID", class_name, ref, NULL);
}

struct object *call_object(struct call *call, int index, enum class_id class)
{
    const char *ref = call_text(call, index);
    struct object *object = store_find(call->pool, class, ref);

    if (!object)
        call_handle_invalid(call, schema_class(class)->name, ref);
    return object;
}
