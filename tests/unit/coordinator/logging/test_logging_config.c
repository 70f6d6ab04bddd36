/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * logging.json: the files that people bring, what is not known in them, and lines as formatted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "coordinator/logging/logging_config.h"
#include "coordinator/logging/logging_format.h"

#define DIR "/opt/onyx"

/* As OnyxBackupVM's own example has it: its detailed format, console without a level. */
static const char old_file[] =
    "{\"version\": 1, \"disable_existing_loggers\": 0, \"formatters\": {"
    " \"simple\": {\"format\": \"%(message)s\"},"
    " \"detailed\": {\"format\": \"%(asctime)s - %(levelname)s: %(message)s"
    " [ %(module)s:%(funcName)s():%(lineno)s ]\", \"datefmt\": \"%m/%d/%Y %I:%M:%S %p\"}},"
    " \"handlers\": {\"console\": {\"class\": \"logging.StreamHandler\","
    " \"formatter\": \"simple\", \"stream\": \"ext://sys.stdout\"},"
    " \"file\": {\"class\": \"logging.handlers.RotatingFileHandler\", \"level\": \"WARNING\","
    " \"formatter\": \"detailed\", \"filename\": \"/mnt/b/logs/onyxbackup.log\","
    " \"maxBytes\": 1000, \"backupCount\": 3, \"encoding\": \"utf8\"},"
    " \"debug\": {\"class\": \"logging.handlers.RotatingFileHandler\", \"level\": \"DEBUG\","
    " \"formatter\": \"detailed\", \"filename\": \"/mnt/b/logs/debug.log\"}},"
    " \"loggers\": {\"onyxbackup\": {\"level\": \"INFO\","
    " \"handlers\": [\"console\", \"file\", \"debug\"], \"propagate\": 0}},"
    " \"root\": {\"level\": \"WARNING\", \"handlers\": [\"console\"]}}";

static void parse(const char *text, struct logging_config *config)
{
    struct error err = ERROR_INIT;
    if (logging_config_parse(text, strlen(text), "F", DIR, config, &err) < 0)
        fail_msg("%s", err.text);
}

static void check_no_warnings(const struct logging_config *config)
{
    for (size_t i = 0; i < config->warnings.n; i++)
        fail_msg("%s", config->warnings.items[i]);
}

static void check_warned(const struct logging_config *config, const char *what)
{
    for (size_t i = 0; i < config->warnings.n; i++)
        if (strstr(config->warnings.items[i], what))
            return;
    fail_msg("no warning says \"%s\"", what);
}

static void the_old_example_is_read_without_a_word(void **state)
{
    (void)state;
    CLEAN_LOGGING_CONFIG struct logging_config config = {0};
    parse(old_file, &config);
    check_no_warnings(&config);
    assert_int_equal(config.n, 3);
    assert_int_equal(config.handlers[0].kind, LOGGING_CONSOLE);
    assert_int_equal(config.handlers[0].level, LOG_LEVEL_INFO);
    assert_string_equal(config.handlers[0].format, "%(message)s");
    assert_int_equal(config.handlers[1].level, LOG_LEVEL_WARN);
    assert_string_equal(config.handlers[1].path, "/mnt/b/logs/onyxbackup.log");
    assert_int_equal(config.handlers[1].max_bytes, 1000);
    assert_int_equal(config.handlers[1].backups_n, 3);
    assert_int_equal(config.handlers[2].level, LOG_LEVEL_INFO); /* its logger lets no more pass */
    assert_int_equal(config.handlers[2].max_bytes, 0);
}

static void the_shipped_example_is_the_default(void **state)
{
    (void)state;
    CLEAN_LOGGING_CONFIG struct logging_config usual = {0}, shipped = {0};
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(fd_read_file(TEST_SOURCE_ROOT "/etc/logging.example", LOGGING_FILE_MAX,
                                  &text, &err), 0);
    parse(str_text(&text), &shipped);
    check_no_warnings(&shipped);
    logging_config_default(DIR, &usual);
    assert_int_equal(usual.n, shipped.n);
    for (size_t i = 0; i < usual.n; i++) {
        const struct logging_handler *a = &usual.handlers[i], *b = &shipped.handlers[i];
        assert_int_equal(a->kind, b->kind);
        assert_int_equal(a->level, b->level);
        assert_string_equal(a->format, b->format);
        assert_true(a->kind == LOGGING_CONSOLE || str_equal(a->datefmt, b->datefmt));
        assert_true(str_equal(a->path, b->path));
        assert_int_equal(a->max_bytes, b->max_bytes);
        assert_int_equal(a->backups_n, b->backups_n);
    }
    assert_string_equal(usual.handlers[1].path, DIR "/logs/onyxbackup.log");
    assert_string_equal(usual.handlers[2].path, DIR "/logs/debug.log");
}

