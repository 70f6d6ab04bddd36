/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a loaded dom0 makes of its jobs: none begins, and the running ones go slower.
 *
 * Pure: the verdict, what workers take now and the time go in. While the load is too high the limit
 * sinks by a quarter every few seconds, to HOLD_BACK_MIN a worker and no further; when it is low
 * again the limit rises until it holds nobody back, and is gone. A host that has no job left gets
 * one after HOLD_BACK_MAX_MS however loaded it is: a night without any backup is worse.
 */
#ifndef ONYX_AGENT_HOLD_BACK_H
#define ONYX_AGENT_HOLD_BACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLD_BACK_MIN     (UINT64_C(4) << 20) /* bytes a second and worker */
#define HOLD_BACK_STEP_MS 5000
#define HOLD_BACK_MAX_MS  (30 * 60 * 1000)

/* Starts as zeroes. */
struct hold_back {
    bool is_held;
    int64_t since_ms;   /* it is held, or the last job began meanwhile */
    int64_t stepped_ms; /* the limit was moved last */
    uint64_t limit;     /* bytes a second for all workers together; 0: none */
};

/* taken: bytes a second of all workers lately; running: their number. now_ms is not 0. */
void hold_back_step(struct hold_back *hold, bool is_over, uint64_t taken, size_t running,
                    int64_t now_ms);

/* Whether a job may begin. */
bool hold_back_may_start(const struct hold_back *hold, size_t running, int64_t now_ms);

#endif
