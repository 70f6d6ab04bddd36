/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The snapshot that a backup is read from: made, marked, given up; and what dead ones left behind.
 *
 * Birth: VM.snapshot under the name ONYXBACKUP-<job>; the mark on the VM snapshot and on its disks;
 * CDs out of the snapshot's drives (never the VM's); no template any more; the VM's own name. End:
 * VM.destroy leaves disks behind, so the snapshot's disks are destroyed one by one: VBDs of type
 * Disk whose VDI is a snapshot. We touch nothing that does not prove to be ours.
 *
 * A VDI snapshot has no name of ours at birth, but the task that makes it bears the job's id from
 * its own (session.h, xapi_set_tag): whoever is killed on the way leaves a task whose result is the
 * snapshot. The snapshot is marked, then the task goes.
 */
#ifndef ONYX_AGENT_SNAPSHOT_H
#define ONYX_AGENT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"
#include "common/model/job.h"

struct error;
struct pool;
struct xapi;

/* A disk that its export will hold. */
struct snapshot_disk {
    char *ref;
    char *uuid;
    char *origin_ref; /* the VM's disk that it is a snapshot of; NULL unknown */
    uint64_t virtual_size_bytes;
};

struct snapshot {
    char *ref; /* of the VM snapshot; NULL: there is none */
    char *uuid;
    bool is_whole;    /* all that was asked for is known here: nothing must be searched for */
    bool is_quiesced; /* the guest's VSS had its part in it */
    int64_t at; /* wall ms, our clock when XAPI said that it is made */
    struct snapshot_disk *disks;
    size_t disks_n, disks_cap;
};

void snapshot_done(struct snapshot *snapshot);
#define CLEAN_SNAPSHOT CLEANUP(snapshot_done)

/*
 * Take and prepare the snapshot of the job's VM, pool->vms[0]: a quiesced one where the pool offers
 * it, else, or if that fails (a warning), a plain one.
 *
 * On failure nothing is left, or *ret_snapshot has what must be given to snapshot_end; while it is
 * not is_whole there may be more, which snapshot_clean finds. warnings gets what did not go well
 * but does not harm the backup.
 */
int snapshot_begin(struct xapi *xapi, const struct job *job, const struct pool *pool,
                   struct snapshot *ret_snapshot, struct text_list *warnings, struct error *err);

/*
 * Take a snapshot of the job's disks and of no other: one of the VM where they are all it has, or
 * where the pool lets disks be left out of it; else one of each disk, and a warning if they are
 * several. *ret_snapshot.disks stand in the order of the job's.
 *
 * Fails:  as snapshot_begin; ERROR_NOT_FOUND for a disk that the VM does not have any more.
 */
int snapshot_begin_disks(struct xapi *xapi, const struct job *job, const struct pool *pool,
                         struct snapshot *ret_snapshot, struct text_list *warnings,
                         struct error *err);

/* Destroy the snapshot and its disks. May be repeated; what is gone already is fine. ERROR_BUSY and
 * XAPI's errors mean that something is left. */
int snapshot_end(struct xapi *xapi, const struct job *job, const struct snapshot *snapshot,
                 struct error *err);

/*
 * Remove what dead attempts left in the pool: VM snapshots with the proven mark of one of these
 * jobs or, unmarked, its birth name; disk snapshots with its proven mark, or made by a task of its,
 * that no VM has; the tasks that made them.
 *
 * Waits first until no snapshot operation runs on the VMs (ERROR_BUSY when that takes too long).
 * Marks of a lease above lease_max are left alone. *ret_n counts removed objects, on failure too: one
 * that can't be removed does not keep the others. FAULT_DISK_KEPT: all that is left is a disk that
 * some VM has.
 */
int snapshot_clean(struct xapi *xapi, const struct job_remains *remains, size_t n,
                   uint64_t lease_max, size_t *ret_n, struct error *err);

/*
 * Remove snapshots that OnyxBackupVM left, as the remains with is_old_tool name them: each only if it
 * is a snapshot, still bears that name, is a day old by the pool's word, and nothing works on it. One
 * that is not so is left, with a warning. Its disks go as those of a snapshot of ours.
 */
int snapshot_clean_old(struct xapi *xapi, const struct job *job, int64_t now_at, size_t *ret_n,
                       struct text_list *warnings, struct error *err);

#endif
