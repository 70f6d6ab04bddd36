/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the dispatch into a real catalog: nothing is ordered before its commit, requests of other
 * commands are answered.
 */
#include "coordinator/run/control_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "common/base/str.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/catalog/catalog_sql.h"

#define RUN "00000000000000aa"
#define JOB "00000000000000bb"
#define AT 1763856000000

struct world {
    char folder[40];
    struct catalog *catalog;
    struct catalog *other; /* another command's connection */
    struct dispatch *dispatch;
    struct control_record record;
    struct dispatch_now now;
    uint64_t bytes; /* told by hear */
    uint64_t boot;  /* 0: 1 */
    bool is_store_unread;
};

static void add_run_and_job(struct world *world)
{
    struct catalog_run run = {.state = CATALOG_RUN_RUNNING, .started_at = AT};
    CLEAN_CATALOG_JOB struct catalog_job job = {.state = JOB_STATE_PLANNED};

    str_copy(run.id, sizeof run.id, RUN);
    assert_int_equal(catalog_add_run(world->catalog, &run, NULL), 0);
    str_copy(job.job.id, sizeof job.job.id, JOB);
    str_copy(job.job.run, sizeof job.job.run, RUN);
    job.job.kind = JOB_BACKUP_VM;
    job.job.compress = JOB_COMPRESS_NONE;
    job.job.disk_format = JOB_DISK_RAW;
    job.job.vm_uuid = mem_dup("vm");
    job.job.vm_name = mem_dup("web1");
    job.job.folder = mem_dup("web1");
    text_list_add(&job.hosts, "h1");
    assert_int_equal(catalog_put_job(world->catalog, &job, NULL), 0);
    dispatch_add_job(world->dispatch, &job, world->now);
    dispatch_start(world->dispatch, world->now);
}

