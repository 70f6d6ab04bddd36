/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent/hook: words without a shell, settings, and commands that fail, hang or leave children.
 */
#include "agent/hook.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/text_map.h"
#include "common/model/job.h"

static void command_when_split_then_quotes_hold_words_together(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    CLEAN_TEXT_LIST struct text_list words = TEXT_LIST_INIT;
    assert_int_equal(hook_split(" /bin/x  --db \"my shop\" 'a\"b'c $HOME;ls \"\" ", &words, &err), 0);
    static const char *const want[] = {"/bin/x", "--db", "my shop", "a\"bc", "$HOME;ls", ""};
    assert_int_equal(words.n, sizeof want / sizeof *want);
    for (size_t i = 0; i < words.n; i++)
        assert_string_equal(words.items[i], want[i]);
}

static void command_when_it_is_none_then_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "  ", "freeze", "./freeze", "/bin/x \"open", "'"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = ERROR_INIT;
        CLEAN_TEXT_LIST struct text_list words = TEXT_LIST_INIT;
        assert_int_equal(hook_split(bad[i], &words, &err), -1);
        assert_int_equal(err.code, ERROR_SETTINGS);
    }
}

static int read_text(const char *text, struct text_map *hooks, struct error *err)
{
    char path[] = "/tmp/onyx-hook-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    int result = hook_read_file(path, hooks, err);
    unlink(path);
    return result;
}

static void settings_when_read_then_only_what_a_hook_has(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    CLEAN_TEXT_MAP struct text_map hooks = TEXT_MAP_INIT;
    CLEAN_TEXT_MAP struct text_map one = TEXT_MAP_INIT;
    assert_int_equal(read_text("[agent]\nslots = 2\n[hook db]\nbefore_snapshot = /bin/a b\n"
                               "timeout = 5s\n[hook db2]\nafter_snapshot = /bin/c\n",
                               &hooks, &err),
                     0);
    assert_int_equal(hooks.n, 3);
    hook_copy(&hooks, "db", &one);
    assert_int_equal(one.n, 2);
    assert_string_equal(text_map_get(&one, "hook.db.before_snapshot"), "/bin/a b");
    hook_copy(&hooks, NULL, &one);
    hook_copy(&hooks, "none", &one);
    assert_int_equal(one.n, 2);
    assert_int_equal(hook_read_file("/nowhere/agent.conf", &hooks, &err), 0);
    static const char *const bad[] = {
        "[hook db]\nbefore_snapshot = freeze\n", "[hook db]\nbefore = /bin/a\n",
        "[hook db]\ntimeout = 0s\n",             "[hook db]\ntimeout = soon\n",
        "[hook d b]\ntimeout = 5s\n",            "[hook ../x]\ntimeout = 5s\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error why = ERROR_INIT;
        assert_int_equal(read_text(bad[i], &hooks, &why), -1);
        assert_int_equal(why.code, ERROR_SETTINGS);
        assert_non_null(strstr(why.text, "line 2"));
    }
}

static int run(const char *before, const char *timeout, struct error *err)
{
    CLEAN_TEXT_MAP struct text_map settings = TEXT_MAP_INIT;
    CLEAN_JOB struct job job = {.kind = JOB_BACKUP_VM};
    mem_set(&job.hook, "db");
    mem_set(&job.vm_name, "web 1");
    text_map_set(&settings, "hook.db.before_snapshot", before);
    if (timeout != NULL)
        text_map_set(&settings, "hook.db.timeout", timeout);
    return hook_run(&settings, &job, HOOK_BEFORE, err);
}

static void hook_when_run_then_its_status_counts(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    assert_int_equal(run("/bin/true", NULL, &err), 0);
    assert_int_equal(run("/bin/sh -c 'test \"$ONYXPOOL_VM_NAME\" = \"web 1\" && "
                         "test $ONYXPOOL_WHEN = before_snapshot'",
                         NULL, &err),
                     0);
    assert_int_equal(run("/bin/sh -c 'exit 3'", NULL, &err), -1);
    assert_int_equal(err.code, ERROR_IO);
    assert_non_null(strstr(err.text, "status 3"));
    error_clear(&err);
    assert_int_equal(run("/nowhere/command", NULL, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

static void hook_when_run_then_it_has_none_of_our_descriptors(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    CLEAN_CHAR char *command =
        str_format("/bin/sh -c 'test ! -e /proc/self/fd/%d && test ! -e /proc/self/fd/%d'", fds[0],
                   fds[1]);
    assert_int_equal(run(command, NULL, &err), 0);
    close(fds[0]);
    close(fds[1]);
}

/* Each of the group holds the pipe's other end: that it closes says that all are gone. */
static void hook_when_it_hangs_then_its_group_is_killed(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    char folder[] = "/tmp/onyx-hook-XXXXXX", bytes[16];
    assert_non_null(mkdtemp(folder));
    CLEAN_CHAR char *fifo = str_format("%s/held", folder);
    CLEAN_CHAR char *command =
        str_format("/bin/sh -c 'exec >%s; echo held; sleep 600 & sleep 600'", fifo);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    CLEAN_FD int held = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(held >= 0);
    int64_t begun_ms = clock_monotonic_ms(clock_system());
    assert_int_equal(run(command, "3s", &err), -1);
    assert_int_equal(err.code, ERROR_TIMEOUT);
    assert_true(clock_monotonic_ms(clock_system()) - begun_ms < 60000);
    assert_int_equal(read(held, bytes, sizeof bytes), strlen("held\n"));
    struct pollfd end = {.fd = held, .events = POLLIN};
    assert_int_equal(poll(&end, 1, 60000), 1); /* the killed are gone at once, or nearly */
    assert_int_equal(read(held, bytes, sizeof bytes), 0);
    (void)unlink(fifo);
    (void)rmdir(folder);
}

static void hook_when_this_host_has_none_then_a_matter_of_settings(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    CLEAN_TEXT_MAP struct text_map settings = TEXT_MAP_INIT;
    CLEAN_JOB struct job job = {.kind = JOB_BACKUP_VM};
    mem_set(&job.hook, "db");
    assert_int_equal(hook_run(&settings, &job, HOOK_AFTER, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
    text_map_set(&settings, "hook.db.before_snapshot", "/bin/false");
    error_clear(&err);
    assert_int_equal(hook_run(&settings, &job, HOOK_AFTER, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_when_split_then_quotes_hold_words_together),
        cmocka_unit_test(command_when_it_is_none_then_refused),
        cmocka_unit_test(settings_when_read_then_only_what_a_hook_has),
        cmocka_unit_test(hook_when_run_then_its_status_counts),
        cmocka_unit_test(hook_when_run_then_it_has_none_of_our_descriptors),
        cmocka_unit_test(hook_when_it_hangs_then_its_group_is_killed),
        cmocka_unit_test(hook_when_this_host_has_none_then_a_matter_of_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
