/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looks every few seconds which jobs a host that will die can't end any more.
 */
#include "tests/bench/makespan_sim/foresight.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"

#include "common/base/poison.h"

#define LOOK_S 10.0 /* what was told holds for so long */

struct foresight_host { /* one that will die */
    size_t host;
    double back_s;
    double *latest_s; /* when each job must have begun there; by VM */
    bool *is_barred;  /* as it was told */
};

struct foresight {
    const struct world *world;
    const struct plan *plan;
    struct foresight_host *hosts;
    size_t hosts_n;
    double next_s;
};

struct absence *absences_make(const struct world *world)
{
    struct absence *absences = mem_zero(world->settings.hosts_n, sizeof *absences);
    struct dice dice = {world->settings.seed ^ 0xdeadu};
    struct world_bound bound;

    world_find_bound(world, &bound);
    for (size_t i = 0; i < world->settings.hosts_n; i++) {
        absences[i] = (struct absence){INFINITY, INFINITY};
        if (dice_unit(&dice) >= 0.3)
            continue;
        absences[i].from_s = dice_between(&dice, 0, 0.8) * bound.s;
        absences[i].to_s = absences[i].from_s + 30 * exp(dice_between(&dice, 0, log(120)));
    }
    return absences;
}

/* How long the job lasts on this host, as far as the host, the SRs and the store let it. */
static double lasts_s(const struct world *world, size_t host, const struct world_job *job,
                      enum foresight_kind kind)
{
    double share = kind == FORESIGHT_SHARED ? world->settings.host_jobs : 1;
    double rate = fmin(world->hosts_bytes_s[host] / share, world->settings.store_bytes_s);

    for (size_t i = 0; i < job->srs_n; i++)
        rate = fmin(rate, world->srs_bytes_s[job->srs[i]]);
    return job->bytes / rate;
}

static void add_host(struct foresight *foresight, size_t host, const struct absence *absence,
                     enum foresight_kind kind)
{
    const struct world *world = foresight->world;
    struct foresight_host *one = &foresight->hosts[foresight->hosts_n++];

    *one = (struct foresight_host){.host = host, .back_s = absence->to_s};
    one->latest_s = mem_zero(world->settings.vms_n, sizeof *one->latest_s);
    one->is_barred = mem_zero(world->settings.vms_n, sizeof *one->is_barred);
    for (size_t i = 0; i < world->settings.vms_n; i++)
        one->latest_s[i] = world_sees(world, host, &world->jobs[i])
                               ? absence->from_s - lasts_s(world, host, &world->jobs[i], kind)
                               : INFINITY;
}

struct foresight *foresight_new(const struct world *world, const struct absence *absences,
                                const struct plan *plan, enum foresight_kind kind)
{
    struct foresight *foresight = mem_zero(1, sizeof *foresight);

    foresight->world = world;
    foresight->plan = plan;
    foresight->hosts = mem_zero(world->settings.hosts_n, sizeof *foresight->hosts);
    for (size_t i = 0; i < world->settings.hosts_n; i++)
        if (isfinite(absences[i].from_s))
            add_host(foresight, i, &absences[i], kind);
    return foresight;
}

void foresight_free(struct foresight **foresight)
{
    if (!*foresight)
        return;
    for (size_t i = 0; i < (*foresight)->hosts_n; i++) {
        free((*foresight)->hosts[i].latest_s);
        free((*foresight)->hosts[i].is_barred);
    }
    free((*foresight)->hosts);
    free(*foresight);
    *foresight = NULL;
}

bool foresight_bars(const struct foresight *foresight, size_t host, size_t vm)
{
    for (size_t i = 0; foresight && i < foresight->hosts_n; i++)
        if (foresight->hosts[i].host == host)
            return foresight->hosts[i].is_barred[vm];
    return false;
}

/* Gives whether anything is different from what was told. */
static bool look(struct foresight *foresight, size_t vm, double now_s)
{
    bool has_changed = false;

    for (size_t i = 0; i < foresight->hosts_n; i++) {
        struct foresight_host *one = &foresight->hosts[i];
        bool is = now_s < one->back_s && now_s + LOOK_S > one->latest_s[vm];

        has_changed = has_changed || is != one->is_barred[vm];
        one->is_barred[vm] = is;
    }
    return has_changed;
}

/* Where the job may run now, as a job of a plan. */
static void add_moved(const struct foresight *foresight, const struct plan_job *was, size_t vm,
                      struct plan *plan)
{
    const struct pool *pool = &foresight->world->pool;
    struct plan_job *moved = plan_add_job(plan);

    job_copy(&moved->job, &was->job);
    text_list_copy(&moved->srs, &was->srs);
    moved->may_be_redirected = was->may_be_redirected;
    for (size_t h = 0; h < pool->hosts_n; h++)
        if (text_list_has(&was->hosts, pool->hosts[h].uuid) && !foresight_bars(foresight, h, vm))
            text_list_add(&moved->hosts, pool->hosts[h].uuid);
}

void foresight_tell(struct foresight *foresight, struct dispatch *dispatch, double now_s)
{
    CLEAN_PLAN struct plan moved = {0};

    if (!foresight || now_s < foresight->next_s)
        return;
    foresight->next_s = now_s + LOOK_S;
    for (size_t i = 0; i < foresight->plan->jobs_n; i++) {
        const struct plan_job *planned = &foresight->plan->jobs[i];
        size_t vm = (size_t)strtoull(planned->job.vm_uuid + 24, NULL, 16);

        if (look(foresight, vm, now_s))
            add_moved(foresight, planned, vm, &moved);
    }
    if (moved.jobs_n > 0)
        dispatch_follow_plan(dispatch, &moved);
}
