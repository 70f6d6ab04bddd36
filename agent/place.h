/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An agent's place on its machine: one agent per host and pool, its runtime files, its program.
 */
#ifndef ONYX_AGENT_PLACE_H
#define ONYX_AGENT_PLACE_H

#include "common/base/mem.h"

struct error;

struct place {
    char *scope;        /* of process locks: pool and host */
    char *session_file; /* see common/xapi/remains.h */
    char *pid_file;
};

void place_done(struct place *place);
#define CLEAN_PLACE CLEANUP(place_done)

/* runtime_dir NULL: /run/onyxpool for root, else below XDG_RUNTIME_DIR or /tmp; it is made (0700).
 * ERROR_SETTINGS when it belongs to somebody else. */
int place_init(struct place *place, const char *runtime_dir, const char *target,
               const char *host_uuid, struct error *err);

/* Be the agent here, as long as *ret_lock is open. ERROR_BUSY when another one runs. */
int place_claim(const struct place *place, int *ret_lock, struct error *err);
void place_leave(const struct place *place);

/* Ask the agent that runs here to drain and wait until it has ended. ERROR_NOT_FOUND when none
 * runs, ERROR_INTERRUPTED. */
int place_drain(const struct place *place, struct error *err);

/* The program's own path from argv[0] or ONYXPOOL_HOME: never /proc/self/exe, which names the
 * loader where we ship our own. Caller frees. */
int place_find_program(const char *self, char **ret_program, struct error *err);

#endif
