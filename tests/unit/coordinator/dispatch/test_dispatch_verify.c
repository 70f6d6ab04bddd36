/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Verify jobs in the dispatch: behind the backups, within the limits, never beside an expire job of
 * their folder, and a damaged file is looked at twice.
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
#define H2 "0b4a8c1e-5d0f-4a4e-9a57-3f1f5f2f7a11"
#define BACKUP "00000000000000a1"
#define VERIFY "00000000000000b1"
#define VERIFY2 "00000000000000b2"

static int begin(void **state)
{
    struct dispatch_settings settings = world_settings();
    settings.backoff_ms = 10;
    *state = world_new(&settings);
    return 0;
}

static int end(void **state)
{
    world_free(*state);
    return 0;
}

/* An expire job is done and has removed this file. */
static void tell_gone(struct world *world, const char *id, const char *file)
{
    CLEAN_JOB_REPORT struct job_report report = {
        .attempt = 1, .state = JOB_STATE_DONE, .is_clean = true, .finished_at = 1};
    str_copy(report.id, sizeof report.id, id);
    text_list_add(&report.gone, file);
    world_sync(world, H1, &report);
}

static void it_waits_for_backups_that_have_not_begun_and_for_a_place(void **state)
{
    struct world *world = *state;
    world_add_job(world, VERIFY, JOB_VERIFY, "web2", H1);
    world_add_job(world, BACKUP, JOB_BACKUP_VM, "web1", H1);
    dispatch_start(world->dispatch, world->now);
    world_sync(world, H2, NULL); /* H2 does not see the backup's disks, and may not go before it */
    assert_int_equal(world->orders.assign_n, 0);
    world_sync(world, H1, NULL);
    assert_true(world_is_given(world, BACKUP) && !world_is_given(world, VERIFY)); /* host_jobs is 1 */
    world_sync(world, H2, NULL);
    assert_true(world_is_given(world, VERIFY));
}

static void of_two_one_host_has_one_at_a_time(void **state)
{
    struct world *world = *state;
    world_add_job(world, VERIFY, JOB_VERIFY, "web1", H1);
    world_add_job(world, VERIFY2, JOB_VERIFY, "web2", H1);
    dispatch_start(world->dispatch, world->now);
    world_sync(world, H1, NULL);
    assert_int_equal(world->orders.assign_n, 1);
    world_tell(world, H1, VERIFY, 1, JOB_STATE_DONE, ERROR_NONE);
    world_sync(world, H1, NULL);
    assert_true(world_is_given(world, VERIFY2));
}

/* However many hosts there are: it counts with the backups that run. */
static void check_limit(const struct dispatch_settings *settings)
{
    struct world *world = world_new(settings);
    world_add_job(world, BACKUP, JOB_BACKUP_VM, "web1", H1);
    world_add_job(world, VERIFY, JOB_VERIFY, "web2", H1);
    world_add_job(world, VERIFY2, JOB_VERIFY, "web3", H1);
    dispatch_start(world->dispatch, world->now);
    world_sync(world, H1, NULL);
    assert_true(world_is_given(world, BACKUP));
    assert_int_equal(world->orders.assign_n, 2);
    world_sync(world, H2, NULL);
    assert_int_equal(world->orders.assign_n, 0);
    world_tell(world, H1, VERIFY, 1, JOB_STATE_DONE, ERROR_NONE);
    assert_true(world_is_given(world, VERIFY2));
    world_free(world);
}

static void it_counts_against_the_limits_of_store_and_pool(void **state)
{
    (void)state;
    struct dispatch_settings settings = world_settings();
    settings.host_jobs_max = 0;
    settings.store_jobs_max = 2;
    check_limit(&settings);
    settings.store_jobs_max = 0;
    settings.pool_jobs_max = 2;
    check_limit(&settings);
}

