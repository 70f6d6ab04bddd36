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

/* Called for each backup of ours; name is its .meta. -1 with *err ends. */
typedef int find_backup_fn(void *context, const char *name, const struct meta *meta,
                           struct error *err);

/* The newest first. A folder that is not there has none. */
int find_backups(struct store *store, const char *folder, find_backup_fn *each, void *context,
                 struct error *err);

/* Called for each folder of backups; vm_uuid is NULL where no .meta tells it. -1 with *err ends. */
typedef int find_folder_fn(void *context, const char *folder, const char *vm_uuid,
                           struct error *err);

int find_folders(struct store *store, find_folder_fn *entry, void *context, struct error *err);

#endif
