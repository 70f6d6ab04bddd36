/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog's lock: one holder, told to others, free again when its process is gone.
 */
#include "coordinator/catalog/lock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"

#define OWNER "11111111-2222-4333-8444-555555555555"

static char *make_path(char folder[32])
{
    str_copy(folder, 32, "/tmp/onyx-lock-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return str_format("%s/deep/catalog.db", folder);
}

static void drop_folder(const char *folder)
{
    CLEAN_CHAR char *line = str_format("rm -rf '%s'", folder);

    assert_int_equal(system(line), 0);
}

static struct lock_holder self_of(int64_t pid)
{
    struct lock_holder self = {.pid = pid, .since_at = 42};

    str_copy(self.owner, sizeof self.owner, OWNER);
    return self;
}

static void second_taker_learns_who_has_it(void **state)
{
    char folder[32];
    CLEAN_CHAR char *path = make_path(folder);
    CLEAN_FD int one = -1;
    CLEAN_FD int two = -1;
    struct lock_holder self = self_of(123);
    struct lock_holder holder = {0};

    (void)state;
    assert_int_equal(lock_look(path, &holder, NULL), 0);
    assert_int_equal(lock_take(path, &self, &one, &holder, NULL), 1);
    assert_int_equal(holder.pid, 0);
    assert_int_equal(lock_take(path, &self, &two, &holder, NULL), 0);
    assert_int_equal(holder.pid, 123);
    assert_int_equal(holder.since_at, 42);
    assert_string_equal(holder.owner, OWNER);
    assert_int_equal(lock_look(path, &holder, NULL), 1);
    fd_close(&one);
    assert_int_equal(lock_look(path, &holder, NULL), 0);
    assert_int_equal(lock_take(path, &self, &two, &holder, NULL), 1);
    assert_int_equal(holder.pid, 123); /* the former one */
    drop_folder(folder);
}

static void lock_of_a_killed_process_is_free_and_names_it(void **state)
{
    char folder[32];
    CLEAN_CHAR char *path = make_path(folder);
    struct lock_holder holder = {0};
    CLEAN_FD int fd = -1;
    int status = 0;

    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct lock_holder own = self_of(getpid());
        int held = -1;

        if (lock_take(path, &own, &held, &holder, NULL) != 1)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    struct lock_holder self = self_of(1);
    assert_int_equal(lock_take(path, &self, &fd, &holder, NULL), 1);
    assert_int_equal(holder.pid, child);
    assert_string_equal(holder.owner, OWNER);
    drop_folder(folder);
}

static void damaged_text_names_nobody(void **state)
{
    char folder[32];
    CLEAN_CHAR char *path = make_path(folder);
    CLEAN_FD int fd = -1;
    struct lock_holder self = self_of(5);
    struct lock_holder holder = {.pid = 9};

    (void)state;
    assert_int_equal(lock_take(path, &self, &fd, &holder, NULL), 1);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, "x y zzz", 7, 0), 7);
    assert_int_equal(lock_look(path, &holder, NULL), 1);
    assert_int_equal(holder.pid, 0);
    assert_string_equal(holder.owner, "");
    drop_folder(folder);
}

static void path_that_can_not_be_is_a_matter_of_settings(void **state)
{
    struct lock_holder self = self_of(5);
    struct lock_holder holder = {0};
    struct error error = ERROR_INIT;
    CLEAN_FD int fd = -1;

    (void)state;
    assert_int_equal(lock_take("/dev/null/x/catalog.db", &self, &fd, &holder, &error), -1);
    assert_int_equal(error.code, ERROR_SETTINGS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_taker_learns_who_has_it),
        cmocka_unit_test(lock_of_a_killed_process_is_free_and_names_it),
        cmocka_unit_test(damaged_text_names_nobody),
        cmocka_unit_test(path_that_can_not_be_is_a_matter_of_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
