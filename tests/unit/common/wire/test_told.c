/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One line a minute about refused peers: what is in it, and when it is due.
 */
#include "common/wire/told.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/str.h"

static void assert_line(struct wire_told *told, bool has_news, int64_t now_ms, const char *expected)
{
    CLEAN_STR struct str line = STR_INIT;
    assert_int_equal(wire_told_take(told, has_news, now_ms, &line), expected != NULL);
    assert_string_equal(str_text(&line), expected != NULL ? expected : "");
}

static void without_news_there_is_no_line(void **state)
{
    struct wire_told told = {0};
    (void)state;
    assert_line(&told, false, 5, NULL);
    assert_line(&told, false, 5 + 10 * WIRE_TOLD_MS, NULL);
}

static void the_first_news_goes_out_at_once_and_the_next_a_minute_later(void **state)
{
    struct wire_told told = {0};
    (void)state;
    wire_told_add(&told, "host %d", 1);
    assert_line(&told, false, 5, "host 1");
    wire_told_add(&told, "host %d", 2);
    wire_told_add(&told, "host %d", 3);
    wire_told_add(&told, "host %d", 2);
    assert_line(&told, true, 4 + WIRE_TOLD_MS, NULL);
    assert_line(&told, true, 5 + WIRE_TOLD_MS, "host 2; host 3");
    assert_line(&told, false, 5 + 3 * WIRE_TOLD_MS, NULL);
    assert_line(&told, true, 5 + 3 * WIRE_TOLD_MS, "");
    assert_line(&told, true, 6 + 3 * WIRE_TOLD_MS, NULL);
}

static void what_is_too_much_is_left_out_and_said_to_be(void **state)
{
    struct wire_told told = {0};
    CLEAN_STR struct str line = STR_INIT;
    char long_text[2 * WIRE_TOLD_TEXT_MAX];
    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    for (int i = 0; i < WIRE_TOLD_MAX; i++)
        wire_told_add(&told, "%d%s", i, long_text);
    assert_true(wire_told_take(&told, false, 1, &line));
    assert_null(strstr(line.data, "others"));
    assert_int_equal(line.len, WIRE_TOLD_MAX * (WIRE_TOLD_TEXT_MAX - 1) + (WIRE_TOLD_MAX - 1) * 2);
    str_clear(&line);
    for (int i = 0; i <= WIRE_TOLD_MAX; i++)
        wire_told_add(&told, "%d", i);
    assert_true(wire_told_take(&told, false, 1 + WIRE_TOLD_MS, &line));
    assert_string_equal(line.data, "0; 1; 2; 3; 4; 5; 6; 7; and others");
    wire_told_add(&told, "one");
    assert_line(&told, false, 1 + 2 * WIRE_TOLD_MS, "one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_news_there_is_no_line),
        cmocka_unit_test(the_first_news_goes_out_at_once_and_the_next_a_minute_later),
        cmocka_unit_test(what_is_too_much_is_left_out_and_said_to_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
