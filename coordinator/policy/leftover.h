/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Leftovers: which objects in the pool a dead job of ours left behind.
 *
 * An object is ours only if it is a snapshot and its mark names its own uuid, or it still bears
 * the name a snapshot of ours is born with; it is dead when its job is in nobody's list and its
 * lease lower than ours. A marked disk that a VM uses that is no snapshot of ours stays. What looks
 * like ours and is not proven is reported and left alone. Snapshots called exactly ONYXBACKUP are
 * OnyxBackupVM's: they are listed by themselves, and whether they are young enough for it to be at work.
 */
#ifndef ONYX_COORDINATOR_POLICY_LEFTOVER_H
#define ONYX_COORDINATOR_POLICY_LEFTOVER_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"
#include "common/model/job.h"

struct pool;

struct leftover_request {
    uint64_t lease;                     /* n of our own lease */
    const struct text_list *alive_jobs; /* ids that some agent lists; borrowed */
    int64_t now_at; /* wall ms */
};

/* What one dead job left in the pool. */
struct leftover {
    char job[JOB_ID_MAX];
    char *vm_uuid;       /* the VM it is a snapshot of; the snapshot's own uuid if that is gone */
    char *vm_name;       /* for people; "" unknown */
    size_t objects_n;    /* VM snapshots and lone disk snapshots found */
    struct text_list hosts; /* uuids of enabled hosts that see every SR involved */
    struct text_list srs;
};

#define LEFTOVER_FRESH_MS (INT64_C(24) * 3600000) /* an OnyxBackupVM run may last so long */

/* An OnyxBackupVM's snapshot of a VM, or of a disk that no VM has. */
struct leftover_old {
    char *uuid;
    char *of_name; /* of the VM or disk it was taken of; its own if that is gone */
    bool is_disk;
    bool is_fresh;
};

struct leftover_list {
    struct leftover *items;
    size_t n, cap;
    struct leftover_old *olds;
    size_t olds_n, olds_cap;
    struct text_list notices; /* reported and left: foreign marks */
};

void leftover_list_done(struct leftover_list *list);
#define CLEAN_LEFTOVER_LIST CLEANUP(leftover_list_done)

/* In order of job id. Folder and stem of the attempts are the catalog's knowledge, not ours. */
void leftover_find(const struct pool *pool, const struct leftover_request *request,
                   struct leftover_list *ret_list);

#endif
