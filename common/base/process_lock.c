/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A datagram socket: others can ask by connect(2) whether the name is bound, which costs the
 * holder nothing and never takes the name, not even for a moment.
 */
#include "common/base/process_lock.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"

#include "common/base/poison.h"

/* FNV-1a over scope, NUL, name. */
static uint64_t hash_texts(uint64_t hash, const char *scope, const char *name)
{
    const char *const texts[] = {scope, name};

    for (size_t i = 0; i < 2; i++)
        for (const char *at = texts[i];; at++) {
            hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
            if (!*at)
                break;
        }
    return hash;
}

/* "\0onyxpool-" and 32 hex digits; gives the length of the address. */
static socklen_t address_make(const char *scope, const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "onyxpool-%016llx%016llx",
                     (unsigned long long)hash_texts(0xcbf29ce484222325u, scope, name),
                     (unsigned long long)hash_texts(0x9e3779b97f4a7c15u, name, scope));

    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int process_lock_take(const char *scope, const char *name, int *ret_fd, struct error *err)
{
    struct sockaddr_un address;
    socklen_t length = address_make(scope, name, &address);
    CLEAN_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return error_set_sys(err, ERROR_INTERNAL, errno, "make a socket for the lock %s", name);
    if (bind(fd, (const struct sockaddr *)&address, length)) {
        if (errno == EADDRINUSE)
            return error_set(err, ERROR_BUSY, "the lock %s is held by another process", name);
        return error_set_sys(err, ERROR_INTERNAL, errno, "take the lock %s", name);
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int process_lock_is_held(const char *scope, const char *name, struct error *err)
{
    struct sockaddr_un address;
    socklen_t length = address_make(scope, name, &address);
    CLEAN_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return error_set_sys(err, ERROR_INTERNAL, errno, "make a socket for the lock %s", name);
    if (connect(fd, (const struct sockaddr *)&address, length) == 0)
        return 1;
    if (errno == ECONNREFUSED)
        return 0;
    return error_set_sys(err, ERROR_INTERNAL, errno, "ask about the lock %s", name);
}
