/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of agents. Reports and log lines of a Sync are its reader's affair and are not kept
 * here; the rest of the last Sync is, so that status can be told at any time.
 */
#include "coordinator/agents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"

#include "common/base/poison.h"

static void agents_item_done(struct agent *agent)
{
    free(agent->host_uuid);
    free(agent->host_name);
    wire_sync_done(&agent->sync);
}

void agents_done(struct agents *agents)
{
    for (size_t i = 0; i < agents->n; i++)
        agents_item_done(&agents->items[i]);
    free(agents->items);
    *agents = (struct agents){0};
}

struct agent *agents_find(const struct agents *agents, const char *host_uuid)
{
    for (size_t i = 0; i < agents->n; i++)
        if (strcmp(agents->items[i].host_uuid, host_uuid) == 0)
            return &agents->items[i];
    return NULL;
}

static struct agent *agents_add(struct agents *agents, const char *host_uuid, int64_t now_ms)
{
    agents->items = mem_grow(agents->items, &agents->cap, agents->n + 1, sizeof *agents->items);
    struct agent *agent = &agents->items[agents->n++];

    *agent = (struct agent){.host_uuid = mem_dup(host_uuid),
                            .heard_ms = now_ms,
                            .first_heard_ms = now_ms,
                            .boot_ms = now_ms};
    return agent;
}

struct agent *agents_expect(struct agents *agents, const char *host_uuid, int64_t now_ms)
{
    struct agent *agent = agents_find(agents, host_uuid);

    if (agent || agents->n >= AGENTS_MAX)
        return agent;
    agent = agents_add(agents, host_uuid, now_ms);
    agent->is_expected = true;
    return agent;
}

static void agents_keep_sync(struct agent *agent, const struct wire_sync *sync)
{
    struct wire_sync *kept = &agent->sync;

    wire_sync_done(kept);
    str_copy(kept->host_uuid, sizeof kept->host_uuid, sync->host_uuid);
    kept->boot = sync->boot;
    kept->seq = sync->seq;
    kept->version = mem_dup(sync->version);
    kept->lease = sync->lease;
    kept->slots = sync->slots;
    kept->free_slots = sync->free_slots;
    kept->load_percent = sync->load_percent;
    kept->cpu_percent = sync->cpu_percent;
    kept->hold_back = mem_dup(sync->hold_back);
    kept->rate_limit = sync->rate_limit;
    kept->is_draining = sync->is_draining;
    kept->is_partial = sync->is_partial;
    kept->store.root = mem_dup(sync->store.root);
    kept->store.uuid = mem_dup(sync->store.uuid);
    kept->store.nonce = mem_dup(sync->store.nonce);
    kept->store.free_bytes = sync->store.free_bytes;
    kept->store.total_bytes = sync->store.total_bytes;
    kept->store.error = sync->store.error;
}

static enum agents_heard agents_compare(const struct agent *agent, const struct wire_sync *sync)
{
    if (sync->boot != agent->sync.boot)
        return AGENTS_RESTARTED;
    if (sync->seq <= agent->sync.seq)
        return AGENTS_STALE;
    return agent->is_lost ? AGENTS_NEW : AGENTS_NEXT;
}

int agents_hear(struct agents *agents, const struct wire_sync *sync, int64_t now_ms,
                enum agents_heard *ret_heard, struct agent **ret_agent, struct error *err)
{
    struct agent *agent = agents_find(agents, sync->host_uuid);
    enum agents_heard heard = AGENTS_NEW;

    if (agent && agent->is_expected) {
        agent->first_heard_ms = agent->boot_ms = now_ms;
    } else if (agent) {
        heard = agents_compare(agent, sync);
    } else {
        if (agents->n >= AGENTS_MAX)
            return error_set(err, ERROR_LIMIT, "more than %d agents: host %s is not taken in",
                             AGENTS_MAX, sync->host_uuid);
        agent = agents_add(agents, sync->host_uuid, now_ms);
    }
    if (heard != AGENTS_STALE) {
        agents_keep_sync(agent, sync);
        agent->heard_ms = now_ms;
        if (heard == AGENTS_RESTARTED)
            agent->boot_ms = now_ms;
        agent->is_lost = agent->is_expected = false;
    }
    *ret_heard = heard;
    *ret_agent = agent;
    return 0;
}

struct agent *agents_next_lost(struct agents *agents, int64_t now_ms, int64_t lost_ms)
{
    for (size_t i = 0; i < agents->n; i++) {
        struct agent *agent = &agents->items[i];

        if (!agent->is_lost && now_ms - agent->heard_ms >= lost_ms) {
            agent->is_lost = true;
            return agent;
        }
    }
    return NULL;
}

size_t agents_present_n(const struct agents *agents)
{
    size_t n = 0;

    for (size_t i = 0; i < agents->n; i++)
        n += !agents->items[i].is_lost && !agents->items[i].is_expected;
    return n;
}

static bool agents_store_why_not(const struct wire_store *seen, const struct agents_store *store,
                                 char text[AGENTS_REASON_MAX])
{
    const char *root = seen->root ? seen->root : "its store";

    if (error_is_set(&seen->error)) {
        snprintf(text, AGENTS_REASON_MAX, "its store can't be used: %s", seen->error.text);
        return true;
    }
    if (!seen->uuid || !seen->nonce) {
        snprintf(text, AGENTS_REASON_MAX, "it has not read the store's marker yet (%s)", root);
        return true;
    }
    if (store->uuid && strcmp(seen->uuid, store->uuid) != 0) {
        snprintf(text, AGENTS_REASON_MAX,
                 "%s is another store there (%s, not %s): mount the same share on this host", root,
                 seen->uuid, store->uuid);
        return true;
    }
    if (store->nonce && strcmp(seen->nonce, store->nonce) != 0) {
        snprintf(text, AGENTS_REASON_MAX,
                 "%s does not show this run's nonce there: the host has mounted another share, or "
                 "an old copy of this one",
                 root);
        return true;
    }
    return false;
}

bool agents_why_not(const struct agent *agent, const struct agents_store *store,
                    char text[AGENTS_REASON_MAX])
{
    text[0] = '\0';
    if (agent->is_lost) {
        snprintf(text, AGENTS_REASON_MAX,
                 "it has not been heard of for long: is the host up, does onyxpool-agent run?");
        return true;
    }
    if (agent->is_expected) {
        snprintf(text, AGENTS_REASON_MAX,
                 "it has not been heard of since the run was continued: is the host up, does "
                 "onyxpool-agent run?");
        return true;
    }
    if (agents_store_why_not(&agent->sync.store, store, text))
        return true;
    if (agent->sync.is_draining) {
        snprintf(text, AGENTS_REASON_MAX, "it is draining: it ends its jobs and takes no new ones");
        return true;
    }
    return false;
}
