/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the dispatch makes of each row of the table of faults: one backup, three hosts, and the next
 * step after an attempt that ended with the row's error.
 */
#include "coordinator/dispatch/dispatch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "common/base/str.h"
#include "common/base/text_map.h"
#include "common/xapi/fault.h"
#include "coordinator/policy/plan.h"

#define JOB_ID       "00000000000000aa"
#define ATTEMPTS_MAX 3
#define BACKOFF_MS   5000
#define LATER_MS     600000

static const char *const hosts[] = {"h1", "h2", "h3"};

#define HOSTS_N (sizeof hosts / sizeof *hosts)

struct world {
    struct dispatch *dispatch;
    struct dispatch_now now;
    struct random random;
    uint64_t seqs[HOSTS_N];
    size_t on;        /* host of the newest attempt */
    uint32_t attempt; /* its number */
};

static void fill(void *context, void *bytes, size_t n)
{
    (void)context;
    memset(bytes, 0x5a, n);
}

static void record(struct world *world)
{
    size_t n = 0;
    struct dispatch_change *changes = dispatch_changes(world->dispatch, &n);

    for (size_t i = 0; i < n; i++)
        if (changes[i].kind == DISPATCH_BEGIN && changes[i].prefix)
            changes[i].stem = str_format("%s%u", changes[i].prefix, changes[i].attempt);
    dispatch_recorded(world->dispatch);
}

static void begin(struct world *world, enum job_kind kind, size_t hosts_n)
{
    const struct dispatch_settings settings = {.attempts_max = ATTEMPTS_MAX,
                                               .backoff_ms = BACKOFF_MS,
                                               .later_ms = LATER_MS,
                                               .lost_ms = 36000000,
                                               .strange_ms = 15000,
                                               .stall_ms = 36000000,
                                               .run_max_ms = 36000000,
                                               .run = "00000000000000ff",
                                               .store_uuid = "store",
                                               .store_nonce = "nonce",
                                               .store_root = "/backup",
                                               .random = &world->random};
    CLEAN_CATALOG_JOB struct catalog_job job = {.state = JOB_STATE_PLANNED};

    *world = (struct world){.now = {.ms = 1000, .at = 1763856000000}, .random = {.fill = fill}};
    world->dispatch = dispatch_new(&settings, world->now);
    dispatch_set_lease(world->dispatch, 7, true);
    str_copy(job.job.id, sizeof job.job.id, JOB_ID);
    job.job.kind = kind;
    job.job.vm_uuid = mem_dup("vm");
    job.job.vm_name = mem_dup("web1");
    job.job.folder = mem_dup("web1");
    for (size_t i = 0; i < hosts_n; i++)
        text_list_add(&job.hosts, hosts[i]);
    dispatch_add_job(world->dispatch, &job, world->now);
    dispatch_start(world->dispatch, world->now);
}

static void end(struct world *world)
{
    dispatch_free(&world->dispatch);
}

/* One Sync of a host, with the end of its attempt when error is given. Whether it got the job. */
static bool sync(struct world *world, size_t host, const struct error *error)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {.boot = 1, .slots = 2, .free_slots = 2};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};

    str_copy(sync.host_uuid, sizeof sync.host_uuid, hosts[host]);
    sync.seq = ++world->seqs[host];
    sync.store.root = mem_dup("/backup");
    sync.store.uuid = mem_dup("store");
    sync.store.nonce = mem_dup("nonce");
    if (error) {
        struct job_report *report = wire_sync_add_report(&sync);

        str_copy(report->id, sizeof report->id, JOB_ID);
        report->attempt = world->attempt;
        report->state = JOB_STATE_FAILED;
        report->is_clean = true;
        report->error = *error;
    }
    assert_int_equal(dispatch_hear(world->dispatch, &sync, world->now, NULL), 0);
    if (!error)
        dispatch_place(world->dispatch, hosts[host], world->now);
    record(world);
    dispatch_orders(world->dispatch, hosts[host], world->now, &orders);
    if (orders.assign_n == 0)
        return false;
    world->on = host;
    world->attempt = orders.assign[0].attempt;
    return true;
}

/* All hosts ask, beginning with first. Whether one got the job. */
static bool ask_all(struct world *world, size_t first)
{
    for (size_t i = 0; i < HOSTS_N; i++)
        if (sync(world, (first + i) % HOSTS_N, NULL))
            return true;
    return false;
}

