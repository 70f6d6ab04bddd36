/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The coordinator's side of the conversation: sealed bytes in, answer out, never waiting.
 *
 * It holds a session per host. A Sync is given to the handler with the host and boot that its
 * session proves; the handler's Orders go back sealed. The same Sync again gets the same bytes
 * again without asking the handler. Refused peers are told by a rate-limited log line here.
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
