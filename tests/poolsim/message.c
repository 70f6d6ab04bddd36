/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages: what XAPI tells people. They are no rows of its database, so they are not counted and
 * come only through message calls; the newest is given first.
 */
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/rpc.h"

#include "common/base/poison.h"

#define MESSAGES_MAX      1000
#define PRIORITY_ORDINARY 5

static struct object *make(struct pool *pool, const char *name, int64_t priority, const char *cls,
                           const char *uuid, const char *body)
{
    struct object *message = store_create(pool, CLASS_message);
    char now[32];

    object_set_text(pool, message, F_message_name, name);
    object_set_int(pool, message, F_message_priority, priority);
    object_set_text(pool, message, F_message_cls, cls);
    object_set_text(pool, message, F_message_obj_uuid, uuid);
    object_set_text(pool, message, F_message_timestamp, pool_format_time(pool->master, now));
    object_set_text(pool, message, F_message_body, body);
    if (store_count(pool, CLASS_message) > MESSAGES_MAX)
        store_destroy(pool, store_first(pool, CLASS_message));
    return message;
}

void message_add(struct pool *pool, const char *name, const char *class_name,
                 const struct object *object, const char *body)
{
    make(pool, name, PRIORITY_ORDINARY, class_name, object_uuid(object), body);
}

static int create(struct call *call)
{
    struct object *message = make(call->pool, call_text(call, 0), call_int(call, 1),
                                  call_text(call, 2), call_text(call, 3), call_text(call, 4));

    answer_text(call->answer, object_ref(message));
    return 0;
}

static int destroy(struct call *call)
{
    struct object *message = call_object(call, 0, CLASS_message);

    if (!message)
        return -1;
    store_destroy(call->pool, message);
    return 0;
}

/* All of them, or none where one is not there. */
static int destroy_many(struct call *call)
{
    CLEAN_TEXT_LIST struct text_list refs = TEXT_LIST_INIT;

    call_set(call, 0, &refs);
    for (size_t i = 0; i < refs.n; i++)
        if (!store_find(call->pool, CLASS_message, refs.items[i]))
            return call_handle_invalid(call, "message", refs.items[i]);
    for (size_t i = 0; i < refs.n; i++) {
        struct object *message = store_find(call->pool, CLASS_message, refs.items[i]);
        if (message) /* not named twice */
            store_destroy(call->pool, message);
    }
    return 0;
}

static bool is_since(const struct object *message, int64_t since_at)
{
    int64_t at = 0;

    clock_parse_utc(object_text(message, F_message_timestamp), &at, NULL);
    return at > since_at;
}

static int get_since(struct call *call)
{
    struct pool *pool = call->pool;
    int64_t since_at = 0;

    clock_parse_utc(call_text(call, 0), &since_at, NULL);
    answer_begin_map(call->answer);
    for (struct object *message = store_first(pool, CLASS_message); message;
         message = store_next(pool, message)) {
        if (!is_since(message, since_at))
            continue;
        answer_key(call->answer, object_ref(message));
        answer_record(call->answer, pool, message);
    }
    answer_end_map(call->answer);
    return 0;
}

static int get_for_object(struct call *call)
{
    struct pool *pool = call->pool;
    int64_t since_at = 0;

    clock_parse_utc(call_text(call, 2), &since_at, NULL);
    answer_begin_map(call->answer);
    for (struct object *message = store_first(pool, CLASS_message); message;
         message = store_next(pool, message)) {
        if (strcmp(object_text(message, F_message_obj_uuid), call_text(call, 1)) != 0 ||
            !is_since(message, since_at))
            continue;
        answer_key(call->answer, object_ref(message));
        answer_record(call->answer, pool, message);
    }
    answer_end_map(call->answer);
    return 0;
}

const struct method_row message_methods[] = {
    {"message.create", create},
    {"message.destroy", destroy},
    {"message.destroy_many", destroy_many},
    {"message.get", get_for_object},
    {"message.get_since", get_since},
    {NULL, NULL},
};
