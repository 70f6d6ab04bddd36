/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keys of a pool: one pool key that only the coordinator has, and from it one key per host.
 *
 * Key files are one line of text, mode 0600, owned by whoever runs the program:
 *     onyxpool-pool-key-1 <64 hex digits>
 *     onyxpool-agent-key-1 <host uuid> <64 hex digits>
 *     onyxpool-old-pool-key-1 <64 hex digits> <until, UTC>        beside the pool key, ".old"
 * An agent key is keyed BLAKE2b(pool key, host uuid): who has one host's key can't make another's.
 * Keys are wiped by their _done and never logged or put into an error.
 */
#ifndef ONYX_COMMON_WIRE_KEY_H
#define ONYX_COMMON_WIRE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/random.h"

struct error;
struct str;

#define WIRE_KEY_BYTES 32

struct wire_pool_key {
    unsigned char bytes[WIRE_KEY_BYTES];
};

struct wire_agent_key {
    char host_uuid[UUID_TEXT_MAX];
    unsigned char bytes[WIRE_KEY_BYTES];
};

void wire_pool_key_done(struct wire_pool_key *key);
void wire_agent_key_done(struct wire_agent_key *key);

/* The pool key and, for a while after a rotation, the one before it. */
struct wire_pool_keys {
    struct wire_pool_key now;
    bool has_old;
    struct wire_pool_key old;
    int64_t old_until; /* wall ms: no longer taken then */
};
void wire_pool_keys_done(struct wire_pool_keys *keys);
#define CLEAN_WIRE_POOL_KEYS CLEANUP(wire_pool_keys_done)

#define CLEAN_WIRE_POOL_KEY  CLEANUP(wire_pool_key_done)
#define CLEAN_WIRE_AGENT_KEY CLEANUP(wire_agent_key_done)

/* Make a pool key file (0600). ERROR_EXISTS: an existing file is never replaced. */
int wire_pool_key_create(const char *path, const struct random *random, struct error *err);

/* ERROR_SETTINGS: not there (says how to make one), mode, owner, contents. */
int wire_pool_key_read(const char *path, struct wire_pool_key *ret_key, struct error *err);
int wire_agent_key_read(const char *path, struct wire_agent_key *ret_key, struct error *err);

/* The pool key and, where PATH.old stands beside it, the one before. ERROR_SETTINGS. */
int wire_pool_keys_read(const char *path, struct wire_pool_keys *ret_keys, struct error *err);

/* Make a new pool key in the place of the one there, which goes to PATH.old and counts until then.
 * At a death in between the key of before stands in both. ERROR_EXISTS: an older key still counts,
 * and the one there shall too. */
int wire_pool_key_rotate(const char *path, int64_t now, int64_t until, const struct random *random,
                         struct error *err);

/* How a key file stood there: 1 when it stands there otherwise now, or is gone (and that is noted),
 * 0 as before. Starts as zeroes, so the first look at one that is there gives 1. */
struct wire_key_stamp {
    uint64_t inode;
    int64_t changed_ns;
    int64_t size;
};
int wire_key_stamp_look(const char *path, struct wire_key_stamp *stamp);

/* The same for what wire_pool_keys_read reads. */
struct wire_pool_keys_stamp {
    struct wire_key_stamp now;
    struct wire_key_stamp old;
};
int wire_pool_keys_stamp_look(const char *path, struct wire_pool_keys_stamp *stamp);

/* The key of a host. ERROR_USAGE when host_uuid is no uuid. Upper case is taken as lower. */
int wire_agent_key_make(const struct wire_pool_key *pool_key, const char *host_uuid,
                        struct wire_agent_key *ret_key, struct error *err);

/* The agent key file's line, with its line feed, appended to out; the caller wipes it. */
void wire_agent_key_format(const struct wire_agent_key *key, struct str *out);

/* Write an agent key file (0600). ERROR_EXISTS. */
int wire_agent_key_create(const char *path, const struct wire_agent_key *key, struct error *err);

/* Keep what will hold secrets from swap and cores, as far as the limit of locked memory goes;
 * unlock overwrites it. */
void wire_secret_lock(void *bytes, size_t n);
void wire_secret_unlock(void *bytes, size_t n);

/* Overwrite what held a secret; wire_secret_done also releases it. */
void wire_secret_wipe(void *bytes, size_t n);
void wire_secret_done(struct str *text);

#endif
