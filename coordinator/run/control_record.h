/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the dispatch into the catalog: changes, agents, their log lines and the requests of other
 * commands, and the events that tell of them. For control.c; not thread-safe.
 */
#ifndef ONYX_COORDINATOR_RUN_CONTROL_RECORD_H
#define ONYX_COORDINATOR_RUN_CONTROL_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "coordinator/run/control_expire.h"
#include "coordinator/dispatch/dispatch.h"
#include "coordinator/run/events.h"

struct catalog;
struct catalog_refused;

struct control_record {
    struct catalog *catalog; /* borrowed */
    char run[RUN_ID_MAX];    /* "" before a run */
    struct events events;
    struct control_expire expire;
    bool is_cancel_asked;
    bool is_planned;       /* before that agents may still be getting ready: no word of it */
    bool has_trouble;      /* the last commit failed */
    int64_t trouble_ms;    /* when it was told last */
    int64_t next_bytes_ms; /* when the running jobs' bytes are written next */
    int64_t next_refused_ms; /* when what was refused may be written again */
    uint64_t refused_n;    /* what of it is written */
    int64_t stamp;         /* data_version at the last look at requests */
    struct text_map agents; /* host uuid -> what was last told of it */
    struct text_map agents_ms; /* host uuid -> when its row was written */
};

void control_record_init(struct control_record *record, struct catalog *catalog);
void control_record_done(struct control_record *record);
void control_record_set_run(struct control_record *record, const char *run);

/* Commit what the dispatch wants recorded; on failure it stays there for the next time. */
void control_record_changes(struct control_record *record, struct dispatch *dispatch,
                            struct dispatch_now now);

/* The same, with the agent's own row and its log lines. */
void control_record_sync(struct control_record *record, struct dispatch *dispatch,
                         const struct wire_sync *sync, struct dispatch_now now);

/* How far the running jobs are, every few seconds: for `status`, which reads beside the run. */
void control_record_bytes(struct control_record *record, const struct dispatch *dispatch,
                          struct dispatch_now now);

/* What was refused since the server was made, when it grew and every few seconds at most. */
void control_record_refused(struct control_record *record, const struct catalog_refused *refused,
                            struct dispatch_now now);

/* Answer the requests that other processes have put into the catalog. True when one of them asks
 * to cancel the run. */
bool control_record_requests(struct control_record *record, struct dispatch_now now);

#endif
