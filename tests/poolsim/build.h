/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A pool out of POOL.json (README.md has its members).
 *
 * Fails: ERROR_USAGE with the place of the value; what disks report. The pool is half-built then
 *        and pool_free takes it.
 */
#ifndef ONYX_TESTS_POOLSIM_BUILD_H
#define ONYX_TESTS_POOLSIM_BUILD_H

#include <jansson.h>

#include "tests/poolsim/pool.h"

struct error;

/* Hosts, SRs, networks, VMs, disks in dir. */
int build_pool(const json_t *file, const char *dir, struct pool **ret_pool, struct error *err);
void pool_free(struct pool *pool);

/* --- parts, for build.c --- */

struct node;
int build_hosts(struct pool *pool, const struct node *file);
int build_storage(struct pool *pool, const struct node *file);
int build_vms(struct pool *pool, const struct node *file);

/* The hosts' management interfaces are on it. */
#define BUILD_MANAGEMENT_NETWORK "Pool-wide network associated with eth0"

/* The host's interface eth<number> on the network, with the host's address; 0 is the management
 * one. */
struct host;
void build_interface(struct pool *pool, const struct host *host, const char *network_ref,
                     unsigned number);

/* An SR or network of the pool file by name, NULL if there is none. */
struct object;
struct object *build_find(struct pool *pool, enum class_id class, const char *name);

#endif
