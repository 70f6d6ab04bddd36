/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rates change only when a job begins or ends; between that all bytes flow evenly.
 */
#include "tests/bench/makespan_sim/flow.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"

#include "common/base/poison.h"

void flow_init(struct flow *flow, const struct world *world)
{
    *flow = (struct flow){.world = world};
    flow->hosts_n = mem_zero(world->settings.hosts_n, sizeof *flow->hosts_n);
    flow->srs_n = mem_zero(world->pool.srs_n, sizeof *flow->srs_n);
}

void flow_done(struct flow *flow)
{
    free(flow->running);
    free(flow->hosts_n);
    free(flow->srs_n);
    *flow = (struct flow){0};
}

static void flow_set_rates(struct flow *flow)
{
    const struct world *world = flow->world;

    for (size_t i = 0; i < flow->n; i++) {
        struct flow_job *one = &flow->running[i];
        const struct world_job *job = &world->jobs[one->job];
        double rate = fmin(world->hosts_bytes_s[one->host] / flow->hosts_n[one->host],
                           world->settings.store_bytes_s / (double)flow->n);

        for (size_t k = 0; k < job->srs_n; k++)
            rate = fmin(rate, world->srs_bytes_s[job->srs[k]] / flow->srs_n[job->srs[k]]);
        one->rate = rate;
    }
}

bool flow_fits(const struct flow *flow, const struct world_job *job, size_t host)
{
    const struct world_settings *settings = &flow->world->settings;

    if (flow->hosts_n[host] >= settings->host_jobs || flow->n >= settings->store_jobs)
        return false;
    for (size_t k = 0; k < job->srs_n; k++)
        if (flow->srs_n[job->srs[k]] >= settings->sr_jobs)
            return false;
    return true;
}

void flow_begin(struct flow *flow, size_t job, size_t host)
{
    const struct world_job *one = &flow->world->jobs[job];

    flow->broken_n += !flow_fits(flow, one, host) || !world_sees(flow->world, host, one);
    flow->running = mem_grow(flow->running, &flow->cap, flow->n + 1, sizeof *flow->running);
    flow->running[flow->n++] = (struct flow_job){.job = job, .host = host, .left = one->bytes};
    flow->hosts_n[host]++;
    for (size_t k = 0; k < one->srs_n; k++)
        flow->srs_n[one->srs[k]]++;
    flow_set_rates(flow);
}

void flow_end(struct flow *flow, size_t index)
{
    const struct flow_job one = flow->running[index];
    const struct world_job *job = &flow->world->jobs[one.job];

    flow->hosts_n[one.host]--;
    for (size_t k = 0; k < job->srs_n; k++)
        flow->srs_n[job->srs[k]]--;
    flow->running[index] = flow->running[--flow->n];
    flow_set_rates(flow);
}

size_t flow_find(const struct flow *flow, size_t job)
{
    for (size_t i = 0; i < flow->n; i++)
        if (flow->running[i].job == job)
            return i;
    return SIZE_MAX;
}

double flow_next_s(const struct flow *flow, size_t *ret_index)
{
    double next = INFINITY;

    for (size_t i = 0; i < flow->n; i++) {
        double end = flow->now_s + flow->running[i].left / flow->running[i].rate;

        if (end >= next)
            continue;
        next = end;
        *ret_index = i;
    }
    return next;
}

void flow_advance(struct flow *flow, double to_s)
{
    for (size_t i = 0; i < flow->n; i++)
        flow->running[i].left =
            fmax(0, flow->running[i].left - flow->running[i].rate * (to_s - flow->now_s));
    flow->now_s = to_s;
}
