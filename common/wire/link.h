/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole frames over nanomsg: a REP socket that listens, a REQ socket that asks.
 *
 * The only room that knows nanomsg. Addresses: "HOST:PORT", "tcp://HOST:PORT" with a numeric
 * address ("10.0.0.1", "[fd00::1]", "*" to listen on all) or "localhost", and "ipc://PATH". Names
 * are refused: a look-up may block. Nothing here waits. nn_socket starts a thread: no fork without
 * exec once a link is open.
 * Source: nn_tcp(7), nn_ipc(7), nn_getsockopt(3); measured on nanomsg 1.1.5 (docs/PROTOCOL.md).
 */
#ifndef ONYX_COMMON_WIRE_LINK_H
#define ONYX_COMMON_WIRE_LINK_H

#include <stddef.h>

#include "common/base/mem.h"

struct error;
struct str;

#define WIRE_ADDRESS_MAX 128

struct wire_link;

/* "tcp://127.0.0.1:7451" of anything that is taken as an address; ERROR_SETTINGS says what is
 * wrong with it. Gives address. */
int wire_address_parse(const char *text, char address[WIRE_ADDRESS_MAX], struct error *err);

/* ERROR_SETTINGS, ERROR_BUSY (another program listens there), ERROR_IO. */
int wire_link_listen(const char *address, struct wire_link **ret_link, struct error *err);
int wire_link_connect(const char *address, struct wire_link **ret_link, struct error *err);
void wire_link_close(struct wire_link **link);
#define CLEAN_WIRE_LINK CLEANUP(wire_link_close)

/* Readable when a frame may be there. */
int wire_link_fd(const struct wire_link *link);

/* One frame replaces what is in frame: 1; none there: 0; -1 broken. */
int wire_link_receive(struct wire_link *link, struct str *frame, struct error *err);

/* Hand a frame over (n <= WIRE_FRAME_MAX, else ERROR_LIMIT). A listener answers the frame it
 * received last. 0 also when the peer is not there: REQ sends it when it comes. */
int wire_link_send(struct wire_link *link, const void *bytes, size_t n, struct error *err);

#endif
