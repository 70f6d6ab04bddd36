/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The picture on a terminal is erased and drawn again with each change: cursor up by the lines
 * that stand there, clear to the end. Log lines come from any thread, so a lock guards the picture.
 */
#include "coordinator/command/progress.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "coordinator/run/run.h"
#include "coordinator/policy/cell.h"
#include "coordinator/policy/plan.h"

#include "common/base/poison.h"

#define COLUMNS_MAX 80u
#define COLUMNS_MIN 40u
#define ROWS_DEFAULT 24u
#define PLAIN_TOTAL_MS 60000 /* between two totals in plain lines */
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

struct progress {
    int fd;
    bool is_terminal;
    bool has_colour;
    pthread_mutex_t lock;
    unsigned drawn_n; /* lines of the picture that stand there */
    int64_t total_at; /* monotonic, of the last plain total */
};

/* ---- texts ---- */

static const char *subject_of(const struct run_job *job)
{
    if (job->kind == JOB_CLEANUP)
        return job->vm_name ? job->vm_name : "leftovers";
    return job->vm_name ? job->vm_name : job->folder ? job->folder : job_kind_name(job->kind);
}

static const char *doing(const struct run_job *job)
{
    if (job->is_hung)
        return "HUNG";
    if (job->state == JOB_STATE_ASSIGNED)
        return "assigned";
    if (job->kind == JOB_VERIFY)
        return "reading it back";
    if (job->kind == JOB_EXPIRE)
        return "expiring";
    return job->kind == JOB_CLEANUP ? "cleaning up" : job_phase_name(job->phase);
}

void progress_format_job(const struct run_job *job, size_t columns, struct str *out)
{
    char bytes[NUM_TEXT_MAX], rate[NUM_TEXT_MAX];
    CLEAN_STR struct str tail = STR_INIT;
    num_format_bytes(job->bytes, bytes);
    num_format_rate(job->rate_bytes_s, 1000, rate);
    cell_add(&tail, job->bytes ? bytes : "", 10, true);
    if (job->estimate_bytes && job->bytes) {
        uint64_t percent = job->bytes >= job->estimate_bytes
                               ? 99 /* an estimate is no promise: 100 is for what has ended */
                               : job->bytes * 100 / job->estimate_bytes;
        str_add_format(&tail, " %2u%%", (unsigned)(percent > 99 ? 99 : percent));
    } else {
        str_add(&tail, "    ");
    }
    cell_add(&tail, job->rate_bytes_s ? rate : "", 12, true);
    size_t host_columns = columns >= 70 ? 12 : 8, doing_columns = 12;
    size_t used = 2 + host_columns + 1 + 1 + doing_columns + tail.len;
    size_t name_columns = columns > used + 4 ? columns - used : 4;
    str_add(out, "  ");
    cell_add(out, job->host_name ? job->host_name : "?", host_columns, false);
    str_add_char(out, ' ');
    cell_add(out, subject_of(job), name_columns, false);
    str_add_char(out, ' ');
    if (used + name_columns <= columns) {
        cell_add(out, doing(job), doing_columns, false);
        str_add(out, str_text(&tail));
    } else {
        cell_add(out, job->bytes ? bytes : doing(job), 12, true);
    }
}

void progress_format_totals(const struct run_totals *totals, size_t columns, struct str *out)
{
    char bytes[NUM_TEXT_MAX], of[NUM_TEXT_MAX], rate[NUM_TEXT_MAX], took[NUM_TEXT_MAX];
    CLEAN_STR struct str text = STR_INIT;
    if (totals->away_ms)
        str_add_format(&text, "the pool can't be reached for %s; ",
                       num_format_duration(totals->away_ms, took));
    str_add_format(&text, "%zu of %zu done", totals->done_n, totals->jobs_n);
    if (totals->failed_n)
        str_add_format(&text, ", %zu failed", totals->failed_n);
    if (totals->skipped_n)
        str_add_format(&text, ", %zu skipped", totals->skipped_n);
    str_add_format(&text, ", %zu running, %zu waiting", totals->running_n, totals->waiting_n);
    CLEAN_STR struct str amount = STR_INIT;
    str_add_format(&amount, "%s of about %s, %s, %s", num_format_bytes(totals->bytes, bytes),
                   num_format_bytes(totals->estimate_bytes, of),
                   num_format_rate(totals->rate_bytes_s, 1000, rate),
                   num_format_duration(totals->elapsed_ms, took));
    if (text.len + 2 + amount.len <= columns)
        str_add_format(&text, "; %s", str_text(&amount));
    else
        str_add_format(&text, "; %s", num_format_rate(totals->rate_bytes_s, 1000, rate));
    if (text.len > columns)
        str_set_len(&text, columns);
    str_add(out, str_text(&text));
}

