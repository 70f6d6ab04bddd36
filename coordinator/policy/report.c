/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Everything is derived from the report's rows here, so that text and JSON can't disagree.
 */
#include "coordinator/policy/report.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/base/option.h"
#include "coordinator/policy/cell.h"
#include "coordinator/policy/json_text.h"
#include "coordinator/policy/report_sum.h"

#include "common/base/poison.h"

#define NAME_COLUMNS 26
#define HOST_COLUMNS 14
#define TEXT_COLUMNS 80

void report_done(struct report *report)
{
    for (size_t i = 0; i < report->jobs_n; i++) {
        struct report_job *job = &report->jobs[i];
        mem_free_char(&job->name);
        mem_free_char(&job->vm_uuid);
        mem_free_char(&job->chosen_by);
        mem_free_char(&job->host_name);
        mem_free_char(&job->reason);
        mem_free_char(&job->error_name);
        text_list_done(&job->warnings);
        for (size_t k = 0; k < job->files_n; k++) {
            mem_free_char(&job->files[k].path);
            mem_free_char(&job->files[k].sha256);
            mem_free_char(&job->files[k].proof);
        }
        mem_free_void(&job->files);
    }
    mem_free_void(&report->jobs);
    mem_free_char(&report->state);
    mem_free_char(&report->pool_name);
    mem_free_char(&report->pool_uuid);
    mem_free_char(&report->store_root);
    mem_free_char(&report->error);
    text_list_done(&report->warnings);
    text_list_done(&report->removed);
    *report = (struct report){0};
}

struct report_job *report_add_job(struct report *report)
{
    report->jobs = mem_grow(report->jobs, &report->jobs_cap, report->jobs_n + 1,
                            sizeof *report->jobs);
    struct report_job *job = &report->jobs[report->jobs_n++];
    *job = (struct report_job){0};
    return job;
}

struct report_file *report_job_add_file(struct report_job *job)
{
    job->files = mem_grow(job->files, &job->files_cap, job->files_n + 1, sizeof *job->files);
    struct report_file *file = &job->files[job->files_n++];
    *file = (struct report_file){0};
    return file;
}

/* ---- text ---- */

static void add_item(struct str *out, const char *text)
{
    str_add(out, "  - ");
    option_wrap(text, 4, 4, out);
}

static void add_verify_head(const struct report_sums *sums, struct str *out)
{
    char read[NUM_TEXT_MAX];

    if (sums->verifies_n == 0)
        return;
    str_add_format(out, "  verify %zu of %zu passed", sums->whole_n, sums->verifies_n);
    if (sums->damaged_n)
        str_add_format(out, ", %zu DAMAGED", sums->damaged_n);
    if (sums->unread_n)
        str_add_format(out, ", %zu could not be read", sums->unread_n);
    str_add_format(out, ", %s read back\n", num_format_bytes(sums->verified_bytes, read));
}

static void add_head(const struct report *report, const struct report_sums *sums, struct str *out)
{
    char from[CLOCK_ISO_MAX], to[CLOCK_ISO_MAX], took[NUM_TEXT_MAX];
    char read[NUM_TEXT_MAX], stored[NUM_TEXT_MAX], rate[NUM_TEXT_MAX];
    str_add_format(out, "Run %s of pool %s: %s\n", report->run,
                   report->pool_name && *report->pool_name ? report->pool_name : "(no name)",
                   report->state);
    str_add_format(out, "  began  %s\n", clock_format_local(report->started_at, from));
    if (report->continued_at)
        str_add_format(out, "  again  %s (continued)\n",
                       clock_format_local(report->continued_at, from));
    if (report->finished_at)
        str_add_format(out, "  ended  %s, after %s\n", clock_format_local(report->finished_at, to),
                       num_format_duration(report_run_ms(report), took));
    if (report->store_root)
        str_add_format(out, "  store  %s\n", report->store_root);
    add_verify_head(sums, out);
    if (sums->backups_n == 0 && sums->verifies_n > 0)
        return;
    str_add_format(out, "  jobs   %zu of %zu done", sums->done_n, sums->backups_n);
    if (sums->failed_n)
        str_add_format(out, ", %zu failed", sums->failed_n);
    if (sums->skipped_n)
        str_add_format(out, ", %zu skipped", sums->skipped_n);
    if (sums->cancelled_n)
        str_add_format(out, ", %zu cancelled", sums->cancelled_n);
    if (sums->open_n)
        str_add_format(out, ", %zu not ended", sums->open_n);
    str_add_format(out, "\n  bytes  %s read, %s stored", num_format_bytes(sums->read_bytes, read),
                   num_format_bytes(sums->stored_bytes, stored));
    if (report->finished_at && report_run_ms(report) > 0 && sums->read_bytes)
        str_add_format(out, ", %s over the whole run",
                       num_format_rate(sums->read_bytes, report_run_ms(report), rate));
    str_add_char(out, '\n');
    if (report->removed.n)
        str_add_format(out, "  gone   %zu old backup%s, %s\n", report->removed.n,
                       report->removed.n == 1 ? "" : "s",
                       num_format_bytes(report->removed_bytes, read));
}

