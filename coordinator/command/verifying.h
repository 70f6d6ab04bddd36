/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which backups are to be read back, and the verify jobs that do it: those that a run takes along, and
 * those that onyxpool verify asks for.
 */
#ifndef ONYX_COORDINATOR_COMMAND_VERIFYING_H
#define ONYX_COORDINATOR_COMMAND_VERIFYING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalog;
struct error;
struct plan;
struct pool;

struct verifying {
    const char *vm;   /* name, uuid or folder of a VM, or a backup; NULL: not by that */
    bool all;         /* every backup that stands; else, without vm, those in the queue */
    int64_t since_at; /* not 0: only those neither written nor verified since then */
    size_t max;       /* 0: no limit */
    const char *chosen_by;
};

/*
 * Add a job for each chosen backup, newest first, for any enabled host. *ret_n: how many.
 *
 * Fails:  ERROR_NOT_FOUND (vm given, and the catalog has nothing of it), what the catalog gives.
 */
int verifying_plan(const struct verifying *verifying, struct catalog *catalog,
                   const struct pool *pool, struct plan *ret_plan, size_t *ret_n,
                   struct error *err);

#endif
