/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Levels, sinks and what a line looks like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"

static void keep(void *context, enum log_level level, const char *room, const char *text)
{
    str_add_format(context, "%s|%s|%s\n", log_level_name(level), room, text);
}

static void lines_below_the_level_are_not_written(void **state)
{
    CLEAN_STR struct str got = STR_INIT;

    (void)state;
    log_set_sink(keep, &got);
    log_set_level(LOG_LEVEL_WARN);
    log_error("a", "%d", 1);
    log_warn("a", "%d", 2);
    log_info("a", "%d", 3);
    log_debug("a", "%d", 4);
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("b", "%d", 5);
    log_set_sink(NULL, NULL);
    log_set_level(LOG_LEVEL_INFO);
    assert_string_equal(str_text(&got), "error|a|1\nwarn|a|2\ndebug|b|5\n");
}

static void a_tee_has_a_level_of_its_own(void **state)
{
    CLEAN_STR struct str sink = STR_INIT, tee = STR_INIT;

    (void)state;
    assert_false(log_is_taken(LOG_LEVEL_DEBUG));
    log_set_sink(keep, &sink);
    log_set_level(LOG_LEVEL_WARN);
    log_set_tee(keep, &tee, LOG_LEVEL_DEBUG);
    assert_true(log_is_taken(LOG_LEVEL_DEBUG));
    assert_false(log_is_on(LOG_LEVEL_DEBUG));
    log_warn("a", "%d", 1);
    log_debug("a", "%d", 2);
    log_write_tee(LOG_LEVEL_ERROR, "b", "%s", "x\n");
    log_set_tee(keep, &tee, LOG_LEVEL_ERROR);
    log_warn("a", "%d", 3);
    log_write_tee(LOG_LEVEL_INFO, "b", "%d", 4);
    log_set_tee(NULL, NULL, LOG_LEVEL_DEBUG);
    log_error("a", "%d", 5);
    log_write_tee(LOG_LEVEL_ERROR, "b", "%d", 6);
    log_set_sink(NULL, NULL);
    log_set_level(LOG_LEVEL_INFO);
    assert_string_equal(str_text(&sink), "warn|a|1\nwarn|a|3\nerror|a|5\n");
    assert_string_equal(str_text(&tee), "warn|a|1\ndebug|a|2\nerror|b|x\\x0a\n");
}

static void control_bytes_are_shown_and_errno_is_kept(void **state)
{
    CLEAN_STR struct str got = STR_INIT;

    (void)state;
    log_set_sink(keep, &got);
    errno = EXDEV;
    log_error("a", "%s", "x\n\x1b[2Jy\x7f\xc3\xa4");
    assert_int_equal(errno, EXDEV);
    log_set_sink(NULL, NULL);
    assert_string_equal(str_text(&got), "error|a|x\\x0a\\x1b[2Jy\\x7f\xc3\xa4\n");
}

static void a_very_long_line_is_cut_and_says_so(void **state)
{
    CLEAN_STR struct str got = STR_INIT;
    CLEAN_CHAR char *text = mem_zero(100001, 1);

    (void)state;
    memset(text, 'x', 100000);
    log_set_sink(keep, &got);
    log_error("a", "%s", text);
    log_set_sink(NULL, NULL);
    assert_true(got.len < 5000);
    assert_true(str_ends(str_text(&got), "x...\n"));
}

static void stderr_gets_time_level_room_and_text(void **state)
{
    CLEAN_FD int in = -1;
    CLEAN_FD int out = -1;
    CLEAN_FD int saved = dup(STDERR_FILENO);
    struct error err = ERROR_INIT;
    char line[256] = "";
    size_t n = 0;

    (void)state;
    assert_int_equal(fd_pipe(&in, &out, &err), 0);
    assert_true(dup2(out, STDERR_FILENO) >= 0);
    log_warn("agent", "job %d", 7);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    fd_close(&out);
    assert_int_equal(fd_read_upto(in, line, sizeof line - 1, &n, &err), 0);
    assert_int_equal(n, strlen("2026-11-22 20:27:34 warn  agent: job 7\n"));
    assert_string_equal(line + strlen("2026-11-22 20:27:34"), " warn  agent: job 7\n");
}

static void level_names_go_both_ways(void **state)
{
    static const struct {
        const char *name;
        enum log_level level;
    } rows[] = {{"error", LOG_LEVEL_ERROR}, {"WARNING", LOG_LEVEL_WARN},
                {"warn", LOG_LEVEL_WARN},   {"Info", LOG_LEVEL_INFO},
                {"debug", LOG_LEVEL_DEBUG}, {"CRITICAL", LOG_LEVEL_ERROR}};
    enum log_level level = LOG_LEVEL_DEBUG;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(log_level_from_name(rows[i].name, &level), 1);
        assert_int_equal(level, rows[i].level);
    }
    assert_int_equal(log_level_from_name("loud", &level), 0);
    assert_string_equal(log_level_name(LOG_LEVEL_INFO), "info");
    assert_string_equal(log_level_name((enum log_level)9), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test(a_tee_has_a_level_of_its_own),
        cmocka_unit_test(control_bytes_are_shown_and_errno_is_kept),
        cmocka_unit_test(a_very_long_line_is_cut_and_says_so),
        cmocka_unit_test(stderr_gets_time_level_room_and_text),
        cmocka_unit_test(level_names_go_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
