/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent/load: texts of a dom0 (4.19, no pressure) and of a newer kernel, and what is too much.
 */
#include "agent/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"

static const char stat_dom0[] = "cpu  1000 200 300 8000 100 10 20 70 0 0\n"
                                "cpu0 500 100 150 4000 50 5 10 35 0 0\n"
                                "cpu1 500 100 150 4000 50 5 10 35 0 0\n"
                                "intr 1 2 3\nctxt 4\nbtime 5\ncpufreq 6\n";

static void stat_of_dom0_then_nice_is_not_busy_and_steal_is(void **state)
{
    (void)state;
    struct load_ticks ticks;
    assert_int_equal(load_parse_stat(stat_dom0, &ticks, NULL), 0);
    assert_int_equal(ticks.busy, 1000 + 300 + 10 + 20 + 70);
    assert_int_equal(ticks.steal, 70);
    assert_int_equal(ticks.all, 9700);
    assert_int_equal(ticks.processors, 2);
}

static void stat_of_an_old_kernel_then_what_is_there_counts(void **state)
{
    (void)state;
    struct load_ticks ticks;
    assert_int_equal(load_parse_stat("cpu 1 2 3 4\n", &ticks, NULL), 0);
    assert_int_equal(ticks.busy, 4);
    assert_int_equal(ticks.processors, 0);
}

static void nonsense_then_an_error(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct load_ticks ticks;
    uint32_t percent = 7;
    assert_int_equal(load_parse_stat("", &ticks, &err), -1);
    assert_int_equal(err.code, ERROR_BAD_INPUT);
    assert_int_equal(load_parse_stat("cpu 1 2\n", &ticks, NULL), -1);
    assert_int_equal(load_parse_average("", &percent, NULL), -1);
    assert_int_equal(load_parse_average("-3 0 0", &percent, NULL), -1);
    assert_int_equal(load_parse_average("nan 0 0", &percent, NULL), -1);
    assert_int_equal(load_parse_pressure("full avg10=1.00\n", &percent, NULL), -1);
    assert_int_equal(load_parse_pressure("some avg10=101\n", &percent, NULL), -1);
    assert_int_equal(percent, 7);
}

static void average_and_pressure_then_percent(void **state)
{
    (void)state;
    uint32_t percent;
    assert_int_equal(load_parse_average("0.52 0.58 0.59 1/467 12345\n", &percent, NULL), 0);
    assert_int_equal(percent, 52);
    assert_int_equal(load_parse_pressure("some avg10=12.60 avg60=1.00 avg300=0.10 total=99\n"
                                         "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
                                         &percent, NULL),
                     0);
    assert_int_equal(percent, 13);
}

static void compare_then_percent_of_the_time_between(void **state)
{
    (void)state;
    struct load_ticks before = {.busy = 100, .steal = 10, .all = 1000};
    struct load_ticks now = {.busy = 190, .steal = 30, .all = 1100};
    struct load_facts facts = {.cpu_percent = 1};
    load_compare(&before, &now, &facts);
    assert_int_equal(facts.cpu_percent, 90);
    assert_int_equal(facts.steal_percent, 20);
    load_compare(&now, &now, &facts);
    assert_int_equal(facts.cpu_percent, 0);
    load_compare(&now, &before, &facts);
    assert_int_equal(facts.cpu_percent, 0);
}

struct verdict {
    const char *name;
    struct load_rule rule;
    struct load_facts facts;
    bool is_held;
    const char *text; /* part of it, NULL: not too much */
};

static const struct verdict verdicts[] = {
    {"no limit", {0}, {.cpu_percent = 100, .average_percent = 9000}, false, NULL},
    {"at the limit", {.cpu_max = 85}, {.cpu_percent = 85}, false, NULL},
    {"over it", {.cpu_max = 85}, {.cpu_percent = 86, .steal_percent = 12}, false,
     "CPU at 86 %, 12 % of it stolen (limit 85 %)"},
    {"held, hardly below", {.cpu_max = 80}, {.cpu_percent = 75}, true, "CPU at 75 %"},
    {"held, clearly below", {.cpu_max = 80}, {.cpu_percent = 72}, true, NULL},
    {"load average", {.average_max = 4}, {.average_percent = 512}, false,
     "load average of 5.12 a processor (limit 4)"},
    {"pressure", {.pressure_max = 40}, {.has_pressure = true, .pressure_percent = 55}, false,
     "pressure of 55 % (limit 40 %)"},
    {"no pressure on this kernel", {.pressure_max = 40}, {.pressure_percent = 55}, false, NULL},
};

static void verdict_then_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        const struct verdict *v = &verdicts[i];
        char text[LOAD_TEXT_MAX];
        bool is_over = load_is_over(&v->rule, &v->facts, v->is_held, text);
        if (is_over != (v->text != NULL) || (v->text != NULL && strstr(text, v->text) == NULL))
            fail_msg("%s: '%s'", v->name, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stat_of_dom0_then_nice_is_not_busy_and_steal_is),
        cmocka_unit_test(stat_of_an_old_kernel_then_what_is_there_counts),
        cmocka_unit_test(nonsense_then_an_error),
        cmocka_unit_test(average_and_pressure_then_percent),
        cmocka_unit_test(compare_then_percent_of_the_time_between),
        cmocka_unit_test(verdict_then_as_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
