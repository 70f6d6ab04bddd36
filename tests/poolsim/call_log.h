/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The last calls that were received, for tests that ask how the product behaved.
 *
 * Lock: held.
 */
#ifndef ONYX_TESTS_POOLSIM_CALL_LOG_H
#define ONYX_TESTS_POOLSIM_CALL_LOG_H

#include <jansson.h>

#include "tests/poolsim/rpc.h"

#define CALL_LOG_MAX 20000

struct call_log *call_log_new(void);
void call_log_free(struct call_log *log);
void call_log_add(const struct call *call);
/* A data handler's request: method "GET /export". */
void call_log_add_request(const struct request *request, const char *session_ref);

/* A call or a data handler is at work, or has answered; waits for events are not counted. Takes the lock. */
void call_log_enter(struct pool *pool);
void call_log_leave(struct pool *pool);

/* calls.busy: {"busy_us"}: how long at least one of them has been at work. */
json_t *call_log_busy(struct pool *pool);

/* calls.log: [{"n", "method", "params", "originator", "user_agent", "host", "transport"}] of those
 * whose number is above "after" and whose method begins with "method"; calls.clear empties it. */
json_t *call_log_list(struct pool *pool, const json_t *params);
void call_log_clear(struct pool *pool);

#endif
