/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog brought in line with what stands in the store: files that OnyxBackupVM wrote become
 * backups (found), ours that the catalog lost come back (proven), those that are no longer there
 * stop protecting anything (damaged). Nothing on the share is changed.
 */
#ifndef ONYX_COORDINATOR_ADOPT_H
#define ONYX_COORDINATOR_ADOPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"

struct catalog;
struct error;
struct store;

/* All lists are of "folder/file". */
struct adopt_result {
    struct text_list found;   /* OnyxBackupVM's, new in the catalog: queued for verify */
    struct text_list regained; /* ours, new in the catalog */
    size_t known_n;           /* stood there already */
    struct text_list missing; /* in the catalog, not in the store */
    struct text_list strays;  /* neither, or no UTF-8: left as they are */
    uint64_t found_bytes, regained_bytes;
};

void adopt_result_done(struct adopt_result *result);
#define CLEAN_ADOPT_RESULT CLEANUP(adopt_result_done)

/*
 * Look at the whole store, then change the catalog in one transaction.
 *
 * Fails:  ERROR_STORE_FOREIGN: OnyxBackupVM has written since our last run, so that its rotation and
 *         ours would take each other's files (is_forced: not asked). Nothing is changed then.
 * Owns:   *ret_result is zero before and the caller's in every case.
 */
int adopt_store(struct catalog *catalog, struct store *store, bool is_forced,
                struct adopt_result *ret_result, struct error *err);

/*
 * Lines of crontabs that start OnyxBackupVM, as "file: line": below etc (crontab, cron.d, cron.daily
 * ...) and in the spool's folders. Lines that start us by one of its names are left out; what can't
 * be read is passed over.
 */
void adopt_find_cron(const char *etc, const char *spool, struct text_list *ret_lines);

#endif
