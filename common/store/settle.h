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

/*
 * End what an attempt began that is taken for dead, all of its files alike: the stem's own and
 * those of its disks (backup_disk_stem). May be repeated, and done by several at a time. Should the
 * publisher live after all, it finds its file published, or taken away (ERROR_LOST of
 * publish_commit). folder may be absent. *ret_outcome is the most telling one of the files'.
 *
 * Fails:  ERROR_EXISTS (a .meta that is none stands where ours should), ERROR_BUSY (files changed
 * all the time), what the share fails with.
 */
int settle_files(struct store *store, const char *folder, const char *stem, const char *job,
                 uint32_t attempt, enum settle_outcome *ret_outcome, struct error *err);

/* The same for one file alone. Of several files only behind settle_files, which has decided. */
int settle_attempt(struct store *store, const char *folder, const char *stem, const char *job,
                   uint32_t attempt, enum settle_outcome *ret_outcome, struct error *err);

const char *settle_outcome_name(enum settle_outcome outcome);

#endif
