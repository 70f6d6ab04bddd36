/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A spare worker: there behind short jobs only, never a slot, never in the way of a job.
 */
#include "agent/spare.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/attempts.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/process_lock.h"
#include "tests/unit/common/wire/samples.h"

#define SPARE_MS 10000

struct scene {
    char folder[64], program[96], scope[96];
};

static void write_program(const struct scene *scene, const char *body)
{
    char beside[128];
    (void)snprintf(beside, sizeof beside, "%s.new", scene->program);
    assert_int_equal(fd_replace_file(beside, 0755, body, strlen(body), NULL), 0);
    assert_int_equal(rename(beside, scene->program), 0);
}

/* A program that waits for the end of its input, whatever it is told. */
static int begin(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    (void)snprintf(scene->folder, sizeof scene->folder, "/tmp/test_spare-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    (void)snprintf(scene->program, sizeof scene->program, "%s/worker", scene->folder);
    (void)snprintf(scene->scope, sizeof scene->scope, "test_spare %ld", (long)getpid());
    write_program(scene, "#!/bin/sh\nexec cat >/dev/null\n");
    (void)signal(SIGPIPE, SIG_IGN);
    *state = scene;
    return 0;
}

static int end(void **state)
{
    struct scene *scene = *state;
    (void)unlink(scene->program);
    (void)rmdir(scene->folder);
    free(scene);
    return 0;
}

static void start(struct scene *scene, struct spare *spare, int64_t now_ms)
{
    int lock = -1;
    assert_int_equal(process_lock_take(scene->scope, "worker-0", &lock, NULL), 0);
    spare_start(spare, scene->program, lock, 0, now_ms);
}

static bool is_slot_held(const struct scene *scene)
{
    return process_lock_is_held(scene->scope, "worker-0", NULL) == 1;
}

static void wait_for_burial(struct spare *spare, const char *program, int64_t now_ms)
{
    for (int i = 0; i < 10000 && spare->child.pid != 0; i++) {
        spare_step(spare, program, now_ms);
        usleep(1000);
    }
    assert_int_equal(spare->child.pid, 0);
}

static void none_is_due_before_a_short_job_or_behind_a_long_one_or_much_later(void **state)
{
    struct spare spare = {.spare_ms = SPARE_MS};
    struct spare never = {.spare_ms = 0};
    (void)state;
    assert_false(spare_is_due(&spare, 1));
    spare_note_end(&spare, SPARE_MS, 50000);
    assert_false(spare_is_due(&spare, 50001));
    spare_note_end(&spare, SPARE_MS - 1, 50000);
    assert_true(spare_is_due(&spare, 50001));
    assert_false(spare_is_due(&spare, 50000 + SPARE_MS));
    spare_note_end(&never, 0, 50000);
    assert_false(spare_is_due(&never, 50000));
}

static void one_is_kept_and_then_ended_with_its_slot(void **state)
{
    struct scene *scene = *state;
    struct spare spare = {.spare_ms = SPARE_MS};
    spare_note_end(&spare, 1, 1000);
    start(scene, &spare, 1000);
    assert_true(spare.child.pid > 0);
    spare_step(&spare, scene->program, 1000 + SPARE_MS - 1);
    assert_false(spare.is_leaving);
    assert_true(is_slot_held(scene));
    assert_false(spare_is_due(&spare, 1001)); /* one is enough */
    spare_step(&spare, scene->program, 1000 + SPARE_MS);
    wait_for_burial(&spare, scene->program, 1000 + SPARE_MS);
    assert_false(is_slot_held(scene));
    spare_dismiss(&spare);
}

static void one_with_a_task_is_a_worker_and_no_spare(void **state)
{
    struct scene *scene = *state;
    struct spare spare = {.spare_ms = SPARE_MS};
    CLEAN_WIRE_TASK struct wire_task task = {.session = NULL};
    struct child child = {0};
    sample_task(&task);
    int status = -1;
    assert_int_equal(spare_give(&spare, scene->program, &task, 1000, &child), 0);
    spare_note_end(&spare, 1, 1000);
    start(scene, &spare, 1000);
    pid_t pid = spare.child.pid;
    assert_int_equal(spare_give(&spare, scene->program, &task, 1001, &child), 1);
    assert_int_equal(child.pid, pid);
    assert_int_equal(spare.child.pid, 0);
    assert_true(spare_is_due(&spare, 1002));
    spare_dismiss(&spare); /* no affair of the worker's */
    assert_false(child_has_ended(&child, 1002, &status));
    child_cancel(&child, 1003);
    for (int i = 0; i < 10000 && !child_has_ended(&child, 1004, &status); i++)
        usleep(1000);
    assert_int_equal(status, 0);
    child_done(&child);
}

static void one_that_died_is_not_used_and_the_next_waits_longer_each_time(void **state)
{
    struct scene *scene = *state;
    struct spare spare = {.spare_ms = 3600000};
    CLEAN_WIRE_TASK struct wire_task task = {.session = NULL};
    struct child child = {0};
    sample_task(&task);
    spare_note_end(&spare, 1, 1000);
    start(scene, &spare, 1000);
    assert_int_equal(kill(spare.child.pid, SIGKILL), 0);
    wait_for_burial(&spare, scene->program, 1000);
    assert_int_equal(spare_give(&spare, scene->program, &task, 1000, &child), 0);
    assert_false(spare_is_due(&spare, 1999));
    assert_true(spare_is_due(&spare, 2000));
    assert_int_equal(unlink(scene->program), 0);
    start(scene, &spare, 2000); /* fails */
    assert_int_equal(spare.child.pid, 0);
    assert_false(is_slot_held(scene));
    assert_false(spare_is_due(&spare, 3999));
    assert_true(spare_is_due(&spare, 4000));
    spare_dismiss(&spare);
}

static void one_of_a_program_that_was_replaced_is_ended(void **state)
{
    struct scene *scene = *state;
    struct spare spare = {.spare_ms = SPARE_MS};
    CLEAN_WIRE_TASK struct wire_task task = {.session = NULL};
    struct child child = {0};
    sample_task(&task);
    spare_note_end(&spare, 1, 1000);
    start(scene, &spare, 1000);
    write_program(scene, "#!/bin/sh\nexec cat >/dev/null #2\n");
    assert_int_equal(spare_give(&spare, scene->program, &task, 1001, &child), 0);
    wait_for_burial(&spare, scene->program, 1001);
    assert_true(spare_is_due(&spare, 1001)); /* at once: nothing is wrong with it */
    spare_dismiss(&spare);
}

static void it_takes_no_slot_from_the_jobs_and_starts_beside_one_only(void **state)
{
    struct scene *scene = *state;
    CLEAN_ATTEMPTS struct attempts attempts = {.scope = scene->scope,
                                               .program = scene->program,
                                               .clock = clock_system(),
                                               .spare = {.spare_ms = SPARE_MS},
                                               .clean_ms = CHILD_CLEAN_MS,
                                               .slots = 1};
    CLEAN_WIRE_TASK struct wire_task task = {.session = NULL};
    CLEAN_JOB struct job job = {.id = ""};
    sample_task(&task);
    job_copy(&job, &task.job);
    job_done(&task.job);
    spare_note_end(&attempts.spare, 1, clock_monotonic_ms(clock_system()));
    attempts_keep_spare(&attempts, true);
    assert_int_equal(attempts.spare.child.pid, 0);
    assert_int_equal(attempts_start(&attempts, &job, &task), 1);
    attempts_keep_spare(&attempts, false);
    assert_int_equal(attempts.spare.child.pid, 0);
    attempts_keep_spare(&attempts, true);
    assert_true(attempts.spare.child.pid > 0);
    assert_int_equal(attempts_count_running(&attempts), 1);
    assert_int_equal(attempts_count_free(&attempts), 0);
    assert_int_equal(attempts_look_for_orphans(&attempts), 0);
    attempts_keep_spare(&attempts, false); /* a drain */
    assert_true(attempts.spare.is_leaving);
    wait_for_burial(&attempts.spare, scene->program, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_due_before_a_short_job_or_behind_a_long_one_or_much_later),
        cmocka_unit_test_setup_teardown(one_is_kept_and_then_ended_with_its_slot, begin, end),
        cmocka_unit_test_setup_teardown(one_with_a_task_is_a_worker_and_no_spare, begin, end),
        cmocka_unit_test_setup_teardown(one_that_died_is_not_used_and_the_next_waits_longer_each_time,
                                        begin, end),
        cmocka_unit_test_setup_teardown(one_of_a_program_that_was_replaced_is_ended, begin, end),
        cmocka_unit_test_setup_teardown(it_takes_no_slot_from_the_jobs_and_starts_beside_one_only,
                                        begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
