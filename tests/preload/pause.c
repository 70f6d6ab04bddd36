/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A library that tests load in front of a program (LD_PRELOAD) to stop it at an exact place.
 *
 * ONYX_PAUSE="<function> <number> <folder>": the n-th call of renameat, fsync or unlinkat of a
 * worker (a process whose command line has --worker) makes <folder>/reached and waits until
 * <folder>/go is there. The test then kills whom it likes. The programs know nothing of it.
 */
#define _GNU_SOURCE
#include "tests/preload/preload.h"

#include <stdatomic.h>

static void pause_at(const char *function)
{
    static atomic_int calls;
    const char *wish = getenv("ONYX_PAUSE");
    char name[32], folder[512], path[600];
    int number;

    if (wish == NULL || sscanf(wish, "%31s %d %511s", name, &number, folder) != 3 ||
        strcmp(name, function) != 0 || !preload_is_worker())
        return;
    if (atomic_fetch_add(&calls, 1) + 1 != number)
        return;
    snprintf(path, sizeof path, "%s/reached", folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return; /* another process stood here before: one stop is enough */
    close(fd);
    snprintf(path, sizeof path, "%s/go", folder);
    while (access(path, F_OK) != 0)
        usleep(20000);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    NEXT(renameat, "renameat");
    pause_at("renameat");
    return next(from_fd, from, to_fd, to);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    NEXT(renameat2, "renameat2");
    pause_at("renameat");
    return next(from_fd, from, to_fd, to, flags);
}

int fsync(int fd)
{
    NEXT(fsync, "fsync");
    pause_at("fsync");
    return next(fd);
}

int unlinkat(int folder, const char *name, int flags)
{
    NEXT(unlinkat, "unlinkat");
    pause_at("unlinkat");
    return next(folder, name, flags);
}
