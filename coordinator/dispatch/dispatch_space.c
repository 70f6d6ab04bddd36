/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store's room as dispatch knows it: what agents told, less what running jobs will still write.
 *
 * Numbers are some seconds old, so a worker looks again before it writes the first byte.
 */
#include <string.h>

#include "coordinator/dispatch/dispatch_inside.h"

#include "common/base/poison.h"

static void dispatch_add_reserved(const struct item *item, struct space_facts *facts)
{
    uint64_t estimate_bytes = item->job.job.estimate_bytes;
    uint64_t done_bytes = item->now.report.bytes;

    if (dispatch_is_errand(item) || estimate_bytes <= done_bytes)
        return;
    facts->reserved_bytes += estimate_bytes - done_bytes;
    if (item->job.job.is_estimate_proven)
        facts->reserved_proven_bytes += estimate_bytes - done_bytes;
}

struct space_facts dispatch_space(const struct dispatch *dispatch, const char *host_uuid)
{
    struct space_facts facts = {0};

    for (size_t i = 0; i < dispatch->agents.n; i++) {
        const struct agent *agent = &dispatch->agents.items[i];
        const struct wire_store *store = &agent->sync.store;
        bool is_own = host_uuid && strcmp(agent->host_uuid, host_uuid) == 0;

        if (agent->is_lost || store->total_bytes == 0 || error_is_set(&store->error))
            continue;
        if (facts.total_bytes == 0 || is_own || store->free_bytes < facts.free_bytes) {
            facts.total_bytes = store->total_bytes;
            facts.free_bytes = store->free_bytes;
        }
        if (is_own)
            break;
    }
    for (size_t i = 0; i < dispatch->active_n; i++)
        dispatch_add_reserved(&dispatch->items[dispatch->active[i]], &facts);
    return facts;
}

enum space_verdict dispatch_judge_space(const struct dispatch *dispatch,
                                        const struct space_facts *facts, const struct item *item,
                                        char text[SPACE_TEXT_MAX])
{
    const struct job *job = &item->job.job;

    text[0] = '\0';
    if (dispatch_is_errand(item) || (job->attempt > 0 && item->failures == 0))
        return SPACE_MAY;
    return space_judge(facts, &dispatch->settings.space, job->estimate_bytes,
                       job->is_estimate_proven, text);
}
