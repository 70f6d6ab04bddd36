/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a dead attempt began to publish is ended: forward if its .meta.partial is whole and the data
 * is there, back otherwise.
 */
#ifndef ONYX_COMMON_STORE_SETTLE_H
#define ONYX_COMMON_STORE_SETTLE_H

#include <stdint.h>

struct error;
struct store;

enum settle_outcome {
    SETTLE_NOTHING,     /* nothing of the attempt was there */
    SETTLE_WAS_DONE,    /* its .meta is there */
    SETTLE_ROLLED_FORWARD,
    SETTLE_ROLLED_BACK,
    SETTLE_FOREIGN_DATA /* a data file without .meta: not touched, a person must look */
};

/* End what an attempt began that is known to be dead. May be repeated. folder may be absent. */
int settle_attempt(struct store *store, const char *folder, const char *stem, const char *job,
                   uint32_t attempt, enum settle_outcome *ret_outcome, struct error *err);

/* The same for all files of the attempt: the stem's own and those of its disks (backup_disk_stem).
 * *ret_outcome is the most telling one. */
int settle_files(struct store *store, const char *folder, const char *stem, const char *job,
                 uint32_t attempt, enum settle_outcome *ret_outcome, struct error *err);

/*
 * Name each attempt that stands half done in a folder, by what its files say: its stem without the
 * disks' devices (for settle_files), its job and its number. An attempt may be named several times.
 * folder may be absent. Reads only.
 */
typedef void settle_attempt_fn(void *context, const char *stem, const char *job,
                               uint32_t attempt);
int settle_find(struct store *store, const char *folder, settle_attempt_fn *each, void *context,
                struct error *err);

const char *settle_outcome_name(enum settle_outcome outcome);

#endif
