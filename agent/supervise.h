/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The agent: tells the coordinator its state, does what the Orders say, until it is asked to end.
 *
 * SIGTERM, SIGINT: no new jobs, workers are cancelled and waited for, logout. A second one: at
 * once. SIGHUP: drain, that is no new jobs, running ones end by themselves.
 */
#ifndef ONYX_AGENT_SUPERVISE_H
#define ONYX_AGENT_SUPERVISE_H

#include <stddef.h>
#include <stdint.h>

#include "agent/gentle.h"
#include "common/base/log.h"

struct error;
struct text_map;
struct wire_agent_key;
struct xapi_target;

#define SUPERVISE_SLOTS 2

/* Texts are borrowed. */
struct supervise_settings {
    const char *program; /* to start workers with */
    const struct xapi_target *target;
    const char *host_uuid;
    const char *coordinator; /* NULL: where the lease says */
    const struct wire_agent_key *key;
    const char *key_path; /* read again when it changes */
    const char *root; /* the store's; NULL: as the Orders say */
    const struct text_map *hooks; /* hook.h */
    size_t slots;
    struct gentle_rule gentle;
    const char *nice;   /* of the workers: "0" to "19" */
    const char *ionice; /* "none", "best-effort", "idle" */
    int64_t clean_ms; /* so long a cancelled worker may clean up */
    int64_t spare_ms; /* spare.h */
    enum log_level log_level;
    const char *scope;      /* of process locks */
    const char *state_file; /* keeps the session's reference */
};

/* 0 after an orderly end. */
int supervise_run(const struct supervise_settings *settings, struct error *err);

#endif
