/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What Orders say of rates as jobs begin and end: each host its part of the pool's, never more than
 * its own limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/model/rate.h"
#include "tests/unit/coordinator/dispatch/dispatch_world.h"

#define MIB (UINT64_C(1) << 20)

static struct world *begin(uint64_t pool_rate, uint64_t host_rate, uint64_t max_rate)
{
    struct dispatch_settings settings = world_settings();

    settings.host_jobs_max = 0;
    settings.pool_rate = pool_rate;
    settings.host_rate = host_rate;
    settings.tuning.max_rate = max_rate;
    return world_new(&settings);
}

static void add_job(struct world *world, const char *id, const char *host)
{
    world_add_job(world, id, JOB_BACKUP_VM, id, host);
}

/* One Sync of a host that lists a job in this state (NULL: none); the limit of its Orders. */
static uint64_t ask(struct world *world, const char *host, const char *id, enum job_state state)
{
    if (id)
        world_tell(world, host, id, 1, state, ERROR_NONE);
    else
        world_sync(world, host, NULL);
    return world->orders.rate_limit;
}

static void pools_rate_is_shared_anew_as_jobs_begin_and_end(void **state)
{
    (void)state;
    struct world *world = begin(120 * MIB, 0, 0);
    add_job(world, "000000000000000a", "h1");
    add_job(world, "000000000000000b", "h2");
    add_job(world, "000000000000000c", "h2");
    dispatch_start(world->dispatch, world->now);
    assert_int_equal(ask(world, "h1", NULL, 0), 120 * MIB);
    assert_int_equal(ask(world, "h2", NULL, 0), 80 * MIB);
    assert_int_equal(ask(world, "h1", "000000000000000a", JOB_STATE_RUNNING), 40 * MIB);
    assert_int_equal(ask(world, "h2", "000000000000000b", JOB_STATE_DONE), 60 * MIB);
    assert_int_equal(ask(world, "h1", "000000000000000a", JOB_STATE_RUNNING), 60 * MIB);
    world_free(world);
}

static void what_a_limited_host_leaves_the_others_get(void **state)
{
    (void)state;
    struct world *world = begin(120 * MIB, 100 * MIB, 30 * MIB);
    add_job(world, "000000000000000a", "h1");
    add_job(world, "000000000000000b", "h2");
    dispatch_start(world->dispatch, world->now);
    assert_int_equal(ask(world, "h1", NULL, 0), 30 * MIB);
    assert_int_equal(ask(world, "h2", NULL, 0), 30 * MIB);
    add_job(world, "000000000000000c", "h1"); /* each job of a host has the job's limit */
    assert_int_equal(ask(world, "h1", "000000000000000a", JOB_STATE_RUNNING), 60 * MIB);
    world_free(world);
}

/* A Sync of a job that has read so many bytes by now. */
static uint64_t read_on(struct world *world, const char *host, const char *id, uint64_t bytes)
{
    struct job_report report = {.attempt = 1,
                                .state = JOB_STATE_RUNNING,
                                .phase = JOB_PHASE_STREAM,
                                .bytes = bytes};

    str_copy(report.id, sizeof report.id, id);
    world_sync(world, host, &report);
    return world->orders.rate_limit;
}

static void what_a_slow_host_does_not_take_the_others_get(void **state)
{
    (void)state;
    struct world *world = begin(120 * MIB, 0, 0);
    add_job(world, "000000000000000a", "h1");
    add_job(world, "000000000000000b", "h2");
    dispatch_start(world->dispatch, world->now);
    ask(world, "h1", NULL, 0);
    ask(world, "h2", NULL, 0);
    assert_int_equal(read_on(world, "h1", "000000000000000a", 0), 60 * MIB);
    assert_int_equal(read_on(world, "h2", "000000000000000b", 0), 60 * MIB);
    world->now.ms += RATE_WINDOW_MS;
    assert_in_range(read_on(world, "h1", "000000000000000a", 60 * MIB), 34 * MIB, 40 * MIB);
    assert_in_range(read_on(world, "h2", "000000000000000b", 180 * MIB), 80 * MIB, 86 * MIB);
    world->now.ms += RATE_WINDOW_MS; /* its disk is fast again */
    assert_in_range(read_on(world, "h1", "000000000000000a", 180 * MIB), 60 * MIB, 60 * MIB);
    assert_in_range(read_on(world, "h2", "000000000000000b", 420 * MIB), 60 * MIB, 60 * MIB);
    world_free(world);
}

static void without_a_pools_rate_the_hosts_own_stands(void **state)
{
    (void)state;
    struct world *world = begin(0, 50 * MIB, 0);
    assert_int_equal(ask(world, "h1", NULL, 0), 50 * MIB);
    world_free(world);
    world = begin(0, 0, 0);
    assert_int_equal(ask(world, "h1", NULL, 0), 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools_rate_is_shared_anew_as_jobs_begin_and_end),
        cmocka_unit_test(what_a_limited_host_leaves_the_others_get),
        cmocka_unit_test(what_a_slow_host_does_not_take_the_others_get),
        cmocka_unit_test(without_a_pools_rate_the_hosts_own_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
