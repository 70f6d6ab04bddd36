/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One look over the jobs: those that the limits allow are compared by (pool database, own host or
 * redirected, how many ready hosts could take it, length).
 */
#include "coordinator/policy/place.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

#include "common/base/poison.h"

static const struct place_host *find_host(const struct place_view *view, const char *uuid)
{
    for (size_t i = 0; i < view->hosts_n; i++) {
        if (str_equal(view->hosts[i].uuid, uuid))
            return &view->hosts[i];
    }
    return NULL;
}

/* How many ready hosts may run the job, leaving one out (NULL: none). */
static size_t count_ready(const struct place_view *view, const struct place_job *job,
                          const char *except)
{
    size_t n = 0;
    for (size_t i = 0; i < view->hosts_n; i++) {
        const struct place_host *host = &view->hosts[i];
        if (host->is_ready && !str_equal(host->uuid, except) &&
            text_list_has(job->hosts, host->uuid))
            n++;
    }
    return n;
}

static bool is_counted(const struct place_job *job)
{
    return job->state == PLACE_RUNNING && job->kind != JOB_CLEANUP;
}

static uint32_t count_running(const struct place_view *view, const char *host)
{
    uint32_t n = 0;
    for (size_t i = 0; i < view->jobs_n; i++) {
        if (is_counted(&view->jobs[i]) && (!host || str_equal(view->jobs[i].host, host)))
            n++;
    }
    return n;
}

static uint32_t count_on_sr(const struct place_view *view, const char *sr)
{
    uint32_t n = 0;
    for (size_t i = 0; i < view->jobs_n; i++) {
        const struct place_job *job = &view->jobs[i];
        if (is_counted(job) && job->srs && text_list_has(job->srs, sr))
            n++;
    }
    return n;
}

static bool is_reached(uint32_t n, uint32_t limit)
{
    return limit != 0 && n >= limit;
}

/* The SR of the job that is at its limit, or NULL. */
static const char *full_sr(const struct place_view *view, const struct place_job *job)
{
    for (size_t i = 0; job->srs && view->limits.sr_n && i < job->srs->n; i++) {
        if (is_reached(count_on_sr(view, job->srs->items[i]), view->limits.sr_n))
            return job->srs->items[i];
    }
    return NULL;
}

/* Whether this host may have the job at all; a redirected one goes anywhere, but only when none
 * of its own hosts is ready. */
static bool may_have(const struct place_view *view, const struct place_job *job,
                     const char *host_uuid, bool *ret_is_redirected)
{
    *ret_is_redirected = false;
    if (text_list_has(job->hosts, host_uuid))
        return !str_equal(job->avoid, host_uuid) || count_ready(view, job, host_uuid) == 0;
    *ret_is_redirected = true;
    return job->may_be_redirected && job->kind != JOB_BACKUP_HOST &&
           count_ready(view, job, NULL) == 0;
}

struct candidate {
    size_t job;
    bool is_redirected;
    size_t ready_n;
};

/* Whether a goes before b. */
static bool is_better(const struct place_view *view, const struct candidate *a,
                      const struct candidate *b)
{
    const struct place_job *x = &view->jobs[a->job], *y = &view->jobs[b->job];
    bool x_is_pool = x->kind == JOB_BACKUP_POOL, y_is_pool = y->kind == JOB_BACKUP_POOL;
    if (x_is_pool != y_is_pool)
        return x_is_pool;
    if (a->is_redirected != b->is_redirected)
        return b->is_redirected;
    if (a->ready_n != b->ready_n)
        return a->ready_n < b->ready_n;
    uint64_t x_size = x->estimate_bytes ? x->estimate_bytes : UINT64_MAX;
    uint64_t y_size = y->estimate_bytes ? y->estimate_bytes : UINT64_MAX;
    return x_size > y_size; /* of equals the earlier one in the plan stays */
}

int place_choose(const struct place_view *view, const char *host_uuid,
                 struct place_choice *ret_choice)
{
    const struct place_host *host = find_host(view, host_uuid);
    if (!host || !host->is_ready || host->slots_free == 0)
        return 0;
    bool is_host_full = is_reached(count_running(view, host_uuid), view->limits.host_n);
    uint32_t all = count_running(view, NULL);
    bool is_all_full = is_reached(all, view->limits.store_n) ||
                       is_reached(all, view->limits.pool_n);
    bool has_best = false;
    struct candidate best = {0};
    for (size_t i = 0; i < view->jobs_n; i++) {
        const struct place_job *job = &view->jobs[i];
        struct candidate one = {.job = i};
        bool is_limited = job->kind != JOB_CLEANUP;
        if (job->state != PLACE_READY || (is_limited && (is_host_full || is_all_full)))
            continue;
        if (!may_have(view, job, host_uuid, &one.is_redirected))
            continue;
        one.ready_n = count_ready(view, job, NULL);
        if (has_best && !is_better(view, &one, &best))
            continue;
        if (is_limited && full_sr(view, job))
            continue;
        best = one;
        has_best = true;
    }
    if (!has_best)
        return 0;
    *ret_choice = (struct place_choice){best.job, best.is_redirected};
    return 1;
}

char *place_why_waiting(const struct place_view *view, size_t index, char text[PLACE_WHY_MAX])
{
    assert(index < view->jobs_n);
    const struct place_job *job = &view->jobs[index];
    const struct place_limits *limits = &view->limits;
    uint32_t all = count_running(view, NULL);
    const char *sr = full_sr(view, job);
    if (count_ready(view, job, NULL) == 0)
        snprintf(text, PLACE_WHY_MAX, "%s",
                 job->may_be_redirected
                     ? "no host that sees its disks has a ready agent; another will try it last"
                     : "the only host that may do it has no ready agent");
    else if (is_reached(all, limits->pool_n))
        snprintf(text, PLACE_WHY_MAX, "the pool is at its limit of %u jobs", limits->pool_n);
    else if (is_reached(all, limits->store_n))
        snprintf(text, PLACE_WHY_MAX, "the store is at its limit of %u jobs", limits->store_n);
    else if (sr)
        snprintf(text, PLACE_WHY_MAX, "SR %s is at its limit of %u jobs", sr, limits->sr_n);
    else
        snprintf(text, PLACE_WHY_MAX, "every host that may do it is busy");
    return text;
}

uint64_t place_lower_bound_bytes(const struct place_view *view)
{
    uint64_t total = 0, longest = 0, bound_max = 0, ready_n = 0;
    for (size_t h = 0; h < view->hosts_n; h++) {
        const struct place_host *host = &view->hosts[h];
        uint64_t bound = 0;
        if (!host->is_ready)
            continue;
        ready_n++;
        for (size_t i = 0; i < view->jobs_n; i++) {
            const struct place_job *job = &view->jobs[i];
            if (job->state != PLACE_OVER && count_ready(view, job, NULL) == 1 &&
                text_list_has(job->hosts, host->uuid))
                bound += job->estimate_bytes;
        }
        if (bound > bound_max)
            bound_max = bound;
    }
    for (size_t i = 0; i < view->jobs_n; i++) {
        if (view->jobs[i].state == PLACE_OVER)
            continue;
        total += view->jobs[i].estimate_bytes;
        if (view->jobs[i].estimate_bytes > longest)
            longest = view->jobs[i].estimate_bytes;
    }
    if (ready_n == 0)
        return 0;
    uint64_t best = total / ready_n;
    best = longest > best ? longest : best;
    return bound_max > best ? bound_max : best;
}
