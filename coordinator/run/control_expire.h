/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When the backups of a folder have all ended and some of them well, its old ones are judged and an
 * expire job is added to the run. For control*.c; not thread-safe.
 */
#ifndef ONYX_COORDINATOR_RUN_CONTROL_EXPIRE_H
#define ONYX_COORDINATOR_RUN_CONTROL_EXPIRE_H

#include <stddef.h>

#include "common/base/text_list.h"
#include "coordinator/dispatch/dispatch.h"
#include "coordinator/expiry.h"

struct catalog;

struct control_expire {
    struct expiry_rules_list rules; /* folders without rules are left alone */
    struct text_list folders;       /* where a backup job has ended since the last step */
};

void control_expire_done(struct control_expire *expire);

/* See which folders had a backup job end; called with what was just committed. */
void control_expire_note(struct control_expire *expire, const struct dispatch *dispatch,
                         const struct dispatch_change *changes, size_t n);

/* A folder whose backup ended in a former part of the run. */
void control_expire_add(struct control_expire *expire, const char *folder);

/* Judge these folders as the catalog has them now. What can't be read is a warning of the run. */
void control_expire_step(struct control_expire *expire, struct catalog *catalog,
                         struct dispatch *dispatch, struct dispatch_now now);

#endif
