/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Logging in and who a session is.
 *
 * Lock:   held; given up during the delay of a wrong password.
 * Source: xapi_session.ml, session_check.ml (contract 1.6); recordings 001-027, 1500-1552.
 */
#ifndef ONYX_TESTS_POOLSIM_SESSION_H
#define ONYX_TESTS_POOLSIM_SESSION_H

#include "tests/poolsim/failure.h"
#include "tests/poolsim/http.h"
#include "tests/poolsim/store.h"

/* A new session of root. Evicts the oldest idle of an originator that has too many. */
struct object *session_make(struct host *host, const char *user, const char *originator);

/* Right name and password? Wrong ones take seconds. */
int session_check_password(struct pool *pool, const char *user, const char *password,
                           struct failure *failure);

/* The session is there: notes that it was used. Else SESSION_INVALID. */
int session_check(struct pool *pool, const char *ref, struct failure *failure);

/* Drop sessions idle for a day, finished tasks after 65 min and above 200; by the master's clock.
 */
void session_collect_garbage(struct pool *pool);

#endif
