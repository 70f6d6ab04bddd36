/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each byte moves the due time by its part of a second.
 */
#include "agent/pipeline/pace.h"

#include "common/base/poison.h"

#define SECOND_NS 1e9

int64_t pace_take(struct pace *pace, uint64_t rate, size_t n, int64_t now_us)
{
    if (rate == 0) {
        *pace = (struct pace){0};
        return 0;
    }
    if (pace->due_ns < (now_us - PACE_CREDIT_US) * 1000)
        pace->due_ns = (now_us - (pace->due_ns == 0 ? 0 : PACE_CREDIT_US)) * 1000;
    pace->due_ns += (int64_t)((double)n / (double)rate * SECOND_NS);
    int64_t wait_us = pace->due_ns / 1000 - now_us;
    return wait_us >= PACE_STEP_US ? wait_us : 0;
}
