/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a backup goes: in steps that leave no doubt after any crash, and never without two witnesses.
 *
 *     rename .meta to .meta.expired    from here on it is no backup any more, and known to be ours
 *     unlink the data
 *     unlink .meta.expired             (the folder is fsynced behind each step)
 *
 * The first witness is the job, which names file, size and writer; the second stands in the folder:
 * the .meta (or tombstone) that says the same, and the newer copies that justify it. What began and
 * was cut off is continued by the next expire that names the file; what is gone already is fine.
 */
#ifndef ONYX_COMMON_STORE_EXPIRE_H
#define ONYX_COMMON_STORE_EXPIRE_H

#include <stdbool.h>

#include "common/model/job.h"

struct error;
struct store;
struct text_list;

#define EXPIRE_TOMBSTONE ".expired" /* behind the name of a .meta */

/* Called before each victim; true ends the work with ERROR_CANCELLED. */
typedef bool expire_cancel_fn(void *context);

/*
 * Remove the job's victims from its folder, in their order. Whatever the result, *gone gets the
 * names of those that are there no more.
 *
 * Fails:  ERROR_NOT_FOUND (a keeper or its .meta is not there), ERROR_CORRUPT (a keeper is not as it
 *         was named): nothing was removed then. ERROR_STORE_FOREIGN: a victim is not as it was
 *         named, or has neither .meta nor tombstone; it was left, the others went. ERROR_IO,
 *         ERROR_CANCELLED.
 */
int expire_files(struct store *store, const struct job *job, expire_cancel_fn *is_cancelled,
                 void *context, struct text_list *gone, struct error *err);

#endif
