/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool status: what is going on now, or how the last run ended.
 *
 * Reads the catalog beside a running coordinator; whether one lives is told by its lock, not by
 * what a row says.
 */
#include "coordinator/command/command.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/catalog/lock.h"
#include "coordinator/policy/report.h"

#define REASONS_MAX 20 /* told to people; --json has all */

struct counts {
    size_t waiting, running, done, failed, cancelled, skipped;
    uint64_t bytes;
};

/* What stands beside the run's report. */
struct beside {
    size_t queued_n; /* adopted backups that wait to be read back */
    struct catalog_refused refused;
};

static void count_jobs(const struct report *report, struct counts *counts)
{
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        counts->bytes += job->bytes;
        switch (job->state) {
        case JOB_STATE_PLANNED:
        case JOB_STATE_WAITING:
            counts->waiting++;
            break;
        case JOB_STATE_ASSIGNED:
        case JOB_STATE_RUNNING:
            counts->running++;
            break;
        case JOB_STATE_DONE:
            counts->done++;
            break;
        case JOB_STATE_FAILED:
        case JOB_STATE_LOST:
            counts->failed++;
            break;
        case JOB_STATE_CANCELLED:
            counts->cancelled++;
            break;
        case JOB_STATE_SKIPPED:
            counts->skipped++;
            break;
        }
    }
}

/* What a coordinator that has gone left unended; an interrupted run has told that it left. */
static bool is_left(const struct report *report, const struct counts *counts, bool is_living)
{
    return !is_living && counts->running > 0 && strcmp(report->state, "interrupted") == 0;
}

/* A row may say "running" of a coordinator that died. */
static const char *state_of(const struct report *report, bool is_living)
{
    return strcmp(report->state, "running") == 0 && !is_living ? "died" : report->state;
}

static json_t *jobs_json(const struct report *report)
{
    json_t *jobs = json_array();
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        if (job->state != JOB_STATE_ASSIGNED && job->state != JOB_STATE_RUNNING)
            continue;
        (void)json_array_append_new(
            jobs, json_pack("{s:s,s:o,s:s,s:o,s:I,s:o}", "job", job->id, "name",
                            command_json_text(job->name), "kind", job_kind_name(job->kind), "host",
                            command_json_text(job->host_name), "bytes", (json_int_t)job->bytes,
                            "started_at", command_json_time(job->started_at)));
    }
    return jobs;
}

/* How many adopted backups wait to be read back. */
static int count_queued(void *context, const struct backup *backup, struct error *err)
{
    size_t *n = context;
    (void)backup;
    (void)err;
    (*n)++;
    return 0;
}

static bool is_waiting(const struct report_job *job)
{
    return (job->state == JOB_STATE_PLANNED || job->state == JOB_STATE_WAITING) &&
           job->reason != NULL && job->reason[0] != '\0';
}

static json_t *waits_json(const struct report *report)
{
    json_t *waits = json_array();
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        if (is_waiting(job))
            (void)json_array_append_new(
                waits, json_pack("{s:s,s:o,s:s,s:o}", "job", job->id, "name",
                                 command_json_text(job->name), "kind", job_kind_name(job->kind),
                                 "reason", command_json_text(job->reason)));
    }
    return waits;
}

/* By kind, as the run's log tells them. */
static json_t *refused_json(const struct catalog_refused *refused)
{
    return json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "other_key", (json_int_t)refused->other_key,
        "other_version", (json_int_t)refused->other_version, "strange",
        (json_int_t)refused->strange, "unreadable", (json_int_t)refused->unreadable, "forged",
        (json_int_t)refused->forged, "repeated", (json_int_t)refused->repeated, "second_agent",
        (json_int_t)refused->second_agent, "connections_shut", (json_int_t)refused->shut);
}

/* Single damaged or repeated frames are no matter for people; these are. */
static void add_refused(struct str *text, const struct catalog_refused *refused)
{
    if (refused->other_key > 0)
        str_add(text, "Agents with a key of another pool were refused.\n");
    if (refused->other_version > 0)
        str_add(text, "Agents of another version were refused.\n");
    if (refused->second_agent > 0)
        str_add(text, "A second agent with the key of another one was refused.\n");
    if (refused->shut > 0)
        str_add_format(text, "%llu connections were shut: too many stood on the port.\n",
                       (unsigned long long)refused->shut);
}

/* What waits for what: each reason once, with how many jobs it holds and the first of them. */
static void add_waiting(struct str *text, const struct report *report)
{
    CLEAN_TEXT_LIST struct text_list told = TEXT_LIST_INIT;
    for (size_t i = 0; i < report->jobs_n && told.n < REASONS_MAX; i++) {
        const struct report_job *job = &report->jobs[i];
        size_t n = 0;
        if (!is_waiting(job) || text_list_has(&told, job->reason))
            continue;
        text_list_add(&told, job->reason);
        for (size_t k = i; k < report->jobs_n; k++)
            n += is_waiting(&report->jobs[k]) && strcmp(report->jobs[k].reason, job->reason) == 0;
        str_add_format(text, "  %s", job->name != NULL ? job->name : "?");
        if (n > 1)
            str_add_format(text, " and %zu more", n - 1);
        str_add_format(text, " wait%s: %s\n", n == 1 ? "s" : "", job->reason);
    }
}

