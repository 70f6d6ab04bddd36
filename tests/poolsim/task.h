/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tasks: made, moved on, ended in XAPI's order of writes (allowed_operations, finished, progress,
 * result, status last).
 *
 * Lock: held.
 * Source: taskHelper.ml; recordings 401-434, 1119-1127.
 */
#ifndef ONYX_TESTS_POOLSIM_TASK_H
#define ONYX_TESTS_POOLSIM_TASK_H

#include "tests/poolsim/store.h"

struct object *task_make(struct host *host, const char *label, const char *description,
                         const char *session_ref);
void task_complete(struct pool *pool, const char *ref, const char *result_xml);
void task_fail(struct pool *pool, const char *ref, const char *const *params); /* NULL-ended */
void task_cancelled(struct pool *pool, const char *ref);
void task_set_progress(struct pool *pool, const char *ref, double progress);
/* Whether its worker looks for a cancellation: allowed_operations [cancel]. */
void task_set_cancellable(struct pool *pool, const char *ref, bool is_cancellable);
bool task_is_cancelling(struct pool *pool, const char *ref); /* task.cancel was asked */
bool task_is_gone(struct pool *pool, const char *ref);

/* current_operations of a VM, VDI, SR... while something runs on it; both announce a change.
 * The key is the task's reference. */
void operation_begin(struct pool *pool, struct object *object, const char *task_ref,
                     const char *operation);
void operation_end(struct pool *pool, enum class_id class, const char *ref, const char *task_ref);

#endif
