/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of place share: groups of jobs that may run on the same hosts and load the same
 * SRs, and what is known of hosts and SRs. Included by place*.c alone.
 */
#ifndef ONYX_COORDINATOR_POLICY_PLACE_INSIDE_H
#define ONYX_COORDINATOR_POLICY_PLACE_INSIDE_H

#include "coordinator/policy/place.h"

#define PLACE_NONE SIZE_MAX

enum place_state { PLACE_OVER, PLACE_READY, PLACE_RUNNING };

struct place_item {
    enum place_state state;
    size_t group; /* PLACE_NONE: never placed */
    uint64_t estimate_bytes;
    uint64_t done_bytes;
    uint64_t rate_bytes_s;
    size_t host;  /* running: where */
    size_t avoid; /* or PLACE_NONE */
};

struct place_group {
    uint64_t hash;
    struct text_list host_uuids, sr_uuids;
    size_t *hosts, hosts_n;
    size_t *srs, srs_n;
    bool is_first; /* the pool database */
    bool may_be_redirected;
    size_t *jobs; /* ready ones: longest first, then as they were added */
    size_t jobs_n, jobs_cap;
    uint64_t bytes; /* of them */
    /* of the moment */
    size_t ready_n; /* ready hosts among hosts */
    size_t only;    /* the one, if it is one */
    double speed;   /* of the ready ones together */
    double best;    /* of the fastest of them */
};

struct place_candidate {
    size_t job;
    bool is_redirected;
    bool is_first;
    bool is_trial; /* short and this host's anyway: it shows how fast the host is */
    bool is_enough; /* what the host does already: only what is urgent is good beside it */
    bool is_unfit; /* for a host that does nothing and has nothing better */
    size_t ready_n;
    double weight; /* seconds that depend on it; bytes, while no speed is known */
};

struct place_node { /* a host */
    char *uuid;
    bool is_ready, is_near;
    uint32_t slots_free;
    uint32_t running_n;
    size_t ended_n; /* jobs that ran there and do no more */
    size_t *groups, groups_n, groups_cap;
    double single, several; /* bytes a second with one job, with more; 0 not known */
    double speed;           /* the larger */
    int64_t since_ms;       /* when its bytes were looked at first since what runs there changed; */
    double since_bytes;     /* how many they were; -1: not yet */
    double current;         /* speed since then */
    bool is_measured;       /* since then */
    /* of the moment */
    double bound; /* bytes that wait for it alone, or run on it */
    double kept;  /* its share of what waits for half of the hosts or fewer, or runs on it */
    uint64_t candidate_at; /* version at which candidate was found */
    bool has_candidate;
    struct place_candidate candidate;
};

struct place_sr {
    char *uuid;
    uint32_t running_n;
    double speed;       /* of all its jobs together, the best of late; 0 not known */
    bool is_limit_seen; /* it was seen to hold its jobs: it gives no more than that */
    /* of the moment */
    double left;     /* bytes that wait or run */
    double capacity; /* bytes a second */
};

struct place {
    struct place_limits limits;
    bool is_redirecting;
    uint64_t version; /* rises with all that changes who may have what */
    struct place_item *items;
    size_t items_n, items_cap;
    struct place_group *groups;
    size_t groups_n, groups_cap;
    struct place_node *hosts;
    size_t hosts_n, hosts_cap;
    struct place_sr *srs;
    size_t srs_n, srs_cap;
    size_t *active; /* running items */
    size_t active_n, active_cap;
    size_t ready_n; /* ready items */
    /* of the moment, as of version looked_at */
    uint64_t looked_at;
    size_t ready_hosts_n;
    double mean_speed; /* of hosts whose speed is known; 1 while none is */
    double slowest_sr; /* speed of the slowest SR that was seen at its limit; 0: none was */
    double end;        /* seconds until the end, were everything to go well */
};

/* place.c */
size_t place_find_host(const struct place *place, const char *uuid);
/* Goes into the order of longest first: what is unknown is taken for the longest. */
uint64_t place_size(const struct place_item *item);
double place_left(const struct place_item *item);

/* place_look.c: what holds for all looks until the next change. */
void place_look(struct place *place);
double place_speed(const struct place *place, size_t host); /* the mean when it is not known */
/* Whether more than half of the ready hosts may have jobs of this group. */
bool place_is_for_many(const struct place *place, const struct place_group *group);
/* The SR of the group that is at its limit, or NULL. */
const struct place_sr *place_full_sr(const struct place *place, const struct place_group *group);
bool place_is_reached(size_t n, uint32_t limit);
/* The places of all hosts together, by the store's and the pool's limit; 0: no limit. */
uint32_t place_all_places(const struct place *place);

/* place_fit.c: whether a further job is good for a host. */

/* The longest that a job of this group should be for this host, in bytes. */
double place_longest(const struct place *place, const struct place_group *group, size_t host);
/* Sets is_trial and is_unfit of a job of groups[index]. */
void place_judge_fit(const struct place *place, size_t index, size_t host,
                     struct place_candidate *candidate);
/* Whether the host should get no further job now, whichever: it has not shown yet what it does with
 * one, or a second would bring nothing, or slow one that has no time to lose. */
bool place_is_content(const struct place *place, size_t host);
/* Whether a further job would bring nothing to the host. */
bool place_has_enough(const struct place *place, size_t host);
/* Whether a host that works is kept from this ready job, though it has a place left. */
bool place_is_held_back(const struct place *place, size_t job, size_t host);

#endif
