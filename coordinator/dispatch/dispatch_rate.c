/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the workers of a host may take together, by the limits of pool, host and job.
 *
 * Asked anew for each Orders: whoever begins or ends moves everybody's share within the second that
 * lies between two Syncs.
 */
#include "coordinator/dispatch/dispatch.h"

#include <stdlib.h>

#include "common/model/rate.h"
#include "coordinator/dispatch/dispatch_inside.h"

#include "common/base/poison.h"

/* What a host takes is known when it is known of each of its jobs. */
static void add_part(struct rate_taker *taker, const struct rate_meter *meter)
{
    uint64_t taken = rate_meter_taken(meter);

    taker->taken = taken > 0 && (taker->parts == 0 || taker->taken > 0) ? taker->taken + taken : 0;
    taker->parts++;
}

uint64_t dispatch_host_rate(const struct dispatch *dispatch, const char *host_uuid)
{
    const struct dispatch_settings *settings = &dispatch->settings;
    uint64_t share = settings->host_rate;

    if (settings->pool_rate == 0)
        return share;
    struct rate_taker *takers = mem_zero(dispatch->agents.n + 1, sizeof *takers);
    const struct agent *agent = agents_find(&dispatch->agents, host_uuid);

    for (size_t i = 0; i < dispatch->active_n; i++) {
        const struct item *item = &dispatch->items[dispatch->active[i]];

        if (!dispatch_is_errand(item))
            add_part(&takers[item->now.agent], &item->now.rate);
    }
    for (size_t i = 0; i < dispatch->agents.n; i++)
        takers[i].cap =
            rate_lower(settings->host_rate, takers[i].parts * settings->tuning.max_rate);
    rate_share(settings->pool_rate, takers, dispatch->agents.n);
    /* A host without a job has no share yet: the Orders that bring one bring it. */
    share = agent ? takers[agent - dispatch->agents.items].share : 0;
    free(takers);
    return share != 0 ? share : rate_lower(settings->host_rate, settings->pool_rate);
}
