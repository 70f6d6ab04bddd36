/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Digits by hand: strtoll takes blanks, signs and prefixes that nobody meant, and looks at the
 * locale.
 */
#include "common/base/num.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/error.h"
#include "common/base/str.h"

#include "common/base/poison.h"

/* Decimal digits at text, at least one; gives how many were read, 0 if none or too large. */
static size_t digits_read(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t n = 0;

    for (; text[n] >= '0' && text[n] <= '9'; n++)
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[n] - '0'), &value))
            return 0;
    *ret_value = value;
    return n;
}

int num_parse(const char *text, int64_t min, int64_t max, int64_t *ret_value, struct error *err)
{
    bool negative = text[0] == '-';
    const char *digits = text + (negative || text[0] == '+');
    uint64_t magnitude = 0;
    size_t n = digits_read(digits, &magnitude);
    uint64_t limit = (uint64_t)INT64_MAX + negative;

    if (n && !digits[n] && magnitude <= limit) {
        int64_t value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
        if (value >= min && value <= max) {
            *ret_value = value;
            return 0;
        }
    }
    return error_set(err, ERROR_BAD_INPUT, "'%s' is no whole number from %lld to %lld", text,
                     (long long)min, (long long)max);
}

int num_parse_unsigned(const char *text, uint64_t max, uint64_t *ret_value, struct error *err)
{
    uint64_t value = 0;
    size_t n = digits_read(text, &value);

    if (n && !text[n] && value <= max) {
        *ret_value = value;
        return 0;
    }
    return error_set(err, ERROR_BAD_INPUT, "'%s' is no whole number from 0 to %llu", text,
                     (unsigned long long)max);
}

int num_parse_bool(const char *text, bool *ret_value, struct error *err)
{
    static const char *const words[][2] = {
        {"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (int value = 0; value < 2; value++)
            if (strcasecmp(text, words[i][value]) == 0) {
                *ret_value = value;
                return 0;
            }
    return error_set(err, ERROR_BAD_INPUT, "'%s' is neither True, yes, on, 1 nor False, no, off, 0",
                     text);
}

int num_parse_duration(const char *text, int64_t *ret_ms, struct error *err)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"", 1000},       {"s", 1000},    {"ms", 1},
                 {"m", 60 * 1000}, {"h", 3600000}, {"d", 86400000}};
    uint64_t value = 0;
    uint64_t ms;
    size_t n = digits_read(text, &value);

    for (size_t i = 0; n && i < sizeof units / sizeof *units; i++)
        if (str_equal(text + n, units[i].unit) && num_mul(value, units[i].ms, &ms) &&
            ms <= INT64_MAX) {
            *ret_ms = (int64_t)ms;
            return 0;
        }
    return error_set(err, ERROR_BAD_INPUT,
                     "'%s' is no duration: write seconds, or a number with s, m, h or d", text);
}

int num_parse_bytes(const char *text, uint64_t *ret_bytes, struct error *err)
{
    static const char letters[] = "KMGT";
    uint64_t value = 0;
    size_t n = digits_read(text, &value);
    const char *unit = text + n;
    const char *letter = n > 0 && *unit != '\0' ? strchr(letters, *unit) : NULL;
    uint64_t step = 1;

    if (letter != NULL) {
        step = UINT64_C(1) << 10 * (letter - letters + 1);
        unit++;
    }
    bool is_unit = *unit == '\0' || strcmp(unit, "B") == 0 ||
                   (letter != NULL && strcmp(unit, "iB") == 0);
    if (n > 0 && is_unit && num_mul(value, step, ret_bytes))
        return 0;
    return error_set(err, ERROR_BAD_INPUT,
                     "'%s' is no size: write bytes, or a number with K, M, G or T", text);
}

bool num_add(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *ret = sum;
    return true;
}

bool num_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *ret = product;
    return true;
}

/* value in 1024s of the unit that keeps it readable: one decimal under 100, none above. */
static void print_scaled(double value, const char *suffix, char text[NUM_TEXT_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t i = 0;

    if (value < 1023.5) {
        snprintf(text, NUM_TEXT_MAX, "%.0f B%s", value, suffix);
        return;
    }
    while (value >= 1023.5 && i + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        i++;
    }
    snprintf(text, NUM_TEXT_MAX, value < 99.95 ? "%.1f %s%s" : "%.0f %s%s", value, units[i],
             suffix);
}

char *num_format_bytes(uint64_t bytes, char text[NUM_TEXT_MAX])
{
    print_scaled((double)bytes, "", text);
    return text;
}

char *num_format_rate(uint64_t bytes, int64_t duration_ms, char text[NUM_TEXT_MAX])
{
    if (duration_ms <= 0)
        str_copy(text, NUM_TEXT_MAX, "-");
    else
        print_scaled((double)bytes * 1000 / (double)duration_ms, "/s", text);
    return text;
}

char *num_format_duration(int64_t duration_ms, char text[NUM_TEXT_MAX])
{
    uint64_t ms = duration_ms > 0 ? (uint64_t)duration_ms : 0;
    uint64_t s = (ms + 500) / 1000;

    if (ms < 59950)
        snprintf(text, NUM_TEXT_MAX, "%.1f s", (double)ms / 1000);
    else if (s < 3600)
        snprintf(text, NUM_TEXT_MAX, "%um %02us", (unsigned)(s / 60), (unsigned)(s % 60));
    else if (s < 86400)
        snprintf(text, NUM_TEXT_MAX, "%uh %02um", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
    else
        snprintf(text, NUM_TEXT_MAX, "%llud %02uh", (unsigned long long)(s / 86400),
                 (unsigned)(s / 3600 % 24));
    return text;
}

char *num_write_duration(int64_t duration_ms, char text[NUM_TEXT_MAX])
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    size_t i = 0;

    while (duration_ms % units[i].ms != 0)
        i++;
    if (duration_ms == 0)
        str_copy(text, NUM_TEXT_MAX, "0s");
    else
        snprintf(text, NUM_TEXT_MAX, "%lld%s", (long long)(duration_ms / units[i].ms),
                 units[i].unit);
    return text;
}

char *num_write_bytes(uint64_t bytes, char text[NUM_TEXT_MAX])
{
    static const char *const units[] = {"", "K", "M", "G", "T"};
    size_t i = 0;

    while (bytes != 0 && bytes % 1024 == 0 && i + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        i++;
    }
    snprintf(text, NUM_TEXT_MAX, "%llu%s", (unsigned long long)bytes, units[i]);
    return text;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int num_parse_hex(const char *text, unsigned char *bytes, size_t n, struct error *err)
{
    if (strlen(text) != n * 2)
        return error_set(err, ERROR_BAD_INPUT, "'%s' is not %zu hex digits", text, n * 2);
    for (size_t i = 0; i < n * 2; i++)
        if (hex_value(text[i]) < 0)
            return error_set(err, ERROR_BAD_INPUT, "'%s' is not %zu hex digits", text, n * 2);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
    return 0;
}

char *num_format_hex(const unsigned char *bytes, size_t n, char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * n] = '\0';
    return text;
}
