/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two small things of pthreads that are easily got wrong by hand.
 */
#include "common/base/wait.h"

#include "common/base/poison.h"

#define SECOND_NS INT64_C(1000000000)

void wait_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct timespec wait_until(int64_t wait_ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t ns = at.tv_nsec + wait_ms % 1000 * 1000000;
    at.tv_sec += (time_t)(wait_ms / 1000 + ns / SECOND_NS);
    at.tv_nsec = (long)(ns % SECOND_NS);
    return at;
}
