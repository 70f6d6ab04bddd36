/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of agent/snapshot share.
 */
#ifndef ONYX_AGENT_SNAPSHOT_INSIDE_H
#define ONYX_AGENT_SNAPSHOT_INSIDE_H

#include "agent/snapshot.h"

struct text_list;
struct vm;

#define SNAPSHOT_TIMEOUT_MS (2 * 3600 * 1000)

/* A zeroed disk at the end, borrowed until the next add. */
struct snapshot_disk *snapshot_add_disk(struct snapshot *snapshot);

/* One snapshot of the VM without the disks in ignored (refs; NULL: with all), prepared. */
int snapshot_take_vm(struct xapi *xapi, const struct job *job, const struct vm *vm,
                     const struct text_list *ignored, struct snapshot *ret_snapshot,
                     struct text_list *warnings, struct error *err);

/* Wait for the marked tasks of a dead job and mark the disk snapshots that they made, so that they
 * are found by their mark; the tasks go. */
int snapshot_adopt_tasks(struct xapi *xapi, const char *job, uint64_t lease, struct error *err);

/* snapshot_clean.c: one VM snapshot with its disks, which are marked as the job's first; one disk that
 * no VM has. What is gone already is fine. */
int snapshot_destroy(struct xapi *xapi, const char *ref, const char *job, uint64_t lease,
                     struct error *err);
int snapshot_destroy_disk(struct xapi *xapi, const char *ref, struct error *err);

#endif
