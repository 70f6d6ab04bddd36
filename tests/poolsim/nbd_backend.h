/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One plain NBD connection from nbdkit: negotiation, reads, end. For nbd.c.
 *
 * Source: the NBD protocol (NetworkBlockDevice/nbd doc/proto.md), fixed newstyle, simple replies.
 */
#ifndef ONYX_TESTS_POOLSIM_NBD_BACKEND_H
#define ONYX_TESTS_POOLSIM_NBD_BACKEND_H

#include "tests/poolsim/pool.h"

/* Serve until the other side leaves. connections: how many this host has, guarded by the lock. The
 * descriptor is the caller's. */
void nbd_backend_serve(struct host *host, int fd, int *connections);

#endif
