/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Connections that give way: nobody may hold the coordinator's descriptors by being connected.
 *
 * nanomsg accepts whoever comes and never lets go of who is silent. The guard looks through this
 * process's descriptors for connections of the listening port and shuts those that are too many:
 * of the address with the most connections first, of them the one that has said nothing for the
 * longest time. A shut connection is closed by nanomsg as if the peer had gone; an honest agent
 * that it meets connects again by itself and repeats what it said.
 * Source: tcp(7), TCP_INFO; dup3(2): check and shutdown happen on one and the same socket.
 */
#ifndef ONYX_COMMON_WIRE_GUARD_H
#define ONYX_COMMON_WIRE_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

#define WIRE_GUARD_CONNECTIONS_MAX 2048 /* twice the hosts that a coordinator serves */
#define WIRE_GUARD_ADDRESS_BYTES   16
#define WIRE_GUARD_ADDRESS_MAX     48 /* as text */

/* A connection of the port. */
struct wire_guard_peer {
    int fd;
    unsigned char address[WIRE_GUARD_ADDRESS_BYTES]; /* IPv4 as ::ffff:a.b.c.d */
    int64_t idle_ms;                                 /* since the last byte came */
};

/* Put those that have to go to the front and give their number: n - max, or 0. Pure. */
size_t wire_guard_choose(struct wire_guard_peer *peers, size_t n, size_t max);

/* The address that most of them have, as text; n is not 0. Orders them by address. Pure. */
void wire_guard_name_worst(struct wire_guard_peer *peers, size_t n,
                           char ret_address[WIRE_GUARD_ADDRESS_MAX]);

struct wire_guard;

/* Watch the port of an address that wire_link_listen took; NULL when it is no TCP address. max is
 * lowered to half of what descriptors this process may have. */
struct wire_guard *wire_guard_new(const char *address, size_t max);
void wire_guard_free(struct wire_guard **guard);
#define CLEAN_WIRE_GUARD CLEANUP(wire_guard_free)

/* Shut what is too much; gives how many were shut, and the address of most of them when there are
 * any. One system call while there are few. */
size_t wire_guard_look(struct wire_guard *guard, char ret_worst[WIRE_GUARD_ADDRESS_MAX]);

#endif
