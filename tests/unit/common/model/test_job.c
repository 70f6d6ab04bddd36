/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Jobs as values: deep copies, names and numbers both ways, the total table of states.
 */
#include "common/model/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void copy_is_deep_when_the_original_goes(void **state)
{
    (void)state;
    struct job job = {.kind = JOB_BACKUP_VM, .attempt = 2, .lease = 7};
    job.vm_name = mem_dup("web1");
    job_add_disk(&job)->device = mem_dup("xvda");
    job_add_disk(&job)->device = mem_dup("xvdb");
    job_add_remains(&job)->stem = mem_dup("backup_20261122-010203");
    job_add_victim(&job)->file = mem_dup("a.xva");
    job_add_keeper(&job)->file = mem_dup("b.xva");
    job.subject.file = mem_dup("c.raw");
    job.subject_sha256 = mem_dup("5a");
    CLEAN_JOB struct job copy;
    job_copy(&copy, &job);
    job_done(&job);
    assert_null(job.vm_name);
    assert_string_equal(copy.vm_name, "web1");
    assert_string_equal(copy.disks[1].device, "xvdb");
    assert_string_equal(copy.remains[0].stem, "backup_20261122-010203");
    assert_string_equal(copy.victims[0].file, "a.xva");
    assert_string_equal(copy.keepers[0].file, "b.xva");
    assert_string_equal(copy.subject.file, "c.raw");
    assert_string_equal(copy.subject_sha256, "5a");
    assert_int_equal(copy.lease, 7);
}

static void report_copy_is_deep_when_the_original_goes(void **state)
{
    (void)state;
    struct job_report report = {.state = JOB_STATE_DONE, .bytes = 9};
    struct job_file *file = job_report_add_file(&report);
    file->name = mem_dup("a.xva");
    file->stream_xxh128 = mem_dup("5b");
    report.verdict = (struct job_verdict){.kind = JOB_VERDICT_PROVEN,
                                          .file = mem_dup("c.raw"),
                                          .proof = mem_dup("length"),
                                          .sha256 = mem_dup("5c"),
                                          .text = mem_dup("t")};
    text_list_add(&report.warnings, "w");
    text_list_add(&report.gone, "g.xva");
    CLEAN_JOB_REPORT struct job_report copy;
    job_report_copy(&copy, &report);
    job_report_done(&report);
    assert_string_equal(copy.files[0].name, "a.xva");
    assert_string_equal(copy.files[0].stream_xxh128, "5b");
    assert_int_equal(copy.verdict.kind, JOB_VERDICT_PROVEN);
    assert_string_equal(copy.verdict.file, "c.raw");
    assert_string_equal(copy.verdict.proof, "length");
    assert_string_equal(copy.verdict.sha256, "5c");
    assert_string_equal(copy.verdict.text, "t");
    assert_string_equal(copy.warnings.items[0], "w");
    assert_string_equal(copy.gone.items[0], "g.xva");
}

static void names_and_numbers_go_both_ways(void **state)
{
    (void)state;
    for (int number = -1; number < 100; number++) {
        enum job_kind kind, kind_again;
        enum job_state job_state, state_again;
        if (job_kind_from_number(number, &kind)) {
            assert_int_equal(kind, number);
            assert_int_equal(job_kind_from_name(job_kind_name(kind), &kind_again), 1);
            assert_int_equal(kind, kind_again);
        }
        if (job_state_from_number(number, &job_state)) {
            assert_int_equal(job_state_from_name(job_state_name(job_state), &state_again), 1);
            assert_int_equal(job_state, state_again);
        }
    }
    enum job_kind kind = JOB_SCAN;
    assert_int_equal(job_kind_from_name("vm export", &kind), 0);
    assert_int_equal(kind, JOB_SCAN);
}

static void compressions_have_names(void **state)
{
    enum job_compress kind = JOB_COMPRESS_NONE;
    (void)state;
    for (int number = JOB_COMPRESS_NONE; number <= JOB_COMPRESS_ZSTD; number++) {
        const char *name = job_compress_name((enum job_compress)number);
        assert_int_equal(job_compress_from_name(name, &kind), 1);
        assert_int_equal(kind, number);
    }
    assert_string_equal(job_compress_name(JOB_COMPRESS_ZSTD), "zstd");
    assert_string_equal(job_compress_name((enum job_compress)0), "unknown");
    assert_string_equal(job_compress_name((enum job_compress)9), "unknown");
    assert_int_equal(job_compress_from_name("GZIP", &kind), 0);
    assert_int_equal(kind, JOB_COMPRESS_ZSTD);
}

static void done_stays_done_and_ends_lead_only_to_new_attempts(void **state)
{
    (void)state;
    for (int to = 1; to <= 9; to++) {
        assert_false(job_state_may_follow(JOB_STATE_DONE, (enum job_state)to));
        if (to != JOB_STATE_PLANNED && to != JOB_STATE_DONE && to != JOB_STATE_FAILED) {
            assert_false(job_state_may_follow(JOB_STATE_FAILED, (enum job_state)to));
            assert_false(job_state_may_follow(JOB_STATE_LOST, (enum job_state)to));
        }
    }
    assert_true(job_state_may_follow(JOB_STATE_LOST, JOB_STATE_PLANNED));
    assert_true(job_state_may_follow(JOB_STATE_RUNNING, JOB_STATE_DONE));
    assert_false(job_state_may_follow(JOB_STATE_PLANNED, JOB_STATE_RUNNING));
    assert_false(job_state_may_follow((enum job_state)0, JOB_STATE_PLANNED));
    assert_false(job_state_may_follow((enum job_state)77, JOB_STATE_PLANNED));
}

static void ends_are_ends(void **state)
{
    (void)state;
    assert_true(job_state_is_end(JOB_STATE_DONE));
    assert_true(job_state_is_end(JOB_STATE_SKIPPED));
    assert_false(job_state_is_end(JOB_STATE_RUNNING));
    assert_false(job_state_is_end((enum job_state)99));
}

static void id_is_sixteen_lower_case_hex_digits(void **state)
{
    (void)state;
    assert_true(job_id_is_valid("0123456789abcdef"));
    assert_false(job_id_is_valid("0123456789abcde"));
    assert_false(job_id_is_valid("0123456789abcdef0"));
    assert_false(job_id_is_valid("0123456789ABCDEF"));
    assert_false(job_id_is_valid(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_is_deep_when_the_original_goes),
        cmocka_unit_test(report_copy_is_deep_when_the_original_goes),
        cmocka_unit_test(names_and_numbers_go_both_ways),
        cmocka_unit_test(compressions_have_names),
        cmocka_unit_test(done_stays_done_and_ends_lead_only_to_new_attempts),
        cmocka_unit_test(ends_are_ends),
        cmocka_unit_test(id_is_sixteen_lower_case_hex_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
