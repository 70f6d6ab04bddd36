/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sessions are objects of the store; local ones of a slave are remembered by their host alone.
 */
#include "tests/poolsim/session.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/task.h"

#include "common/base/poison.h"

#define SESSIONS_PER_GROUP_MAX 500
#define SESSIONS_ANONYMOUS_MAX 400 /* of root without an originator, and of the hosts */
#define SESSION_IDLE_MS        (24LL * 3600 * 1000)
#define SESSION_TOUCH_MS       (600LL * 1000)
#define TASK_KEPT_MS           (65LL * 60 * 1000)
#define TASK_PENDING_KEPT_MS   (24LL * 3600 * 1000)
#define TASKS_MAX              200
#define COLLECT_EVERY_MS       1000

static int64_t date_ms(const struct object *object, enum field_id field)
{
    int64_t at = 0;

    clock_parse_utc(object_text(object, field), &at, NULL);
    return at;
}

static bool is_root(const struct object *session)
{
    const char *user = object_text(session, F_session_auth_user_name);

    return !*user || strcmp(user, "root") == 0;
}

/* Sessions of the hosts, of one originator of root, of one other user. Source: db_gc_util.ml. */
static bool is_same_group(const struct object *a, const struct object *b)
{
    if (object_bool(a, F_session_pool) || object_bool(b, F_session_pool))
        return object_bool(a, F_session_pool) && object_bool(b, F_session_pool);
    if (is_root(a) != is_root(b))
        return false;
    return is_root(a) ? strcmp(object_text(a, F_session_originator),
                               object_text(b, F_session_originator)) == 0
                      : strcmp(object_text(a, F_session_auth_user_name),
                               object_text(b, F_session_auth_user_name)) == 0;
}

static size_t group_max(const struct object *session)
{
    bool is_anonymous = is_root(session) && !*object_text(session, F_session_originator);

    return object_bool(session, F_session_pool) || is_anonymous ? SESSIONS_ANONYMOUS_MAX
                                                                : SESSIONS_PER_GROUP_MAX;
}

/* As XAPI: the one that was used longest ago goes; those with a running task neither go nor
 * count. */
static void evict(struct pool *pool, const struct object *newest)
{
    struct object *oldest = NULL;
    size_t n = 0;

    for (struct object *session = store_first(pool, CLASS_session); session;
         session = store_next(pool, session)) {
        if (object_set(session, F_session_tasks)->n || !is_same_group(session, newest))
            continue;
        n++;
        if (!oldest ||
            date_ms(session, F_session_last_active) < date_ms(oldest, F_session_last_active))
            oldest = session;
    }
    if (n > group_max(newest) && oldest)
        store_destroy(pool, oldest);
}

struct object *session_make(struct host *host, const char *user, const char *originator)
{
    struct pool *pool = host->pool;
    struct object *session = store_create(pool, CLASS_session);
    char now[32];
    char ref[REF_MAX];

    pool_format_time(host, now);
    object_set_text(pool, session, F_session_this_host, host->ref);
    object_set_text(pool, session, F_session_last_active, now);
    object_set_text(pool, session, F_session_validation_time, now);
    object_set_bool(pool, session, F_session_is_local_superuser, true);
    object_set_text(pool, session, F_session_auth_user_name, user);
    object_set_text(pool, session, F_session_originator, originator);
    str_copy(ref, sizeof ref, object_ref(session));
    evict(pool, session);
    return store_find(pool, CLASS_session, ref);
}

int session_check_password(struct pool *pool, const char *user, const char *password,
                           struct failure *failure)
{
    bool is_known = strcmp(user, pool->user) == 0;
    int64_t deadline = pool_now_ms() + pool->login_delay_ms;

    if (is_known && strcmp(password, pool->password) == 0)
        return 0;
    while (pool_now_ms() < deadline && !pool->is_ending)
        pool_wait_until(pool, deadline);
    return failure_set(failure, "SESSION_AUTHENTICATION_FAILED", user,
                       is_known ? "Authentication failure"
                                : "User not known to the underlying authentication module",
                       NULL);
}

