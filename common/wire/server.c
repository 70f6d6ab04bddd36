/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A host's place: its key, its session, the last answer, and a few Hellos that were answered.
 *
 * Only a Hello that opens with the key of the host it names makes a place, so there are no more
 * places than keys were given out. A Hello alone changes nothing for the session that stands: a
 * recorded one can be played by anybody, but only the key's owner can make the Sync that follows.
 */
#include "common/wire/server.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/wire/link.h"
#include "common/wire/seal.h"

#include "common/base/poison.h"

#define ROOM     "wire"
#define TOLD_MAX 16    /* lines about refused peers in TOLD_MS */
#define TOLD_MS  60000 /* and one about each of them */

static const struct seal_versions versions = {SEAL_VERSION_MIN, SEAL_VERSION_MAX};

/* A Hello that was answered and whose first Sync has not come. */
struct opening {
    uint64_t order; /* 0: free */
    uint64_t boot;
    unsigned char hello[SEAL_HELLO_BYTES];
    unsigned char welcome[SEAL_WELCOME_BYTES];
    struct seal_session session;
};

struct place {
    struct wire_agent_key key;
    struct opening openings[WIRE_SERVER_HALF_OPEN_MAX];
    bool has_session;
    struct seal_session session;
    uint64_t boot;
    uint64_t counter;  /* of the last Sync */
    struct str answer; /* sealed Orders to it; empty: none was given */
};

/* When a line about a peer was written. */
struct told {
    char who[UUID_TEXT_MAX];
    bool is_used;
    int64_t at_ms;
};

struct wire_server {
    struct wire_pool_key key;
    const struct clock *clock;
    const struct random *random;
    wire_server_handler_fn *handler;
    void *context;
    struct wire_link *link;
    struct place **places;
    size_t places_n;
    size_t places_cap;
    uint64_t order;
    struct told told[TOLD_MAX];
};

struct wire_server *wire_server_new(const struct wire_pool_key *key, const struct clock *clock,
                                    const struct random *random, wire_server_handler_fn *handler,
                                    void *context)
{
    struct wire_server *server = mem_zero(1, sizeof *server);

    server->key = *key;
    server->clock = clock;
    server->random = random;
    server->handler = handler;
    server->context = context;
    return server;
}

static void place_free(struct place *place)
{
    str_done(&place->answer);
    wire_secret_wipe(place, sizeof *place);
    free(place);
}

void wire_server_free(struct wire_server **server)
{
    if (*server == NULL)
        return;
    wire_link_close(&(*server)->link);
    for (size_t i = 0; i < (*server)->places_n; i++)
        place_free((*server)->places[i]);
    free((*server)->places);
    wire_pool_key_done(&(*server)->key);
    free(*server);
    *server = NULL;
}

/* Whether a line about this peer may be written now: anybody can make us want to write one. */
static bool may_tell(struct wire_server *server, const char *who)
{
    int64_t now = clock_monotonic_ms(server->clock);
    struct told *free_one = NULL;

    for (size_t i = 0; i < TOLD_MAX; i++) {
        struct told *told = &server->told[i];
        bool is_old = !told->is_used || now - told->at_ms >= TOLD_MS;
        if (!is_old && strcmp(told->who, who) == 0)
            return false;
        if (is_old && free_one == NULL)
            free_one = told;
    }
    if (free_one == NULL)
        return false;
    free_one->is_used = true;
    free_one->at_ms = now;
    str_copy(free_one->who, sizeof free_one->who, who);
    return true;
}

static struct place *find_place(const struct wire_server *server, const char *host_uuid)
{
    for (size_t i = 0; i < server->places_n; i++) {
        if (strcmp(server->places[i]->key.host_uuid, host_uuid) == 0)
            return server->places[i];
    }
    return NULL;
}

static struct place *add_place(struct wire_server *server, const struct wire_agent_key *key)
{
    struct place *place = mem_zero(1, sizeof *place);

    place->key = *key;
    server->places =
        mem_grow(server->places, &server->places_cap, server->places_n + 1, sizeof *server->places);
    server->places[server->places_n++] = place;
    return place;
}

/* The oldest Hello of the host gives way. */
static struct opening *next_opening(struct wire_server *server, struct place *place)
{
    struct opening *oldest = &place->openings[0];

