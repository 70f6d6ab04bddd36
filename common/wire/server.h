/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The coordinator's side of the conversation: sealed bytes in, answer out, never waiting.
 *
 * It holds a session per host. A Sync is given to the handler with the host and boot that its
 * session proves; the handler's Orders go back sealed. The same Sync again gets the same bytes
 * again without asking the handler. Refused peers are counted, and told by one log line a minute
 * (common/wire/told.h). While one agent of a host is heard, another one with the same key is refused. Connections
 * that are too many are shut (common/wire/guard.h).
 * A server belongs to one thread.
 */
#ifndef ONYX_COMMON_WIRE_SERVER_H
#define ONYX_COMMON_WIRE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/mem.h"
#include "common/wire/key.h"
#include "common/wire/message.h"

struct clock;
struct error;
struct random;
struct str;

#define WIRE_SERVER_HOSTS_MAX     1024 /* hosts that showed a valid key */
#define WIRE_SERVER_HALF_OPEN_MAX 4    /* answered Hellos per host; a new one drops the oldest */
#define WIRE_SERVER_BATCH_MAX     64   /* messages in one wire_server_serve */
#define WIRE_SERVER_HELLOS_MAX    1024 /* remembered per host: none of them is answered twice */
#define WIRE_SERVER_TWIN_MS       3000 /* silence after which another agent of the host may come */

struct wire_server;

/*
 * Answer a Sync. It is the handler's to change (take reports and lines out of it); ret_orders
 * comes as zeroes. Must not wait for other machines: catalog and memory only.
 * -1: no answer is given, the agent will ask again; the server logs the error.
 */
typedef int wire_server_handler_fn(void *context, struct wire_sync *sync,
                                   struct wire_orders *ret_orders, struct error *err);

/* key is copied; clock and random are borrowed. */
struct wire_server *wire_server_new(const struct wire_pool_key *key, const struct clock *clock,
                                    const struct random *random, wire_server_handler_fn *handler,
                                    void *context);
void wire_server_free(struct wire_server **server);
#define CLEAN_WIRE_SERVER CLEANUP(wire_server_free)

/* The keys from now on: also an older one for as long as it counts. Sessions made with another key
 * go on while that is the older one. */
void wire_server_set_keys(struct wire_server *server, const struct wire_pool_keys *keys);

/* What was heard since the server was made. */
struct wire_server_counts {
    uint64_t answered;  /* Syncs that were given Orders */
    uint64_t greeted;   /* Hellos that were answered with a Welcome */
    uint64_t foreign;   /* bytes that are no frame of ours */
    uint64_t malformed; /* frames of ours that can't be read */
    uint64_t key;       /* Hellos of another key */
    uint64_t version;   /* Hellos without a common version */
    uint64_t session;   /* Syncs of a session that is not known */
    uint64_t unsealed;  /* Syncs that did not open: forged or damaged */
    uint64_t old;       /* Syncs with a counter that is over, Hellos that were answered before */
    uint64_t twin;      /* Syncs of a second agent with the key of one that is heard */
    uint64_t shut;      /* connections that were too many */
};
void wire_server_count(const struct wire_server *server, struct wire_server_counts *ret_counts);

/* Listen (common/wire/link.h has the addresses). ERROR_SETTINGS, ERROR_BUSY (in use), ERROR_IO. */
int wire_server_listen(struct wire_server *server, const char *address, struct error *err);

/* Readable when there is something to serve; for poll. -1 before wire_server_listen. */
int wire_server_fd(const struct wire_server *server);

/* Answer what has come, at most WIRE_SERVER_BATCH_MAX messages; never waits. -1 only when the
 * socket itself is broken. */
int wire_server_serve(struct wire_server *server, struct error *err);

/* One frame in, the answer appended; false: there is none. What wire_server_serve does per frame.
 */
bool wire_server_answer(struct wire_server *server, const void *bytes, size_t n,
                        struct str *answer);

#endif