static int print_json(const struct report *report, const struct lock_holder *holder, bool is_living,
                      const struct beside *beside, struct error *err)
{
    struct counts counts = {0};
    json_t *object = json_pack("{s:b,s:o,s:I}", "coordinator", is_living, "pid",
                               is_living ? json_integer((json_int_t)holder->pid) : json_null(),
                               "verify_queued", (json_int_t)beside->queued_n);
    if (report->run[0] != '\0' && object != NULL) {
        count_jobs(report, &counts);
        (void)json_object_set_new(
            object, "run",
            json_pack("{s:s,s:s,s:o,s:o,s:i,s:i,s:i,s:i,s:i,s:i,s:I,s:o,s:o,s:o}", "id",
                      report->run, "state", state_of(report, is_living), "started_at",
                      command_json_time(report->started_at), "finished_at",
                      command_json_time(report->finished_at), "waiting", (int)counts.waiting,
                      "running", (int)counts.running, "done", (int)counts.done, "failed",
                      (int)counts.failed, "cancelled", (int)counts.cancelled, "skipped",
                      (int)counts.skipped, "bytes", (json_int_t)counts.bytes, "jobs",
                      jobs_json(report), "waits", waits_json(report), "refused",
                      refused_json(&beside->refused)));
    }
    return command_print_json_take(object, err);
}

static void add_running(struct str *text, const struct report *report)
{
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        char size[NUM_TEXT_MAX];
        if (job->state == JOB_STATE_RUNNING || job->state == JOB_STATE_ASSIGNED)
            str_add_format(text, "  %s on %s, %s so far\n", job->name != NULL ? job->name : "?",
                           job->host_name != NULL ? job->host_name : "?",
                           num_format_bytes(job->bytes, size));
    }
}

static int print_text(const struct report *report, const struct lock_holder *holder, bool is_living,
                      const struct beside *beside, struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    char when[CLOCK_ISO_MAX];
    struct counts counts = {0};

    if (is_living)
        str_add_format(&text, "A coordinator is at work (process %lld).\n",
                       (long long)holder->pid);
    else
        str_add(&text, "No coordinator is at work.\n");
    if (report->run[0] == '\0') {
        str_add(&text, "There was no run yet.\n");
        return command_print(&text, err);
    }
    count_jobs(report, &counts);
    str_add_format(&text, "Run %s, begun %s: %s\n", report->run,
                   clock_format_local(report->started_at, when), state_of(report, is_living));
    str_add_format(&text, "%zu done, %zu failed, %zu %s, %zu %s", counts.done, counts.failed,
                   counts.running,
                   is_left(report, &counts, is_living) ? "left to their agents" : "running",
                   counts.waiting,
                   is_left(report, &counts, is_living) ? "not begun" : "waiting");
    if (counts.cancelled > 0)
        str_add_format(&text, ", %zu cancelled", counts.cancelled);
    if (counts.skipped > 0)
        str_add_format(&text, ", %zu skipped", counts.skipped);
    str_add_char(&text, '\n');
    add_refused(&text, &beside->refused);
    if (beside->queued_n > 0)
        str_add_format(&text,
                       "%zu backup%s to be verified: the next run takes some along, onyxpool\n"
                       "verify reads all of them.\n",
                       beside->queued_n, beside->queued_n == 1 ? " waits" : "s wait");
    if (is_living) {
        add_running(&text, report);
        add_waiting(&text, report);
    } else if (strcmp(report->state, "running") == 0) {
        str_add(&text, "It was not ended; the next run with the same selection continues it.\n");
    }
    return command_print(&text, err);
}

int command_status(const struct settings *settings, struct error *err)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    CLEANUP(report_done) struct report report = {.run = ""};
    CLEAN_CHAR char *fallback = settings->catalog == NULL ? catalog_default_path() : NULL;
    struct lock_holder holder = {0};
    const struct catalog_backup_filter queued = {.only_wanted = true};
    struct beside beside = {0};

    if (command_check_operands(settings, 0, 0, "", err) != 0)
        return -1;
    int held = lock_look(settings->catalog != NULL ? settings->catalog : fallback, &holder, err);
    if (held < 0)
        return -1;
    int found = command_open_catalog(settings, &catalog, err);
    if (found == 1)
        found = catalog_each_backup(catalog, &queued, count_queued, &beside.queued_n, err);
    if (found == 0 && catalog)
        found = command_read_report(catalog, NULL, &report, err);
    if (found == 1)
        found = catalog_get_refused(catalog, report.run, &beside.refused, err);
    if (found < 0)
        return -1;
    return settings->is_json ? print_json(&report, &holder, held == 1, &beside, err)
                             : print_text(&report, &holder, held == 1, &beside, err);
}
