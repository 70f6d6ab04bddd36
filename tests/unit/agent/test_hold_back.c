/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent/hold_back on a clock of our own: down step by step, up again, and never for a whole night.
 */
#include "agent/hold_back.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static void held_then_slower_step_by_step_and_no_job_begins(void **state)
{
    (void)state;
    struct hold_back hold = {0};
    hold_back_step(&hold, false, 100 * MIB, 2, 1000);
    assert_true(hold_back_may_start(&hold, 2, 1000));
    assert_int_equal(hold.limit, 0);
    hold_back_step(&hold, true, 100 * MIB, 2, 2000);
    assert_int_equal(hold.limit, 75 * MIB);
    assert_false(hold_back_may_start(&hold, 2, 2000));
    hold_back_step(&hold, true, 75 * MIB, 2, 3000); /* too soon for another step */
    assert_int_equal(hold.limit, 75 * MIB);
    for (int64_t now = 7000; now < 200000; now += HOLD_BACK_STEP_MS)
        hold_back_step(&hold, true, hold.limit, 2, now);
    assert_int_equal(hold.limit, 2 * HOLD_BACK_MIN);
}

static void no_longer_held_then_faster_until_the_limit_is_gone(void **state)
{
    (void)state;
    struct hold_back hold = {.is_held = true, .stepped_ms = 1, .limit = 8 * MIB};
    int64_t now = 10000;
    for (; hold.limit != 0 && now < 1000000; now += HOLD_BACK_STEP_MS) {
        uint64_t taken = hold.limit < 100 * MIB ? hold.limit : 100 * MIB;
        hold_back_step(&hold, false, taken, 2, now);
    }
    assert_int_equal(hold.limit, 0);
    assert_in_range(now, 30000, 80000);
}

static void held_for_long_without_a_job_then_one_may_begin(void **state)
{
    (void)state;
    struct hold_back hold = {0};
    hold_back_step(&hold, true, 0, 1, 1000);
    hold_back_step(&hold, true, 0, 0, 2000);
    assert_false(hold_back_may_start(&hold, 0, 1000 + HOLD_BACK_MAX_MS - 1));
    assert_true(hold_back_may_start(&hold, 0, 1000 + HOLD_BACK_MAX_MS));
    assert_false(hold_back_may_start(&hold, 1, 1000 + HOLD_BACK_MAX_MS));
    hold_back_step(&hold, true, 0, 1, 1000 + HOLD_BACK_MAX_MS); /* it runs: time begins anew */
    assert_false(hold_back_may_start(&hold, 0, 1000 + HOLD_BACK_MAX_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_then_slower_step_by_step_and_no_job_begins),
        cmocka_unit_test(no_longer_held_then_faster_until_the_limit_is_gone),
        cmocka_unit_test(held_for_long_without_a_job_then_one_may_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
