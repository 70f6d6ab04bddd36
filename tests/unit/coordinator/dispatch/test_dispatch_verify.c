/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Verify jobs in the dispatch: behind the backups, within the limits, never beside an expire job of
 * their folder, and a damaged file is looked at twice.
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
#define H2 "0b4a8c1e-5d0f-4a4e-9a57-3f1f5f2f7a11"
#define BACKUP "00000000000000a1"
#define VERIFY "00000000000000b1"
#define VERIFY2 "00000000000000b2"

struct world {
    struct dispatch *dispatch;
    struct dispatch_now now;
    uint64_t seq;
    char expire[JOB_ID_MAX];
    struct text_list given; /* ids of what was ordered last */
};

static void record(struct world *world)
{
    size_t n = 0;
    struct dispatch_change *changes = dispatch_changes(world->dispatch, &n);
    for (size_t i = 0; i < n; i++) {
        if (changes[i].kind == DISPATCH_ADD_JOB && changes[i].job.job.kind == JOB_EXPIRE)
            str_copy(world->expire, sizeof world->expire, changes[i].id);
        if (changes[i].kind == DISPATCH_BEGIN)
            changes[i].stem = changes[i].prefix ? str_format("%s1", changes[i].prefix) : NULL;
    }
    dispatch_recorded(world->dispatch);
}

static void sync_host(struct world *world, const char *host, const struct job_report *report)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {.boot = 1, .seq = ++world->seq, .slots = 4,
                                             .free_slots = 4};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
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
    dispatch_orders(world->dispatch, host, world->now, &orders);
    text_list_done(&world->given);
    for (size_t i = 0; i < orders.assign_n; i++)
        text_list_add(&world->given, orders.assign[i].id);
}

static void tell(struct world *world, const char *host, const char *id, uint32_t attempt,
                 enum job_state job_state, enum error_code code, const char *gone)
{
    CLEAN_JOB_REPORT struct job_report report = {
        .attempt = attempt, .state = job_state, .phase = JOB_PHASE_STREAM, .is_clean = true};
    str_copy(report.id, sizeof report.id, id);
    report.finished_at = job_state_is_end(job_state) ? 1 : 0;
    if (code != ERROR_NONE)
        error_set(&report.error, code, "it went wrong");
    if (gone)
        text_list_add(&report.gone, gone);
    sync_host(world, host, &report);
}

static void add_job(struct world *world, const char *id, enum job_kind kind, const char *folder)
{
    CLEAN_CATALOG_JOB struct catalog_job job = {.state = JOB_STATE_PLANNED};
    str_copy(job.job.id, sizeof job.job.id, id);
    job.job.kind = kind;
    job.job.vm_uuid = mem_dup(folder);
    job.job.folder = mem_dup(folder);
    if (kind == JOB_VERIFY)
        job.job.subject.file = mem_dup("backup_1.xva");
    text_list_add(&job.hosts, H1);
    dispatch_add_job(world->dispatch, &job, world->now);
}

static void add_expire(struct world *world, const char *folder)
{
    CLEAN_JOB struct job job = {.kind = JOB_EXPIRE};
    job.folder = mem_dup(folder);
    job_add_victim(&job)->file = mem_dup("backup_1.xva");
    job_add_keeper(&job)->file = mem_dup("backup_2.xva");
    dispatch_add_expire(world->dispatch, &job, world->now);
    record(world);
}

static enum job_state state_of(struct world *world, const char *id)
{
    struct run_job view;
    assert_int_equal(dispatch_find_job(world->dispatch, id, &view), 1);
    return view.state;
}

static bool is_given(const struct world *world, const char *id)
{
    return text_list_has(&world->given, id);
}

