/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a mail about a run is called and says; that it is sent is shown in tests/e2e/test_mail.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/base/str.h"
#include "coordinator/policy/report.h"
#include "coordinator/mail/run_mail.h"
#include "coordinator/settings.h"

static void check_subject(const char *setting, const struct report *report, const char *want)
{
    const struct settings settings = {.smtp_subject = setting};
    CLEAN_STR struct str got = STR_INIT;
    run_mail_format_subject(&settings, report, &got);
    assert_string_equal(str_text(&got), want);
}

static void fill(struct report *report, enum job_state first, enum job_state second)
{
    memcpy(report->run, "3f9a2c1b00e4d711", sizeof report->run);
    report->pool_name = mem_dup("lab");
    report->state = mem_dup("done");
    for (int i = 0; i < 2; i++) {
        struct report_job *job = report_add_job(report);
        job->kind = JOB_BACKUP_VM;
        job->name = str_format("web%d", i + 1);
        job->state = i ? second : first;
    }
}

static void a_subject_says_how_the_run_ended(void **state)
{
    (void)state;
    CLEAN_REPORT struct report good = {.exit_status = 0}, bad = {.exit_status = 1};
    CLEAN_REPORT struct report stopped = {.exit_status = 6}, broken = {.exit_status = 5};
    fill(&good, JOB_STATE_DONE, JOB_STATE_DONE);
    check_subject("Night", &good, "Night: done, pool lab: all 2 backed up");
    text_list_add(&good.jobs[0].warnings, "w");
    check_subject("", &good, "done, pool lab: all 2 backed up, 1 warning");
    fill(&bad, JOB_STATE_DONE, JOB_STATE_FAILED);
    check_subject("Night", &bad, "Night: FAILED, pool lab: 1 of 2 backed up, 1 failed");
    fill(&stopped, JOB_STATE_DONE, JOB_STATE_CANCELLED);
    check_subject("N", &stopped, "N: INTERRUPTED, pool lab: 1 of 2 backed up, 1 cancelled");
    fill(&broken, JOB_STATE_DONE, JOB_STATE_RUNNING);
    broken.error = mem_dup("the store is gone");
    check_subject("N", &broken, "N: FAILED, pool lab: 1 of 2 backed up, 1 not ended");
}

static void a_run_that_could_not_begin_says_why_and_where(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.exit_status = 3};
    CLEAN_STR struct str text = STR_INIT;
    report.error = mem_dup("log in at /x: refused");
    report.store_root = mem_dup("/mnt/backup");
    check_subject("N", &report, "N: COULD NOT BEGIN: nothing backed up");
    run_mail_format_text(&report, &text);
    assert_non_null(strstr(str_text(&text), "could not begin"));
    assert_non_null(strstr(str_text(&text), "  - log in at /x: refused\n"));
    assert_non_null(strstr(str_text(&text), "/mnt/backup"));
    report.exit_status = 6;
    check_subject("N", &report, "N: INTERRUPTED: nothing backed up");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subject_says_how_the_run_ended),
        cmocka_unit_test(a_run_that_could_not_begin_says_why_and_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
