/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who is there: the agents as their last Syncs told, and why one of them gets no job.
 *
 * Pure values; the clock comes in as a number. An agent is present from its first Sync until it
 * has been silent for lost_ms; then it is lost and counts again with its next Sync. One may be
 * expected before its first Sync: it gets no job, and is lost after the same time.
 */
#ifndef ONYX_COORDINATOR_AGENTS_H
#define ONYX_COORDINATOR_AGENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/wire/message.h"

#define AGENTS_MAX 1024

/* Which store, and which writing of its nonce, an agent must have read before it gets a job. */
struct agents_store {
    const char *uuid;
    const char *nonce;
};

struct agent {
    char *host_uuid;
    char *host_name; /* NULL until the inventory told it */
    bool is_lost;
    bool is_expected; /* not heard yet; heard_ms is since when it is expected */
    int64_t heard_ms;  /* monotonic, of the coordinator */
    int64_t first_heard_ms;
    int64_t boot_ms; /* when this start of it was first heard */
    struct wire_sync sync; /* the last one; reports and log lines taken out */
};

struct agents {
    struct agent *items;
    size_t n;
    size_t cap;
};

#define CLEAN_AGENTS CLEANUP(agents_done)
void agents_done(struct agents *agents);

enum agents_heard {
    AGENTS_NEW,       /* never seen, or lost before */
    AGENTS_RESTARTED, /* other boot: what it was given before and does not list is dead */
    AGENTS_NEXT,      /* as expected */
    AGENTS_STALE      /* not newer than what is known: to be ignored */
};

/* Take a Sync into account. *ret_agent is borrowed until the next call. ERROR_LIMIT above
 * AGENTS_MAX hosts. */
int agents_hear(struct agents *agents, const struct wire_sync *sync, int64_t now_ms,
                enum agents_heard *ret_heard, struct agent **ret_agent, struct error *err);

/* The agent of that host, from now on expected if it was not known; NULL above AGENTS_MAX hosts. */
struct agent *agents_expect(struct agents *agents, const char *host_uuid, int64_t now_ms);

/* NULL if none. */
struct agent *agents_find(const struct agents *agents, const char *host_uuid);

/* The next agent that has become lost by now (is_lost set); NULL when there is no further one. */
struct agent *agents_next_lost(struct agents *agents, int64_t now_ms, int64_t lost_ms);

/* Agents that were heard and are not lost. */
size_t agents_present_n(const struct agents *agents);

/*
 * Why this agent gets no job, as a sentence for people that says what to do; false and "" when it
 * may have one. Free slots are not looked at.
 */
#define AGENTS_REASON_MAX 832
bool agents_why_not(const struct agent *agent, const struct agents_store *store,
                    char text[AGENTS_REASON_MAX]);

#endif
