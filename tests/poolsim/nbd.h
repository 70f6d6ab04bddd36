/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The NBD servers of the hosts: nbdkit in front (fixed newstyle, TLS as the networks ask for it,
 * read-only), the simulator's disks behind it.
 *
 * A host's nbdkit is started when somebody first asks for its port. It passes every connection on
 * to a unix socket of ours with the client's export name "/<VDI uuid>?session_id=<ref>"; there the
 * session, the networks' purposes and the limit of 16 connections a host are checked and the VDI
 * is attached to dom0 for as long as the connection lives.
 * Source: contract 8.3 (xapi-nbd main.ml).
 */
#ifndef ONYX_TESTS_POOLSIM_NBD_H
#define ONYX_TESTS_POOLSIM_NBD_H

#include <stdbool.h>

#include "tests/poolsim/pool.h"

struct error;
struct nbd;

#define NBD_CONNECTIONS_MAX 16
#define NBD_XAPI_PORT       10809

/* What the purposes of all networks together allow now. Lock held. */
enum nbd_mode { NBD_MODE_NONE, NBD_MODE_TLS, NBD_MODE_PLAIN };
enum nbd_mode nbd_mode(struct pool *pool);

/* Certificate and key are PEM texts; the files for nbdkit go into the pool's folder. Nothing is
 * started yet. */
int nbd_open(struct pool *pool, const char *certificate_pem, const char *key_pem,
             struct nbd **ret_nbd, struct error *err);

/* The host's port, its nbdkit started in the mode that holds now: XAPI's own if it is free on the
 * host's address. ERROR_UNSUPPORTED when nbdkit is not installed or the mode is NONE. Lock held. */
int nbd_port(struct nbd *nbd, struct host *host, int *ret_port, struct error *err);

/* Ends the children and all connections. NULL is fine. Lock not held. */
void nbd_free(struct nbd *nbd);

#endif
