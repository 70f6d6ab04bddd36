/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What every data handler does before and after its bytes: who is it, which task, which error.
 *
 * Order of authentication (unix socket, session_id, Basic, else 401) and the life of task_id are
 * XAPI's: a handler completes or fails the caller's task and never destroys it; without task_id it
 * makes a task and destroys it at the end.
 * Source: xapi_http.ml, contract 4.1; recordings 501-660, 1009-1025, 1545.
 */
#ifndef ONYX_TESTS_POOLSIM_HANDLER_H
#define ONYX_TESTS_POOLSIM_HANDLER_H

#include "tests/poolsim/http.h"
#include "tests/poolsim/pool.h"

struct handler_context {
    struct request *request;
    struct pool *pool;
    struct host *host;
    char session_ref[REF_MAX]; /* "" for root over the socket without one */
    char task_ref[REF_MAX];    /* set by handler_begin_task */
    bool owns_task;
    bool owns_session; /* of Basic auth */
};

/* Who calls? 0, or -1: the answer (401 and such) is written and the caller returns at once; a task
 * that was named stays pending, as XAPI leaves it. permission: "http/get_export". No lock. */
int handler_authenticate(struct connection *connection, struct request *request,
                         const char *permission, struct handler_context *ret_context);

/* A handler that makes no task is done with the caller (ends the session of Basic auth). No lock.
 */
void handler_leave(struct handler_context *context);

/* Take over task_id or make a task of this label. 0, or -1: 500 is written (bad task_id). No
 * lock. The task's progress is left to the handler. */
int handler_begin_task(struct connection *connection, struct handler_context *context,
                       const char *label);

/* Outcome. result_xml: "" or an XML-RPC value text. params: NULL-ended error, code first. No lock;
 * the faults that make a task fail after a good stream are applied here. */
void handler_complete(struct handler_context *context, const char *result_xml);
void handler_fail(struct handler_context *context, const char *const *params);
void handler_cancelled(struct handler_context *context);

/* Progress 0..1, at most every call; false when the task's cancellation was asked. No lock. */
bool handler_progress(struct handler_context *context, double progress);

/* "VM_BAD_POWER_STATE: [ OpaqueRef:..; halted, suspended; running ]" as the 500 pages have it. */
char *handler_error_text(const char *const *params);

#endif
