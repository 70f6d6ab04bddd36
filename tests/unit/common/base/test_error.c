/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Errors as values: texts that grow at the front, codes that never move.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"

static void a_fresh_error_is_not_set(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_false(error_is_set(&err));
    assert_false(error_is_set(NULL));
    assert_string_equal(err.text, "");
}

static void set_gives_minus_one_and_replaces_what_was_there(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    error_set(&err, ERROR_XAPI, "old");
    error_set_origin(&err, "VDI_IN_USE");
    assert_int_equal(error_set(&err, ERROR_IO, "disk %d", 3), -1);
    assert_int_equal(err.code, ERROR_IO);
    assert_string_equal(err.text, "disk 3");
    assert_string_equal(err.origin, "");
    assert_int_equal(error_set(NULL, ERROR_IO, "x"), -1);
}

static void set_may_print_its_own_old_text(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    error_set(&err, ERROR_IO, "inner");
    error_set(&err, ERROR_CORRUPT, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
}

static void add_puts_context_in_front_and_keeps_code_and_origin(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    error_set(&err, ERROR_XAPI, "HTTP 500 from host-2");
    error_set_origin(&err, "INTERNAL_ERROR");
    assert_int_equal(error_add(&err, "read %s", "xvda"), -1);
    error_add(&err, "export web1");
    assert_string_equal(err.text, "export web1: read xvda: HTTP 500 from host-2");
    assert_int_equal(err.code, ERROR_XAPI);
    assert_string_equal(err.origin, "INTERNAL_ERROR");
}

static void a_text_of_exactly_the_field_is_kept_whole(void **state)
{
    struct error err = ERROR_INIT;
    char text[ERROR_TEXT_MAX];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    error_set(&err, ERROR_IO, "%s", text);
    assert_string_equal(err.text, text);
}

static void a_text_too_long_is_cut_at_its_end_between_characters(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        struct error err = ERROR_INIT;
        CLEAN_STR struct str text = STR_INIT;
        for (size_t i = 0; i < shift; i++)
            str_add_char(&text, 'a');
        while (text.len < 2 * ERROR_TEXT_MAX)
            str_add(&text, "\xe2\x82\xac");
        error_set(&err, ERROR_IO, "%s", str_text(&text));
        assert_true(strlen(err.text) < ERROR_TEXT_MAX);
        assert_true(strlen(err.text) > ERROR_TEXT_MAX - 6);
        assert_true(str_ends(err.text, "\xac..."));
        assert_true(str_is_utf8(err.text, strlen(err.text)));
        error_add(&err, "front");
        assert_true(str_starts(err.text, "front: "));
        assert_true(str_ends(err.text, "..."));
        assert_true(str_is_utf8(err.text, strlen(err.text)));
    }
}

static void the_longest_origin_is_cut_not_overrun(void **state)
{
    struct error err = ERROR_INIT;
    char origin[200];

    (void)state;
    memset(origin, 'O', sizeof origin - 1);
    origin[sizeof origin - 1] = '\0';
    error_set_origin(&err, origin);
    assert_int_equal(strlen(err.origin), ERROR_ORIGIN_MAX - 1);
}

static void system_errors_get_the_code_that_says_what_to_do(void **state)
{
    static const struct {
        int sys;
        enum error_code code, want;
    } rows[] = {
        {ENOSPC, ERROR_IO, ERROR_NO_SPACE},  {EDQUOT, ERROR_IO, ERROR_NO_SPACE},
        {ENOENT, ERROR_IO, ERROR_NOT_FOUND}, {EEXIST, ERROR_IO, ERROR_EXISTS},
        {EIO, ERROR_IO, ERROR_IO},           {ENOENT, ERROR_STORE_MISSING, ERROR_STORE_MISSING},
        {ENOSPC, ERROR_LEASE, ERROR_LEASE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(error_set_sys(&err, rows[i].code, rows[i].sys, "open %s", "a"), -1);
        assert_int_equal(err.code, rows[i].want);
        assert_int_equal(err.sys, rows[i].sys);
        assert_true(str_starts(err.text, "open a: "));
        assert_true(strlen(err.text) > strlen("open a: "));
    }
}

static void numbers_names_and_exit_statuses_are_the_published_ones(void **state)
{
    (void)state;
    assert_int_equal(ERROR_NO_SPACE, 11);
    assert_int_equal(ERROR_LEASE, 28);
    assert_int_equal(ERROR_STORE_GONE, 30);
    assert_int_equal(ERROR_HUNG, 31);
    assert_false(error_may_be_retried(ERROR_HUNG));
    assert_string_equal(error_name(ERROR_NO_SPACE), "NO_SPACE");
    assert_string_equal(error_name((enum error_code)999), "UNKNOWN");
    assert_int_equal(error_code_from_number(18), ERROR_CORRUPT);
    assert_int_equal(error_code_from_number(-1), ERROR_INTERNAL);
    assert_int_equal(error_code_from_number(999), ERROR_INTERNAL);
    assert_true(error_may_be_retried(ERROR_TIMEOUT));
    assert_false(error_may_be_retried(ERROR_UNSUPPORTED));
    assert_false(error_may_be_retried((enum error_code)999));
    assert_int_equal(error_exit_status(ERROR_NONE), 0);
    assert_int_equal(error_exit_status(ERROR_POOL_REFUSED), 3);
    assert_int_equal(error_exit_status(ERROR_BUSY), 4);
    assert_int_equal(error_exit_status((enum error_code)999), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_error_is_not_set),
        cmocka_unit_test(set_gives_minus_one_and_replaces_what_was_there),
        cmocka_unit_test(set_may_print_its_own_old_text),
        cmocka_unit_test(add_puts_context_in_front_and_keeps_code_and_origin),
        cmocka_unit_test(a_text_of_exactly_the_field_is_kept_whole),
        cmocka_unit_test(a_text_too_long_is_cut_at_its_end_between_characters),
        cmocka_unit_test(the_longest_origin_is_cut_not_overrun),
        cmocka_unit_test(system_errors_get_the_code_that_says_what_to_do),
        cmocka_unit_test(numbers_names_and_exit_statuses_are_the_published_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
