/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attempts and their workers: what a worker says, how it ends, and what the coordinator is told.
 *
 * The worker is this very program, called with --worker: the VM's name in its task says how it
 * behaves. Slots: those that a killed agent's workers hold are none of ours, until they end.
 */
#include "agent/attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/worker.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/process_lock.h"
#include "common/base/str.h"
#include "common/model/job.h"
#include "common/wire/message.h"
#include "tests/unit/common/wire/samples.h"

#define OTHER_JOB "00c0ffee0000000f"
#define LIMIT_MS  60000 /* of real time, for what takes a moment */
#define IDLE_MS   600000

/* --- the worker ------------------------------------------------------------------------------ */

static void say(const struct job *job, const char *id, enum job_state state, uint64_t bytes)
{
    CLEAN_JOB_REPORT struct job_report report = {.attempt = job->attempt, .state = state};
    struct error err = ERROR_INIT;
    (void)str_copy(report.id, sizeof report.id, id);
    report.phase = state == JOB_STATE_RUNNING ? JOB_PHASE_STREAM : JOB_PHASE_CLEAN;
    report.bytes = bytes;
    report.consistency = JOB_CRASH_CONSISTENT;
    report.started_at = report.snapshot_at = INT64_C(1795379254000);
    report.is_clean = true;
    if (job_state_is_end(state))
        report.finished_at = INT64_C(1795379256000);
    if (state == JOB_STATE_DONE) {
        struct job_file *file = job_report_add_file(&report);
        file->name = mem_dup("backup_20261122-202734.xva");
        file->size_bytes = bytes;
        file->sha256 = mem_dup(SAMPLE_SHA);
        file->proof = mem_dup("blocks");
    }
    if (wire_pipe_write_report(WORKER_NOTE_FD, &report, &err) != 0) {
        (void)fprintf(stderr, "the worker's report: %s\n", err.text);
        _exit(3);
    }
}

static void wait_for_cancel(struct wire_pipe_reader *reader)
{
    enum wire_pipe_found found = WIRE_PIPE_NOTE;
    while (found != WIRE_PIPE_END) {
        CLEAN_WIRE_NOTE struct wire_note note = {0};
        if (wire_pipe_read(reader, &found, &note, NULL) != 0)
            return;
    }
}

static void be_worker(void)
{
    struct wire_pipe_reader reader = WIRE_PIPE_READER_INIT(WORKER_TASK_FD);
    struct wire_note note = {0};
    enum wire_pipe_found found = WIRE_PIPE_END;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
    if (wire_pipe_read(&reader, &found, &note, NULL) != 0 || found != WIRE_PIPE_NOTE)
        _exit(2);
    const struct job *job = &note.task.job;
    const char *way = job->vm_name;
    if (strcmp(way, "says nothing") != 0)
        say(job, job->id, JOB_STATE_RUNNING, 5);
    if (strcmp(way, "dies") == 0)
        (void)raise(SIGKILL);
    if (strcmp(way, "tells of another") == 0)
        say(job, OTHER_JOB, JOB_STATE_DONE, 9);
    if (strcmp(way, "lives on") == 0)
        say(job, job->id, JOB_STATE_DONE, 7);
    if (strcmp(way, "is deaf") == 0 || strcmp(way, "lives on") == 0)
        for (;;)
            (void)pause();
    if (strcmp(way, "is done") == 0) {
        say(job, job->id, JOB_STATE_DONE, 7);
        _exit(0);
    }
    wait_for_cancel(&reader);
    if (strcmp(way, "waits") == 0)
        say(job, job->id, JOB_STATE_CANCELLED, 5);
    _exit(0);
}

/* --- the agent's side ------------------------------------------------------------------------ */

struct scene {
    struct attempts attempts;
    struct sample_time time;
    char scope[64];
    char program[PATH_MAX];
};

static void scene_init(struct scene *scene)
{
    ssize_t n = readlink("/proc/self/exe", scene->program, sizeof scene->program - 1);
    assert_true(n > 0);
    scene->program[n] = '\0';
    (void)snprintf(scene->scope, sizeof scene->scope, "test_attempts %ld", (long)getpid());
    sample_time_init(&scene->time);
    scene->attempts = (struct attempts){.scope = scene->scope,
                                        .program = scene->program,
                                        .clock = &scene->time.clock,
                                        .slots = 2,
                                        .clean_ms = 1000};
}

