/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whoever's cap lies below its fair share takes the cap and leaves; the rest is shared anew. Each
 * round somebody leaves or all are served.
 */
#include "common/model/rate.h"

#include <stdbool.h>

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

/* Give those their cap who can't take what a part is worth. Whether there was one. */
static bool serve_capped(uint64_t *left, uint64_t *parts, struct rate_taker *takers, size_t n)
{
    uint64_t each = *parts > 0 ? *left / *parts : 0;
    bool has_served = false;
    for (size_t i = 0; i < n; i++) {
        struct rate_taker *taker = &takers[i];
        if (!is_waiting(taker) || taker->cap == 0 || taker->cap / taker->parts > each)
            continue;
        taker->share = taker->cap;
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
    if (total == 0)
        return;
    while (serve_capped(&left, &parts, takers, n))
        continue;
    for (size_t i = 0; i < n; i++)
        if (is_waiting(&takers[i])) {
            takers[i].share = left / parts * takers[i].parts;
            if (takers[i].share < floor_of(&takers[i]))
                takers[i].share = floor_of(&takers[i]);
        }
}
