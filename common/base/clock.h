/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The clock as a value that is passed in: wall time for names and reports, monotonic time for
 * time-outs. Tests pass a clock of their own.
 *
 * Wall times are UTC in milliseconds since 1970 (_at), monotonic times milliseconds (_ms). Zones
 * come from the system's zone files: a zone that can't be loaded is an error, never UTC in silence.
 */
#ifndef ONYX_COMMON_BASE_CLOCK_H
#define ONYX_COMMON_BASE_CLOCK_H

#include <stdint.h>

struct error;

struct clock {
    int64_t (*wall_ms)(void *context);
    int64_t (*monotonic_ms)(void *context);
    void *context;
};

/* The system's clock. Borrowed, never freed. */
const struct clock *clock_system(void);

int64_t clock_wall_ms(const struct clock *clock);
int64_t clock_monotonic_ms(const struct clock *clock);

#define CLOCK_STAMP_MAX 16  /* YYYYmmdd-HHMMSS */
#define CLOCK_ISO_MAX 32    /* 2026-11-22T20:27:34Z */

/* Use this zone ("Europe/Berlin", NULL or "" = the system's) for clock_format_stamp in this
 * process. ERROR_SETTINGS when the zone file is not there or is no zone. */
int clock_use_zone(const char *zone, struct error *err);

/* Local time for names: "20261122-202734". Gives text. */
char *clock_format_stamp(int64_t wall_ms, char text[CLOCK_STAMP_MAX]);

/* Local time for people: "2026-11-22 20:27:34". text has CLOCK_ISO_MAX bytes. */
char *clock_format_local(int64_t wall_ms, char text[CLOCK_ISO_MAX]);

/* UTC for files and the catalog: "2026-11-22T20:27:34Z"; and back (ERROR_BAD_INPUT). Also reads
 * XAPI's "20261122T20:27:34Z". */
char *clock_format_utc(int64_t wall_ms, char text[CLOCK_ISO_MAX]);
int clock_parse_utc(const char *text, int64_t *ret_wall_ms, struct error *err);

/* "20261122-202734" in the used zone. ERROR_BAD_INPUT. */
int clock_parse_stamp(const char *text, int64_t *ret_wall_ms, struct error *err);

#endif