/* Begin an attempt of a job like the sample (id NULL: of the sample) whose worker behaves like this. */
static int begin_job(struct scene *scene, const char *id, uint32_t attempt, const char *way)
{
    CLEAN_WIRE_TASK struct wire_task task = {.xapi_tls_port = 443};
    CLEAN_JOB struct job job = {.attempt = 0};
    sample_vm_job(&job);
    if (id != NULL)
        (void)str_copy(job.id, sizeof job.id, id);
    job.attempt = attempt;
    job.idle_timeout_ms = IDLE_MS;
    mem_set(&job.vm_name, way);
    task.host_uuid = mem_dup(SAMPLE_HOST);
    task.session = mem_dup("OpaqueRef:1");
    task.xapi_socket = mem_dup("/var/xapi/xapi");
    task.store_root = mem_dup("/mnt/backup");
    return attempts_start(&scene->attempts, &job, &task);
}

static int begin(struct scene *scene, uint32_t attempt, const char *way)
{
    return begin_job(scene, NULL, attempt, way);
}

static const struct attempts_item *item(const struct scene *scene)
{
    assert_int_equal(scene->attempts.n, 1);
    return &scene->attempts.items[0];
}

/* What the next Sync tells of the only attempt. */
static void told(const struct scene *scene, struct job_report *report)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    attempts_fill(&scene->attempts, &sync);
    assert_int_equal(sync.reports_n, 1);
    job_report_done(report);
    job_report_copy(report, &sync.reports[0]);
}

typedef bool condition_fn(const struct scene *scene);

static void step_until(struct scene *scene, condition_fn *is_so, const char *what)
{
    int64_t end = clock_monotonic_ms(clock_system()) + LIMIT_MS;
    while (!is_so(scene)) {
        if (clock_monotonic_ms(clock_system()) >= end)
            fail_msg("never came: %s", what);
        (void)poll(NULL, 0, 2);
        (void)attempts_step(&scene->attempts);
    }
}

static bool has_said_running(const struct scene *scene)
{
    return item(scene)->report.bytes > 0;
}

static bool has_result(const struct scene *scene)
{
    return item(scene)->has_result;
}

static bool has_ended(const struct scene *scene)
{
    return !item(scene)->is_running;
}

static void a_worker_that_is_done_is_told_of_until_it_is_forgotten(void **state)
{
    CLEAN_JOB_REPORT struct job_report report = {.attempt = 0};
    struct scene scene = {.scope = ""};
    (void)state;
    scene_init(&scene);
    assert_int_equal(begin(&scene, 2, "is done"), 1);
    assert_int_equal(begin(&scene, 2, "is done"), 1); /* given twice it is one */
    assert_int_equal(scene.attempts.n, 1);
    assert_int_equal(attempts_count_free(&scene.attempts), 1);
    step_until(&scene, has_ended, "its end");
    told(&scene, &report);
    assert_int_equal(report.state, JOB_STATE_DONE);
    assert_int_equal(report.files_n, 1);
    assert_true(report.is_clean);
    assert_int_equal(attempts_count_free(&scene.attempts), 2);
    assert_int_equal(scene.attempts.taken_bytes, 7);
    attempts_forget(&scene.attempts, "00c0ffee00000001", 1); /* another attempt */
    assert_int_equal(scene.attempts.n, 1);
    attempts_forget(&scene.attempts, "00c0ffee00000001", 2);
    assert_int_equal(scene.attempts.n, 0);
    attempts_done(&scene.attempts);
}

