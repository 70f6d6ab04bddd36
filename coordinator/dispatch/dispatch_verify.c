/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When backups are read back: behind the backups of the run, which the night is for, and never a
 * file that an expire job may be removing.
 */
#include <string.h>

#include "common/base/str.h"
#include "coordinator/dispatch/dispatch_inside.h"
#include "coordinator/policy/place.h"

#include "common/base/poison.h"

static bool is_reached(size_t n, uint32_t limit)
{
    return limit != 0 && n >= limit;
}

bool dispatch_may_verify(const struct dispatch *dispatch, const char *host_uuid)
{
    size_t host_n = 0, all_n = 0;

    if (place_ready_n(dispatch->place) > 0)
        return false; /* a backup waits to begin */
    for (size_t i = 0; i < dispatch->active_n; i++) {
        const struct item *item = &dispatch->items[dispatch->active[i]];

        if (dispatch_is_errand(item) && !dispatch_is_verify(item))
            continue;
        all_n++;
        host_n += strcmp(item->now.host_uuid, host_uuid) == 0;
    }
    return !is_reached(host_n, dispatch->settings.host_jobs_max) &&
           !is_reached(all_n, dispatch->settings.store_jobs_max) &&
           !is_reached(all_n, dispatch->settings.pool_jobs_max);
}

bool dispatch_is_held_by_folder(const struct dispatch *dispatch, const struct item *item)
{
    const bool is_expire = item->job.job.kind == JOB_EXPIRE;

    if (!is_expire && !dispatch_is_verify(item))
        return false;
    for (size_t i = 0; i < dispatch->errands_n; i++) {
        const struct item *other = &dispatch->items[dispatch->errands[i]];

        /* One that reads keeps the remover waiting, one that will remove keeps the reader waiting. */
        bool is_in_the_way = is_expire ? dispatch_is_verify(other) && dispatch_is_active(other)
                                       : other->job.job.kind == JOB_EXPIRE &&
                                             !job_state_is_end(other->job.state);
        if (is_in_the_way && str_equal(other->job.job.folder, item->job.job.folder))
            return true;
    }
    return false;
}

void dispatch_skip_verifies(struct dispatch *dispatch, const struct item *expire,
                            const struct job_report *report)
{
    for (size_t i = dispatch->errands_n; i > 0; i--) { /* what is skipped leaves the list */
        struct item *item = &dispatch->items[dispatch->errands[i - 1]];

        if (dispatch_is_verify(item) && !dispatch_is_active(item) &&
            !job_state_is_end(item->job.state) &&
            str_equal(item->job.job.folder, expire->job.job.folder) &&
            text_list_has(&report->gone, item->job.job.subject.file))
            dispatch_set_state(dispatch, item, JOB_STATE_SKIPPED, "it has expired meanwhile");
    }
}
