/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * read(2) and write(2) may give less than asked for, or be interrupted: the loops are here and
 * nowhere else.
 */
#include "common/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define READ_STEP 65536

void fd_close(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd); /* never again after EINTR: on Linux it is closed then */
    *fd = -1;
    errno = saved;
}

int fd_write_all(int fd, const void *bytes, size_t n, struct error *err)
{
    const char *at = bytes;

    while (n) {
        ssize_t put = write(fd, at, n < SSIZE_MAX ? n : SSIZE_MAX);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return error_set_sys(err, ERROR_IO, errno, "write");
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

/* Asked of the open file: what stands at the path may change. */
static int check_secret(int fd, const char *path, const char *kind, struct error *err)
{
    struct stat facts;

    if (fstat(fd, &facts) != 0)
        return error_set_sys(err, ERROR_SETTINGS, errno, "%s %s", kind, path);
    if (!S_ISREG(facts.st_mode))
        return error_set(err, ERROR_SETTINGS, "%s %s is not a regular file", kind, path);
    if (facts.st_uid != geteuid() && facts.st_uid != 0)
        return error_set(err, ERROR_SETTINGS,
                         "%s %s belongs to user %u, who could replace it: chown it to the user "
                         "that runs this program (%u)",
                         kind, path, (unsigned)facts.st_uid, (unsigned)geteuid());
    if ((facts.st_mode & 077) != 0)
        return error_set(err, ERROR_SETTINGS,
                         "%s %s has mode %04o, so others may read it: chmod 600 it; if they may "
                         "have read it, make a new one",
                         kind, path, (unsigned)(facts.st_mode & 07777));
    return 0;
}

int fd_open_secret(const char *path, const char *kind, int *ret_fd, struct error *err)
{
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return error_set_sys(err, ERROR_SETTINGS, errno, "%s %s", kind, path);
    if (check_secret(fd, path, kind, err) < 0)
        return -1;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int fd_read_upto(int fd, void *bytes, size_t n, size_t *ret_n, struct error *err)
{
    char *at = bytes;
    size_t have = 0;

    while (have < n) {
        ssize_t got = read(fd, at + have, n - have < SSIZE_MAX ? n - have : SSIZE_MAX);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_sys(err, ERROR_IO, errno, "read");
        if (got == 0)
            break;
        have += (size_t)got;
    }
    *ret_n = have;
    return 0;
}

/* Everything up to one byte more than max, so that "too large" shows. */
static int read_rest(int fd, size_t max, struct str *out, struct error *err)
{
    size_t have = 0;
    size_t got = 0;

    do {
        size_t left = max - have;
        size_t want = left < READ_STEP ? left + 1 : READ_STEP;
        if (fd_read_upto(fd, str_reserve(out, want), want, &got, err))
            return -1;
        if (got > left)
            return error_set(err, ERROR_LIMIT, "larger than %zu bytes", max);
        str_set_len(out, out->len + got);
        have += got;
    } while (got);
    return 0;
}

int fd_read_file(const char *path, size_t max, struct str *out, struct error *err)
{
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t before = out->len;

    if (fd < 0)
        return error_set_sys(err, ERROR_IO, errno, "open %s", path);
    if (read_rest(fd, max, out, err)) {
        str_set_len(out, before);
        return error_add(err, "%s", path);
    }
    return 0;
}

/* The rename is durable only once the folder is. Some shares can't sync a folder (EINVAL). */
static int sync_folder_of(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    CLEAN_CHAR char *folder =
        slash ? mem_dup_n(path, slash == path ? 1 : (size_t)(slash - path)) : mem_dup(".");
    CLEAN_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return error_set_sys(err, ERROR_IO, errno, "open the folder %s", folder);
    if (fsync(fd) && errno != EINVAL && errno != ENOTSUP && errno != EROFS)
        return error_set_sys(err, ERROR_IO, errno, "fsync the folder %s", folder);
    return 0;
}

static int write_synced(int *fd, mode_t mode, const void *bytes, size_t n, struct error *err)
{
    if (fchmod(*fd, mode))
        return error_set_sys(err, ERROR_IO, errno, "set the mode");
    if (fd_write_all(*fd, bytes, n, err))
        return -1;
    if (fsync(*fd))
        return error_set_sys(err, ERROR_IO, errno, "fsync");
    /* NFS reports a full disk or quota as late as here. */
    int rc = close(*fd);
    *fd = -1;
    if (rc && errno != EINTR)
        return error_set_sys(err, ERROR_IO, errno, "close");
    return 0;
}

int fd_replace_file(const char *path, mode_t mode, const void *bytes, size_t n, struct error *err)
{
    CLEAN_CHAR char *beside = str_format("%s.XXXXXX", path);
    CLEAN_FD int fd = mkostemp(beside, O_CLOEXEC);

    if (fd < 0)
        return error_set_sys(err, ERROR_IO, errno, "create a file beside %s", path);
    int rc = write_synced(&fd, mode, bytes, n, err);
    if (!rc && rename(beside, path))
        rc = error_set_sys(err, ERROR_IO, errno, "rename");
    if (rc) {
        unlink(beside);
        return error_add(err, "write %s", path);
    }
    return sync_folder_of(path, err);
}

int fd_pipe(int *ret_read, int *ret_write, struct error *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return error_set_sys(err, ERROR_IO, errno, "make a pipe");
    *ret_read = ends[0];
    *ret_write = ends[1];
    return 0;
}

int fd_set_nonblocking(int fd, struct error *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return error_set_sys(err, ERROR_IO, errno, "make a descriptor non-blocking");
    return 0;
}
