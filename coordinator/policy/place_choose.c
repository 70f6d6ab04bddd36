/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rule: who gets which job. A look goes over the groups of the host that asks.
 */
#include "coordinator/policy/place.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "coordinator/policy/place_inside.h"

#include "common/base/poison.h"

#define HOST_PLACES    2    /* jobs on one host where no limit is set */
#define CRITICAL       0.9  /* of the time until the end: what takes longer than that, it hangs on */
#define UNKNOWN_WEIGHT 1e30 /* a job of unknown length: heavier than any known one */

/* ---- one host ---- */

static bool is_open(const struct place *place, const struct place_node *node)
{
    return node->is_ready && node->slots_free > 0 &&
           !place_is_reached(node->running_n, place->limits.host_n) &&
           !place_is_reached(place->active_n, place->limits.store_n) &&
           !place_is_reached(place->active_n, place->limits.pool_n);
}

/* Whether another host that may take jobs of this group has less to do, and will ask at once. */
static bool is_others_turn(const struct place *place, const struct place_group *group, size_t host)
{
    uint32_t own_n = place->hosts[host].running_n;

    for (size_t i = 0; own_n > 0 && i < group->hosts_n; i++) {
        const struct place_node *other = &place->hosts[group->hosts[i]];

        if (group->hosts[i] != host && other->is_ready && other->is_near &&
            other->slots_free > 0 && other->running_n < own_n)
            return true;
    }
    return false;
}

