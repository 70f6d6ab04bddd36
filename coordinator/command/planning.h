/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From settings, pool and catalog to selection and plan: what preview shows is made here, and so
 * is what run carries out.
 */
#ifndef ONYX_COORDINATOR_COMMAND_PLANNING_H
#define ONYX_COORDINATOR_COMMAND_PLANNING_H

#include "coordinator/policy/plan.h"
#include "coordinator/policy/select.h"
#include "coordinator/settings.h"

struct catalog;
struct error;
struct pool;
struct str;

/* Kinds of backup that the agents of this release carry out, as plan_settings.kinds. */
#define PLANNING_KINDS                                                                             \
    (1u << JOB_BACKUP_VM | 1u << JOB_BACKUP_DISK | 1u << JOB_BACKUP_POOL | 1u << JOB_BACKUP_HOST)

/*
 * Select and plan. catalog may be NULL: then nothing is known of former backups.
 *
 * Fails:  ERROR_SETTINGS (a bad list entry, --strict), and what the catalog gives.
 * Owns:   both results are the caller's.
 */
int planning_make(const struct settings *settings, struct catalog *catalog,
                  const struct pool *pool, struct selection *ret_selection,
                  struct plan *ret_plan, struct error *err);

/* Add what waits to be verified, as much as a run takes along. catalog may be NULL. */
int planning_add_verify(const struct settings *settings, struct catalog *catalog,
                        const struct pool *pool, struct plan *plan, struct error *err);

/* Canonical text of what decides what is backed up and how: two requests with equal texts want
 * the same run. */
void planning_format_request(const struct settings *settings, struct str *out);

#endif