static void what_is_not_known_is_named_and_left_out(void **state)
{
    (void)state;
    CLEAN_LOGGING_CONFIG struct logging_config config = {0};
    parse("{\"version\": 1, \"filters\": {}, \"colour\": 1, \"incremental\": true,"
          " \"formatters\": {\"f\": {\"format\": \"%(message)s %(host)s\", \"style\": \"{\"},"
          " \"g\": {\"format\": \"100%\"}},"
          " \"handlers\": {"
          " \"mail\": {\"class\": \"logging.handlers.SMTPHandler\"},"
          " \"bare\": {}, \"nameless\": {\"class\": \"logging.FileHandler\"},"
          " \"a\": {\"class\": \"logging.FileHandler\", \"filename\": \"x.log\", \"level\": \"LOUD\","
          " \"formatter\": \"f\", \"filters\": [\"q\"], \"encoding\": \"latin-1\"},"
          " \"b\": {\"class\": \"logging.handlers.RotatingFileHandler\", \"filename\": \"y.log\","
          " \"formatter\": \"g\", \"maxBytes\": -1, \"backupCount\": \"many\"},"
          " \"twice\": {\"class\": \"logging.FileHandler\", \"filename\": \"x.log\","
          " \"formatter\": \"none\"}},"
          " \"loggers\": {\"requests\": {}, \"onyxbackup\": {\"propagate\": 0, \"handlers\":"
          " [\"mail\", \"bare\", \"nameless\", \"a\", \"b\", \"twice\", \"gone\"]}}}",
          &config);
    static const char *const said[] = {
        "\"colour\" is not known", "filters are not known", "incremental is not known",
        "logging.handlers.SMTPHandler", "handler \"bare\": its class (none)",
        "handler \"nameless\" has no filename", "level \"LOUD\"", "host is not known here",
        "\"style\" is not known", "encoding latin-1", "format can't be used: \"100%\"",
        "maxBytes is no number", "backupCount is no number",
        "handler \"twice\" writes to the file of another", "there is no formatter \"none\"",
        "there is no handler \"gone\"", "logger \"requests\""};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        check_warned(&config, said[i]);
    assert_int_equal(config.n, 2);
    assert_string_equal(config.handlers[0].path, DIR "/x.log");
    assert_string_equal(config.handlers[1].format, "%(message)s");
}

static void a_logger_that_propagates_reaches_the_roots_handlers(void **state)
{
    (void)state;
    CLEAN_LOGGING_CONFIG struct logging_config config = {0};
    parse("{\"version\": 1, \"handlers\": {"
          " \"a\": {\"class\": \"logging.FileHandler\", \"filename\": \"/a\", \"mode\": \"w\"},"
          " \"b\": {\"class\": \"logging.FileHandler\", \"filename\": \"/b\"}},"
          " \"loggers\": {\"onyxpool\": {\"level\": 10, \"handlers\": [\"a\"]},"
          " \"onyxbackup\": {\"level\": 50, \"handlers\": [\"b\"]}},"
          " \"root\": {\"level\": \"ERROR\", \"handlers\": [\"a\", \"b\"]}}", &config);
    check_no_warnings(&config);
    assert_int_equal(config.n, 2);
    assert_int_equal(config.handlers[0].level, LOG_LEVEL_DEBUG);
    assert_true(config.handlers[0].is_new);
    assert_int_equal(config.handlers[1].level, LOG_LEVEL_DEBUG);
    assert_false(config.handlers[1].is_new);
}

static void without_a_logger_of_ours_the_root_holds(void **state)
{
    (void)state;
    CLEAN_LOGGING_CONFIG struct logging_config config = {0};
    parse("{\"version\": 1, \"handlers\": {\"a\": {\"class\": \"logging.StreamHandler\"}},"
          " \"root\": {\"level\": \"CRITICAL\", \"handlers\": [\"a\"]}}", &config);
    assert_int_equal(config.n, 1);
    assert_int_equal(config.handlers[0].level, LOG_LEVEL_ERROR);
}