/* Its result counts when its slot is free: the next job would be refused else. */
static void a_worker_that_lives_on_behind_its_result_is_running_still(void **state)
{
    CLEAN_JOB_REPORT struct job_report report = {.attempt = 0};
    struct scene scene = {.scope = ""};
    (void)state;
    scene_init(&scene);
    assert_int_equal(begin(&scene, 2, "lives on"), 1);
    step_until(&scene, has_result, "its result");
    told(&scene, &report);
    assert_int_equal(report.state, JOB_STATE_RUNNING);
    assert_int_equal(report.files_n, 0);
    assert_int_equal(attempts_count_free(&scene.attempts), 1);
    scene.time.ms += 1001; /* its input was closed behind its result */
    step_until(&scene, has_ended, "its end");
    told(&scene, &report);
    assert_int_equal(report.state, JOB_STATE_DONE);
    attempts_done(&scene.attempts);
}

static void a_running_attempt_is_not_forgotten_and_keeps_its_job(void **state)
{
    CLEAN_JOB_REPORT struct job_report report = {.attempt = 0};
    struct scene scene = {.scope = ""};
    (void)state;
    scene_init(&scene);
    assert_int_equal(begin(&scene, 2, "waits"), 1);
    step_until(&scene, has_said_running, "its first report");
    attempts_forget(&scene.attempts, "00c0ffee00000001", 2);
    assert_int_equal(begin(&scene, 3, "waits"), 0); /* the next attempt, too early */
    told(&scene, &report);
    assert_int_equal(report.state, JOB_STATE_RUNNING);
    assert_int_equal(report.attempt, 2);
    attempts_cancel(&scene.attempts, "00c0ffee00000001", 3);
    assert_false(item(&scene)->is_cancelled);
    attempts_cancel(&scene.attempts, "00c0ffee00000001", 2);
    step_until(&scene, has_ended, "its end");
    told(&scene, &report);
    assert_int_equal(report.state, JOB_STATE_CANCELLED);
    attempts_done(&scene.attempts);
}

static void no_more_jobs_begin_than_there_are_slots(void **state)
{
    struct scene scene = {.scope = ""};
    (void)state;
    scene_init(&scene);
    assert_int_equal(begin_job(&scene, "00000000000000a1", 1, "waits"), 1);
    assert_int_equal(begin_job(&scene, "00000000000000a2", 1, "waits"), 1);
    assert_int_equal(attempts_count_free(&scene.attempts), 0);
    assert_int_equal(begin_job(&scene, "00000000000000a3", 1, "waits"), 0);
    assert_int_equal(scene.attempts.n, 2);
    attempts_done(&scene.attempts);
}

static void a_worker_that_dies_has_failed_and_may_have_left_something(void **state)
{
    CLEAN_JOB_REPORT struct job_report report = {.attempt = 0};
    struct scene scene = {.scope = ""};
    (void)state;
    scene_init(&scene);
    assert_int_equal(begin(&scene, 2, "dies"), 1);
    step_until(&scene, has_ended, "its end");
    told(&scene, &report);
    assert_int_equal(report.state, JOB_STATE_FAILED);
    assert_int_equal(report.error.code, ERROR_DIED);
    assert_non_null(strstr(report.error.text, "was killed by signal 9"));
    assert_false(report.is_clean); /* it said so while it lived */
    assert_int_equal(report.bytes, 5);
    attempts_done(&scene.attempts);
}

static void what_a_worker_says_of_another_job_is_not_believed(void **state)
{
    CLEAN_JOB_REPORT struct job_report report = {.attempt = 0};
    struct scene scene = {.scope = ""};
    (void)state;
    scene_init(&scene);
    assert_int_equal(begin(&scene, 2, "tells of another"), 1);
    step_until(&scene, has_said_running, "its first report");
    attempts_cancel_all(&scene.attempts);
    step_until(&scene, has_ended, "its end");
    told(&scene, &report);
    assert_string_equal(report.id, "00c0ffee00000001");
    assert_int_equal(report.state, JOB_STATE_FAILED);
    assert_int_equal(report.error.code, ERROR_DIED); /* it ended without a word of its own */
    attempts_done(&scene.attempts);
}

