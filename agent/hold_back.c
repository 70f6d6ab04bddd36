/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Down by a quarter, up by a half: down is what the guests are waiting for.
 */
#include "agent/hold_back.h"

#include "common/base/poison.h"

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void move_down(struct hold_back *hold, uint64_t taken, size_t running)
{
    uint64_t from = hold->limit != 0 && hold->limit < taken ? hold->limit : taken;
    hold->limit = larger(from - from / 4, HOLD_BACK_MIN * (running > 0 ? running : 1));
}

static void move_up(struct hold_back *hold, uint64_t taken)
{
    hold->limit += hold->limit / 2;
    if (hold->limit > 2 * taken)
        hold->limit = 0;
}

void hold_back_step(struct hold_back *hold, bool is_over, uint64_t taken, size_t running,
                    int64_t now_ms)
{
    if (is_over && (!hold->is_held || running > 0))
        hold->since_ms = now_ms;
    bool is_new = is_over && !hold->is_held;
    hold->is_held = is_over;
    if (!is_new && now_ms - hold->stepped_ms < HOLD_BACK_STEP_MS)
        return;
    hold->stepped_ms = now_ms;
    if (is_over)
        move_down(hold, taken, running);
    else if (hold->limit != 0)
        move_up(hold, taken);
}

bool hold_back_may_start(const struct hold_back *hold, size_t running, int64_t now_ms)
{
    return !hold->is_held || (running == 0 && now_ms - hold->since_ms >= HOLD_BACK_MAX_MS);
}
