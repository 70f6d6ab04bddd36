/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/model/rate: equal parts, the rest of who takes less goes to the others, never more than there
 * is; the meter of what one takes.
 */
#include "common/model/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define N   3

struct rate_case {
    const char *name;
    uint64_t total;
    uint64_t parts[N], cap[N], share[N]; /* MiB/s */
    uint64_t taken[N];
};

static const struct rate_case cases[] = {
    {"no limit at all", 0, {1, 2, 3}, {0, 0, 0}, {0, 0, 0}, {0}},
    {"caps alone", 0, {1, 1, 1}, {10, 0, 30}, {10, 0, 30}, {0}},
    {"equal parts", 90, {1, 1, 1}, {0, 0, 0}, {30, 30, 30}, {0}},
    {"by their number", 80, {1, 3, 0}, {0, 0, 0}, {20, 60, 0}, {0}},
    {"a cap's rest goes to the others", 90, {1, 1, 1}, {10, 0, 0}, {10, 40, 40}, {0}},
    {"one rest uncovers the next cap", 90, {1, 1, 1}, {10, 35, 0}, {10, 35, 45}, {0}},
    {"all are capped", 90, {1, 1, 1}, {10, 20, 30}, {10, 20, 30}, {0}},
    {"a cap of many parts", 90, {2, 1, 0}, {20, 0, 0}, {20, 70, 0}, {0}},
    {"nobody is there", 90, {0, 0, 0}, {0, 5, 0}, {0, 0, 0}, {0}},
    {"who takes little keeps twice of it", 120, {1, 1, 1}, {0}, {24, 48, 48}, {12, 40, 40}},
    {"or a quarter of its part", 120, {1, 1, 1}, {0}, {10, 55, 55}, {1, 40, 40}},
    {"or what its cap says", 120, {1, 1, 1}, {5, 0, 0}, {5, 57, 57}, {4, 40, 40}},
    {"who takes half keeps all", 120, {1, 1, 1}, {0}, {40, 40, 40}, {20, 40, 40}},
    {"nobody can take it all", 120, {1, 1, 1}, {0}, {10, 20, 30}, {5, 10, 15}},
    {"of many parts", 80, {3, 1, 0}, {0}, {30, 50, 0}, {15, 30, 0}},
    {"a new one beside a slow one", 120, {1, 1, 0}, {0}, {30, 90, 0}, {15, 0, 0}},
    {"without a limit what was taken says nothing", 0, {1, 1, 1}, {10, 0, 0}, {10, 0, 0}, {1, 1, 1}},
};

static void share_when_given_then_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct rate_case *c = &cases[i];
        struct rate_taker takers[N];
        for (size_t k = 0; k < N; k++)
            takers[k] = (struct rate_taker){
                .parts = c->parts[k], .cap = c->cap[k] * MIB, .taken = c->taken[k] * MIB};
        rate_share(c->total * MIB, takers, N);
        for (size_t k = 0; k < N; k++)
            if (takers[k].share / MIB != c->share[k])
                fail_msg("%s: taker %zu gets %llu", c->name, k,
                         (unsigned long long)takers[k].share);
    }
}

/* Whatever comes, the sum stays below the limit, and nobody waits for ever. */
static void share_when_made_up_then_the_sum_holds(void **state)
{
    (void)state;
    uint64_t dice = 1;
    for (int round = 0; round < 20000; round++) {
        struct rate_taker takers[5];
        uint64_t sum = 0, parts = 0;
        for (size_t i = 0; i < 5; i++) {
            dice = dice * 6364136223846793005u + 1442695040888963407u;
            takers[i] = (struct rate_taker){.parts = dice >> 60,
                                            .cap = dice >> 32 & 1 ? (dice >> 33 & 63) * MIB : 0,
                                            .taken = dice >> 40 & 1 ? (dice >> 41 & 63) * MIB : 0};
            parts += takers[i].parts;
        }
        uint64_t total = (parts + 1 + (dice >> 20 & 255)) * MIB;
        rate_share(total, takers, 5);
        for (size_t i = 0; i < 5; i++) {
            sum += takers[i].share;
            assert_true(takers[i].parts == 0 || takers[i].share > 0);
            assert_true(takers[i].cap == 0 || takers[i].share <= takers[i].cap);
        }
        assert_true(sum <= total);
    }
}