bool progress_format_change(const struct run_job *job, struct str *out)
{
    char bytes[NUM_TEXT_MAX];
    const char *host = job->host_name ? job->host_name : "an unknown host";
    const char *why = job->reason ? job->reason : "no reason was told";
    str_add_format(out, "%s%s: ",
                   job->kind == JOB_CLEANUP  ? "cleanup of "
                   : job->kind == JOB_EXPIRE ? "old backups of "
                   : job->kind == JOB_VERIFY ? "verify of "
                                             : "",
                   subject_of(job));
    switch (job->state) {
    case JOB_STATE_ASSIGNED:
        str_add_format(out, "begins on %s", host);
        if (job->attempt > 1)
            str_add_format(out, " (attempt %u)", job->attempt);
        return true;
    case JOB_STATE_DONE:
        str_add_format(out, "done on %s", host);
        if (job_kind_is_backup(job->kind))
            str_add_format(out, ", %s read", num_format_bytes(job->bytes, bytes));
        return true;
    case JOB_STATE_FAILED:
    case JOB_STATE_LOST:
        str_add(out, job_state_name(job->state));
        if (job->host_name) /* one that could not begin has none */
            str_add_format(out, " on %s", host);
        str_add_format(out, ": %s", why);
        return true;
    case JOB_STATE_CANCELLED:
        str_add(out, "cancelled");
        return true;
    case JOB_STATE_SKIPPED:
        str_add_format(out, "skipped: %s", why);
        return true;
    case JOB_STATE_PLANNED:
    case JOB_STATE_WAITING:
        if (!job->reason || job->attempt == 0)
            break;
        str_add_format(out, "waits for another attempt: %s", why);
        return true;
    case JOB_STATE_RUNNING:
        break;
    }
    return false;
}

/* ---- drawing ---- */

/* Control characters of names do not reach the terminal. */
static void say(struct progress *progress, const char *text, size_t n)
{
    fd_write_all(progress->fd, text, n, NULL);
}

static void add_clean(struct str *out, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        bool is_c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f;
        str_add_char(out, *at < 0x20 || *at == 0x7f || is_c1 ? '?' : (char)*at);
        at += is_c1;
    }
}

static void erase(struct progress *progress, struct str *out)
{
    if (progress->drawn_n > 0)
        str_add_format(out, "\033[%uA\r\033[J", progress->drawn_n);
    progress->drawn_n = 0;
}

/* A line that stays, above the picture. */
static void show(struct progress *progress, enum log_level level, const char *colour,
                 const char *text)
{
    if (!log_is_on(level))
        return;
    CLEAN_STR struct str out = STR_INIT;
    char now[CLOCK_ISO_MAX];
    pthread_mutex_lock(&progress->lock);
    erase(progress, &out);
    str_add_format(&out, "%s ", clock_format_local(clock_wall_ms(clock_system()), now));
    if (progress->has_colour && colour)
        str_add(&out, colour);
    if (level <= LOG_LEVEL_WARN)
        str_add_format(&out, "%s: ", log_level_name(level));
    add_clean(&out, text);
    if (progress->has_colour && colour)
        str_add(&out, PLAIN);
    str_add_char(&out, '\n');
    say(progress, str_text(&out), out.len);
    pthread_mutex_unlock(&progress->lock);
}

/* What is no log line yet goes into the log's files as well. */
static void tell(struct progress *progress, enum log_level level, const char *colour,
                 const char *text)
{
    log_write_tee(level, "run", "%s", text);
    show(progress, level, colour, text);
}

static void take_log_line(void *context, enum log_level level, const char *room, const char *text)
{
    CLEAN_CHAR char *line = str_format("%s: %s", room, text);
    show(context, level, level == LOG_LEVEL_ERROR ? RED : level == LOG_LEVEL_WARN ? YELLOW : NULL,
         line);
}

