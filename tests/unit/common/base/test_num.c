/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbers with bounds, durations, sizes for people, hex.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"

static void whole_numbers_within_bounds_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t min, max, want;
    } rows[] = {
        {"0", 0, 0, 0},
        {"-0", 0, 0, 0},
        {"+7", 0, 9, 7},
        {"0012", 0, 99, 12},
        {"9223372036854775807", INT64_MIN, INT64_MAX, INT64_MAX},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, INT64_MIN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = ERROR_INIT;
        int64_t value = 99;
        assert_int_equal(num_parse(rows[i].text, rows[i].min, rows[i].max, &value, &err), 0);
        assert_true(value == rows[i].want);
    }
}

static void what_is_no_number_or_out_of_bounds_is_refused_with_the_range(void **state)
{
    static const char *const texts[] = {"",
                                        " 1",
                                        "1 ",
                                        "1x",
                                        "0x10",
                                        "--1",
                                        "+",
                                        "-",
                                        "101",
                                        "-1",
                                        "1.5",
                                        "1e1",
                                        "9223372036854775808",
                                        "99999999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct error err = ERROR_INIT;
        int64_t value = 5;
        assert_int_equal(num_parse(texts[i], 0, 100, &value, &err), -1);
        assert_int_equal(err.code, ERROR_BAD_INPUT);
        assert_non_null(strstr(err.text, "from 0 to 100"));
        assert_true(value == 5);
    }
}

