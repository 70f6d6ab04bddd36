/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What runs where, and how fast: a job's rate is the least of host / n, SR / n and store / n. Checks
 * the limits with each job that begins.
 */
#ifndef ONYX_TESTS_BENCH_FLOW_H
#define ONYX_TESTS_BENCH_FLOW_H

#include "tests/bench/makespan_sim/world.h"

struct flow_job {
    size_t job, host;
    double left, rate; /* bytes, bytes a second */
};

struct flow {
    const struct world *world;
    double now_s;
    struct flow_job *running;
    size_t n, cap;
    uint32_t *hosts_n, *srs_n; /* running jobs of each */
    size_t broken_n;           /* limits that were passed */
};

void flow_init(struct flow *flow, const struct world *world);
void flow_done(struct flow *flow);
void flow_begin(struct flow *flow, size_t job, size_t host);
void flow_end(struct flow *flow, size_t index);
/* SIZE_MAX if it does not run. */
size_t flow_find(const struct flow *flow, size_t job);
/* When the next job is done; INFINITY when nothing runs. */
double flow_next_s(const struct flow *flow, size_t *ret_index);
void flow_advance(struct flow *flow, double to_s);
/* Whether a further job fits all limits on this host. */
bool flow_fits(const struct flow *flow, const struct world_job *job, size_t host);

#endif
