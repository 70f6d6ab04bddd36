/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Waits between threads that go by the monotonic clock, so that setting the machine's clock neither
 * ends nor prolongs them.
 *
 * Source: pthread_condattr_setclock(3), pthread_cond_timedwait(3).
 */
#ifndef ONYX_COMMON_BASE_WAIT_H
#define ONYX_COMMON_BASE_WAIT_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* A condition whose timed waits take wait_until. pthread_cond_destroy ends it. */
void wait_init(pthread_cond_t *condition);

/* The moment in wait_ms (>= 0) from now, for pthread_cond_timedwait. */
struct timespec wait_until(int64_t wait_ms);

#endif