    for (size_t i = 1; i < WIRE_SERVER_HALF_OPEN_MAX; i++) {
        if (place->openings[i].order < oldest->order)
            oldest = &place->openings[i];
    }
    wire_secret_wipe(oldest, sizeof *oldest);
    oldest->order = ++server->order;
    return oldest;
}

static bool refuse(enum seal_reason reason, const void *bytes, size_t n, struct str *answer)
{
    struct seal_refusal refusal = {.reason = reason, .versions = versions};
    unsigned char frame[SEAL_REFUSAL_BYTES];

    refusal.echo = seal_echo(bytes, n);
    seal_refusal_make(&refusal, frame);
    str_add_n(answer, (const char *)frame, sizeof frame);
    return true;
}

/* A Hello that did not open: one line for a person, a hint for the peer. */
static bool refuse_hello(struct wire_server *server, const char *host_uuid, const void *bytes,
                         size_t n, const struct error *why, struct str *answer)
{
    if (may_tell(server, host_uuid)) {
        if (why->code == ERROR_AUTH)
            log_warn(ROOM,
                     "refused a peer that says it is host %s: %s; if it is your agent, give it the "
                     "file that \"onyxpool keygen --host %s\" makes",
                     host_uuid, why->text, host_uuid);
        else
            log_warn(ROOM, "refused a peer that says it is host %s: %s", host_uuid, why->text);
    }
    if (why->code == ERROR_UNSUPPORTED)
        return refuse(SEAL_REASON_VERSION, bytes, n, answer);
    return why->code == ERROR_AUTH ? refuse(SEAL_REASON_KEY, bytes, n, answer) : false;
}

static bool answer_hello(struct wire_server *server, const void *bytes, size_t n,
                         struct str *answer)
{
    CLEAN_WIRE_AGENT_KEY struct wire_agent_key key = {.host_uuid = ""};
    CLEANUP(seal_session_done) struct seal_session session = {0};
    unsigned char welcome[SEAL_WELCOME_BYTES];
    struct error err = ERROR_INIT;
    struct seal_hello hello;

    if (seal_hello_look(bytes, n, &hello, &err) < 0 ||
        wire_agent_key_make(&server->key, hello.host_uuid, &key, &err) < 0)
        return refuse_hello(server, "(none)", bytes, n, &err, answer);
    struct place *place = find_place(server, key.host_uuid);
    for (size_t i = 0; place != NULL && i < WIRE_SERVER_HALF_OPEN_MAX; i++) {
        struct opening *opening = &place->openings[i];
        if (opening->order != 0 && n == SEAL_HELLO_BYTES && memcmp(opening->hello, bytes, n) == 0) {
            str_add_n(answer, (const char *)opening->welcome, sizeof opening->welcome);
            return true;
        }
    }
    if (seal_welcome_make(bytes, n, &key, versions, server->random, welcome, &session, &err) < 0)
        return refuse_hello(server, hello.host_uuid, bytes, n, &err, answer);
    if (place == NULL && server->places_n >= WIRE_SERVER_HOSTS_MAX) {
        error_set(&err, ERROR_LIMIT, "%d hosts are connected already", WIRE_SERVER_HOSTS_MAX);
        return refuse_hello(server, hello.host_uuid, bytes, n, &err, answer);
    }
    if (place == NULL)
        place = add_place(server, &key);
    struct opening *opening = next_opening(server, place);
    opening->boot = hello.boot;
    opening->session = session;
    memcpy(opening->hello, bytes, SEAL_HELLO_BYTES);
    memcpy(opening->welcome, welcome, sizeof welcome);
    str_add_n(answer, (const char *)welcome, sizeof welcome);
    return true;
}

/* Whose session it is; *ret_opening is set when it is one that no Sync has come in yet. */
static struct place *find_session(const struct wire_server *server, uint64_t id,
                                  struct opening **ret_opening)
{
    for (size_t i = 0; i < server->places_n; i++) {
        struct place *place = server->places[i];
        *ret_opening = NULL;
        if (place->has_session && place->session.id == id)
            return place;
        for (size_t k = 0; k < WIRE_SERVER_HALF_OPEN_MAX; k++) {
            *ret_opening = &place->openings[k];
            if ((*ret_opening)->order != 0 && (*ret_opening)->session.id == id)
                return place;
        }
    }
    return NULL;
}

