/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Four states: idle (a Hello is due at some time), greeting, ready, waiting.
 *
 * Whatever goes wrong leads back to idle with a fresh socket, keys and counters: a REQ socket that
 * got no usable answer can't be trusted to carry the next one. A Sync is sealed once per counter;
 * nanomsg may repeat it, we never do.
 */
#include "common/wire/client.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "common/wire/link.h"
#include "common/wire/seal.h"

#include "common/base/poison.h"

#define OPEN_AGAIN_MS 1000 /* after a socket could not be made */
#define READY_WAIT_MS 60000

enum state { IDLE, GREETING, READY, WAITING };

static const struct seal_versions versions = {SEAL_VERSION_MIN, SEAL_VERSION_MAX};

struct wire_client {
    char address[WIRE_ADDRESS_MAX];
    struct wire_agent_key key;
    const struct clock *clock;
    const struct random *random;
    uint64_t boot;
    uint64_t seq;

    enum state state;
    struct wire_link *link; /* NULL when idle */
    int64_t hello_ms;       /* idle: when to say Hello */
    int64_t sent_ms;        /* greeting, waiting: since when */
    uint64_t echo;          /* what a refusal of the frame under way must repeat */
    struct seal_greeting greeting;
    struct seal_session session;
    uint64_t counter;
    size_t first_report; /* where the next partial Sync begins */
    int64_t twin_ms;     /* since when another agent of this host is heard in our place; 0 */

    char told[ERROR_TEXT_MAX]; /* the last trouble that was told */
    int64_t told_ms;
};

int wire_client_open(const char *address, const struct wire_agent_key *key,
                     const struct clock *clock, const struct random *random,
                     struct wire_client **ret_client, struct error *err)
{
    char parsed[WIRE_ADDRESS_MAX];

    if (wire_address_parse(address, parsed, err) < 0)
        return -1;
    struct wire_client *client = mem_zero(1, sizeof *client);
    wire_secret_lock(client, sizeof *client);
    str_copy(client->address, sizeof client->address, parsed);
    client->key = *key;
    client->clock = clock;
    client->random = random;
    client->boot = random_u64(random);
    client->hello_ms = clock_monotonic_ms(clock);
    *ret_client = client;
    return 0;
}

void wire_client_close(struct wire_client **client)
{
    if (*client == NULL)
        return;
    wire_link_close(&(*client)->link);
    wire_secret_unlock(*client, sizeof **client);
    free(*client);
    *client = NULL;
}

/* Give up what stands and say Hello at that time, but not too soon after the last one. */
static void go_idle(struct wire_client *client, int64_t hello_ms)
{
    int64_t earliest = client->hello_ms + WIRE_CLIENT_AGAIN_MS;

    wire_link_close(&client->link);
    seal_greeting_done(&client->greeting);
    seal_session_done(&client->session);
    client->state = IDLE;
    client->hello_ms = hello_ms > earliest ? hello_ms : earliest;
}

int wire_client_move(struct wire_client *client, const char *address, struct error *err)
{
    char parsed[WIRE_ADDRESS_MAX];

    if (wire_address_parse(address, parsed, err) < 0)
        return -1;
    if (strcmp(parsed, client->address) == 0)
        return 0;
    str_copy(client->address, sizeof client->address, parsed);
    client->told[0] = '\0';
    go_idle(client, clock_monotonic_ms(client->clock));
    return 0;
}

void wire_client_rekey(struct wire_client *client, const struct wire_agent_key *key)
{
    client->key = *key;
    client->told[0] = '\0';
    go_idle(client, clock_monotonic_ms(client->clock));
}

int wire_client_fd(const struct wire_client *client)
{
    return client->link != NULL ? wire_link_fd(client->link) : -1;
}

int64_t wire_client_wait_ms(const struct wire_client *client)
{
    int64_t now = clock_monotonic_ms(client->clock);
    int64_t until = now + READY_WAIT_MS;

    if (client->state == IDLE)
        until = client->hello_ms;
    else if (client->state != READY)
        until = client->sent_ms + WIRE_CLIENT_SILENCE_MS;
    return until > now ? until - now : 0;
}

bool wire_client_can_send(const struct wire_client *client)
{
    return client->state == READY;
}

