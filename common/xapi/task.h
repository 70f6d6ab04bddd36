/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XAPI's tasks: what a long call or a stream came to.
 *
 * A task is followed by events, with a look at its record now and then in case one was lost. It
 * may be collected before we have seen its end (XAPI keeps 200): that is TASK_GONE, neither
 * success nor failure. Whoever creates a task destroys it.
 * Source: xapi taskHelper.ml, db_gc_util.ml.
 */
#ifndef ONYX_COMMON_XAPI_TASK_H
#define ONYX_COMMON_XAPI_TASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"

struct error;
struct xapi;

#define TASK_RESULT_MAX  65536

enum task_status { TASK_PENDING, TASK_SUCCESS, TASK_FAILURE, TASK_CANCELLED, TASK_GONE };

struct task_facts {
    enum task_status status;
    double progress;             /* 0 to 1; XAPI moves it every 10 s at most */
    struct text_list result;     /* the texts in the result; empty for a void one */
    struct text_list error_info; /* code and parameters; empty when cancelled */
};

void task_facts_done(struct task_facts *facts);
#define CLEAN_TASK_FACTS CLEANUP(task_facts_done)

/* 0 for success; -1 with the error that the facts amount to (fault.h;
 * ERROR_XAPI with origin TASK_CANCELLED or FAULT_TASK_GONE; pending is ERROR_TIMEOUT). */
int task_facts_check(const struct task_facts *facts, struct error *err);

/* Texts in an XML-RPC value as XAPI prints it into task.result: "<value>OpaqueRef:x</value>", an
 * array of them, "<value></value>" and "" (none). ERROR_PROTOCOL. */
int task_parse_result(const char *text, struct text_list *ret_texts, struct error *err);

/* The caller frees ret_task, and destroys the task. */
int xapi_task_create(struct xapi *xapi, const char *label, const char *description, char **ret_task,
                     struct error *err);
/* Best effort, as often as it takes: a task that is gone is destroyed. Logs what went wrong. */
void xapi_task_destroy(struct xapi *xapi, const char *task);
/* Asks only: the worker behind the task may see it 16 s later, or never. */
int xapi_task_cancel(struct xapi *xapi, const char *task, struct error *err);
/*
 * Destroy a task of ours that may be pending and that nobody will end: XAPI only notes the wish to
 * destroy a pending one and keeps it for a day, so its status is set first (7.2; before: a day).
 * Source: xapi xapi_task.ml (destroy, set_status).
 */
void xapi_task_give_up(struct xapi *xapi, const char *task);
int xapi_task_look(struct xapi *xapi, const char *task, struct task_facts *ret_facts,
                   struct error *err);

/*
 * Follow to its end. When the time is over, or we are cancelled, the task is asked to cancel and
 * is left as it is: -1 with ERROR_TIMEOUT or ERROR_CANCELLED. Facts are set on 0 only; 0 does not
 * mean success. timeout_ms 0: no limit.
 */
int xapi_task_follow(struct xapi *xapi, const char *task, int64_t timeout_ms,
                     struct task_facts *ret_facts, struct error *err);

/* Call "Async."method; the task is the caller's to follow and to destroy. params are consumed. */
int xapi_start_async(struct xapi *xapi, const char *method, json_t *params_take, char **ret_task,
                     struct error *err);

/*
 * Call "Async."method, follow its task, destroy it, give the first text of its result ("" for a
 * void one). method is without "Async.".
 *
 * Fails:  fault.h's codes from the call and from the task; ERROR_TIMEOUT, ERROR_CANCELLED: the
 *         operation may still happen; ERROR_XAPI with origin FAULT_TASK_GONE: it may have happened.
 * Owns:   caller frees ret_value; it may be NULL.
 */
int xapi_run_async(struct xapi *xapi, char **ret_value, struct error *err, int64_t timeout_ms,
                   const char *method, const char *format, ...);

/*
 * A task followed beside a stream, by a thread and a connection of its own, with the session of
 * the xapi it was made from (which must outlive it).
 */
struct task_watch;

/* The task's state is known when this returns, so no event after it is missed. */
int task_watch_begin(const struct xapi *xapi, const char *task, struct task_watch **ret_watch,
                     struct error *err);

/* What is known now; ret_facts is zero before. 1 ended (or gone), 0 pending, -1 the watch failed.
 */
int task_watch_look(struct task_watch *watch, struct task_facts *ret_facts, struct error *err);

/* Wait until the task ended. ERROR_TIMEOUT; ERROR_CANCELLED when cancel says so (NULL: never). */
int task_watch_wait(struct task_watch *watch, int64_t timeout_ms, bool (*cancel)(void *context),
                    void *context, struct task_facts *ret_facts, struct error *err);

/* Stop the thread (it may take 200 ms). The task itself is left alone. NULL inside is fine. */
void task_watch_end(struct task_watch **watch);
#define CLEAN_TASK_WATCH CLEANUP(task_watch_end)

#endif
