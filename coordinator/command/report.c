/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool report [RUN]: what a run did, from the catalog's rows.
 *
 * Jobs come in the plan's order; of each the last attempt counts. Cleanup jobs are told only when
 * they failed, since what they could not remove needs a person.
 */
#include "coordinator/command/command.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/policy/report.h"
#include "coordinator/policy/report_sum.h"

static struct report_job *find_job(struct report *report, const char *id)
{
    for (size_t i = 0; i < report->jobs_n; i++)
        if (strcmp(report->jobs[i].id, id) == 0)
            return &report->jobs[i];
    return NULL;
}

static const char *name_of(const struct job *job)
{
    switch (job->kind) {
    case JOB_BACKUP_POOL:
        return "pool database";
    case JOB_BACKUP_HOST:
        return job->folder != NULL ? job->folder : job->vm_name != NULL ? job->vm_name : "host";
    case JOB_CLEANUP:
        return job->vm_name != NULL ? job->vm_name : "leftovers";
    case JOB_BACKUP_VM:
    case JOB_BACKUP_DISK:
    case JOB_EXPIRE:
    case JOB_SCAN:
    case JOB_VERIFY:
    case JOB_RESTORE:
        break;
    }
    return job->vm_name != NULL ? job->vm_name : job->folder;
}

static int add_job(void *context, const struct catalog_job *row, struct error *err)
{
    struct report *report = context;
    (void)err;
    /* What could not be removed is among the run's warnings. */
    if (row->job.kind == JOB_EXPIRE ||
        (row->job.kind == JOB_CLEANUP && row->state == JOB_STATE_DONE))
        return 0;
    struct report_job *job = report_add_job(report);
    memcpy(job->id, row->job.id, sizeof job->id);
    job->kind = row->job.kind;
    job->state = row->state;
    job->name = row->job.kind == JOB_VERIFY
                    ? str_format("%s/%s", row->job.folder, row->job.subject.file)
                    : mem_dup(name_of(&row->job));
    job->vm_uuid = mem_dup(row->job.vm_uuid);
    job->chosen_by = mem_dup(row->job.chosen_by);
    job->reason = mem_dup(row->reason);
    return 0;
}

/* Attempts come by number: the last one's figures stay. */
static int add_attempt(void *context, const struct catalog_attempt *attempt, struct error *err)
{
    struct report_job *job = find_job(context, attempt->job);
    (void)err;
    if (job == NULL)
        return 0;
    job->attempts++;
    mem_set(&job->host_name, attempt->host_name);
    job->bytes = attempt->bytes;
    job->started_at = attempt->started_at != 0 ? attempt->started_at : attempt->assigned_at;
    job->finished_at = attempt->finished_at;
    job->stream_ms = attempt->stream_ms;
    job->throttled_ms = attempt->throttled_ms;
    job->rate_limit = attempt->rate_limit;
    job->consistency = attempt->consistency;
    if (error_is_set(&attempt->error))
        mem_set(&job->error_name, error_name(attempt->error.code));
    else
        mem_set(&job->error_name, NULL);
    for (size_t i = 0; i < attempt->warnings.n; i++)
        if (!text_list_has(&job->warnings, attempt->warnings.items[i]))
            text_list_add(&job->warnings, attempt->warnings.items[i]);
    return 0;
}

static int add_file(void *context, const struct backup *backup, struct error *err)
{
    struct report_job *job = find_job(context, backup->job);
    (void)err;
    if (job == NULL)
        return 0;
    struct report_file *file = report_job_add_file(job);
    file->path = str_format("%s/%s", backup->folder, backup->file);
    file->size_bytes = backup->size_bytes;
    file->sha256 = mem_dup(backup->sha256);
    file->proof = mem_dup(backup->proof);
    return 0;
}

static int add_verified(void *context, const struct backup *backup, struct error *err)
{
    struct report *report = context;
    CLEAN_CHAR char *path = str_format("%s/%s", backup->folder, backup->file);
    (void)err;
    for (size_t i = 0; i < report->jobs_n; i++) {
        struct report_job *job = &report->jobs[i];
        if (job->kind != JOB_VERIFY || !str_equal(job->name, path))
            continue;
        if (report_is_damage(job) && backup->verified_text)
            mem_set(&job->reason, backup->verified_text); /* without who said so in which attempt */
        if (job->state != JOB_STATE_DONE)
            continue;
        struct report_file *file = report_job_add_file(job);
        file->path = mem_dup(path);
        file->size_bytes = backup->size_bytes;
        file->sha256 = mem_dup(backup->sha256);
        /* A found one that could only be read is proven by nothing. */
        if (backup->state != BACKUP_FOUND)
            file->proof = mem_dup(backup->proof);
    }
    return 0;
}

static int add_removed(void *context, const struct backup *backup, struct error *err)
{
    struct report *report = context;
    (void)err;
    text_list_add_format(&report->removed, "%s/%s", backup->folder, backup->file);
    report->removed_bytes += backup->size_bytes;
    return 0;
}

static void fill_run(struct report *report, const struct catalog_run *run)
{
    memcpy(report->run, run->id, sizeof report->run);
    report->state = mem_dup(catalog_run_state_name(run->state));
    report->pool_name = mem_dup(run->pool_name);
    report->pool_uuid = mem_dup(run->pool_uuid);
    report->store_root = mem_dup(run->store_root);
    report->started_at = run->started_at;
    report->continued_at = run->continued_at;
    report->finished_at = run->finished_at;
    report->exit_status = run->exit_status;
    if (error_is_set(&run->error))
        report->error = mem_dup(run->error.text);
    text_list_copy(&report->warnings, &run->warnings);
}

int command_read_report(struct catalog *catalog, const char *id, struct report *ret_report,
                        struct error *err)
{
    CLEAN_CATALOG_RUN struct catalog_run run = {.state = CATALOG_RUN_RUNNING};
    int found = catalog_find_run(catalog, id, &run, err);

    if (found != 1)
        return found;
    fill_run(ret_report, &run);
    struct catalog_backup_filter files = {.run = run.id, .with_expired = true};
    struct catalog_backup_filter verified = {.verified_run = run.id, .with_expired = true};
    struct catalog_backup_filter gone = {.expired_run = run.id, .with_expired = true};
    if (catalog_each_job(catalog, run.id, add_job, ret_report, err) != 0 ||
        catalog_each_attempt(catalog, run.id, add_attempt, ret_report, err) != 0 ||
        catalog_each_backup(catalog, &files, add_file, ret_report, err) != 0 ||
        catalog_each_backup(catalog, &verified, add_verified, ret_report, err) != 0 ||
        catalog_each_backup(catalog, &gone, add_removed, ret_report, err) != 0)
        return -1;
    text_list_sort(&ret_report->removed);
    return 1;
}

int command_report(const struct settings *settings, struct error *err)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    CLEANUP(report_done) struct report report = {.run = ""};
    CLEAN_STR struct str text = STR_INIT;
    const char *id = settings->operands.n > 0 ? settings->operands.items[0] : NULL;

    if (command_check_operands(settings, 0, 1, "RUN", err) != 0)
        return -1;
    int found = command_open_catalog(settings, &catalog, err);
    if (found == 1)
        found = command_read_report(catalog, id, &report, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no run%s%s in the catalog",
                         id != NULL ? " " : " yet", id != NULL ? id : "");
    if (settings->is_json)
        report_format_json(&report, &text);
    else
        report_format_text(&report, &text);
    return command_print(&text, err);
}
