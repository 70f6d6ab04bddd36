/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A library that tests load in front of a program (LD_PRELOAD) to make a local folder behave as a
 * share does on a bad day. The programs know nothing of it.
 *
 * ONYX_SHARE="<folder of the share> <folder of wishes>". Wishes are files that are read anew at
 * each call, so that a test can change its mind:
 *
 *     statvfs        "<total> <free>" in bytes, or "error <errno>": what fstatvfs says
 *     statvfs-worker the same, for workers alone
 *     full           "<bytes> <errno>": a write that ends behind so many bytes of a file fails
 *     writeback      "<errno>": what sync_file_range fails with
 *     mountinfo      what /proc/self/mountinfo says
 *     smb            the share refuses what SMB servers refuse; what was tried goes to "refused"
 *     renameat2      "<errno>": every one that must not replace fails
 *     linkat         "<errno>": every one fails
 */
#define _GNU_SOURCE
#include "tests/preload/preload.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static int split(char share[PATH_MAX], char wishes[PATH_MAX])
{
    return preload_split("ONYX_SHARE", share, wishes);
}

/* The text of a wish; 0 when there is none. */
static int wish(const char *name, char text[256])
{
    char share[PATH_MAX], wishes[PATH_MAX], path[2 * PATH_MAX];
    if (!split(share, wishes))
        return 0;
    snprintf(path, sizeof path, "%s/%s", wishes, name);
    return preload_read(path, text, 256) >= 0;
}

static int is_below(int fd)
{
    char share[PATH_MAX], wishes[PATH_MAX], path[PATH_MAX];
    return preload_path(fd, path) && split(share, wishes) && preload_below(share, path) != NULL;
}

static int fill(struct statvfs *vfs, const char *text)
{
    unsigned long long total, is_free;
    int why;
    if (sscanf(text, "error %d", &why) == 1) {
        errno = why;
        return -1;
    }
    if (sscanf(text, "%llu %llu", &total, &is_free) != 2)
        abort();
    memset(vfs, 0, sizeof *vfs);
    vfs->f_bsize = vfs->f_frsize = 4096;
    vfs->f_blocks = total / 4096;
    vfs->f_bfree = vfs->f_bavail = is_free / 4096;
    return 0;
}

int fstatvfs(int fd, struct statvfs *vfs)
{
    NEXT(fstatvfs, "fstatvfs");
    char text[256];
    if (is_below(fd) &&
        (wish("statvfs", text) || (wish("statvfs-worker", text) && preload_is_worker())))
        return fill(vfs, text);
    return next(fd, vfs);
}

int fstatvfs64(int fd, struct statvfs64 *vfs)
{
    return fstatvfs(fd, (struct statvfs *)vfs);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    NEXT(write, "write");
    char text[256];
    unsigned long long limit;
    int why;
    if (is_below(fd) && wish("full", text) && sscanf(text, "%llu %d", &limit, &why) == 2 &&
        (unsigned long long)lseek(fd, 0, SEEK_CUR) + n > limit) {
        errno = why;
        return -1;
    }
    return next(fd, bytes, n);
}

int sync_file_range(int fd, off_t from, off_t n, unsigned flags)
{
    NEXT(sync_file_range, "sync_file_range");
    char text[256];
    if (!is_below(fd) || !wish("writeback", text))
        return next(fd, from, n, flags);
    errno = atoi(text);
    return -1;
}

/* ---- what SMB servers refuse ---- */

static int refuse(const char *what, int why)
{
    char share[PATH_MAX], wishes[PATH_MAX], path[2 * PATH_MAX];
    if (split(share, wishes)) {
        snprintf(path, sizeof path, "%s/refused", wishes);
        int fd = preload_open(path, O_WRONLY | O_CREAT | O_APPEND);
        if (fd >= 0) {
            dprintf(fd, "%s\n", what);
            close(fd);
        }
    }
    errno = why;
    return -1;
}

static int is_smb(int fd)
{
    char text[256];
    return fd >= 0 && is_below(fd) && wish("smb", text);
}

static int is_bad_name(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || strchr("\\:*?\"<>|", name[i]) != NULL)
            return 1;
    return n > 1 && strcmp(name, "..") != 0 && (name[n - 1] == '.' || name[n - 1] == ' ');
}

