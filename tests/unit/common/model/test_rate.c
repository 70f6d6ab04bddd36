/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/model/rate: equal parts, caps whose rest goes to the others, never more than there is.
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
};

static const struct rate_case cases[] = {
    {"no limit at all", 0, {1, 2, 3}, {0, 0, 0}, {0, 0, 0}},
    {"caps alone", 0, {1, 1, 1}, {10, 0, 30}, {10, 0, 30}},
    {"equal parts", 90, {1, 1, 1}, {0, 0, 0}, {30, 30, 30}},
    {"by their number", 80, {1, 3, 0}, {0, 0, 0}, {20, 60, 0}},
    {"a cap's rest goes to the others", 90, {1, 1, 1}, {10, 0, 0}, {10, 40, 40}},
    {"one rest uncovers the next cap", 90, {1, 1, 1}, {10, 35, 0}, {10, 35, 45}},
    {"all are capped", 90, {1, 1, 1}, {10, 20, 30}, {10, 20, 30}},
    {"a cap of many parts", 90, {2, 1, 0}, {20, 0, 0}, {20, 70, 0}},
    {"nobody is there", 90, {0, 0, 0}, {0, 5, 0}, {0, 0, 0}},
};

static void share_when_given_then_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct rate_case *c = &cases[i];
        struct rate_taker takers[N];
        for (size_t k = 0; k < N; k++)
            takers[k] = (struct rate_taker){.parts = c->parts[k], .cap = c->cap[k] * MIB};
        rate_share(c->total * MIB, takers, N);
        for (size_t k = 0; k < N; k++)
            if (takers[k].share != c->share[k] * MIB)
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
                                            .cap = dice >> 32 & 1 ? (dice >> 33 & 63) * MIB : 0};
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
        cmocka_unit_test(lower_when_one_is_none_then_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
