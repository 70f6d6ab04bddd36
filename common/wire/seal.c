/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frames, byte by byte. All numbers are little-endian; docs/PROTOCOL.md draws them.
 *
 *   Hello    magic 4, type 1, min 1, max 1, zero 1, boot 8, host uuid 36, nonce 24, box 48
 *   Welcome  magic 4, type 1, version 1, zero 2, session 8, nonce 24, box 48
 *   Refusal  magic 4, type 1, reason 1, min 1, max 1, echo 8
 *   Sync, Orders  magic 4, type 1, version 1, zero 2, session 8, counter 8, box n + 16
 *
 * The boxes of Hello and Welcome hold an X25519 public key under keys derived from the agent key;
 * everything in front of a box is its additional data, and the Welcome's also covers the Hello. The
 * session's keys hash the shared secret with both frames whole, so nothing in either can be
 * swapped.
 */
#include "common/wire/seal.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "common/base/error.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define KEY_BYTES     32
#define NONCE_BYTES   24
#define BOX_BYTES     (KEY_BYTES + SEAL_TAG_BYTES)
#define HELLO_UUID    16
#define HELLO_NONCE   52
#define HELLO_BOX     76
#define WELCOME_NONCE 16
#define WELCOME_BOX   40

static const unsigned char magic[4] = {'o', 'n', 'y', 'x'};

/* A key of a purpose of its own; wiped where it goes out of scope. */
struct purpose_key {
    unsigned char bytes[KEY_BYTES];
};
#define CLEAN_PURPOSE CLEANUP(purpose_done)

static void purpose_done(struct purpose_key *key)
{
    sodium_memzero(key, sizeof *key);
}

static void purpose_make(const struct wire_agent_key *key, const char *purpose,
                         struct purpose_key *ret_key)
{
    crypto_generichash(ret_key->bytes, sizeof ret_key->bytes, (const unsigned char *)purpose,
                       strlen(purpose), key->bytes, sizeof key->bytes);
}

