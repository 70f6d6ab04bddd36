/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mail programs know little: no style sheets, no scripts, no layout but tables. Colours are chosen
 * to be read on white and are never the only sign.
 */
#include "coordinator/policy/report_html.h"

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/base/version.h"
#include "coordinator/policy/report.h"
#include "coordinator/policy/report_sum.h"

#include "common/base/poison.h"

#define INK "#1f2933"
#define SOFT "#6b7785"
#define LINE "#e4e7eb"
#define GOOD "#1b7f4b"
#define WARN "#9a5b00"
#define BAD "#b42318"
#define BAD_ROWS_MAX (10u * REPORT_HTML_ROWS_MAX)

#define FONT "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
#define CELL "padding:6px 10px;border-bottom:1px solid " LINE ";vertical-align:top;"
#define HEAD                                                                                       \
    "padding:6px 10px;border-bottom:2px solid " LINE ";color:" SOFT                                \
    ";font-size:12px;font-weight:600;text-align:"
#define NUMBER CELL "text-align:right;white-space:nowrap;"

/* ---- texts ---- */

static void add_text(struct str *out, const char *text)
{
    for (text = text ? text : "?"; *text; text++) {
        switch (*text) {
        case '&':
            str_add(out, "&amp;");
            break;
        case '<':
            str_add(out, "&lt;");
            break;
        case '>':
            str_add(out, "&gt;");
            break;
        case '"':
            str_add(out, "&quot;");
            break;
        default:
            str_add_char(out, *text);
        }
    }
}

static void add_cell(struct str *out, const char *style, const char *text)
{
    str_add_format(out, "<td style=\"%s\">", style);
    add_text(out, text);
    str_add(out, "</td>");
}

static bool has_gone_well(const struct report *report, const struct report_sums *sums)
{
    return !report->error && report->exit_status == 0 && sums->done_n + sums->skipped_n ==
                                                             sums->backups_n;
}

static size_t count_warnings(const struct report *report)
{
    size_t n = report->warnings.n;
    for (size_t i = 0; i < report->jobs_n; i++)
        n += report->jobs[i].warnings.n;
    return n;
}

void report_format_outcome(const struct report *report, struct str *out)
{
    struct report_sums sums = report_sum_up(report);
    size_t warnings_n = count_warnings(report);
    if (report->error && sums.backups_n == 0 && sums.verifies_n == 0) {
        str_add(out, "nothing backed up");
        return;
    }
    if (sums.backups_n == 0 && sums.verifies_n > 0)
        str_add_format(out, "%zu of %zu verified", sums.whole_n, sums.verifies_n);
    else if (sums.done_n == sums.backups_n)
        str_add_format(out, sums.done_n == 1 ? "%zu backed up" : "all %zu backed up", sums.done_n);
    else
        str_add_format(out, "%zu of %zu backed up", sums.done_n, sums.backups_n);
    if (sums.failed_n)
        str_add_format(out, ", %zu failed", sums.failed_n);
    if (sums.damaged_n)
        str_add_format(out, ", %zu older backup%s DAMAGED", sums.damaged_n,
                       sums.damaged_n == 1 ? "" : "s");
    if (sums.unread_n)
        str_add_format(out, ", %zu not verified", sums.unread_n);
    if (sums.cancelled_n)
        str_add_format(out, ", %zu cancelled", sums.cancelled_n);
    if (sums.skipped_n)
        str_add_format(out, ", %zu skipped", sums.skipped_n);
    if (sums.open_n)
        str_add_format(out, ", %zu not ended", sums.open_n);
    if (warnings_n)
        str_add_format(out, ", %zu warning%s", warnings_n, warnings_n == 1 ? "" : "s");
}

/* ---- parts ---- */

