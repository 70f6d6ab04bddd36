/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whoever takes less than its fair share gets what it takes and leaves; the rest is shared anew.
 * Each round somebody leaves or all are served.
 */
#include "common/model/rate.h"

#include "common/base/poison.h"

uint64_t rate_lower(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a != 0 ? a : b;
    return a < b ? a : b;
}

static uint64_t floor_of(const struct rate_taker *taker)
{
    return taker->parts * RATE_MIN;
}

static bool is_waiting(const struct rate_taker *taker)
{
    return taker->parts > 0 && taker->share == 0;
}

/* What it would take at most of its fair part and of others'; 0: all there is. */
static uint64_t appetite(const struct rate_taker *taker, uint64_t fair)
{
    uint64_t at_least = fair / 4 > floor_of(taker) ? fair / 4 : floor_of(taker);
    uint64_t twice = taker->taken > UINT64_MAX / 2 ? UINT64_MAX : taker->taken * 2;
    if (taker->taken == 0)
        return taker->cap;
    return rate_lower(taker->cap, twice > at_least ? twice : at_least);
}

/* Give those what they take who can't take what a part is worth. Whether there was one. */
static bool serve_content(uint64_t fair, uint64_t *left, uint64_t *parts, struct rate_taker *takers,
                          size_t n)
{
    uint64_t each = *parts > 0 ? *left / *parts : 0;
    bool has_served = false;
    for (size_t i = 0; i < n; i++) {
        struct rate_taker *taker = &takers[i];
        uint64_t most = appetite(taker, fair * taker->parts);
        if (!is_waiting(taker) || most == 0 || most / taker->parts > each)
            continue;
        taker->share = most;
        *left -= taker->share < *left ? taker->share : *left;
        *parts -= taker->parts;
        has_served = true;
    }
    return has_served;
}

void rate_share(uint64_t total, struct rate_taker *takers, size_t n)
{
    uint64_t left = total, parts = 0;
    for (size_t i = 0; i < n; i++) {
        takers[i].share = total == 0 ? takers[i].cap : 0;
        parts += takers[i].parts;
    }
    if (total == 0 || parts == 0)
        return;
    uint64_t fair = total / parts;
    while (serve_content(fair, &left, &parts, takers, n))
        continue;
    for (size_t i = 0; i < n; i++)
        if (is_waiting(&takers[i])) {
            takers[i].share = left / parts * takers[i].parts;
            if (takers[i].share < floor_of(&takers[i]))
                takers[i].share = floor_of(&takers[i]);
        }
}

void rate_meter_note(struct rate_meter *meter, uint64_t bytes, int64_t now_ms)
{
    int64_t elapsed_ms = now_ms - meter->ms;
    if (bytes < meter->bytes)
        meter->bytes = bytes;
    if (elapsed_ms <= 0)
        return;
    if (meter->rate == 0 && bytes == meter->bytes) {
        meter->ms = now_ms; /* a window begins with the first byte */
        return;
    }
    if (meter->rate == 0 || elapsed_ms >= RATE_WINDOW_MS)
        meter->rate = (bytes - meter->bytes) * 1000 / (uint64_t)elapsed_ms;
    if (elapsed_ms < RATE_WINDOW_MS)
        return;
    meter->bytes = bytes;
    meter->ms = now_ms;
    meter->is_whole = true;
}

uint64_t rate_meter_taken(const struct rate_meter *meter)
{
    return meter->is_whole ? meter->rate : 0;
}
