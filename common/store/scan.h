/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What stands in a folder of backups: ours, OnyxBackupVM's, and what is neither.
 *
 * A data file is known by its name (the manual's patterns, with or without a device); whose it is
 * says the .meta beside it. Reads only.
 */
#ifndef ONYX_COMMON_STORE_SCAN_H
#define ONYX_COMMON_STORE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/model/job.h"

struct error;
struct meta;
struct store;

#define SCAN_STAMP_MAX 16 /* "20261122-202734" */

struct scan_name {
    enum job_kind kind;
    char device[32]; /* vdi-export: "xvda"; "" when the name does not tell */
    char stamp[SCAN_STAMP_MAX];
};

/* The parts of "backup_xvda_20261122-202734.raw" and its kin; false when it is none of them. */
bool scan_parse_name(const char *file, struct scan_name *ret_name);

enum scan_kind {
    SCAN_OURS,    /* data with a .meta that has our section and names this file and size */
    SCAN_FOUND,   /* data with OnyxBackupVM's .meta */
    SCAN_STRAY,   /* data without a .meta that speaks of it, a .meta without data, other names */
    SCAN_PARTIAL, /* of an attempt that was not published */
    SCAN_EXPIRED  /* what an expire job has begun to remove */
};

/* Texts live as long as the call. */
struct scan_file {
    enum scan_kind kind;
    const char *folder;
    const char *file;
    uint64_t size_bytes;
    struct scan_name name;   /* ours, found */
    const struct meta *meta; /* ours, found */
};

typedef int scan_file_fn(void *context, const struct scan_file *file, struct error *err);

/*
 * OnyxBackupVM's backups in a folder that their names tell to be no older than since_at. Reads the
 * .meta of those files only that is_known (may be NULL) does not know; folder may be absent.
 */
typedef bool scan_known_fn(void *context, const char *folder, const char *file);
int scan_find_newer(struct store *store, const char *folder, int64_t since_at,
                    scan_known_fn *is_known, void *context, size_t *ret_n, char **ret_first,
                    struct error *err);

/* Every file of a folder but the .metas of backups, by name; -1 of the callback ends it. */
int scan_folder(struct store *store, const char *folder, scan_file_fn *each, void *context,
                struct error *err);

#endif
