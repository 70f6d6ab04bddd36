/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The moment of a wait, and which clock a condition looks at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "common/base/wait.h"

static int64_t ns_of(struct timespec at)
{
    assert_in_range(at.tv_nsec, 0, 999999999);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static void moment_when_asked_for_then_no_less_than_so_far_away(void **state)
{
    static const int64_t waits_ms[] = {0, 1, 999, 1000, 1001, 59999, 86400000};
    struct timespec before, after;

    (void)state;
    for (size_t i = 0; i < sizeof waits_ms / sizeof *waits_ms; i++) {
        clock_gettime(CLOCK_MONOTONIC, &before);
        int64_t at = ns_of(wait_until(waits_ms[i]));
        clock_gettime(CLOCK_MONOTONIC, &after);
        assert_true(at >= ns_of(before) + waits_ms[i] * 1000000);
        assert_true(at <= ns_of(after) + waits_ms[i] * 1000000);
    }
}

/* By the wall clock the moment would be decades ago, and the wait would be none. */
static void condition_when_nobody_signals_then_it_waits_by_the_monotonic_clock(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition;
    struct timespec now;

    (void)state;
    wait_init(&condition);
    const struct timespec until = wait_until(20);
    pthread_mutex_lock(&mutex);
    int late = 0;
    while (late == 0)
        late = pthread_cond_timedwait(&condition, &mutex, &until);
    pthread_mutex_unlock(&mutex);
    clock_gettime(CLOCK_MONOTONIC, &now);
    assert_int_equal(late, ETIMEDOUT);
    assert_true(ns_of(now) >= ns_of(until));
    pthread_cond_destroy(&condition);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moment_when_asked_for_then_no_less_than_so_far_away),
        cmocka_unit_test(condition_when_nobody_signals_then_it_waits_by_the_monotonic_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
