/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A struct xapi: one connection to the pool with one session, for one thread.
 *
 * A session of our own is logged in with our originator and is logged out at the end, always; a
 * lent one is used and left alone. Over a socket no password is asked for; over TCP a host that is
 * not the master names the master and we go there. Every wait can be cancelled.
 */
#ifndef ONYX_COMMON_XAPI_SESSION_H
#define ONYX_COMMON_XAPI_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;
struct xapi;
struct xapi_target;

#define XAPI_CALL_IDLE_MS      180000 /* XAPI itself waits up to 120 s for a lock before it answers */
#define XAPI_LOGIN_IDLE_MS     30000 /* a wrong password takes 2 to 5 s */
#define XAPI_LOGOUT_TIMEOUT_MS 3000
#define XAPI_MASTER_HOPS_MAX   3

/* Asked at least every 200 ms in every wait; true ends it with ERROR_CANCELLED. */
typedef bool xapi_cancel_fn(void *context);

/*
 * Log in.
 *
 * Fails:  ERROR_SETTINGS (target), ERROR_POOL_UNREACHABLE, ERROR_POOL_REFUSED (password, master
 *         not to be found), ERROR_AUTH (certificate). The text says what to do.
 * Owns:   target is copied; ret_xapi is the caller's, closed with xapi_close.
 */
int xapi_open(const struct xapi_target *target, const char *originator, struct xapi **ret_xapi,
              struct error *err);

/* As xapi_open, with cancel asked during the login too. cancel may be NULL. */
int xapi_open_cancellable(const struct xapi_target *target, const char *originator,
                          xapi_cancel_fn *cancel, void *context, struct xapi **ret_xapi,
                          struct error *err);

/* Load the libraries' parts that the first of them would load. Connects to nothing. */
void xapi_load(void);

/* Use a session that somebody else keeps and logs out. Connects with the first call. */
int xapi_adopt(const struct xapi_target *target, const char *session, struct xapi **ret_xapi,
               struct error *err);

/* A second connection with the same session, for another thread; it starts without a cancel
 * function. The first one must outlive it. */
int xapi_clone(const struct xapi *xapi, struct xapi **ret_xapi, struct error *err);

/* Log out (own session, best effort, cancelled or not) and release. NULL is fine. 0, or -1 when XAPI
 * did not answer: the session may still be there. */
int xapi_close(struct xapi *xapi);
void xapi_clean(struct xapi **xapi);
#define CLEAN_XAPI CLEANUP(xapi_clean)

void xapi_set_cancel(struct xapi *xapi, xapi_cancel_fn *cancel, void *context);

/*
 * From now on every task that XAPI makes for a call of ours bears this text from its birth, in
 * other_config under XAPI_TAG_KEY: whoever dies before the answer leaves a task that tells whose it is.
 * Letters, digits and hyphens; NULL: none.
 *
 * Source: xapi context.ml (get_http_other_config), taskHelper.ml (make): headers
 * X-Http-Other-Config-K go into other_config "http:k"; since XenServer 6.1. A slave's socket hands
 * them on to the master (api_server.ml, forward).
 */
#define XAPI_TAG_KEY "http:onyxpool"
void xapi_set_tag(struct xapi *xapi, const char *tag);

/* Sleep; ERROR_CANCELLED when cancelled meanwhile. For those who try again after a while. */
int xapi_sleep(struct xapi *xapi, int64_t ms, struct error *err);

/* The session's reference, never logged. Borrowed until the next call. */
const char *xapi_session(const struct xapi *xapi);

/* Where the calls go (the master's URL after a login), for messages. Borrowed. */
const char *xapi_name(const struct xapi *xapi);

#endif
