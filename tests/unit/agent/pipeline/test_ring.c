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
        struct ring_block *block;
        if (ring_room(ring, 30000, &block, &err) != 0)
            return NULL;
        memcpy(block->bytes, &i, sizeof i);
        block->n = sizeof i;
        ring_put(ring, block);
    }
    ring_end(ring);
    return NULL;
}

/* How many blocks a reader got in order. */
static uint32_t get_all(struct ring *ring, size_t reader)
{
    struct error err = ERROR_INIT;
    struct ring_block *block;
    uint32_t expected = 0, is;
    while (ring_get(ring, reader, &block, &err) == 1) {
        memcpy(&is, block->bytes, sizeof is);
        if (block->n != sizeof is || is != expected)
            return UINT32_MAX;
        expected++;
        ring_release(ring, block);
    }
    return error_is_set(&err) ? UINT32_MAX : expected;
}

static void *get_second(void *context)
{
    struct ring *ring = context;
    return get_all(ring, 1) == ROUNDS ? ring : NULL;
}

static void ring_when_used_by_threads_then_every_reader_gets_all_in_order(void **state)
{
    (void)state;
    for (size_t readers = 1; readers <= 2; readers++) {
        CLEAN_RING struct ring *ring = NULL;
        struct error err = ERROR_INIT;
        pthread_t putter, second;
        void *is_good = NULL;
        assert_int_equal(ring_new(3, 64, readers, &ring, &err), 0);
        assert_int_equal(pthread_create(&putter, NULL, put_all, ring), 0);
        if (readers == 2)
            assert_int_equal(pthread_create(&second, NULL, get_second, ring), 0);
        assert_int_equal(get_all(ring, 0), ROUNDS);
        if (readers == 2) {
            pthread_join(second, &is_good);
            assert_non_null(is_good);
        }
        pthread_join(putter, NULL);
        assert_int_equal(ring_freed(ring), ROUNDS);
    }
}

static void take(struct ring *ring, struct ring_block **block)
{
    struct error err = ERROR_INIT;
    assert_int_equal(ring_room(ring, 0, block, &err), 0);
}

static void ring_when_full_then_room_times_out(void **state)
{
    (void)state;
    CLEAN_RING struct ring *ring = NULL;
    struct error err = ERROR_INIT;
    struct ring_block *block;
    assert_int_equal(ring_new(1, 8, 1, &ring, &err), 0);
    take(ring, &block);
    ring_put(ring, block);
    assert_int_equal(ring_room(ring, 10, &block, &err), -1);
    assert_int_equal(err.code, ERROR_TIMEOUT);
}

static void ring_when_one_reader_is_behind_then_its_blocks_stay(void **state)
{
    (void)state;
    CLEAN_RING struct ring *ring = NULL;
    struct error err = ERROR_INIT;
    struct ring_block *block, *got;
    assert_int_equal(ring_new(1, 8, 2, &ring, &err), 0);
    take(ring, &block);
    ring_put(ring, block);
    assert_int_equal(ring_get(ring, 0, &got, &err), 1);
    ring_release(ring, got);
    assert_int_equal(ring_room(ring, 10, &block, &err), -1);
    error_clear(&err);
    assert_int_equal(ring_get(ring, 1, &got, &err), 1);
    ring_release(ring, got);
    take(ring, &block);
}

static void ring_when_put_out_of_order_then_read_in_order_of_room(void **state)
{
    (void)state;
    CLEAN_RING struct ring *ring = NULL;
    struct error err = ERROR_INIT;
    struct ring_block *first, *second, *got;
    assert_int_equal(ring_new(2, 8, 1, &ring, &err), 0);
    take(ring, &first);
    take(ring, &second);
    first->n = 1;
    second->n = 2;
    ring_put(ring, second);
    ring_end(ring);
    ring_put(ring, first);
    assert_int_equal(ring_get(ring, 0, &got, &err), 1);
    assert_int_equal(got->n, 1);
    assert_int_equal(ring_get(ring, 0, &got, &err), 1);
    assert_int_equal(got->n, 2);
    assert_int_equal(ring_get(ring, 0, &got, &err), 0);
}

static void ring_when_its_reader_keeps_up_then_one_block_is_used(void **state)
{
    (void)state;
    CLEAN_RING struct ring *ring = NULL;
    struct error err = ERROR_INIT;
    struct ring_block *block, *got;
    unsigned char *bytes = NULL;
    assert_int_equal(ring_new(8, 8, 1, &ring, &err), 0);
    for (int i = 0; i < 20; i++) {
        take(ring, &block);
        assert_true(bytes == NULL || bytes == block->bytes);
        bytes = block->bytes;
        ring_put(ring, block);
        assert_int_equal(ring_get(ring, 0, &got, &err), 1);
        ring_release(ring, got);
    }
}

static void ring_when_a_block_stands_for_zeros_then_it_is_told(void **state)
{
    (void)state;
    CLEAN_RING struct ring *ring = NULL;
    struct error err = ERROR_INIT;
    struct ring_block *block, *got;
    assert_int_equal(ring_new(1, 8, 1, &ring, &err), 0);
    take(ring, &block);
    block->is_zeros = true;
    block->n = SIZE_MAX;
    ring_put(ring, block);
    assert_int_equal(ring_get(ring, 0, &got, &err), 1);
    assert_true(got->is_zeros && got->n == SIZE_MAX);
    ring_release(ring, got);
    take(ring, &block);
    assert_true(!block->is_zeros && block->n == 0);
}

static void *wait_for_block(void *context)
{
    struct error err = ERROR_INIT;
    struct ring_block *block;
    int got = ring_get(context, 0, &block, &err);
    return got == -1 && err.code == ERROR_NO_SPACE ? context : NULL;
}

static void ring_when_stopped_then_all_sides_hear_the_first_reason(void **state)
{
    (void)state;
    CLEAN_RING struct ring *ring = NULL;
    struct error err = ERROR_INIT, reason = ERROR_INIT, later = ERROR_INIT;
    struct ring_block *block;
    pthread_t waiting;
    void *has_heard = NULL;
    assert_int_equal(ring_new(2, 8, 1, &ring, &err), 0);
    assert_int_equal(pthread_create(&waiting, NULL, wait_for_block, ring), 0);
    error_set(&reason, ERROR_NO_SPACE, "full");
    error_set(&later, ERROR_IO, "later");
    ring_stop(ring, &reason);
    ring_stop(ring, &later);
    pthread_join(waiting, &has_heard);
    assert_non_null(has_heard);
    assert_int_equal(ring_room(ring, RING_FOR_EVER, &block, &err), -1);
    assert_int_equal(err.code, ERROR_NO_SPACE);
    assert_string_equal(err.text, "full");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_when_used_by_threads_then_every_reader_gets_all_in_order),
        cmocka_unit_test(ring_when_full_then_room_times_out),
        cmocka_unit_test(ring_when_one_reader_is_behind_then_its_blocks_stay),
        cmocka_unit_test(ring_when_put_out_of_order_then_read_in_order_of_room),
        cmocka_unit_test(ring_when_its_reader_keeps_up_then_one_block_is_used),
        cmocka_unit_test(ring_when_a_block_stands_for_zeros_then_it_is_told),
        cmocka_unit_test(ring_when_stopped_then_all_sides_hear_the_first_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
