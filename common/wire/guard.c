/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lowest free descriptor tells that there can't be too many yet: descriptors are given out
 * from below. Only beyond it every descriptor is asked what it is.
 *
 * Two descriptors are kept: at the limit there is none left to duplicate onto.
 */
#include "common/wire/guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/wire/link.h"

#include "common/base/poison.h"

#define TCP_PREFIX      "tcp://"
#define DESCRIPTORS_MAX 65536

struct wire_guard {
    uint16_t port;
    size_t max;
    int null;    /* /dev/null */
    int reserve; /* where a connection stands while it is looked at again and shut */
};

/* By address, and inside it the longest silence first. */
static int by_address(const void *a, const void *b)
{
    const struct wire_guard_peer *left = a;
    const struct wire_guard_peer *right = b;
    int order = memcmp(left->address, right->address, sizeof left->address);

    if (order != 0)
        return order;
    return left->idle_ms < right->idle_ms ? 1 : left->idle_ms > right->idle_ms ? -1 : 0;
}

/* Connections of one address: they stand side by side. */
struct group {
    size_t first;
    size_t n;
    size_t gone_n;
};

static size_t make_groups(const struct wire_guard_peer *peers, size_t n, struct group *groups)
{
    size_t groups_n = 0;

    for (size_t i = 0; i < n; i++) {
        if (groups_n == 0 || memcmp(peers[groups[groups_n - 1].first].address, peers[i].address,
                                    sizeof peers[i].address) != 0)
            groups[groups_n++] = (struct group){.first = i};
        groups[groups_n - 1].n++;
    }
    return groups_n;
}

static struct group *find_largest(struct group *groups, size_t n)
{
    struct group *largest = &groups[0];

    for (size_t i = 1; i < n; i++) {
        if (groups[i].n - groups[i].gone_n > largest->n - largest->gone_n)
            largest = &groups[i];
    }
    return largest;
}

size_t wire_guard_choose(struct wire_guard_peer *peers, size_t n, size_t max)
{
    if (n <= max)
        return 0;
    qsort(peers, n, sizeof *peers, by_address);
    struct group *groups = mem_zero(n, sizeof *groups);
    struct wire_guard_peer *chosen = mem_zero(n, sizeof *chosen);
    size_t groups_n = make_groups(peers, n, groups);
    for (size_t i = 0; i < n - max; i++) {
        struct group *largest = find_largest(groups, groups_n);
        chosen[i] = peers[largest->first + largest->gone_n++];
    }
    memcpy(peers, chosen, (n - max) * sizeof *peers);
    free(chosen);
    free(groups);
    return n - max;
}

void wire_guard_name_worst(struct wire_guard_peer *peers, size_t n,
                           char ret_address[WIRE_GUARD_ADDRESS_MAX])
{
    qsort(peers, n, sizeof *peers, by_address);
    struct group *groups = mem_zero(n, sizeof *groups);
    size_t groups_n = make_groups(peers, n, groups);
    const unsigned char *address = peers[find_largest(groups, groups_n)->first].address;
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_v4 = memcmp(address, mapped, sizeof mapped) == 0;

    (void)inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? address + sizeof mapped : address,
                    ret_address, WIRE_GUARD_ADDRESS_MAX);
    free(groups);
}

struct wire_guard *wire_guard_new(const char *address, size_t max)
{
    char parsed[WIRE_ADDRESS_MAX];
    struct rlimit limit;
    uint64_t port;

    if (wire_address_parse(address, parsed, NULL) < 0 ||
        strncmp(parsed, TCP_PREFIX, strlen(TCP_PREFIX)) != 0 ||
        num_parse_unsigned(strrchr(parsed, ':') + 1, 65535, &port, NULL) < 0)
        return NULL;
    struct wire_guard *guard = mem_zero(1, sizeof *guard);
    guard->port = (uint16_t)port;
    guard->max = max;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < max)
        guard->max = limit.rlim_cur / 2;
    guard->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    guard->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return guard;
}