static void add_title(const struct report *report, const struct report_sums *sums,
                      struct str *out)
{
    bool is_well = has_gone_well(report, sums);
    const char *colour = !is_well ? BAD : count_warnings(report) ? WARN : GOOD;
    CLEAN_STR struct str outcome = STR_INIT;
    report_format_outcome(report, &outcome);
    str_add_format(out,
                   "<table role=\"presentation\" width=\"100%%\" cellspacing=\"0\" "
                   "cellpadding=\"0\"><tr><td style=\"background:%s;color:#ffffff;"
                   "padding:16px 20px;border-radius:6px;\">"
                   "<div style=\"font-size:13px;\">",
                   colour);
    if (report->pool_name && *report->pool_name) {
        str_add(out, "Backup of pool <b>");
        add_text(out, report->pool_name);
        str_add(out, "</b>");
    } else {
        str_add(out, "Backup of the pool");
    }
    str_add_format(out, "</div><div style=\"font-size:22px;font-weight:600;"
                        "padding-top:2px;\">%s: ",
                   report->error && report->exit_status == 6 ? "Interrupted"
                   : report->error                            ? "Broken off"
                   : is_well                                  ? "Done"
                   : report->exit_status == 6                 ? "Interrupted"
                                                              : "Failed");
    add_text(out, str_text(&outcome));
    str_add(out, "</div></td></tr></table>\n");
}

static void add_fact(struct str *out, const char *name, const char *value)
{
    str_add_format(out, "<tr><td style=\"padding:2px 16px 2px 0;color:" SOFT
                        ";white-space:nowrap;\">%s</td><td style=\"padding:2px 0;\">", name);
    add_text(out, value);
    str_add(out, "</td></tr>\n");
}

static void add_facts(const struct report *report, const struct report_sums *sums,
                      struct str *out)
{
    char time[CLOCK_ISO_MAX], took[NUM_TEXT_MAX], rate[NUM_TEXT_MAX];
    char read[NUM_TEXT_MAX], stored[NUM_TEXT_MAX];
    str_add(out, "<table role=\"presentation\" cellspacing=\"0\" cellpadding=\"0\" "
                 "style=\"margin:14px 0 0 0;font-size:14px;\">\n");
    if (report->started_at)
        add_fact(out, "Began", clock_format_local(report->started_at, time));
    if (report->continued_at)
        add_fact(out, "Continued", clock_format_local(report->continued_at, time));
    if (report->finished_at) {
        CLEAN_CHAR char *ended =
            str_format("%s, after %s", clock_format_local(report->finished_at, time),
                       num_format_duration(report_run_ms(report), took));
        add_fact(out, "Ended", ended);
    }
    if (sums->read_bytes) {
        CLEAN_STR struct str bytes = STR_INIT;
        str_add_format(&bytes, "%s read, %s stored", num_format_bytes(sums->read_bytes, read),
                       num_format_bytes(sums->stored_bytes, stored));
        if (report_run_ms(report) > 0)
            str_add_format(&bytes, ", %s over the whole run",
                           num_format_rate(sums->read_bytes, report_run_ms(report), rate));
        add_fact(out, "Data", str_text(&bytes));
    }
    if (sums->verifies_n) {
        CLEAN_STR struct str whole = STR_INIT;
        str_add_format(&whole, "%zu of %zu passed, %s read back", sums->whole_n, sums->verifies_n,
                       num_format_bytes(sums->verified_bytes, read));
        add_fact(out, "Verified", str_text(&whole));
    }
    if (report->removed.n) {
        CLEAN_STR struct str gone = STR_INIT;
        str_add_format(&gone, "%zu old backup%s, %s", report->removed.n,
                       report->removed.n == 1 ? "" : "s",
                       num_format_bytes(report->removed_bytes, read));
        add_fact(out, "Removed", str_text(&gone));
    }
    if (report->store_root)
        add_fact(out, "Folder", report->store_root);
    if (report->run[0])
        add_fact(out, "Run", report->run);
    str_add(out, "</table>\n");
}

static void begin_part(struct str *out, const char *title, const char *colour)
{
    str_add_format(out, "<h2 style=\"font-size:16px;margin:24px 0 6px 0;color:%s;\">%s</h2>\n",
                   colour, title);
}

