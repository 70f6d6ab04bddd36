/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * POST /poolsim on any host, or anything on DIR/control.sock (which works whatever state the hosts
 * are in): what a test does to the pool from outside (README.md, Control calls).
 *
 * JSON-RPC 2.0 without a session; parameters by name. An error has code -1 and a text.
 */
#ifndef ONYX_TESTS_POOLSIM_CONTROL_H
#define ONYX_TESTS_POOLSIM_CONTROL_H

#include <jansson.h>

#include "tests/poolsim/http.h"

struct error;

void control_handle(struct connection *connection, struct request *request);

/* host.*, pool.*, vm.*, guest.*, disk.*, object.*, state.*: 0 and a new value; -1. Lock held. */
int control_world(struct pool *pool, const char *method, const json_t *params, json_t **ret_result,
                  struct error *err);

#endif