static void a_cancelled_worker_that_does_not_end_is_killed(void **state)
{
    CLEAN_JOB_REPORT struct job_report report = {.attempt = 0};
    struct scene scene = {.scope = ""};
    (void)state;
    scene_init(&scene);
    assert_int_equal(begin(&scene, 2, "is deaf"), 1);
    step_until(&scene, has_said_running, "its first report");
    attempts_cancel_all(&scene.attempts);
    scene.time.ms += 1000;
    (void)attempts_step(&scene.attempts);
    assert_false(item(&scene)->child.is_killed); /* it has its time */
    scene.time.ms++;
    step_until(&scene, has_ended, "its end");
    told(&scene, &report);
    assert_int_equal(report.state, JOB_STATE_FAILED);
    assert_non_null(strstr(report.error.text, "was killed by signal 9"));
    assert_false(report.is_hung); /* it ended after all */
    attempts_done(&scene.attempts);
}

static void a_worker_that_is_silent_at_the_share_is_ended(void **state)
{
    CLEAN_JOB_REPORT struct job_report report = {.attempt = 0};
    struct scene scene = {.scope = ""};
    (void)state;
    scene_init(&scene);
    assert_int_equal(begin(&scene, 2, "says nothing"), 1);
    scene.time.ms += IDLE_MS;
    (void)attempts_step(&scene.attempts);
    assert_false(item(&scene)->is_cancelled);
    scene.time.ms++;
    (void)attempts_step(&scene.attempts);
    assert_true(item(&scene)->is_cancelled);
    step_until(&scene, has_ended, "its end");
    told(&scene, &report);
    assert_int_equal(report.state, JOB_STATE_FAILED);
    assert_non_null(strstr(report.error.text, "said nothing for too long"));
    attempts_done(&scene.attempts);
}

/* The stream has a time-out of its own. */
static void a_worker_that_is_silent_in_its_stream_is_left_alone(void **state)
{
    struct scene scene = {.scope = ""};
    (void)state;
    scene_init(&scene);
    assert_int_equal(begin(&scene, 2, "waits"), 1);
    step_until(&scene, has_said_running, "its first report");
    scene.time.ms += 100 * IDLE_MS;
    (void)attempts_step(&scene.attempts);
    assert_false(item(&scene)->is_cancelled);
    attempts_cancel_all(&scene.attempts);
    step_until(&scene, has_ended, "its end");
    attempts_done(&scene.attempts);
}

static void slots_of_a_killed_agents_workers_are_not_free_until_they_end(void **state)
{
    char scope[64];
    CLEAN_FD int first = -1;
    CLEAN_FD int last = -1;
    (void)state;
    (void)snprintf(scope, sizeof scope, "test_attempts %ld", (long)getpid());
    CLEAN_ATTEMPTS struct attempts attempts = {
        .scope = scope, .clock = clock_system(), .slots = 3};
    assert_int_equal(attempts_look_for_orphans(&attempts), 0);
    assert_int_equal(attempts_count_free(&attempts), 3);
    assert_int_equal(process_lock_take(scope, "worker-0", &first, NULL), 0);
    assert_int_equal(process_lock_take(scope, "worker-63", &last, NULL), 0);
    assert_int_equal(attempts_look_for_orphans(&attempts), 2);
    assert_int_equal(attempts_count_free(&attempts), 1);
    fd_close(&last);
    assert_int_equal(attempts_look_for_orphans(&attempts), 1);
    assert_int_equal(attempts_count_free(&attempts), 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_that_is_done_is_told_of_until_it_is_forgotten),
        cmocka_unit_test(a_worker_that_lives_on_behind_its_result_is_running_still),
        cmocka_unit_test(a_running_attempt_is_not_forgotten_and_keeps_its_job),
        cmocka_unit_test(no_more_jobs_begin_than_there_are_slots),
        cmocka_unit_test(a_worker_that_dies_has_failed_and_may_have_left_something),
        cmocka_unit_test(what_a_worker_says_of_another_job_is_not_believed),
        cmocka_unit_test(a_cancelled_worker_that_does_not_end_is_killed),
        cmocka_unit_test(a_worker_that_is_silent_at_the_share_is_ended),
        cmocka_unit_test(a_worker_that_is_silent_in_its_stream_is_left_alone),
        cmocka_unit_test(slots_of_a_killed_agents_workers_are_not_free_until_they_end),
    };
    if (argc > 1 && strcmp(argv[1], "--worker") == 0)
        be_worker();
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