static void begin_table(struct str *out)
{
    str_add(out, "<table width=\"100%\" cellspacing=\"0\" cellpadding=\"0\" "
                 "style=\"border-collapse:collapse;font-size:14px;\">\n");
}

/* "More than fits" of a table with so many columns. */
static void end_table(struct str *out, size_t left_out, unsigned columns, const char *run)
{
    if (left_out)
        str_add_format(out, "<tr><td colspan=\"%u\" style=\"" CELL "color:" SOFT
                            ";\">and %zu more: onyxpool report %s</td></tr>\n",
                       columns, left_out, run);
    str_add(out, "</table>\n");
}

/* What ended the run as a whole. */
static void add_broken_off(const struct report *report, struct str *out)
{
    if (!report->error)
        return;
    begin_part(out, report->run[0] ? "The run was broken off" : "The run could not begin", BAD);
    str_add(out, "<div style=\"padding:10px 14px;border-left:4px solid " BAD
                 ";background:#fef3f2;font-size:14px;\">");
    add_text(out, report->error);
    str_add(out, "</div>\n");
}

static bool is_trouble(const struct report_job *job)
{
    return job->kind != JOB_VERIFY && job->state != JOB_STATE_DONE &&
           (job_state_is_end(job->state) || report_is_backup(job));
}

/* A line in small type inside a cell. */
static void add_below(struct str *out, const char *colour, const char *text)
{
    str_add_format(out, "<div style=\"color:%s;font-size:12px;font-weight:400;\">", colour);
    add_text(out, text);
    str_add(out, "</div>");
}

static void add_trouble_row(const struct report_job *job, struct str *out)
{
    bool is_soft = job->state == JOB_STATE_SKIPPED || job->state == JOB_STATE_CANCELLED;
    str_add(out, "<tr><td style=\"" CELL "\"><b>");
    add_text(out, job->name);
    str_add(out, "</b>");
    add_below(out, SOFT, job_kind_name(job->kind));
    str_add_format(out, "</td><td style=\"" CELL "color:%s;font-weight:600;white-space:nowrap;\">"
                        "%s", is_soft ? WARN : BAD,
                   report_is_damage(job)          ? "damaged"
                   : job_state_is_end(job->state) ? job_state_name(job->state)
                                                  : "not ended");
    if (job->host_name && !is_soft) {
        CLEAN_CHAR char *where = str_format("on %s", job->host_name);
        add_below(out, SOFT, where);
    }
    if (job->attempts > 1) {
        CLEAN_CHAR char *often = str_format("%u attempts", job->attempts);
        add_below(out, SOFT, often);
    }
    str_add(out, "</td>");
    add_cell(out, CELL, job->reason ? job->reason : "no reason was told");
    str_add(out, "</tr>\n");
}

/* Failed ones, then those that nobody tried. */
static void add_trouble(const struct report *report, struct str *out)
{
    size_t n = 0;
    for (unsigned soft = 0; soft < 2; soft++) {
        for (size_t i = 0; i < report->jobs_n; i++) {
            const struct report_job *job = &report->jobs[i];
            bool is_soft = job->state == JOB_STATE_SKIPPED || job->state == JOB_STATE_CANCELLED;
            if (!is_trouble(job) || is_soft != (soft == 1))
                continue;
            if (n++ == 0) {
                begin_part(out, "Not backed up", BAD);
                begin_table(out);
                str_add(out, "<tr><th style=\"" HEAD "left;\">What</th><th style=\"" HEAD
                             "left;\">State</th><th style=\"" HEAD "left;\">Why</th></tr>\n");
            }
            if (n <= BAD_ROWS_MAX)
                add_trouble_row(job, out);
        }
    }
    if (n)
        end_table(out, n > BAD_ROWS_MAX ? n - BAD_ROWS_MAX : 0, 3, report->run);
}

