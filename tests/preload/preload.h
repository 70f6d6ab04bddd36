/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the libraries of this folder share. Each is one file that tests compile and load in front of
 * a program (LD_PRELOAD); it has functions of the C library's names and finds those behind it.
 *
 * Two of them watch a folder that stands for the share, and read their wishes from another one:
 * VARIABLE="<folder of the share> <folder of wishes>". Nothing here calls what a library may have
 * put itself in front of, and nothing changes errno.
 */
#ifndef ONYX_TESTS_PRELOAD_H
#define ONYX_TESTS_PRELOAD_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "next" is the function behind ours. */
#define NEXT(function, name)                                                                       \
    __typeof__(&function) next = (__typeof__(&function))dlsym(RTLD_NEXT, name)

/* int ours(const char *path, int flags, mode_t mode, const char *which) answers calls of name. */
#define OPEN_BY(name, ours)                                                                        \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;             \
        va_end(args);                                                                              \
        return ours(path, flags, mode, #name);                                                     \
    }

/* int ours(int folder, const char *path, int flags, mode_t mode, const char *which) */
#define OPENAT_BY(name, ours)                                                                      \
    int name(int folder, const char *path, int flags, ...)                                         \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;             \
        va_end(args);                                                                              \
        return ours(folder, path, flags, mode, #name);                                             \
    }

static inline int preload_open(const char *path, int flags)
{
    NEXT(open, "open");
    return next(path, flags | O_CLOEXEC, 0600);
}

/* A small file's first bytes as text; their number, -1 when there is no such file. */
static inline ssize_t preload_read(const char *path, char *text, size_t room)
{
    NEXT(read, "read");
    int why = errno;
    int fd = preload_open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? next(fd, text, room - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    errno = why;
    return n;
}

/* 0 when the variable is not set. */
static inline int preload_split(const char *variable, char share[PATH_MAX], char wishes[PATH_MAX])
{
    const char *both = getenv(variable);
    const char *space = both != NULL ? strchr(both, ' ') : NULL;
    if (space == NULL)
        return 0;
    snprintf(share, PATH_MAX, "%.*s", (int)(space - both), both);
    snprintf(wishes, PATH_MAX, "%s", space + 1);
    return 1;
}

/* What is left of a path below the share, "" for the share itself; NULL elsewhere. */
static inline const char *preload_below(const char *share, const char *path)
{
    size_t n = strlen(share);
    if (strncmp(path, share, n) != 0 || (path[n] != '\0' && path[n] != '/'))
        return NULL;
    return path[n] != '\0' ? path + n + 1 : path + n;
}

/* The path of a descriptor; 0 when it has none. */
static inline int preload_path(int fd, char path[PATH_MAX])
{
    char link[64];
    int why = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    errno = why;
    return n > 0;
}

/* One that waits for its job is a worker too. */
static inline int preload_is_worker(void)
{
    char line[4096];
    ssize_t n = preload_read("/proc/self/cmdline", line, sizeof line);
    for (ssize_t i = 0; i < n; i += (ssize_t)strlen(line + i) + 1)
        if (strcmp(line + i, "--worker") == 0 || strcmp(line + i, "--standby") == 0)
            return 1;
    return 0;
}

#endif
