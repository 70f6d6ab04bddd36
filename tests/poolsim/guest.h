/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the tools inside a guest tell XAPI: system, drivers, address.
 *
 * Lock: held.
 */
#ifndef ONYX_TESTS_POOLSIM_GUEST_H
#define ONYX_TESTS_POOLSIM_GUEST_H

#include "tests/poolsim/store.h"

/* The VM has metrics that say so; what earlier ones said is replaced. */
void guest_report_tools(struct pool *pool, struct object *vm, const char *os);

/* A boot: new metrics, since XAPI trusts none that are older, empty as recorded (285) unless the
 * guest has tools that speak up again: it had them before, or the pool file has guests_report and
 * there is a disk to boot from. Source: xapi_xenops.ml, last_start_time. */
void guest_boot(struct pool *pool, struct object *vm);

#endif
