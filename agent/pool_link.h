/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The agent's session with its pool, kept by a thread of its own: logged in, lent to workers,
 * followed for the lease, logged out.
 *
 * The lease tells where the coordinator is; without one there is nobody to talk to. A session that
 * a killed agent of this host left behind is logged out first.
 */
#ifndef ONYX_AGENT_POOL_LINK_H
#define ONYX_AGENT_POOL_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/model/lease.h"

struct error;
struct pool_link;
struct xapi_target;

/* What is known now. */
struct pool_link_view {
    char *session;   /* NULL: not logged in at the moment */
    char *url;       /* where calls go, for an URL target; NULL for a socket */
    char *host_name; /* of this host */
    bool has_lease;
    struct lease lease; /* address in owner.address */
};

void pool_link_view_done(struct pool_link_view *view);
#define CLEAN_POOL_LINK_VIEW CLEANUP(pool_link_view_done)

/*
 * Log in and start. state_file keeps the session's reference for the next agent, should this one be
 * killed. Until it is there it answers to signals (quit_count).
 *
 * Fails:  as xapi_open; ERROR_SETTINGS when the pool has no such host.
 */
int pool_link_start(const struct xapi_target *target, const char *host_uuid,
                    const char *state_file, struct pool_link **ret_link, struct error *err);

/* Readable when something changed; pool_link_look empties it. *ret is zero or filled before. */
int pool_link_fd(const struct pool_link *link);
void pool_link_look(struct pool_link *link, struct pool_link_view *ret);

/* Log out and forget. */
void pool_link_stop(struct pool_link **link);
#define CLEAN_POOL_LINK CLEANUP(pool_link_stop)

#endif
