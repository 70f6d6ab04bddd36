/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/model/space: who may begin, who waits, who is refused, and with which numbers.
 */
#include "common/model/space.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"

#define GIB (1ull << 30)

static void percent_when_at_the_edge_then_equal_is_enough(void **state)
{
    (void)state;
    assert_false(space_is_below(20, 100, 20));
    assert_true(space_is_below(19, 100, 20));
    assert_false(space_is_below(0, 100, 0));
    assert_false(space_is_below(0, 0, 20));
    assert_false(space_is_below(1, 199, 1));
    assert_true(space_is_below(UINT64_MAX / 100 * 20, UINT64_MAX, 21));
    assert_false(space_is_below(UINT64_MAX / 100 * 22, UINT64_MAX, 21));
}

static void begin_when_below_the_threshold_then_the_numbers_are_said(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct space_rule rule = {.threshold_percent = 20, .floor_percent = 1};
    assert_int_equal(space_check_begin(20 * GIB, 100 * GIB, &rule, "/mnt", &err), 0);
    assert_int_equal(space_check_begin(19 * GIB, 100 * GIB, &rule, "/mnt", &err), -1);
    assert_int_equal(err.code, ERROR_NO_SPACE);
    assert_non_null(strstr(err.text, "/mnt has 19.0 GiB free of 100 GiB (19.0 %)"));
    assert_non_null(strstr(err.text, "space_threshold (20 %)"));
}

static void floor_when_reached_then_the_threshold_plays_no_part(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct space_rule rule = {.threshold_percent = 20, .floor_percent = 1};
    assert_int_equal(space_check_floor(2 * GIB, 100 * GIB, &rule, "/mnt", &err), 0);
    assert_int_equal(space_check_floor(GIB - 1, 100 * GIB, &rule, "/mnt", &err), -1);
    assert_int_equal(err.code, ERROR_NO_SPACE);
    assert_non_null(strstr(err.text, "hard_floor (1 %)"));
    rule.floor_percent = 0;
    assert_int_equal(space_check_floor(0, 100 * GIB, &rule, "/mnt", &err), 0);
}

struct verdict_case {
    const char *name;
    uint64_t total, free, reserved, proven; /* GiB */
    uint64_t estimate;
    bool is_proven;
    enum space_verdict verdict;
    const char *says; /* NULL: nothing */
};

static const struct verdict_case verdicts[] = {
    {"plenty", 100, 50, 0, 0, 10, true, SPACE_MAY, NULL},
    {"nobody could tell", 0, 0, 0, 0, 10, true, SPACE_MAY, NULL},
    {"below the threshold", 100, 19, 0, 0, 1, false, SPACE_REFUSED, "space_threshold (20 %)"},
    {"below the threshold, unknown size", 100, 0, 0, 0, 0, false, SPACE_REFUSED, "0 B free"},
    {"reserved beyond what is free", 100, 30, 40, 40, 1, false, SPACE_REFUSED,
     "30.0 GiB free, and running jobs have reserved 40.0 GiB"},
    {"reserved by guesses alone", 100, 30, 40, 0, 1, false, SPACE_WAIT, "reserved 40.0 GiB"},
    {"fits beside what runs", 100, 50, 30, 30, 20, true, SPACE_MAY, NULL},
    {"does not fit beside what runs", 100, 50, 30, 30, 21, true, SPACE_WAIT, "takes about 21.0 GiB"},
    {"a former backup says no", 100, 50, 0, 0, 51, true, SPACE_REFUSED, "about 51.0 GiB"},
    {"a guess says no", 100, 50, 0, 0, 51, false, SPACE_MAY, "it is tried"},
    {"fits to the byte", 100, 50, 0, 0, 50, true, SPACE_MAY, NULL},
    {"unknown size", 100, 50, 50, 50, 0, false, SPACE_MAY, NULL},
};

static void verdict_when_judged_then_it_is_as_the_table_says(void **state)
{
    (void)state;
    struct space_rule rule = {.threshold_percent = 20, .floor_percent = 1};
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        const struct verdict_case *c = &verdicts[i];
        char text[SPACE_TEXT_MAX];
        struct space_facts facts = {.total_bytes = c->total * GIB,
                                    .free_bytes = c->free * GIB,
                                    .reserved_bytes = c->reserved * GIB,
                                    .reserved_proven_bytes = c->proven * GIB};
        if (space_judge(&facts, &rule, c->estimate * GIB, c->is_proven, text) != c->verdict)
            fail_msg("%s: %s", c->name, text);
        if (c->says != NULL ? strstr(text, c->says) == NULL : text[0] != '\0')
            fail_msg("%s: says '%s'", c->name, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_when_at_the_edge_then_equal_is_enough),
        cmocka_unit_test(begin_when_below_the_threshold_then_the_numbers_are_said),
        cmocka_unit_test(floor_when_reached_then_the_threshold_plays_no_part),
        cmocka_unit_test(verdict_when_judged_then_it_is_as_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
