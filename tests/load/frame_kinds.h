/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frames of an attacker, by kind, from a seed.
 *
 * A scene is a coordinator's server with a few hosts in session, and what somebody on the way or
 * with one host's key may have: recordings, foreign keys, that key. Each kind makes one frame that
 * must never reach the handler.
 */
#ifndef ONYX_TESTS_LOAD_FRAME_KINDS_H
#define ONYX_TESTS_LOAD_FRAME_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "common/wire/message.h"
#include "common/wire/seal.h"
#include "common/wire/server.h"

#define SCENE_HOSTS    8
#define SCENE_RECORDED 64 /* frames of each kind that were recorded */

#define FRAME_KIND_TABLE(X)                                                                        \
    X(noise)            /* bytes of any length */                                                  \
    X(magic_noise)      /* our magic and a kind, then noise */                                     \
    X(giant)            /* more than a frame may have */                                           \
    X(wrong_key)        /* Hello of another pool's key */                                          \
    X(no_key)           /* Hello of a key of zeros */                                              \
    X(other_host)       /* Hello that names a host, made with the key of another */                \
    X(old_version)      /* Hello of a version that is not spoken, sealed as it should be */        \
    X(lowered_version)  /* a recorded Hello whose clear version was changed */                     \
    X(old_recording)    /* Hello of an earlier time */                                             \
    X(flipped_hello)    /* recorded Hello, one bit */                                              \
    X(cut_hello)        /* recorded Hello, cut or longer */                                        \
    X(replay)           /* Sync of the session that stands, again */                               \
    X(old_session)      /* Sync of a session that was replaced */                                  \
    X(flipped_sync)     /* newest recorded Sync, one bit */                                        \
    X(cut_sync)         /* the same, cut or longer */                                              \
    X(next_counter)     /* the same, with the counter that would be next */                        \
    X(moved_session)    /* Sync of one host with another's session */                              \
    X(forged_sync)      /* the standing session's header, noise behind it */                       \
    X(back_to_sender)   /* Welcome and Orders that the coordinator gave, sent to it */             \
    X(refusal)          /* a refusal sent to the coordinator */                                    \
    X(stolen_key_twin)  /* a whole new session with a host's own key while its agent is heard */

enum frame_kind {
#define X(name) FRAME_##name,
    FRAME_KIND_TABLE(X)
#undef X
    FRAME_KINDS_N
};
const char *frame_kind_name(enum frame_kind kind);

struct scene_host {
    struct wire_agent_key key;
    struct seal_greeting greeting;
    struct seal_session session;
    struct seal_session old_session;
    uint64_t boot;
    uint64_t counter;
    struct str sync;   /* the last frame of it */
    struct str orders; /* and its answer */
    struct str old_syncs[SCENE_RECORDED];
    unsigned char old_hellos[SCENE_RECORDED][SEAL_HELLO_BYTES];
    unsigned char other_hosts_hello[SEAL_HELLO_BYTES];
};

struct scene {
    uint64_t state; /* of the random sequence */
    struct random random;
    struct clock clock;
    int64_t ms;
    struct wire_pool_key pool;
    struct wire_server *server;
    uint64_t asked_n; /* how often the handler was asked */
    uint64_t honest_n; /* how often it should have been */
    uint64_t lines_n;
    struct scene_host hosts[SCENE_HOSTS];
    unsigned char wrong_hellos[SCENE_RECORDED][SEAL_HELLO_BYTES];
    unsigned char empty_hellos[SCENE_RECORDED][SEAL_HELLO_BYTES];
    unsigned char old_version_hellos[SCENE_RECORDED][SEAL_HELLO_BYTES];
};

/* All hosts in session, recordings made. Ends the process with a line if that fails. */
void scene_init(struct scene *scene, uint64_t seed, const struct wire_pool_key *pool);
void scene_done(struct scene *scene);

/* Each host's agent says its next Sync; false: one did not get its Orders. */
bool scene_honest_turn(struct scene *scene);

/* A frame of the kind replaces what is in frame. */
void frame_make(struct scene *scene, enum frame_kind kind, struct str *frame);

size_t scene_below(struct scene *scene, size_t n);

#endif