/* Verify jobs that found damage, or the others that came to no verdict. */
static void add_unwell(const struct report *report, bool is_damage, struct str *out)
{
    bool has_any = false;
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        if (job->kind != JOB_VERIFY || job->state == JOB_STATE_DONE ||
            !job_state_is_end(job->state) || report_is_damage(job) != is_damage)
            continue;
        if (!has_any)
            str_add(out, is_damage ? "\nDAMAGED BACKUPS: they protect nothing any more\n"
                                   : "\nNot verified\n");
        has_any = true;
        CLEAN_CHAR char *line =
            str_format("%s %s%s%s: %s", job->name, is_damage ? "is damaged" : job_state_name(job->state),
                       job->host_name ? ", read by " : "", job->host_name ? job->host_name : "",
                       job->reason ? job->reason : "no reason was told");
        add_item(out, line);
    }
}

static void add_trouble(const struct report *report, struct str *out)
{
    bool has_any = false;
    if (report->error) {
        str_add(out, "\nThe run was broken off\n");
        add_item(out, report->error);
    }
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        if (job->state == JOB_STATE_DONE || !job_state_is_end(job->state) ||
            job->kind == JOB_VERIFY)
            continue;
        if (!has_any)
            str_add(out, "\nNot backed up\n");
        has_any = true;
        CLEAN_CHAR char *line = str_format(
            "%s (%s) %s%s%s: %s", job->name, job_kind_name(job->kind), job_state_name(job->state),
            job->host_name ? " on " : "", job->host_name ? job->host_name : "",
            job->reason ? job->reason : "no reason was told");
        add_item(out, line);
    }
}

static void add_warnings(const struct report *report, struct str *out)
{
    bool has_any = false;
    for (size_t i = 0; i < report->warnings.n; i++) {
        if (!has_any)
            str_add(out, "\nWarnings\n");
        has_any = true;
        add_item(out, report->warnings.items[i]);
    }
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        for (size_t k = 0; k < job->warnings.n; k++) {
            if (!has_any)
                str_add(out, "\nWarnings\n");
            has_any = true;
            CLEAN_CHAR char *line = str_format("%s: %s", job->name, job->warnings.items[k]);
            add_item(out, line);
        }
    }
}

/* How still the guest was, and the path: on two lines where one has no room, never cut. */
static void add_backup_file(const struct report_job *job, const char *path, struct str *out)
{
    const char *still = job->consistency ? job_consistency_name(job->consistency) : NULL;
    bool has_room = !still || 4 + strlen(still) + 2 + str_columns(path) <= TEXT_COLUMNS;

    str_add(out, "    ");
    if (still)
        str_add_format(out, "%s%s", still, has_room ? ", " : "\n    ");
    str_add_format(out, "%s\n", path);
}