static int begin(void **state)
{
    struct world *world = mem_zero(1, sizeof *world);
    world->now = (struct dispatch_now){.ms = 1000, .at = 1763856000000};
    const struct dispatch_settings settings = {.attempts_max = 3, .backoff_ms = 10,
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
    text_list_done(&world->given);
    free(world);
    return 0;
}

static void it_waits_for_backups_that_have_not_begun_and_for_a_place(void **state)
{
    struct world *world = *state;
    add_job(world, VERIFY, JOB_VERIFY, "web2");
    add_job(world, BACKUP, JOB_BACKUP_VM, "web1");
    dispatch_start(world->dispatch, world->now);
    sync_host(world, H2, NULL); /* H2 does not see the backup's disks, and may not go before it */
    assert_int_equal(world->given.n, 0);
    sync_host(world, H1, NULL);
    assert_true(is_given(world, BACKUP) && !is_given(world, VERIFY)); /* host_jobs is 1 */
    sync_host(world, H2, NULL);
    assert_true(is_given(world, VERIFY));
}

static void of_two_one_host_has_one_at_a_time(void **state)
{
    struct world *world = *state;
    add_job(world, VERIFY, JOB_VERIFY, "web1");
    add_job(world, VERIFY2, JOB_VERIFY, "web2");
    dispatch_start(world->dispatch, world->now);
    sync_host(world, H1, NULL);
    assert_int_equal(world->given.n, 1);
    tell(world, H1, VERIFY, 1, JOB_STATE_DONE, ERROR_NONE, NULL);
    sync_host(world, H1, NULL);
    assert_true(is_given(world, VERIFY2));
}

static void a_damaged_file_is_read_by_another_host_and_then_it_is_damaged(void **state)
{
    struct world *world = *state;
    struct run_totals totals;
    add_job(world, VERIFY, JOB_VERIFY, "web1");
    dispatch_start(world->dispatch, world->now);
    sync_host(world, H2, NULL);
    tell(world, H2, VERIFY, 1, JOB_STATE_FAILED, ERROR_CORRUPT, NULL);
    world->now.ms += 1000;
    sync_host(world, H1, NULL);
    assert_true(is_given(world, VERIFY));
    sync_host(world, H2, NULL);
    tell(world, H1, VERIFY, 2, JOB_STATE_FAILED, ERROR_CORRUPT, NULL);
    assert_int_equal(state_of(world, VERIFY), JOB_STATE_FAILED);
    dispatch_view_totals(world->dispatch, &totals);
    assert_int_equal(totals.failed_n, 1); /* the run's exit status is 1 */
    assert_int_equal(totals.cleanups_n, 0);
}

static void a_share_that_fails_is_tried_as_often_as_a_backup(void **state)
{
    struct world *world = *state;
    add_job(world, VERIFY, JOB_VERIFY, "web1");
    dispatch_start(world->dispatch, world->now);
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        world->now.ms += 60000;
        sync_host(world, H1, NULL);
        assert_true(is_given(world, VERIFY));
        tell(world, H1, VERIFY, attempt, JOB_STATE_FAILED, ERROR_IO, NULL);
    }
    assert_int_equal(state_of(world, VERIFY), JOB_STATE_FAILED);
}

static void an_expire_of_its_folder_goes_first_and_what_went_is_not_read(void **state)
{
    struct world *world = *state;
    add_job(world, VERIFY, JOB_VERIFY, "web1");
    add_job(world, VERIFY2, JOB_VERIFY, "web2");
    dispatch_start(world->dispatch, world->now);
    add_expire(world, "web1");
    sync_host(world, H1, NULL);
    assert_true(is_given(world, world->expire) && !is_given(world, VERIFY));
    assert_true(is_given(world, VERIFY2));
    tell(world, H1, world->expire, 1, JOB_STATE_DONE, ERROR_NONE, "backup_1.xva");
    assert_int_equal(state_of(world, VERIFY), JOB_STATE_SKIPPED);
}

static void an_expire_waits_for_one_that_reads_in_its_folder(void **state)
{
    struct world *world = *state;
    add_job(world, VERIFY, JOB_VERIFY, "web1");
    dispatch_start(world->dispatch, world->now);
    sync_host(world, H1, NULL);
    assert_true(is_given(world, VERIFY));
    add_expire(world, "web1");
    tell(world, H1, VERIFY, 1, JOB_STATE_RUNNING, ERROR_NONE, NULL);
    assert_int_equal(world->given.n, 0);
    tell(world, H1, VERIFY, 1, JOB_STATE_DONE, ERROR_NONE, NULL);
    sync_host(world, H1, NULL);
    assert_true(is_given(world, world->expire));
}

static void behind_the_runs_time_it_is_left_for_the_next_run(void **state)
{
    struct world *world = *state;
    struct run_totals totals;
    add_job(world, VERIFY, JOB_VERIFY, "web1");
    dispatch_start(world->dispatch, world->now);
    world->now.ms += 3600001;
    dispatch_tick(world->dispatch, world->now);
    assert_int_equal(state_of(world, VERIFY), JOB_STATE_SKIPPED);
    dispatch_view_totals(world->dispatch, &totals);
    assert_int_equal(totals.failed_n, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_waits_for_backups_that_have_not_begun_and_for_a_place),
        CASE(of_two_one_host_has_one_at_a_time),
        CASE(a_damaged_file_is_read_by_another_host_and_then_it_is_damaged),
        CASE(a_share_that_fails_is_tried_as_often_as_a_backup),
        CASE(an_expire_of_its_folder_goes_first_and_what_went_is_not_read),
        CASE(an_expire_waits_for_one_that_reads_in_its_folder),
        CASE(behind_the_runs_time_it_is_left_for_the_next_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
