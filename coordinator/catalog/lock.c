/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flock on "<catalog>.lock", whose text tells people and other commands who holds it.
 *
 * The text is written after the lock is taken, so a reader may see the former holder's for a
 * moment; it is for messages alone.
 */
#include "coordinator/catalog/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define LOCK_TEXT_MAX 128

static void lock_make_folders(const char *path)
{
    CLEAN_CHAR char *copy = mem_dup(path);

    for (char *at = strchr(copy + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(copy, 0700); /* opening the file tells what is wrong */
        *at = '/';
    }
}

static void lock_read_holder(int fd, struct lock_holder *ret_holder)
{
    char text[LOCK_TEXT_MAX] = "";
    long long pid = 0;
    long long since = 0;
    struct lock_holder holder = {0};
    ssize_t n = pread(fd, text, sizeof text - 1, 0);

    if (n > 0 && sscanf(text, "%lld %lld %36s", &pid, &since, holder.owner) >= 2) {
        holder.pid = pid;
        holder.since_at = since;
        if (!uuid_is_valid(holder.owner))
            holder.owner[0] = '\0';
    }
    *ret_holder = holder;
}

static void lock_write_holder(int fd, const struct lock_holder *self)
{
    char text[LOCK_TEXT_MAX];
    int n = snprintf(text, sizeof text, "%lld %lld %s\n", (long long)self->pid,
                     (long long)self->since_at, self->owner);

    /* Only people read it: a full disk must not stop a run here. */
    if (ftruncate(fd, 0) == 0)
        (void)!pwrite(fd, text, (size_t)n, 0);
}

/* 1 got the lock on *fd, 0 somebody else has it. */
static int lock_try(const char *path, int fd, int how, struct error *err)
{
    while (flock(fd, how | LOCK_NB) < 0) {
        if (errno == EINTR)
            continue;
        if (errno == EWOULDBLOCK)
            return 0;
        return error_set_sys(err, ERROR_SETTINGS, errno,
                             "lock %s (choose a catalog on a local disk with --catalog)", path);
    }
    return 1;
}

int lock_take(const char *catalog_path, const struct lock_holder *self, int *ret_fd,
              struct lock_holder *ret_holder, struct error *err)
{
    CLEAN_CHAR char *path = str_format("%s.lock", catalog_path);

    lock_make_folders(path);
    CLEAN_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_set_sys(err, ERROR_SETTINGS, errno,
                             "open %s (choose another catalog with --catalog)", path);
    int taken = lock_try(path, fd, LOCK_EX, err);
    if (taken < 0)
        return -1;
    lock_read_holder(fd, ret_holder);
    if (taken == 0)
        return 0;
    lock_write_holder(fd, self);
    *ret_fd = fd;
    fd = -1;
    return 1;
}

int lock_look(const char *catalog_path, struct lock_holder *ret_holder, struct error *err)
{
    CLEAN_CHAR char *path = str_format("%s.lock", catalog_path);
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return error_set_sys(err, ERROR_SETTINGS, errno, "open %s", path);
    int taken = lock_try(path, fd, LOCK_SH, err);
    if (taken < 0)
        return -1;
    if (taken == 1)
        return 0;
    lock_read_holder(fd, ret_holder);
    return 1;
}
