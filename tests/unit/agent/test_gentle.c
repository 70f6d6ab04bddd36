/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent/gentle: a made-up /proc, a clock of our own.
 */
#include "agent/gentle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"

#define MIB (UINT64_C(1) << 20)

struct fixture {
    char dir[64];
    struct gentle gentle;
    uint64_t busy, idle;
};

static void put(const struct fixture *f, const char *name, const char *text)
{
    CLEAN_CHAR char *path = str_format("%s/%s", f->dir, name);
    struct error err = ERROR_INIT;
    if (fd_replace_file(path, 0600, text, strlen(text), &err) != 0)
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/onyx-gentle-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->gentle.proc = f->dir;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"stat", "loadavg", "pressure/cpu", "pressure", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CLEAN_CHAR char *path = str_format("%s/%s", f->dir, names[i]);
        if (unlink(path) != 0)
            (void)rmdir(path);
    }
    free(f);
    return 0;
}

/* A second passes in which so much of the CPU was busy. */
static void pass(struct fixture *f, unsigned percent, int64_t now_ms)
{
    f->busy += percent;
    f->idle += 100 - percent;
    CLEAN_CHAR char *text = str_format("cpu %llu 50 0 %llu 0 0 0 0\ncpu0 1 1 1 1\n",
                                       (unsigned long long)f->busy, (unsigned long long)f->idle);
    put(f, "stat", text);
    gentle_step(&f->gentle, 0, 1, now_ms);
}

static void cpu_over_the_limit_then_held_and_a_limit(void **state)
{
    struct fixture *f = *state;
    int64_t now = 1000;
    f->gentle.rule = (struct gentle_rule){.load = {.cpu_max = 80}, .host_rate = 500 * MIB};
    for (int i = 0; i < 10; i++, now += 1000)
        pass(f, 20, now);
    assert_false(f->gentle.hold.is_held);
    assert_int_equal(f->gentle.facts.cpu_percent, 20);
    assert_int_equal(gentle_limit(&f->gentle), 500 * MIB);
    pass(f, 100, now); /* one bad second is none */
    assert_false(f->gentle.hold.is_held);
    for (int i = 0; i < 10; i++)
        pass(f, 100, now += 1000);
    assert_true(f->gentle.hold.is_held);
    assert_non_null(strstr(f->gentle.why, "CPU at 100 %"));
    assert_int_equal(gentle_limit(&f->gentle), HOLD_BACK_MIN);
    for (int i = 0; i < 10; i++)
        pass(f, 10, now += 1000);
    assert_false(f->gentle.hold.is_held);
}

static void no_files_then_nothing_is_held(void **state)
{
    struct fixture *f = *state;
    f->gentle.rule.load = (struct load_rule){1, 1, 1};
    for (int64_t now = 1000; now < 10000; now += 1000)
        gentle_step(&f->gentle, 0, 1, now);
    assert_false(f->gentle.hold.is_held);
    assert_int_equal(gentle_limit(&f->gentle), 0);
}

static void pressure_where_it_is_told_then_it_counts(void **state)
{
    struct fixture *f = *state;
    CLEAN_CHAR char *folder = str_format("%s/pressure", f->dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    put(f, "pressure/cpu", "some avg10=61.00 avg60=0.00 avg300=0.00 total=1\n");
    f->gentle.rule.load.pressure_max = 40;
    gentle_step(&f->gentle, 0, 0, 1000);
    assert_true(f->gentle.hold.is_held);
    assert_non_null(strstr(f->gentle.why, "pressure of 61 %"));
}

static void average_then_by_processor(void **state)
{
    struct fixture *f = *state;
    put(f, "loadavg", "9.00 1.00 1.00 1/1 1\n");
    put(f, "stat", "cpu 1 1 1 1\ncpu0 1\ncpu1 1\ncpu2 1\n");
    f->gentle.rule.load.average_max = 2;
    gentle_step(&f->gentle, 0, 0, 1000);
    assert_int_equal(f->gentle.facts.average_percent, 300);
    assert_true(f->gentle.hold.is_held);
}

static void taken_then_the_limit_begins_below_it(void **state)
{
    struct fixture *f = *state;
    put(f, "loadavg", "0.00 1.00 1.00 1/1 1\n");
    f->gentle.rule.load.average_max = 2;
    gentle_step(&f->gentle, 0, 1, 1000);
    put(f, "loadavg", "99.00 1.00 1.00 1/1 1\n");
    gentle_step(&f->gentle, 400 * MIB, 1, 3000); /* in two seconds */
    assert_int_equal(gentle_limit(&f->gentle), 150 * MIB);
    f->gentle.ordered = 20 * MIB;
    assert_int_equal(gentle_limit(&f->gentle), 20 * MIB);
}

#define WITH_PROC(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PROC(cpu_over_the_limit_then_held_and_a_limit),
        WITH_PROC(no_files_then_nothing_is_held),
        WITH_PROC(pressure_where_it_is_told_then_it_counts),
        WITH_PROC(average_then_by_processor),
        WITH_PROC(taken_then_the_limit_begins_below_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
