/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Placement: which waiting job the host that asks for work shall get.
 *
 * An object that is told what jobs there are, who is there and how far things are, and answers
 * from indexes that follow each change: a look costs as much as there are groups of jobs with the
 * same hosts and SRs, not as there are jobs. It reads no clock and does no I/O: the same calls
 * give the same answers.
 *
 * The rule. Each job that a host may have now is weighed by the time that depends on it: its own
 * at the host's worst share, the load that waits for this host alone, the load that waits for its
 * SR. The heaviest goes first; of equals the hardest to place (fewest ready hosts), then the
 * longest. The pool database goes before everything. A host that does nothing gets the best that
 * it may have. One that works gets a further job only if that is good (place_fit.c): it brings
 * anything, its share is enough for the job's SRs, slows nothing that has no time to lose, leaves
 * time for what waits for this host alone, and takes no place that a longer job of two SRs waits
 * for. A long job is left to a faster host, as long as there are shorter ones. Where the store's or
 * the pool's places are fewer than the hosts that want one, those with the heaviest job have them;
 * where a job may be had by a host that does less, it is that host's. Speeds are learnt from what
 * jobs tell: a host begins with something short, an SR counts as slow until it was seen at its
 * limit.
 *
 * Limits hold per host, SR, store and pool. A job none of whose hosts has an agent is given to
 * another host last of all, where XAPI redirects it; host backups never are.
 */
#ifndef ONYX_COORDINATOR_POLICY_PLACE_H
#define ONYX_COORDINATOR_POLICY_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"
#include "common/model/job.h"

struct place;

/* 0 is no limit. */
struct place_limits {
    uint32_t host_n;
    uint32_t sr_n;
    uint32_t store_n;
    uint32_t pool_n;
};

struct place *place_new(const struct place_limits *limits);
void place_free(struct place **place);
#define CLEAN_PLACE CLEANUP(place_free)

/* What is to be known of a job; texts are copied. */
struct place_job {
    enum job_kind kind;
    uint64_t estimate_bytes;       /* 0 unknown: taken for the longest */
    const struct text_list *hosts; /* uuids that may run it */
    const struct text_list *srs;   /* uuids it loads; may be NULL */
    bool may_be_redirected;
};

/* Gives its index: 0, 1, 2 ... It is over until it is told otherwise. NULL: one that is never
 * placed, and keeps the indexes in step with the caller's. */
size_t place_add_job(struct place *place, const struct place_job *job);

/* What is known of it has changed: its hosts, its SRs, the redirect. Not while it runs. */
void place_move_job(struct place *place, size_t job, const struct place_job *now);

void place_set_ready(struct place *place, size_t job); /* waits for a host */
void place_set_over(struct place *place, size_t job);  /* ended, or not to be given now */
/* Assigned to a host or running there. */
void place_set_running(struct place *place, size_t job, const char *host_uuid);
/* The host where its last attempt failed is left out while there is another. NULL: none. */
void place_set_avoid(struct place *place, size_t job, const char *host_uuid);
/* How far a running one is. rate_bytes_s 0: not known yet. */
void place_set_progress(struct place *place, size_t job, uint64_t bytes, uint64_t rate_bytes_s);
/* All of this host's jobs have told how far they are at this time: its speed is learnt. */
void place_learn_host(struct place *place, const char *host_uuid, int64_t now_ms);

struct place_host {
    bool is_ready;       /* a live agent that reads the store and takes jobs */
    bool is_near;        /* it will ask in a moment: it may be waited for */
    uint32_t slots_free; /* as the agent told, minus what was assigned since */
};
/* The index of a host, which it keeps. */
size_t place_need_host(struct place *place, const char *uuid);
void place_set_host(struct place *place, size_t host_index, const struct place_host *host);
/* Jobs whose own hosts have no agent may go to others from now on. */
void place_allow_redirects(struct place *place, bool is_allowed);

/* Jobs that wait for a host. */
size_t place_ready_n(const struct place *place);

/* Whether this job may be given now, as far as the caller alone knows. NULL: all may. */
typedef bool place_may_fn(void *context, size_t job);

struct place_choice {
    size_t job;
    bool is_redirected; /* the host does not see the job's SRs: worth a warning */
};

/* 1 with a choice, 0 when there is nothing for this host now. */
int place_choose(struct place *place, const char *host_uuid, place_may_fn *may, void *context,
                 struct place_choice *ret_choice);

#define PLACE_WHY_MAX 192

/* Why a ready job is not running now, for people ("SR nfs1 ... is at its limit of 4"); uuids
 * stand in it as they are. Gives text. */
char *place_why_waiting(struct place *place, size_t job, char text[PLACE_WHY_MAX]);

/* Lower bound of the run's length in bytes of one host's work: max(total / hosts, longest job,
 * load bound to one host). 0 without ready hosts. */
uint64_t place_lower_bound_bytes(struct place *place);

#endif
