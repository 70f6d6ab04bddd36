/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What holds for all looks until the next change, found out once for each: speeds, what waits for
 * whom, the time until the end; and the limits.
 */
#include "coordinator/policy/place.h"

#include "coordinator/policy/place_inside.h"

#include "common/base/poison.h"

double place_speed(const struct place *place, size_t host)
{
    return place->hosts[host].speed > 0 ? place->hosts[host].speed : place->mean_speed;
}

static void look_at_hosts(struct place *place)
{
    double sum = 0;
    size_t n = 0;

    place->ready_hosts_n = 0;
    for (size_t i = 0; i < place->hosts_n; i++) {
        place->hosts[i].bound = 0;
        place->hosts[i].kept = 0;
        place->ready_hosts_n += place->hosts[i].is_ready;
        if (place->hosts[i].speed <= 0)
            continue;
        sum += place->hosts[i].speed;
        n++;
    }
    place->mean_speed = n > 0 ? sum / (double)n : 1;
}

bool place_is_for_many(const struct place *place, const struct place_group *group)
{
    return group->ready_n * 2 > place->ready_hosts_n;
}

/* What few hosts may have is theirs by their speeds: none of them has room for all of its time. */
static void keep_for_few(struct place *place, const struct place_group *group)
{
    if (group->jobs_n == 0 || place_is_for_many(place, group))
        return;
    for (size_t i = 0; i < group->hosts_n; i++) {
        struct place_node *node = &place->hosts[group->hosts[i]];

        if (node->is_ready)
            node->kept +=
                (double)group->bytes * place_speed(place, group->hosts[i]) / group->speed;
    }
}

static void look_at_group(struct place *place, struct place_group *group)
{
    group->ready_n = 0;
    group->speed = 0;
    group->best = 0;
    for (size_t i = 0; i < group->hosts_n; i++) {
        double speed = place_speed(place, group->hosts[i]);

        if (!place->hosts[group->hosts[i]].is_ready)
            continue;
        group->ready_n++;
        group->only = group->hosts[i];
        group->speed += speed;
        group->best = speed > group->best ? speed : group->best;
    }
    if (group->ready_n == 1)
        place->hosts[group->only].bound += (double)group->bytes;
    keep_for_few(place, group);
    for (size_t i = 0; i < group->srs_n; i++) {
        struct place_sr *sr = &place->srs[group->srs[i]];

        sr->left += (double)group->bytes;
        if (group->speed > sr->capacity)
            sr->capacity = group->speed;
    }
}

static void look_at_slowest_sr(struct place *place)
{
    place->slowest_sr = 0;
    for (size_t i = 0; i < place->srs_n; i++) {
        const struct place_sr *sr = &place->srs[i];

        if (sr->is_limit_seen && (place->slowest_sr <= 0 || sr->speed < place->slowest_sr))
            place->slowest_sr = sr->speed;
    }
}

/* One that was never seen at its limit is taken for as slow as the slowest, so that its places are
 * filled and it shows what it gives; while none was seen, for what its places carry at the mean. */
static void look_at_sr(const struct place *place, struct place_sr *sr)
{
    double most = place->mean_speed * place->limits.sr_n;

    if (place->slowest_sr > 0 && place->slowest_sr < most)
        most = place->slowest_sr;
    if (sr->speed > most || sr->is_limit_seen)
        most = sr->speed;
    if (most > 0 && (sr->capacity <= 0 || most < sr->capacity))
        sr->capacity = most;
    if (sr->capacity <= 0)
        sr->capacity = place->mean_speed;
}

uint32_t place_all_places(const struct place *place)
{
    uint32_t store = place->limits.store_n, pool = place->limits.pool_n;

    return store && pool ? (store < pool ? store : pool) : store + pool;
}

/* When all is over, if what takes the longest is not kept waiting. */
static double look_at_end(const struct place *place)
{
    double total = 0, capacity = 0, end = 0;

    for (size_t i = 0; i < place->groups_n; i++) {
        const struct place_group *group = &place->groups[i];

        total += (double)group->bytes;
        if (group->jobs_n > 0 && group->best > 0) {
            double first = (double)place->items[group->jobs[0]].estimate_bytes / group->best;
            end = first > end ? first : end;
        }
    }
    for (size_t i = 0; i < place->active_n; i++) {
        const struct place_item *item = &place->items[place->active[i]];
        double left = place_left(item);

        total += left;
        if (item->rate_bytes_s > 0 && left / (double)item->rate_bytes_s > end)
            end = left / (double)item->rate_bytes_s;
    }
    for (size_t i = 0; i < place->hosts_n; i++) {
        double speed = place_speed(place, i);

        if (!place->hosts[i].is_ready)
            continue;
        capacity += speed;
        end = place->hosts[i].bound / speed > end ? place->hosts[i].bound / speed : end;
    }
    for (size_t i = 0; i < place->srs_n; i++) {
        double left = place->srs[i].left / place->srs[i].capacity;

        end = left > end ? left : end;
    }
    if (place_all_places(place) > 0 && place_all_places(place) < place->ready_hosts_n)
        capacity = place->mean_speed * place_all_places(place);
    return capacity > 0 && total / capacity > end ? total / capacity : end;
}

void place_look(struct place *place)
{
    if (place->looked_at == place->version)
        return;
    place->looked_at = place->version;
    look_at_hosts(place);
    look_at_slowest_sr(place);
    for (size_t i = 0; i < place->srs_n; i++) {
        place->srs[i].left = 0;
        place->srs[i].capacity = 0;
    }
    for (size_t i = 0; i < place->groups_n; i++)
        look_at_group(place, &place->groups[i]);
    for (size_t i = 0; i < place->active_n; i++) {
        const struct place_item *item = &place->items[place->active[i]];
        const struct place_group *group = &place->groups[item->group];

        place->hosts[item->host].bound += place_left(item);
        place->hosts[item->host].kept += place_left(item);
        for (size_t k = 0; k < group->srs_n; k++)
            place->srs[group->srs[k]].left += place_left(item);
    }
    for (size_t i = 0; i < place->srs_n; i++)
        look_at_sr(place, &place->srs[i]);
    place->end = look_at_end(place);
}

uint64_t place_lower_bound_bytes(struct place *place)
{
    uint64_t total = 0, best = 0, ready_n = 0;

    place_look(place);
    for (size_t i = 0; i < place->items_n; i++) {
        const struct place_item *item = &place->items[i];

        if (item->state == PLACE_OVER)
            continue;
        total += item->estimate_bytes;
        best = item->estimate_bytes > best ? item->estimate_bytes : best;
    }
    for (size_t i = 0; i < place->hosts_n; i++) {
        uint64_t bound = (uint64_t)place->hosts[i].bound;

        ready_n += place->hosts[i].is_ready;
        best = bound > best ? bound : best;
    }
    if (ready_n == 0)
        return 0;
    return total / ready_n > best ? total / ready_n : best;
}

/* ---- limits ---- */

bool place_is_reached(size_t n, uint32_t limit)
{
    return limit != 0 && n >= limit;
}

const struct place_sr *place_full_sr(const struct place *place, const struct place_group *group)
{
    for (size_t i = 0; i < group->srs_n; i++)
        if (place_is_reached(place->srs[group->srs[i]].running_n, place->limits.sr_n))
            return &place->srs[group->srs[i]];
    return NULL;
}
