/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Expire jobs in the dispatch: any host, before backups, never a cleanup, a failure is a warning.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/coordinator/dispatch/dispatch_world.h"

#define H1 "0b4a8c1e-5d0f-4a4e-9a57-3f1f5f2f7a10"

static int begin(void **state)
{
    struct dispatch_settings settings = world_settings();
    settings.attempts_max = 2;
    settings.idle_timeout_ms = 90000;
    *state = world_new(&settings);
    return 0;
}

static int end(void **state)
{
    world_free(*state);
    return 0;
}

static void it_goes_to_any_host_before_backups_and_keeps_its_victims(void **state)
{
    struct world *world = *state;
    world_add_job(world, "00000000000000a1", JOB_BACKUP_VM, "web2", H1);
    dispatch_start(world->dispatch, world->now);
    world_add_expire(world, "web1");
    world_sync(world, H1, NULL);
    assert_int_equal(world->orders.assign_n, 2); /* it counts against no limit of backups */
    struct run_job view;
    assert_int_equal(dispatch_find_job(world->dispatch, world->expire, &view), 1);
    assert_int_equal(view.state, JOB_STATE_ASSIGNED);
    assert_string_equal(view.host_uuid, H1);
}

static void its_order_names_victims_and_keepers(void **state)
{
    struct world *world = *state;
    dispatch_start(world->dispatch, world->now);
    world_add_expire(world, "web1");
    world_sync(world, H1, NULL);
    assert_int_equal(world->orders.assign_n, 1);
    assert_int_equal(world->orders.assign[0].kind, JOB_EXPIRE);
    assert_string_equal(world->orders.assign[0].victims[0].file, "backup_1.xva");
    assert_string_equal(world->orders.assign[0].keepers[0].file, "backup_2.xva");
    assert_null(world->orders.assign[0].stem);
    assert_int_equal(world->orders.assign[0].lease, 7);
    /* Else a share that hangs would keep it for as long as an agent thinks right. */
    assert_int_equal(world->orders.assign[0].idle_timeout_ms, 90000);
}

static void a_failure_is_tried_again_then_a_warning_and_no_failed_backup(void **state)
{
    struct world *world = *state;
    struct run_totals totals;
    dispatch_start(world->dispatch, world->now);
    world_add_expire(world, "web1");
    world_sync(world, H1, NULL);
    world_tell(world, H1, world->expire, 1, JOB_STATE_FAILED, ERROR_IO);
    assert_string_equal(str_text(&world->warnings), "");
    world->now.ms += 5000;
    world_sync(world, H1, NULL);
    assert_int_equal(world->orders.assign[0].attempt, 2);
    world_tell(world, H1, world->expire, 2, JOB_STATE_FAILED, ERROR_IO);
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
    world_add_expire(world, "web1");
    world_sync(world, H1, NULL);
    world_tell(world, H1, world->expire, 1, JOB_STATE_RUNNING, ERROR_NONE);
    world_tell(world, H1, world->expire, 1, JOB_STATE_FAILED, ERROR_DIED);
    assert_int_equal(world->cleanups_n, 0);
    world->now.ms += 5000;
    world_sync(world, H1, NULL);
    assert_int_equal(world->orders.assign_n, 1);
    world_tell(world, H1, world->expire, 2, JOB_STATE_DONE, ERROR_NONE);
    assert_string_equal(str_text(&world->warnings), "");
    assert_true(dispatch_is_over(world->dispatch));
}

static void the_run_is_not_over_before_it_has_ended(void **state)
{
    struct world *world = *state;
    dispatch_start(world->dispatch, world->now);
    world_add_expire(world, "web1");
    assert_false(dispatch_is_over(world->dispatch));
    world_sync(world, H1, NULL);
    assert_false(dispatch_is_over(world->dispatch));
    world_tell(world, H1, world->expire, 1, JOB_STATE_DONE, ERROR_NONE);
    assert_true(dispatch_is_over(world->dispatch));
}

static void a_folder_is_saved_when_all_its_backups_ended_and_one_did_well(void **state)
{
    struct world *world = *state;
    world_add_job(world, "00000000000000a1", JOB_BACKUP_VM, "web1", H1);
    world_add_job(world, "00000000000000a2", JOB_BACKUP_VM, "web1", H1);
    world_add_job(world, "00000000000000a3", JOB_BACKUP_VM, "web2", H1);
    dispatch_start(world->dispatch, world->now);
    assert_false(dispatch_is_folder_saved(world->dispatch, "web1"));
    world_sync(world, H1, NULL);
    world_tell(world, H1, world->orders.assign[0].id, 1, JOB_STATE_DONE, ERROR_NONE);
    assert_false(dispatch_is_folder_saved(world->dispatch, "web1"));
    world_sync(world, H1, NULL);
    world_tell(world, H1, world->orders.assign[0].id, 1, JOB_STATE_FAILED, ERROR_UNSUPPORTED);
    assert_true(dispatch_is_folder_saved(world->dispatch, "web1"));
    world_sync(world, H1, NULL);
    world_tell(world, H1, world->orders.assign[0].id, 1, JOB_STATE_FAILED, ERROR_UNSUPPORTED);
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
