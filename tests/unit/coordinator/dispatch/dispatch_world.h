/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A dispatch for tests: jobs, the Syncs of its agents, and what was ordered and recorded of it.
 *
 * A Sync plays the whole round of the coordinator: hear, place, record, orders. Each one comes 100 ms
 * behind the one before, from a host with four slots and room in its store.
 */
#ifndef ONYX_TESTS_DISPATCH_WORLD_H
#define ONYX_TESTS_DISPATCH_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "coordinator/dispatch/dispatch.h"

struct world {
    struct dispatch *dispatch;
    struct dispatch_now now;
    uint64_t seq;
    char expire[JOB_ID_MAX]; /* id of the newest expire job */
    struct str warnings;     /* each with "; " behind it */
    size_t cleanups_n;       /* that were added */
    struct wire_orders orders; /* the last ones */
};

/* Three attempts, one job a host, no other limit. To be changed and given to world_new. */
struct dispatch_settings world_settings(void);
struct world *world_new(const struct dispatch_settings *settings);
void world_free(struct world *world);

/* A job of that kind: its folder is called as its VM, and that host alone sees its disks. */
void world_add_job(struct world *world, const char *id, enum job_kind kind, const char *folder,
                   const char *host);
/* Removes backup_1.xva, as backup_2.xva is there. */
void world_add_expire(struct world *world, const char *folder);

/* report: of the one job that the host lists; NULL: none. */
void world_sync(struct world *world, const char *host, const struct job_report *report);
void world_tell(struct world *world, const char *host, const char *id, uint32_t attempt,
                enum job_state state, enum error_code code);

/* What the last orders gave out. */
bool world_is_given(const struct world *world, const char *id);
struct run_job world_view(const struct world *world, const char *id);

#endif
