/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A host's place: its key, its session, the last answer, and a few Hellos that were answered.
 *
 * Only a Hello that opens with the key of the host it names makes a place, so there are no more
 * places than keys were given out. A Hello alone changes nothing for the session that stands: a
 * recorded one can be played by anybody, but only the key's owner can make the Sync that follows.
 * A Hello is answered once: whoever plays recorded ones could else push the Hello of an agent that
 * is just coming back out of the few places for them.
 */
#include "common/wire/server.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/wire/guard.h"
#include "common/wire/link.h"
#include "common/wire/seal.h"
#include "common/wire/told.h"

#include "common/base/poison.h"

#define ROOM      "wire"
#define FAILED_MS 60000 /* a handler that fails is told of once in this time */

static const struct seal_versions versions = {SEAL_VERSION_MIN, SEAL_VERSION_MAX};

/* A Hello that was answered and whose first Sync has not come. */
struct opening {
    uint64_t order; /* 0: free */
    uint64_t boot;
    bool is_old; /* made with the older pool key */
    unsigned char hello[SEAL_HELLO_BYTES];
    unsigned char welcome[SEAL_WELCOME_BYTES];
    struct seal_session session;
};

struct place {
    char host_uuid[UUID_TEXT_MAX];
    struct opening openings[WIRE_SERVER_HALF_OPEN_MAX];
    uint64_t hellos[WIRE_SERVER_HELLOS_MAX]; /* echoes of those answered, a ring */
    size_t hellos_n;                         /* ever */
    bool has_session;
    bool is_old; /* the session was made with the older pool key */
    struct seal_session session;
    uint64_t boot;
    int64_t heard_ms;
    uint64_t counter;  /* of the last Sync */
    struct str answer; /* sealed Orders to it; empty: none was given */
};

struct wire_server {
    struct wire_pool_keys keys;
    const struct clock *clock;
    const struct random *random;
    wire_server_handler_fn *handler;
    void *context;
    struct wire_link *link;
    struct wire_guard *guard;
    struct place **places;
    size_t places_n;
    size_t places_cap;
    uint64_t order;
    struct wire_told told;
    struct wire_server_counts counts;
    uint64_t told_n; /* refusals that the last line told of */
    bool has_failed; /* the handler, told at failed_ms */
    int64_t failed_ms;
};

struct wire_server *wire_server_new(const struct wire_pool_key *key, const struct clock *clock,
                                    const struct random *random, wire_server_handler_fn *handler,
                                    void *context)
{
    struct wire_server *server = mem_zero(1, sizeof *server);

    wire_secret_lock(server, sizeof *server);
    server->keys.now = *key;
    server->clock = clock;
    server->random = random;
    server->handler = handler;
    server->context = context;
    return server;
}

static void opening_wipe(struct opening *opening)
{
    wire_secret_wipe(opening, sizeof *opening);
}

static void end_session(struct place *place)
{
    place->has_session = false;
    wire_secret_wipe(&place->session, sizeof place->session);
    str_clear(&place->answer);
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
    wire_guard_free(&(*server)->guard);
    wire_secret_unlock(*server, sizeof **server);
    free(*server);
    *server = NULL;
}

