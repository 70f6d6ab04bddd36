/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The system's own calls behind the store's table.
 *
 * fsync of a folder is refused by some network file systems with EINVAL: there the server orders
 * the names, and there is nothing that we could do, so that answer counts as done.
 */
#include "common/store/ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/poison.h"

static int system_open(void *context, int folder, const char *name, int flags, mode_t mode)
{
    (void)context;
    int fd;
    do
        fd = openat(folder, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static ssize_t system_read(void *context, int fd, void *bytes, size_t n)
{
    (void)context;
    ssize_t got;
    do
        got = read(fd, bytes, n);
    while (got < 0 && errno == EINTR);
    return got;
}

static ssize_t system_write(void *context, int fd, const void *bytes, size_t n)
{
    (void)context;
    ssize_t put;
    do
        put = write(fd, bytes, n);
    while (put < 0 && errno == EINTR);
    return put;
}

static int system_seek(void *context, int fd, uint64_t to_bytes)
{
    (void)context;
    return lseek(fd, (off_t)to_bytes, SEEK_SET) < 0 ? -1 : 0;
}

static int system_truncate(void *context, int fd, uint64_t to_bytes)
{
    (void)context;
    int result;
    do
        result = ftruncate(fd, (off_t)to_bytes);
    while (result != 0 && errno == EINTR);
    return result;
}

static int system_sync(void *context, int fd)
{
    (void)context;
    if (fsync(fd) == 0)
        return 0;
    int why = errno;
    struct stat st;
    if (why == EINVAL && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    errno = why;
    return -1;
}

static int system_rename(void *context, int folder, const char *from, const char *to)
{
    (void)context;
    return renameat(folder, from, folder, to);
}

static int system_rename_new(void *context, int folder, const char *from, const char *to)
{
    (void)context;
    return renameat2(folder, from, folder, to, RENAME_NOREPLACE);
}

static int system_link(void *context, int folder, const char *from, const char *to)
{
    (void)context;
    return linkat(folder, from, folder, to, 0);
}

static int system_unlink(void *context, int folder, const char *name)
{
    (void)context;
    return unlinkat(folder, name, 0);
}

static int system_mkdir(void *context, int folder, const char *name, mode_t mode)
{
    (void)context;
    return mkdirat(folder, name, mode);
}

static int system_stat(void *context, int folder, const char *name, struct stat *ret)
{
    (void)context;
    return fstatat(folder, name, ret, AT_SYMLINK_NOFOLLOW);
}

static int system_space(void *context, int folder, struct store_space *ret)
{
    (void)context;
    struct statvfs vfs;
    if (fstatvfs(folder, &vfs) != 0)
        return -1;
    uint64_t unit = vfs.f_frsize != 0 ? vfs.f_frsize : vfs.f_bsize;
    ret->total_bytes = (uint64_t)vfs.f_blocks * unit;
    ret->free_bytes = (uint64_t)vfs.f_bavail * unit;
    return 0;
}

static int system_list(void *context, int folder, store_list_fn *entry, void *entry_context)
{
    (void)context;
    int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (own < 0)
        return -1;
    DIR *dir = fdopendir(own);
    if (dir == NULL) {
        int why = errno;
        close(own);
        errno = why;
        return -1;
    }
    int result = 0;
    while (result == 0) {
        errno = 0;
        const struct dirent *item = readdir(dir);
        if (item == NULL) {
            result = errno != 0 ? -1 : 0;
            break;
        }
        if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
            result = entry(entry_context, item->d_name);
    }
    int why = errno;
    closedir(dir);
    errno = why;
    return result;
}

const struct store_ops *store_ops_system(void)
{
    static const struct store_ops ops = {
        .open = system_open,
        .read = system_read,
        .write = system_write,
        .seek = system_seek,
        .truncate = system_truncate,
        .sync = system_sync,
        .rename = system_rename,
        .rename_new = system_rename_new,
        .link = system_link,
        .unlink = system_unlink,
        .mkdir = system_mkdir,
        .stat = system_stat,
        .space = system_space,
        .list = system_list,
        .context = NULL,
    };
    return &ops;
}