static void put_number(unsigned char *bytes, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t get_number(const unsigned char *bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < 8; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

static void put_head(unsigned char *frame, enum seal_frame type)
{
    memcpy(frame, magic, sizeof magic);
    frame[4] = (unsigned char)type;
}

int seal_look(const void *bytes, size_t n, enum seal_frame *ret_frame)
{
    const unsigned char *frame = bytes;

    if (n < 8 || memcmp(frame, magic, sizeof magic) != 0)
        return 0;
    switch (frame[4]) {
    case SEAL_HELLO: /* a later version's may be longer; its head says which versions it speaks */
        if (n < SEAL_HELLO_BYTES)
            return 0;
        break;
    case SEAL_WELCOME:
        if (n != SEAL_WELCOME_BYTES)
            return 0;
        break;
    case SEAL_REFUSAL:
        if (n != SEAL_REFUSAL_BYTES)
            return 0;
        break;
    case SEAL_SYNC:
    case SEAL_ORDERS:
        if (n < SEAL_OVERHEAD)
            return 0;
        break;
    default:
        return 0;
    }
    *ret_frame = (enum seal_frame)frame[4];
    return 1;
}

static int check_kind(const void *bytes, size_t n, enum seal_frame wanted, struct error *err)
{
    enum seal_frame frame;

    if (!seal_look(bytes, n, &frame) || frame != wanted)
        return error_set(err, ERROR_PROTOCOL, "the bytes are not the frame that was expected");
    return 0;
}

void seal_session_done(struct seal_session *session)
{
    sodium_memzero(session, sizeof *session);
}

void seal_greeting_done(struct seal_greeting *greeting)
{
    sodium_memzero(greeting, sizeof *greeting);
}

/* Draw an X25519 pair. Every conversation begins here, on either side. */
static void pair_make(const struct random *random, unsigned char secret[KEY_BYTES],
                      unsigned char public[KEY_BYTES])
{
    int rc = sodium_init(); /* may be repeated */
    assert(rc >= 0);
    (void)rc;
    random_fill(random, secret, KEY_BYTES);
    crypto_scalarmult_base(public, secret);
}

static void box_make(unsigned char *box, const unsigned char body[KEY_BYTES],
                     const unsigned char *data, size_t data_n, const unsigned char *nonce,
                     const struct purpose_key *key)
{
    crypto_aead_xchacha20poly1305_ietf_encrypt(box, NULL, body, KEY_BYTES, data, data_n, NULL,
                                               nonce, key->bytes);
}

static int box_open(const unsigned char *box, unsigned char body[KEY_BYTES],
                    const unsigned char *data, size_t data_n, const unsigned char *nonce,
                    const struct purpose_key *key)
{
    return crypto_aead_xchacha20poly1305_ietf_decrypt(body, NULL, NULL, box, BOX_BYTES, data,
                                                      data_n, nonce, key->bytes);
}

void seal_hello_make(const struct wire_agent_key *key, uint64_t boot, struct seal_versions versions,
                     const struct random *random, struct seal_greeting *ret_greeting)
{
    CLEAN_PURPOSE struct purpose_key hello_key;
    unsigned char public[KEY_BYTES];
    unsigned char *frame = ret_greeting->frame;

    memset(ret_greeting, 0, sizeof *ret_greeting);
    ret_greeting->versions = versions;
    put_head(frame, SEAL_HELLO);
    frame[5] = versions.min;
    frame[6] = versions.max;
    put_number(frame + 8, boot);
    memcpy(frame + HELLO_UUID, key->host_uuid, UUID_TEXT_MAX - 1);
    random_fill(random, frame + HELLO_NONCE, NONCE_BYTES);
    pair_make(random, ret_greeting->secret, public);
    purpose_make(key, "onyxpool hello", &hello_key);
    box_make(frame + HELLO_BOX, public, frame, HELLO_BOX, frame + HELLO_NONCE, &hello_key);
}

int seal_hello_look(const void *bytes, size_t n, struct seal_hello *ret_hello, struct error *err)
{
    const unsigned char *frame = bytes;
    struct seal_hello hello = {.host_uuid = ""};

    if (check_kind(bytes, n, SEAL_HELLO, err) < 0)
        return -1;
    memcpy(hello.host_uuid, frame + HELLO_UUID, UUID_TEXT_MAX - 1);
    if (!uuid_is_valid(hello.host_uuid))
        return error_set(err, ERROR_PROTOCOL, "a Hello names no host uuid");
    hello.versions.min = frame[5];
    hello.versions.max = frame[6];
    hello.boot = get_number(frame + 8);
    *ret_hello = hello;
    return 0;
}

/* The highest version that both speak; 0 if there is none. */
static uint8_t common_version(struct seal_versions a, struct seal_versions b)
{
    uint8_t max = a.max < b.max ? a.max : b.max;
    uint8_t min = a.min > b.min ? a.min : b.min;

    return max >= min ? max : 0;
}

/* Both session keys, from the exchange and the two whole frames. */
static int session_make(const struct wire_agent_key *key, const unsigned char *hello,
                        const unsigned char *welcome, const unsigned char secret[KEY_BYTES],
                        const unsigned char peer_public[KEY_BYTES], struct seal_session *session,
                        struct error *err)
{
    static const char purpose[] = "onyxpool session";
    CLEAN_PURPOSE struct purpose_key shared;
    unsigned char both[2 * KEY_BYTES];
    crypto_generichash_state state;

    if (crypto_scalarmult(shared.bytes, secret, peer_public) != 0)
        return error_set(err, ERROR_AUTH, "the peer's exchange key is not usable");
    crypto_generichash_init(&state, key->bytes, sizeof key->bytes, sizeof both);
    crypto_generichash_update(&state, (const unsigned char *)purpose, sizeof purpose);
    crypto_generichash_update(&state, shared.bytes, sizeof shared.bytes);
    crypto_generichash_update(&state, hello, SEAL_HELLO_BYTES);
    crypto_generichash_update(&state, welcome, SEAL_WELCOME_BYTES);
    crypto_generichash_final(&state, both, sizeof both);
    sodium_memzero(&state, sizeof state);
    memcpy(session->to_coordinator, both, KEY_BYTES);
    memcpy(session->to_agent, both + KEY_BYTES, KEY_BYTES);
    sodium_memzero(both, sizeof both);
    session->version = welcome[5];
    session->id = get_number(welcome + 8);
    return 0;
}

/* Additional data of a Welcome's box: its own head and the whole Hello. */
static void welcome_data(const unsigned char *welcome, const unsigned char *hello,
                         unsigned char data[WELCOME_BOX + SEAL_HELLO_BYTES])
{
    memcpy(data, welcome, WELCOME_BOX);
    memcpy(data + WELCOME_BOX, hello, SEAL_HELLO_BYTES);
}

/* The version to go on with and the agent's exchange key. */
static int hello_open(const unsigned char *hello, size_t n, const struct wire_agent_key *key,
                      struct seal_versions versions, uint8_t *ret_version,
                      unsigned char ret_public[KEY_BYTES], struct error *err)
{
    CLEAN_PURPOSE struct purpose_key hello_key;
    struct seal_hello clear;

    if (seal_hello_look(hello, n, &clear, err) < 0)
        return -1;
    uint8_t version = common_version(clear.versions, versions);
    if (version == 0)
        return error_set(err, ERROR_UNSUPPORTED,
                         "the agent speaks protocol versions %d to %d, this coordinator %d to %d: "
                         "install the same release on both",
                         clear.versions.min, clear.versions.max, versions.min, versions.max);
    if (n != SEAL_HELLO_BYTES)
        return error_set(err, ERROR_PROTOCOL, "a Hello has %zu bytes", n);
    purpose_make(key, "onyxpool hello", &hello_key);
    if (box_open(hello + HELLO_BOX, ret_public, hello, HELLO_BOX, hello + HELLO_NONCE,
                 &hello_key) != 0)
        return error_set(err, ERROR_AUTH, "the Hello was not made with this pool's key for host %s",
                         clear.host_uuid);
    *ret_version = version;
    return 0;
}

int seal_welcome_make(const void *hello, size_t n, const struct wire_agent_key *key,
                      struct seal_versions versions, const struct random *random,
                      unsigned char ret_frame[SEAL_WELCOME_BYTES], struct seal_session *ret_session,
                      struct error *err)
{
    CLEAN_PURPOSE struct purpose_key welcome_key;
    CLEAN_PURPOSE struct purpose_key secret;
    unsigned char agent_public[KEY_BYTES];
    unsigned char public[KEY_BYTES];
    unsigned char data[WELCOME_BOX + SEAL_HELLO_BYTES];
    unsigned char frame[SEAL_WELCOME_BYTES] = {0};
    uint8_t version = 0;

    if (hello_open(hello, n, key, versions, &version, agent_public, err) < 0)
        return -1;
    put_head(frame, SEAL_WELCOME);
    frame[5] = version;
    random_fill(random, frame + 8, 8);
    random_fill(random, frame + WELCOME_NONCE, NONCE_BYTES);
    pair_make(random, secret.bytes, public);
    purpose_make(key, "onyxpool welcome", &welcome_key);
    welcome_data(frame, hello, data);
    box_make(frame + WELCOME_BOX, public, data, sizeof data, frame + WELCOME_NONCE, &welcome_key);
    if (session_make(key, hello, frame, secret.bytes, agent_public, ret_session, err) < 0)
        return -1;
    memcpy(ret_frame, frame, sizeof frame);
    return 0;
}

int seal_welcome_open(const void *bytes, size_t n, const struct seal_greeting *greeting,
                      const struct wire_agent_key *key, struct seal_session *ret_session,
                      struct error *err)
{
    CLEAN_PURPOSE struct purpose_key welcome_key;
    const unsigned char *frame = bytes;
    unsigned char public[KEY_BYTES];
    unsigned char data[WELCOME_BOX + SEAL_HELLO_BYTES];

    if (check_kind(bytes, n, SEAL_WELCOME, err) < 0)
        return -1;
    purpose_make(key, "onyxpool welcome", &welcome_key);
    welcome_data(frame, greeting->frame, data);
    if (box_open(frame + WELCOME_BOX, public, data, sizeof data, frame + WELCOME_NONCE,
                 &welcome_key) != 0)
        return error_set(err, ERROR_AUTH, "a Welcome does not answer our Hello");
    if (frame[5] < greeting->versions.min || frame[5] > greeting->versions.max)
        return error_set(err, ERROR_PROTOCOL, "a Welcome chose version %d", frame[5]);
    return session_make(key, greeting->frame, frame, greeting->secret, public, ret_session, err);
}

void seal_refusal_make(const struct seal_refusal *refusal,
                       unsigned char ret_frame[SEAL_REFUSAL_BYTES])
{
    put_head(ret_frame, SEAL_REFUSAL);
    ret_frame[5] = (unsigned char)refusal->reason;
    ret_frame[6] = refusal->versions.min;
    ret_frame[7] = refusal->versions.max;
    put_number(ret_frame + 8, refusal->echo);
}

int seal_refusal_look(const void *bytes, size_t n, struct seal_refusal *ret_refusal,
                      struct error *err)
{
    const unsigned char *frame = bytes;

    if (check_kind(bytes, n, SEAL_REFUSAL, err) < 0)
        return -1;
    if (frame[5] < SEAL_REASON_KEY || frame[5] > SEAL_REASON_TWIN)
        return error_set(err, ERROR_PROTOCOL, "a refusal gives reason %d", frame[5]);
    ret_refusal->reason = (enum seal_reason)frame[5];
    ret_refusal->versions.min = frame[6];
    ret_refusal->versions.max = frame[7];
    ret_refusal->echo = get_number(frame + 8);
    return 0;
}

uint64_t seal_echo(const void *bytes, size_t n)
{
    const unsigned char *frame = bytes;
    enum seal_frame type;

    if (!seal_look(bytes, n, &type))
        return 0;
    if (type == SEAL_HELLO)
        return get_number(frame + HELLO_NONCE);
    return type == SEAL_SYNC ? get_number(frame + 8) ^ get_number(frame + 16) : 0;
}

/* Type and counter: never the same twice under one key. */
static void frame_nonce(enum seal_frame type, uint64_t counter, unsigned char nonce[NONCE_BYTES])
{
    memset(nonce, 0, NONCE_BYTES);
    put_number(nonce, counter);
    nonce[8] = (unsigned char)type;
}

static const unsigned char *frame_key(const struct seal_session *session, enum seal_frame type)
{
    return type == SEAL_SYNC ? session->to_coordinator : session->to_agent;
}

int seal_frame_make(const struct seal_session *session, enum seal_frame type, uint64_t counter,
                    const void *body, size_t n, struct str *out, struct error *err)
{
    unsigned char nonce[NONCE_BYTES];

    if (n > 65536 - SEAL_OVERHEAD)
        return error_set(err, ERROR_LIMIT, "a message of %zu bytes is over the ceiling", n);
    unsigned char *frame = (unsigned char *)str_reserve(out, SEAL_OVERHEAD + n);
    put_head(frame, type);
    frame[5] = session->version;
    frame[6] = frame[7] = 0;
    put_number(frame + 8, session->id);
    put_number(frame + 16, counter);
    frame_nonce(type, counter, nonce);
    crypto_aead_xchacha20poly1305_ietf_encrypt(frame + SEAL_HEADER_BYTES, NULL, body, n, frame,
                                               SEAL_HEADER_BYTES, NULL, nonce,
                                               frame_key(session, type));
    str_set_len(out, out->len + SEAL_OVERHEAD + n);
    return 0;
}

int seal_frame_look(const void *bytes, size_t n, uint64_t *ret_session, uint64_t *ret_counter,
                    struct error *err)
{
    const unsigned char *frame = bytes;
    enum seal_frame type;

    if (!seal_look(bytes, n, &type) || (type != SEAL_SYNC && type != SEAL_ORDERS))
        return error_set(err, ERROR_PROTOCOL, "the bytes are no sealed frame");
    *ret_session = get_number(frame + 8);
    *ret_counter = get_number(frame + 16);
    return 0;
}

int seal_frame_open(const struct seal_session *session, enum seal_frame type, const void *bytes,
                    size_t n, struct str *out, struct error *err)
{
    const unsigned char *frame = bytes;
    unsigned char nonce[NONCE_BYTES];

    if (check_kind(bytes, n, type, err) < 0)
        return -1;
    if (n > 65536 || get_number(frame + 8) != session->id || frame[5] != session->version)
        return error_set(err, ERROR_AUTH, "a frame is not of this session");
    frame_nonce(type, get_number(frame + 16), nonce);
    str_clear(out);
    unsigned char *body = (unsigned char *)str_reserve(out, n - SEAL_OVERHEAD);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(body, NULL, NULL, frame + SEAL_HEADER_BYTES,
                                                   n - SEAL_HEADER_BYTES, frame, SEAL_HEADER_BYTES,
                                                   nonce, frame_key(session, type)) != 0) {
        str_clear(out);
        return error_set(err, ERROR_AUTH, "a frame does not open with this session's key");
    }
    str_set_len(out, n - SEAL_OVERHEAD);
    return 0;
}
