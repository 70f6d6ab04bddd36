/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One look over the jobs: those that the limits allow are compared by (pool database, own host or
 * redirected, how many ready hosts could take it, length).
 */
#include "coordinator/policy/place.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
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

/*
 * What one look over thousands of jobs needs again and again: who is ready, what runs, and what
 * was found out about the list of hosts met last, for jobs of one SR have the same and stand
 * together.
 */
struct look {
    const struct place_view *view;
    const struct place_host **ready; /* by uuid */
    size_t ready_n;
    const struct place_job **running; /* those that count against limits */
    size_t running_n;
    const struct text_list *last_hosts;
    size_t last_ready_n;
};

static int compare_hosts(const void *left, const void *right)
{
    const struct place_host *const *a = left, *const *b = right;
    return strcmp((*a)->uuid, (*b)->uuid);
}

static bool is_counted(const struct place_job *job)
{
    return job->state == PLACE_RUNNING && job->kind != JOB_CLEANUP;
}

static void look_begin(struct look *look, const struct place_view *view)
{
    *look = (struct look){.view = view};
    look->ready = mem_zero(view->hosts_n + 1, sizeof *look->ready);
    look->running = mem_zero(view->jobs_n + 1, sizeof *look->running);
    for (size_t i = 0; i < view->hosts_n; i++) {
        if (view->hosts[i].is_ready)
            look->ready[look->ready_n++] = &view->hosts[i];
    }
    if (look->ready_n > 1)
        qsort(look->ready, look->ready_n, sizeof *look->ready, compare_hosts);
    for (size_t i = 0; i < view->jobs_n; i++) {
        if (is_counted(&view->jobs[i]))
            look->running[look->running_n++] = &view->jobs[i];
    }
}

static void look_end(struct look *look)
{
    mem_free_void(&look->ready);
    mem_free_void(&look->running);
}

static bool is_ready(const struct look *look, const char *uuid)
{
    const struct place_host wanted = {.uuid = uuid}, *key = &wanted;
    return look->ready_n > 0 && bsearch(&key, look->ready, look->ready_n, sizeof *look->ready,
                                        compare_hosts) != NULL;
}

static bool is_same_list(const struct text_list *a, const struct text_list *b)
{
    if (!a || a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

/* How many ready hosts may run the job. */
static size_t count_ready(struct look *look, const struct place_job *job)
{
    if (is_same_list(look->last_hosts, job->hosts))
        return look->last_ready_n;
    size_t n = 0;
    for (size_t i = 0; i < job->hosts->n; i++)
        n += is_ready(look, job->hosts->items[i]);
    look->last_hosts = job->hosts;
    look->last_ready_n = n;
    return n;
}

static uint32_t count_running(const struct look *look, const char *host)
{
    uint32_t n = 0;
    for (size_t i = 0; i < look->running_n; i++)
        n += !host || str_equal(look->running[i]->host, host);
    return n;
}

static uint32_t count_on_sr(const struct look *look, const char *sr)
{
    uint32_t n = 0;
    for (size_t i = 0; i < look->running_n; i++)
        n += look->running[i]->srs && text_list_has(look->running[i]->srs, sr);
    return n;
}

static bool is_reached(uint32_t n, uint32_t limit)
{
    return limit != 0 && n >= limit;
}

/* The SR of the job that is at its limit, or NULL. */
static const char *full_sr(const struct look *look, const struct place_job *job)
{
    uint32_t limit = look->view->limits.sr_n;
    for (size_t i = 0; job->srs && limit && i < job->srs->n; i++) {
        if (is_reached(count_on_sr(look, job->srs->items[i]), limit))
            return job->srs->items[i];
    }
    return NULL;
}

/* Whether this host, which is ready, may have the job at all; a redirected one goes anywhere, but
 * only when none of its own hosts is ready. */
static bool may_have(struct look *look, const struct place_job *job, const char *host_uuid,
                     bool *ret_is_redirected)
{
    *ret_is_redirected = false;
    if (text_list_has(job->hosts, host_uuid))
        return !str_equal(job->avoid, host_uuid) || count_ready(look, job) == 1;
    *ret_is_redirected = true;
    return job->may_be_redirected && job->kind != JOB_BACKUP_HOST && count_ready(look, job) == 0;
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

/* The best job for the host; false when there is none. */
static bool choose(struct look *look, const char *host_uuid, struct candidate *ret_best)
{
    const struct place_view *view = look->view;
    uint32_t all = count_running(look, NULL);
    bool is_full = is_reached(count_running(look, host_uuid), view->limits.host_n) ||
                   is_reached(all, view->limits.store_n) || is_reached(all, view->limits.pool_n);
    bool has_best = false;
    for (size_t i = 0; i < view->jobs_n; i++) {
        const struct place_job *job = &view->jobs[i];
        struct candidate one = {.job = i};
        bool is_limited = job->kind != JOB_CLEANUP;
        if (job->state != PLACE_READY || (is_limited && is_full) ||
            !may_have(look, job, host_uuid, &one.is_redirected))
            continue;
        one.ready_n = count_ready(look, job);
        if (has_best && !is_better(view, &one, ret_best))
            continue;
        if (is_limited && full_sr(look, job))
            continue;
        *ret_best = one;
        has_best = true;
    }
    return has_best;
}

int place_choose(const struct place_view *view, const char *host_uuid,
                 struct place_choice *ret_choice)
{
    const struct place_host *host = find_host(view, host_uuid);
    if (!host || !host->is_ready || host->slots_free == 0)
        return 0;
    struct look look;
    struct candidate best = {0};
    look_begin(&look, view);
    bool has_best = choose(&look, host_uuid, &best);
    look_end(&look);
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
    struct look look;
    look_begin(&look, view);
    uint32_t all = count_running(&look, NULL);
    const char *sr = full_sr(&look, job);
    if (count_ready(&look, job) == 0)
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
    look_end(&look);
    return text;
}

/* Load that only one ready host can carry, of the host that has most of it. */
static uint64_t bound_bytes(struct look *look)
{
    const struct place_view *view = look->view;
    uint64_t max = 0;
    for (size_t h = 0; h < look->ready_n; h++) {
        uint64_t bound = 0;
        for (size_t i = 0; i < view->jobs_n; i++) {
            const struct place_job *job = &view->jobs[i];
            if (job->state != PLACE_OVER && count_ready(look, job) == 1 &&
                text_list_has(job->hosts, look->ready[h]->uuid))
                bound += job->estimate_bytes;
        }
        max = bound > max ? bound : max;
    }
    return max;
}

uint64_t place_lower_bound_bytes(const struct place_view *view)
{
    uint64_t total = 0, longest = 0;
    struct look look;
    look_begin(&look, view);
    for (size_t i = 0; i < view->jobs_n; i++) {
        if (view->jobs[i].state == PLACE_OVER)
            continue;
        total += view->jobs[i].estimate_bytes;
        if (view->jobs[i].estimate_bytes > longest)
            longest = view->jobs[i].estimate_bytes;
    }
    uint64_t best = look.ready_n ? total / look.ready_n : 0;
    uint64_t bound = bound_bytes(&look);
    if (look.ready_n && longest > best)
        best = longest;
    look_end(&look);
    return bound > best ? bound : best;
}
