/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent/pipeline/pace on a clock of our own: the rate is held, in short steps, and a pause is not made up for.
 */
#include "agent/pipeline/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PIECE 16384
#define MIB   (1 << 20)
#define START 1000000

/* Take bytes; reading a piece costs read_us. Gives how long it took; *ret_longest the longest wait. */
static int64_t take(struct pace *pace, uint64_t rate, int64_t bytes, int64_t read_us,
                    int64_t *ret_longest)
{
    int64_t now = START;
    *ret_longest = 0;
    for (int64_t taken = 0; taken < bytes; taken += PIECE) {
        now += read_us;
        int64_t wait = pace_take(pace, rate, PIECE, now);
        *ret_longest = wait > *ret_longest ? wait : *ret_longest;
        now += wait;
    }
    return now - START;
}

static void take_when_the_source_is_fast_then_the_rate_is_held(void **state)
{
    (void)state;
    static const uint64_t rates[] = {MIB / 4, MIB, 10 * MIB, 100 * MIB, 1000 * MIB};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct pace pace = {0};
        int64_t longest, bytes = (int64_t)rates[i] * 10;
        int64_t took = take(&pace, rates[i], bytes, 5, &longest);
        assert_in_range(took, 9990000, 10010000);
        /* No longer than one piece is worth, or the step that waits are gathered to. */
        assert_true(longest <= PACE_STEP_US + PIECE * INT64_C(1000000) / (int64_t)rates[i] + 1);
    }
}

static void take_when_the_source_is_slow_then_nobody_waits(void **state)
{
    (void)state;
    struct pace pace = {0};
    int64_t longest;
    take(&pace, 100 * MIB, 10 * MIB, 400, &longest);
    assert_int_equal(longest, 0);
}

static void take_when_no_limit_then_no_wait(void **state)
{
    (void)state;
    struct pace pace = {0};
    int64_t longest;
    take(&pace, 0, 100 * MIB, 0, &longest);
    assert_int_equal(longest, 0);
}

static void take_behind_a_pause_then_only_a_moment_is_made_up_for(void **state)
{
    (void)state;
    struct pace pace = {0};
    int64_t now = START, free_bytes = 0;
    (void)pace_take(&pace, 10 * MIB, PIECE, now);
    now += 60 * INT64_C(1000000);
    while (pace_take(&pace, 10 * MIB, PIECE, now) == 0)
        free_bytes += PIECE;
    assert_in_range(free_bytes, 1, 10 * MIB / 10);
}

static void take_when_the_rate_changes_then_at_once(void **state)
{
    (void)state;
    struct pace pace = {0};
    int64_t longest;
    (void)take(&pace, 100 * MIB, 10 * MIB, 0, &longest);
    int64_t now = pace.due_ns / 1000;
    int64_t wait = pace_take(&pace, MIB, PIECE, now);
    assert_in_range(wait, 15000, 16000);
    assert_int_equal(pace_take(&pace, 0, PIECE, now), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(take_when_the_source_is_fast_then_the_rate_is_held),
        cmocka_unit_test(take_when_the_source_is_slow_then_nobody_waits),
        cmocka_unit_test(take_when_no_limit_then_no_wait),
        cmocka_unit_test(take_behind_a_pause_then_only_a_moment_is_made_up_for),
        cmocka_unit_test(take_when_the_rate_changes_then_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
