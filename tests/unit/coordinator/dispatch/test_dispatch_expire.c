/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Expire jobs in the dispatch: any host, before backups, never a cleanup, a failure is a warning.
 */
#include "coordinator/dispatch/dispatch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "common/base/str.h"

#define H1 "0b4a8c1e-5d0f-4a4e-9a57-3f1f5f2f7a10"

struct world {
    struct dispatch *dispatch;
    struct dispatch_now now;
    uint64_t seq;
    char expire[JOB_ID_MAX]; /* id of the expire job */
    struct str warnings;
    size_t cleanups_n;
    struct job given; /* the last one that was ordered */
    size_t given_n;
    size_t forget_n;
};

static void record(struct world *world)
{
    size_t n = 0;
    struct dispatch_change *changes = dispatch_changes(world->dispatch, &n);
    for (size_t i = 0; i < n; i++) {
        if (changes[i].kind == DISPATCH_ADD_JOB && changes[i].job.job.kind == JOB_EXPIRE)
            str_copy(world->expire, sizeof world->expire, changes[i].id);
        else if (changes[i].kind == DISPATCH_ADD_JOB)
            world->cleanups_n++;
        if (changes[i].kind == DISPATCH_BEGIN)
            changes[i].stem = changes[i].prefix ? str_format("%s1", changes[i].prefix) : NULL;
        if (changes[i].kind == DISPATCH_WARN)
            str_add_format(&world->warnings, "%s; ", changes[i].reason);
    }
    dispatch_recorded(world->dispatch);
}

/* What the agent tells: at most one attempt. */
static void sync_with(struct world *world, const struct job_report *report)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {.boot = 1, .seq = ++world->seq, .slots = 2,
                                             .free_slots = 2};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    str_copy(sync.host_uuid, sizeof sync.host_uuid, H1);
    sync.version = mem_dup("1");
    sync.store.root = mem_dup("/backup");
    sync.store.uuid = mem_dup("store");
    sync.store.nonce = mem_dup("nonce");
    sync.store.free_bytes = sync.store.total_bytes = UINT64_C(1) << 40;
    if (report)
        job_report_copy(wire_sync_add_report(&sync), report);
    world->now.ms += 100;
    assert_int_equal(dispatch_hear(world->dispatch, &sync, world->now, NULL), 0);
    dispatch_place(world->dispatch, H1, world->now);
    record(world);
    dispatch_orders(world->dispatch, H1, world->now, &orders);
    world->given_n = orders.assign_n;
    world->forget_n = orders.forget_n;
    job_done(&world->given);
    if (orders.assign_n > 0)
        job_copy(&world->given, &orders.assign[0]);
}

static void tell(struct world *world, const char *id, uint32_t attempt, enum job_state job_state,
                 enum error_code code, bool is_clean)
{
    CLEAN_JOB_REPORT struct job_report report = {.attempt = attempt, .state = job_state,
                                                 .phase = JOB_PHASE_CLEAN, .is_clean = is_clean};
    str_copy(report.id, sizeof report.id, id);
    report.finished_at = job_state_is_end(job_state) ? 1 : 0;
    if (code != ERROR_NONE)
        error_set(&report.error, code, "it went wrong");
    sync_with(world, &report);
}

static void add_backup_job(struct world *world, const char *id, const char *folder)
{
    CLEAN_CATALOG_JOB struct catalog_job job = {.state = JOB_STATE_PLANNED};
    str_copy(job.job.id, sizeof job.job.id, id);
    job.job.kind = JOB_BACKUP_VM;
    job.job.vm_uuid = mem_dup("vm");
    job.job.folder = mem_dup(folder);
    text_list_add(&job.hosts, H1);
    dispatch_add_job(world->dispatch, &job, world->now);
}

static int begin(void **state)
{
    struct world *world = mem_zero(1, sizeof *world);
    world->now = (struct dispatch_now){.ms = 1000, .at = 1763856000000};
    const struct dispatch_settings settings = {.attempts_max = 2, .backoff_ms = 1000,
                                               .lost_ms = 60000, .strange_ms = 15000,
                                               .stall_ms = 45000, .run_max_ms = 3600000,
                                               .host_jobs_max = 1, .run = "00000000000000ff",
                                               .store_uuid = "store", .store_nonce = "nonce",
                                               .store_root = "/backup",
                                               .random = random_system()};
    world->dispatch = dispatch_new(&settings, world->now);
    dispatch_set_lease(world->dispatch, 7, true);
    *state = world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;
    dispatch_free(&world->dispatch);
    str_done(&world->warnings);
    job_done(&world->given);
    free(world);
    return 0;
}

static void add_expire(struct world *world)
{
    CLEAN_JOB struct job job = {.kind = JOB_EXPIRE};
    job.folder = mem_dup("web1");
    struct job_copied *victim = job_add_victim(&job);
    victim->file = mem_dup("backup_1.xva");
    struct job_copied *keeper = job_add_keeper(&job);
    keeper->file = mem_dup("backup_2.xva");
    dispatch_add_expire(world->dispatch, &job, world->now);
    record(world);
}

