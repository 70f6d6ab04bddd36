/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A pool out of a text, in a folder of its own, for unit tests of the simulated pool.
 */
#ifndef ONYX_TESTS_UNIT_POOLSIM_SIM_POOL_H
#define ONYX_TESTS_UNIT_POOLSIM_SIM_POOL_H

#include "tests/poolsim/pool.h"

/* The lock is held; fails the test when the text is no pool file. */
struct pool *sim_pool_begin(const char *text);
void sim_pool_end(struct pool *pool);

#endif
