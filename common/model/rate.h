/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a rate is shared: among the hosts of a pool, among the workers of a host.
 *
 * Everybody gets the same for each of its parts, and what one can't take the others get. Pure.
 */
#ifndef ONYX_COMMON_MODEL_RATE_H
#define ONYX_COMMON_MODEL_RATE_H

#include <stddef.h>
#include <stdint.h>

/* Below this a stream is not slowed down: XAPI must not take it for dead, and a job must end. */
#define RATE_MIN (UINT64_C(256) << 10)

struct rate_taker {
    uint64_t parts; /* jobs of a host; a worker is one. 0 takes nothing */
    uint64_t cap;   /* bytes a second it takes at most; 0: no limit of its own */
    uint64_t share; /* set: bytes a second it may take; 0: no limit */
};

/* Share total bytes a second (0: no limit) among n takers. Their shares add up to total at most,
 * unless RATE_MIN for each part is more than that. */
void rate_share(uint64_t total, struct rate_taker *takers, size_t n);

/* The lower one of two limits, where 0 is none. */
uint64_t rate_lower(uint64_t a, uint64_t b);

#endif
