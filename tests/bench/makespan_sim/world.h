/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A made-up pool of a seed: what it tells (struct pool, with estimates) and what is true (speeds,
 * sizes). Uneven hosts, each with an SR of its own; shared SRs, some seen by all hosts, some by
 * those of one quarter; VMs of log-normal size, of one to seven disks.
 */
#ifndef ONYX_TESTS_BENCH_WORLD_H
#define ONYX_TESTS_BENCH_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/model/pool.h"

struct dice {
    uint64_t state;
};
double dice_unit(struct dice *dice);                           /* [0, 1) */
double dice_between(struct dice *dice, double low, double high);
double dice_normal(struct dice *dice);

struct world_settings {
    uint64_t seed;
    size_t hosts_n, vms_n;
    uint32_t host_jobs, sr_jobs, store_jobs;
    double store_bytes_s;
    bool is_wrong; /* estimates are off by up to a factor of two */
};

struct world_job { /* of a VM, by its index */
    double bytes;
    size_t srs[2], srs_n;
};

struct world {
    struct world_settings settings;
    struct pool pool;
    double *hosts_bytes_s;
    double *srs_bytes_s; /* shared ones first, then one for each host */
    size_t shared_n;
    struct world_job *jobs;
    size_t disks_n;
};

void world_make(const struct world_settings *settings, struct world *ret_world);
void world_done(struct world *world);
#define CLEAN_WORLD CLEANUP(world_done)

bool world_sees(const struct world *world, size_t host, const struct world_job *job);

/* No order of the jobs is faster than this, whatever it knows. */
struct world_bound {
    double total_s;   /* all bytes by what hosts and store carry in all */
    double longest_s; /* the longest job, alone where it is fastest */
    double host_s;    /* what one host alone may carry, of the host that has most */
    double quarter_s; /* what the hosts of a quarter alone may carry, of the one that has most */
    double sr_s;      /* what one SR has to give, by its places */
    double store_s;   /* what the store has to take, by its places */
    double plain_s;   /* the same without places: bytes by bytes a second */
    double s;         /* the largest */
};
void world_find_bound(const struct world *world, struct world_bound *ret_bound);

#endif
