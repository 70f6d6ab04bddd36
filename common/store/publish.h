/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a backup comes to be seen: data and .meta are written under partial names, made durable,
 * and renamed in an order that leaves no doubt after any crash.
 *
 *     <file>.<job>-<attempt>.partial   data, written and fsynced
 *     <stem>.meta.partial              only when all facts hold; fsynced, and the folder
 *     rename data, rename .meta, fsync the folder
 *
 * So a whole .meta.partial proves that its data is whole and durable, and .meta is the commit. A
 * stem belongs to one attempt for ever. What a dead attempt began is ended by common/store/settle;
 * should it live after all, the data's partial name decides between the two (see there). Nothing is
 * renamed over.
 */
#ifndef ONYX_COMMON_STORE_PUBLISH_H
#define ONYX_COMMON_STORE_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;
struct publish;
struct store;

#define PUBLISH_PARTIAL ".partial"
#define PUBLISH_META    ".meta"

/* Texts are borrowed. */
struct publish_place {
    const char *folder;
    const char *stem;   /* "backup_20261122-202734" */
    const char *suffix; /* ".xva" */
    const char *job;
    uint32_t attempt;
    bool is_private; /* mode 0600, not 0644: secrets of the pool are in it */
};

/*
 * Open the partial data file, making the folder if it is not there.
 *
 * Owns:   place is copied; store is borrowed until publish_free.
 * Fails:  ERROR_EXISTS (a file of that name or a partial of that attempt is there),
 *         ERROR_BAD_INPUT, ERROR_NO_SPACE (below the store's threshold, too), ERROR_IO,
 *         ERROR_STORE_FOREIGN.
 */
int publish_begin(struct store *store, const struct publish_place *place,
                  struct publish **ret_publish, struct error *err);

/* Append to the data. Pages already on their way to the share are given up, so that a backup does
 * not drive everything else out of the host's memory. May be called from another thread. */
int publish_write(struct publish *publish, const void *bytes, size_t n, struct error *err);

/* Append n zero bytes without writing them: a hole where the share has holes. */
int publish_skip(struct publish *publish, uint64_t n, struct error *err);

/* All data was written: fsync. Afterwards it is durable under its partial name. */
int publish_end_data(struct publish *publish, struct error *err);

uint64_t publish_bytes(const struct publish *publish);
const char *publish_file(const struct publish *publish); /* final name of the data file */

/* Make the names of partial data files durable. For attempts of several files, in front of the first
 * publish_prepare: else a power cut could keep one file's .meta.partial and lose another's data, and
 * a part of the files would be rolled forward. */
int publish_sync_names(struct publish *publish, struct error *err);

/* Write .meta under its partial name, durable: from here on a dead attempt is rolled forward. For
 * attempts of several files, so that all have theirs before the first is renamed; the first one
 * first. */
int publish_prepare(struct publish *publish, const char *meta, size_t n, struct error *err);

/*
 * Write .meta, unless that is done, and make both visible. After success nothing is partial. After
 * a failure in front of the first rename publish_abandon undoes everything; behind it settle_files
 * must decide, then publish_take_back.
 *
 * Of several files the first one (backup_stem_is_before) is begun, prepared and committed first.
 *
 * Fails:  ERROR_LOST (a cleanup has settled the attempt: forward or back, settle_files tells),
 *         ERROR_EXISTS (a name has appeared), what the share fails with.
 */
int publish_commit(struct publish *publish, const char *meta, size_t n, struct error *err);

/* The attempt is given up before its first commit: from here on nobody publishes it, unless a
 * settler has renamed its data. For the first of several files, before the others are abandoned. */
int publish_withdraw(struct publish *publish, struct error *err);

/* Remove what is partial, before a commit. *err is set if something may be left. */
int publish_abandon(struct publish *publish, struct error *err);

/* Behind a commit that failed and a settle that did not go forward: remove our data where it has
 * its final name and neither .meta nor .meta.partial is there. ERROR_EXISTS: one is, so it is left.
 */
int publish_take_back(struct publish *publish, struct error *err);

/* Closes; does not remove anything. */
void publish_free(struct publish *publish);
#define CLEAN_PUBLISH CLEANUP(publish_clean)
void publish_clean(struct publish **publish);

#endif
