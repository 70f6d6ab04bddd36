/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The agent's side of the conversation, driven by the caller's poll loop; never waits.
 *
 *     for (;;) {
 *         if (wire_client_can_send(c) && a Sync is due)
 *             wire_client_send(c, &sync, &log_n, &err);     first log_n lines are on their way
 *         poll(wire_client_fd(c) (may be -1, asked anew each round), wire_client_wait_ms(c))
 *         found = wire_client_step(c, &orders, &err);
 *     }
 *
 * It says Hello by itself at the first step, after WIRE_CLIENT_SILENCE_MS without an answer and
 * when the coordinator has become another one. A client belongs to one thread.
 */
#ifndef ONYX_COMMON_WIRE_CLIENT_H
#define ONYX_COMMON_WIRE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/wire/key.h"
#include "common/wire/message.h"

struct clock;
struct error;
struct random;

#define WIRE_CLIENT_SILENCE_MS 10000  /* no answer: close, Hello again */
#define WIRE_CLIENT_REFUSED_MS 5000   /* pause after a refusal of key or version */
#define WIRE_CLIENT_TWIN_MS    1000  /* pause after "another agent of this host is heard" */
#define WIRE_CLIENT_AGAIN_MS   200    /* at least between two Hellos */
#define WIRE_CLIENT_TELL_MS    600000 /* the same trouble is told once in this time */

struct wire_client;

/* address is checked (ERROR_SETTINGS) and copied, key is copied, boot is drawn from random; clock
 * and random are borrowed. */
int wire_client_open(const char *address, const struct wire_agent_key *key,
                     const struct clock *clock, const struct random *random,
                     struct wire_client **ret_client, struct error *err);
void wire_client_close(struct wire_client **client);
#define CLEAN_WIRE_CLIENT CLEANUP(wire_client_close)

/* The coordinator has moved: nothing if the address is the same, else a new Hello there. */
int wire_client_move(struct wire_client *client, const char *address, struct error *err);

/* Another key of the same host from the next Hello on, which is said now; the boot stays, so what
 * runs goes on. The key is copied. */
void wire_client_rekey(struct wire_client *client, const struct wire_agent_key *key);

int wire_client_fd(const struct wire_client *client);          /* -1: nothing to poll now */
int64_t wire_client_wait_ms(const struct wire_client *client); /* until step wants to be called */

/* A session stands and no Sync is unanswered. */
bool wire_client_can_send(const struct wire_client *client);
bool wire_client_is_connected(const struct wire_client *client); /* a session stands */

/*
 * Send a Sync; boot, seq, host_uuid and is_partial are the client's. What does not fit follows in
 * the next ones. *ret_log_n: how many of the first lines went in. They are lost if the session
 * ends before the answer: keep them until step gives Orders if that matters.
 */
int wire_client_send(struct wire_client *client, const struct wire_sync *sync, size_t *ret_log_n,
                     struct error *err);

/*
 * Take what has come and do what time asks for.
 *
 * 1 the answer to the Sync is in *ret_orders (caller releases it); 0 nothing new; -1 something a
 * person should know (no answer, refused, unreadable): tell it and go on, the client tries again
 * by itself. A refusal comes in clear text and may be forged: it is a hint, never more.
 */
int wire_client_step(struct wire_client *client, struct wire_orders *ret_orders, struct error *err);

#endif
