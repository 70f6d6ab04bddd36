/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The mail's page: bad news in front, names from the pool harmless, tables that end, balanced tags.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "coordinator/policy/report_html.h"
#include "coordinator/policy/report.h"

#define BEGAN 1764000000000

static struct report_job *add(struct report *report, const char *name, enum job_state state)
{
    struct report_job *job = report_add_job(report);
    job->kind = JOB_BACKUP_VM;
    job->state = state;
    job->name = mem_dup(name);
    job->host_name = mem_dup("xen1");
    job->attempts = 1;
    if (state != JOB_STATE_DONE) {
        job->reason = mem_dup("no reason");
        return job;
    }
    job->bytes = 3u << 20;
    job->started_at = BEGAN;
    job->finished_at = BEGAN + 2000;
    struct report_file *file = report_job_add_file(job);
    file->path = str_format("%s/backup_20251124-160000.xva", name);
    file->size_bytes = 2u << 20;
    return job;
}

static void fill(struct report *report)
{
    memcpy(report->run, "3f9a2c1b00e4d711", sizeof report->run);
    report->pool_name = mem_dup("lab");
    report->store_root = mem_dup("/mnt/backup");
    report->started_at = BEGAN;
    report->finished_at = BEGAN + 10000;
}

static const char *page(const struct report *report, struct str *out)
{
    report_format_html(report, out);
    return str_text(out);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        n++;
    return n;
}

static void check_balanced(const char *html)
{
    static const char *const tags[] = {"table", "tr", "td", "th", "div", "h2", "b", "p", "body"};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        char open[16], open_more[16], end[16];
        snprintf(open, sizeof open, "<%s>", tags[i]);
        snprintf(open_more, sizeof open_more, "<%s ", tags[i]);
        snprintf(end, sizeof end, "</%s>", tags[i]);
        assert_int_equal(count(html, open) + count(html, open_more), count(html, end));
    }
}

static void bad_news_stands_in_front_of_good(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.exit_status = 1};
    CLEAN_STR struct str out = STR_INIT;
    fill(&report);
    add(&report, "good1", JOB_STATE_DONE);
    add(&report, "left-out1", JOB_STATE_SKIPPED);
    struct report_job *bad = add(&report, "bad1", JOB_STATE_FAILED);
    bad->attempts = 3;
    text_list_add(&bad->warnings, "tried on another host");
    const char *html = page(&report, &out);
    const char *failed = strstr(html, "Failed: 1 of 3 backed up, 1 failed, 1 skipped, 1 warning");
    const char *bad_at = strstr(html, "<b>bad1</b><div"), *soft_at = strstr(html, "left-out1");
    const char *warning_at = strstr(html, "tried on another host");
    const char *good_at = strstr(html, "good1");
    assert_non_null(failed);
    assert_true(failed < bad_at && bad_at < soft_at && soft_at < warning_at &&
                warning_at < good_at);
    assert_non_null(strstr(html, "3 attempts"));
    assert_non_null(strstr(html, "2.0 MiB"));
    check_balanced(html);
}

static void a_run_that_went_well_says_so(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.exit_status = 0};
    CLEAN_STR struct str out = STR_INIT;
    fill(&report);
    add(&report, "web1", JOB_STATE_DONE);
    add(&report, "web2", JOB_STATE_DONE);
    const char *html = page(&report, &out);
    assert_non_null(strstr(html, "Done: all 2 backed up<"));
    assert_null(strstr(html, "Not backed up"));
    assert_null(strstr(html, "Warnings"));
    check_balanced(html);
}

static void a_run_that_could_not_begin_shows_its_error(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.exit_status = 3};
    CLEAN_STR struct str out = STR_INIT, outcome = STR_INIT;
    report.error = mem_dup("log in: connect to <xapi>: Connection refused");
    const char *html = page(&report, &out);
    assert_non_null(strstr(html, "Broken off: nothing backed up"));
    assert_non_null(strstr(html, "The run could not begin"));
    assert_non_null(strstr(html, "connect to &lt;xapi&gt;: Connection refused"));
    report_format_outcome(&report, &outcome);
    assert_string_equal(str_text(&outcome), "nothing backed up");
    check_balanced(html);
}

static void an_interrupted_run_says_so(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.exit_status = 6};
    CLEAN_STR struct str out = STR_INIT;
    fill(&report);
    add(&report, "web1", JOB_STATE_DONE);
    add(&report, "web2", JOB_STATE_CANCELLED);
    add(&report, "web3", JOB_STATE_RUNNING);
    const char *html = page(&report, &out);
    assert_non_null(strstr(html, "Interrupted: 1 of 3 backed up, 1 cancelled, 1 not ended"));
    assert_non_null(strstr(html, ">not ended<"));
    check_balanced(html);
}

static void names_from_the_pool_are_text_and_nothing_else(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.exit_status = 1};
    CLEAN_STR struct str out = STR_INIT;
    fill(&report);
    mem_set(&report.pool_name, "<b>&\"pool\"");
    struct report_job *bad = add(&report, "<script>alert(1)</script>", JOB_STATE_FAILED);
    mem_set(&bad->reason, "<img src=x>");
    mem_set(&bad->host_name, "h&1");
    text_list_add(&report.warnings, "<style>");
    const char *html = page(&report, &out);
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "<img"));
    assert_null(strstr(html, "<style>"));
    assert_non_null(strstr(html, "&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_non_null(strstr(html, "&lt;b&gt;&amp;&quot;pool&quot;"));
    assert_non_null(strstr(html, "h&amp;1"));
    check_balanced(html);
}

static void a_job_without_host_reason_or_name_is_shown(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.exit_status = 1};
    CLEAN_STR struct str out = STR_INIT;
    fill(&report);
    report_add_job(&report)->state = JOB_STATE_FAILED;
    const char *html = page(&report, &out);
    assert_non_null(strstr(html, "no reason was told"));
    check_balanced(html);
}

static void thousands_of_good_ones_are_counted_and_bad_ones_shown(void **state)
{
    (void)state;
    CLEAN_REPORT struct report report = {.exit_status = 1};
    CLEAN_STR struct str out = STR_INIT;
    fill(&report);
    for (int i = 0; i < 3000; i++)
        add(&report, "fine", JOB_STATE_DONE);
    for (int i = 0; i < 300; i++)
        add(&report, "broken", JOB_STATE_FAILED);
    const char *html = page(&report, &out);
    assert_int_equal(count(html, "<b>fine</b>"), REPORT_HTML_ROWS_MAX);
    assert_int_equal(count(html, "<b>broken</b>"), 300);
    assert_non_null(strstr(html, "and 2800 more: onyxpool report 3f9a2c1b00e4d711"));
    check_balanced(html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_news_stands_in_front_of_good),
        cmocka_unit_test(a_run_that_went_well_says_so),
        cmocka_unit_test(a_run_that_could_not_begin_shows_its_error),
        cmocka_unit_test(an_interrupted_run_says_so),
        cmocka_unit_test(names_from_the_pool_are_text_and_nothing_else),
        cmocka_unit_test(a_job_without_host_reason_or_name_is_shown),
        cmocka_unit_test(thousands_of_good_ones_are_counted_and_bad_ones_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