bool wire_client_is_connected(const struct wire_client *client)
{
    return client->state == READY || client->state == WAITING;
}

/* -1 when this trouble is news to the caller, 0 when it was told lately. */
static int tell(struct wire_client *client, const struct error *trouble, struct error *err)
{
    int64_t now = clock_monotonic_ms(client->clock);

    if (strcmp(client->told, trouble->text) == 0 && now - client->told_ms < WIRE_CLIENT_TELL_MS)
        return 0;
    str_copy(client->told, sizeof client->told, trouble->text);
    client->told_ms = now;
    if (err != NULL)
        *err = *trouble;
    return -1;
}

static int say_hello(struct wire_client *client, struct error *err)
{
    int64_t now = clock_monotonic_ms(client->clock);
    struct error trouble = ERROR_INIT;

    client->hello_ms = now;
    seal_hello_make(&client->key, client->boot, versions, client->random, &client->greeting);
    if (wire_link_connect(client->address, &client->link, &trouble) < 0 ||
        wire_link_send(client->link, client->greeting.frame, SEAL_HELLO_BYTES, &trouble) < 0) {
        go_idle(client, now + OPEN_AGAIN_MS);
        return tell(client, &trouble, err);
    }
    client->echo = seal_echo(client->greeting.frame, SEAL_HELLO_BYTES);
    client->sent_ms = now;
    client->state = GREETING;
    return 0;
}

int wire_client_send(struct wire_client *client, const struct wire_sync *sync, size_t *ret_log_n,
                     struct error *err)
{
    CLEAN_STR struct str body = STR_INIT;
    CLEAN_STR struct str frame = STR_INIT;
    struct wire_packed packed;
    struct wire_sync numbered = *sync; /* borrows everything */

    if (client->state != READY)
        return error_set(err, ERROR_INTERNAL, "a Sync is sent while none can be");
    numbered.seq = client->seq + 1;
    numbered.is_partial = false;
    if (wire_sync_pack(&numbered, client->first_report, &body, &packed, err) < 0 ||
        seal_frame_make(&client->session, SEAL_SYNC, client->counter + 1, str_text(&body), body.len,
                        &frame, err) < 0)
        return -1;
    client->seq++;
    client->counter++;
    if (wire_link_send(client->link, frame.data, frame.len, err) < 0) {
        go_idle(client, clock_monotonic_ms(client->clock));
        return -1;
    }
    client->first_report =
        packed.reports_n < sync->reports_n ? client->first_report + packed.reports_n : 0;
    client->echo = seal_echo(frame.data, frame.len);
    client->sent_ms = clock_monotonic_ms(client->clock);
    client->state = WAITING;
    *ret_log_n = packed.log_n;
    return 0;
}

/* Mostly our own predecessor, a moment ago: that is told only when it lasts. */
static int take_twin(struct wire_client *client, int64_t now, struct error *err)
{
    struct error trouble = ERROR_INIT;

    go_idle(client, now + WIRE_CLIENT_TWIN_MS);
    if (client->twin_ms == 0)
        client->twin_ms = now;
    if (now - client->twin_ms < WIRE_CLIENT_SILENCE_MS)
        return 0;
    error_set(&trouble, ERROR_BUSY,
              "the coordinator at %s hears another agent with the key of host %s: each host has "
              "one agent and a key of its own",
              client->address, client->key.host_uuid);
    return tell(client, &trouble, err);
}

/* The coordinator, or anybody on the way, says no. */
static int take_refusal(struct wire_client *client, const struct str *frame, struct error *err)
{
    int64_t now = clock_monotonic_ms(client->clock);
    struct error trouble = ERROR_INIT;
    struct seal_refusal refusal;

    if (seal_refusal_look(frame->data, frame->len, &refusal, &trouble) < 0 ||
        refusal.echo != client->echo)
        return 0;
    if (client->state == WAITING) {
        if (refusal.reason == SEAL_REASON_SESSION)
            go_idle(client, now); /* another coordinator runs there now */
        if (refusal.reason == SEAL_REASON_TWIN)
            return take_twin(client, now, err);
        return 0;
    }
    if (refusal.reason == SEAL_REASON_SESSION || refusal.reason == SEAL_REASON_TWIN)
        return 0;
    if (refusal.reason == SEAL_REASON_KEY)
        error_set(&trouble, ERROR_AUTH,
                  "the coordinator at %s does not accept this key: make one with \"onyxpool keygen "
                  "--host %s\"",
                  client->address, client->key.host_uuid);
    else
        error_set(&trouble, ERROR_UNSUPPORTED,
                  "the coordinator at %s speaks protocol versions %d to %d, this agent %d to %d: "
                  "install the same release on both",
                  client->address, refusal.versions.min, refusal.versions.max, versions.min,
                  versions.max);
    go_idle(client, now + WIRE_CLIENT_REFUSED_MS);
    return tell(client, &trouble, err);
}

