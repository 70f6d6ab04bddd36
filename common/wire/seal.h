/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frames that nobody without the key can read or make; pure, without socket or clock.
 *
 * The only room that knows the layout of frames (docs/PROTOCOL.md has the offsets). An agent says
 * Hello, the coordinator Welcome; both then have a session: two keys, made from the agent key, both
 * Hello and Welcome and an X25519 exchange, so a key that leaks later opens no recording. Within a
 * session each Sync has a counter from 1 that rises, and its Orders the same one.
 * Source: libsodium, crypto_aead_xchacha20poly1305_ietf, crypto_generichash, crypto_scalarmult.
 */
#ifndef ONYX_COMMON_WIRE_SEAL_H
#define ONYX_COMMON_WIRE_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/wire/key.h"

struct error;
struct str;

#define SEAL_VERSION_MIN 1
#define SEAL_VERSION_MAX 1

#define SEAL_HELLO_BYTES   124
#define SEAL_WELCOME_BYTES 88
#define SEAL_REFUSAL_BYTES 16
#define SEAL_HEADER_BYTES  24
#define SEAL_TAG_BYTES     16
#define SEAL_OVERHEAD      (SEAL_HEADER_BYTES + SEAL_TAG_BYTES)

struct seal_versions {
    uint8_t min;
    uint8_t max;
};

enum seal_frame {
    SEAL_HELLO = 1,
    SEAL_WELCOME = 2,
    SEAL_REFUSAL = 3,
    SEAL_SYNC = 4,
    SEAL_ORDERS = 5
};

/* 1 and the kind when the bytes begin as a frame of ours with a possible length, else 0. */
int seal_look(const void *bytes, size_t n, enum seal_frame *ret_frame);

/* What both have after Hello and Welcome. Secret. */
struct seal_session {
    uint64_t id; /* drawn by the coordinator; stands in each frame */
    uint8_t version;
    unsigned char to_coordinator[32];
    unsigned char to_agent[32];
};
void seal_session_done(struct seal_session *session);

/* An agent's Hello while its Welcome is awaited. Secret. */
struct seal_greeting {
    unsigned char frame[SEAL_HELLO_BYTES];
    unsigned char secret[32];
    struct seal_versions versions;
};
void seal_greeting_done(struct seal_greeting *greeting);

/* The clear part of a Hello. */
struct seal_hello {
    char host_uuid[UUID_TEXT_MAX]; /* a uuid, checked */
    uint64_t boot;
    struct seal_versions versions;
};

/* Agent: make a Hello; greeting->frame is what to send. */
void seal_hello_make(const struct wire_agent_key *key, uint64_t boot, struct seal_versions versions,
                     const struct random *random, struct seal_greeting *ret_greeting);

/* Coordinator: read the clear part, which proves nothing. ERROR_PROTOCOL. */
int seal_hello_look(const void *bytes, size_t n, struct seal_hello *ret_hello, struct error *err);

/* Coordinator: open the Hello with the key of the host it names and make the Welcome.
 * ERROR_AUTH (another key), ERROR_UNSUPPORTED (no common version), ERROR_PROTOCOL. */
int seal_welcome_make(const void *hello, size_t n, const struct wire_agent_key *key,
                      struct seal_versions versions, const struct random *random,
                      unsigned char ret_frame[SEAL_WELCOME_BYTES], struct seal_session *ret_session,
                      struct error *err);

/* Agent: open the Welcome to its Hello. ERROR_AUTH, ERROR_PROTOCOL: to be dropped. */
int seal_welcome_open(const void *bytes, size_t n, const struct seal_greeting *greeting,
                      const struct wire_agent_key *key, struct seal_session *ret_session,
                      struct error *err);

/* Why a coordinator does not go on with a frame. In clear text: a hint that anybody may forge. */
enum seal_reason {
    SEAL_REASON_KEY = 1,
    SEAL_REASON_VERSION = 2,
    SEAL_REASON_SESSION = 3,
    SEAL_REASON_TWIN = 4 /* another agent with this key is heard */
};

struct seal_refusal {
    enum seal_reason reason;
    struct seal_versions versions; /* the coordinator's */
    uint64_t echo;                 /* seal_echo of the refused frame */
};
void seal_refusal_make(const struct seal_refusal *refusal,
                       unsigned char ret_frame[SEAL_REFUSAL_BYTES]);
int seal_refusal_look(const void *bytes, size_t n, struct seal_refusal *ret_refusal,
                      struct error *err);
/* What a refusal of this Hello or Sync repeats; 0 for other bytes. */
uint64_t seal_echo(const void *bytes, size_t n);

/* Seal a message, appending the frame to out. The same (direction, counter) is never used for two
 * messages: who has to repeat one keeps its frame. frame: SEAL_SYNC or SEAL_ORDERS. */
int seal_frame_make(const struct seal_session *session, enum seal_frame frame, uint64_t counter,
                    const void *body, size_t n, struct str *out, struct error *err);

/* The clear session id and counter of a Sync or Orders, which prove nothing. */
int seal_frame_look(const void *bytes, size_t n, uint64_t *ret_session, uint64_t *ret_counter,
                    struct error *err);

/* Open a frame of this session: body replaces what is in out. ERROR_AUTH, ERROR_PROTOCOL. */
int seal_frame_open(const struct seal_session *session, enum seal_frame frame, const void *bytes,
                    size_t n, struct str *out, struct error *err);

#endif