/* The present attempt fails with this row's error. */
static void break_off(struct world *world, const char *origin, enum error_code code)
{
    struct error error = {.code = code};

    str_copy(error.origin, sizeof error.origin, origin);
    str_copy(error.text, sizeof error.text, "broken");
    (void)sync(world, world->on, &error);
}

static struct run_job look(struct world *world)
{
    struct run_job job;

    assert_int_equal(dispatch_find_job(world->dispatch, JOB_ID, &job), 1);
    return job;
}

static void wait_ms(struct world *world, int64_t ms)
{
    world->now.ms += ms;
    world->now.at += ms;
    dispatch_tick(world->dispatch, world->now);
    record(world);
}

/* Again and again with this error; gives the number of attempts until it failed, or max. */
static uint32_t try_until_failed(struct world *world, const struct fault_row *row, uint32_t max)
{
    while (look(world).state != JOB_STATE_FAILED && world->attempt < max) {
        assert_true(ask_all(world, 0));
        break_off(world, row->name, row->code);
        wait_ms(world, BACKOFF_MS << 4);
    }
    return world->attempt;
}

static void check_soon(struct world *world, const struct fault_row *row)
{
    size_t first = world->on;

    break_off(world, row->name, row->code);
    assert_int_equal(look(world).state, JOB_STATE_PLANNED);
    assert_false(ask_all(world, first)); /* not before the back-off is over */
    wait_ms(world, BACKOFF_MS);
    assert_true(ask_all(world, first));
    assert_int_not_equal(world->on, first); /* at best on another host */
    break_off(world, row->name, row->code);
    wait_ms(world, BACKOFF_MS << 4);
    assert_int_equal(try_until_failed(world, row, 50), ATTEMPTS_MAX);
}

static void check_later(struct world *world, const struct fault_row *row)
{
    break_off(world, row->name, row->code);
    for (int i = 0; i < ATTEMPTS_MAX + 2; i++) {
        assert_int_equal(look(world).state, JOB_STATE_PLANNED);
        wait_ms(world, BACKOFF_MS << 4);
        assert_true(ask_all(world, 0));
        break_off(world, row->name, row->code);
    }
    /* What lasts longer than a pool may be away costs attempts after all. */
    wait_ms(world, LATER_MS);
    uint32_t before = world->attempt;
    assert_int_equal(try_until_failed(world, row, 90), before + ATTEMPTS_MAX);
}

static void check_elsewhere(struct world *world, const struct fault_row *row)
{
    size_t first = world->on;
    size_t second;

    break_off(world, row->name, row->code);
    assert_false(sync(world, first, NULL)); /* not here any more */
    assert_true(ask_all(world, first));     /* at once on another */
    second = world->on;
    assert_int_not_equal(second, first);
    break_off(world, row->name, row->code);
    assert_false(sync(world, first, NULL));
    assert_false(sync(world, second, NULL));
    assert_true(ask_all(world, first));
    break_off(world, row->name, row->code); /* the last of them: that costs one, and all may again */
    assert_int_equal(look(world).state, JOB_STATE_PLANNED);
    wait_ms(world, BACKOFF_MS << 4);
    assert_int_equal(try_until_failed(world, row, 50), ATTEMPTS_MAX * HOSTS_N);
}

static void check_row(const struct fault_row *row)
{
    struct world world;

    begin(&world, JOB_BACKUP_VM, HOSTS_N);
    assert_true(ask_all(&world, 0));
    switch (row->step) {
    case FAULT_SOON:
        check_soon(&world, row);
        assert_false(dispatch_take_replan(world.dispatch));
        break;
    case FAULT_LATER:
        check_later(&world, row);
        break;
    case FAULT_ELSEWHERE:
        check_elsewhere(&world, row);
        break;
    case FAULT_REPLAN:
        check_soon(&world, row);
        assert_true(dispatch_take_replan(world.dispatch));
        assert_false(dispatch_take_replan(world.dispatch));
        break;
    case FAULT_SKIP:
        break_off(&world, row->name, row->code);
        assert_int_equal(look(&world).state, JOB_STATE_SKIPPED);
        assert_string_equal(look(&world).reason, "broken");
        break;
    case FAULT_GIVE_UP:
        break_off(&world, row->name, row->code);
        assert_int_equal(look(&world).state, JOB_STATE_FAILED);
        break;
    }
    end(&world);
}

