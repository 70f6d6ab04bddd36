/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * event.from, event.inject and the deprecated event.next.
 *
 * The store keeps its objects in order of last change, so what happened since a token is the tail
 * of that list: each object once, with its last state. Deletions stand in a ring beside it.
 * Source: xapi_event.ml (contract 2.2); recordings 437-464.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/session.h"
#include "tests/poolsim/store_inside.h"
#include "tests/poolsim/value.h"

#include "common/base/poison.h"

#define BATCH_MS 50

struct subscription {
    bool is_all;
    bool classes[CLASSES_N];
    struct text_list objects; /* references of "class/ref" */
    bool is_tasks_only;
};

static int subscribe(struct call *call, struct subscription *subscription)
{
    size_t i;
    json_t *item;

    subscription->is_tasks_only = true;
    json_array_foreach((json_t *)(uintptr_t)call_value(call, 0), i, item)
    {
        CLEAN_CHAR char *text = mem_dup(json_string_value(item));
        char *slash = strchr(text, '/');
        enum class_id class;
        if (strcmp(text, "*") == 0) {
            subscription->is_all = true;
            subscription->is_tasks_only = false;
            continue;
        }
        if (slash && !*(slash + 1))
            return failure_set(call->failure, "EVENT_SUBSCRIPTION_PARSE_FAILURE", text, NULL);
        if (slash)
            *slash = '\0';
        if (!schema_find_class_any_case(text, &class))
            continue; /* as recorded: no error, no events */
        if (class != CLASS_task)
            subscription->is_tasks_only = false;
        if (slash)
            text_list_add(&subscription->objects, slash + 1);
        else
            subscription->classes[class] = true;
    }
    return 0;
}

static bool is_wanted(const struct pool *pool, const struct subscription *subscription,
                      enum class_id class, const char *ref)
{
    const struct class_schema *schema = schema_class(class);

    if (!schema->has_events || schema->since > pool->profile->since_max)
        return false;
    return subscription->is_all || subscription->classes[class] ||
           text_list_has(&subscription->objects, ref);
}

static void add_lower(struct str *out, const char *text)
{
    for (; *text; text++)
        str_add_char(out, (char)(*text >= 'A' && *text <= 'Z' ? *text + 32 : *text));
}

static void write_event(struct answer *answer, struct pool *pool, uint64_t id, enum class_id class,
                        const char *operation, const char *ref, const struct object *snapshot)
{
    CLEAN_STR struct str text = STR_INIT;

    answer_begin_map(answer);
    str_add_format(&text, "%llu", (unsigned long long)id);
    answer_key(answer, "id");
    answer_text(answer, str_text(&text));
    answer_key(answer, "timestamp");
    answer_text(answer, "0.0");
    str_clear(&text);
    add_lower(&text, schema_class(class)->name);
    answer_key(answer, "class");
    answer_text(answer, str_text(&text));
    answer_key(answer, "operation");
    answer_text(answer, operation);
    answer_key(answer, "ref");
    answer_text(answer, ref);
    if (snapshot) {
        answer_key(answer, "snapshot");
        answer_record(answer, pool, snapshot);
    }
    answer_end_map(answer);
}

static size_t deletions_since(const struct store *store, uint64_t since)
{
    size_t n = store->deletions_n;

    while (n > 0 && store->deletions_n - n < DELETED_MAX &&
           store->deletions[(n - 1) % DELETED_MAX].changed_n > since)
        n--;
    return n;
}

/* A deletion is told to those who can know the object: what came and went behind the token is not.
 */
static bool is_told(const struct pool *pool, const struct subscription *subscription,
                    const struct deletion *deletion, uint64_t since)
{
    return deletion->made_n <= since &&
           is_wanted(pool, subscription, deletion->class, deletion->ref);
}

static bool has_news(struct pool *pool, const struct subscription *subscription, uint64_t since)
{
    const struct store *store = pool->store;

    for (const struct object *object = store->newest; object && object->changed_n > since;
         object = object->change_prev)
        if (is_wanted(pool, subscription, object->class, object->ref))
            return true;
    for (size_t i = deletions_since(store, since); i < store->deletions_n; i++)
        if (is_told(pool, subscription, &store->deletions[i % DELETED_MAX], since))
            return true;
    return false;
}

