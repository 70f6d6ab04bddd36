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

struct error;

struct lock_holder {
    int64_t pid; /* 0 unknown */
    int64_t since_at;
};

/* Take it; an owned descriptor. 1 taken, 0 held by *ret_holder, -1 failed. Makes missing folders. */
int lock_take(const char *catalog_path, int64_t now_at, int *ret_fd,
              struct lock_holder *ret_holder, struct error *err);

/* Look only: 1 held by *ret_holder, 0 free, -1 failed. */
int lock_look(const char *catalog_path, struct lock_holder *ret_holder, struct error *err);

#endif