static void every_row_leads_to_its_step(void **state)
{
    (void)state;
    size_t n = 0;
    const struct fault_row *rows = fault_rows(&n);

    for (size_t i = 0; i < n; i++)
        check_row(&rows[i]);
}

static void a_wait_that_was_answered_begins_anew(void **state)
{
    (void)state;
    struct world world;

    begin(&world, JOB_BACKUP_VM, HOSTS_N);
    assert_true(ask_all(&world, 0));
    break_off(&world, "HOST_STILL_BOOTING", ERROR_POOL_UNREACHABLE);
    wait_ms(&world, LATER_MS);
    assert_true(ask_all(&world, 0));
    break_off(&world, "VDI_IO_ERROR", ERROR_XAPI); /* it was there: one of three */
    wait_ms(&world, BACKOFF_MS << 4);
    assert_true(ask_all(&world, 0));
    break_off(&world, "HOST_STILL_BOOTING", ERROR_POOL_UNREACHABLE);
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        assert_int_equal(look(&world).state, JOB_STATE_PLANNED);
        wait_ms(&world, BACKOFF_MS << 4);
        assert_true(ask_all(&world, 0));
        break_off(&world, "HOST_STILL_BOOTING", ERROR_POOL_UNREACHABLE);
    }
    end(&world);
}

static void a_job_of_one_host_is_tried_there_again(void **state)
{
    (void)state;
    struct world world;
    const struct fault_row *row = fault_find("HOST_DISABLED");

    begin(&world, JOB_BACKUP_HOST, 1);
    assert_true(sync(&world, 0, NULL));
    assert_int_equal(row->step, FAULT_ELSEWHERE);
    break_off(&world, row->name, row->code);
    wait_ms(&world, BACKOFF_MS);
    assert_int_equal(try_until_failed(&world, row, 50), ATTEMPTS_MAX);
    end(&world);
}

static void a_host_that_is_away_gets_no_job_and_it_is_told_why(void **state)
{
    (void)state;
    struct world world;
    CLEAN_TEXT_MAP struct text_map away = TEXT_MAP_INIT;
    char why[AGENTS_REASON_MAX];

    begin(&world, JOB_BACKUP_VM, 1);
    text_map_set(&away, "h1", "the host is disabled");
    dispatch_set_away(world.dispatch, &away);
    assert_false(sync(&world, 0, NULL));
    assert_true(dispatch_why_not(world.dispatch, "h1", why));
    assert_string_equal(why, "the host is disabled");
    wait_ms(&world, 1000);
    assert_int_equal(look(&world).state, JOB_STATE_WAITING);
    assert_non_null(strstr(look(&world).reason, "the host is disabled"));
    text_map_done(&away);
    dispatch_set_away(world.dispatch, &away);
    assert_true(sync(&world, 0, NULL));
    end(&world);
}

/* Its VM is also in a job of another kind, which stands in front of it in the plan. */
static void a_moved_job_goes_to_its_new_hosts(void **state)
{
    (void)state;
    struct world world;
    CLEAN_PLAN struct plan plan = {0};

    begin(&world, JOB_BACKUP_VM, 1);
    plan.jobs = mem_grow(plan.jobs, &plan.jobs_cap, 3, sizeof *plan.jobs);
    memset(plan.jobs, 0, 3 * sizeof *plan.jobs);
    plan.jobs_n = 3;
    plan.jobs[0].job.kind = plan.jobs[2].job.kind = JOB_BACKUP_VM;
    plan.jobs[0].job.vm_uuid = mem_dup("another");
    text_list_add(&plan.jobs[0].hosts, "h2");
    plan.jobs[1].job.kind = JOB_BACKUP_DISK;
    plan.jobs[1].job.vm_uuid = mem_dup("vm");
    text_list_add(&plan.jobs[1].hosts, "h2");
    plan.jobs[2].job.vm_uuid = mem_dup("vm");
    text_list_add(&plan.jobs[2].hosts, "h3");
    dispatch_follow_plan(world.dispatch, &plan);
    assert_false(sync(&world, 0, NULL));
    assert_true(sync(&world, 2, NULL));
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_leads_to_its_step),
        cmocka_unit_test(a_wait_that_was_answered_begins_anew),
        cmocka_unit_test(a_job_of_one_host_is_tried_there_again),
        cmocka_unit_test(a_host_that_is_away_gets_no_job_and_it_is_told_why),
        cmocka_unit_test(a_moved_job_goes_to_its_new_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