/* Verify jobs that found damage, or the others that came to no verdict. */
static void add_unwell(const struct report *report, bool is_damage, struct str *out)
{
    size_t n = 0;
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        if (job->kind != JOB_VERIFY || job->state == JOB_STATE_DONE ||
            report_is_damage(job) != is_damage)
            continue;
        if (n++ == 0) {
            begin_part(out, is_damage ? "Damaged backups: they protect nothing any more"
                                      : "Not verified", BAD);
            begin_table(out);
            str_add(out, "<tr><th style=\"" HEAD "left;\">Backup</th><th style=\"" HEAD
                         "left;\">State</th><th style=\"" HEAD "left;\">Why</th></tr>\n");
        }
        if (n <= BAD_ROWS_MAX)
            add_trouble_row(job, out);
    }
    if (n)
        end_table(out, n > BAD_ROWS_MAX ? n - BAD_ROWS_MAX : 0, 3, report->run);
}

static void add_warning(const char *name, const char *text, size_t *n, struct str *out)
{
    if ((*n)++ == 0) {
        begin_part(out, "Warnings", WARN);
        begin_table(out);
    }
    if (*n > BAD_ROWS_MAX)
        return;
    str_add(out, "<tr><td style=\"" CELL "\">");
    if (name) {
        str_add(out, "<b>");
        add_text(out, name);
        str_add(out, "</b>: ");
    }
    add_text(out, text);
    str_add(out, "</td></tr>\n");
}

static void add_warnings(const struct report *report, struct str *out)
{
    size_t n = 0;
    for (size_t i = 0; i < report->warnings.n; i++)
        add_warning(NULL, report->warnings.items[i], &n, out);
    for (size_t i = 0; i < report->jobs_n; i++)
        for (size_t k = 0; k < report->jobs[i].warnings.n; k++)
            add_warning(report->jobs[i].name, report->jobs[i].warnings.items[k], &n, out);
    if (n)
        end_table(out, n > BAD_ROWS_MAX ? n - BAD_ROWS_MAX : 0, 1, report->run);
}

static void add_done_row(const struct report_job *job, struct str *out)
{
    char text[NUM_TEXT_MAX];
    int64_t ms = job->stream_ms ? job->stream_ms : job->finished_at - job->started_at;
    str_add(out, "<tr><td style=\"" CELL "\"><b>");
    add_text(out, job->name);
    str_add(out, "</b>");
    if (job->consistency)
        add_below(out, job->consistency == JOB_CRASH_CONSISTENT ? SOFT : GOOD,
                  job_consistency_name(job->consistency));
    for (size_t i = 0; i < job->files_n; i++) {
        str_add(out, "<div style=\"color:" SOFT ";font-size:12px;word-break:break-all;\">");
        add_text(out, job->files[i].path);
        str_add(out, "</div>");
    }
    if (job->attempts > 1) {
        CLEAN_CHAR char *often = str_format("after %u attempts", job->attempts);
        add_below(out, WARN, often);
    }
    CLEAN_CHAR char *pace = report_tell_pace(job);
    if (pace != NULL)
        add_below(out, SOFT, pace);
    str_add(out, "</td>");
    add_cell(out, CELL, job->host_name ? job->host_name : "-");
    add_cell(out, NUMBER, num_format_bytes(report_stored_bytes(job), text));
    str_add(out, "<td style=\"" NUMBER "\">");
    add_text(out, num_format_duration(ms, text));
    add_below(out, SOFT, num_format_rate(job->bytes, ms, text));
    str_add(out, "</td></tr>\n");
}

static void add_done(const struct report *report, struct str *out)
{
    size_t n = 0;
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        if (!report_is_backup(job) || job->state != JOB_STATE_DONE)
            continue;
        if (n++ == 0) {
            begin_part(out, "Backed up", GOOD);
            begin_table(out);
            str_add(out, "<tr><th style=\"" HEAD "left;\">What</th><th style=\"" HEAD
                         "left;\">Host</th><th style=\"" HEAD "right;\">Size</th><th style=\""
                         HEAD "right;\">Time</th></tr>\n");
        }
        if (n <= REPORT_HTML_ROWS_MAX)
            add_done_row(job, out);
    }
    if (n)
        end_table(out, n > REPORT_HTML_ROWS_MAX ? n - REPORT_HTML_ROWS_MAX : 0, 4, report->run);
}

