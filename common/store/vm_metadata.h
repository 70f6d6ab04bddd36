/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What XAPI knows of a VM, kept beside the backups of its disks:
 * `.onyxpool/metadata/<folder>/<stem>.xva`, a tar that `xe vm-import metadata=true` reads.
 *
 * Not in the VM's own folder: OnyxBackupVM's rotation and people count the files there. stem is the
 * job's, so all disks of one snapshot share one file; it goes when none of them is left.
 */
#ifndef ONYX_COMMON_STORE_VM_METADATA_H
#define ONYX_COMMON_STORE_VM_METADATA_H

#include <stddef.h>

struct error;
struct store;

#define VM_METADATA_FOLDER "metadata"
#define VM_METADATA_SUFFIX ".xva"

int vm_metadata_write(struct store *store, const char *folder, const char *stem, const char *bytes,
                      size_t n, struct error *err);

/* Remove those of the folder, half written ones too, that no file of a backup, whole or partial,
 * belongs to. */
int vm_metadata_prune(struct store *store, const char *folder, struct error *err);

#endif
