/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which store this is: the marker that names store and pool, and the nonce of the present run.
 *
 * `.onyxpool/store` is written once, `.onyxpool/nonce` anew by each run. A host that reads the
 * nonce of the run in its folder sees the very share that the coordinator sees; a host that has
 * mounted another share, or none, does not. Both are text: "key=value" lines, the first one
 * `onyxpool_store=1` or `onyxpool_nonce=1`, unknown keys are ignored.
 */
#ifndef ONYX_COMMON_STORE_MARKER_H
#define ONYX_COMMON_STORE_MARKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/random.h"
#include "common/model/job.h"
#include "common/store/mount.h"

struct error;
struct store;

#define MARKER_FILE "store"
#define MARKER_NONCE_FILE "nonce"
#define MARKER_NONCE_MAX 33 /* 32 hex digits */

struct marker {
    char store_uuid[UUID_TEXT_MAX];
    char pool_uuid[UUID_TEXT_MAX];
    int64_t created_at;
    bool allow_root_fs; /* the store may lie on the device of "/" */
    char accepted[MOUNT_TYPE_MAX]; /* file system that is no share of share_type and that somebody
                                    * accepted by init-store; "" none */
};

struct marker_nonce {
    char run[RUN_ID_MAX];
    char nonce[MARKER_NONCE_MAX];
};

/* 1 read, 0 no marker, -1 failed (ERROR_STORE_FOREIGN: it is none of ours or damaged). */
int marker_read(struct store *store, struct marker *ret_marker, struct error *err);

/* Write the marker, making the own folder. ERROR_EXISTS if there is one, whatever it says. */
int marker_write(struct store *store, const struct marker *marker, struct error *err);
/* Write it over the one that is there: what was accepted changed. */
int marker_rewrite(struct store *store, const struct marker *marker, struct error *err);

/*
 * Whether this store may be written to for this pool; pool_uuid NULL: for any (an agent, whose
 * orders name store and nonce). Fills *ret_marker then.
 *
 * Fails:  ERROR_STORE_MISSING (no marker: the share is not mounted, or run `onyxpool init-store`;
 *         on the device of "/" and not allowed to be), ERROR_STORE_FOREIGN (another pool's).
 */
int marker_check(struct store *store, const char *pool_uuid, struct marker *ret_marker,
                 struct error *err);

/*
 * Whether what is mounted at root is a share of that kind, or what the marker accepted.
 * ERROR_STORE_MISSING says what is there instead and what to do.
 */
int marker_judge_mount(const struct marker *marker, const struct mount *mount,
                       enum mount_kind share, const char *root, struct error *err);

/* 1 read, 0 no nonce, -1 failed. */
int marker_read_nonce(struct store *store, struct marker_nonce *ret_nonce, struct error *err);

/* Write a new nonce for a run; *ret_nonce is what was written. */
int marker_write_nonce(struct store *store, const char *run, const struct random *random,
                       struct marker_nonce *ret_nonce, struct error *err);

#endif
