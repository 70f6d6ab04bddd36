/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Log files: levels, rotation, two writers, folders that can't be written, a disk that hangs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "coordinator/logging/log_files.h"
#include "coordinator/logging/logging_config.h"

struct fixture {
    char dir[64];
    struct logging_config config;
    struct str told; /* on the console */
};

static void keep(void *context, enum log_level level, const char *room, const char *text)
{
    str_add_format(context, "%s|%s|%s\n", log_level_name(level), room, text);
}

static int set_up(void **state)
{
    struct fixture *f = mem_zero(1, sizeof *f);
    str_copy(f->dir, sizeof f->dir, "/tmp/onyx-log-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    log_set_sink(keep, &f->told);
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    log_set_tee(NULL, NULL, LOG_LEVEL_ERROR);
    log_set_sink(NULL, NULL);
    logging_config_done(&f->config);
    str_done(&f->told);
    nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static struct logging_handler *add(struct fixture *f, const char *name, enum log_level level)
{
    f->config.handlers = mem_grow(f->config.handlers, &f->config.cap, f->config.n + 1,
                                  sizeof *f->config.handlers);
    struct logging_handler *handler = &f->config.handlers[f->config.n++];
    *handler = (struct logging_handler){.kind = LOGGING_FILE, .level = level};
    handler->format = mem_dup("%(levelname)s %(message)s");
    handler->path = str_format("%s/%s", f->dir, name);
    return handler;
}

static void check_file(const struct fixture *f, const char *name, const char *want)
{
    CLEAN_CHAR char *path = str_format("%s/%s", f->dir, name);
    CLEAN_STR struct str got = STR_INIT;
    struct error err = ERROR_INIT;
    if (fd_read_file(path, 1 << 20, &got, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(str_text(&got), want);
}

static bool is_there(const struct fixture *f, const char *name)
{
    CLEAN_CHAR char *path = str_format("%s/%s", f->dir, name);
    return access(path, F_OK) == 0;
}

static void write_lines(struct fixture *f, const char *first, const char *second)
{
    CLEAN_LOG_FILES struct log_files *files = log_files_open(&f->config, clock_system());
    log_files_take(files, LOG_LEVEL_WARN, "a", first);
    if (second)
        log_files_take(files, LOG_LEVEL_DEBUG, "a", second);
}

static void each_file_takes_its_level_and_the_folder_is_made(void **state)
{
    struct fixture *f = *state;
    add(f, "logs/warn.log", LOG_LEVEL_WARN);
    add(f, "logs/debug.log", LOG_LEVEL_DEBUG);
    write_lines(f, "one", "two");
    check_file(f, "logs/warn.log", "WARNING one\n");
    check_file(f, "logs/debug.log", "WARNING one\nDEBUG two\n");
    write_lines(f, "three", NULL);
    check_file(f, "logs/warn.log", "WARNING one\nWARNING three\n");
    assert_int_equal(f->told.len, 0);
}

static void a_new_file_is_emptied_once(void **state)
{
    struct fixture *f = *state;
    add(f, "new.log", LOG_LEVEL_DEBUG)->is_new = true;
    write_lines(f, "one", "two");
    write_lines(f, "three", "four");
    check_file(f, "new.log", "WARNING three\nDEBUG four\n");
}

static void a_full_file_is_rotated_and_the_oldest_goes(void **state)
{
    struct fixture *f = *state;
    struct logging_handler *handler = add(f, "r.log", LOG_LEVEL_DEBUG);
    handler->max_bytes = 20;
    handler->backups_n = 2;
    write_lines(f, "1", "2"); /* 10 + 8 bytes */
    check_file(f, "r.log", "WARNING 1\nDEBUG 2\n");
    assert_false(is_there(f, "r.log.1"));
    write_lines(f, "3", "4");
    check_file(f, "r.log", "WARNING 3\nDEBUG 4\n");
    check_file(f, "r.log.1", "WARNING 1\nDEBUG 2\n");
    write_lines(f, "5", "6");
    write_lines(f, "7", "8");
    check_file(f, "r.log", "WARNING 7\nDEBUG 8\n");
    check_file(f, "r.log.1", "WARNING 5\nDEBUG 6\n");
    check_file(f, "r.log.2", "WARNING 3\nDEBUG 4\n");
    assert_false(is_there(f, "r.log.3"));
    assert_int_equal(f->told.len, 0);
}

static void a_line_longer_than_the_limit_is_written_whole(void **state)
{
    struct fixture *f = *state;
    struct logging_handler *handler = add(f, "r.log", LOG_LEVEL_DEBUG);
    handler->max_bytes = 5;
    handler->backups_n = 1;
    write_lines(f, "a long line", "another one");
    check_file(f, "r.log.1", "WARNING a long line\n");
    check_file(f, "r.log", "DEBUG another one\n");
}

static void without_a_count_of_backups_nothing_is_rotated(void **state)
{
    struct fixture *f = *state;
    add(f, "r.log", LOG_LEVEL_DEBUG)->max_bytes = 5;
    write_lines(f, "one", "two");
    check_file(f, "r.log", "WARNING one\nDEBUG two\n");
    assert_false(is_there(f, "r.log.1"));
}

static void two_writers_that_rotate_lose_nothing(void **state)
{
    struct fixture *f = *state;
    struct logging_handler *handler = add(f, "r.log", LOG_LEVEL_DEBUG);
    handler->max_bytes = 200;
    handler->backups_n = 50;
    struct log_files *a = log_files_open(&f->config, clock_system());
    log_files_take(a, LOG_LEVEL_INFO, "a", "from a");
    for (int i = 0; i < 10; i++)
        write_lines(f, "from b from b from b from b", "from b");
    log_files_take(a, LOG_LEVEL_INFO, "a", "from a");
    log_files_close(&a);
    size_t lines = 0;
    for (unsigned n = 0; n <= 50; n++) {
        CLEAN_CHAR char *path = n ? str_format("%s/r.log.%u", f->dir, n)
                                  : str_format("%s/r.log", f->dir);
        CLEAN_STR struct str got = STR_INIT;
        if (fd_read_file(path, 1 << 20, &got, NULL) < 0)
            continue;
        assert_true(got.len <= 200);
        for (size_t i = 0; i < got.len; i++)
            lines += got.data[i] == '\n';
    }
    assert_int_equal(lines, 22);
}

static void a_folder_that_cannot_be_written_is_one_warning(void **state)
{
    struct fixture *f = *state;
    CLEAN_CHAR char *path = str_format("%s/logs", f->dir);
    struct error err = ERROR_INIT;
    assert_int_equal(fd_replace_file(path, 0600, "x", 1, &err), 0);
    add(f, "logs/warn.log", LOG_LEVEL_WARN);
    add(f, "logs/debug.log", LOG_LEVEL_DEBUG);
    add(f, "other.log", LOG_LEVEL_DEBUG);
    struct log_files *files = log_files_open(&f->config, clock_system());
    log_set_tee(log_files_take, files, LOG_LEVEL_DEBUG);
    for (int i = 0; i < 100; i++)
        log_debug("a", "line %d", i);
    log_set_tee(NULL, NULL, LOG_LEVEL_ERROR);
    log_files_close(&files);
    const char *told = str_text(&f->told);
    const char *first = strstr(told, "warn|log|cannot open the log file");
    assert_non_null(first);
    assert_null(strstr(first + 1, "warn|log|"));
    assert_non_null(strstr(told, "the run goes on without it"));
    CLEAN_STR struct str other = STR_INIT;
    CLEAN_CHAR char *other_path = str_format("%s/other.log", f->dir);
    assert_int_equal(fd_read_file(other_path, 1 << 20, &other, &err), 0);
    assert_non_null(strstr(str_text(&other), "DEBUG line 99\n"));
}

static void a_full_disk_is_one_warning(void **state)
{
    struct fixture *f = *state;
    struct logging_handler *handler = add(f, "x", LOG_LEVEL_DEBUG);
    mem_set(&handler->path, "/dev/full");
    write_lines(f, "one", "two");
    assert_non_null(strstr(str_text(&f->told), "write to the log file /dev/full"));
    assert_null(strstr(strstr(str_text(&f->told), "/dev/full") + 1, "/dev/full"));
}

/* A fifo that nobody reads holds the writer as a hung share does. */
static void a_disk_that_hangs_holds_nobody_and_the_loss_is_told(void **state)
{
    struct fixture *f = *state;
    CLEAN_CHAR char *line = mem_zero(100001, 1);
    memset(line, 'x', 100000);
    struct logging_handler *handler = add(f, "hung.log", LOG_LEVEL_DEBUG);
    assert_int_equal(mkfifo(handler->path, 0600), 0);
    struct log_files *files = log_files_open(&f->config, clock_system());
    for (int i = 0; i < 200; i++)
        log_files_take(files, LOG_LEVEL_INFO, "a", line);
    CLEAN_STR struct str got = STR_INIT;
    CLEAN_FD int fd = open(handler->path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t seen = 0; !strstr(str_text(&got) + seen, "lines were lost here");) {
        char bytes[65536];
        size_t n = 0;
        assert_int_equal(fd_read_upto(fd, bytes, sizeof bytes, &n, NULL), 0);
        assert_true(n > 0);
        seen = got.len > 64 ? got.len - 64 : 0;
        str_add_n(&got, bytes, n);
        log_files_take(files, LOG_LEVEL_INFO, "a", "more");
    }
    fd_close(&fd); /* the writer gets EPIPE, which is one warning */
    log_files_close(&files);
}

static void nothing_to_write_is_fine(void **state)
{
    struct fixture *f = *state;
    struct log_files *files = log_files_open(&f->config, clock_system());
    log_files_take(files, LOG_LEVEL_ERROR, "a", "nowhere");
    log_files_close(&files);
    assert_null(files);
    log_files_close(&files);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_file_takes_its_level_and_the_folder_is_made),
        CASE(a_new_file_is_emptied_once),
        CASE(a_full_file_is_rotated_and_the_oldest_goes),
        CASE(a_line_longer_than_the_limit_is_written_whole),
        CASE(without_a_count_of_backups_nothing_is_rotated),
        CASE(two_writers_that_rotate_lose_nothing),
        CASE(a_folder_that_cannot_be_written_is_one_warning),
        CASE(a_full_disk_is_one_warning),
        CASE(a_disk_that_hangs_holds_nobody_and_the_loss_is_told),
        CASE(nothing_to_write_is_fine),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
