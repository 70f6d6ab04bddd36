/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a rate is shared: among the hosts of a pool, among the workers of a host.
 *
 * Everybody gets the same for each of its parts, and what one can't take the others get: neither what
 * its cap forbids, nor what it has not taken lately. Whoever took little keeps twice of that, or a
 * quarter of its part, and so comes back to all of it within two rounds. Pure.
 */
#ifndef ONYX_COMMON_MODEL_RATE_H
#define ONYX_COMMON_MODEL_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Below this a stream is not slowed down: XAPI must not take it for dead, and a job must end. */
#define RATE_MIN (UINT64_C(256) << 10)

#define RATE_WINDOW_MS 3000 /* of a meter */

struct rate_taker {
    uint64_t parts; /* jobs of a host; a worker is one. 0 takes nothing */
    uint64_t cap;   /* bytes a second it takes at most; 0: no limit of its own */
    uint64_t taken; /* bytes a second it took lately; 0: not known */
    uint64_t share; /* set: bytes a second it may take; 0: no limit */
};

/* What one takes. Starts with the bytes and the time of its beginning, of any clock that only rises. */
struct rate_meter {
    uint64_t bytes; /* at the beginning of the window */
    int64_t ms;
    uint64_t rate; /* bytes a second in the last whole window, or in the first one so far; 0: none */
    bool is_whole; /* there was a whole window */
};

/* bytes: of all its time. While nothing comes nothing is measured: a snapshot in front of a stream
 * does not make it slow. */
void rate_meter_note(struct rate_meter *meter, uint64_t bytes, int64_t now_ms);

/* For rate_taker. */
uint64_t rate_meter_taken(const struct rate_meter *meter);

/* Share total bytes a second (0: no limit) among n takers. Their shares add up to total at most,
 * unless RATE_MIN for each part is more than that. */
void rate_share(uint64_t total, struct rate_taker *takers, size_t n);

/* The lower one of two limits, where 0 is none. */
uint64_t rate_lower(uint64_t a, uint64_t b);

#endif