static int set_up(void **state)
{
    struct world *world = mem_zero(1, sizeof *world);
    const struct dispatch_settings settings = {.attempts_max = 3,
                                               .lost_ms = 60000,
                                               .strange_ms = 1000,
                                               .stall_ms = 60000,
                                               .run_max_ms = 600000,
                                               .run = RUN,
                                               .store_uuid = "store",
                                               .store_nonce = "nonce",
                                               .random = random_system()};

    str_copy(world->folder, sizeof world->folder, "/tmp/onyx-record-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    CLEAN_CHAR char *path = str_format("%s/catalog.db", world->folder);
    world->now = (struct dispatch_now){.ms = 1000, .at = AT};
    assert_int_equal(catalog_open(path, CATALOG_WRITE, &world->catalog, NULL), 0);
    assert_int_equal(catalog_open(path, CATALOG_ASK, &world->other, NULL), 0);
    sqlite3_busy_timeout(world->catalog->db, 20); /* not ten seconds in a test */
    world->dispatch = dispatch_new(&settings, world->now);
    dispatch_set_lease(world->dispatch, 1, true);
    control_record_init(&world->record, world->catalog);
    control_record_set_run(&world->record, RUN);
    add_run_and_job(world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    CLEAN_CHAR char *line = str_format("rm -rf '%s'", world->folder);

    dispatch_free(&world->dispatch);
    control_record_done(&world->record);
    catalog_close(&world->other);
    catalog_close(&world->catalog);
    assert_int_equal(system(line), 0);
    free(world);
    return 0;
}

/* One Sync of h1 and what it is answered. */
static void hear(struct world *world, enum job_state job_state, struct wire_orders *ret_orders)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {.boot = 1, .slots = 2, .free_slots = 2};
    static const char host[] = "h1";

    sync.seq = (uint64_t)++world->now.ms;
    str_copy(sync.host_uuid, sizeof sync.host_uuid, host);
    sync.store.uuid = mem_dup("store");
    sync.store.nonce = mem_dup("nonce");
    sync.boot = world->boot ? world->boot : 1;
    if (world->is_store_unread)
        error_set(&sync.store.error, ERROR_STORE_MISSING, "not looked at yet");
    struct wire_log_line *line = wire_sync_add_log(&sync);
    *line = (struct wire_log_line){.at = AT, .level = LOG_LEVEL_DEBUG};
    line->room = mem_dup("agent");
    line->text = mem_dup("a line");
    if (job_state != 0) {
        struct job_report *report = wire_sync_add_report(&sync);

        str_copy(report->id, sizeof report->id, JOB);
        report->attempt = 1;
        report->state = job_state;
        report->bytes = world->bytes;
        report->is_clean = true;
        if (job_state == JOB_STATE_DONE)
            job_report_add_file(report)->name = mem_dup("backup_x.xva");
    }
    assert_int_equal(dispatch_hear(world->dispatch, &sync, world->now, NULL), 0);
    dispatch_place(world->dispatch, host, world->now);
    control_record_sync(&world->record, world->dispatch, &sync, world->now);
    dispatch_orders(world->dispatch, host, world->now, ret_orders);
}

static void nothing_is_ordered_while_the_catalog_is_held_by_another(void **state)
{
    struct world *world = *state;
    CLEAN_WIRE_ORDERS struct wire_orders before = {0};
    CLEAN_WIRE_ORDERS struct wire_orders after = {0};
    CLEAN_CATALOG_JOB struct catalog_job job = {0};

    assert_int_equal(catalog_begin(world->other, NULL), 0);
    hear(world, 0, &before);
    assert_int_equal(before.assign_n, 0);
    assert_true(world->record.has_trouble);
    catalog_undo(world->other);
    hear(world, 0, &after);
    assert_int_equal(after.assign_n, 1);
    assert_false(world->record.has_trouble);
    assert_int_equal(catalog_find_job(world->other, JOB, &job, NULL), 1);
    assert_true(job.is_open);
    assert_string_equal(job.job.stem, after.assign[0].stem);
}

static void finished_attempt_is_forgotten_behind_its_commit(void **state)
{
    struct world *world = *state;
    CLEAN_WIRE_ORDERS struct wire_orders first = {0};
    CLEAN_WIRE_ORDERS struct wire_orders held = {0};
    CLEAN_WIRE_ORDERS struct wire_orders done = {0};
    CLEAN_CATALOG_JOB struct catalog_job job = {0};

    hear(world, 0, &first);
    assert_int_equal(catalog_begin(world->other, NULL), 0);
    hear(world, JOB_STATE_DONE, &held);
    assert_int_equal(held.forget_n, 0);
    catalog_undo(world->other);
    hear(world, JOB_STATE_DONE, &done);
    assert_int_equal(done.forget_n, 1);
    assert_int_equal(catalog_find_job(world->other, JOB, &job, NULL), 1);
    assert_int_equal(job.state, JOB_STATE_DONE);
    assert_true(dispatch_is_over(world->dispatch));
}

static void every_commit_is_told_as_an_event(void **state)
{
    struct world *world = *state;
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    CLEAN_EVENTS struct events events = {0};
    size_t jobs_n = 0;
    size_t agents_n = 0;

    hear(world, 0, &orders);
    events_move(&world->record.events, &events);
    for (size_t i = 0; i < events.n; i++) {
        jobs_n += events.items[i].kind == EVENTS_JOB;
        agents_n += events.items[i].kind == EVENTS_AGENT;
    }
    assert_int_equal(jobs_n, 1);
    assert_int_equal(agents_n, 1);
    assert_int_equal(world->record.events.n, 0);
}

static uint64_t bytes_in_catalog(struct world *world)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    assert_int_equal(catalog_prepare(world->other, &rows, NULL,
                                     "SELECT bytes FROM attempt WHERE job = ?", "s", JOB),
                     0);
    assert_int_equal(catalog_step(world->other, rows, NULL), 1);
    return (uint64_t)catalog_column_int(rows, 0);
}

static void bytes_of_a_running_job_are_written_every_few_seconds(void **state)
{
    struct world *world = *state;
    CLEAN_WIRE_ORDERS struct wire_orders first = {0};
    CLEAN_WIRE_ORDERS struct wire_orders more = {0};

    hear(world, 0, &first);
    world->bytes = 1000;
    hear(world, JOB_STATE_RUNNING, &more);
    world->now.ms += 60000;
    control_record_bytes(&world->record, world->dispatch, world->now);
    assert_int_equal(bytes_in_catalog(world), 1000);
    assert_int_equal(
        catalog_set_attempt_bytes(world->catalog, JOB, 1, 1, NULL), 0);
    world->now.ms += 1000;
    control_record_bytes(&world->record, world->dispatch, world->now);
    assert_int_equal(bytes_in_catalog(world), 1);
    world->now.ms += 5000;
    control_record_bytes(&world->record, world->dispatch, world->now);
    assert_int_equal(bytes_in_catalog(world), 1000);
}