static void what_is_no_configuration_is_an_error(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{", "[]", "{}", "{\"version\": 2}", "null",
                                      "{\"version\": \"1\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct logging_config config = {0};
        struct error err = ERROR_INIT;
        assert_int_equal(logging_config_parse(bad[i], strlen(bad[i]), "F", DIR, &config, &err),
                         -1);
        assert_int_equal(err.code, ERROR_SETTINGS);
        assert_non_null(strstr(err.text, "F"));
        assert_int_equal(config.n, 0);
    }
}

static void members_of_other_types_do_no_harm(void **state)
{
    (void)state;
    CLEAN_LOGGING_CONFIG struct logging_config config = {0};
    parse("{\"version\": 1, \"handlers\": {\"a\": {\"class\": \"logging.FileHandler\","
          " \"filename\": 7}, \"b\": [], \"c\": {\"class\": \"logging.StreamHandler\","
          " \"formatter\": {}, \"level\": []}}, \"formatters\": 3, \"loggers\": {\"onyxbackup\":"
          " {\"handlers\": [\"a\", \"b\", \"c\", 4], \"level\": {}, \"propagate\": \"no\"}},"
          " \"root\": 5}", &config);
    assert_int_equal(config.n, 1);
    assert_int_equal(config.handlers[0].kind, LOGGING_CONSOLE);
}

static void check_line(const char *format, const char *datefmt, const char *want)
{
    CLEAN_CHAR char *own_format = mem_dup(format), *own_datefmt = mem_dup(datefmt);
    const struct logging_handler handler = {.format = own_format, .datefmt = own_datefmt};
    CLEAN_STR struct str out = STR_INIT;
    logging_format_line(&handler, 1763843254007, LOG_LEVEL_WARN, "store", "text %d", &out);
    assert_string_equal(str_text(&out), want);
}

static void lines_are_as_python_would_write_them(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    assert_int_equal(clock_use_zone("UTC", &err), 0);
    check_line("%(message)s", NULL, "text %d\n");
    check_line("%(asctime)s - %(levelname)s: %(message)s [ %(module)s:%(funcName)s():%(lineno)s ]",
               "%m/%d/%Y %I:%M:%S %p",
               "11/22/2025 08:27:34 PM - WARNING: text %d [ store:-():0 ]\n");
    check_line("%(asctime)s", NULL, "2025-11-22 20:27:34,007\n");
    check_line("[%(levelname)-9s|%(levelname)9s|%(levelno)04d|%(msecs)03d|100%%]", NULL,
               "[WARNING  |  WARNING|0030|007|100%]\n");
    check_line("%(created)f %(name)s", NULL, "1763843254.007 store\n");
    check_line("%(asctime)s", "", "\n");
}

static void formats_that_python_refuses_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"%", "%(message)", "%(message", "%s", "%(message)q",
                                      "%(m", "x%(message)5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CLEAN_STR struct str unknown = STR_INIT;
        assert_false(logging_format_check(bad[i], &unknown));
    }
    CLEAN_STR struct str unknown = STR_INIT;
    assert_true(logging_format_check("%(a)s %(message)99999999999999999999s %(b)d", &unknown));
    assert_string_equal(str_text(&unknown), "a, b");
}

static void a_file_is_found_and_a_bad_one_said(void **state)
{
    (void)state;
    char dir[] = "/tmp/onyx-logging-XXXXXX";
    assert_non_null(mkdtemp(dir));
    CLEAN_CHAR char *etc = str_format("%s/etc", dir);
    CLEAN_CHAR char *file = str_format("%s/logging.json", etc);
    CLEAN_CHAR char *other = str_format("%s/other.json", dir);
    struct error err = ERROR_INIT;
    assert_int_equal(mkdir(etc, 0700), 0);

    CLEAN_LOGGING_CONFIG struct logging_config none = {0};
    logging_config_read(dir, NULL, &none);
    check_no_warnings(&none);
    assert_int_equal(none.n, 3);

    assert_int_equal(fd_replace_file(file, 0600, old_file, strlen(old_file), &err), 0);
    CLEAN_LOGGING_CONFIG struct logging_config found = {0};
    logging_config_read(dir, "", &found);
    assert_string_equal(found.handlers[1].path, "/mnt/b/logs/onyxbackup.log");

    CLEAN_LOGGING_CONFIG struct logging_config absent = {0};
    logging_config_read(dir, other, &absent);
    check_warned(&absent, "LOG_CFG");
    assert_int_equal(absent.n, 3);

    assert_int_equal(fd_replace_file(other, 0600, "{,}", 3, &err), 0);
    CLEAN_LOGGING_CONFIG struct logging_config broken = {0};
    logging_config_read(dir, other, &broken);
    check_warned(&broken, "line 1");
    assert_int_equal(broken.n, 3);
    unlink(file);
    unlink(other);
    rmdir(etc);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_old_example_is_read_without_a_word),
        cmocka_unit_test(the_shipped_example_is_the_default),
        cmocka_unit_test(what_is_not_known_is_named_and_left_out),
        cmocka_unit_test(a_logger_that_propagates_reaches_the_roots_handlers),
        cmocka_unit_test(without_a_logger_of_ours_the_root_holds),
        cmocka_unit_test(what_is_no_configuration_is_an_error),
        cmocka_unit_test(members_of_other_types_do_no_harm),
        cmocka_unit_test(lines_are_as_python_would_write_them),
        cmocka_unit_test(formats_that_python_refuses_are_refused),
        cmocka_unit_test(a_file_is_found_and_a_bad_one_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