static void share_when_too_little_then_everybody_moves_on(void **state)
{
    (void)state;
    struct rate_taker takers[2] = {{.parts = 1}, {.parts = 2}};
    rate_share(3, takers, 2);
    assert_int_equal(takers[0].share, RATE_MIN);
    assert_int_equal(takers[1].share, 2 * RATE_MIN);
}

/* Whoever wakes up is back at its part soon, with others that take all they get. */
static void share_when_a_slow_one_wakes_then_it_has_its_part_within_two_rounds(void **state)
{
    (void)state;
    struct rate_taker takers[2] = {{.parts = 1, .taken = 1}, {.parts = 1, .taken = 500 * MIB}};
    rate_share(100 * MIB, takers, 2);
    assert_int_equal(takers[0].share, 25 * MIB / 2);
    for (int round = 0; round < 2; round++) {
        takers[0].taken = takers[0].share;
        rate_share(100 * MIB, takers, 2);
    }
    assert_int_equal(takers[0].share, 50 * MIB);
    assert_int_equal(takers[1].share, 50 * MIB);
}

static void meter_when_a_window_is_whole_then_its_rate_is_known(void **state)
{
    (void)state;
    struct rate_meter meter = {.bytes = 100, .ms = 5000};
    rate_meter_note(&meter, 100, 5000);
    assert_int_equal(meter.rate, 0);
    rate_meter_note(&meter, 100 + 7 * MIB, 6000);
    assert_int_equal(meter.rate, 7 * MIB);
    assert_int_equal(rate_meter_taken(&meter), 0);
    rate_meter_note(&meter, 100 + 12 * MIB, 5000 + RATE_WINDOW_MS);
    assert_int_equal(rate_meter_taken(&meter), 4 * MIB);
    rate_meter_note(&meter, 100 + 90 * MIB, 5000 + RATE_WINDOW_MS + 1000);
    assert_int_equal(rate_meter_taken(&meter), 4 * MIB); /* until the next window is whole */
    rate_meter_note(&meter, 100 + 90 * MIB, 5000 + 2 * RATE_WINDOW_MS);
    assert_int_equal(rate_meter_taken(&meter), 26 * MIB);
    rate_meter_note(&meter, 100 + 90 * MIB, 5000 + 3 * RATE_WINDOW_MS);
    assert_int_equal(rate_meter_taken(&meter), 0); /* a stream that stands still keeps its part */
}

static void meter_when_the_stream_begins_late_then_the_wait_does_not_count(void **state)
{
    (void)state;
    struct rate_meter meter = {.ms = 1000};
    for (int64_t ms = 1000; ms <= 60000; ms += 100)
        rate_meter_note(&meter, 0, ms);
    rate_meter_note(&meter, 3 * MIB, 61000);
    assert_int_equal(meter.rate, 3 * MIB);
    rate_meter_note(&meter, 9 * MIB, 60000 + RATE_WINDOW_MS);
    assert_int_equal(rate_meter_taken(&meter), 3 * MIB);
}

static void meter_when_bytes_or_clock_go_back_then_nothing_is_made_up(void **state)
{
    (void)state;
    struct rate_meter meter = {.bytes = 50 * MIB, .ms = 1000};
    rate_meter_note(&meter, 3 * MIB, 2000);
    assert_int_equal(meter.rate, 0);
    rate_meter_note(&meter, 6 * MIB, 500);
    assert_int_equal(meter.rate, 0);
    rate_meter_note(&meter, 9 * MIB, 2000 + RATE_WINDOW_MS);
    assert_int_equal(rate_meter_taken(&meter), 2 * MIB);
}

static void lower_when_one_is_none_then_the_other(void **state)
{
    (void)state;
    assert_int_equal(rate_lower(0, 0), 0);
    assert_int_equal(rate_lower(0, 5), 5);
    assert_int_equal(rate_lower(5, 0), 5);
    assert_int_equal(rate_lower(7, 5), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share_when_given_then_as_the_table_says),
        cmocka_unit_test(share_when_made_up_then_the_sum_holds),
        cmocka_unit_test(share_when_too_little_then_everybody_moves_on),
        cmocka_unit_test(share_when_a_slow_one_wakes_then_it_has_its_part_within_two_rounds),
        cmocka_unit_test(meter_when_a_window_is_whole_then_its_rate_is_known),
        cmocka_unit_test(meter_when_the_stream_begins_late_then_the_wait_does_not_count),
        cmocka_unit_test(meter_when_bytes_or_clock_go_back_then_nothing_is_made_up),
        cmocka_unit_test(lower_when_one_is_none_then_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
