/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A session's reference in a file of its own, and one pass over all tasks.
 */
#include "common/xapi/remains.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/xapi/call.h"
#include "common/xapi/fault.h"
#include "common/xapi/inside.h"
#include "common/xapi/session.h"
#include "common/xapi/task.h"

#include "common/base/poison.h"

char *remains_task_label(const char *job)
{
    return str_format(REMAINS_TASK_PREFIX "%s", job);
}

/* The session of x, and others behind it as far as there is room. */
static int write_sessions(const char *path, const struct xapi *x, const struct text_list *others,
                          struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    str_add_format(&text, "%s\n", xapi_session(x));
    for (size_t i = 0; i < others->n; i++)
        if (text.len + strlen(others->items[i]) < REMAINS_SESSIONS_MAX)
            str_add_format(&text, "%s\n", others->items[i]);
    if (fd_replace_file(path, 0600, text.data, text.len, err) != 0)
        return error_add(err, "keep the session's reference");
    return 0;
}

/* Those that stand in the file, but for that of x. */
static int read_sessions(const char *path, const struct xapi *x, struct text_list *ret,
                         struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    if (fd_read_file(path, REMAINS_SESSIONS_MAX, &text, err) != 0) {
        if (err->code != ERROR_NOT_FOUND)
            return -1;
        error_clear(err);
        return 0;
    }
    const char *at = str_text(&text);
    while (*at != '\0') {
        size_t n = strcspn(at, "\n");
        CLEAN_CHAR char *line = mem_dup_n(at, n);
        const char *ref = str_trim(line);
        if (ref[0] != '\0' && strcmp(ref, xapi_session(x)) != 0)
            text_list_add(ret, ref);
        at += n + (at[n] == '\n');
    }
    return 0;
}

/* session.logout ends the session that it is called with. 1 ended, 0 it was gone, -1 failed. */
static int log_out(struct xapi *x, const char *session, struct error *err)
{
    CLEAN_JSON json_t *params = json_pack("[s]", session);
    CLEAN_JSON json_t *result = NULL;
    CLEAN_STR struct str text = STR_INIT;
    if (params == NULL) /* no UTF-8: none of XAPI's */
        return 0;
    if (xapi_post(x, "session.logout", params, XAPI_CALL_IDLE_MS, 0, &text, err) != 0)
        return -1;
    if (reply_parse(&text, &result, err) == 0)
        return 1;
    if (!fault_is(err, "SESSION_INVALID") && !fault_is(err, "HANDLE_INVALID"))
        return -1;
    error_clear(err);
    return 0;
}

/* 1 one was ended, 0 all were gone, -1 at least one is kept. */
static int end_sessions(struct xapi *x, const struct text_list *sessions,
                        struct text_list *ret_kept, struct error *err)
{
    int result = 0;
    for (size_t i = 0; i < sessions->n; i++) {
        struct error why = ERROR_INIT;
        int found = log_out(x, sessions->items[i], &why);
        if (found < 0) {
            text_list_add(ret_kept, sessions->items[i]);
            *err = why;
            result = error_add(err, "end the session of a killed process");
        } else if (found == 1 && result == 0) {
            result = 1;
        }
    }
    return result;
}

int remains_take_session(const char *path, struct xapi *x, struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    CLEAN_TEXT_LIST struct text_list others = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list kept = TEXT_LIST_INIT;
    if (read_sessions(path, x, &others, err) != 0) {
        (void)write_sessions(path, x, &others, NULL);
        return -1;
    }
    if (write_sessions(path, x, &others, err) != 0)
        return -1;
    int result = end_sessions(x, &others, &kept, err);
    if (others.n > 0 && write_sessions(path, x, &kept, result < 0 ? NULL : err) != 0)
        return -1;
    return result;
}

/* What is looked for among all tasks, and what was found. */
struct reaping {
    const struct text_list *labels, *objects;
    struct text_list pending, ended;
};

static void reaping_done(struct reaping *reaping)
{
    text_list_done(&reaping->pending);
    text_list_done(&reaping->ended);
}

static bool mentions(const struct text_list *objects, const char *result)
{
    CLEAN_TEXT_LIST struct text_list refs = TEXT_LIST_INIT;
    if (objects == NULL || objects->n == 0 || result[0] == '\0' ||
        task_parse_result(result, &refs, NULL) != 0)
        return false;
    for (size_t i = 0; i < refs.n; i++)
        if (text_list_has(objects, refs.items[i]))
            return true;
    return false;
}

static int look_at_task(void *context, const char *ref, const json_t *record, struct error *err)
{
    (void)err;
    struct reaping *reaping = context;
    bool is_pending = strcmp(reply_text(record, "status", ""), "pending") == 0;
    bool is_labelled = reaping->labels != NULL &&
                       text_list_has(reaping->labels, reply_text(record, "name_label", ""));
    if (is_labelled && is_pending)
        text_list_add(&reaping->pending, ref);
    else if (is_labelled ||
             (!is_pending && mentions(reaping->objects, reply_text(record, "result", ""))))
        text_list_add(&reaping->ended, ref);
    return 0;
}

int remains_reap_tasks(struct xapi *x, const struct text_list *labels,
                       const struct text_list *objects, size_t *ret_n, struct error *err)
{
    CLEANUP(reaping_done) struct reaping reaping = {.labels = labels, .objects = objects};
    if (xapi_call_records(x, "task.get_all_records", look_at_task, &reaping, err) != 0)
        return -1;
    for (size_t i = 0; i < reaping.pending.n; i++)
        xapi_task_give_up(x, reaping.pending.items[i]);
    for (size_t i = 0; i < reaping.ended.n; i++)
        xapi_task_destroy(x, reaping.ended.items[i]);
    if (ret_n != NULL)
        *ret_n = reaping.pending.n + reaping.ended.n;
    return 0;
}
