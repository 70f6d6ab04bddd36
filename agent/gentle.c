/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One look a second; the CPU's share is taken over the last few of them.
 */
#include "agent/gentle.h"

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/model/rate.h"

#include "common/base/poison.h"

#define ROOM "agent"
#define STAT_MAX  (1u << 20)
#define SMALL_MAX 4096

static bool read_proc(const struct gentle *gentle, const char *name, size_t max, struct str *text)
{
    CLEAN_CHAR char *path = str_format("%s/%s", gentle->proc, name);
    return fd_read_file(path, max, text, NULL) == 0;
}

static void look_at_cpu(struct gentle *gentle)
{
    CLEAN_STR struct str text = STR_INIT;
    struct load_ticks now;
    struct error ignored = ERROR_INIT;
    if (!read_proc(gentle, "stat", STAT_MAX, &text) ||
        load_parse_stat(str_text(&text), &now, &ignored) != 0)
        return;
    struct load_ticks *slot = &gentle->ticks[gentle->looks % GENTLE_WINDOW];
    const struct load_ticks *oldest = gentle->looks >= GENTLE_WINDOW ? slot : &gentle->ticks[0];
    if (gentle->looks > 0)
        load_compare(oldest, &now, &gentle->facts);
    *slot = now;
    gentle->looks++;
}

static void look_at_average(struct gentle *gentle)
{
    CLEAN_STR struct str text = STR_INIT;
    struct error ignored = ERROR_INIT;
    unsigned processors = gentle->ticks[0].processors;
    uint32_t percent;
    if (!read_proc(gentle, "loadavg", SMALL_MAX, &text) ||
        load_parse_average(str_text(&text), &percent, &ignored) != 0)
        return;
    gentle->facts.average_percent = percent / (processors > 0 ? processors : 1);
}

static void look_at_pressure(struct gentle *gentle)
{
    static const char *const files[] = {"pressure/cpu", "pressure/io"};
    struct error ignored = ERROR_INIT;
    gentle->facts.pressure_percent = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        CLEAN_STR struct str text = STR_INIT;
        uint32_t percent;
        if (!read_proc(gentle, files[i], SMALL_MAX, &text) ||
            load_parse_pressure(str_text(&text), &percent, &ignored) != 0)
            continue;
        gentle->facts.has_pressure = true;
        if (percent > gentle->facts.pressure_percent)
            gentle->facts.pressure_percent = percent;
    }
}

void gentle_step(struct gentle *gentle, uint64_t taken_bytes, size_t running, int64_t now_ms)
{
    int64_t passed_ms = now_ms - gentle->looked_ms;
    if (gentle->looked_ms != 0 && passed_ms < GENTLE_LOOK_MS)
        return;
    uint64_t taken = gentle->looked_ms != 0 && taken_bytes > gentle->taken_bytes
                         ? (taken_bytes - gentle->taken_bytes) * 1000 / (uint64_t)passed_ms
                         : 0;
    bool was_held = gentle->hold.is_held;
    gentle->looked_ms = now_ms;
    gentle->taken_bytes = taken_bytes;
    look_at_cpu(gentle);
    look_at_average(gentle);
    look_at_pressure(gentle);
    bool is_over = load_is_over(&gentle->rule.load, &gentle->facts, was_held, gentle->why);
    hold_back_step(&gentle->hold, is_over, taken, running, now_ms);
    if (is_over && !was_held)
        log_info(ROOM, "dom0 is too busy: %s; no job begins, running ones go slower", gentle->why);
    else if (!is_over && was_held)
        log_info(ROOM, "dom0 is no longer too busy");
}

uint64_t gentle_limit(const struct gentle *gentle)
{
    return rate_lower(rate_lower(gentle->rule.host_rate, gentle->ordered), gentle->hold.limit);
}