static void a_damaged_file_is_read_by_another_host_and_then_it_is_damaged(void **state)
{
    struct world *world = *state;
    struct run_totals totals;
    world_add_job(world, VERIFY, JOB_VERIFY, "web1", H1);
    dispatch_start(world->dispatch, world->now);
    world_sync(world, H2, NULL);
    world_sync(world, H1, NULL);
    world_tell(world, H2, VERIFY, 1, JOB_STATE_FAILED, ERROR_CORRUPT);
    world->now.ms += 1000;
    world_sync(world, H2, NULL);
    assert_int_equal(world->orders.assign_n, 0); /* not here again while there is another */
    world_sync(world, H1, NULL);
    assert_true(world_is_given(world, VERIFY));
    world_sync(world, H2, NULL);
    world_tell(world, H1, VERIFY, 2, JOB_STATE_FAILED, ERROR_CORRUPT);
    assert_int_equal(world_view(world, VERIFY).state, JOB_STATE_FAILED);
    dispatch_view_totals(world->dispatch, &totals);
    assert_int_equal(totals.failed_n, 1); /* the run's exit status is 1 */
    assert_int_equal(totals.cleanups_n, 0);
}

static void a_share_that_fails_is_tried_as_often_as_a_backup(void **state)
{
    struct world *world = *state;
    world_add_job(world, VERIFY, JOB_VERIFY, "web1", H1);
    dispatch_start(world->dispatch, world->now);
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        world->now.ms += 60000;
        world_sync(world, H1, NULL);
        assert_true(world_is_given(world, VERIFY));
        world_tell(world, H1, VERIFY, attempt, JOB_STATE_FAILED, ERROR_IO);
    }
    assert_int_equal(world_view(world, VERIFY).state, JOB_STATE_FAILED);
}

static void an_expire_of_its_folder_goes_first_and_what_went_is_not_read(void **state)
{
    struct world *world = *state;
    world_add_job(world, VERIFY, JOB_VERIFY, "web1", H1);
    world_add_job(world, VERIFY2, JOB_VERIFY, "web2", H1);
    dispatch_start(world->dispatch, world->now);
    world_add_expire(world, "web1");
    world_sync(world, H1, NULL);
    assert_true(world_is_given(world, world->expire) && !world_is_given(world, VERIFY));
    assert_true(world_is_given(world, VERIFY2));
    tell_gone(world, world->expire, "backup_1.xva");
    assert_int_equal(world_view(world, VERIFY).state, JOB_STATE_SKIPPED);
}

static void an_expire_waits_for_one_that_reads_in_its_folder(void **state)
{
    struct world *world = *state;
    world_add_job(world, VERIFY, JOB_VERIFY, "web1", H1);
    dispatch_start(world->dispatch, world->now);
    world_sync(world, H1, NULL);
    assert_true(world_is_given(world, VERIFY));
    world_add_expire(world, "web1");
    world_tell(world, H1, VERIFY, 1, JOB_STATE_RUNNING, ERROR_NONE);
    assert_int_equal(world->orders.assign_n, 0);
    world_tell(world, H1, VERIFY, 1, JOB_STATE_DONE, ERROR_NONE);
    world_sync(world, H1, NULL);
    assert_true(world_is_given(world, world->expire));
}

static void behind_the_runs_time_it_is_left_for_the_next_run(void **state)
{
    struct world *world = *state;
    struct run_totals totals;
    world_add_job(world, VERIFY, JOB_VERIFY, "web1", H1);
    dispatch_start(world->dispatch, world->now);
    world->now.ms += 3600001;
    dispatch_tick(world->dispatch, world->now);
    assert_int_equal(world_view(world, VERIFY).state, JOB_STATE_SKIPPED);
    dispatch_view_totals(world->dispatch, &totals);
    assert_int_equal(totals.failed_n, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_waits_for_backups_that_have_not_begun_and_for_a_place),
        CASE(of_two_one_host_has_one_at_a_time),
        cmocka_unit_test(it_counts_against_the_limits_of_store_and_pool),
        CASE(a_damaged_file_is_read_by_another_host_and_then_it_is_damaged),
        CASE(a_share_that_fails_is_tried_as_often_as_a_backup),
        CASE(an_expire_of_its_folder_goes_first_and_what_went_is_not_read),
        CASE(an_expire_waits_for_one_that_reads_in_its_folder),
        CASE(behind_the_runs_time_it_is_left_for_the_next_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