static void add_verified(const struct report *report, struct str *out)
{
    size_t n = 0;
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        char text[NUM_TEXT_MAX];
        if (job->kind != JOB_VERIFY || job->state != JOB_STATE_DONE)
            continue;
        if (n++ == 0) {
            begin_part(out, "Verified", GOOD);
            begin_table(out);
            str_add(out, "<tr><th style=\"" HEAD "left;\">Backup</th><th style=\"" HEAD
                         "left;\">Proven by its</th><th style=\"" HEAD
                         "right;\">Size</th></tr>\n");
        }
        if (n > REPORT_HTML_ROWS_MAX)
            continue;
        str_add(out, "<tr>");
        add_cell(out, CELL "word-break:break-all;", job->name);
        add_cell(out, CELL, job->files_n && job->files[0].proof ? job->files[0].proof : "nothing, but could be read");
        add_cell(out, NUMBER, num_format_bytes(job->bytes, text));
        str_add(out, "</tr>\n");
    }
    if (n)
        end_table(out, n > REPORT_HTML_ROWS_MAX ? n - REPORT_HTML_ROWS_MAX : 0, 3, report->run);
}

static void add_hosts(const struct report *report, struct str *out)
{
    CLEAN_REPORT_HOSTS struct report_hosts hosts = {0};
    report_sum_hosts(report, &hosts);
    if (hosts.n == 0)
        return;
    begin_part(out, "By host", INK);
    begin_table(out);
    str_add(out, "<tr><th style=\"" HEAD "left;\">Host</th><th style=\"" HEAD
                 "right;\">Done</th><th style=\"" HEAD "right;\">Failed</th><th style=\"" HEAD
                 "right;\">Read</th><th style=\"" HEAD "right;\">Rate while busy</th></tr>\n");
    for (size_t i = 0; i < hosts.n; i++) {
        const struct report_host *host = &hosts.items[i];
        char text[NUM_TEXT_MAX];
        str_add(out, "<tr>");
        add_cell(out, CELL, host->name);
        str_add_format(out, "<td style=\"" NUMBER "\">%zu</td>", host->done_n);
        str_add_format(out, "<td style=\"" NUMBER "%s\">%zu</td>",
                       host->failed_n ? "color:" BAD ";font-weight:600;" : "", host->failed_n);
        add_cell(out, NUMBER, num_format_bytes(host->bytes, text));
        add_cell(out, NUMBER,
                 num_format_rate(host->bytes, host->busy_to - host->busy_from, text));
        str_add(out, "</tr>\n");
    }
    end_table(out, 0, 5, report->run);
}

void report_format_html(const struct report *report, struct str *out)
{
    struct report_sums sums = report_sum_up(report);
    str_add(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                 "<meta name=\"viewport\" content=\"width=device-width\">"
                 "<title>Backup report</title></head>\n"
                 "<body style=\"margin:0;padding:0;background:#f5f7fa;\">\n"
                 "<table role=\"presentation\" width=\"100%\" cellspacing=\"0\" "
                 "cellpadding=\"0\"><tr><td align=\"center\" style=\"padding:16px;\">\n"
                 "<table role=\"presentation\" width=\"100%\" cellspacing=\"0\" "
                 "cellpadding=\"0\" style=\"max-width:820px;background:#ffffff;border:1px solid "
                 LINE ";border-radius:8px;\"><tr><td style=\"padding:20px;" FONT
                 "color:" INK ";line-height:1.4;text-align:left;\">\n");
    add_title(report, &sums, out);
    add_broken_off(report, out);
    add_facts(report, &sums, out);
    add_unwell(report, true, out);
    add_trouble(report, out);
    add_unwell(report, false, out);
    add_warnings(report, out);
    add_done(report, out);
    add_verified(report, out);
    add_hosts(report, out);
    str_add(out, "<p style=\"color:" SOFT ";font-size:12px;margin:24px 0 0 0;\">onyxpool "
                 VERSION_TEXT "</p>\n</td></tr></table>\n</td></tr></table>\n</body></html>\n");
}
