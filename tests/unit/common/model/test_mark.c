/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Marks: what proves that a snapshot is ours, and the many things that do not.
 */
#include "common/model/mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define JOB "3f9a2c1b00e4d711"
#define UUID "8b0c1d2e-1111-2222-3333-444455556666"
#define OTHER "8b0c1d2e-1111-2222-3333-444455556667"

static void mark_reads_back_what_was_written(void **state)
{
    (void)state;
    struct mark mark = {JOB, UUID, UINT64_MAX}, again;
    char text[MARK_TEXT_MAX];
    assert_string_equal(mark_format(&mark, text), JOB "/" UUID "/18446744073709551615");
    assert_int_equal(mark_parse(text, &again, NULL), 0);
    assert_string_equal(again.job, JOB);
    assert_string_equal(again.uuid, UUID);
    assert_true(again.lease == UINT64_MAX);
}

static void anything_else_is_no_mark(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "/", "//", JOB, JOB "/" UUID, JOB "/" UUID "/", JOB "/" UUID "/x", JOB "/" UUID "/-1",
        JOB "/" UUID "/1 ", JOB "/" UUID "/1/2", "3F9A2C1B00E4D711/" UUID "/1",
        "zf9a2c1b00e4d711/" UUID "/1", JOB "x/" UUID "/1", JOB "/" UUID "0/1",
        JOB "/8b0c1d2e-1111-2222-3333-44445555666g/1", JOB "/" UUID "/18446744073709551616",
        JOB "/" UUID "/00000000000000000000000000000000000000000000000000000000000000000001",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mark mark;
        assert_int_equal(mark_parse(bad[i], &mark, NULL), -1);
    }
}

static void mark_proves_only_for_the_object_it_names(void **state)
{
    (void)state;
    struct mark mark;
    assert_true(mark_proves(JOB "/" UUID "/4", UUID, &mark));
    assert_int_equal(mark.lease, 4);
    assert_false(mark_proves(JOB "/" UUID "/4", OTHER, &mark));
    assert_false(mark_proves(NULL, UUID, &mark));
    assert_false(mark_proves(JOB "/" UUID "/4", NULL, &mark));
}

static void birth_name_carries_the_job_and_nothing_else_does(void **state)
{
    (void)state;
    char text[MARK_BIRTH_MAX], job[JOB_ID_MAX];
    assert_string_equal(mark_format_birth_name(JOB, text), "ONYXBACKUP-" JOB);
    assert_true(mark_parse_birth_name(text, job));
    assert_string_equal(job, JOB);
    assert_false(mark_parse_birth_name("ONYXBACKUP", job));
    assert_false(mark_parse_birth_name("ONYXBACKUP-mine", job));
    assert_false(mark_parse_birth_name("onyxbackup-" JOB, job));
    assert_false(mark_parse_birth_name("ONYXBACKUP-" JOB " copy", job));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mark_reads_back_what_was_written),
        cmocka_unit_test(anything_else_is_no_mark),
        cmocka_unit_test(mark_proves_only_for_the_object_it_names),
        cmocka_unit_test(birth_name_carries_the_job_and_nothing_else_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
