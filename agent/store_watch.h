/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the share looks like now, read by a thread of its own, because a dead share holds whoever
 * touches it.
 */
#ifndef ONYX_AGENT_STORE_WATCH_H
#define ONYX_AGENT_STORE_WATCH_H

#include "common/base/mem.h"
#include "common/wire/message.h"

struct error;
struct store_watch;

#define STORE_WATCH_PERIOD_MS 5000
#define STORE_WATCH_HANG_MS 30000 /* a look that takes longer is told as an error */

/* root NULL: none is known yet. */
int store_watch_start(const char *root, struct store_watch **ret_watch, struct error *err);

/* Look there from now on (nothing if it is the same), and look again soon. */
void store_watch_set_root(struct store_watch *watch, const char *root);
void store_watch_poke(struct store_watch *watch);

/* Readable after a look; store_watch_look empties it. */
int store_watch_fd(const struct store_watch *watch);

/* The last look; replaces *ret (zero or filled before). */
void store_watch_look(struct store_watch *watch, struct wire_store *ret);

/* A thread that hangs is left behind. */
void store_watch_stop(struct store_watch **watch);
#define CLEAN_STORE_WATCH CLEANUP(store_watch_stop)

#endif
