/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frames from the wire: a coordinator with a session in it answers whatever comes, and without the
 * key nothing reaches its handler.
 */
#include <string.h>

#include "common/base/log.h"
#include "common/wire/seal.h"
#include "common/wire/server.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/common/wire/samples.h"

#include "common/base/poison.h"

struct scene {
    unsigned char next; /* random source: the same in every run */
    struct random random;
    struct wire_pool_key pool;
    struct wire_agent_key key;
    struct wire_server *server;
    struct seal_session session;
    struct str sync; /* the frame that the handler has seen */
    size_t asked_n;
};

static void drop_line(void *context, enum log_level level, const char *room, const char *text)
{
    (void)context;
    (void)level;
    (void)room;
    FUZZ_MUST(text[0] != '\0');
}

static int answer(void *context, struct wire_sync *sync, struct wire_orders *ret_orders,
                  struct error *err)
{
    struct scene *scene = context;

    (void)sync;
    (void)err;
    scene->asked_n++;
    ret_orders->next_ms = 1000;
    return 0;
}

static void scene_begin(struct scene *scene)
{
    static const struct seal_versions v1 = {1, 1};
    CLEAN_STR struct str reply = STR_INIT;
    CLEAN_STR struct str body = STR_INIT;
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    struct seal_greeting greeting;
    struct wire_packed packed;

    scene->random = (struct random){sample_fill, &scene->next};
    scene->pool.bytes[0] = 9;
    log_set_sink(drop_line, NULL);
    scene->server = wire_server_new(&scene->pool, clock_system(), &scene->random, answer, scene);
    FUZZ_MUST(wire_agent_key_make(&scene->pool, SAMPLE_HOST, &scene->key, NULL) == 0);
    seal_hello_make(&scene->key, 1, v1, &scene->random, &greeting);
    FUZZ_MUST(wire_server_answer(scene->server, greeting.frame, SEAL_HELLO_BYTES, &reply));
    FUZZ_MUST(seal_welcome_open(str_text(&reply), reply.len, &greeting, &scene->key,
                                &scene->session, NULL) == 0);
    sample_sync(&sync);
    FUZZ_MUST(wire_sync_pack(&sync, 0, &body, &packed, NULL) == 0);
    FUZZ_MUST(seal_frame_make(&scene->session, SEAL_SYNC, 5, str_text(&body), body.len,
                              &scene->sync, NULL) == 0);
    str_clear(&reply);
    FUZZ_MUST(wire_server_answer(scene->server, str_text(&scene->sync), scene->sync.len, &reply));
}

static void scene_done(struct scene *scene)
{
    wire_server_free(&scene->server);
    str_done(&scene->sync);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEANUP(scene_done) struct scene scene = {0};
    CLEAN_STR struct str reply = STR_INIT;
    struct seal_refusal refusal;
    struct seal_greeting greeting = {.versions = {1, 1}};
    struct seal_session session;

    scene_begin(&scene);
    bool has_reply = wire_server_answer(scene.server, bytes, n, &reply);
    FUZZ_MUST(has_reply == (reply.len != 0));
    FUZZ_MUST(scene.asked_n == 1);
    FUZZ_MUST(reply.len <= WIRE_FRAME_MAX);
    seal_refusal_look(bytes, n, &refusal, NULL);
    FUZZ_MUST(seal_welcome_open(bytes, n, &greeting, &scene.key, &session, NULL) < 0);
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    static const struct seal_versions v1 = {1, 1};
    CLEANUP(scene_done) struct scene scene = {0};
    struct seal_greeting greeting;
    unsigned char bytes[SEAL_WELCOME_BYTES];
    struct seal_session session;

    scene_begin(&scene);
    seal_hello_make(&scene.key, 2, v1, &scene.random, &greeting);
    if (i == 0)
        str_add_n(out, scene.sync.data, scene.sync.len);
    else if (i == 1)
        str_add_n(out, (const char *)greeting.frame, SEAL_HELLO_BYTES);
    else if (i == 2 && seal_welcome_make(greeting.frame, SEAL_HELLO_BYTES, &scene.key, v1,
                                         &scene.random, bytes, &session, NULL) == 0)
        str_add_n(out, (const char *)bytes, sizeof bytes);
    return i < 3;
}
