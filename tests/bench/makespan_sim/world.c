/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pools by dice, and the bounds that hold for them.
 *
 * A place: where N jobs may run at one time on what carries C, each gets C / N at most while all
 * run, and if fewer run, n jobs get C / n. A job whose other resources let it have no more than m
 * so takes bytes / min(m, C / N) of the time of one of N places: with n jobs at work each of their
 * rates, divided by min(m, C / N), is at most N / n. So the sum over jobs, divided by N, is a
 * bound. It is at least bytes / C.
 */
#include "tests/bench/makespan_sim/world.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define MIB 1048576.0
#define SHARED_N 12
#define QUARTERS 4

static uint64_t dice_roll(struct dice *dice)
{
    uint64_t z = dice->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

double dice_unit(struct dice *dice)
{
    return (double)(dice_roll(dice) >> 11) / 9007199254740992.0;
}

double dice_between(struct dice *dice, double low, double high)
{
    return low + (high - low) * dice_unit(dice);
}

double dice_normal(struct dice *dice)
{
    double u = 1 - dice_unit(dice);

    return sqrt(-2 * log(u)) * cos(6.283185307179586 * dice_unit(dice));
}

static size_t dice_below(struct dice *dice, size_t n)
{
    return (size_t)(dice_unit(dice) * (double)n);
}

static char *make_uuid(unsigned kind, size_t n)
{
    return str_format("%08x-0000-4000-8000-%012zx", kind, n);
}

/* ---- hosts and SRs ---- */

static void attach(struct sr *sr, size_t host)
{
    sr->hosts = mem_grow(sr->hosts, &sr->hosts_cap, sr->hosts_n + 1, sizeof *sr->hosts);
    sr->hosts[sr->hosts_n++] = host;
}

static struct sr *add_sr(struct world *world, size_t n, bool is_shared)
{
    struct sr *sr = pool_add_sr(&world->pool);

    sr->uuid = make_uuid(2, n);
    sr->ref = str_format("OpaqueRef:%s", sr->uuid);
    sr->name = str_format("sr%zu", n);
    sr->type = mem_dup(is_shared ? "nfs" : "ext");
    sr->content_type = mem_dup("user");
    sr->shared = is_shared;
    sr->can_snapshot = true;
    return sr;
}

static size_t quarter_of(const struct world *world, size_t host)
{
    return host * QUARTERS / world->settings.hosts_n;
}

static void add_hosts(struct world *world, struct dice *dice)
{
    size_t n = world->settings.hosts_n;

    world->hosts_bytes_s = mem_zero(n, sizeof(double));
    world->srs_bytes_s = mem_zero(SHARED_N + n, sizeof(double));
    for (size_t i = 0; i < n; i++) {
        struct host *host = pool_add_host(&world->pool);

        host->uuid = make_uuid(1, i);
        host->ref = str_format("OpaqueRef:%s", host->uuid);
        host->name = str_format("h%zu", i);
        host->hostname = mem_dup(host->name);
        host->address = mem_dup("10.0.0.1");
        host->enabled = true;
        host->live = true;
        world->hosts_bytes_s[i] = 200 * MIB * dice_between(dice, 0.6, 1.4);
    }
    world->pool.master = 0;
    world->shared_n = SHARED_N;
    for (size_t i = 0; i < SHARED_N; i++) {
        struct sr *sr = add_sr(world, i, true);
        bool is_for_all = i % 2 == 0;
        size_t quarter = i / 2 % QUARTERS;

        world->srs_bytes_s[i] = MIB * dice_between(dice, 800, 1600);
        for (size_t h = 0; h < n; h++)
            if (is_for_all || quarter_of(world, h) == quarter)
                attach(sr, h);
    }
    for (size_t i = 0; i < n; i++) {
        attach(add_sr(world, SHARED_N + i, false), i);
        world->srs_bytes_s[SHARED_N + i] = MIB * dice_between(dice, 150, 500);
    }
}

/* ---- VMs ---- */

static void add_disk(struct world *world, size_t vm, size_t sr, size_t n, double bytes)
{
    struct vdi *vdi = pool_add_vdi(&world->pool);
    struct vbd *vbd = pool_add_vbd(&world->pool);
    struct vm *owner = &world->pool.vms[vm];

    vdi->uuid = make_uuid(4, world->disks_n);
    vdi->ref = str_format("OpaqueRef:%s", vdi->uuid);
    vdi->name = str_format("disk %zu", n);
    vdi->type = mem_dup("user");
    vdi->sr = sr;
    vdi->physical_utilisation_bytes = (uint64_t)bytes + 1;
    vdi->virtual_size_bytes = (uint64_t)(bytes * 2) + 1;
    vdi->managed = true;
    vbd->uuid = make_uuid(5, world->disks_n);
    vbd->ref = str_format("OpaqueRef:%s", vbd->uuid);
    vbd->device = str_format("xvd%c", (char)('a' + n));
    vbd->userdevice = str_format("%zu", n);
    vbd->vm = vm;
    vbd->vdi = world->pool.vdis_n - 1;
    vbd->type = VBD_DISK;
    owner->vbds = mem_grow(owner->vbds, &owner->vbds_cap, owner->vbds_n + 1, sizeof *owner->vbds);
    owner->vbds[owner->vbds_n++] = world->pool.vbds_n - 1;
    world->disks_n++;
}

static void add_vm(struct world *world, size_t n)
{
    struct vm *vm = pool_add_vm(&world->pool);

    vm->uuid = make_uuid(3, n);
    vm->ref = str_format("OpaqueRef:%s", vm->uuid);
    vm->name = str_format("vm%05zu", n);
    vm->description = mem_dup("");
    vm->os_version = mem_dup("");
    vm->power_state = VM_RUNNING;
}

static void choose_srs(const struct world *world, struct dice *dice, const double *weights,
                       double local_share, struct world_job *job)
{
    size_t hosts_n = world->settings.hosts_n;

    job->srs_n = 1;
    if (dice_unit(dice) < local_share) {
        double at = dice_unit(dice) * weights[hosts_n - 1];
        size_t host = 0;

        while (weights[host] < at)
            host++;
        job->srs[0] = world->shared_n + host;
        return;
    }
    job->srs[0] = dice_below(dice, world->shared_n);
    if (dice_unit(dice) >= 0.1)
        return;
    job->srs[1] = dice_below(dice, world->shared_n / 2) * 2; /* one that all hosts see */
    job->srs_n = job->srs[1] == job->srs[0] ? 1 : 2;
}

static void add_vms(struct world *world, struct dice *dice)
{
    const struct world_settings *settings = &world->settings;
    double local_share = dice_between(dice, 0.1, 0.5);
    double *weights = mem_zero(settings->hosts_n, sizeof *weights);

    for (size_t i = 0; i < settings->hosts_n; i++)
        weights[i] = (i ? weights[i - 1] : 0) + dice_between(dice, 0.6, 1.4);
    world->jobs = mem_zero(settings->vms_n, sizeof *world->jobs);
    for (size_t i = 0; i < settings->vms_n; i++) {
        struct world_job *job = &world->jobs[i];
        size_t disks = 1 + dice_below(dice, 7);
        double off = exp(dice_between(dice, -log(2), log(2)));

        choose_srs(world, dice, weights, local_share, job);
        job->bytes = 20 * 1024 * MIB * exp(dice_normal(dice));
        add_vm(world, i);
        for (size_t k = 0; k < disks; k++)
            add_disk(world, i, job->srs[k % job->srs_n], k,
                     job->bytes * (settings->is_wrong ? off : 1) / (double)disks);
        if (disks < job->srs_n)
            job->srs_n = disks;
    }
    free(weights);
}

void world_make(const struct world_settings *settings, struct world *ret_world)
{
    struct dice dice = {settings->seed * 0x2545f4914f6cdd1du + 1};

    *ret_world = (struct world){.settings = *settings};
    ret_world->pool.uuid = make_uuid(6, (size_t)settings->seed);
    ret_world->pool.ref = str_format("OpaqueRef:%s", ret_world->pool.uuid);
    ret_world->pool.name = mem_dup("bench");
    add_hosts(ret_world, &dice);
    add_vms(ret_world, &dice);
}

void world_done(struct world *world)
{
    pool_done(&world->pool);
    free(world->hosts_bytes_s);
    free(world->srs_bytes_s);
    free(world->jobs);
    *world = (struct world){0};
}

bool world_sees(const struct world *world, size_t host, const struct world_job *job)
{
    for (size_t i = 0; i < job->srs_n; i++)
        if (!pool_host_sees_sr(&world->pool, host, job->srs[i]))
            return false;
    return true;
}

/* ---- bounds ---- */

/* The best rate that a job can have at all; *ret_only its host if there is but one. */
static double best_rate(const struct world *world, const struct world_job *job, size_t *ret_only)
{
    double best = 0;
    size_t n = 0;

    for (size_t h = 0; h < world->settings.hosts_n; h++) {
        if (!world_sees(world, h, job))
            continue;
        best = world->hosts_bytes_s[h] > best ? world->hosts_bytes_s[h] : best;
        *ret_only = h;
        n++;
    }
    if (n != 1)
        *ret_only = POOL_NONE;
    for (size_t i = 0; i < job->srs_n; i++)
        best = fmin(best, world->srs_bytes_s[job->srs[i]]);
    return fmin(best, world->settings.store_bytes_s);
}

/* The quarter of all hosts that see the job, or QUARTERS. */
static size_t quarter_of_job(const struct world *world, const struct world_job *job)
{
    size_t quarter = POOL_NONE;

    for (size_t h = 0; h < world->settings.hosts_n; h++) {
        if (!world_sees(world, h, job))
            continue;
        if (quarter != POOL_NONE && quarter != quarter_of(world, h))
            return QUARTERS;
        quarter = quarter_of(world, h);
    }
    return quarter == POOL_NONE ? QUARTERS : quarter;
}

/* What the hosts of a quarter alone may carry, of the quarter that has most. */
static double quarter_s(const struct world *world)
{
    double bytes[QUARTERS + 1] = {0}, capacity[QUARTERS] = {0}, seconds = 0;

    for (size_t i = 0; i < world->settings.vms_n; i++)
        bytes[quarter_of_job(world, &world->jobs[i])] += world->jobs[i].bytes;
    for (size_t h = 0; h < world->settings.hosts_n; h++)
        capacity[quarter_of(world, h)] += world->hosts_bytes_s[h];
    for (size_t i = 0; i < QUARTERS; i++)
        seconds = capacity[i] > 0 ? fmax(seconds, bytes[i] / capacity[i]) : seconds;
    return seconds;
}

/* Seconds of all places of what carries so much, that a job with this best rate needs. */
static double place_s(double bytes, double best, double capacity, uint32_t places)
{
    return places ? bytes / fmin(best, capacity / places) / places : bytes / capacity;
}

static double most(const double *seconds, size_t n)
{
    double max = 0;

    for (size_t i = 0; i < n; i++)
        max = fmax(max, seconds[i]);
    return max;
}

void world_find_bound(const struct world *world, struct world_bound *ret_bound)
{
    const struct world_settings *settings = &world->settings;
    size_t srs_n = world->shared_n + settings->hosts_n;
    double *hosts_s = mem_zero(settings->hosts_n, sizeof(double));
    double *srs_s = mem_zero(srs_n * 2, sizeof(double)), *plain_s = srs_s + srs_n;
    double total = 0, capacity = 0;
    struct world_bound bound = {0};

    for (size_t i = 0; i < settings->vms_n; i++) {
        const struct world_job *job = &world->jobs[i];
        size_t only = POOL_NONE;
        double best = best_rate(world, job, &only);

        total += job->bytes;
        bound.longest_s = fmax(bound.longest_s, job->bytes / best);
        if (only != POOL_NONE)
            hosts_s[only] += job->bytes / world->hosts_bytes_s[only];
        for (size_t k = 0; k < job->srs_n; k++) {
            double speed = world->srs_bytes_s[job->srs[k]];

            srs_s[job->srs[k]] += place_s(job->bytes, best, speed, settings->sr_jobs);
            plain_s[job->srs[k]] += job->bytes / speed;
        }
        bound.store_s +=
            place_s(job->bytes, best, settings->store_bytes_s, settings->store_jobs);
    }
    for (size_t h = 0; h < settings->hosts_n; h++)
        capacity += world->hosts_bytes_s[h];
    bound.total_s = total / fmin(capacity, settings->store_bytes_s);
    bound.host_s = most(hosts_s, settings->hosts_n);
    bound.quarter_s = quarter_s(world);
    bound.sr_s = most(srs_s, srs_n);
    bound.plain_s = fmax(fmax(bound.total_s, bound.longest_s),
                         fmax(fmax(bound.host_s, bound.quarter_s), most(plain_s, srs_n)));
    bound.s = fmax(bound.plain_s, fmax(bound.sr_s, bound.store_s));
    free(hosts_s);
    free(srs_s);
    *ret_bound = bound;
}