static void add_backups(const struct report *report, struct str *out)
{
    bool has_any = false;
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        char size[NUM_TEXT_MAX], rate[NUM_TEXT_MAX], took[NUM_TEXT_MAX];
        if (!report_is_backup(job) || job->state != JOB_STATE_DONE)
            continue;
        if (!has_any)
            str_add(out, "\nBacked up                   on host              size"
                         "        rate       time\n");
        has_any = true;
        int64_t stream_ms = job->stream_ms ? job->stream_ms : job->finished_at - job->started_at;
        str_add(out, "  ");
        cell_add(out, job->name, NAME_COLUMNS - 1, false);
        str_add_char(out, ' '); /* between them, however long the name is */
        cell_add(out, job->host_name ? job->host_name : "-", HOST_COLUMNS, false);
        cell_add(out, num_format_bytes(report_stored_bytes(job), size), 11, true);
        cell_add(out, num_format_rate(job->bytes, stream_ms, rate), 13, true);
        cell_add(out, num_format_duration(stream_ms, took), 10, true);
        cell_end_line(out);
        for (size_t k = 0; k < job->files_n; k++) {
            add_backup_file(job, job->files[k].path, out);
        }
        if (job->attempts > 1)
            str_add_format(out, "    after %u attempts\n", job->attempts);
        CLEAN_CHAR char *pace = report_tell_pace(job);
        if (pace != NULL)
            str_add_format(out, "    %s\n", pace);
    }
}

static void add_verified(const struct report *report, struct str *out)
{
    bool has_any = false;
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        char size[NUM_TEXT_MAX];
        if (job->kind != JOB_VERIFY || job->state != JOB_STATE_DONE)
            continue;
        if (!has_any)
            str_add(out, "\nVerified\n");
        has_any = true;
        CLEAN_STR struct str line = STR_INIT;
        str_add_format(&line, "%s, %s", job->name, num_format_bytes(job->bytes, size));
        if (job->files_n && job->files[0].proof)
            str_add_format(&line, ", proven by its %s", job->files[0].proof);
        else
            str_add(&line, ", could be read");
        str_add(out, "  ");
        option_wrap(str_text(&line), 2, 4, out);
    }
}

static void add_hosts(const struct report *report, struct str *out)
{
    CLEANUP(report_hosts_done) struct report_hosts sums = {0};
    report_sum_hosts(report, &sums);
    if (sums.n == 0)
        return;
    str_add(out, "\nBy host                        jobs   failed         read"
                 "   rate while busy\n");
    for (size_t i = 0; i < sums.n; i++) {
        const struct report_host *sum = &sums.items[i];
        char text[NUM_TEXT_MAX];
        str_add(out, "  ");
        cell_add(out, sum->name, NAME_COLUMNS, false);
        CLEAN_CHAR char *done = str_format("%zu", sum->done_n);
        CLEAN_CHAR char *failed = str_format("%zu", sum->failed_n);
        cell_add(out, done, 7, true);
        cell_add(out, failed, 9, true);
        cell_add(out, num_format_bytes(sum->bytes, text), 13, true);
        cell_add(out, num_format_rate(sum->bytes, sum->busy_to - sum->busy_from, text), 18, true);
        cell_end_line(out);
    }
}

void report_format_text(const struct report *report, struct str *out)
{
    struct report_sums sums = report_sum_up(report);
    add_head(report, &sums, out);
    add_unwell(report, true, out);
    add_trouble(report, out);
    add_unwell(report, false, out);
    add_warnings(report, out);
    add_backups(report, out);
    add_verified(report, out);
    add_hosts(report, out);
}

/* ---- JSON ---- */

