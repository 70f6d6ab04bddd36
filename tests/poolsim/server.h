/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The listening side of all hosts: TCP, TLS and unix sockets, a thread per connection, and which
 * handler a request goes to.
 *
 * Every host has its own loopback address; all share one TCP and one TLS port, as the hosts of a
 * pool share 80 and 443, so that a client that follows HOST_IS_SLAVE keeps its port.
 */
#ifndef ONYX_TESTS_POOLSIM_SERVER_H
#define ONYX_TESTS_POOLSIM_SERVER_H

#include "tests/poolsim/pool.h"

struct connection;
struct error;
struct server;

/* Bind everything (addresses, ports and sockets of the hosts are filled in). */
int server_open(struct pool *pool, struct server **ret_server, struct error *err);

/* Accept until quit_fd becomes readable, then end all connections and wait for their threads. */
void server_run(struct server *server, int quit_fd);
void server_free(struct server *server);

/* All requests of one connection, on this thread. is_control: of the control socket. */
void server_serve(struct connection *connection, bool is_control);

/* The pool's TLS certificate, PEM. Borrowed. */
const char *server_certificate(const struct server *server);

/*
 * Another key and certificate for all new TLS connections: signed by itself, or, when ca_pem and
 * ca_key_pem are given, by that CA. Lock held.
 */
int server_rotate_certificate(struct server *server, const char *ca_pem, const char *ca_key_pem,
                              struct error *err);

/* Cut every connection of a host (it went down). Lock not held. */
void server_cut_host(struct server *server, struct host *host);

#endif
