/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Descriptors and small files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"

static int make_folder(void **state)
{
    char folder[] = "/tmp/onyx-fd-XXXXXX";

    *state = mkdtemp(folder) ? mem_dup(folder) : NULL;
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    CLEAN_CHAR char *folder = *state;
    DIR *dir = opendir(folder);

    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        CLEAN_CHAR char *path = str_format("%s/%s", folder, e->d_name);
        unlink(path);
    }
    closedir(dir);
    return rmdir(folder);
}

static size_t count_files(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t n = 0;

    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void a_replaced_file_has_the_new_bytes_and_mode_and_nothing_beside(void **state)
{
    CLEAN_CHAR char *path = str_format("%s/f", (char *)*state);
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;
    struct stat st;

    assert_int_equal(fd_replace_file(path, 0644, "old", 3, &err), 0);
    assert_int_equal(fd_replace_file(path, 0600, "newer", 5, &err), 0);
    assert_int_equal(fd_read_file(path, 5, &text, &err), 0);
    assert_string_equal(str_text(&text), "newer");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(count_files(*state), 1);
}

static void a_failed_replacement_leaves_the_old_state(void **state)
{
    CLEAN_CHAR char *folder = str_format("%s/no/f", (char *)*state);
    struct error err = ERROR_INIT;

    assert_int_equal(fd_replace_file(folder, 0600, "x", 1, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    /* The target is a folder: the rename fails, and what was written beside it goes. */
    CLEAN_CHAR char *sub = str_format("%s/sub", (char *)*state);
    assert_int_equal(mkdir(sub, 0700), 0);
    assert_int_equal(fd_replace_file(sub, 0600, "x", 1, &err), -1);
    assert_int_equal(rmdir(sub), 0);
    assert_int_equal(count_files(*state), 0);
}

static void a_file_over_the_limit_is_refused_and_out_unchanged(void **state)
{
    CLEAN_CHAR char *path = str_format("%s/f", (char *)*state);
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;

    str_add(&text, "was");
    assert_int_equal(fd_replace_file(path, 0644, "123456", 6, &err), 0);
    assert_int_equal(fd_read_file(path, 5, &text, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_string_equal(str_text(&text), "was");
    assert_int_equal(fd_read_file(path, 6, &text, &err), 0);
    assert_string_equal(str_text(&text), "was123456");
    CLEAN_CHAR char *none = str_format("%s/none", (char *)*state);
    assert_int_equal(fd_read_file(none, 5, &text, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

static void a_large_file_is_read_whole(void **state)
{
    CLEAN_CHAR char *path = str_format("%s/f", (char *)*state);
    CLEAN_CHAR char *bytes = mem_zero(300000, 1);
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;

    for (size_t i = 0; i < 300000; i++)
        bytes[i] = (char)(i * 7);
    assert_int_equal(fd_replace_file(path, 0644, bytes, 300000, &err), 0);
    assert_int_equal(fd_read_file(path, 300000, &text, &err), 0);
    assert_int_equal(text.len, 300000);
    assert_memory_equal(text.data, bytes, 300000);
}

static void a_pipe_carries_all_bytes_and_its_end_is_seen(void **state)
{
    CLEAN_FD int in = -1;
    CLEAN_FD int out = -1;
    struct error err = ERROR_INIT;
    char bytes[8] = "";
    size_t n = 0;

    (void)state;
    assert_int_equal(fd_pipe(&in, &out, &err), 0);
    assert_int_equal(fcntl(in, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(out, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fd_write_all(out, "abcde", 5, &err), 0);
    fd_close(&out);
    assert_int_equal(out, -1);
    assert_int_equal(fd_read_upto(in, bytes, 3, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_int_equal(fd_read_upto(in, bytes, 8, &n, &err), 0);
    assert_int_equal(n, 2);
}

static void writing_to_a_full_device_says_no_space(void **state)
{
    CLEAN_FD int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct error err = ERROR_INIT;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, "x", 1, &err), -1);
    assert_int_equal(err.code, ERROR_NO_SPACE);
    assert_int_equal(err.sys, ENOSPC);
}

static void closing_keeps_errno(void **state)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    errno = EXDEV;
    fd_close(&fd);
    fd_close(&fd);
    assert_int_equal(errno, EXDEV);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_replaced_file_has_the_new_bytes_and_mode_and_nothing_beside),
        IN_FOLDER(a_failed_replacement_leaves_the_old_state),
        IN_FOLDER(a_file_over_the_limit_is_refused_and_out_unchanged),
        IN_FOLDER(a_large_file_is_read_whole),
        cmocka_unit_test(a_pipe_carries_all_bytes_and_its_end_is_seen),
        cmocka_unit_test(writing_to_a_full_device_says_no_space),
        cmocka_unit_test(closing_keeps_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