/* The first of its ready jobs that is no longer than this. */
static size_t find_no_longer(const struct place *place, const struct place_group *group,
                             double bytes)
{
    size_t low = 0, high = group->jobs_n;

    if (high > 0 && place->items[group->jobs[0]].estimate_bytes == 0)
        return 0; /* who knows */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((double)place_size(&place->items[group->jobs[middle]]) > bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool may_have(const struct place *place, const struct place_group *group, size_t host,
                     size_t job, place_may_fn *may, void *context)
{
    return (place->items[job].avoid != host || group->ready_n <= 1) &&
           (!may || may(context, job));
}

/* The longest of the group's jobs that is not too long for this host; if it does nothing and all
 * are, the shortest of them. */
static bool find_job(const struct place *place, const struct place_group *group, size_t host,
                     place_may_fn *may, void *context, size_t *ret_job)
{
    size_t start = find_no_longer(place, group, place_longest(place, group, host));

    for (size_t i = start; i < group->jobs_n; i++)
        if (may_have(place, group, host, group->jobs[i], may, context)) {
            *ret_job = group->jobs[i];
            return true;
        }
    for (size_t i = start; place->hosts[host].running_n == 0 && i-- > 0;)
        if (may_have(place, group, host, group->jobs[i], may, context)) {
            *ret_job = group->jobs[i];
            return true;
        }
    return false;
}

static double weigh(const struct place *place, const struct place_group *group, size_t host,
                    size_t job)
{
    uint32_t places = place->limits.host_n ? place->limits.host_n : HOST_PLACES;
    double speed = place_speed(place, host);
    double weight = (double)place->items[job].estimate_bytes * places / speed;

    if (place->items[job].estimate_bytes == 0)
        return UNKNOWN_WEIGHT;
    if (group->ready_n == 1 && place->hosts[host].bound / speed > weight)
        weight = place->hosts[host].bound / speed;
    for (size_t i = 0; i < group->srs_n; i++) {
        const struct place_sr *sr = &place->srs[group->srs[i]];

        weight = sr->left / sr->capacity > weight ? sr->left / sr->capacity : weight;
    }
    return weight;
}

/* Whether a goes before b, on one host. */
static bool is_better(const struct place *place, const struct place_candidate *a,
                      const struct place_candidate *b)
{
    if (a->is_first != b->is_first)
        return a->is_first;
    if (a->is_redirected != b->is_redirected)
        return b->is_redirected;
    if (a->is_trial != b->is_trial)
        return a->is_trial;
    if (a->is_unfit != b->is_unfit)
        return b->is_unfit;
    if (a->weight > b->weight || a->weight < b->weight)
        return a->weight > b->weight;
    if (a->ready_n != b->ready_n)
        return a->ready_n < b->ready_n;
    uint64_t a_size = place_size(&place->items[a->job]), b_size = place_size(&place->items[b->job]);
    return a_size != b_size ? a_size > b_size : a->job < b->job;
}

static void try_group(const struct place *place, size_t index, size_t host, bool is_redirected,
                      bool is_enough, place_may_fn *may, void *context, bool *has_best,
                      struct place_candidate *best)
{
    const struct place_group *group = &place->groups[index];
    struct place_candidate one = {.is_redirected = is_redirected,
                                  .is_first = group->is_first,
                                  .is_enough = is_enough,
                                  .ready_n = group->ready_n};

    if (group->jobs_n == 0 || place_full_sr(place, group) || is_others_turn(place, group, host) ||
        !find_job(place, group, host, may, context, &one.job))
        return;
    one.weight = weigh(place, group, host, one.job);
    place_judge_fit(place, index, host, &one);
    if (one.is_unfit && place->hosts[host].running_n > 0)
        return;
    if (*has_best && !is_better(place, &one, best))
        return;
    *best = one;
    *has_best = true;
}

static bool find_candidate(const struct place *place, size_t host, place_may_fn *may,
                           void *context, struct place_candidate *ret_best)
{
    const struct place_node *node = &place->hosts[host];
    bool has_best = false;

    if (!is_open(place, node) || place_is_content(place, host))
        return false;
    bool is_enough = place_has_enough(place, host);
    for (size_t i = 0; i < node->groups_n; i++)
        try_group(place, node->groups[i], host, false, is_enough, may, context, &has_best,
                  ret_best);
    for (size_t i = 0; !has_best && place->is_redirecting && i < place->groups_n; i++)
        if (place->groups[i].may_be_redirected && place->groups[i].ready_n == 0)
            try_group(place, i, host, true, is_enough, may, context, &has_best, ret_best);
    return has_best;
}

/* ---- all hosts ---- */

/* Whether host a with its candidate goes before host b with its own. */
static bool goes_before(const struct place *place, size_t a, const struct place_candidate *one,
                        size_t b, const struct place_candidate *other)
{
    double critical = place->end * CRITICAL;
    uint32_t a_n = one->weight > critical ? 0 : place->hosts[a].running_n;
    uint32_t b_n = other->weight > critical ? 0 : place->hosts[b].running_n;

    if (one->is_first != other->is_first)
        return one->is_first;
    if (one->is_redirected != other->is_redirected)
        return other->is_redirected;
    if (a_n != b_n)
        return a_n < b_n;
    if (one->weight > other->weight || one->weight < other->weight)
        return one->weight > other->weight;
    if (place_speed(place, a) > place_speed(place, b) ||
        place_speed(place, a) < place_speed(place, b))
        return place_speed(place, a) > place_speed(place, b);
    return a < b;
}

/* Whether the places that the store and the pool still have are for others, who will ask at once. */
static bool must_yield(struct place *place, size_t host, const struct place_candidate *own,
                       place_may_fn *may, void *context)
{
    uint32_t limit = place_all_places(place);
    size_t free_n = limit > place->active_n ? limit - place->active_n : 0;

    if (limit == 0 || free_n >= place->hosts_n)
        return false;
    for (size_t i = 0; i < place->hosts_n; i++) {
        struct place_node *other = &place->hosts[i];

        if (i == host || !other->is_near || !is_open(place, other))
            continue;
        if (other->candidate_at != place->version) {
            other->has_candidate = find_candidate(place, i, may, context, &other->candidate);
            other->candidate_at = place->version;
        }
        if (other->has_candidate && goes_before(place, i, &other->candidate, host, own) &&
            --free_n == 0)
            return true;
    }
    return false;
}

int place_choose(struct place *place, const char *host_uuid, place_may_fn *may, void *context,
                 struct place_choice *ret_choice)
{
    size_t host = place_find_host(place, host_uuid);
    struct place_candidate best = {0};

    if (host == PLACE_NONE || place->ready_n == 0 || !is_open(place, &place->hosts[host]))
        return 0;
    place_look(place);
    /* What others believed of it, they know now: nobody waits for a host that wants nothing. */
    struct place_node *node = &place->hosts[host];
    node->has_candidate = find_candidate(place, host, may, context, &best);
    node->candidate = best;
    node->candidate_at = place->version;
    if (!node->has_candidate || must_yield(place, host, &best, may, context))
        return 0;
    *ret_choice = (struct place_choice){best.job, best.is_redirected};
    return 1;
}

/* ---- for people ---- */

/* One text for all that place_fit weighs: it changes too often to be told in full. */
static const char *say_hosts(const struct place *place, const struct place_group *group, size_t job)
{
    const char *text = "every host that may do it is busy";

    for (size_t i = 0; i < group->hosts_n; i++) {
        size_t host = group->hosts[i];

        if (!is_open(place, &place->hosts[host]) ||
            (place->items[job].avoid == host && group->ready_n > 1))
            continue;
        if (place->hosts[host].running_n == 0 || !place_is_held_back(place, job, host))
            return "its turn has not come yet";
        text = "every host that may do it works, and a further job there would not end the run "
               "sooner";
    }
    return text;
}

char *place_why_waiting(struct place *place, size_t index, char text[PLACE_WHY_MAX])
{
    assert(index < place->items_n && place->items[index].group != PLACE_NONE);
    const struct place_group *group = &place->groups[place->items[index].group];
    const struct place_limits *limits = &place->limits;

    place_look(place);
    const struct place_sr *sr = place_full_sr(place, group);
    if (group->ready_n == 0)
        snprintf(text, PLACE_WHY_MAX, "%s",
                 group->may_be_redirected && place->is_redirecting
                     ? "no host that sees its disks has a ready agent; another will try it last"
                     : "the only host that may do it has no ready agent");
    else if (place_is_reached(place->active_n, limits->pool_n))
        snprintf(text, PLACE_WHY_MAX, "the pool is at its limit of %u jobs", limits->pool_n);
    else if (place_is_reached(place->active_n, limits->store_n))
        snprintf(text, PLACE_WHY_MAX, "the store is at its limit of %u jobs", limits->store_n);
    else if (sr)
        snprintf(text, PLACE_WHY_MAX, "SR %s is at its limit of %u jobs", sr->uuid, limits->sr_n);
    else
        snprintf(text, PLACE_WHY_MAX, "%s", say_hosts(place, group, index));
    return text;
}
