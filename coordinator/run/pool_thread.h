/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The thread `pool`: the one session with XAPI, and the lease that it keeps renewed.
 *
 * Everything that talks to XAPI is run on it, one work after the other, with renewals between, and
 * inside of long ones; the caller waits for its work. The session's reference is written down
 * beside the catalog, so that the next coordinator logs out what a killed one left.
 */
#ifndef ONYX_COORDINATOR_RUN_POOL_THREAD_H
#define ONYX_COORDINATOR_RUN_POOL_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/random.h"

struct clock;
struct error;
struct pool_thread;
struct text_map;
struct xapi;
struct xapi_target;

/* Borrowed until pool_thread_stop. */
struct pool_thread_settings {
    const struct xapi_target *target;
    const char *session_path;
    const char *owner_uuid;
    const char *former_uuid; /* owner that is known to be dead; NULL none */
    int64_t renew_ms;
    const struct clock *clock;
};

/* Start the thread; it does nothing yet. */
int pool_thread_start(const struct pool_thread_settings *settings, struct pool_thread **ret_pool,
                      struct error *err);

/* Run on the thread. The wish to end (quit.h) cancels it: ERROR_INTERRUPTED. */
typedef int pool_thread_work_fn(struct xapi *xapi, void *context, struct error *err);
int pool_thread_do(struct pool_thread *pool, pool_thread_work_fn *work, void *context,
                   struct error *err);

/* For long work, between its calls, on the thread: renew the lease if that is due. */
void pool_thread_renew_due(struct pool_thread *pool);

/* Log in, and log out what is left of a former session. */
int pool_thread_log_in(struct pool_thread *pool, struct error *err);

/*
 * Take the lease for address, waiting for others at most wait_ms; then keep it renewed.
 * waiting is called on the caller's thread, once, when somebody else has it.
 *
 * Fails: ERROR_LEASE names the holder, ERROR_INTERRUPTED, fault.h's codes.
 */
typedef void pool_thread_waiting_fn(void *context, const char *holder);
int pool_thread_take_lease(struct pool_thread *pool, const char *address, int64_t wait_ms,
                           pool_thread_waiting_fn *waiting, void *context, struct error *err);

struct pool_thread_lease {
    uint64_t n;
    bool is_renewed; /* lately enough to begin new work */
    bool is_lost;    /* somebody else has it: end */
    int64_t away_ms; /* not renewed for so long, since the pool is not reached; 0: it is */
};

struct pool_thread_lease pool_thread_look_lease(struct pool_thread *pool);

/* Hosts that shall get no job (disabled: in maintenance), by uuid, with the reason for people: looked
 * at with each renewal. 1 when that is new since the last call, 0 when not; ret is zero before. */
int pool_thread_take_away(struct pool_thread *pool, struct text_map *ret_away);

/* Give the lease back, log out, end the thread. NULL inside is fine. */
void pool_thread_stop(struct pool_thread **pool);
#define CLEAN_POOL_THREAD CLEANUP(pool_thread_stop)

#endif