void wire_guard_free(struct wire_guard **guard)
{
    if (*guard == NULL)
        return;
    fd_close(&(*guard)->null);
    fd_close(&(*guard)->reserve);
    free(*guard);
    *guard = NULL;
}

static bool read_address(const struct sockaddr_storage *name, struct wire_guard_peer *ret_peer,
                         uint16_t *ret_port)
{
    if (name->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)name;
        memset(ret_peer->address, 0, sizeof ret_peer->address);
        ret_peer->address[10] = ret_peer->address[11] = 0xff;
        memcpy(ret_peer->address + 12, &in->sin_addr, 4);
        *ret_port = ntohs(in->sin_port);
        return true;
    }
    if (name->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)name;
        memcpy(ret_peer->address, &in->sin6_addr, sizeof ret_peer->address);
        *ret_port = ntohs(in->sin6_port);
        return true;
    }
    return false;
}

/* Whether the descriptor is a connection of the port, and whose. */
static bool look_at(const struct wire_guard *guard, int fd, struct wire_guard_peer *ret_peer)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    struct tcp_info info;
    uint16_t port;

    if (getsockname(fd, (struct sockaddr *)&name, &size) != 0 ||
        !read_address(&name, ret_peer, &port) || port != guard->port)
        return false;
    size = sizeof name;
    if (getpeername(fd, (struct sockaddr *)&name, &size) != 0 ||
        !read_address(&name, ret_peer, &port))
        return false;
    size = sizeof info;
    memset(&info, 0, sizeof info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return false;
    ret_peer->fd = fd;
    ret_peer->idle_ms = info.tcpi_last_data_recv;
    return true;
}

/* Between the look and now another socket may stand at this number: look again, at one of which we
 * hold a name of our own. */
static bool shut(struct wire_guard *guard, const struct wire_guard_peer *peer)
{
    struct wire_guard_peer now;

    if (guard->reserve < 0 || guard->null < 0 || dup3(peer->fd, guard->reserve, O_CLOEXEC) < 0)
        return false;
    bool is_shut = look_at(guard, guard->reserve, &now) &&
                   memcmp(now.address, peer->address, sizeof now.address) == 0 &&
                   shutdown(guard->reserve, SHUT_RDWR) == 0;
    (void)dup3(guard->null, guard->reserve, O_CLOEXEC); /* else it stays half open by our hand */
    return is_shut;
}

/* Whether there can be more than max: descriptors are given out from below. */
static bool has_many(const struct wire_guard *guard)
{
    int lowest = fcntl(guard->null, F_DUPFD_CLOEXEC, 0);

    if (lowest < 0)
        return true;
    (void)close(lowest);
    return (size_t)lowest > guard->max;
}

size_t wire_guard_look(struct wire_guard *guard, char ret_worst[WIRE_GUARD_ADDRESS_MAX])
{
    struct wire_guard_peer *peers = NULL;
    struct rlimit limit;
    size_t cap = 0;
    size_t n = 0;
    size_t shut_n = 0;

    if (guard == NULL || !has_many(guard) || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    for (int fd = 0; fd < DESCRIPTORS_MAX && (rlim_t)fd < limit.rlim_cur; fd++) {
        peers = mem_grow(peers, &cap, n + 1, sizeof *peers);
        if (fd != guard->reserve && look_at(guard, fd, &peers[n]))
            n++;
    }
    /* Well below the ceiling, so that the next to come does not bring this about again. */
    size_t chosen_n = n > guard->max ? wire_guard_choose(peers, n, guard->max - guard->max / 8) : 0;
    for (size_t i = 0; i < chosen_n; i++)
        if (shut(guard, &peers[i]))
            peers[shut_n++] = peers[i];
    if (shut_n > 0)
        wire_guard_name_worst(peers, shut_n, ret_worst);
    free(peers);
    return shut_n;
}
