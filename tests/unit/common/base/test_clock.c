/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Times as text and back, in zones that must exist.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/str.h"

/* 2026-11-22T20:27:34Z */
#define AT_MS 1795379254000

static void berlin_names_the_local_hour(void **state)
{
    struct error err = ERROR_INIT;
    char text[CLOCK_ISO_MAX];

    (void)state;
    assert_int_equal(clock_use_zone("Europe/Berlin", &err), 0);
    assert_string_equal(clock_format_stamp(AT_MS + 999, text), "20261122-212734");
    assert_string_equal(clock_format_local(AT_MS, text), "2026-11-22 21:27:34");
    assert_string_equal(clock_format_utc(AT_MS, text), "2026-11-22T20:27:34Z");
}

static void an_unknown_zone_is_an_error_and_changes_nothing(void **state)
{
    static const char *const zones[] = {"Europe/Berlni", "../etc/passwd", "UTC+25x", "CET-1CEST",
                                        "/etc/passwd",   "/nowhere",      "Europe"};
    struct error err = ERROR_INIT;
    char before[CLOCK_STAMP_MAX], after[CLOCK_STAMP_MAX];

    (void)state;
    assert_int_equal(clock_use_zone("Asia/Tokyo", &err), 0);
    clock_format_stamp(AT_MS, before);
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        error_clear(&err);
        assert_int_equal(clock_use_zone(zones[i], &err), -1);
        assert_int_equal(err.code, ERROR_SETTINGS);
        assert_string_equal(clock_format_stamp(AT_MS, after), before);
    }
}

static void a_bad_zone_in_the_environment_is_an_error_too(void **state)
{
    struct error err = ERROR_INIT;
    char text[CLOCK_STAMP_MAX];

    (void)state;
    setenv("TZ", "Mars/Phobos", 1);
    assert_int_equal(clock_use_zone(NULL, &err), -1);
    assert_non_null(strstr(err.text, "the variable TZ"));
    setenv("TZ", "XYZ-5:30", 1);
    assert_int_equal(clock_use_zone("", &err), 0);
    assert_string_equal(clock_format_stamp(AT_MS, text), "20261123-015734");
    setenv("TZ", ":Asia/Tokyo", 1);
    assert_int_equal(clock_use_zone(NULL, &err), 0);
    assert_string_equal(clock_format_stamp(AT_MS, text), "20261123-052734");
    unsetenv("TZ");
    assert_int_equal(clock_use_zone(NULL, &err), 0);
}

static void tzdir_is_where_zones_are_looked_for(void **state)
{
    char folder[] = "/tmp/onyx-tz-XXXXXX";
    struct error err = ERROR_INIT;

    (void)state;
    assert_non_null(mkdtemp(folder));
    setenv("TZDIR", folder, 1);
    assert_int_equal(clock_use_zone("Europe/Berlin", &err), -1);
    assert_non_null(strstr(err.text, folder));
    unsetenv("TZDIR");
    rmdir(folder);
}

static void utc_is_read_in_both_spellings(void **state)
{
    struct error err = ERROR_INIT;
    int64_t ms = 0;

    (void)state;
    assert_int_equal(clock_parse_utc("2026-11-22T20:27:34Z", &ms, &err), 0);
    assert_true(ms == AT_MS);
    assert_int_equal(clock_parse_utc("20261122T20:27:34Z", &ms, &err), 0);
    assert_true(ms == AT_MS);
    assert_int_equal(clock_parse_utc("19700101T00:00:00Z", &ms, &err), 0);
    assert_true(ms == 0);
    assert_int_equal(clock_parse_utc("2024-02-29T00:00:00Z", &ms, &err), 0);
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "2026-11-22",
                                        "2026-11-22T20:27:34",
                                        "2026-11-22T20:27:34Zx",
                                        "2026-13-22T20:27:34Z",
                                        "2026-00-22T20:27:34Z",
                                        "2026-02-29T20:27:34Z",
                                        "2026-11-31T20:27:34Z",
                                        "2026-11-22T24:27:34Z",
                                        "2026-11-22T20:60:34Z",
                                        "2026-11-2 T20:27:34Z",
                                        "1900-01-01T00:00:00Z"};
    struct error err = ERROR_INIT;
    int64_t ms = 3;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(clock_parse_utc(texts[i], &ms, &err), -1);
        assert_int_equal(err.code, ERROR_BAD_INPUT);
        assert_true(ms == 3);
    }
    assert_int_equal(clock_parse_stamp("20261122-2027", &ms, &err), -1);
    assert_int_equal(clock_parse_stamp("20261122_202734", &ms, &err), -1);
    assert_int_equal(clock_parse_stamp("20261122-202734.xva", &ms, &err), -1);
}

static void stamps_come_back_in_their_zone(void **state)
{
    struct error err = ERROR_INIT;
    char text[CLOCK_STAMP_MAX];
    int64_t back = 0;

    (void)state;
    assert_int_equal(clock_use_zone("America/New_York", &err), 0);
    for (int64_t ms = 86400000; ms < 4000000000000; ms += 86399ll * 7919000) {
        int64_t whole = ms / 1000 * 1000;
        assert_int_equal(clock_parse_stamp(clock_format_stamp(whole, text), &back, &err), 0);
        char again[CLOCK_STAMP_MAX];
        assert_string_equal(clock_format_stamp(back, again), text);
    }
}

static void absurd_times_still_give_texts_of_the_right_length(void **state)
{
    char text[CLOCK_ISO_MAX];

    (void)state;
    assert_int_equal(strlen(clock_format_utc(INT64_MIN, text)), 20);
    assert_int_equal(strlen(clock_format_utc(INT64_MAX, text)), 20);
    assert_int_equal(strlen(clock_format_stamp(INT64_MAX, text)), 15);
    assert_int_equal(strlen(clock_format_stamp(-1, text)), 15);
}

static void the_system_clock_moves_forward(void **state)
{
    const struct clock *clock = clock_system();
    int64_t before = clock_monotonic_ms(clock);

    (void)state;
    assert_true(clock_wall_ms(clock) > 1700000000000);
    assert_true(clock_monotonic_ms(clock) >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(berlin_names_the_local_hour),
        cmocka_unit_test(an_unknown_zone_is_an_error_and_changes_nothing),
        cmocka_unit_test(a_bad_zone_in_the_environment_is_an_error_too),
        cmocka_unit_test(tzdir_is_where_zones_are_looked_for),
        cmocka_unit_test(utc_is_read_in_both_spellings),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(stamps_come_back_in_their_zone),
        cmocka_unit_test(absurd_times_still_give_texts_of_the_right_length),
        cmocka_unit_test(the_system_clock_moves_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
