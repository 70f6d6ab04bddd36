/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `.onyxpool/SHA256SUMS`: the digests of all backups in the form that sha256sum -c reads from the
 * store's root.
 *
 * One writer: the coordinator that holds the lease, behind its catalog's commit; workers of several
 * hosts could only race here. The digest of each file stands in its .meta too: this file is for
 * people and can be made anew.
 */
#ifndef ONYX_COMMON_STORE_SUMS_H
#define ONYX_COMMON_STORE_SUMS_H

#include <stddef.h>

struct error;
struct store;

#define SUMS_FILE "SHA256SUMS"
#define SUMS_MAX (64u << 20)

/* Texts are borrowed. sha256 NULL: the line of this file goes. */
struct sums_entry {
    const char *folder;
    const char *file;
    const char *sha256;
};

/* Whether the file of a line that no entry names is known to be gone: 1 the line goes, 0 it stays,
 * -1 failed. path is "folder/file". */
typedef int sums_gone_fn(void *context, const char *path, struct error *err);

/* Add, replace or drop lines; lines of other files stay unless is_gone (may be NULL) knows better.
 * The file is replaced whole. */
int sums_update(struct store *store, const struct sums_entry *entries, size_t n,
                sums_gone_fn *is_gone, void *context, struct error *err);

/* The digest that the file names for one; memory does not grow with the file. 1 found (caller frees),
 * 0 not, -1 failed. */
int sums_find(struct store *store, const char *folder, const char *file, char **ret_sha256,
              struct error *err);

#endif
