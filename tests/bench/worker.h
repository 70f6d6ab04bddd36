/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the programs share that do a worker's part in a process of their own.
 */
#ifndef ONYX_TESTS_BENCH_WORKER_H
#define ONYX_TESTS_BENCH_WORKER_H

#include <stdint.h>

struct error;

/* A pipeline_source's outcome: there is no task here, so all facts but one are asked for. */
int worker_no_task(void *context, int64_t wait_ms, struct error *err);

/* Peak of this process's memory; 0: the kernel does not say. */
uint64_t worker_peak_kib(void);

#endif
