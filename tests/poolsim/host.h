/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What happens to whole hosts. Lock: held.
 */
#ifndef ONYX_TESTS_POOLSIM_HOST_H
#define ONYX_TESTS_POOLSIM_HOST_H

#include "tests/poolsim/pool.h"

/* The old master's sessions and tasks are gone with it. */
void host_become_master(struct pool *pool, struct host *host);

/* What a restart of xapi loses: all sessions and tasks. */
void host_forget_runtime(struct pool *pool);

/* The disks that dom0 has attached now stay so when their streams end: nobody remembers them. */
void host_keep_attached(struct host *host);

/* Connections are refused (or again not); host_metrics.live follows. The caller cuts those that
 * are open with server_cut_host, without the lock. */
void host_set_down(struct host *host, bool is_down);

#endif
