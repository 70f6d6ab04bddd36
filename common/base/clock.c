/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * glibc takes a zone it can't load for UTC without a word, and every backup would be named by the
 * wrong hour. So the zone's file is looked at before TZ is set.
 */
#include "common/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define ZONE_FOLDER    "/usr/share/zoneinfo"
#define ZONE_OF_SYSTEM "/etc/localtime"

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    int rc = clock_gettime(id, &now);

    assert(rc == 0);
    (void)rc;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_wall_ms(void *context)
{
    (void)context;
    return read_ms(CLOCK_REALTIME);
}

static int64_t system_monotonic_ms(void *context)
{
    (void)context;
    return read_ms(CLOCK_MONOTONIC);
}

const struct clock *clock_system(void)
{
    static const struct clock clock = {system_wall_ms, system_monotonic_ms, NULL};

    return &clock;
}

int64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ms(clock->context);
}

int64_t clock_monotonic_ms(const struct clock *clock)
{
    return clock->monotonic_ms(clock->context);
}

/* 1 a zone file, 0 there is no such file, -1 it is no zone. */
static int zone_file_check(const char *path, struct error *err)
{
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char magic[4] = "";
    size_t n = 0;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (fd < 0)
        return error_set_sys(err, ERROR_SETTINGS, errno, "open the zone file %s", path);
    if (fd_read_upto(fd, magic, sizeof magic, &n, err) || n < sizeof magic ||
        memcmp(magic, "TZif", sizeof magic) != 0)
        return error_set(err, ERROR_SETTINGS, "%s is no time zone file", path);
    return 1;
}

static int zone_name_check(const char *zone, struct error *err)
{
    const char *folder = getenv("TZDIR");
    CLEAN_CHAR char *path = NULL;

    if (strstr(zone, ".."))
        return error_set(err, ERROR_SETTINGS, "'%s' is no name of a time zone", zone);
    path = zone[0] == '/' ? mem_dup(zone)
                          : str_format("%s/%s", folder && folder[0] ? folder : ZONE_FOLDER, zone);
    int found = zone_file_check(path, err);
    if (found == 0)
        return error_set(err, ERROR_SETTINGS,
                         "the time zone '%s' is not known here (there is no %s): install tzdata "
                         "or use a name like Europe/Berlin",
                         zone, path);
    return found < 0 ? -1 : 0;
}

