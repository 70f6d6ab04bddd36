/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file calls that the store makes, as a table, so that tests can let any of them fail.
 *
 * Each does what the system call of its name does and gives its result: -1 with errno set. All
 * take an open folder and a name without slashes; none follows a symbolic link. No locks, and hard
 * links only where store_rename_new may do without: SMB shares have none that can be relied on. A
 * hole that was sought over reads as zeros everywhere; whether it takes room is the share's affair.
 */
#ifndef ONYX_COMMON_STORE_OPS_H
#define ONYX_COMMON_STORE_OPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Called once per entry but "." and ".."; a result other than 0 ends the listing, which gives it. */
typedef int store_list_fn(void *context, const char *name);

struct store_space {
    uint64_t total_bytes;
    uint64_t free_bytes; /* for us, not for root */
};

struct store_ops {
    int (*open)(void *context, int folder, const char *name, int flags, mode_t mode);
    ssize_t (*read)(void *context, int fd, void *bytes, size_t n);
    ssize_t (*write)(void *context, int fd, const void *bytes, size_t n);
    int (*seek)(void *context, int fd, uint64_t to_bytes);
    int (*truncate)(void *context, int fd, uint64_t to_bytes);
    int (*sync)(void *context, int fd); /* a file or a folder */
    int (*rename)(void *context, int folder, const char *from, const char *to);
    int (*rename_new)(void *context, int folder, const char *from, const char *to); /* NOREPLACE */
    int (*link)(void *context, int folder, const char *from, const char *to);
    int (*unlink)(void *context, int folder, const char *name);
    int (*mkdir)(void *context, int folder, const char *name, mode_t mode);
    int (*stat)(void *context, int folder, const char *name, struct stat *ret);
    int (*space)(void *context, int folder, struct store_space *ret);
    int (*list)(void *context, int folder, store_list_fn *entry, void *entry_context);
    void *context;
};

/* The system's own calls. Borrowed. */
const struct store_ops *store_ops_system(void);

#endif
