/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What Orders say of rates as jobs begin and end: each host its part of the pool's, never more than
 * its own limit.
 */
#include "coordinator/dispatch/dispatch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "common/base/str.h"

#define MIB (UINT64_C(1) << 20)

struct world {
    struct dispatch *dispatch;
    struct dispatch_now now;
    uint64_t seq;
};

static void begin_world(struct world *world, uint64_t pool_rate, uint64_t host_rate,
                        uint64_t max_rate)
{
    struct dispatch_settings settings = {.attempts_max = 1,
                                         .lost_ms = 60000,
                                         .stall_ms = 60000,
                                         .run_max_ms = 3600000,
                                         .pool_rate = pool_rate,
                                         .host_rate = host_rate,
                                         .tuning = {.max_rate = max_rate},
                                         .run = "00000000000000ff",
                                         .random = random_system()};
    *world = (struct world){.now = {.ms = 1000, .at = 1763856000000}};
    world->dispatch = dispatch_new(&settings, world->now);
    dispatch_set_lease(world->dispatch, 7, true);
}

static void add_job(struct world *world, const char *id, const char *host)
{
    CLEANUP(catalog_job_done) struct catalog_job job = {.state = JOB_STATE_PLANNED};
    str_copy(job.job.id, sizeof job.job.id, id);
    job.job.kind = JOB_BACKUP_VM;
    job.job.vm_uuid = mem_dup(id);
    job.job.folder = mem_dup(id);
    text_list_add(&job.hosts, host);
    dispatch_add_job(world->dispatch, &job, world->now);
}

/* One Sync of a host that lists a job in this state (NULL: none); the limit of its Orders. */
static uint64_t ask(struct world *world, const char *host, const char *id, enum job_state state)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {.boot = 1, .seq = ++world->seq, .slots = 2,
                                             .free_slots = 2};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    str_copy(sync.host_uuid, sizeof sync.host_uuid, host);
    sync.store.uuid = mem_dup("store");
    sync.store.nonce = mem_dup("nonce");
    if (id != NULL) {
        struct job_report *report = wire_sync_add_report(&sync);
        str_copy(report->id, sizeof report->id, id);
        report->attempt = 1;
        report->state = state;
    }
    assert_int_equal(dispatch_hear(world->dispatch, &sync, world->now, NULL), 0);
    dispatch_place(world->dispatch, host, world->now);
    dispatch_recorded(world->dispatch);
    dispatch_orders(world->dispatch, host, world->now, &orders);
    return orders.rate_limit;
}

static void pools_rate_is_shared_anew_as_jobs_begin_and_end(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world, 120 * MIB, 0, 0);
    add_job(&world, "000000000000000a", "h1");
    add_job(&world, "000000000000000b", "h2");
    add_job(&world, "000000000000000c", "h2");
    dispatch_start(world.dispatch, world.now);
    assert_int_equal(ask(&world, "h1", NULL, 0), 120 * MIB);
    assert_int_equal(ask(&world, "h2", NULL, 0), 80 * MIB);
    assert_int_equal(ask(&world, "h1", "000000000000000a", JOB_STATE_RUNNING), 40 * MIB);
    assert_int_equal(ask(&world, "h2", "000000000000000b", JOB_STATE_DONE), 60 * MIB);
    assert_int_equal(ask(&world, "h1", "000000000000000a", JOB_STATE_RUNNING), 60 * MIB);
    dispatch_free(&world.dispatch);
}

static void what_a_limited_host_leaves_the_others_get(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world, 120 * MIB, 100 * MIB, 30 * MIB);
    add_job(&world, "000000000000000a", "h1");
    add_job(&world, "000000000000000b", "h2");
    dispatch_start(world.dispatch, world.now);
    assert_int_equal(ask(&world, "h1", NULL, 0), 30 * MIB);
    assert_int_equal(ask(&world, "h2", NULL, 0), 30 * MIB);
    dispatch_free(&world.dispatch);
}

static void without_a_pools_rate_the_hosts_own_stands(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world, 0, 50 * MIB, 0);
    assert_int_equal(ask(&world, "h1", NULL, 0), 50 * MIB);
    dispatch_free(&world.dispatch);
    begin_world(&world, 0, 0, 0);
    assert_int_equal(ask(&world, "h1", NULL, 0), 0);
    dispatch_free(&world.dispatch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools_rate_is_shared_anew_as_jobs_begin_and_end),
        cmocka_unit_test(what_a_limited_host_leaves_the_others_get),
        cmocka_unit_test(without_a_pools_rate_the_hosts_own_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