static void a_job_that_begins_again_within_one_commit_is_told_once(void **state)
{
    struct world *world = *state;
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    CLEAN_EVENTS struct events events = {0};
    size_t begins_n = 0;

    assert_int_equal(catalog_begin(world->other, NULL), 0);
    world->now.ms += 1000;
    dispatch_tick(world->dispatch, world->now); /* it waits: no agent yet */
    control_record_changes(&world->record, world->dispatch, world->now);
    hear(world, 0, &orders);
    catalog_undo(world->other);
    control_record_changes(&world->record, world->dispatch, world->now);
    events_move(&world->record.events, &events);
    for (size_t i = 0; i < events.n; i++)
        begins_n += events.items[i].kind == EVENTS_JOB &&
                    events.items[i].job.job.state == JOB_STATE_ASSIGNED;
    assert_int_equal(begins_n, 1);
}

static size_t refusals_n(struct world *world)
{
    CLEAN_EVENTS struct events events = {0};
    size_t n = 0;

    events_move(&world->record.events, &events);
    for (size_t i = 0; i < events.n; i++)
        n += events.items[i].kind == EVENTS_AGENT && events.items[i].text != NULL;
    return n;
}

static void agent_that_has_just_started_is_not_told_of_until_it_stays_unready(void **state)
{
    struct world *world = *state;
    struct wire_orders orders[3] = {0};

    hear(world, 0, &orders[0]);
    world->record.is_planned = true;
    world->boot = 2;
    world->is_store_unread = true;
    hear(world, 0, &orders[1]);
    assert_int_equal(refusals_n(world), 0);
    world->now.ms += 6000;
    hear(world, 0, &orders[2]);
    assert_int_equal(refusals_n(world), 1);
    for (size_t i = 0; i < 3; i++)
        wire_orders_done(&orders[i]);
}

static int64_t ask(struct world *world, const char *verb)
{
    CLEAN_CHAR char *copy = mem_dup(verb);
    const struct catalog_request request = {.verb = copy, .pid = 1, .asked_at = AT};
    int64_t id = 0;

    assert_int_equal(catalog_add_request(world->other, &request, &id, NULL), 0);
    return id;
}

static void requests_are_answered_and_a_cancel_is_heard_once(void **state)
{
    struct world *world = *state;
    int64_t run = ask(world, "run");
    int64_t cancel = ask(world, "cancel");
    int64_t unknown = ask(world, "dance");
    CLEAN_CATALOG_REQUEST struct catalog_request noted = {0};
    CLEAN_CATALOG_REQUEST struct catalog_request done = {0};
    CLEAN_CATALOG_REQUEST struct catalog_request refused = {0};

    assert_true(control_record_requests(&world->record, world->now));
    assert_false(control_record_requests(&world->record, world->now));
    assert_int_equal(catalog_find_request(world->other, run, &noted, NULL), 1);
    assert_int_equal(noted.state, REQUEST_NOTED);
    assert_int_equal(catalog_find_request(world->other, cancel, &done, NULL), 1);
    assert_int_equal(done.state, REQUEST_ANSWERED);
    assert_int_equal(done.exit_status, 0);
    assert_int_equal(catalog_find_request(world->other, unknown, &refused, NULL), 1);
    assert_int_equal(refused.exit_status, 2);
}

static void what_is_refused_is_written_at_once_and_then_every_few_seconds(void **state)
{
    struct world *world = *state;
    struct catalog_refused refused = {.other_key = 1};
    struct catalog_refused got;

    control_record_set_run(&world->record, "");
    control_record_refused(&world->record, &refused, world->now);
    control_record_set_run(&world->record, RUN);
    assert_int_equal(catalog_get_refused(world->other, RUN, &got, NULL), 0);
    assert_true(got.other_key == 0);
    control_record_refused(&world->record, &refused, world->now);
    assert_int_equal(catalog_get_refused(world->other, RUN, &got, NULL), 0);
    assert_true(got.other_key == 1);
    refused.strange = 7;
    control_record_refused(&world->record, &refused, world->now);
    assert_int_equal(catalog_get_refused(world->other, RUN, &got, NULL), 0);
    assert_true(got.strange == 0);
    world->now.ms += 5000;
    control_record_refused(&world->record, &refused, world->now);
    assert_int_equal(catalog_get_refused(world->other, RUN, &got, NULL), 0);
    assert_true(got.strange == 7);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_is_ordered_while_the_catalog_is_held_by_another),
        CASE(finished_attempt_is_forgotten_behind_its_commit),
        CASE(every_commit_is_told_as_an_event),
        CASE(bytes_of_a_running_job_are_written_every_few_seconds),
        CASE(a_job_that_begins_again_within_one_commit_is_told_once),
        CASE(agent_that_has_just_started_is_not_told_of_until_it_stays_unready),
        CASE(what_is_refused_is_written_at_once_and_then_every_few_seconds),
        CASE(requests_are_answered_and_a_cancel_is_heard_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
