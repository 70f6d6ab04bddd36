/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent/pipeline/ring: order, bounds, the two ways of ending.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/pipeline/ring.h"

#define ROUNDS 2000

static void *put_all(void *context)
{
    struct ring *ring = context;
    struct error err = ERROR_INIT;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        unsigned char *block;
        if (ring_room(ring, 30000, &block, &err) != 0)
            return NULL;
        memcpy(block, &i, sizeof i);
        ring_put(ring, sizeof i);
    }
    ring_end(ring);
    return NULL;
}

static void ring_when_used_by_two_threads_then_keeps_order(void **state)
{
    (void)state;
    CLEAN_RING struct ring *ring = NULL;
    struct error err = ERROR_INIT;
    pthread_t thread;
    const unsigned char *block;
    size_t n;
    uint32_t expected = 0, is;
    assert_int_equal(ring_new(3, 64, &ring, &err), 0);
    assert_int_equal(pthread_create(&thread, NULL, put_all, ring), 0);
    while (ring_get(ring, &block, &n, &err) == 1) {
        assert_int_equal(n, sizeof is);
        memcpy(&is, block, sizeof is);
        assert_int_equal(is, expected++);
        ring_release(ring);
    }
    pthread_join(thread, NULL);
    assert_int_equal(expected, ROUNDS);
    assert_false(error_is_set(&err));
}

static void ring_when_full_then_room_times_out(void **state)
{
    (void)state;
    CLEAN_RING struct ring *ring = NULL;
    struct error err = ERROR_INIT;
    unsigned char *block;
    assert_int_equal(ring_new(1, 8, &ring, &err), 0);
    assert_int_equal(ring_room(ring, 0, &block, &err), 0);
    ring_put(ring, 8);
    assert_int_equal(ring_room(ring, 10, &block, &err), -1);
    assert_int_equal(err.code, ERROR_TIMEOUT);
}

static void ring_when_a_block_stands_for_zeros_then_it_is_told(void **state)
{
    (void)state;
    CLEAN_RING struct ring *ring = NULL;
    struct error err = ERROR_INIT;
    unsigned char *block;
    const unsigned char *got = NULL;
    size_t n = 0;
    assert_int_equal(ring_new(2, 8, &ring, &err), 0);
    assert_int_equal(ring_room(ring, 0, &block, &err), 0);
    ring_put_zeros(ring, SIZE_MAX);
    assert_int_equal(ring_room(ring, 0, &block, &err), 0);
    ring_put(ring, 8);
    ring_end(ring);
    assert_int_equal(ring_get(ring, &got, &n, &err), 1);
    assert_null(got);
    assert_true(n == SIZE_MAX);
    ring_release(ring);
    assert_int_equal(ring_get(ring, &got, &n, &err), 1);
    assert_ptr_equal(got, block);
    assert_int_equal(n, 8);
    ring_release(ring);
    assert_int_equal(ring_get(ring, &got, &n, &err), 0);
}

static void ring_when_stopped_then_both_sides_hear_the_first_reason(void **state)
{
    (void)state;
    CLEAN_RING struct ring *ring = NULL;
    struct error err = ERROR_INIT, reason = ERROR_INIT, later = ERROR_INIT;
    unsigned char *block;
    const unsigned char *got;
    size_t n;
    assert_int_equal(ring_new(2, 8, &ring, &err), 0);
    error_set(&reason, ERROR_NO_SPACE, "full");
    error_set(&later, ERROR_IO, "later");
    ring_stop(ring, &reason);
    ring_stop(ring, &later);
    assert_int_equal(ring_room(ring, 1000, &block, &err), -1);
    assert_int_equal(err.code, ERROR_NO_SPACE);
    assert_int_equal(ring_get(ring, &got, &n, &err), -1);
    assert_string_equal(err.text, "full");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_when_used_by_two_threads_then_keeps_order),
        cmocka_unit_test(ring_when_full_then_room_times_out),
        cmocka_unit_test(ring_when_a_block_stands_for_zeros_then_it_is_told),
        cmocka_unit_test(ring_when_stopped_then_both_sides_hear_the_first_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