/* "CET-1CEST,M3.5.0,M10.5.0/3": a name of letters or in <>, then an offset. */
static bool zone_is_rule(const char *zone)
{
    const char *at = zone;

    if (*at == '<') {
        at = strchr(at, '>');
        if (!at)
            return false;
        at++;
    } else {
        while ((*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z'))
            at++;
        if (at - zone < 3)
            return false;
    }
    at += *at == '-' || *at == '+';
    return *at >= '0' && *at <= '9';
}

int clock_use_zone(const char *zone, struct error *err)
{
    if (zone && zone[0]) {
        if (zone_name_check(zone, err))
            return -1;
        if (setenv("TZ", zone, 1))
            return error_set_sys(err, ERROR_SETTINGS, errno, "use the time zone '%s'", zone);
    } else {
        const char *given = getenv("TZ");
        const char *name = given && given[0] == ':' ? given + 1 : given;
        if (name && name[0] && !zone_is_rule(name) && zone_name_check(name, err))
            return error_add(err, "the variable TZ");
        if (!name && zone_file_check(ZONE_OF_SYSTEM, err) < 0)
            return -1;
    }
    tzset();
    return 0;
}

/* Puts value as exactly n digits; gives the place behind them. */
static char *put_digits(char *at, int value, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + n;
}

/* Whole seconds, and the year within the four digits that all our texts have. */
static time_t seconds_of(int64_t wall_ms)
{
    const int64_t last_s = 253402300799; /* 9999-12-31T23:59:59Z */
    int64_t s = wall_ms / 1000 - (wall_ms % 1000 < 0);

    /* A day's margin on both sides keeps local time inside too. */
    return (time_t)(s < 86400 ? (s < 0 ? 0 : s) : s > last_s - 86400 ? last_s - 86400 : s);
}

static char *put_date(char *at, const struct tm *tm, const char *between)
{
    at = put_digits(at, tm->tm_year + 1900, 4);
    if (*between)
        *at++ = *between;
    at = put_digits(at, tm->tm_mon + 1, 2);
    if (*between)
        *at++ = *between;
    return put_digits(at, tm->tm_mday, 2);
}

static char *put_time(char *at, const struct tm *tm, const char *between)
{
    at = put_digits(at, tm->tm_hour, 2);
    if (*between)
        *at++ = *between;
    at = put_digits(at, tm->tm_min, 2);
    if (*between)
        *at++ = *between;
    return put_digits(at, tm->tm_sec, 2);
}

char *clock_format_stamp(int64_t wall_ms, char text[CLOCK_STAMP_MAX])
{
    time_t s = seconds_of(wall_ms);
    struct tm tm;

    localtime_r(&s, &tm);
    char *at = put_date(text, &tm, "");
    *at++ = '-';
    at = put_time(at, &tm, "");
    *at = '\0';
    return text;
}

char *clock_format_local(int64_t wall_ms, char text[CLOCK_ISO_MAX])
{
    time_t s = seconds_of(wall_ms);
    struct tm tm;

    localtime_r(&s, &tm);
    char *at = put_date(text, &tm, "-");
    *at++ = ' ';
    at = put_time(at, &tm, ":");
    *at = '\0';
    return text;
}

char *clock_format_utc(int64_t wall_ms, char text[CLOCK_ISO_MAX])
{
    time_t s = seconds_of(wall_ms);
    struct tm tm;

    gmtime_r(&s, &tm);
    char *at = put_date(text, &tm, "-");
    *at++ = 'T';
    at = put_time(at, &tm, ":");
    *at++ = 'Z';
    *at = '\0';
    return text;
}

/* text by pattern, where 'd' is a digit and every other character itself; the digits go to out. */
static bool match_digits(const char *text, const char *pattern, char *out)
{
    for (; *pattern; pattern++, text++) {
        if (*pattern == 'd') {
            if (*text < '0' || *text > '9')
                return false;
            *out++ = *text;
        } else if (*text != *pattern) {
            return false;
        }
    }
    *out = '\0';
    return *text == '\0';
}

static int digits_value(const char *digits, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++)
        value = value * 10 + (digits[i] - '0');
    return value;
}

/* YYYYmmddHHMMSS; false for what no calendar has. */
static bool tm_from_digits(const char *digits, struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = digits_value(digits, 4);
    int month = digits_value(digits + 4, 2);
    int day = digits_value(digits + 6, 2);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    *tm = (struct tm){.tm_year = year - 1900,
                      .tm_mon = month - 1,
                      .tm_mday = day,
                      .tm_hour = digits_value(digits + 8, 2),
                      .tm_min = digits_value(digits + 10, 2),
                      .tm_sec = digits_value(digits + 12, 2),
                      .tm_isdst = -1};
    if (year < 1970 || month < 1 || month > 12 || day < 1)
        return false;
    if (day > days[month - 1] + (month == 2 && leap))
        return false;
    return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 61;
}

int clock_parse_utc(const char *text, int64_t *ret_wall_ms, struct error *err)
{
    char digits[CLOCK_ISO_MAX];
    struct tm tm;

    if ((!match_digits(text, "dddd-dd-ddTdd:dd:ddZ", digits) &&
         !match_digits(text, "ddddddddTdd:dd:ddZ", digits)) ||
        !tm_from_digits(digits, &tm))
        return error_set(err, ERROR_BAD_INPUT, "'%s' is no UTC time like 2026-11-22T20:27:34Z",
                         text);
    tm.tm_isdst = 0;
    *ret_wall_ms = (int64_t)timegm(&tm) * 1000;
    return 0;
}

int clock_parse_stamp(const char *text, int64_t *ret_wall_ms, struct error *err)
{
    char digits[CLOCK_ISO_MAX];
    struct tm tm;

    if (!match_digits(text, "dddddddd-dddddd", digits) || !tm_from_digits(digits, &tm))
        return error_set(err, ERROR_BAD_INPUT, "'%s' is no stamp like 20261122-202734", text);
    *ret_wall_ms = (int64_t)mktime(&tm) * 1000;
    return 0;
}
