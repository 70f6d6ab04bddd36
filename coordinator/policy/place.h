/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Placement: which waiting job the host that asks for work shall get.
 *
 * Whoever asks next gets the job that is hardest to place (fewest live hosts may run it), then
 * the longest. The pool database goes before everything. Limits hold per host, SR, store and pool.
 * A job none of whose hosts has an agent is given to another host last of all, where XAPI
 * redirects it; host backups never are. Pure: the view is a value of one moment.
 */
#ifndef ONYX_COORDINATOR_POLICY_PLACE_H
#define ONYX_COORDINATOR_POLICY_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/text_list.h"
#include "common/model/job.h"

enum place_state {
    PLACE_READY,   /* waits for a host */
    PLACE_HELD,    /* waits for something else: back-off, cleanup, a hook */
    PLACE_RUNNING, /* assigned or running on host */
    PLACE_OVER
};

struct place_job {
    enum place_state state;
    enum job_kind kind;
    uint64_t estimate_bytes;        /* 0 unknown: taken for the longest */
    const struct text_list *hosts;  /* uuids that may run it; borrowed */
    const struct text_list *srs;    /* uuids it loads; borrowed, may be NULL */
    bool may_be_redirected;
    const char *host;               /* running: where; NULL otherwise */
    const char *avoid;              /* uuid of the host where its last attempt failed, or NULL */
};

struct place_host {
    const char *uuid;
    bool is_ready;       /* a live agent that reads the store and takes jobs */
    uint32_t slots_free; /* as the agent told, minus what was assigned since */
};

/* 0 is no limit. */
struct place_limits {
    uint32_t host_n;
    uint32_t sr_n;
    uint32_t store_n;
    uint32_t pool_n;
};

struct place_view {
    const struct place_job *jobs;
    size_t jobs_n;
    const struct place_host *hosts;
    size_t hosts_n;
    struct place_limits limits;
};

struct place_choice {
    size_t job;
    bool is_redirected; /* the host does not see the job's SRs: worth a warning */
};

/* 1 with a choice, 0 when there is nothing for this host now. Cleanup jobs count against no
 * limit but the host's slots. */
int place_choose(const struct place_view *view, const char *host_uuid,
                 struct place_choice *ret_choice);

#define PLACE_WHY_MAX 192

/* Why a ready job is not running now, for people ("SR nfs1 ... is at its limit of 4"); uuids
 * stand in it as they are. Gives text. */
char *place_why_waiting(const struct place_view *view, size_t job, char text[PLACE_WHY_MAX]);

/* Lower bound of the run's length in bytes of one host's work: max(total / hosts, longest job,
 * load bound to one host). 0 without ready hosts. */
uint64_t place_lower_bound_bytes(const struct place_view *view);

#endif
