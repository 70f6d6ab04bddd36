/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of tasks and of current_operations.
 */
#include "tests/poolsim/task.h"

#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/rpc.h"

#include "common/base/poison.h"

struct object *task_make(struct host *host, const char *label, const char *description,
                         const char *session_ref)
{
    struct pool *pool = host->pool;
    struct object *task = store_create(pool, CLASS_task);
    char now[32];

    object_set_text(pool, task, F_task_name_label, label);
    object_set_text(pool, task, F_task_name_description, description);
    object_set_text(pool, task, F_task_created, pool_format_time(host, now));
    object_set_text(pool, task, F_task_resident_on, host->ref);
    if (session_ref && *session_ref)
        object_set_text(pool, task, F_task_session, session_ref);
    return task;
}

/* A task.destroy that came while it ran was only noted; it is done now. */
static void task_end(struct pool *pool, struct object *task, const char *status)
{
    struct host *host = pool_host_by_ref(pool, object_text(task, F_task_resident_on));
    const struct text_map *operations = object_map(task, F_task_current_operations);
    bool is_doomed = false;
    char now[32];

    object_set_bool(pool, task, F_task_is_cancellable, false);
    object_set_text(pool, task, F_task_finished, pool_format_time(host ? host : pool->master, now));
    object_set_float(pool, task, F_task_progress, 1.0);
    object_set_text(pool, task, F_task_session, NULL);
    object_set_text(pool, task, F_task_status, status);
    for (size_t i = 0; i < operations->n; i++)
        is_doomed = is_doomed || strcmp(operations->pairs[i].value, "destroy") == 0;
    if (is_doomed)
        store_destroy(pool, task);
}

static struct object *pending(struct pool *pool, const char *ref)
{
    struct object *task = store_find(pool, CLASS_task, ref);

    return task && strcmp(object_text(task, F_task_status), "pending") == 0 ? task : NULL;
}

void task_complete(struct pool *pool, const char *ref, const char *result_xml)
{
    struct object *task = pending(pool, ref);

    if (!task)
        return;
    object_set_text(pool, task, F_task_result, result_xml);
    task_end(pool, task, "success");
}

void task_fail(struct pool *pool, const char *ref, const char *const *params)
{
    struct object *task = pending(pool, ref);

    if (!task)
        return;
    for (; *params; params++) {
        CLEAN_TEXT_LIST struct text_list items = TEXT_LIST_INIT;
        text_list_copy(&items, object_set(task, F_task_error_info));
        text_list_add(&items, *params);
        object_set_set(pool, task, F_task_error_info, &items);
    }
    task_end(pool, task, "failure");
}

void task_cancelled(struct pool *pool, const char *ref)
{
    struct object *task = pending(pool, ref);

    if (task)
        task_end(pool, task, "cancelled");
}

void task_set_progress(struct pool *pool, const char *ref, double progress)
{
    struct object *task = pending(pool, ref);

    if (task)
        object_set_float(pool, task, F_task_progress, progress);
}

void task_set_cancellable(struct pool *pool, const char *ref, bool is_cancellable)
{
    struct object *task = pending(pool, ref);

    if (task)
        object_set_bool(pool, task, F_task_is_cancellable, is_cancellable);
}

bool task_is_cancelling(struct pool *pool, const char *ref)
{
    const struct object *task = store_find(pool, CLASS_task, ref);
    const struct text_map *operations;

    if (!task)
        return false;
    operations = object_map(task, F_task_current_operations);
    for (size_t i = 0; i < operations->n; i++)
        if (strcmp(operations->pairs[i].value, "cancel") == 0)
            return true;
    return false;
}

bool task_is_gone(struct pool *pool, const char *ref)
{
    return store_find(pool, CLASS_task, ref) == NULL;
}

static enum field_id operations_field(enum class_id class)
{
    enum field_id field = F_NONE;

    schema_find_field(class, "current_operations", &field);
    return field;
}

void operation_begin(struct pool *pool, struct object *object, const char *task_ref,
                     const char *operation)
{
    object_map_put(pool, object, operations_field(object_class(object)), task_ref, operation);
}

void operation_end(struct pool *pool, enum class_id class, const char *ref, const char *task_ref)
{
    struct object *object = store_find(pool, class, ref);

    if (object)
        object_map_remove(pool, object, operations_field(class), task_ref);
}

/* --- methods --- */

static int create(struct call *call)
{
    struct object *task =
        task_make(call->host, call_text(call, 0), call_text(call, 1), call->session_ref);

    answer_text(call->answer, object_ref(task));
    return 0;
}

static int destroy(struct call *call)
{
    struct object *task = call_object(call, 0, CLASS_task);

    if (!task)
        return -1;
    if (strcmp(object_text(task, F_task_status), "pending") == 0)
        object_map_put(call->pool, task, F_task_current_operations, "task", "destroy");
    else
        store_destroy(call->pool, task);
    return 0;
}

static int cancel(struct call *call)
{
    struct object *task = call_object(call, 0, CLASS_task);

    if (!task)
        return -1;
    if (strcmp(object_text(task, F_task_status), "pending") == 0)
        object_map_put(call->pool, task, F_task_current_operations, call->task_ref, "cancel");
    return 0;
}

static int set_status(struct call *call)
{
    struct object *task = call_object(call, 0, CLASS_task);

    if (!task)
        return -1;
    object_set_text(call->pool, task, F_task_status, call_text(call, 1));
    return 0;
}

static int set_progress(struct call *call)
{
    struct object *task = call_object(call, 0, CLASS_task);

    if (!task)
        return -1;
    object_set_float(call->pool, task, F_task_progress, json_number_value(call_value(call, 1)));
    return 0;
}

static int set_result(struct call *call)
{
    struct object *task = call_object(call, 0, CLASS_task);

    if (!task)
        return -1;
    object_set_text(call->pool, task, F_task_result, call_text(call, 1));
    return 0;
}

static int set_error_info(struct call *call)
{
    CLEAN_TEXT_LIST struct text_list items = TEXT_LIST_INIT;
    struct object *task = call_object(call, 0, CLASS_task);

    if (!task)
        return -1;
    call_set(call, 1, &items);
    object_set_set(call->pool, task, F_task_error_info, &items);
    return 0;
}

static int set_resident_on(struct call *call)
{
    struct object *task = call_object(call, 0, CLASS_task);

    if (!task)
        return -1;
    object_set_text(call->pool, task, F_task_resident_on, call_text(call, 1));
    return 0;
}

const struct method_row task_methods[] = {
    {"task.create", create},
    {"task.destroy", destroy},
    {"task.cancel", cancel},
    {"task.set_status", set_status},
    {"task.set_progress", set_progress},
    {"task.set_result", set_result},
    {"task.set_error_info", set_error_info},
    {"task.set_resident_on", set_resident_on},
    {NULL, NULL},
};