static void write_events(struct answer *answer, struct pool *pool,
                         const struct subscription *subscription, uint64_t since)
{
    const struct store *store = pool->store;
    const struct object *first = store->newest;

    while (first && first->change_prev && first->change_prev->changed_n > since)
        first = first->change_prev;
    if (first && first->changed_n <= since)
        first = NULL;
    answer_begin_set(answer);
    for (int is_mod = 0; is_mod < 2; is_mod++)
        for (const struct object *object = first; object; object = object->change_next)
            if ((object->made_n <= since) == (is_mod == 1) &&
                is_wanted(pool, subscription, object->class, object->ref))
                write_event(answer, pool, object->changed_n, object->class, is_mod ? "mod" : "add",
                            object->ref, object);
    for (size_t i = deletions_since(store, since); i < store->deletions_n; i++) {
        const struct deletion *deletion = &store->deletions[i % DELETED_MAX];
        if (is_told(pool, subscription, deletion, since))
            write_event(answer, pool, deletion->changed_n, deletion->class, "del", deletion->ref,
                        NULL);
    }
    answer_end_set(answer);
}

static int compare_names_down(const void *a, const void *b)
{
    const enum class_id *left = a;
    const enum class_id *right = b;

    return strcmp(schema_class(*right)->name, schema_class(*left)->name);
}

/* XAPI's classes that its data model hides but its counts show. */
static void write_hidden_count(struct answer *answer, const struct pool *pool, enum class_id next)
{
    if (next != CLASS_DR_task || pool->profile->id == PROFILE_XS71)
        return;
    answer_key(answer, "diagnostics");
    answer_int32(answer, 0);
}

static void write_counts(struct answer *answer, struct pool *pool)
{
    enum class_id order[CLASSES_N];

    for (int i = 0; i < CLASSES_N; i++)
        order[i] = (enum class_id)i;
    qsort(order, CLASSES_N, sizeof *order, compare_names_down);
    answer_begin_map(answer);
    for (int i = 0; i < CLASSES_N; i++) {
        CLEAN_STR struct str name = STR_INIT;
        if (schema_class(order[i])->since > pool->profile->since_max)
            continue;
        write_hidden_count(answer, pool, order[i]);
        add_lower(&name, schema_class(order[i])->name);
        answer_key(answer, str_text(&name));
        /* Messages are no rows of the database. */
        answer_int32(answer, order[i] == CLASS_message ? 0 : (int64_t)store_count(pool, order[i]));
    }
    answer_end_map(answer);
}

static char *format_token(uint64_t change_n, uint64_t message_n)
{
    return str_format("%020llu,%020llu", (unsigned long long)change_n,
                      (unsigned long long)message_n);
}

/* Both numbers in decimal; an empty token is the beginning. */
static int parse_token(const char *token, uint64_t *ret_since)
{
    unsigned long long change_n;
    unsigned long long message_n;
    char behind;

    if (!*token) {
        *ret_since = 0;
        return 0;
    }
    if (sscanf(token, "%llu,%llu%c", &change_n, &message_n, &behind) != 2)
        return -1;
    *ret_since = change_n;
    return 0;
}

/* XAPI's sweep of the database says now and then that the pool's record changed, so that a watcher
 * of it never waits for ever. Source: db_gc_util.ml, xapi_event.ml (heartbeat). */
static void beat(struct pool *pool)
{
    if (pool_now_ms() < pool->beat_next_ms)
        return;
    pool->beat_next_ms = pool_now_ms() + pool->heartbeat_ms;
    object_touch(pool, store_find(pool, CLASS_pool, pool->pool_ref));
}

