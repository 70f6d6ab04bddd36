/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a further job is good for a host.
 *
 * What runs on a host shares it, and what reads an SR shares that. The rates that matter are those
 * of SRs that have no time to lose: each of their few places needs so many bytes a second, and a
 * place that a host keeps at less is lost to the end of the run. So a host that works already gets
 * only what its share is enough for, and nothing that takes the share from what needs it. One that
 * does nothing gets whatever it may have.
 */
#include "coordinator/policy/place.h"

#include <float.h>

#include "coordinator/policy/place_inside.h"

#include "common/base/poison.h"

#define HOST_PLACES 2    /* jobs on one host where no limit is set */
#define FASTER      1.2  /* a host so many times as fast is worth leaving a long job to */
#define GAIN        1.1  /* several jobs on a host must have been so much faster than one, */
#define SLOWED      0.8  /* or go slower than so much of its best, to add another */
#define SPARED      0.9  /* a job is slowed when its share is less than so much of its rate */
#define ENOUGH      0.9  /* of what a place needs is enough */
#define URGENT      0.9  /* of the time until the end: an SR that takes so long has none to lose */
#define LATE        0.9  /* of the time until the end (a guess): a host busy for longer has no room */
#define TRIAL_JOBS  8    /* with so many jobs for each host, */
#define TRIAL_SHARE 300  /* the first is this part of what a host will have done in the end */
#define TRIALS      4    /* of these at most */
#define LONGER      1.5  /* so much longer must a job be for a place to be kept for it */

