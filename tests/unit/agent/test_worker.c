/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker from its task to its last report, where it never gets as far as the pool: it looks at the
 * store itself, whatever agent and coordinator have seen before. The worker is this very program,
 * called with --worker.
 */
#include "agent/worker.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>

#include "agent/child.h"
#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/base/process_lock.h"
#include "common/store/marker.h"
#include "tests/unit/common/store/share.h"
#include "tests/unit/common/wire/samples.h"

#define OTHER_STORE "7d9f2a34-52ab-4f6e-8d0b-000000000009"
#define OTHER_NONCE "ffffffffffffffffffffffffffffffff"
#define LIMIT_MS    60000

struct scene {
    struct share share;
    struct marker_nonce nonce;
    struct wire_task task;
};

static void scene_init(struct scene *scene)
{
    struct marker marker = {.created_at = 1700000000000, .allow_root_fs = true};
    struct error err = ERROR_INIT;
    memset(scene, 0, sizeof *scene);
    share_init(&scene->share);
    CLEAN_STORE struct store *store = share_store(&scene->share);
    (void)str_copy(marker.store_uuid, sizeof marker.store_uuid, SAMPLE_STORE);
    (void)str_copy(marker.pool_uuid, sizeof marker.pool_uuid, SAMPLE_HOST_2);
    if (marker_write(store, &marker, &err) != 0 ||
        marker_write_nonce(store, "feedfacefeedface", random_system(), &scene->nonce, &err) != 0)
        fail_msg("%s", err.text);
    sample_vm_job(&scene->task.job);
    scene->task.host_uuid = mem_dup(SAMPLE_HOST);
    scene->task.session = mem_dup("OpaqueRef:1");
    scene->task.xapi_socket = str_format("%s/no-such-socket", scene->share.root);
    scene->task.xapi_tls_port = 443;
    scene->task.store_root = mem_dup(scene->share.root);
    scene->task.store_uuid = mem_dup(SAMPLE_STORE);
    scene->task.store_nonce = mem_dup(scene->nonce.nonce);
}

static void scene_done(struct scene *scene)
{
    wire_task_done(&scene->task);
    share_done(&scene->share);
}

/* Let a worker do the task; its last report, and its exit status. */
static int run(struct scene *scene, struct job_report *ret)
{
    char program[PATH_MAX], scope[64];
    int64_t end_ms = clock_monotonic_ms(clock_system()) + LIMIT_MS;
    struct child child = {.task_fd = -1, .note_fd = -1};
    struct error err = ERROR_INIT;
    int lock = -1, status = -1;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(n > 0);
    program[n] = '\0';
    (void)snprintf(scope, sizeof scope, "test_worker %ld", (long)getpid());
    assert_int_equal(process_lock_take(scope, "worker-0", &lock, NULL), 0);
    if (child_start(program, lock, &scene->task, &child, &err) != 0)
        fail_msg("%s", err.text);
    while (!child.is_silent) {
        CLEAN_WIRE_NOTE struct wire_note note = {0};
        struct pollfd pipe = {.fd = child.note_fd, .events = POLLIN};
        if (clock_monotonic_ms(clock_system()) >= end_ms)
            fail_msg("the worker says nothing and does not end");
        (void)poll(&pipe, 1, 5);
        if (child_read(&child, &note) != 1 || note.kind != WIRE_NOTE_REPORT)
            continue;
        job_report_done(ret);
        job_report_copy(ret, &note.report);
    }
    while (!child_has_ended(&child, clock_monotonic_ms(clock_system()), &status)) {
        if (clock_monotonic_ms(clock_system()) >= end_ms)
            fail_msg("the worker does not end");
        (void)poll(NULL, 0, 5);
    }
    child_done(&child);
    return status;
}

static void expect_failure(struct scene *scene, enum error_code code, const char *says)
{
    CLEAN_JOB_REPORT struct job_report report = {.attempt = 0};
    assert_int_equal(run(scene, &report), 0);
    assert_int_equal(report.state, JOB_STATE_FAILED);
    if (report.error.code != code || strstr(report.error.text, says) == NULL)
        fail_msg("%s: '%s' has no '%s'", error_name(report.error.code), report.error.text, says);
    assert_true(report.is_clean); /* nothing was begun */
    assert_int_equal(report.files_n, 0);
    assert_false(share_has(&scene->share, scene->task.job.folder));
}

static void store_when_it_is_another_then_nothing_begins(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene);
    mem_set(&scene.task.store_uuid, OTHER_STORE);
    expect_failure(&scene, ERROR_STORE_FOREIGN, "is the right share mounted?");
    scene_done(&scene);
}

static void store_when_it_has_not_the_runs_nonce_then_nothing_begins(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene);
    mem_set(&scene.task.store_nonce, OTHER_NONCE);
    expect_failure(&scene, ERROR_STORE_FOREIGN, "does not hold the nonce of this run");
    scene_done(&scene);
}

static void store_when_it_has_no_nonce_or_no_marker_then_nothing_begins(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene);
    CLEAN_CHAR char *nonce = str_format("%s/.onyxpool/nonce", scene.share.root);
    CLEAN_CHAR char *marker = str_format("%s/.onyxpool/store", scene.share.root);
    assert_int_equal(unlink(nonce), 0);
    expect_failure(&scene, ERROR_STORE_FOREIGN, "does not hold the nonce of this run");
    assert_int_equal(unlink(marker), 0);
    expect_failure(&scene, ERROR_STORE_MISSING, "is not marked as a store");
    scene_done(&scene);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_when_it_is_another_then_nothing_begins),
        cmocka_unit_test(store_when_it_has_not_the_runs_nonce_then_nothing_begins),
        cmocka_unit_test(store_when_it_has_no_nonce_or_no_marker_then_nothing_begins),
    };
    if (argc > 1 && strcmp(argv[1], "--worker") == 0)
        return worker_main(argv[1]);
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
