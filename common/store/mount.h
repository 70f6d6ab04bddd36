/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which mounted file system an open folder is on, and whether that is the share that was meant.
 *
 * The kernel numbers its mounts; /proc/self/fdinfo tells the number of an open descriptor, and
 * /proc/self/mountinfo what is mounted under it. So the answer is about the very folder that is
 * written to, not about a path that may be mounted over a moment later. A mount point whose share
 * is not mounted is an ordinary folder of the file system of "/": that is what filled the disks of
 * those who wrote there unasked.
 * Source: proc(5), mountinfo and fdinfo (mnt_id since Linux 3.15).
 */
#ifndef ONYX_COMMON_STORE_MOUNT_H
#define ONYX_COMMON_STORE_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;

#define MOUNT_TYPE_MAX 64
#define MOUNT_TABLE_MAX (4u << 20) /* bytes of a mountinfo */

enum mount_kind { MOUNT_OTHER, MOUNT_NFS, MOUNT_SMB };

struct mount {
    int64_t id;
    char type[MOUNT_TYPE_MAX]; /* "nfs4", "cifs", "ext4" */
    char *point;               /* "/mnt/backup" */
    char *source;              /* "nas:/export"; "" none */
};

void mount_done(struct mount *mount);
#define CLEAN_MOUNT CLEANUP(mount_done)

/* "nfs", "nfs4" and "cifs", "smb3"; anything else is another kind. */
enum mount_kind mount_kind_of(const char *type);
/* Of the setting share_type: "nfs", "smb". */
enum mount_kind mount_kind_of_share(const char *share_type);
const char *mount_kind_name(enum mount_kind kind); /* "NFS", "SMB", "other" */

/* The mount of that number in the text of a mountinfo. 1 found, 0 not, -1 ERROR_BAD_INPUT: the line
 * of that number can't be read. */
int mount_find(const char *mountinfo, int64_t id, struct mount *ret_mount, struct error *err);

/* The number of the mount in the text of an fdinfo. 1 found, 0 it tells none. */
int mount_parse_fdinfo(const char *fdinfo, int64_t *ret_id);

/* The mount that an open descriptor is on. ERROR_STORE_MISSING when the kernel does not tell. */
int mount_of_fd(int fd, struct mount *ret_mount, struct error *err);

/* Whether it is a share of that kind, mounted somewhere else than on "/". */
bool mount_is_share(const struct mount *mount, enum mount_kind kind);

#endif
