/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A dispatch for tests, see the header.
 */
#include "tests/unit/coordinator/dispatch/dispatch_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/random.h"

struct dispatch_settings world_settings(void)
{
    return (struct dispatch_settings){.attempts_max = 3,
                                      .backoff_ms = 1000,
                                      .lost_ms = 60000,
                                      .strange_ms = 15000,
                                      .stall_ms = 45000,
                                      .run_max_ms = 3600000,
                                      .host_jobs_max = 1,
                                      .run = "00000000000000ff",
                                      .store_uuid = "store",
                                      .store_nonce = "nonce",
                                      .store_root = "/backup",
                                      .random = random_system()};
}

struct world *world_new(const struct dispatch_settings *settings)
{
    struct world *world = mem_zero(1, sizeof *world);

    world->now = (struct dispatch_now){.ms = 1000, .at = 1763856000000};
    world->dispatch = dispatch_new(settings, world->now);
    dispatch_set_lease(world->dispatch, 7, true);
    return world;
}

void world_free(struct world *world)
{
    dispatch_free(&world->dispatch);
    str_done(&world->warnings);
    wire_orders_done(&world->orders);
    free(world);
}

static void record_one(struct world *world, struct dispatch_change *change)
{
    if (change->kind == DISPATCH_ADD_JOB && change->job.job.kind == JOB_EXPIRE)
        str_copy(world->expire, sizeof world->expire, change->id);
    if (change->kind == DISPATCH_ADD_JOB && change->job.job.kind == JOB_CLEANUP)
        world->cleanups_n++;
    if (change->kind == DISPATCH_BEGIN && change->prefix)
        change->stem = str_format("%s1", change->prefix);
    if (change->kind == DISPATCH_WARN)
        str_add_format(&world->warnings, "%s; ", change->reason);
}

static void record(struct world *world)
{
    size_t n = 0;
    struct dispatch_change *changes = dispatch_changes(world->dispatch, &n);

    for (size_t i = 0; i < n; i++)
        record_one(world, &changes[i]);
    dispatch_recorded(world->dispatch);
}

void world_add_job(struct world *world, const char *id, enum job_kind kind, const char *folder,
                   const char *host)
{
    CLEAN_CATALOG_JOB struct catalog_job job = {.state = JOB_STATE_PLANNED};

    str_copy(job.job.id, sizeof job.job.id, id);
    job.job.kind = kind;
    job.job.vm_uuid = mem_dup(folder);
    job.job.folder = mem_dup(folder);
    if (kind == JOB_VERIFY)
        job.job.subject.file = mem_dup("backup_1.xva");
    text_list_add(&job.hosts, host);
    dispatch_add_job(world->dispatch, &job, world->now);
}

void world_add_expire(struct world *world, const char *folder)
{
    CLEAN_JOB struct job job = {.kind = JOB_EXPIRE};

    job.folder = mem_dup(folder);
    job_add_victim(&job)->file = mem_dup("backup_1.xva");
    job_add_keeper(&job)->file = mem_dup("backup_2.xva");
    dispatch_add_expire(world->dispatch, &job, world->now);
    record(world);
}

void world_sync(struct world *world, const char *host, const struct job_report *report)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {
        .boot = 1, .seq = ++world->seq, .slots = 4, .free_slots = 4};

    str_copy(sync.host_uuid, sizeof sync.host_uuid, host);
    sync.version = mem_dup("1");
    sync.store.root = mem_dup("/backup");
    sync.store.uuid = mem_dup("store");
    sync.store.nonce = mem_dup("nonce");
    sync.store.free_bytes = sync.store.total_bytes = UINT64_C(1) << 40;
    if (report)
        job_report_copy(wire_sync_add_report(&sync), report);
    world->now.ms += 100;
    assert_int_equal(dispatch_hear(world->dispatch, &sync, world->now, NULL), 0);
    dispatch_place(world->dispatch, host, world->now);
    record(world);
    wire_orders_done(&world->orders);
    dispatch_orders(world->dispatch, host, world->now, &world->orders);
}

void world_tell(struct world *world, const char *host, const char *id, uint32_t attempt,
                enum job_state state, enum error_code code)
{
    CLEAN_JOB_REPORT struct job_report report = {.attempt = attempt,
                                                 .state = state,
                                                 .phase = JOB_PHASE_STREAM,
                                                 .is_clean = code != ERROR_DIED,
                                                 .finished_at = job_state_is_end(state)};

    str_copy(report.id, sizeof report.id, id);
    if (code != ERROR_NONE)
        error_set(&report.error, code, "it went wrong");
    if (state == JOB_STATE_DONE && job_kind_is_backup(world_view(world, id).kind))
        job_report_add_file(&report)->name = mem_dup("backup.xva");
    world_sync(world, host, &report);
}

bool world_is_given(const struct world *world, const char *id)
{
    for (size_t i = 0; i < world->orders.assign_n; i++)
        if (strcmp(world->orders.assign[i].id, id) == 0)
            return true;
    return false;
}

struct run_job world_view(const struct world *world, const char *id)
{
    struct run_job view;

    assert_int_equal(dispatch_find_job(world->dispatch, id, &view), 1);
    return view;
}
