/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Following objects of the pool: event.from, again and again, with its token.
 *
 * The first answer holds everything as it is now. When the token is worth nothing any more (the
 * toolstack was restarted, another host became master) it starts from the beginning by itself, so
 * whoever listens takes every event as "this is how it is".
 * Source: xapi xapi_event.ml.
 */
#ifndef ONYX_COMMON_XAPI_EVENT_H
#define ONYX_COMMON_XAPI_EVENT_H

#include <jansson.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;
struct xapi;

#define EVENT_TOKEN_MAX   128
#define EVENT_WAIT_MAX_MS 30000 /* one event.from; also the time between two looks */

struct event_stream {
    char *what; /* "pool", "task/OpaqueRef:..." */
    char token[EVENT_TOKEN_MAX];
};

void event_stream_init(struct event_stream *events, const char *what);
void event_stream_done(struct event_stream *events);
#define CLEAN_EVENT_STREAM CLEANUP(event_stream_done)

/* snapshot is the record, NULL when the object is gone. All borrowed. 0 or -1 with the error set.
 */
typedef int event_fn(void *context, const char *ref, const json_t *snapshot, struct error *err);

/*
 * What event_next does with an answer: take its token, give each event to the function, count them.
 * ERROR_PROTOCOL: no token, no list.
 */
int event_take(struct event_stream *events, const json_t *answer, event_fn *each, void *context,
               size_t *ret_n, struct error *err);

/*
 * Wait up to timeout_ms (at most EVENT_WAIT_MAX_MS) for events and give each to the function.
 * ret_n counts them: 0 is a time without any.
 */
int event_next(struct xapi *xapi, struct event_stream *events, int64_t timeout_ms, event_fn *each,
               void *context, size_t *ret_n, struct error *err);

#endif