int session_check(struct pool *pool, const char *ref, struct failure *failure)
{
    struct object *session = store_find(pool, CLASS_session, ref);
    char now[32];
    int64_t now_at = 0;

    if (!session)
        return failure_set(failure, "SESSION_INVALID", ref, NULL);
    pool_format_time(pool->master, now);
    clock_parse_utc(now, &now_at, NULL);
    if (now_at - date_ms(session, F_session_last_active) >= SESSION_TOUCH_MS)
        object_set_text(pool, session, F_session_last_active, now);
    return 0;
}

/* --- garbage --- */

static void collect_sessions(struct pool *pool, int64_t now_at)
{
    struct object *next;

    for (struct object *session = store_first(pool, CLASS_session); session; session = next) {
        next = store_next(pool, session);
        if (now_at - date_ms(session, F_session_last_active) > SESSION_IDLE_MS &&
            object_set(session, F_session_tasks)->n == 0)
            store_destroy(pool, session);
    }
}

static bool is_pending(const struct object *task)
{
    return strcmp(object_text(task, F_task_status), "pending") == 0;
}

static void collect_tasks(struct pool *pool, int64_t now_at)
{
    struct object *next;
    struct object *oldest;

    for (struct object *task = store_first(pool, CLASS_task); task; task = next) {
        bool pending = is_pending(task);
        int64_t at = date_ms(task, pending ? F_task_created : F_task_finished);
        next = store_next(pool, task);
        if (at == 0)
            at = date_ms(task, F_task_created); /* ended by set_status: never "finished" */
        if (now_at - at > (pending ? TASK_PENDING_KEPT_MS : TASK_KEPT_MS))
            store_destroy(pool, task);
    }
    do {
        oldest = NULL;
        if (store_count(pool, CLASS_task) > TASKS_MAX)
            for (oldest = store_first(pool, CLASS_task); oldest && is_pending(oldest);)
                oldest = store_next(pool, oldest);
        if (oldest)
            store_destroy(pool, oldest);
    } while (oldest);
}

void session_collect_garbage(struct pool *pool)
{
    char now[32];
    int64_t now_at = 0;

    if (pool_now_ms() - pool->collected_ms < COLLECT_EVERY_MS)
        return;
    pool->collected_ms = pool_now_ms();
    pool_format_time(pool->master, now);
    clock_parse_utc(now, &now_at, NULL);
    collect_sessions(pool, now_at);
    collect_tasks(pool, now_at);
}

/* --- methods --- */

static int login_with_password(struct call *call)
{
    const char *originator = call_text(call, 3);
    struct object *session;

    if (call->transport != TRANSPORT_UNIX &&
        session_check_password(call->pool, call_text(call, 0), call_text(call, 1), call->failure))
        return -1;
    session = session_make(call->host, call_text(call, 0), originator);
    answer_text(call->answer, object_ref(session));
    return 0;
}

static int logout(struct call *call)
{
    struct object *session = store_find(call->pool, CLASS_session, call->session_ref);

    if (session)
        store_destroy(call->pool, session);
    return 0;
}

static int local_login(struct call *call)
{
    char ref[REF_MAX] = "OpaqueRef:";

    if (session_check_password(call->pool, call_text(call, 0), call_text(call, 1), call->failure))
        return -1;
    random_uuid(call->pool->random, ref + 10);
    text_list_add(&call->host->local_sessions, ref);
    answer_text(call->answer, ref);
    return 0;
}

static int change_password(struct call *call)
{
    if (strcmp(call_text(call, 0), call->pool->password) != 0)
        return failure_set(call->failure, "CHANGE_PASSWORD_REJECTED", "wrong old password", NULL);
    mem_set(&call->pool->password, call_text(call, 1));
    return 0;
}

static int list_no_subjects(struct call *call)
{
    answer_begin_set(call->answer);
    answer_end_set(call->answer);
    return 0;
}

const struct method_row session_methods[] = {
    {"session.login_with_password", login_with_password},
    {"session.slave_local_login_with_password", local_login},
    {"session.logout", logout},
    {"session.local_logout", logout},
    {"session.change_password", change_password},
    {"session.get_all_subject_identifiers", list_no_subjects},
    {NULL, NULL},
};