static int wait_for_news(struct call *call, const struct subscription *subscription, uint64_t since)
{
    struct pool *pool = call->pool;
    double timeout_s = value_float(call_value(call, 2));
    int64_t deadline = pool_now_ms() + (int64_t)(timeout_s * 1000);
    int64_t batch_end;

    beat(pool);
    while (!has_news(pool, subscription, since)) {
        if (pool->is_ending || pool_now_ms() >= deadline)
            break;
        pool_wait_until(pool, pool->beat_next_ms < deadline ? pool->beat_next_ms : deadline);
        beat(pool);
        if (session_check(pool, call->session_ref, call->failure))
            return -1;
    }
    /* A moment more, so that changes that belong together come together. */
    batch_end = pool_now_ms() + BATCH_MS;
    if (since && !subscription->is_tasks_only && has_news(pool, subscription, since))
        while (!pool->is_ending && pool_wait_until(pool, batch_end))
            continue;
    return session_check(pool, call->session_ref, call->failure);
}

static int from(struct call *call)
{
    struct pool *pool = call->pool;
    struct subscription subscription = {0};
    const char *token = call_text(call, 1);
    CLEAN_CHAR char *next = NULL;
    uint64_t since;
    int result = -1;

    if (parse_token(token, &since))
        return failure_set(call->failure, "EVENT_FROM_TOKEN_PARSE_FAILURE", token, NULL);
    if (subscribe(call, &subscription) == 0 && wait_for_news(call, &subscription, since) == 0) {
        answer_begin_map(call->answer);
        answer_key(call->answer, "events");
        write_events(call->answer, pool, &subscription, since);
        answer_key(call->answer, "valid_ref_counts");
        write_counts(call->answer, pool);
        answer_key(call->answer, "token");
        next = format_token(pool->store->change_n, pool->store->message_n);
        answer_text(call->answer, next);
        answer_end_map(call->answer);
        result = 0;
    }
    text_list_done(&subscription.objects);
    return result;
}

static int inject(struct call *call)
{
    struct pool *pool = call->pool;
    CLEAN_CHAR char *token = format_token(pool->store->change_n, pool->store->message_n);
    enum class_id class;
    struct object *object = NULL;

    if (schema_find_class(call_text(call, 0), &class))
        object = store_find(pool, class, call_text(call, 1));
    if (!object)
        return call_handle_invalid(call, call_text(call, 0), call_text(call, 1));
    object_touch(pool, object);
    answer_text(call->answer, token);
    return 0;
}

/* The old interface: one class (or \"*\") per session. */
static int registration(struct call *call)
{
    struct object *session = store_find(call->pool, CLASS_session, call->session_ref);
    bool is_out = strcmp(call->name, "event.unregister") == 0;
    size_t i;
    json_t *item;

    if (session)
        json_array_foreach((json_t *)(uintptr_t)call_value(call, 0), i, item)
        {
            if (is_out)
                text_map_set(&call->pool->registrations, call->session_ref, "");
            else
                text_map_set(&call->pool->registrations, call->session_ref,
                             json_string_value(item));
        }
    return 0;
}

static int next(struct call *call)
{
    struct pool *pool = call->pool;
    uint64_t since = pool->store->change_n;
    struct subscription subscription = {0};
    const char *name;
    enum class_id class;

    for (;;) {
        name = text_map_get(&pool->registrations, call->session_ref);
        memset(subscription.classes, 0, sizeof subscription.classes);
        subscription.is_all = name && strcmp(name, "*") == 0;
        if (name && schema_find_class_any_case(name, &class))
            subscription.classes[class] = true;
        if (pool->is_ending || has_news(pool, &subscription, since))
            break;
        pool_wait_until(pool, INT64_MAX);
        if (session_check(pool, call->session_ref, call->failure))
            return -1;
    }
    write_events(call->answer, pool, &subscription, since);
    pool->old_events_n++;
    return 0;
}

static int get_current_id(struct call *call)
{
    answer_int(call->answer, call->pool->old_events_n);
    return 0;
}

const struct method_row event_methods[] = {
    {"event.from", from},
    {"event.inject", inject},
    {"event.register", registration},
    {"event.unregister", registration},
    {"event.next", next},
    {"event.get_current_id", get_current_id},
    {NULL, NULL},
};