static int open_at(int folder, const char *name, int flags, mode_t mode, const char *which)
{
    NEXT(openat, which);
    if (is_smb(folder) && is_bad_name(name))
        return refuse(name, EINVAL);
    return next(folder, name, flags, mode);
}

OPENAT_BY(openat, open_at)
OPENAT_BY(openat64, open_at)

int mkdirat(int folder, const char *name, mode_t mode)
{
    NEXT(mkdirat, "mkdirat");
    return is_smb(folder) && is_bad_name(name) ? refuse(name, EINVAL) : next(folder, name, mode);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    NEXT(renameat, "renameat");
    return is_smb(to_fd) && is_bad_name(to) ? refuse(to, EINVAL) : next(from_fd, from, to_fd, to);
}

/* -1 with errno where a wish of that name wants it. */
static int wished_error(int fd, const char *name)
{
    char text[256];
    int why;
    if (!is_below(fd) || !wish(name, text) || sscanf(text, "%d", &why) != 1)
        return 0;
    errno = why;
    return -1;
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    NEXT(renameat2, "renameat2");
    if (is_smb(to_fd) && is_bad_name(to))
        return refuse(to, EINVAL);
    return wished_error(to_fd, "renameat2") != 0 ? -1 : next(from_fd, from, to_fd, to, flags);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    NEXT(linkat, "linkat");
    if (wished_error(to_fd, "linkat") != 0)
        return -1;
    return is_smb(to_fd) ? refuse("linkat", EOPNOTSUPP) : next(from_fd, from, to_fd, to, flags);
}

int symlinkat(const char *target, int folder, const char *name)
{
    NEXT(symlinkat, "symlinkat");
    return is_smb(folder) ? refuse("symlinkat", EOPNOTSUPP) : next(target, folder, name);
}

int flock(int fd, int operation)
{
    NEXT(flock, "flock");
    return is_smb(fd) ? refuse("flock", EOPNOTSUPP) : next(fd, operation);
}

static int control(int fd, int command, void *argument, const char *which)
{
    NEXT(fcntl, which);
    if ((command == F_SETLK || command == F_SETLKW) && is_smb(fd))
        return refuse("a lock", EOPNOTSUPP);
    return next(fd, command, argument);
}

int fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    return control(fd, command, argument, "fcntl");
}

int fcntl64(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    return control(fd, command, argument, "fcntl64");
}

int fallocate(int fd, int mode, off_t from, off_t n)
{
    NEXT(fallocate, "fallocate");
    return is_smb(fd) ? refuse("fallocate", EOPNOTSUPP) : next(fd, mode, from, n);
}

int ftruncate(int fd, off_t n)
{
    NEXT(ftruncate, "ftruncate");
    return is_smb(fd) ? refuse("ftruncate", EOPNOTSUPP) : next(fd, n);
}

/* Beyond the end: a hole. */
off_t lseek(int fd, off_t at, int whence)
{
    NEXT(lseek, "lseek");
    struct stat st;
    if (whence == SEEK_SET && is_smb(fd) && fstat(fd, &st) == 0 && at > st.st_size)
        return refuse("lseek behind the end", EOPNOTSUPP);
    return next(fd, at, whence);
}

int fsync(int fd)
{
    NEXT(fsync, "fsync");
    struct stat st;
    if (is_smb(fd) && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EINVAL; /* as the cifs client answers; no offence */
        return -1;
    }
    return next(fd);
}

/* ---- what is mounted ---- */

static int open_plain(const char *path, int flags, mode_t mode, const char *which)
{
    NEXT(open, which);
    char share[PATH_MAX], wishes[PATH_MAX], other[2 * PATH_MAX], text[256];
    if (strcmp(path, "/proc/self/mountinfo") == 0 && wish("mountinfo", text) &&
        split(share, wishes)) {
        snprintf(other, sizeof other, "%s/mountinfo", wishes);
        return next(other, flags, mode);
    }
    return next(path, flags, mode);
}

OPEN_BY(open, open_plain)
OPEN_BY(open64, open_plain)
