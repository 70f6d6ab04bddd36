/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What costs much to make (a Hello needs a key pair) is made once and chosen from.
 */
#include "tests/load/frame_kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/log.h"

#include "common/base/poison.h"

#define GIANT_MAX  (3u * WIRE_FRAME_MAX)
#define COUNTER_AT 16 /* docs/PROTOCOL.md, Sync */
#define SESSION_AT 8

static const struct seal_versions spoken = {SEAL_VERSION_MIN, SEAL_VERSION_MAX};

const char *frame_kind_name(enum frame_kind kind)
{
    static const char *const names[FRAME_KINDS_N] = {
#define X(name) #name,
        FRAME_KIND_TABLE(X)
#undef X
    };
    return names[kind];
}

static void must(bool is_so, const char *what)
{
    if (is_so)
        return;
    fprintf(stderr, "load_frames: %s\n", what);
    exit(1);
}

/* splitmix64 */
static uint64_t next(struct scene *scene)
{
    uint64_t z = (scene->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t scene_below(struct scene *scene, size_t n)
{
    return (size_t)(next(scene) % n);
}

static void fill(void *context, void *bytes, size_t n)
{
    unsigned char *at = bytes;
    for (size_t i = 0; i < n; i += 8) {
        uint64_t value = next(context);
        memcpy(at + i, &value, n - i < 8 ? n - i : 8);
    }
}

static int64_t read_clock(void *context)
{
    return ((struct scene *)context)->ms;
}

static void count_line(void *context, enum log_level level, const char *room, const char *text)
{
    (void)level;
    (void)room;
    (void)text;
    ((struct scene *)context)->lines_n++;
}

static int answer(void *context, struct wire_sync *sync, struct wire_orders *ret_orders,
                  struct error *err)
{
    (void)sync;
    (void)err;
    ((struct scene *)context)->asked_n++;
    ret_orders->next_ms = 1000;
    return 0;
}

/* Hello, Welcome: the host has a new session that no Sync has come in yet. */
static void greet(struct scene *scene, struct scene_host *host, uint64_t boot,
                  struct seal_session *ret_session)
{
    CLEAN_STR struct str reply = STR_INIT;

    seal_hello_make(&host->key, boot, spoken, &scene->random, &host->greeting);
    must(wire_server_answer(scene->server, host->greeting.frame, SEAL_HELLO_BYTES, &reply),
         "an honest Hello was not answered");
    must(seal_welcome_open(str_text(&reply), reply.len, &host->greeting, &host->key, ret_session,
                           NULL) == 0,
         "an honest Welcome does not open");
}

static void make_sync(const struct seal_session *session, uint64_t counter, struct str *frame)
{
    struct wire_sync sync = {.seq = counter, .slots = 2, .free_slots = 2};
    CLEAN_STR struct str body = STR_INIT;
    struct wire_packed packed;
    char version[] = "0.1.0";

    sync.version = version;
    str_clear(frame);
    must(wire_sync_pack(&sync, 0, &body, &packed, NULL) == 0 &&
             seal_frame_make(session, SEAL_SYNC, counter, str_text(&body), body.len, frame,
                             NULL) == 0,
         "a Sync can't be made");
}

static bool honest_sync(struct scene *scene, struct scene_host *host)
{
    CLEAN_STR struct str body = STR_INIT;

    make_sync(&host->session, ++host->counter, &host->sync);
    str_clear(&host->orders);
    scene->honest_n++;
    return wire_server_answer(scene->server, host->sync.data, host->sync.len, &host->orders) &&
           seal_frame_open(&host->session, SEAL_ORDERS, host->orders.data, host->orders.len, &body,
                           NULL) == 0;
}

bool scene_honest_turn(struct scene *scene)
{
    bool is_good = true;
    for (size_t i = 0; i < SCENE_HOSTS; i++)
        is_good = honest_sync(scene, &scene->hosts[i]) && is_good;
    return is_good;
}

/* Earlier sessions, whose frames somebody recorded, and the one that stands. */
static void open_host(struct scene *scene, struct scene_host *host)
{
    char uuid[UUID_TEXT_MAX];

    random_uuid(&scene->random, uuid);
    must(wire_agent_key_make(&scene->pool, uuid, &host->key, NULL) == 0, "a key can't be made");
    host->boot = 1;
    greet(scene, host, host->boot, &host->session);
    for (size_t i = 0; i < SCENE_RECORDED; i++) {
        memcpy(host->old_hellos[i], host->greeting.frame, SEAL_HELLO_BYTES);
        must(honest_sync(scene, host), "an honest Sync was not answered");
        str_add_n(&host->old_syncs[i], host->sync.data, host->sync.len);
        host->old_session = host->session;
        host->counter = 0;
        greet(scene, host, host->boot, &host->session);
    }
    must(honest_sync(scene, host), "an honest Sync was not answered");
}

static void make_hellos(struct scene *scene, const struct wire_pool_key *pool,
                        struct seal_versions versions,
                        unsigned char hellos[SCENE_RECORDED][SEAL_HELLO_BYTES])
{
    for (size_t i = 0; i < SCENE_RECORDED; i++) {
        struct wire_agent_key key;
        struct seal_greeting greeting;
        must(wire_agent_key_make(pool, scene->hosts[i % SCENE_HOSTS].key.host_uuid, &key, NULL) ==
                 0,
             "a key can't be made");
        seal_hello_make(&key, next(scene), versions, &scene->random, &greeting);
        memcpy(hellos[i], greeting.frame, SEAL_HELLO_BYTES);
    }
}

/* Made with the key of the host before it. */
static void make_claims(struct scene *scene)
{
    for (size_t i = 0; i < SCENE_HOSTS; i++) {
        struct wire_agent_key key = scene->hosts[(i + 1) % SCENE_HOSTS].key;
        struct seal_greeting greeting;
        str_copy(key.host_uuid, sizeof key.host_uuid, scene->hosts[i].key.host_uuid);
        seal_hello_make(&key, 1, spoken, &scene->random, &greeting);
        memcpy(scene->hosts[i].other_hosts_hello, greeting.frame, SEAL_HELLO_BYTES);
    }
}

void scene_init(struct scene *scene, uint64_t seed, const struct wire_pool_key *pool)
{
    struct wire_pool_key rival;
    struct wire_pool_key empty = {{0}};

    memset(scene, 0, sizeof *scene);
    scene->state = seed;
    scene->random = (struct random){fill, scene};
    scene->clock = (struct clock){read_clock, read_clock, scene};
    scene->ms = 1000000;
    scene->pool = *pool;
    log_set_sink(count_line, scene);
    scene->server = wire_server_new(pool, &scene->clock, &scene->random, answer, scene);
    for (size_t i = 0; i < SCENE_HOSTS; i++)
        open_host(scene, &scene->hosts[i]);
    random_fill(&scene->random, rival.bytes, sizeof rival.bytes);
    make_hellos(scene, &rival, spoken, scene->wrong_hellos);
    make_hellos(scene, &empty, spoken, scene->empty_hellos);
    make_hellos(scene, pool, (struct seal_versions){SEAL_VERSION_MAX + 1, SEAL_VERSION_MAX + 9},
                scene->old_version_hellos);
    make_claims(scene);
}

void scene_done(struct scene *scene)
{
    log_set_sink(NULL, NULL);
    wire_server_free(&scene->server);
    for (size_t i = 0; i < SCENE_HOSTS; i++) {
        str_done(&scene->hosts[i].sync);
        str_done(&scene->hosts[i].orders);
        for (size_t k = 0; k < SCENE_RECORDED; k++)
            str_done(&scene->hosts[i].old_syncs[k]);
    }
}

static void set(struct str *frame, const void *bytes, size_t n)
{
    str_clear(frame);
    str_add_n(frame, bytes, n);
}

static void noise(struct scene *scene, struct str *frame, size_t n)
{
    str_clear(frame);
    fill(scene, str_reserve(frame, n + 8), n);
    str_set_len(frame, n);
}

static void flip(struct scene *scene, struct str *frame)
{
    size_t at = scene_below(scene, frame->len);
    frame->data[at] = (char)(frame->data[at] ^ (1 << scene_below(scene, 8)));
}

static void cut(struct scene *scene, struct str *frame)
{
    size_t n = scene_below(scene, frame->len + 64);
    if (n == frame->len)
        n--;
    if (n < frame->len)
        str_set_len(frame, n);
    else
        str_add_n(frame, "0123456789012345678901234567890123456789012345678901234567890123",
                  n - frame->len);
}

static void twin(struct scene *scene, struct scene_host *host, struct str *frame)
{
    struct seal_session session;
    struct seal_greeting kept = host->greeting;

    greet(scene, host, next(scene), &session);
    host->greeting = kept;
    make_sync(&session, 1, frame);
}

static void make_of_hello(struct scene *scene, struct scene_host *host, enum frame_kind kind,
                          struct str *frame)
{
    size_t which = scene_below(scene, SCENE_RECORDED);

    if (kind == FRAME_wrong_key)
        set(frame, scene->wrong_hellos[which], SEAL_HELLO_BYTES);
    else if (kind == FRAME_no_key)
        set(frame, scene->empty_hellos[which], SEAL_HELLO_BYTES);
    else if (kind == FRAME_old_version)
        set(frame, scene->old_version_hellos[which], SEAL_HELLO_BYTES);
    else if (kind == FRAME_other_host)
        set(frame, host->other_hosts_hello, SEAL_HELLO_BYTES);
    else
        set(frame, host->old_hellos[which], SEAL_HELLO_BYTES);
    if (kind == FRAME_lowered_version)
        frame->data[5 + which % 2] = (char)(which % 7 + 2);
    if (kind == FRAME_flipped_hello)
        flip(scene, frame);
    if (kind == FRAME_cut_hello)
        cut(scene, frame);
}

static void make_of_sync(struct scene *scene, struct scene_host *host, enum frame_kind kind,
                         struct str *frame)
{
    const struct scene_host *other = &scene->hosts[scene_below(scene, SCENE_HOSTS)];

    set(frame, host->sync.data, host->sync.len);
    if (kind == FRAME_old_session) {
        const struct str *old = &host->old_syncs[scene_below(scene, SCENE_RECORDED)];
        set(frame, old->data, old->len);
    } else if (kind == FRAME_flipped_sync) {
        flip(scene, frame);
    } else if (kind == FRAME_cut_sync) {
        cut(scene, frame);
    } else if (kind == FRAME_next_counter) {
        frame->data[COUNTER_AT] = (char)(frame->data[COUNTER_AT] + 1);
    } else if (kind == FRAME_moved_session && other != host) {
        memcpy(frame->data + SESSION_AT, other->sync.data + SESSION_AT, 8);
    } else if (kind == FRAME_forged_sync) {
        noise(scene, frame, SEAL_OVERHEAD + scene_below(scene, 512));
        memcpy(frame->data, host->sync.data, SEAL_HEADER_BYTES);
        frame->data[COUNTER_AT + 1] = (char)scene_below(scene, 256);
    }
}

void frame_make(struct scene *scene, enum frame_kind kind, struct str *frame)
{
    struct scene_host *host = &scene->hosts[scene_below(scene, SCENE_HOSTS)];
    unsigned char refusal[SEAL_REFUSAL_BYTES];

    switch (kind) {
    case FRAME_noise:
        noise(scene, frame, scene_below(scene, 400));
        break;
    case FRAME_magic_noise:
        noise(scene, frame, 8 + scene_below(scene, 200));
        memcpy(frame->data, "onyx", 4);
        frame->data[4] = (char)scene_below(scene, 8);
        break;
    case FRAME_giant:
        noise(scene, frame, WIRE_FRAME_MAX + scene_below(scene, GIANT_MAX - WIRE_FRAME_MAX));
        memcpy(frame->data, host->sync.data, SEAL_HEADER_BYTES);
        break;
    case FRAME_refusal:
        seal_refusal_make(&(struct seal_refusal){SEAL_REASON_SESSION, spoken, next(scene)},
                          refusal);
        set(frame, refusal, sizeof refusal);
        break;
    case FRAME_back_to_sender:
        set(frame, host->orders.data, host->orders.len);
        break;
    case FRAME_stolen_key_twin:
        twin(scene, host, frame);
        break;
    case FRAME_wrong_key:
    case FRAME_no_key:
    case FRAME_other_host:
    case FRAME_old_version:
    case FRAME_lowered_version:
    case FRAME_old_recording:
    case FRAME_flipped_hello:
    case FRAME_cut_hello:
        make_of_hello(scene, host, kind, frame);
        break;
    default:
        make_of_sync(scene, host, kind, frame);
    }
}