static bool is_same_key(const struct wire_pool_key *a, const struct wire_pool_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* Whether what was made with one of the server's keys goes on with the new ones, and as what. */
static bool goes_on(const struct wire_server *server, const struct wire_pool_keys *keys,
                    bool *is_old)
{
    const struct wire_pool_key *made_with = *is_old ? &server->keys.old : &server->keys.now;

    *is_old = !is_same_key(made_with, &keys->now);
    return !*is_old || (keys->has_old && is_same_key(made_with, &keys->old));
}

void wire_server_set_keys(struct wire_server *server, const struct wire_pool_keys *keys)
{
    for (size_t i = 0; i < server->places_n; i++) {
        struct place *place = server->places[i];
        if (place->has_session && !goes_on(server, keys, &place->is_old))
            end_session(place);
        for (size_t k = 0; k < WIRE_SERVER_HALF_OPEN_MAX; k++)
            if (place->openings[k].order != 0 &&
                !goes_on(server, keys, &place->openings[k].is_old))
                opening_wipe(&place->openings[k]);
    }
    server->keys = *keys;
}

static bool takes_old_key(const struct wire_server *server)
{
    return server->keys.has_old && clock_wall_ms(server->clock) < server->keys.old_until;
}

void wire_server_count(const struct wire_server *server, struct wire_server_counts *ret_counts)
{
    *ret_counts = server->counts;
}

static struct place *find_place(const struct wire_server *server, const char *host_uuid)
{
    for (size_t i = 0; i < server->places_n; i++) {
        if (strcmp(server->places[i]->host_uuid, host_uuid) == 0)
            return server->places[i];
    }
    return NULL;
}

static struct place *add_place(struct wire_server *server, const char *host_uuid)
{
    struct place *place = mem_zero(1, sizeof *place);

    str_copy(place->host_uuid, sizeof place->host_uuid, host_uuid);
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
    opening_wipe(oldest);
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

/* A Hello that did not open: news for a person, a hint for the peer. */
static bool refuse_hello(struct wire_server *server, const char *host_uuid, const void *bytes,
                         size_t n, const struct error *why, struct str *answer)
{
    if (why->code == ERROR_AUTH)
        wire_told_add(&server->told,
                      "refused a peer that says it is host %s: another key; if it is your agent, "
                      "give it the file that \"onyxpool keygen --host %s\" makes",
                      host_uuid, host_uuid);
    else
        wire_told_add(&server->told, "refused a peer that says it is host %s: %s", host_uuid,
                      why->text);
    if (why->code == ERROR_UNSUPPORTED) {
        server->counts.version++;
        return refuse(SEAL_REASON_VERSION, bytes, n, answer);
    }
    if (why->code == ERROR_AUTH) {
        server->counts.key++;
        return refuse(SEAL_REASON_KEY, bytes, n, answer);
    }
    server->counts.malformed++;
    return false;
}

/* Open a Hello with the key that counts, or the older one while it counts too. Gives what becomes
 * an opening, without its order. */
static int greet(struct wire_server *server, const void *bytes, size_t n,
                 const struct seal_hello *hello, struct opening *ret, struct error *err)
{
    CLEAN_WIRE_AGENT_KEY struct wire_agent_key key = {.host_uuid = ""};
    struct error why = ERROR_INIT;

    if (wire_agent_key_make(&server->keys.now, hello->host_uuid, &key, err) < 0)
        return -1;
    ret->is_old = false;
    if (seal_welcome_make(bytes, n, &key, versions, server->random, ret->welcome, &ret->session,
                          err) == 0)
        return 0;
    if (err->code != ERROR_AUTH || !takes_old_key(server) ||
        wire_agent_key_make(&server->keys.old, hello->host_uuid, &key, &why) < 0 ||
        seal_welcome_make(bytes, n, &key, versions, server->random, ret->welcome, &ret->session,
                          &why) < 0)
        return -1;
    ret->is_old = true;
    wire_told_add(&server->told,
                  "host %s still has a key of the older pool key: give it the file that \"onyxpool "
                  "keygen --host %s\" makes",
                  hello->host_uuid, hello->host_uuid);
    return 0;
}

/* Whether this Hello was answered before. */
static bool was_greeted(const struct place *place, uint64_t echo)
{
    size_t n = place->hellos_n < WIRE_SERVER_HELLOS_MAX ? place->hellos_n : WIRE_SERVER_HELLOS_MAX;

    for (size_t i = 0; i < n; i++) {
        if (place->hellos[i] == echo)
            return true;
    }
    return false;
}

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* The Welcome that was given to the same Hello, if it still stands. */
static bool repeat_welcome(const struct place *place, const void *bytes, size_t n,
                           struct str *answer)
{
    for (size_t i = 0; place != NULL && i < WIRE_SERVER_HALF_OPEN_MAX; i++) {
        const struct opening *opening = &place->openings[i];
        if (opening->order != 0 && n == SEAL_HELLO_BYTES && memcmp(opening->hello, bytes, n) == 0) {
            str_add_n(answer, (const char *)opening->welcome, sizeof opening->welcome);
            return true;
        }
    }
    return false;
}

static bool answer_hello(struct wire_server *server, const void *bytes, size_t n,
                         struct str *answer)
{
    CLEANUP(opening_wipe) struct opening made = {.order = 0};
    struct error err = ERROR_INIT;
    struct seal_hello hello;

    if (seal_hello_look(bytes, n, &hello, &err) < 0)
        return refuse_hello(server, "(none)", bytes, n, &err, answer);
    lower(hello.host_uuid);
    struct place *place = find_place(server, hello.host_uuid);
    if (repeat_welcome(place, bytes, n, answer))
        return true;
    if (place != NULL && was_greeted(place, seal_echo(bytes, n))) {
        server->counts.old++;
        return false;
    }
    if (greet(server, bytes, n, &hello, &made, &err) < 0)
        return refuse_hello(server, hello.host_uuid, bytes, n, &err, answer);
    if (place == NULL && server->places_n >= WIRE_SERVER_HOSTS_MAX) {
        error_set(&err, ERROR_LIMIT, "%d hosts are connected already", WIRE_SERVER_HOSTS_MAX);
        return refuse_hello(server, hello.host_uuid, bytes, n, &err, answer);
    }
    if (place == NULL)
        place = add_place(server, hello.host_uuid);
    place->hellos[place->hellos_n++ % WIRE_SERVER_HELLOS_MAX] = seal_echo(bytes, n);
    struct opening *opening = next_opening(server, place);
    made.order = opening->order;
    made.boot = hello.boot;
    memcpy(made.hello, bytes, SEAL_HELLO_BYTES);
    *opening = made;
    server->counts.greeted++;
    str_add_n(answer, (const char *)opening->welcome, sizeof opening->welcome);
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
    place->is_old = opening->is_old;
    place->boot = opening->boot;
    place->has_session = true;
    place->counter = 0;
    str_clear(&place->answer);
    wire_secret_wipe(place->openings, sizeof place->openings);
    log_debug(ROOM, "host %s has opened a session", place->host_uuid);
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
    str_copy(sync.host_uuid, sizeof sync.host_uuid, place->host_uuid);
    sync.boot = place->boot;
    if (server->handler(server->context, &sync, &orders, err) < 0 ||
        wire_orders_pack(&orders, &packed, err) < 0)
        return -1;
    return seal_frame_make(&place->session, SEAL_ORDERS, place->counter, str_text(&packed),
                           packed.len, &place->answer, err);
}

/* Two agents with one key: the one that is heard goes on, else their jobs would be taken for dead
 * with each turn of theirs. */
static bool is_twin(struct wire_server *server, const struct place *place,
                    const struct opening *opening)
{
    if (opening == NULL || !place->has_session || place->boot == opening->boot ||
        clock_monotonic_ms(server->clock) - place->heard_ms >= WIRE_SERVER_TWIN_MS)
        return false;
    server->counts.twin++;
    wire_told_add(&server->told,
                  "a second agent uses the key of host %s: it is refused while the first one is "
                  "heard; if it is not a restart of that agent, stop one of the two, or make a new "
                  "pool key (onyxpool keygen --rotate 0s) if the key was stolen",
                  place->host_uuid);
    return true;
}

/* What keeps one host from its answer keeps most of them. */
static void tell_failure(struct wire_server *server, const struct place *place,
                         const struct error *why)
{
    int64_t now = clock_monotonic_ms(server->clock);

    if (server->has_failed && now - server->failed_ms < FAILED_MS)
        return;
    server->has_failed = true;
    server->failed_ms = now;
    log_error(ROOM, "no answer to host %s: %s", place->host_uuid, why->text);
}

/* A Sync that opened: new, the last one again, or over. */
static bool answer_opened(struct wire_server *server, struct place *place, uint64_t counter,
                          const struct str *body, struct str *answer)
{
    struct error err = ERROR_INIT;

    if (counter < place->counter || counter == 0) {
        server->counts.old++;
        return false;
    }
    if (counter > place->counter || place->answer.len == 0) {
        place->counter = counter;
        str_clear(&place->answer);
        if (handle_sync(server, place, body, &err) < 0) {
            tell_failure(server, place, &err);
            return false;
        }
        /* A repeated one may be a recording. */
        place->heard_ms = clock_monotonic_ms(server->clock);
    }
    server->counts.answered++;
    str_add_n(answer, place->answer.data, place->answer.len);
    return true;
}

static bool answer_sync(struct wire_server *server, const void *bytes, size_t n, struct str *answer)
{
    struct opening *opening = NULL;
    struct error err = ERROR_INIT;
    CLEAN_STR struct str body = STR_INIT;
    uint64_t id;
    uint64_t counter;

    if (seal_frame_look(bytes, n, &id, &counter, &err) < 0) {
        server->counts.malformed++;
        return false;
    }
    struct place *place = find_session(server, id, &opening);
    if (place == NULL ||
        ((opening != NULL ? opening->is_old : place->is_old) && !takes_old_key(server))) {
        server->counts.session++;
        return refuse(SEAL_REASON_SESSION, bytes, n, answer);
    }
    const struct seal_session *session = opening != NULL ? &opening->session : &place->session;
    if (seal_frame_open(session, SEAL_SYNC, bytes, n, &body, &err) < 0) {
        server->counts.unsealed++;
        wire_told_add(&server->told, "dropped a frame of host %s: %s", place->host_uuid, err.text);
        return false;
    }
    if (is_twin(server, place, opening))
        return refuse(SEAL_REASON_TWIN, bytes, n, answer);
    if (opening != NULL)
        take_session(place, opening);
    return answer_opened(server, place, counter, &body, answer);
}

static bool answer_frame(struct wire_server *server, const void *bytes, size_t n,
                         struct str *answer)
{
    enum seal_frame frame;

    if (seal_look(bytes, n, &frame) && frame == SEAL_HELLO)
        return answer_hello(server, bytes, n, answer);
    if (seal_look(bytes, n, &frame) && frame == SEAL_SYNC)
        return answer_sync(server, bytes, n, answer);
    server->counts.foreign++;
    wire_told_add(&server->told,
                  "dropped bytes that are no frame of ours: does another program use this address?");
    return false;
}

/* The minute's line. Sessions that are not known are no news: each restart makes some. */
static void tell(struct wire_server *server)
{
    const struct wire_server_counts *c = &server->counts;
    uint64_t n =
        c->foreign + c->malformed + c->key + c->version + c->unsealed + c->old + c->twin + c->shut;
    CLEAN_STR struct str line = STR_INIT;

    if (!wire_told_take(&server->told, n != server->told_n, clock_monotonic_ms(server->clock),
                        &line))
        return;
    if (n != server->told_n)
        str_add_format(&line,
                       "%srefused or dropped so far: %llu of another key, %llu of another version, "
                       "%llu foreign, %llu unreadable, %llu forged or damaged, %llu repeated, %llu "
                       "of a second agent; %llu connections shut; answered %llu",
                       line.len > 0 ? "; " : "", (unsigned long long)c->key,
                       (unsigned long long)c->version, (unsigned long long)c->foreign,
                       (unsigned long long)c->malformed, (unsigned long long)c->unsealed,
                       (unsigned long long)c->old, (unsigned long long)c->twin,
                       (unsigned long long)c->shut, (unsigned long long)c->answered);
    server->told_n = n;
    log_warn(ROOM, "%s", str_text(&line));
}

bool wire_server_answer(struct wire_server *server, const void *bytes, size_t n, struct str *answer)
{
    bool is_answered = answer_frame(server, bytes, n, answer);

    tell(server);
    return is_answered;
}

/* Connections that are too many go before anybody is answered. */
static void keep_watch(struct wire_server *server)
{
    char worst[WIRE_GUARD_ADDRESS_MAX];
    size_t n = wire_guard_look(server->guard, worst);

    server->counts.shut += n;
    if (n > 0)
        wire_told_add(&server->told,
                      "shut connections that were too many, most of them from %s: see "
                      "docs/SECURITY.md",
                      worst);
    tell(server);
}

int wire_server_listen(struct wire_server *server, const char *address, struct error *err)
{
    struct wire_link *link;

    if (wire_link_listen(address, &link, err) < 0)
        return -1;
    wire_link_close(&server->link);
    wire_guard_free(&server->guard);
    server->link = link;
    server->guard = wire_guard_new(address, WIRE_GUARD_CONNECTIONS_MAX);
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

    keep_watch(server);
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