static void unsigned_numbers_reach_their_end(void **state)
{
    uint64_t value = 0;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(num_parse_unsigned("18446744073709551615", UINT64_MAX, &value, &err), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(num_parse_unsigned("18446744073709551616", UINT64_MAX, &value, &err), -1);
    assert_int_equal(num_parse_unsigned("-1", UINT64_MAX, &value, &err), -1);
    assert_int_equal(num_parse_unsigned("", UINT64_MAX, &value, &err), -1);
}

static void booleans_are_read_in_all_their_words(void **state)
{
    static const char *const yes[] = {"True", "yes", "ON", "1", "true"};
    static const char *const no[] = {"False", "NO", "off", "0"};
    static const char *const bad[] = {"", "2", "y", "true "};
    struct error err = ERROR_INIT;
    bool value = false;

    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(num_parse_bool(yes[i], &value, &err) == 0 && value);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_true(num_parse_bool(no[i], &value, &err) == 0 && !value);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(num_parse_bool(bad[i], &value, &err), -1);
}

static void durations_take_a_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {{"90", 90000},     {"90s", 90000},    {"15m", 900000},
                {"12h", 43200000}, {"2d", 172800000}, {"250ms", 250}};
    static const char *const bad[] = {"", "s", "-1", "1.5h", "5w", "1 h", "99999999999999999d"};
    struct error err = ERROR_INIT;
    int64_t ms = 0;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(num_parse_duration(rows[i].text, &ms, &err), 0);
        assert_true(ms == rows[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(num_parse_duration(bad[i], &ms, &err), -1);
}

static void sizes_take_a_unit(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } rows[] = {{"0", 0},           {"65536", 65536},     {"1B", 1},
                {"800K", 819200},   {"100MB", 104857600}, {"2GiB", 1ull << 31},
                {"1T", 1ull << 40}, {"1KiB", 1024}};
    static const char *const bad[] = {"",    "M",   "-1",  "1.5G", "5m",
                                      "5iB", "5KB1", "5 K", "99999999999T"};
    struct error err = ERROR_INIT;
    uint64_t bytes = 7;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(num_parse_bytes(rows[i].text, &bytes, &err), 0);
        assert_true(bytes == rows[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(num_parse_bytes(bad[i], &bytes, &err), -1);
        assert_int_equal(err.code, ERROR_BAD_INPUT);
        error_clear(&err);
    }
}

static void sums_and_products_are_checked(void **state)
{
    uint64_t value = 7;

    (void)state;
    assert_false(num_add(UINT64_MAX, 1, &value));
    assert_false(num_mul(UINT64_MAX, 2, &value));
    assert_true(value == 7);
    assert_true(num_add(UINT64_MAX - 1, 1, &value) && value == UINT64_MAX);
    assert_true(num_mul(1ull << 32, 1ull << 31, &value) && value == 1ull << 63);
}

static void sizes_rates_and_durations_read_well(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *want;
    } sizes[] = {{0, "0 B"},
                 {312, "312 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {1610612736, "1.5 GiB"},
                 {1048575, "1.0 MiB"},
                 {104857600, "100 MiB"},
                 {UINT64_MAX, "16.0 EiB"}};
    static const struct {
        int64_t ms;
        const char *want;
    } times[] = {{0, "0.0 s"},      {-5, "0.0 s"},      {4200, "4.2 s"},     {59949, "59.9 s"},
                 {59950, "1m 00s"}, {125000, "2m 05s"}, {3720000, "1h 02m"}, {183600000, "2d 03h"}};
    char text[NUM_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_string_equal(num_format_bytes(sizes[i].bytes, text), sizes[i].want);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        assert_string_equal(num_format_duration(times[i].ms, text), times[i].want);
    assert_string_equal(num_format_rate(187ull << 20, 1000, text), "187 MiB/s");
    assert_string_equal(num_format_rate(1ull << 20, 2000, text), "512 KiB/s");
    assert_string_equal(num_format_rate(5, 0, text), "-");
}

static void hex_goes_both_ways_and_knows_its_length(void **state)
{
    unsigned char bytes[4] = {0x00, 0xab, 0x7f, 0xff};
    unsigned char back[4];
    char text[9];
    struct error err = ERROR_INIT;

    (void)state;
    assert_string_equal(num_format_hex(bytes, 4, text), "00ab7fff");
    assert_int_equal(num_parse_hex("00AB7fff", back, 4, &err), 0);
    assert_memory_equal(bytes, back, 4);
    assert_int_equal(num_parse_hex("00ab7ff", back, 4, &err), -1);
    assert_int_equal(num_parse_hex("00ab7fff0", back, 4, &err), -1);
    assert_int_equal(num_parse_hex("00ab7fxg", back, 4, &err), -1);
    assert_int_equal(err.code, ERROR_BAD_INPUT);
}

static void limits_are_written_as_they_are_read(void **state)
{
    static const struct {
        int64_t ms;
        const char *want;
    } times[] = {{0, "0s"},        {100, "100ms"},   {1000, "1s"},    {1500, "1500ms"},
                 {90000, "90s"},   {60000, "1m"},    {3600000, "1h"}, {43200000, "12h"},
                 {86400000, "1d"}, {604800000, "7d"}};
    static const struct {
        uint64_t bytes;
        const char *want;
    } sizes[] = {{0, "0"},         {1500, "1500"},     {1024, "1K"},
                 {262144, "256K"}, {1ull << 30, "1G"}, {1ull << 50, "1024T"}};
    char text[NUM_TEXT_MAX];
    int64_t ms = -1;
    uint64_t bytes = 1;

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        assert_string_equal(num_write_duration(times[i].ms, text), times[i].want);
        assert_int_equal(num_parse_duration(text, &ms, NULL), 0);
        assert_true(ms == times[i].ms);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_string_equal(num_write_bytes(sizes[i].bytes, text), sizes[i].want);
        assert_int_equal(num_parse_bytes(text, &bytes, NULL), 0);
        assert_true(bytes == sizes[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_within_bounds_are_read),
        cmocka_unit_test(what_is_no_number_or_out_of_bounds_is_refused_with_the_range),
        cmocka_unit_test(unsigned_numbers_reach_their_end),
        cmocka_unit_test(booleans_are_read_in_all_their_words),
        cmocka_unit_test(durations_take_a_unit),
        cmocka_unit_test(sizes_take_a_unit),
        cmocka_unit_test(sums_and_products_are_checked),
        cmocka_unit_test(sizes_rates_and_durations_read_well),
        cmocka_unit_test(limits_are_written_as_they_are_read),
        cmocka_unit_test(hex_goes_both_ways_and_knows_its_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
