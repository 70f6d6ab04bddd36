/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Slots: those that a killed agent's workers hold are none of ours, until they end.
 */
#include "agent/attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/base/process_lock.h"

static void slots_of_a_killed_agents_workers_are_not_free_until_they_end(void **state)
{
    char scope[64];
    CLEAN_FD int first = -1;
    CLEAN_FD int last = -1;
    (void)state;
    (void)snprintf(scope, sizeof scope, "test_attempts %ld", (long)getpid());
    CLEAN_ATTEMPTS struct attempts attempts = {
        .scope = scope, .clock = clock_system(), .slots = 3};
    assert_int_equal(attempts_look_for_orphans(&attempts), 0);
    assert_int_equal(attempts_count_free(&attempts), 3);
    assert_int_equal(process_lock_take(scope, "worker-0", &first, NULL), 0);
    assert_int_equal(process_lock_take(scope, "worker-63", &last, NULL), 0);
    assert_int_equal(attempts_look_for_orphans(&attempts), 2);
    assert_int_equal(attempts_count_free(&attempts), 1);
    fd_close(&last);
    assert_int_equal(attempts_look_for_orphans(&attempts), 1);
    assert_int_equal(attempts_count_free(&attempts), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_of_a_killed_agents_workers_are_not_free_until_they_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