static void draw(struct progress *progress, const struct run_event *event)
{
    struct winsize size = {0};
    size_t columns = COLUMNS_MAX, rows = ROWS_DEFAULT;
    if (ioctl(progress->fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        columns = size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
        rows = size.ws_row > 3 ? size.ws_row : ROWS_DEFAULT;
    }
    if (columns < COLUMNS_MIN)
        return; /* lines would wrap and the picture fall apart */
    CLEAN_STR struct str out = STR_INIT;
    pthread_mutex_lock(&progress->lock);
    erase(progress, &out);
    size_t shown_n = event->jobs_n < rows - 3 ? event->jobs_n : rows - 3;
    for (size_t i = 0; i < shown_n; i++) {
        CLEAN_STR struct str line = STR_INIT;
        progress_format_job(&event->jobs[i], columns - 1, &line);
        add_clean(&out, str_text(&line));
        str_add_char(&out, '\n');
    }
    if (shown_n < event->jobs_n)
        str_add_format(&out, "  and %zu more\n", event->jobs_n - shown_n);
    progress_format_totals(&event->totals, columns - 1, &out);
    str_add_char(&out, '\n');
    progress->drawn_n = (unsigned)shown_n + (shown_n < event->jobs_n) + 1;
    say(progress, str_text(&out), out.len);
    pthread_mutex_unlock(&progress->lock);
}

static void tell_totals(struct progress *progress, const struct run_totals *totals)
{
    int64_t now = clock_monotonic_ms(clock_system());
    if (progress->total_at == 0)
        progress->total_at = now;
    if (now - progress->total_at < PLAIN_TOTAL_MS)
        return;
    progress->total_at = now;
    CLEAN_STR struct str text = STR_INIT;
    progress_format_totals(totals, COLUMNS_MAX * 2, &text);
    tell(progress, LOG_LEVEL_INFO, NULL, str_text(&text));
}

static void tell_change(struct progress *progress, const struct run_job *job)
{
    CLEAN_STR struct str text = STR_INIT;
    if (!progress_format_change(job, &text))
        return;
    bool is_bad = job->state == JOB_STATE_FAILED || job->state == JOB_STATE_LOST;
    bool is_retry = job->state == JOB_STATE_PLANNED || job->state == JOB_STATE_WAITING;
    bool is_left_out = job->state == JOB_STATE_SKIPPED || job->state == JOB_STATE_CANCELLED;
    tell(progress, is_bad ? LOG_LEVEL_ERROR
                   : is_retry || is_left_out ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
         is_bad ? RED : is_retry || is_left_out ? YELLOW
                    : job->state == JOB_STATE_DONE ? GREEN : NULL,
         str_text(&text));
}

static void tell_plan(struct progress *progress, const struct plan *plan)
{
    CLEAN_CHAR char *count =
        str_format("%zu job%s planned", plan->jobs_n, plan->jobs_n == 1 ? "" : "s");
    tell(progress, LOG_LEVEL_INFO, NULL, count);
    for (size_t i = 0; i < plan->skipped_n; i++) {
        const struct plan_skipped *skipped = &plan->skipped[i];
        CLEAN_CHAR char *line = str_format("%s: left out: %s", skipped->name, skipped->reason);
        tell(progress, skipped->is_failure ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
             skipped->is_failure ? RED : YELLOW, line);
    }
}

static void tell_text(struct progress *progress, enum log_level level, const char *colour,
                      const char *first, const char *second)
{
    CLEAN_CHAR char *line = str_format("%s%s%s", first, second ? ": " : "", second ? second : "");
    tell(progress, level, colour, line);
}

void progress_event(void *context, const struct run_event *event)
{
    struct progress *progress = context;
    switch (event->kind) {
    case RUN_EVENT_STAGE:
        tell_text(progress, LOG_LEVEL_INFO, NULL, run_stage_name(event->stage), event->text);
        break;
    case RUN_EVENT_STARTED:
        tell_text(progress, LOG_LEVEL_INFO, NULL,
                  event->is_continued ? "continuing the unfinished run" : "run", event->run);
        break;
    case RUN_EVENT_PLAN:
        tell_plan(progress, event->plan);
        break;
    case RUN_EVENT_JOB:
        tell_change(progress, &event->job);
        break;
    case RUN_EVENT_PROGRESS:
        if (progress->is_terminal && log_is_on(LOG_LEVEL_INFO))
            draw(progress, event);
        else
            tell_totals(progress, &event->totals);
        break;
    case RUN_EVENT_AGENT:
        tell_text(progress, event->text ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
                  event->text ? YELLOW : NULL,
                  event->host_name ? event->host_name : event->host_uuid,
                  event->text ? event->text : "its agent is ready");
        break;
    case RUN_EVENT_WARNING:
        tell(progress, LOG_LEVEL_WARN, YELLOW, event->text);
        break;
    }
}

struct progress *progress_begin(int fd)
{
    struct progress *progress = mem_zero(1, sizeof *progress);
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    progress->fd = fd;
    progress->is_terminal = isatty(fd) == 1 && term && strcmp(term, "dumb") != 0;
    progress->has_colour = progress->is_terminal && (!no_colour || !*no_colour);
    pthread_mutex_init(&progress->lock, NULL);
    log_set_sink(take_log_line, progress);
    return progress;
}

void progress_end(struct progress **progress)
{
    if (!*progress)
        return;
    CLEAN_STR struct str out = STR_INIT;
    log_set_sink(NULL, NULL);
    erase(*progress, &out);
    say(*progress, str_text(&out), out.len);
    pthread_mutex_destroy(&(*progress)->lock);
    mem_free_void(progress);
}