static void add_json_job(const struct report_job *job, struct json_text *json)
{
    json_text_begin_object(json, NULL);
    json_text_add(json, "id", job->id);
    json_text_add(json, "kind", job_kind_name(job->kind));
    json_text_add(json, "state", job_state_name(job->state));
    json_text_add(json, "name", job->name);
    json_text_add(json, "vm_uuid", job->vm_uuid);
    json_text_add(json, "chosen_by", job->chosen_by);
    json_text_add(json, "host", job->host_name);
    json_text_add_number(json, "attempts", job->attempts);
    json_text_add_bytes(json, "bytes", job->bytes);
    json_text_add_time(json, "started_at", job->started_at);
    json_text_add_time(json, "finished_at", job->finished_at);
    json_text_add_number(json, "stream_ms", job->stream_ms);
    json_text_add_number(json, "throttled_ms", job->throttled_ms);
    json_text_add_bytes(json, "rate_limit", job->rate_limit);
    json_text_add(json, "consistency",
                  job->consistency ? job_consistency_name(job->consistency) : NULL);
    json_text_add(json, "reason", job->reason);
    json_text_add(json, "error", job->error_name);
    json_text_add_list(json, "warnings", &job->warnings);
    json_text_begin_array(json, "files");
    for (size_t i = 0; i < job->files_n; i++) {
        json_text_begin_object(json, NULL);
        json_text_add(json, "path", job->files[i].path);
        json_text_add_bytes(json, "size_bytes", job->files[i].size_bytes);
        json_text_add(json, "sha256", job->files[i].sha256);
        json_text_add(json, "proof", job->files[i].proof);
        json_text_end_object(json);
    }
    json_text_end_array(json);
    json_text_end_object(json);
}

static void add_json_sums(const struct report *report, struct json_text *json)
{
    struct report_sums sums = report_sum_up(report);
    json_text_begin_object(json, "totals");
    json_text_add_bytes(json, "jobs", sums.backups_n);
    json_text_add_bytes(json, "done", sums.done_n);
    json_text_add_bytes(json, "failed", sums.failed_n);
    json_text_add_bytes(json, "skipped", sums.skipped_n);
    json_text_add_bytes(json, "cancelled", sums.cancelled_n);
    json_text_add_bytes(json, "bytes_read", sums.read_bytes);
    json_text_add_bytes(json, "bytes_stored", sums.stored_bytes);
    json_text_add_bytes(json, "verified", sums.whole_n);
    json_text_add_bytes(json, "damaged", sums.damaged_n);
    json_text_add_bytes(json, "bytes_verified", sums.verified_bytes);
    json_text_end_object(json);
    CLEANUP(report_hosts_done) struct report_hosts hosts = {0};
    report_sum_hosts(report, &hosts);
    json_text_begin_array(json, "hosts");
    for (size_t i = 0; i < hosts.n; i++) {
        json_text_begin_object(json, NULL);
        json_text_add(json, "name", hosts.items[i].name);
        json_text_add_bytes(json, "done", hosts.items[i].done_n);
        json_text_add_bytes(json, "failed", hosts.items[i].failed_n);
        json_text_add_bytes(json, "bytes_read", hosts.items[i].bytes);
        json_text_add_number(json, "busy_ms", hosts.items[i].busy_to - hosts.items[i].busy_from);
        json_text_end_object(json);
    }
    json_text_end_array(json);
}

void report_format_json(const struct report *report, struct str *out)
{
    struct json_text json = {.out = out};
    json_text_begin_object(&json, NULL);
    json_text_add(&json, "run", report->run);
    json_text_add(&json, "state", report->state);
    json_text_add(&json, "pool", report->pool_name);
    json_text_add(&json, "pool_uuid", report->pool_uuid);
    json_text_add(&json, "store", report->store_root);
    json_text_add_time(&json, "started_at", report->started_at);
    json_text_add_time(&json, "continued_at", report->continued_at);
    json_text_add_time(&json, "finished_at", report->finished_at);
    json_text_add_number(&json, "exit_status", report->exit_status);
    json_text_add(&json, "error", report->error);
    add_json_sums(report, &json);
    json_text_add_list(&json, "warnings", &report->warnings);
    json_text_add_list(&json, "removed", &report->removed);
    json_text_add_number(&json, "removed_bytes", (int64_t)report->removed_bytes);
    json_text_begin_array(&json, "jobs");
    for (size_t i = 0; i < report->jobs_n; i++)
        add_json_job(&report->jobs[i], &json);
    json_text_end_array(&json);
    json_text_end_object(&json);
    json_text_end(&json);
}
