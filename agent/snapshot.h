/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The snapshot that a backup is read from: made, marked, given up; and what dead ones left behind.
 *
 * Birth: VM.snapshot under the name ONYXBACKUP-<job>; the mark on the VM snapshot and on its disks;
 * CDs out of the snapshot's drives (never the VM's); no template any more; the VM's own name. End:
 * VM.destroy leaves disks behind, so the snapshot's disks are destroyed one by one: VBDs of type
 * Disk whose VDI is a snapshot. We touch nothing that does not prove to be ours.
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
struct vm;
struct xapi;

/* A disk that its export will hold. */
struct snapshot_disk {
    char *ref;
    char *uuid;
    uint64_t virtual_size_bytes;
};

struct snapshot {
    char *ref; /* NULL: there is none */
    char *uuid;
    int64_t at; /* wall ms, our clock when XAPI said that it is made */
    struct snapshot_disk *disks;
    size_t disks_n, disks_cap;
};

void snapshot_done(struct snapshot *snapshot);
#define CLEAN_SNAPSHOT CLEANUP(snapshot_done)

/*
 * Take and prepare the snapshot of the job's VM.
 *
 * On failure nothing is left, or *ret_snapshot.ref is set and snapshot_end must be called; if
 * neither can be said (the call's answer was lost) snapshot_clean finds it by its birth name.
 * warnings gets what did not go well but does not harm the backup.
 */
int snapshot_begin(struct xapi *xapi, const struct job *job, const struct vm *vm,
                   struct snapshot *ret_snapshot, struct text_list *warnings, struct error *err);

/* Destroy the snapshot and its disks. May be repeated; what is gone already is fine. ERROR_BUSY and
 * XAPI's errors mean that something is left. */
int snapshot_end(struct xapi *xapi, const struct job *job, const struct snapshot *snapshot,
                 struct error *err);

/*
 * Remove what dead attempts left in the pool: VM snapshots with the proven mark of one of these
 * jobs or, unmarked, its birth name; disk snapshots with its proven mark that no VM has; the tasks
 * that made them.
 *
 * Waits first until no snapshot operation runs on the VMs (ERROR_BUSY when that takes too long).
 * Marks of a lease above lease_max are left alone. *ret_n counts removed objects.
 */
int snapshot_clean(struct xapi *xapi, const struct job_remains *remains, size_t n,
                   uint64_t lease_max, size_t *ret_n, struct error *err);

#endif
