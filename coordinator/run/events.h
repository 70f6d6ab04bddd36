/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What happened, as values that own their texts: the way from the control thread to whoever
 * watches the run.
 */
#ifndef ONYX_COORDINATOR_RUN_EVENTS_H
#define ONYX_COORDINATOR_RUN_EVENTS_H

#include <stddef.h>

#include "common/base/mem.h"
#include "coordinator/progress.h"

#define EVENTS_MAX 20000 /* the oldest are dropped when nobody takes them */

enum events_kind { EVENTS_JOB, EVENTS_AGENT, EVENTS_WARNING };

/* A run_job that owns its texts. */
struct events_job {
    struct run_job job; /* its texts are those below */
    char *vm_name;
    char *folder;
    char *host_uuid;
    char *host_name;
    char *reason;
};

struct events_item {
    enum events_kind kind;
    struct events_job job;
    char *host_uuid;
    char *host_name;
    char *text; /* agent: why it gets no job, NULL ready */
};

struct events {
    struct events_item *items;
    size_t n, cap;
};

void events_job_copy(struct events_job *to, const struct run_job *from);
void events_job_done(struct events_job *job);

void events_done(struct events *events);
#define CLEAN_EVENTS CLEANUP(events_done)
void events_add_job(struct events *events, const struct run_job *job);
void events_add_agent(struct events *events, const char *host_uuid, const char *host_name,
                      const char *text);
void events_add_warning(struct events *events, const char *text);

/* All that is there moves to ret, which is empty before. */
void events_move(struct events *events, struct events *ret);

#endif
