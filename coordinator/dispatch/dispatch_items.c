/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What all rooms of dispatch stand on: its jobs and ended attempts found by their ids, the kinds of
 * jobs, names, and the list of changes to be recorded. Decides nothing.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "coordinator/dispatch/dispatch_inside.h"

#include "common/base/poison.h"

void dispatch_attempt_done(struct attempt *attempt)
{
    free(attempt->host_uuid);
    job_report_done(&attempt->report);
    *attempt = (struct attempt){0};
}

const char *dispatch_host_name(const struct dispatch *dispatch, const char *host_uuid)
{
    const char *name = text_map_get(&dispatch->host_names, host_uuid);

    return name ? name : host_uuid;
}

struct agents_store dispatch_store(const struct dispatch *dispatch)
{
    return (struct agents_store){.uuid = dispatch->store_uuid, .nonce = dispatch->store_nonce};
}

bool dispatch_is_active(const struct item *item)
{
    return item->job.state == JOB_STATE_ASSIGNED || item->job.state == JOB_STATE_RUNNING;
}

bool dispatch_is_cleanup(const struct item *item)
{
    return item->job.job.kind == JOB_CLEANUP;
}

bool dispatch_is_errand(const struct item *item)
{
    return !job_kind_is_backup(item->job.job.kind);
}

bool dispatch_is_verify(const struct item *item)
{
    return item->job.job.kind == JOB_VERIFY;
}

bool dispatch_is_empty_claim(const struct job *job, enum job_state state, size_t files_n)
{
    return state == JOB_STATE_DONE && job_kind_is_backup(job->kind) &&
           files_n < (job->kind == JOB_BACKUP_DISK ? job->disks_n : 1);
}

struct item *dispatch_find_item(const struct dispatch *dispatch, const char *id)
{
    size_t cursor = 0, at;

    while ((at = id_index_next(&dispatch->item_index, id, &cursor)) != ID_INDEX_NONE)
        if (strcmp(dispatch->items[at].job.job.id, id) == 0)
            return &dispatch->items[at];
    return NULL;
}

struct ended *dispatch_find_ended(const struct dispatch *dispatch, const char *id,
                                  uint32_t attempt)
{
    size_t cursor = 0, at;

    while ((at = id_index_next(&dispatch->ended_index, id, &cursor)) != ID_INDEX_NONE)
        if (dispatch->ended[at].attempt == attempt && strcmp(dispatch->ended[at].id, id) == 0)
            return &dispatch->ended[at];
    return NULL;
}

struct item *dispatch_add_item(struct dispatch *dispatch)
{
    dispatch->items = mem_grow(dispatch->items, &dispatch->items_cap, dispatch->items_n + 1,
                               sizeof *dispatch->items);
    struct item *item = &dispatch->items[dispatch->items_n++];

    *item = (struct item){0};
    return item;
}

struct dispatch_change *dispatch_add_change(struct dispatch *dispatch,
                                            enum dispatch_change_kind kind, const char *id)
{
    dispatch->changes = mem_grow(dispatch->changes, &dispatch->changes_cap,
                                 dispatch->changes_n + 1, sizeof *dispatch->changes);
    struct dispatch_change *change = &dispatch->changes[dispatch->changes_n++];

    *change = (struct dispatch_change){.kind = kind};
    str_copy(change->id, sizeof change->id, id);
    return change;
}

void dispatch_warn(struct dispatch *dispatch, const char *format, ...)
{
    CLEAN_STR struct str text = STR_INIT;
    va_list args;

    va_start(args, format);
    str_add_format_v(&text, format, args);
    va_end(args);
    dispatch_add_change(dispatch, DISPATCH_WARN, "")->reason = str_take(&text);
}

bool dispatch_agent_why_not(const struct dispatch *dispatch, const struct agent *agent,
                            char text[AGENTS_REASON_MAX])
{
    struct agents_store store = dispatch_store(dispatch);
    const char *away = text_map_get(&dispatch->away, agent->host_uuid);

    if (agents_why_not(agent, &store, text))
        return true;
    if (!away)
        return false;
    str_copy(text, AGENTS_REASON_MAX, away);
    return true;
}
