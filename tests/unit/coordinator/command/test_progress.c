/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a run shows: lines that fit, changes in words, and plain lines where no terminal is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "coordinator/command/progress.h"
#include "coordinator/run/run.h"
#include "coordinator/policy/plan.h"

#define MIB (UINT64_C(1024) * 1024)
#define OUTPUT_MAX 65536

static struct run_job running_job(void)
{
    return (struct run_job){.kind = JOB_BACKUP_VM,
                            .state = JOB_STATE_RUNNING,
                            .phase = JOB_PHASE_STREAM,
                            .attempt = 1,
                            .vm_name = "web1",
                            .host_name = "host-1",
                            .bytes = 300 * MIB,
                            .estimate_bytes = 1200 * MIB,
                            .rate_bytes_s = 98 * MIB};
}

static void job_when_formatted_then_all_is_told_and_it_fits(void **state)
{
    (void)state;
    struct run_job job = running_job();
    CLEAN_STR struct str line = STR_INIT;
    progress_format_job(&job, 80, &line);
    assert_non_null(strstr(str_text(&line), "host-1"));
    assert_non_null(strstr(str_text(&line), "web1"));
    assert_non_null(strstr(str_text(&line), "streaming"));
    assert_non_null(strstr(str_text(&line), "300 MiB 25%"));
    assert_non_null(strstr(str_text(&line), "98.0 MiB/s"));
}

static void job_when_its_texts_are_long_then_it_fits_any_width(void **state)
{
    (void)state;
    struct run_job job = running_job();
    job.vm_name = "a-virtual-machine-whose-name-is-longer-than-any-line-of-a-screen-\xc3\xbc";
    job.host_name = "a-host-with-a-name-that-is-long-too.example.org";
    job.bytes = UINT64_MAX / 2;
    job.rate_bytes_s = UINT64_MAX / 2;
    for (size_t columns = 40; columns <= 80; columns++) {
        CLEAN_STR struct str line = STR_INIT;
        progress_format_job(&job, columns, &line);
        if (str_columns(str_text(&line)) > columns)
            fail_msg("%zu columns: %s", columns, str_text(&line));
    }
}

static void job_when_over_its_estimate_then_never_a_hundred_percent(void **state)
{
    (void)state;
    struct run_job job = running_job();
    CLEAN_STR struct str line = STR_INIT;
    job.bytes = 5 * job.estimate_bytes;
    progress_format_job(&job, 80, &line);
    assert_non_null(strstr(str_text(&line), " 99%"));
}

static void job_when_hung_then_told_so(void **state)
{
    (void)state;
    struct run_job job = running_job();
    CLEAN_STR struct str line = STR_INIT;
    job.is_hung = true;
    progress_format_job(&job, 80, &line);
    assert_non_null(strstr(str_text(&line), "HUNG"));
}

static void totals_when_formatted_then_fit_any_width(void **state)
{
    (void)state;
    const struct run_totals totals = {.jobs_n = 5000, .done_n = 1234, .failed_n = 99,
                                      .skipped_n = 12, .running_n = 128, .waiting_n = 3000,
                                      .bytes = UINT64_MAX / 2, .estimate_bytes = UINT64_MAX / 2,
                                      .rate_bytes_s = UINT64_MAX / 2, .elapsed_ms = 86400000};
    for (size_t columns = 40; columns <= 160; columns++) {
        CLEAN_STR struct str line = STR_INIT;
        progress_format_totals(&totals, columns, &line);
        assert_true(str_columns(str_text(&line)) <= columns);
        assert_non_null(strstr(str_text(&line), "1234 of 5000 done, 99 failed"));
    }
}

static void totals_when_the_pool_is_away_then_say_so_first(void **state)
{
    (void)state;
    const struct run_totals totals = {.jobs_n = 2, .running_n = 2, .away_ms = 120000};
    CLEAN_STR struct str line = STR_INIT;
    progress_format_totals(&totals, 79, &line);
    const char start[] = "the pool can't be reached for 2m 00s; 0 of 2 done";
    assert_memory_equal(str_text(&line), start, sizeof start - 1);
}