/* A frame that does not open is dropped: it is somebody else's, and silence follows. */
static void take_welcome(struct wire_client *client, const struct str *frame)
{
    if (seal_welcome_open(frame->data, frame->len, &client->greeting, &client->key,
                          &client->session, NULL) < 0)
        return;
    seal_greeting_done(&client->greeting);
    client->counter = 0;
    client->state = READY;
}

static int take_orders(struct wire_client *client, const struct str *frame,
                       struct wire_orders *ret_orders, struct error *err)
{
    CLEAN_STR struct str body = STR_INIT;
    struct error trouble = ERROR_INIT;
    uint64_t id;
    uint64_t counter;

    if (seal_frame_look(frame->data, frame->len, &id, &counter, NULL) < 0 ||
        counter != client->counter ||
        seal_frame_open(&client->session, SEAL_ORDERS, frame->data, frame->len, &body, NULL) < 0)
        return 0;
    if (wire_orders_unpack(str_text(&body), body.len, ret_orders, &trouble) < 0) {
        error_add(&trouble, "orders of the coordinator at %s", client->address);
        go_idle(client, clock_monotonic_ms(client->clock) + WIRE_CLIENT_REFUSED_MS);
        return tell(client, &trouble, err);
    }
    client->state = READY;
    client->told[0] = '\0';
    client->twin_ms = 0;
    return 1;
}

static int take_frame(struct wire_client *client, const struct str *frame,
                      struct wire_orders *ret_orders, struct error *err)
{
    enum seal_frame kind;

    if (!seal_look(frame->data, frame->len, &kind))
        return 0;
    if (kind == SEAL_REFUSAL && (client->state == GREETING || client->state == WAITING))
        return take_refusal(client, frame, err);
    if (kind == SEAL_WELCOME && client->state == GREETING)
        take_welcome(client, frame);
    if (kind == SEAL_ORDERS && client->state == WAITING)
        return take_orders(client, frame, ret_orders, err);
    return 0;
}

/* Nothing usable has come for too long. */
static int check_silence(struct wire_client *client, struct error *err)
{
    int64_t now = clock_monotonic_ms(client->clock);
    struct error trouble = ERROR_INIT;

    if ((client->state != GREETING && client->state != WAITING) ||
        now - client->sent_ms < WIRE_CLIENT_SILENCE_MS)
        return 0;
    error_set(&trouble, ERROR_TIMEOUT,
              "no answer from the coordinator at %s for %d s: is a run under way there, and is the "
              "port open?",
              client->address, WIRE_CLIENT_SILENCE_MS / 1000);
    go_idle(client, now);
    return tell(client, &trouble, err);
}

int wire_client_step(struct wire_client *client, struct wire_orders *ret_orders, struct error *err)
{
    CLEAN_STR struct str frame = STR_INIT;
    struct error trouble = ERROR_INIT;

    if (client->link != NULL) {
        int found = wire_link_receive(client->link, &frame, &trouble);
        if (found < 0) {
            go_idle(client, clock_monotonic_ms(client->clock) + OPEN_AGAIN_MS);
            return tell(client, &trouble, err);
        }
        int rc = found > 0 ? take_frame(client, &frame, ret_orders, err) : 0;
        if (rc != 0)
            return rc;
    }
    int rc = check_silence(client, err);
    if (rc != 0)
        return rc;
    if (client->state == IDLE && clock_monotonic_ms(client->clock) >= client->hello_ms)
        return say_hello(client, err);
    return 0;
}
