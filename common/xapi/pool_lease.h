/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lease of the pool as keys in the pool record's other_config: looked at, taken, renewed,
 * released. The rules are in common/model/lease.h.
 *
 * XAPI refuses to add a key that exists, and of several who add the same one at once exactly one
 * gets it: that is the lock. A released lease leaves its number behind, so numbers never go back.
 * Source: xapi map semantics, MAP_DUPLICATE_KEY; recorded races.
 */
#ifndef ONYX_COMMON_XAPI_POOL_LEASE_H
#define ONYX_COMMON_XAPI_POOL_LEASE_H

#include <stdint.h>

#include "common/model/lease.h"

struct error;
struct event_stream;
struct xapi;

/* The highest lease in the pool record, held or released. 1 there is one, 0 there never was. */
int pool_lease_look(struct xapi *xapi, struct lease *ret_lease, struct error *err);

/*
 * Take the lease after the one that was seen (NULL: there was none): number seen->n + 1. Whether
 * the time to do so has come is lease_rival_may_take's to say.
 *
 * Fails:  ERROR_LEASE when somebody else was faster; fault.h's and http.h's codes.
 */
int pool_lease_take(struct xapi *xapi, const struct lease *seen, const struct lease_owner *owner,
                    struct lease *ret_lease, struct error *err);

/* Renew our lease: its n goes up by one. ERROR_LEASE when it is not ours any more; after any other
 * error it can be tried again. */
int pool_lease_renew(struct xapi *xapi, struct lease *lease, struct error *err);

/* Give it back. ERROR_LEASE when it is not ours any more. */
int pool_lease_release(struct xapi *xapi, struct lease *lease, struct error *err);

/*
 * For agents: wait up to timeout_ms for a change of the pool record, then look. events was
 * initialised with "pool"; the first call gives what is there at once. 1 there is a lease that is
 * held (ret_lease), 0 none.
 */
int pool_lease_follow(struct xapi *xapi, struct event_stream *events, int64_t timeout_ms,
                      struct lease *ret_lease, struct error *err);

#endif
