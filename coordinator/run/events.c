/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A list that copies what it is given.
 */
#include "coordinator/run/events.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/poison.h"

void events_job_copy(struct events_job *to, const struct run_job *from)
{
    *to = (struct events_job){.job = *from,
                              .vm_name = mem_dup(from->vm_name),
                              .folder = mem_dup(from->folder),
                              .host_uuid = mem_dup(from->host_uuid),
                              .host_name = mem_dup(from->host_name),
                              .reason = mem_dup(from->reason)};
    to->job.vm_name = to->vm_name;
    to->job.folder = to->folder;
    to->job.host_uuid = to->host_uuid;
    to->job.host_name = to->host_name;
    to->job.reason = to->reason;
}

void events_job_done(struct events_job *job)
{
    free(job->vm_name);
    free(job->folder);
    free(job->host_uuid);
    free(job->host_name);
    free(job->reason);
    *job = (struct events_job){0};
}

static void events_item_done(struct events_item *item)
{
    events_job_done(&item->job);
    free(item->host_uuid);
    free(item->host_name);
    free(item->text);
}

void events_done(struct events *events)
{
    for (size_t i = 0; i < events->n; i++)
        events_item_done(&events->items[i]);
    free(events->items);
    *events = (struct events){0};
}

static struct events_item *events_add(struct events *events, enum events_kind kind)
{
    if (events->n >= EVENTS_MAX) {
        events_item_done(&events->items[0]);
        memmove(events->items, events->items + 1, --events->n * sizeof *events->items);
    }
    events->items = mem_grow(events->items, &events->cap, events->n + 1, sizeof *events->items);
    struct events_item *item = &events->items[events->n++];

    *item = (struct events_item){.kind = kind};
    return item;
}

void events_add_job(struct events *events, const struct run_job *job)
{
    events_job_copy(&events_add(events, EVENTS_JOB)->job, job);
}

void events_add_agent(struct events *events, const char *host_uuid, const char *host_name,
                      const char *text)
{
    struct events_item *item = events_add(events, EVENTS_AGENT);

    item->host_uuid = mem_dup(host_uuid);
    item->host_name = mem_dup(host_name);
    item->text = mem_dup(text);
}

void events_add_warning(struct events *events, const char *text)
{
    events_add(events, EVENTS_WARNING)->text = mem_dup(text);
}

void events_move(struct events *events, struct events *ret)
{
    *ret = *events;
    *events = (struct events){0};
}
