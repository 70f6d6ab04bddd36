/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signals, the process lock and the random source.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/process_limits.h"
#include "common/base/process_lock.h"
#include "common/base/quit.h"
#include "common/base/random.h"
#include "common/base/str.h"

static bool is_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};

    return poll(&one, 1, 0) == 1;
}

static void signals_are_counted_and_wake_poll(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(quit_fd(), -1);
    quit_drain();
    assert_int_equal(quit_watch(&err), 0);
    assert_int_equal(quit_count(), 0);
    assert_int_equal(quit_signal(), 0);
    assert_false(is_readable(quit_fd()));
    raise(SIGTERM);
    assert_int_equal(quit_count(), 1);
    assert_int_equal(quit_signal(), SIGTERM);
    assert_true(is_readable(quit_fd()));
    quit_drain();
    assert_false(is_readable(quit_fd()));
    raise(SIGINT);
    raise(SIGHUP);
    assert_int_equal(quit_count(), 3);
    assert_int_equal(quit_signal(), SIGHUP);
    quit_drain();
}

static void a_broken_pipe_is_an_error_not_a_death(void **state)
{
    struct error err = ERROR_INIT;
    CLEAN_FD int in = -1;
    CLEAN_FD int out = -1;

    (void)state;
    assert_int_equal(fd_pipe(&in, &out, &err), 0);
    fd_close(&in);
    assert_int_equal(fd_write_all(out, "x", 1, &err), -1);
    assert_int_equal(err.code, ERROR_IO);
}

static char *make_scope(void)
{
    char id[RANDOM_ID_MAX];

    return str_format("test-%s", random_id(random_system(), id));
}

static void a_lock_is_held_once_and_free_after_closing(void **state)
{
    CLEAN_CHAR char *scope = make_scope();
    struct error err = ERROR_INIT;
    CLEAN_FD int first = -1;
    CLEAN_FD int second = -1;

    (void)state;
    assert_int_equal(process_lock_is_held(scope, "job 7", &err), 0);
    assert_int_equal(process_lock_take(scope, "job 7", &first, &err), 0);
    assert_int_equal(process_lock_is_held(scope, "job 7", &err), 1);
    assert_int_equal(process_lock_is_held(scope, "job 8", &err), 0);
    assert_int_equal(process_lock_is_held("other", "job 7", &err), 0);
    assert_int_equal(process_lock_take(scope, "job 7", &second, &err), -1);
    assert_int_equal(err.code, ERROR_BUSY);
    assert_int_equal(second, -1);
    fd_close(&first);
    assert_int_equal(process_lock_is_held(scope, "job 7", &err), 0);
    assert_int_equal(process_lock_take(scope, "job 7", &second, &err), 0);
}

static void scope_and_name_do_not_run_together(void **state)
{
    CLEAN_CHAR char *scope = make_scope();
    CLEAN_CHAR char *longer = str_format("%sa", scope);
    struct error err = ERROR_INIT;
    CLEAN_FD int fd = -1;

    (void)state;
    assert_int_equal(process_lock_take(scope, "ab", &fd, &err), 0);
    assert_int_equal(process_lock_is_held(longer, "b", &err), 0);
}

static void a_killed_holder_frees_the_lock(void **state)
{
    CLEAN_CHAR char *scope = make_scope();
    struct error err = ERROR_INIT;
    CLEAN_FD int in = -1;
    CLEAN_FD int out = -1;
    CLEAN_FD int fd = -1;
    char ready = 0;
    size_t n = 0;

    (void)state;
    assert_int_equal(fd_pipe(&in, &out, &err), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (process_lock_take(scope, "x", &fd, &err) == 0)
            fd_write_all(out, "r", 1, &err);
        pause();
        _exit(0);
    }
    fd_close(&out);
    assert_int_equal(fd_read_upto(in, &ready, 1, &n, &err), 0);
    assert_int_equal(ready, 'r');
    assert_int_equal(process_lock_is_held(scope, "x", &err), 1);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(process_lock_is_held(scope, "x", &err), 0);
    assert_int_equal(process_lock_take(scope, "x", &fd, &err), 0);
}

static void fill_with_ff(void *context, void *bytes, size_t n)
{
    (void)context;
    memset(bytes, 0xff, n);
}

static void uuids_are_version_four_from_any_source(void **state)
{
    static const struct random all_ones = {fill_with_ff, NULL};
    char uuid[UUID_TEXT_MAX], other[UUID_TEXT_MAX], id[RANDOM_ID_MAX];

    (void)state;
    assert_string_equal(random_uuid(&all_ones, uuid), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_string_equal(random_id(&all_ones, id), "ffffffffffffffff");
    assert_true(random_u64(&all_ones) == UINT64_MAX);
    assert_string_not_equal(random_uuid(random_system(), uuid),
                            random_uuid(random_system(), other));
    assert_true(uuid_is_valid(uuid));
}

static void what_is_no_uuid_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "ffffffff-ffff-4fff-bfff-fffffffffff",
                                      "ffffffff-ffff-4fff-bfff-fffffffffffff",
                                      "ffffffffffff-4fff-bfff-ffffffffffff",
                                      "gfffffff-ffff-4fff-bfff-ffffffffffff",
                                      "ffffffff_ffff-4fff-bfff-ffffffffffff"};

    (void)state;
    assert_true(uuid_is_valid("01234567-89AB-cdef-0123-456789abcdef"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(uuid_is_valid(bad[i]));
}

static void a_hidden_process_leaves_no_core_and_raised_files_are_there(void **state)
{
    struct rlimit core, files;

    (void)state;
    process_limits_hide();
    assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
    assert_int_equal(core.rlim_max, 0);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = 256;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    size_t n = process_limits_raise_files();
    assert_true(n == PROCESS_FILES_MAX || n == files.rlim_max);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_counted_and_wake_poll),
        cmocka_unit_test(a_broken_pipe_is_an_error_not_a_death),
        cmocka_unit_test(a_lock_is_held_once_and_free_after_closing),
        cmocka_unit_test(scope_and_name_do_not_run_together),
        cmocka_unit_test(a_killed_holder_frees_the_lock),
        cmocka_unit_test(uuids_are_version_four_from_any_source),
        cmocka_unit_test(what_is_no_uuid_is_refused),
        cmocka_unit_test(a_hidden_process_leaves_no_core_and_raised_files_are_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