/* The first valid frame of a session: it replaces the one before and all other Hellos. */
static void take_session(struct place *place, struct opening *opening)
{
    place->session = opening->session;
    place->boot = opening->boot;
    place->has_session = true;
    place->counter = 0;
    str_clear(&place->answer);
    wire_secret_wipe(place->openings, sizeof place->openings);
    log_debug(ROOM, "host %s has opened a session", place->key.host_uuid);
}

/* Ask the handler and keep the sealed answer. */
static int handle_sync(struct wire_server *server, struct place *place, const struct str *body,
                       struct error *err)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    CLEAN_STR struct str packed = STR_INIT;

    if (wire_sync_unpack(str_text(body), body->len, &sync, err) < 0)
        return -1;
    str_copy(sync.host_uuid, sizeof sync.host_uuid, place->key.host_uuid);
    sync.boot = place->boot;
    if (server->handler(server->context, &sync, &orders, err) < 0 ||
        wire_orders_pack(&orders, &packed, err) < 0)
        return -1;
    return seal_frame_make(&place->session, SEAL_ORDERS, place->counter, str_text(&packed),
                           packed.len, &place->answer, err);
}

static bool answer_sync(struct wire_server *server, const void *bytes, size_t n, struct str *answer)
{
    struct opening *opening = NULL;
    struct error err = ERROR_INIT;
    CLEAN_STR struct str body = STR_INIT;
    uint64_t id;
    uint64_t counter;

    if (seal_frame_look(bytes, n, &id, &counter, &err) < 0)
        return false;
    struct place *place = find_session(server, id, &opening);
    if (place == NULL)
        return refuse(SEAL_REASON_SESSION, bytes, n, answer);
    const struct seal_session *session = opening != NULL ? &opening->session : &place->session;
    if (seal_frame_open(session, SEAL_SYNC, bytes, n, &body, &err) < 0) {
        if (may_tell(server, place->key.host_uuid))
            log_warn(ROOM, "dropped a frame of host %s: %s", place->key.host_uuid, err.text);
        return false;
    }
    if (opening != NULL)
        take_session(place, opening);
    if (counter < place->counter || counter == 0)
        return false;
    if (counter > place->counter || place->answer.len == 0) {
        place->counter = counter;
        str_clear(&place->answer);
        if (handle_sync(server, place, &body, &err) < 0) {
            if (may_tell(server, place->key.host_uuid))
                log_error(ROOM, "no answer to host %s: %s", place->key.host_uuid, err.text);
            return false;
        }
    }
    str_add_n(answer, place->answer.data, place->answer.len);
    return true;
}

bool wire_server_answer(struct wire_server *server, const void *bytes, size_t n, struct str *answer)
{
    enum seal_frame frame;

    if (seal_look(bytes, n, &frame) && frame == SEAL_HELLO)
        return answer_hello(server, bytes, n, answer);
    if (seal_look(bytes, n, &frame) && frame == SEAL_SYNC)
        return answer_sync(server, bytes, n, answer);
    if (may_tell(server, "(foreign)"))
        log_warn(ROOM,
                 "dropped %zu bytes that are no frame of ours: does another program use this "
                 "address?",
                 n);
    return false;
}

int wire_server_listen(struct wire_server *server, const char *address, struct error *err)
{
    struct wire_link *link;

    if (wire_link_listen(address, &link, err) < 0)
        return -1;
    wire_link_close(&server->link);
    server->link = link;
    return 0;
}

int wire_server_fd(const struct wire_server *server)
{
    return server->link != NULL ? wire_link_fd(server->link) : -1;
}

int wire_server_serve(struct wire_server *server, struct error *err)
{
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str answer = STR_INIT;

    for (size_t i = 0; server->link != NULL && i < WIRE_SERVER_BATCH_MAX; i++) {
        int found = wire_link_receive(server->link, &frame, err);
        if (found <= 0)
            return found;
        str_clear(&answer);
        if (wire_server_answer(server, str_text(&frame), frame.len, &answer) &&
            wire_link_send(server->link, answer.data, answer.len, err) < 0)
            return -1;
    }
    return 0;
}