static double lesser(double a, double b)
{
    return a < b ? a : b;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* Whether the store's or the pool's places are fewer than the hosts: no host has to be shared. */
static bool is_narrow(const struct place *place)
{
    uint32_t n = place_all_places(place);

    return n > 0 && n < place->ready_hosts_n;
}

/* ---- what a place needs ---- */

static double host_places(const struct place *place)
{
    return place->limits.host_n ? place->limits.host_n : HOST_PLACES;
}

static double need_of_sr(const struct place *place, const struct place_sr *sr)
{
    double places = place->limits.sr_n ? place->limits.sr_n : larger(sr->running_n, 1);
    double most = sr->is_limit_seen ? sr->capacity / places
                                    : place->mean_speed / host_places(place);

    return place->end > 0 ? lesser(sr->left / place->end / places, most) : 0;
}

/* Bytes a second without which the SRs that these jobs read are not done by the end. */
static double need_of_group(const struct place *place, const struct place_group *group)
{
    double need = 0;

    for (size_t i = 0; i < group->srs_n; i++)
        need = larger(need, need_of_sr(place, &place->srs[group->srs[i]]));
    return need;
}

/* The same of a running job, with what it needs itself. */
static double need_of_job(const struct place *place, size_t job)
{
    const struct place_item *item = &place->items[job];
    double own = place->end > 0 ? place_left(item) / place->end : 0;

    return larger(own, need_of_group(place, &place->groups[item->group]));
}

/* What each job on the host would have with one more. */
static double next_share(const struct place *place, size_t host)
{
    return place->hosts[host].speed / (place->hosts[host].running_n + 1);
}

/* ---- how long a job may be ---- */

/* Whether the host begins with something short, since it has not shown its speed: a long job on a
 * slow one would be the end of the run. Jobs that end before they show anything are all short. */
static bool is_trying(const struct place *place, const struct place_node *node)
{
    return node->speed <= 0 && node->ended_n < TRIALS &&
           place->ready_n >= place->ready_hosts_n * TRIAL_JOBS;
}

static double trial_bytes(const struct place *place)
{
    return place->end * place->mean_speed / TRIAL_SHARE;
}

/* What this host can do of a group's jobs by the end: beside what it alone may have, and where many
 * hosts may have the group's, beside its share of what few may have. Below 0 when it has too much. */
static double room_of(const struct place *place, const struct place_group *group, size_t host)
{
    const struct place_node *node = &place->hosts[host];

    return place->end * LATE * place_speed(place, host) -
           (place_is_for_many(place, group) ? node->kept : node->bound);
}

/* The longest job that some host has room for; longer ones have to go to whoever asks. */
static double longest_for_any(const struct place *place, const struct place_group *group)
{
    double most = 0;

    for (size_t i = 0; i < group->hosts_n; i++)
        if (place->hosts[group->hosts[i]].is_ready)
            most = larger(most, room_of(place, group, group->hosts[i]));
    return most;
}

/* Whether another host has room for a job of the group that this one has none for. */
static bool is_too_late(const struct place *place, const struct place_group *group, size_t host,
                        double bytes)
{
    return bytes > room_of(place, group, host) && bytes <= longest_for_any(place, group);
}

double place_longest(const struct place *place, const struct place_group *group, size_t host)
{
    const struct place_node *node = &place->hosts[host];
    double first = group->jobs_n ? (double)place->items[group->jobs[0]].estimate_bytes : 0;
    double most = DBL_MAX;

    if (is_trying(place, node))
        return trial_bytes(place);
    if (node->speed <= 0 || group->ready_n < 2)
        return DBL_MAX;
    if (!is_narrow(place) && is_too_late(place, group, host, first))
        most = larger(room_of(place, group, host), 0);
    return group->best < node->speed * FASTER
               ? most
               : lesser(most, place->end * next_share(place, host));
}

/* ---- whether it fits ---- */

static bool has_sr(const struct place_group *group, size_t sr)
{
    for (size_t i = 0; i < group->srs_n; i++)
        if (group->srs[i] == sr)
            return true;
    return false;
}

/* Whether the last place of this SR is for a longer job of those that need another SR as well: it
 * would never find both free while each place is taken again at once. */
static bool is_kept(const struct place *place, const struct place_group *own, size_t sr,
                    double bytes)
{
    if (place->limits.sr_n < 2 || place->srs[sr].running_n + 1 < place->limits.sr_n)
        return false;
    for (size_t i = 0; i < place->groups_n; i++) {
        const struct place_group *group = &place->groups[i];

        if (group->jobs_n > 0 && group->srs_n > own->srs_n && group->ready_n > 0 &&
            group->ready_n <= own->ready_n && has_sr(group, sr) &&
            (double)place->items[group->jobs[0]].estimate_bytes > bytes * LONGER)
            return true;
    }
    return false;
}

/* Whether an SR of the group, which others can read too, is what the end hangs on: what it gets by
 * a further job on a host that has enough to do is worth what the host's other jobs lose. */
static bool is_urgent(const struct place *place, const struct place_group *group)
{
    for (size_t i = 0; group->ready_n > 1 && i < group->srs_n; i++) {
        const struct place_sr *sr = &place->srs[group->srs[i]];

        if (sr->left / sr->capacity > place->end * URGENT)
            return true;
    }
    return false;
}

void place_judge_fit(const struct place *place, size_t index, size_t host,
                     struct place_candidate *candidate)
{
    const struct place_group *group = &place->groups[index];
    const struct place_node *node = &place->hosts[host];
    double bytes = (double)place->items[candidate->job].estimate_bytes;
    bool is_fit = true;

    if (group->is_first || is_narrow(place))
        return;
    if (is_trying(place, node)) {
        is_fit = bytes <= trial_bytes(place);
        candidate->is_trial = group->ready_n == 1 && is_fit;
    } else if (node->speed > 0 && group->ready_n > 1) {
        /* More than their best host's share is not to be had. */
        double need = lesser(need_of_group(place, group), group->best / host_places(place));

        is_fit = need * ENOUGH <= next_share(place, host) &&
                 !is_too_late(place, group, host, bytes);
    }
    for (size_t i = 0; is_fit && i < group->srs_n; i++)
        is_fit = !is_kept(place, group, group->srs[i], bytes);
    is_fit = is_fit && (!candidate->is_enough || is_urgent(place, group));
    candidate->is_unfit = !is_fit;
}

/* ---- whether any would ---- */

/* What a running job can have of its host and of its SRs, as far as they are known. */
static double rate_by_host_and_srs(const struct place *place, const struct place_item *item)
{
    const struct place_group *group = &place->groups[item->group];
    double rate = place->hosts[item->host].speed / place->hosts[item->host].running_n;

    for (size_t i = 0; i < group->srs_n; i++) {
        const struct place_sr *sr = &place->srs[group->srs[i]];

        if (sr->is_limit_seen)
            rate = lesser(rate, sr->speed / sr->running_n);
    }
    return rate;
}

/* What the host has of all its jobs: as seen since they are the same, else as is to be expected. */
static double rate_of_host(const struct place *place, size_t host)
{
    const struct place_node *node = &place->hosts[host];
    double sum = 0;

    if (node->is_measured)
        return node->current;
    for (size_t i = 0; i < place->active_n; i++) {
        const struct place_item *item = &place->items[place->active[i]];

        if (item->host == host)
            sum += rate_by_host_and_srs(place, item);
    }
    return sum;
}

static bool have_all_begun(const struct place *place, size_t host)
{
    for (size_t i = 0; i < place->active_n; i++)
        if (place->items[place->active[i]].host == host &&
            place->items[place->active[i]].rate_bytes_s == 0)
            return false;
    return true;
}

/* Whether the host is to show what it does with one job before it gets a second. Else nobody knows
 * whether a second brings anything; and where it does not, both go slower, and a death costs both. */
static bool is_alone_to_try(const struct place *place, size_t host)
{
    return place->hosts[host].running_n > 0 && is_trying(place, &place->hosts[host]);
}

/* Whether a further job would bring nothing: what runs there goes as fast as the host was seen to
 * be of late, and several together were not faster than one. */
bool place_has_enough(const struct place *place, size_t host)
{
    const struct place_node *node = &place->hosts[host];

    return node->running_n > 0 && node->several > 0 && have_all_begun(place, host) &&
           node->several < node->single * GAIN &&
           rate_of_host(place, host) > node->single * SLOWED;
}

/* Whether a further job would slow one below what it needs. */
static bool is_to_be_spared(const struct place *place, size_t host)
{
    const struct place_node *node = &place->hosts[host];
    double share = next_share(place, host);

    for (size_t i = 0; share > 0 && i < place->active_n; i++) {
        const struct place_item *item = &place->items[place->active[i]];
        double rate = node->running_n == 1 && node->is_measured
                          ? node->current
                          : rate_by_host_and_srs(place, item);

        if (item->host == host && rate * SPARED > share &&
            need_of_job(place, place->active[i]) > share)
            return true;
    }
    return false;
}

bool place_is_content(const struct place *place, size_t host)
{
    return is_alone_to_try(place, host) || is_to_be_spared(place, host) ||
           (is_narrow(place) && place_has_enough(place, host));
}

bool place_is_held_back(const struct place *place, size_t job, size_t host)
{
    const struct place_item *item = &place->items[job];
    struct place_candidate candidate = {.job = job, .is_enough = place_has_enough(place, host)};

    place_judge_fit(place, item->group, host, &candidate);
    return candidate.is_unfit || place_is_content(place, host) ||
           (double)place_size(item) > place_longest(place, &place->groups[item->group], host);
}