static void change_when_told_then_in_words(void **state)
{
    (void)state;
    static const struct {
        enum job_state state;
        uint32_t attempt;
        const char *reason, *want; /* NULL: not worth a line */
    } changes[] = {
        {JOB_STATE_ASSIGNED, 1, NULL, "web1: begins on host-1"},
        {JOB_STATE_ASSIGNED, 2, NULL, "web1: begins on host-1 (attempt 2)"},
        {JOB_STATE_RUNNING, 1, NULL, NULL},
        {JOB_STATE_DONE, 1, NULL, "web1: done on host-1, 300 MiB read"},
        {JOB_STATE_FAILED, 3, "HTTP 500", "web1: failed on host-1: HTTP 500"},
        {JOB_STATE_LOST, 1, NULL, "web1: lost on host-1: no reason was told"},
        {JOB_STATE_CANCELLED, 1, NULL, "web1: cancelled"},
        {JOB_STATE_SKIPPED, 0, "gone", "web1: skipped: gone"},
        {JOB_STATE_WAITING, 1, "HTTP 500", "web1: waits for another attempt: HTTP 500"},
        {JOB_STATE_WAITING, 0, "busy", NULL},
        {JOB_STATE_PLANNED, 0, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct run_job job = running_job();
        CLEAN_STR struct str line = STR_INIT;
        job.state = changes[i].state;
        job.attempt = changes[i].attempt;
        job.reason = changes[i].reason;
        assert_int_equal(progress_format_change(&job, &line), changes[i].want != NULL);
        if (changes[i].want)
            assert_string_equal(str_text(&line), changes[i].want);
    }
}

static void failure_when_it_never_began_then_no_host_is_told(void **state)
{
    (void)state;
    struct run_job job = running_job();
    CLEAN_STR struct str line = STR_INIT;
    job.state = JOB_STATE_FAILED;
    job.host_name = NULL;
    job.reason = "no room";
    assert_true(progress_format_change(&job, &line));
    assert_string_equal(str_text(&line), "web1: failed: no room");
}

/* Send events into a pipe, which is no terminal, and give what came out. */
static void tell_events(const struct run_event *events, size_t n, struct str *out)
{
    CLEAN_FD int reader = -1;
    CLEAN_FD int writer = -1;
    struct error err = ERROR_INIT;
    size_t got_n = 0;
    assert_int_equal(fd_pipe(&reader, &writer, &err), 0);
    CLEAN_PROGRESS struct progress *progress = progress_begin(writer);
    for (size_t i = 0; i < n; i++)
        progress_event(progress, &events[i]);
    log_warn("room", "a line of the log");
    progress_end(&progress);
    fd_close(&writer);
    char *room = str_reserve(out, OUTPUT_MAX);
    assert_int_equal(fd_read_upto(reader, room, OUTPUT_MAX, &got_n, &err), 0);
    str_set_len(out, got_n);
}

static void events_when_no_terminal_then_plain_lines(void **state)
{
    (void)state;
    struct plan_skipped skipped = {JOB_BACKUP_VM, NULL, mem_dup("old"), mem_dup("no host"), true};
    const struct plan plan = {.skipped = &skipped, .skipped_n = 1};
    struct run_job failed = running_job();
    failed.state = JOB_STATE_FAILED;
    failed.vm_name = "a\033[31mb";
    failed.reason = "HTTP 500";
    const struct run_event events[] = {
        {.kind = RUN_EVENT_STAGE, .stage = RUN_STAGE_MUSTER},
        {.kind = RUN_EVENT_STARTED, .run = "0123456789abcdef", .is_continued = true},
        {.kind = RUN_EVENT_PLAN, .plan = &plan},
        {.kind = RUN_EVENT_AGENT, .host_uuid = "u", .host_name = "h1"},
        {.kind = RUN_EVENT_AGENT, .host_uuid = "u", .text = "another store"},
        {.kind = RUN_EVENT_JOB, .job = failed},
        {.kind = RUN_EVENT_PROGRESS, .jobs = &failed, .jobs_n = 1},
        {.kind = RUN_EVENT_WARNING, .text = "take care"},
    };
    CLEAN_STR struct str out = STR_INIT;
    tell_events(events, sizeof events / sizeof *events, &out);
    const char *text = str_text(&out);
    assert_null(strchr(text, '\033'));
    assert_non_null(strstr(text, " gathering agents\n"));
    assert_non_null(strstr(text, "continuing the unfinished run: 0123456789abcdef\n"));
    assert_non_null(strstr(text, "error: old: left out: no host\n"));
    assert_non_null(strstr(text, "h1: its agent is ready\n"));
    assert_non_null(strstr(text, "warn: u: another store\n"));
    assert_non_null(strstr(text, "error: a?[31mb: failed on host-1: HTTP 500\n"));
    assert_non_null(strstr(text, "warn: take care\n"));
    assert_non_null(strstr(text, "warn: room: a line of the log\n"));
    mem_free_char(&skipped.name);
    mem_free_char(&skipped.reason);
}

static void events_when_the_level_is_warning_then_only_what_needs_a_person(void **state)
{
    (void)state;
    const struct run_event events[] = {
        {.kind = RUN_EVENT_STAGE, .stage = RUN_STAGE_MUSTER},
        {.kind = RUN_EVENT_WARNING, .text = "take care"},
    };
    CLEAN_STR struct str out = STR_INIT;
    log_set_level(LOG_LEVEL_WARN);
    tell_events(events, 2, &out);
    log_set_level(LOG_LEVEL_INFO);
    assert_null(strstr(str_text(&out), "gathering"));
    assert_non_null(strstr(str_text(&out), "take care"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(job_when_formatted_then_all_is_told_and_it_fits),
        cmocka_unit_test(job_when_its_texts_are_long_then_it_fits_any_width),
        cmocka_unit_test(job_when_over_its_estimate_then_never_a_hundred_percent),
        cmocka_unit_test(job_when_hung_then_told_so),
        cmocka_unit_test(totals_when_formatted_then_fit_any_width),
        cmocka_unit_test(totals_when_the_pool_is_away_then_say_so_first),
        cmocka_unit_test(change_when_told_then_in_words),
        cmocka_unit_test(failure_when_it_never_began_then_no_host_is_told),
        cmocka_unit_test(events_when_no_terminal_then_plain_lines),
        cmocka_unit_test(events_when_the_level_is_warning_then_only_what_needs_a_person),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
