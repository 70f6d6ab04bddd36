/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Failed jobs count for their host, their bytes do not: what came to nothing has no rate.
 */
#include "coordinator/policy/report_sum.h"

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"

#include "common/base/poison.h"

bool report_is_backup(const struct report_job *job)
{
    return job_kind_is_backup(job->kind);
}

bool report_is_damage(const struct report_job *job)
{
    return job->kind == JOB_VERIFY && job->state == JOB_STATE_FAILED &&
           str_equal(job->error_name, error_name(ERROR_CORRUPT));
}

static void sum_verify(const struct report_job *job, struct report_sums *sums)
{
    bool is_failed = job->state == JOB_STATE_FAILED || job->state == JOB_STATE_LOST;

    sums->verifies_n++;
    sums->whole_n += job->state == JOB_STATE_DONE;
    sums->damaged_n += report_is_damage(job);
    sums->unread_n += is_failed && !report_is_damage(job);
    sums->verified_bytes += job->bytes;
}

uint64_t report_stored_bytes(const struct report_job *job)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < job->files_n; i++)
        sum += job->files[i].size_bytes;
    return sum;
}

struct report_sums report_sum_up(const struct report *report)
{
    struct report_sums sums = {0};
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        if (job->kind == JOB_VERIFY)
            sum_verify(job, &sums);
        if (!report_is_backup(job))
            continue;
        sums.backups_n++;
        sums.done_n += job->state == JOB_STATE_DONE;
        sums.failed_n += job->state == JOB_STATE_FAILED || job->state == JOB_STATE_LOST;
        sums.skipped_n += job->state == JOB_STATE_SKIPPED;
        sums.cancelled_n += job->state == JOB_STATE_CANCELLED;
        sums.open_n += !job_state_is_end(job->state);
        if (job->state == JOB_STATE_DONE) {
            sums.read_bytes += job->bytes;
            sums.stored_bytes += report_stored_bytes(job);
        }
    }
    return sums;
}

void report_hosts_done(struct report_hosts *hosts)
{
    mem_free_void(&hosts->items);
}

static struct report_host *host_for(struct report_hosts *sums, const char *name)
{
    for (size_t i = 0; i < sums->n; i++) {
        if (str_equal(sums->items[i].name, name))
            return &sums->items[i];
    }
    sums->items = mem_grow(sums->items, &sums->cap, sums->n + 1, sizeof *sums->items);
    sums->items[sums->n] = (struct report_host){.name = name};
    return &sums->items[sums->n++];
}

void report_sum_hosts(const struct report *report, struct report_hosts *ret_sums)
{
    for (size_t i = 0; i < report->jobs_n; i++) {
        const struct report_job *job = &report->jobs[i];
        if (!report_is_backup(job) || !job->host_name || !job_state_is_end(job->state))
            continue;
        struct report_host *sum = host_for(ret_sums, job->host_name);
        if (job->state != JOB_STATE_DONE) {
            sum->failed_n++;
            continue;
        }
        sum->done_n++;
        sum->bytes += job->bytes;
        sum->stream_ms += job->stream_ms;
        if (sum->busy_from == 0 || job->started_at < sum->busy_from)
            sum->busy_from = job->started_at;
        if (job->finished_at > sum->busy_to)
            sum->busy_to = job->finished_at;
    }
}

int64_t report_run_ms(const struct report *report)
{
    return report->finished_at > report->started_at ? report->finished_at - report->started_at : 0;
}

char *report_tell_pace(const struct report_job *job)
{
    char rate[NUM_TEXT_MAX], waited[NUM_TEXT_MAX];

    if (job->rate_limit == 0 || job->throttled_ms == 0)
        return NULL;
    return str_format("held to %s, %s waited", num_format_rate(job->rate_limit, 1000, rate),
                      num_format_duration(job->throttled_ms, waited));
}
