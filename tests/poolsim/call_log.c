/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A ring of calls. Passwords are left out.
 */
#include "tests/poolsim/call_log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/str.h"

#include "common/base/poison.h"

#define PARAMS_SHOWN_MAX 400

struct entry {
    json_int_t n;
    char *method;
    char *params;
    char *originator;
    char *user_agent;
    char *host;
    enum transport transport;
};

struct call_log {
    struct entry *entries; /* ring of CALL_LOG_MAX */
    json_int_t n;
    int working_n; /* calls and handlers */
    int64_t working_since_us;
    int64_t busy_us;
};

struct call_log *call_log_new(void)
{
    struct call_log *log = mem_zero(1, sizeof *log);

    log->entries = mem_zero(CALL_LOG_MAX, sizeof *log->entries);
    return log;
}

static void entry_done(struct entry *entry)
{
    free(entry->method);
    free(entry->params);
    free(entry->originator);
    free(entry->user_agent);
    free(entry->host);
    *entry = (struct entry){0};
}

void call_log_free(struct call_log *log)
{
    if (!log)
        return;
    for (size_t i = 0; i < CALL_LOG_MAX; i++)
        entry_done(&log->entries[i]);
    free(log->entries);
    free(log);
}

static void add(struct pool *pool, const char *session_ref, struct entry entry)
{
    struct call_log *log = pool->calls;
    struct entry *slot = &log->entries[log->n % CALL_LOG_MAX];
    const struct object *session = store_find(pool, CLASS_session, session_ref);

    entry.n = ++log->n;
    entry.originator = mem_dup(session ? object_text(session, F_session_originator) : "");
    entry_done(slot);
    *slot = entry;
}

void call_log_add(const struct call *call)
{
    bool is_secret = str_starts(call->name, "session.");
    char *params = is_secret ? mem_dup("[]") : json_dumps(call->params, JSON_COMPACT);

    if (params && strlen(params) > PARAMS_SHOWN_MAX) {
        size_t n = PARAMS_SHOWN_MAX;
        while (n && ((unsigned char)params[n] & 0xc0) == 0x80) /* whole characters only */
            n--;
        params[n] = '\0';
    }
    add(call->pool, call->session_ref,
        (struct entry){.method = mem_dup(call->name),
                       .params = params,
                       .user_agent = mem_dup(call->user_agent),
                       .host = mem_dup(call->asked->name),
                       .transport = call->transport});
}

void call_log_add_request(const struct request *request, const char *session_ref)
{
    const char *agent = request_header(request, "user-agent");

    add(request->pool, session_ref,
        (struct entry){.method = str_format("%s %s", request->method, request->path),
                       .params = mem_dup(request->target),
                       .user_agent = mem_dup(agent ? agent : ""),
                       .host = mem_dup(request->host->name),
                       .transport = request->transport});
}

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void call_log_enter(struct pool *pool)
{
    pool_lock(pool);
    if (pool->calls->working_n++ == 0)
        pool->calls->working_since_us = now_us();
    pool_unlock(pool);
}

void call_log_leave(struct pool *pool)
{
    pool_lock(pool);
    if (--pool->calls->working_n == 0)
        pool->calls->busy_us += now_us() - pool->calls->working_since_us;
    pool_unlock(pool);
}

json_t *call_log_busy(struct pool *pool)
{
    const struct call_log *log = pool->calls;
    int64_t open_us = log->working_n > 0 ? now_us() - log->working_since_us : 0;

    return json_pack("{s:I}", "busy_us", (json_int_t)(log->busy_us + open_us));
}

json_t *call_log_list(struct pool *pool, const json_t *params)
{
    static const char *const transports[] = {"unix", "tcp", "tls"};
    const struct call_log *log = pool->calls;
    json_int_t after = json_integer_value(json_object_get(params, "after"));
    const char *method = json_string_value(json_object_get(params, "method"));
    json_t *list = json_array();

    if (after < log->n - CALL_LOG_MAX)
        after = log->n - CALL_LOG_MAX;
    for (json_int_t i = after < 0 ? 0 : after; i < log->n; i++) {
        const struct entry *entry = &log->entries[i % CALL_LOG_MAX];
        if (!entry->method || (method && !str_starts(entry->method, method)))
            continue;
        json_array_append_new(list, json_pack("{s:I, s:s, s:s*, s:s, s:s, s:s, s:s}", "n", entry->n,
                                              "method", entry->method, "params", entry->params,
                                              "originator", entry->originator, "user_agent",
                                              entry->user_agent, "host", entry->host, "transport",
                                              transports[entry->transport]));
    }
    return list;
}

void call_log_clear(struct pool *pool)
{
    for (size_t i = 0; i < CALL_LOG_MAX; i++)
        entry_done(&pool->calls->entries[i]);
}
