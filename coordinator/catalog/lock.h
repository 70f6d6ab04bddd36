/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lock on a catalog: whoever holds it is the coordinator.
 *
 * It is a lock of the open file "<catalog>.lock" on the local disk; the kernel gives it back when
 * its process ends, however it ends. The file stays and tells who held it last.
 * Source: flock(2).
 */
#ifndef ONYX_COORDINATOR_LOCK_H
#define ONYX_COORDINATOR_LOCK_H

#include <stdint.h>

#include "common/base/fd.h"
#include "common/base/random.h"

struct error;

struct lock_holder {
    int64_t pid; /* 0 unknown */
    int64_t since_at;
    char owner[UUID_TEXT_MAX]; /* what it calls itself in the pool's lease; "" unknown */
};

/*
 * Take it, as self. 1 taken, 0 held by *ret_holder, -1 failed. When it is taken *ret_holder is who
 * held it last: that process is dead or has given it back. Makes missing folders.
 *
 * Owns: *ret_fd is an owned descriptor; closing it gives the lock back.
 */
int lock_take(const char *catalog_path, const struct lock_holder *self, int *ret_fd,
              struct lock_holder *ret_holder, struct error *err);

/* Look only: 1 held by *ret_holder, 0 free, -1 failed. */
int lock_look(const char *catalog_path, struct lock_holder *ret_holder, struct error *err);

#endif
