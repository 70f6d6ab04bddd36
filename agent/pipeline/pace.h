/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stream's pace: how long to wait behind each piece so that a rate is held.
 *
 * Pure: times go in, waits come out. The waits are short and many, never stop and go: what was not
 * taken while the stream stood still is not made up for but for a moment's worth.
 */
#ifndef ONYX_AGENT_PIPELINE_PACE_H
#define ONYX_AGENT_PIPELINE_PACE_H

#include <stddef.h>
#include <stdint.h>

#define PACE_CREDIT_US 50000 /* so much may be made up for */
#define PACE_STEP_US   2000  /* shorter waits are put off until they come to this */

/* Starts as zeroes. Times are monotonic microseconds, not 0. */
struct pace {
    int64_t due_ns; /* when what was taken so far may have been taken: finer, for fast streams */
};

/* n bytes were taken at now; rate is bytes a second, 0: no limit, and now is not looked at. How long
 * to wait now, in us. */
int64_t pace_take(struct pace *pace, uint64_t rate, size_t n, int64_t now_us);

#endif
