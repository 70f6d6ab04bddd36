/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looking for backups in the store by what their .meta files say.
 *
 * Files that are no .meta of ours (OnyxBackupVM's lack the format line) are passed over here, but
 * for find_folders, which believes their orig_uuid: a folder goes on being its VM's.
 */
#ifndef ONYX_COMMON_STORE_FIND_H
#define ONYX_COMMON_STORE_FIND_H

#include "common/base/mem.h"

struct error;
struct meta;
struct store;

/* The backup that a job published in a folder: 1 found (*ret_meta filled, *ret_file the name of
 * its .meta, caller frees; may be NULL), 0 none, or no such folder. */
int find_by_job(struct store *store, const char *folder, const char *job, struct meta *ret_meta,
                char **ret_file, struct error *err);

/* Called for each folder of backups; vm_uuid is NULL where no .meta tells it. -1 with *err ends. */
typedef int find_folder_fn(void *context, const char *folder, const char *vm_uuid,
                           struct error *err);

int find_folders(struct store *store, find_folder_fn *entry, void *context, struct error *err);

#endif
