/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The report: what people read fits 80 columns and says bad news first; the JSON is complete.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "coordinator/policy/report.h"
#include "coordinator/policy/report_sum.h"

#define BEGAN_AT INT64_C(1700000000000)
#define LONG_NAME "a-very-long-virtual-machine-name-that-no-column-can-hold-\xc3\xbc\xc3\xbc"

static struct report_job *add_job(struct report *report, const char *name, enum job_state state)
{
    struct report_job *job = report_add_job(report);
    job->kind = JOB_BACKUP_VM;
    job->state = state;
    job->name = mem_dup(name);
    job->host_name = mem_dup("host-1");
    job->attempts = 1;
    job->started_at = BEGAN_AT + 1000;
    job->finished_at = BEGAN_AT + 9000;
    return job;
}

static void fill(struct report *report)
{
    memcpy(report->run, "0123456789abcdef", 16);
    report->state = mem_dup("failed");
    report->pool_name = mem_dup("lab");
    report->store_root = mem_dup("/mnt/backup");
    report->started_at = BEGAN_AT;
    report->finished_at = BEGAN_AT + 10000;
    report->exit_status = 1;
    text_list_add(&report->warnings, "a warning that is so long that it takes more than one line "
                                     "of the report to tell it whole to whoever reads it");
    struct report_job *done = add_job(report, LONG_NAME, JOB_STATE_DONE);
    done->bytes = 100 << 20;
    done->stream_ms = 2000;
    done->attempts = 2;
    text_list_add(&done->warnings, "quiesce was not offered");
    struct report_file *file = report_job_add_file(done);
    file->path = mem_dup("web1/backup_20231114-221320.xva");
    file->size_bytes = 50 << 20;
    file->sha256 = mem_dup("00");
    file->proof = mem_dup("blocks");
    struct report_job *bad = add_job(report, "db1", JOB_STATE_FAILED);
    bad->reason = mem_dup("export db1: stream ended early \"x\"");
    bad->error_name = mem_dup("SHORT");
    struct report_job *skipped = add_job(report, "old", JOB_STATE_SKIPPED);
    skipped->reason = mem_dup("no host sees all SRs of its disks");
    mem_free_char(&skipped->host_name);
}

static void text_when_formatted_then_fits_and_bad_news_come_first(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.run = ""};
    CLEAN_STR struct str out = STR_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(clock_use_zone("UTC", &err), 0);
    fill(&report);
    report_format_text(&report, &out);
    const char *text = str_text(&out);
    for (const char *at = text; *at;) {
        CLEAN_CHAR char *line = mem_dup_n(at, strcspn(at, "\n"));
        if (str_columns(line) > 80)
            fail_msg("too wide: %s", line);
        at += strlen(line) + (at[strlen(line)] == '\n');
    }
    const char *failed = strstr(text, "db1 (vm-export) failed on host-1: export db1: stream ended");
    const char *warned = strstr(text, "\nWarnings\n");
    const char *done = strstr(text, "\nBacked up");
    assert_true(failed && warned && done);
    assert_true(failed < warned && warned < done);
    assert_non_null(strstr(text, "1 of 3 done, 1 failed, 1 skipped"));
    assert_non_null(strstr(text, "100 MiB read, 50.0 MiB stored"));
    assert_non_null(strstr(text, "    web1/backup_20231114-221320.xva\n    after 2 attempts\n"));
    assert_non_null(strstr(text, "50.0 MiB/s")); /* 100 MiB in 2 s */
    assert_non_null(strstr(text, "began  2023-11-14 22:13:20"));
    assert_non_null(strstr(text, "quiesce was"));
    assert_null(strstr(text, "\xc3\n"));
}

static void sums_when_jobs_failed_or_were_lost_then_they_count_and_their_bytes_do_not(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.run = ""};
    static const enum job_state states[] = {JOB_STATE_DONE,    JOB_STATE_FAILED,
                                            JOB_STATE_LOST,    JOB_STATE_CANCELLED,
                                            JOB_STATE_SKIPPED, JOB_STATE_RUNNING};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        struct report_job *job = add_job(&report, "web1", states[i]);
        job->bytes = UINT64_C(1) << i;
        struct report_file *file = report_job_add_file(job);
        file->path = mem_dup("web1/backup_20231114-221320.xva");
        file->size_bytes = UINT64_C(256) << i;
    }
    const struct report_sums sums = report_sum_up(&report);
    assert_int_equal(sums.backups_n, 6);
    assert_int_equal(sums.done_n, 1);
    assert_int_equal(sums.failed_n, 2);
    assert_int_equal(sums.cancelled_n, 1);
    assert_int_equal(sums.skipped_n, 1);
    assert_int_equal(sums.open_n, 1);
    assert_int_equal(sums.read_bytes, 1);
    assert_int_equal(sums.stored_bytes, 256);
}

static void text_when_a_name_has_line_breaks_then_no_line_is_forged(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.run = ""};
    CLEAN_STR struct str out = STR_INIT;
    fill(&report);
    (void)add_job(&report, "a\n  db2\r\x1b[1m", JOB_STATE_DONE);
    report_format_text(&report, &out);
    assert_non_null(strstr(str_text(&out), "\n  a?  db2??[1m  "));
    assert_null(strstr(str_text(&out), "\n  db2"));
}

static void text_when_the_run_broke_off_then_told(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.run = "", .started_at = BEGAN_AT};
    CLEAN_STR struct str out = STR_INIT;
    report.state = mem_dup("running");
    report.error = mem_dup("the share is gone");
    report_format_text(&report, &out);
    assert_non_null(strstr(str_text(&out), "broken off\n  - the share is gone\n"));
    assert_non_null(strstr(str_text(&out), "pool (no name)"));
    assert_non_null(strstr(str_text(&out), "0 of 0 done"));
}

static void json_when_formatted_then_it_parses_and_is_whole(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.run = ""};
    CLEAN_STR struct str out = STR_INIT;
    json_error_t why;
    fill(&report);
    report_format_json(&report, &out);
    json_t *root = json_loads(str_text(&out), 0, &why);
    if (!root)
        fail_msg("%s at line %d", why.text, why.line);
    json_t *jobs = json_object_get(root, "jobs");
    assert_int_equal(json_array_size(jobs), 3);
    const json_t *bad = json_array_get(jobs, 1);
    assert_string_equal(json_string_value(json_object_get(bad, "reason")),
                        "export db1: stream ended early \"x\"");
    assert_string_equal(json_string_value(json_object_get(bad, "error")), "SHORT");
    assert_true(json_is_null(json_object_get(bad, "vm_uuid")));
    assert_string_equal(json_string_value(json_object_get(root, "started_at")),
                        "2023-11-14T22:13:20Z");
    assert_true(json_is_null(json_object_get(root, "continued_at")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "totals"), "failed")),
                     1);
    assert_int_equal(json_array_size(json_object_get(root, "hosts")), 1);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_when_formatted_then_fits_and_bad_news_come_first),
        cmocka_unit_test(sums_when_jobs_failed_or_were_lost_then_they_count_and_their_bytes_do_not),
        cmocka_unit_test(text_when_a_name_has_line_breaks_then_no_line_is_forged),
        cmocka_unit_test(text_when_the_run_broke_off_then_told),
        cmocka_unit_test(json_when_formatted_then_it_parses_and_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
