/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The board of placement: jobs in groups, hosts, SRs, and what follows from each change. The rule
 * itself is in place_choose.c.
 *
 * A speed is kept as the best that was seen of late: a host that was held back by its SR or the
 * store for a while is not slow.
 */
#include "coordinator/policy/place.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "coordinator/policy/place_inside.h"

#include "common/base/poison.h"

#define SPEED_FADES 0.02 /* so much of what is seen now goes into a speed that was higher */
#define HELD        0.95 /* a job below so much of its share of its host is held by something else */
#define LEARN_MS    5000 /* a host's speed is taken over so long */

struct place *place_new(const struct place_limits *limits)
{
    struct place *place = mem_zero(1, sizeof *place);

    place->limits = *limits;
    place->version = 1;
    return place;
}

void place_free(struct place **place)
{
    struct place *p = *place;

    if (!p)
        return;
    for (size_t i = 0; i < p->groups_n; i++) {
        text_list_done(&p->groups[i].host_uuids);
        text_list_done(&p->groups[i].sr_uuids);
        free(p->groups[i].hosts);
        free(p->groups[i].srs);
        free(p->groups[i].jobs);
    }
    for (size_t i = 0; i < p->hosts_n; i++) {
        free(p->hosts[i].uuid);
        free(p->hosts[i].groups);
    }
    for (size_t i = 0; i < p->srs_n; i++)
        free(p->srs[i].uuid);
    free(p->items);
    free(p->groups);
    free(p->hosts);
    free(p->srs);
    free(p->active);
    free(p);
    *place = NULL;
}

/* ---- hosts, SRs, groups ---- */

size_t place_find_host(const struct place *place, const char *uuid)
{
    for (size_t i = 0; uuid && i < place->hosts_n; i++)
        if (strcmp(place->hosts[i].uuid, uuid) == 0)
            return i;
    return PLACE_NONE;
}

static size_t need_host(struct place *place, const char *uuid)
{
    size_t found = place_find_host(place, uuid);

    if (found != PLACE_NONE)
        return found;
    place->hosts =
        mem_grow(place->hosts, &place->hosts_cap, place->hosts_n + 1, sizeof *place->hosts);
    place->hosts[place->hosts_n] = (struct place_node){.uuid = mem_dup(uuid), .since_bytes = -1};
    return place->hosts_n++;
}

static size_t need_sr(struct place *place, const char *uuid)
{
    for (size_t i = 0; i < place->srs_n; i++)
        if (strcmp(place->srs[i].uuid, uuid) == 0)
            return i;
    place->srs = mem_grow(place->srs, &place->srs_cap, place->srs_n + 1, sizeof *place->srs);
    place->srs[place->srs_n] = (struct place_sr){.uuid = mem_dup(uuid)};
    return place->srs_n++;
}

static uint64_t hash_list(uint64_t hash, const struct text_list *list)
{
    for (size_t i = 0; list && i < list->n; i++)
        for (const char *at = list->items[i];; at++) {
            hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
            if (*at == '\0')
                break;
        }
    return (hash ^ 0xff) * 0x100000001b3u;
}