static void it_goes_to_any_host_before_backups_and_keeps_its_victims(void **state)
{
    struct world *world = *state;
    add_backup_job(world, "00000000000000a1", "web2");
    dispatch_start(world->dispatch, world->now);
    add_expire(world);
    sync_with(world, NULL);
    assert_int_equal(world->given_n, 2); /* it counts against no limit of backups */
    struct run_job view;
    assert_int_equal(dispatch_find_job(world->dispatch, world->expire, &view), 1);
    assert_int_equal(view.state, JOB_STATE_ASSIGNED);
    assert_string_equal(view.host_uuid, H1);
}

static void its_order_names_victims_and_keepers(void **state)
{
    struct world *world = *state;
    dispatch_start(world->dispatch, world->now);
    add_expire(world);
    sync_with(world, NULL);
    assert_int_equal(world->given_n, 1);
    assert_int_equal(world->given.kind, JOB_EXPIRE);
    assert_string_equal(world->given.victims[0].file, "backup_1.xva");
    assert_string_equal(world->given.keepers[0].file, "backup_2.xva");
    assert_null(world->given.stem);
    assert_int_equal(world->given.lease, 7);
}

static void a_failure_is_tried_again_then_a_warning_and_no_failed_backup(void **state)
{
    struct world *world = *state;
    struct run_totals totals;
    dispatch_start(world->dispatch, world->now);
    add_expire(world);
    sync_with(world, NULL);
    tell(world, world->expire, 1, JOB_STATE_FAILED, ERROR_IO, true);
    assert_string_equal(str_text(&world->warnings), "");
    world->now.ms += 5000;
    sync_with(world, NULL);
    assert_int_equal(world->given.attempt, 2);
    tell(world, world->expire, 2, JOB_STATE_FAILED, ERROR_IO, true);
    assert_non_null(strstr(str_text(&world->warnings),
                           "old backups in web1 could not be removed: attempt 2 on "));
    dispatch_view_totals(world->dispatch, &totals);
    assert_int_equal(totals.jobs_n, 0);
    assert_int_equal(totals.failed_n, 0);
    assert_int_equal(totals.cleanups_failed_n, 0);
    assert_int_equal(world->cleanups_n, 0);
    assert_true(dispatch_is_over(world->dispatch));
}

static void a_worker_that_died_in_it_gets_no_cleanup_but_another_attempt(void **state)
{
    struct world *world = *state;
    dispatch_start(world->dispatch, world->now);
    add_expire(world);
    sync_with(world, NULL);
    tell(world, world->expire, 1, JOB_STATE_RUNNING, ERROR_NONE, false);
    tell(world, world->expire, 1, JOB_STATE_FAILED, ERROR_DIED, false);
    assert_int_equal(world->cleanups_n, 0);
    world->now.ms += 5000;
    sync_with(world, NULL);
    assert_int_equal(world->given_n, 1);
    tell(world, world->expire, 2, JOB_STATE_DONE, ERROR_NONE, true);
    assert_string_equal(str_text(&world->warnings), "");
    assert_true(dispatch_is_over(world->dispatch));
}

static void the_run_is_not_over_before_it_has_ended(void **state)
{
    struct world *world = *state;
    dispatch_start(world->dispatch, world->now);
    add_expire(world);
    assert_false(dispatch_is_over(world->dispatch));
    sync_with(world, NULL);
    assert_false(dispatch_is_over(world->dispatch));
    tell(world, world->expire, 1, JOB_STATE_DONE, ERROR_NONE, true);
    assert_true(dispatch_is_over(world->dispatch));
}

static void a_folder_is_saved_when_all_its_backups_ended_and_one_did_well(void **state)
{
    struct world *world = *state;
    add_backup_job(world, "00000000000000a1", "web1");
    add_backup_job(world, "00000000000000a2", "web1");
    add_backup_job(world, "00000000000000a3", "web2");
    dispatch_start(world->dispatch, world->now);
    assert_false(dispatch_is_folder_saved(world->dispatch, "web1"));
    sync_with(world, NULL);
    tell(world, world->given.id, 1, JOB_STATE_DONE, ERROR_NONE, true);
    assert_false(dispatch_is_folder_saved(world->dispatch, "web1"));
    sync_with(world, NULL);
    tell(world, world->given.id, 1, JOB_STATE_FAILED, ERROR_UNSUPPORTED, true);
    assert_true(dispatch_is_folder_saved(world->dispatch, "web1"));
    sync_with(world, NULL);
    tell(world, world->given.id, 1, JOB_STATE_FAILED, ERROR_UNSUPPORTED, true);
    assert_false(dispatch_is_folder_saved(world->dispatch, "web2"));
    assert_false(dispatch_is_folder_saved(world->dispatch, "web3"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_goes_to_any_host_before_backups_and_keeps_its_victims),
        CASE(its_order_names_victims_and_keepers),
        CASE(a_failure_is_tried_again_then_a_warning_and_no_failed_backup),
        CASE(a_worker_that_died_in_it_gets_no_cleanup_but_another_attempt),
        CASE(the_run_is_not_over_before_it_has_ended),
        CASE(a_folder_is_saved_when_all_its_backups_ended_and_one_did_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
