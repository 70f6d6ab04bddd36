/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `.onyxpool/state/verified/<folder>`: what verify jobs found of the backups in a folder, so that a
 * catalog made anew from the store knows it. A file for each folder keeps each of them small. One
 * writer: the holder of the catalog's lock.
 *
 * A line is "FILE VERDICT UTC SIZE SHA256 PROOF TEXT", parted by tabs; "-" stands for what there is
 * none of. Lines that can't be read are passed over.
 */
#ifndef ONYX_COMMON_STORE_VERDICTS_H
#define ONYX_COMMON_STORE_VERDICTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/model/job.h"

struct error;
struct store;

#define VERDICTS_FOLDER "verified" /* in the store's own "state" */

/* Texts are borrowed. */
struct verdicts_entry {
    struct job_verdict verdict;
    uint64_t size_bytes;
    int64_t at; /* wall ms UTC, whole seconds */
};

/* Called for each line of a folder's file; -1 with *err ends it. No such file: no call. */
typedef int verdicts_fn(void *context, const struct verdicts_entry *entry, struct error *err);
int verdicts_read(struct store *store, const char *folder, verdicts_fn *each, void *context,
                  struct error *err);

/* Replace the file of a folder whole, unless it says the same already; n 0 leaves an empty one. */
int verdicts_write(struct store *store, const char *folder, const struct verdicts_entry *entries,
                   size_t n, struct error *err);

#endif
