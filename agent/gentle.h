/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How gentle this agent is on its dom0 just now: looks at /proc, and tells limit and verdict.
 *
 * The only room that reads dom0's load; load.h and hold_back.h decide. Files that can't be read (no
 * /proc/pressure on older kernels) say nothing and hold nobody back.
 */
#ifndef ONYX_AGENT_GENTLE_H
#define ONYX_AGENT_GENTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/hold_back.h"
#include "agent/load.h"

#define GENTLE_LOOK_MS 1000
#define GENTLE_WINDOW  5 /* looks that the CPU is measured over */

struct gentle_rule {
    struct load_rule load;
    uint64_t host_rate; /* of this host's own settings, bytes a second; 0: none */
};

/* Starts as zeroes but for rule and proc. */
struct gentle {
    struct gentle_rule rule;
    const char *proc; /* "/proc"; borrowed */
    uint64_t ordered; /* the coordinator's limit */
    struct load_ticks ticks[GENTLE_WINDOW];
    size_t looks;
    int64_t looked_ms;
    uint64_t taken_bytes; /* at the last look */
    struct load_facts facts;
    struct hold_back hold;
    char why[LOAD_TEXT_MAX]; /* "" when nothing is too much */
};

/* Look, if it is time. taken_bytes: of all workers since the agent began. */
void gentle_step(struct gentle *gentle, uint64_t taken_bytes, size_t running, int64_t now_ms);

/* What all workers may take together now, bytes a second; 0: no limit. */
uint64_t gentle_limit(const struct gentle *gentle);

#endif