static bool is_same_list(const struct text_list *a, const struct text_list *b)
{
    if (a->n != (b ? b->n : 0))
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

static void fill_group(struct place *place, size_t index, const struct place_job *job)
{
    struct place_group *group = &place->groups[index];

    text_list_copy(&group->host_uuids, job->hosts);
    if (job->srs)
        text_list_copy(&group->sr_uuids, job->srs);
    group->hosts = mem_zero(job->hosts->n + 1, sizeof *group->hosts);
    group->srs = mem_zero(group->sr_uuids.n + 1, sizeof *group->srs);
    for (size_t i = 0; i < group->sr_uuids.n; i++)
        group->srs[group->srs_n++] = need_sr(place, group->sr_uuids.items[i]);
    for (size_t i = 0; i < job->hosts->n; i++) {
        size_t host = need_host(place, job->hosts->items[i]);
        struct place_node *node = &place->hosts[host];

        group->hosts[group->hosts_n++] = host;
        node->groups =
            mem_grow(node->groups, &node->groups_cap, node->groups_n + 1, sizeof *node->groups);
        node->groups[node->groups_n++] = index;
    }
}

static size_t need_group(struct place *place, const struct place_job *job)
{
    bool is_first = job->kind == JOB_BACKUP_POOL;
    bool may_be_redirected = job->may_be_redirected && job->kind != JOB_BACKUP_HOST;
    uint64_t hash = hash_list(hash_list(0xcbf29ce484222325u, job->hosts), job->srs);

    for (size_t i = 0; i < place->groups_n; i++) {
        const struct place_group *group = &place->groups[i];

        if (group->hash == hash && group->is_first == is_first &&
            group->may_be_redirected == may_be_redirected &&
            is_same_list(&group->host_uuids, job->hosts) &&
            is_same_list(&group->sr_uuids, job->srs))
            return i;
    }
    place->groups =
        mem_grow(place->groups, &place->groups_cap, place->groups_n + 1, sizeof *place->groups);
    place->groups[place->groups_n] = (struct place_group){
        .hash = hash, .is_first = is_first, .may_be_redirected = may_be_redirected};
    fill_group(place, place->groups_n, job);
    return place->groups_n++;
}

/* ---- jobs ---- */

size_t place_add_job(struct place *place, const struct place_job *job)
{
    size_t group = job ? need_group(place, job) : PLACE_NONE;

    place->items =
        mem_grow(place->items, &place->items_cap, place->items_n + 1, sizeof *place->items);
    place->items[place->items_n] =
        (struct place_item){.group = group,
                            .estimate_bytes = job ? job->estimate_bytes : 0,
                            .host = PLACE_NONE,
                            .avoid = PLACE_NONE};
    return place->items_n++;
}

uint64_t place_size(const struct place_item *item)
{
    return item->estimate_bytes ? item->estimate_bytes : UINT64_MAX;
}

/* An estimate that was too small tells nothing more: a little is left for as long as it runs. */
double place_left(const struct place_item *item)
{
    uint64_t least = item->estimate_bytes / 32;

    return (double)(item->done_bytes + least < item->estimate_bytes
                        ? item->estimate_bytes - item->done_bytes
                        : least);
}

/* Where it is among the ready ones of its group, or would be. */
static size_t find_rank(const struct place *place, const struct place_group *group, size_t job)
{
    uint64_t size = place_size(&place->items[job]);
    size_t low = 0, high = group->jobs_n;

    while (low < high) {
        size_t middle = low + (high - low) / 2, other = group->jobs[middle];
        uint64_t other_size = place_size(&place->items[other]);

        if (other_size > size || (other_size == size && other < job))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void leave_ready(struct place *place, size_t job)
{
    struct place_group *group = &place->groups[place->items[job].group];
    size_t at = find_rank(place, group, job);

    assert(at < group->jobs_n && group->jobs[at] == job);
    group->jobs_n--;
    memmove(&group->jobs[at], &group->jobs[at + 1], (group->jobs_n - at) * sizeof *group->jobs);
    group->bytes -= place->items[job].estimate_bytes;
    place->ready_n--;
}

static void enter_ready(struct place *place, size_t job)
{
    struct place_group *group = &place->groups[place->items[job].group];
    size_t at = find_rank(place, group, job);

    group->jobs =
        mem_grow(group->jobs, &group->jobs_cap, group->jobs_n + 1, sizeof *group->jobs);
    memmove(&group->jobs[at + 1], &group->jobs[at], (group->jobs_n - at) * sizeof *group->jobs);
    group->jobs[at] = job;
    group->jobs_n++;
    group->bytes += place->items[job].estimate_bytes;
    place->ready_n++;
}

/* What runs there changes: its speed is to be seen anew. */
static void forget_current(struct place_node *node)
{
    node->since_bytes = -1;
    node->is_measured = false;
}

static void leave_running(struct place *place, size_t job)
{
    struct place_item *item = &place->items[job];
    const struct place_group *group = &place->groups[item->group];

    place->hosts[item->host].running_n--;
    place->hosts[item->host].ended_n++;
    forget_current(&place->hosts[item->host]);
    for (size_t i = 0; i < group->srs_n; i++)
        place->srs[group->srs[i]].running_n--;
    for (size_t i = 0; i < place->active_n; i++)
        if (place->active[i] == job) {
            place->active[i] = place->active[--place->active_n];
            break;
        }
    item->done_bytes = 0;
    item->rate_bytes_s = 0;
    item->host = PLACE_NONE;
}

static void leave(struct place *place, size_t job)
{
    if (place->items[job].state == PLACE_READY)
        leave_ready(place, job);
    else if (place->items[job].state == PLACE_RUNNING)
        leave_running(place, job);
    place->version++;
}

void place_set_ready(struct place *place, size_t job)
{
    struct place_item *item = &place->items[job];

    if (item->group == PLACE_NONE || item->state == PLACE_READY)
        return;
    leave(place, job);
    item->state = PLACE_READY;
    enter_ready(place, job);
}

void place_set_over(struct place *place, size_t job)
{
    struct place_item *item = &place->items[job];

    if (item->group == PLACE_NONE || item->state == PLACE_OVER)
        return;
    leave(place, job);
    item->state = PLACE_OVER;
}

void place_move_job(struct place *place, size_t job, const struct place_job *now)
{
    enum place_state state = place->items[job].state;

    if (place->items[job].group == PLACE_NONE || state == PLACE_RUNNING)
        return;
    place_set_over(place, job);
    size_t group = need_group(place, now);
    place->items[job].group = group;
    place->version++;
    if (state == PLACE_READY)
        place_set_ready(place, job);
}

void place_set_running(struct place *place, size_t job, const char *host_uuid)
{
    struct place_item *item = &place->items[job];

    if (item->group == PLACE_NONE ||
        (item->state == PLACE_RUNNING && str_equal(place->hosts[item->host].uuid, host_uuid)))
        return;
    leave(place, job);
    item->state = PLACE_RUNNING;
    item->host = need_host(place, host_uuid);
    place->hosts[item->host].running_n++;
    forget_current(&place->hosts[item->host]);
    const struct place_group *group = &place->groups[item->group];
    for (size_t i = 0; i < group->srs_n; i++)
        place->srs[group->srs[i]].running_n++;
    place->active =
        mem_grow(place->active, &place->active_cap, place->active_n + 1, sizeof *place->active);
    place->active[place->active_n++] = job;
}

void place_set_avoid(struct place *place, size_t job, const char *host_uuid)
{
    struct place_item *item = &place->items[job];
    size_t host = host_uuid ? need_host(place, host_uuid) : PLACE_NONE;

    if (item->avoid != host)
        place->version++;
    item->avoid = host;
}

/* ---- speeds ---- */

static double mix_speed(double known, double seen)
{
    if (known <= 0 || seen >= known)
        return seen;
    return known + (seen - known) * SPEED_FADES;
}

static bool loads(const struct place *place, size_t job, size_t sr)
{
    const struct place_group *group = &place->groups[place->items[job].group];

    for (size_t i = 0; i < group->srs_n; i++)
        if (group->srs[i] == sr)
            return true;
    return false;
}

/* What all jobs of the SR go at; 0 while one of them has told nothing. */
static double sum_rates(const struct place *place, size_t sr)
{
    double sum = 0;

    for (size_t i = 0; i < place->active_n; i++) {
        const struct place_item *item = &place->items[place->active[i]];

        if (!loads(place, place->active[i], sr))
            continue;
        if (item->rate_bytes_s == 0)
            return 0;
        sum += (double)item->rate_bytes_s;
    }
    return sum;
}

/* Whether half of this SR's jobs go slower than their share of their host: it is what holds them. */
static bool is_held(const struct place *place, size_t sr)
{
    size_t held_n = 0;

    for (size_t i = 0; i < place->active_n; i++) {
        const struct place_item *item = &place->items[place->active[i]];
        const struct place_node *node = &place->hosts[item->host];

        held_n += loads(place, place->active[i], sr) &&
                  (double)item->rate_bytes_s * node->running_n < node->speed * HELD;
    }
    return held_n * 2 >= place->srs[sr].running_n;
}

/* What an SR gives tells that it gives that much; no more, only while it is what holds its jobs. */
static void learn_sr(struct place *place, size_t index)
{
    struct place_sr *sr = &place->srs[index];
    double seen = sum_rates(place, index);
    bool is_limit = seen > 0 && sr->running_n > 1 && is_held(place, index);

    if (seen > sr->speed || is_limit)
        sr->speed = mix_speed(sr->speed, seen);
    sr->is_limit_seen = sr->is_limit_seen || is_limit;
}

static void learn_srs_of(struct place *place, size_t host)
{
    for (size_t i = 0; i < place->active_n; i++) {
        const struct place_item *item = &place->items[place->active[i]];
        const struct place_group *group = &place->groups[item->group];

        for (size_t k = 0; item->host == host && k < group->srs_n; k++)
            learn_sr(place, group->srs[k]);
    }
}

void place_learn_host(struct place *place, const char *host_uuid, int64_t now_ms)
{
    size_t host = place_find_host(place, host_uuid);
    double bytes = 0;

    if (host == PLACE_NONE || place->hosts[host].running_n == 0)
        return;
    struct place_node *node = &place->hosts[host];
    for (size_t i = 0; i < place->active_n; i++) {
        const struct place_item *item = &place->items[place->active[i]];

        if (item->host == host && item->rate_bytes_s == 0)
            return;
        bytes += item->host == host ? (double)item->done_bytes : 0;
    }
    if (node->since_bytes >= 0 && now_ms - node->since_ms < LEARN_MS)
        return;
    if (node->since_bytes >= 0) {
        double *known = node->running_n == 1 ? &node->single : &node->several;

        node->current = (bytes - node->since_bytes) * 1000 / (double)(now_ms - node->since_ms);
        node->is_measured = true;
        if (node->current > 0)
            *known = mix_speed(*known, node->current);
        node->speed = node->single > node->several ? node->single : node->several;
    }
    node->since_ms = now_ms;
    node->since_bytes = bytes;
    learn_srs_of(place, host);
}

void place_set_progress(struct place *place, size_t job, uint64_t bytes, uint64_t rate_bytes_s)
{
    struct place_item *item = &place->items[job];

    if (item->group == PLACE_NONE || item->state != PLACE_RUNNING)
        return;
    item->done_bytes = bytes;
    item->rate_bytes_s = rate_bytes_s;
}

size_t place_need_host(struct place *place, const char *uuid)
{
    return need_host(place, uuid);
}

void place_set_host(struct place *place, size_t host_index, const struct place_host *host)
{
    struct place_node *node = &place->hosts[host_index];

    if (node->is_ready != host->is_ready || node->is_near != host->is_near ||
        node->slots_free != host->slots_free)
        place->version++;
    node->is_ready = host->is_ready;
    node->is_near = host->is_near;
    node->slots_free = host->slots_free;
}

void place_allow_redirects(struct place *place, bool is_allowed)
{
    if (place->is_redirecting != is_allowed)
        place->version++;
    place->is_redirecting = is_allowed;
}

size_t place_ready_n(const struct place *place)
{
    return place->ready_n;
}
