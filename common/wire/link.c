/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nanomsg behind five functions.
 *
 * The library's ways that matter here: a message over RCVMAXSIZE drops the connection, so senders
 * hold the ceiling; a request is sent again by itself, every minute by default, which we stretch to
 * an hour because the client says Hello again long before; an idle REQ would try to connect ten
 * times a second for ever; only NN_MSG tells the true length.
 */
#include "common/wire/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/wire/message.h"

#include "common/base/poison.h"

#define IPC_PREFIX       "ipc://"
#define TCP_PREFIX       "tcp://"
#define IPC_PATH_MAX     107 /* sun_path, unix(7) */
#define RECONNECT_MS     200
#define RECONNECT_MAX_MS 5000
#define RESEND_MS        3600000

struct wire_link {
    int socket;
    int fd;
    char address[WIRE_ADDRESS_MAX];
};

static int refuse_address(struct error *err, const char *text, const char *why)
{
    return error_set(err, ERROR_SETTINGS,
                     "'%s' is no address to talk on: %s; give HOST:PORT with a numeric host, such "
                     "as 10.0.0.1:7451 or [fd00::1]:7451, or ipc://PATH",
                     text, why);
}

/* The host part of a TCP address as nanomsg wants it; false when it is no numeric address. */
static bool parse_host(const char *text, size_t n, char host[WIRE_ADDRESS_MAX])
{
    char inside[INET6_ADDRSTRLEN];
    unsigned char binary[sizeof(struct in6_addr)];
    CLEAN_CHAR char *name = mem_dup_n(text, n);

    if (strcmp(name, "localhost") == 0)
        return str_copy(host, WIRE_ADDRESS_MAX, "127.0.0.1");
    if (strcmp(name, "*") == 0 || inet_pton(AF_INET, name, binary) == 1)
        return str_copy(host, WIRE_ADDRESS_MAX, name);
    if (n < 4 || name[0] != '[' || name[n - 1] != ']')
        return false;
    name[n - 1] = '\0';
    if (!str_copy(inside, sizeof inside, name + 1) || inet_pton(AF_INET6, inside, binary) != 1)
        return false;
    name[n - 1] = ']';
    return str_copy(host, WIRE_ADDRESS_MAX, name);
}

int wire_address_parse(const char *text, char address[WIRE_ADDRESS_MAX], struct error *err)
{
    char host[WIRE_ADDRESS_MAX];
    uint64_t port;

    if (str_starts(text, IPC_PREFIX)) {
        size_t n = strlen(text) - strlen(IPC_PREFIX);
        if (n == 0 || n > IPC_PATH_MAX)
            return refuse_address(err, text, "a socket's path has 1 to 107 bytes");
        str_copy(address, WIRE_ADDRESS_MAX, text);
        return 0;
    }
    const char *rest = str_starts(text, TCP_PREFIX) ? text + strlen(TCP_PREFIX) : text;
    const char *colon = strrchr(rest, ':');
    if (colon == NULL || (rest[0] == '[' && colon[-1] != ']'))
        return refuse_address(err, text, "the port is missing");
    if (num_parse_unsigned(colon + 1, 65535, &port, NULL) < 0 || port == 0)
        return refuse_address(err, text, "the port is not between 1 and 65535");
    if (!parse_host(rest, (size_t)(colon - rest), host))
        return refuse_address(err, text, "the host is not a numeric address");
    CLEAN_CHAR char *whole = str_format(TCP_PREFIX "%s:%u", host, (unsigned)port);
    str_copy(address, WIRE_ADDRESS_MAX, whole);
    return 0;
}

static int set_option(int socket, int level, int option, int value, struct error *err)
{
    if (nn_setsockopt(socket, level, option, &value, sizeof value) == 0)
        return 0;
    return error_set_sys(err, ERROR_IO, nn_errno(), "set up a nanomsg socket");
}

/* A socket of the protocol, set up, with its pollable descriptor. */
static int open_socket(int protocol, const char *address, struct wire_link **ret_link,
                       struct error *err)
{
    struct wire_link *link = mem_zero(1, sizeof *link);
    size_t size = sizeof link->fd;

    str_copy(link->address, sizeof link->address, address);
    link->fd = -1;
    link->socket = nn_socket(AF_SP, protocol);
    int rc =
        link->socket >= 0 ? 0 : error_set_sys(err, ERROR_IO, nn_errno(), "open a nanomsg socket");
    if (rc == 0)
        rc = set_option(link->socket, NN_SOL_SOCKET, NN_RCVMAXSIZE, WIRE_FRAME_MAX, err);
    if (rc == 0)
        rc = set_option(link->socket, NN_SOL_SOCKET, NN_RECONNECT_IVL, RECONNECT_MS, err);
    if (rc == 0)
        rc = set_option(link->socket, NN_SOL_SOCKET, NN_RECONNECT_IVL_MAX, RECONNECT_MAX_MS, err);
    if (rc == 0)
        rc =
            set_option(link->socket, NN_SOL_SOCKET, NN_IPV4ONLY, strchr(address, '[') == NULL, err);
    if (rc == 0 && protocol == NN_REQ)
        rc = set_option(link->socket, NN_REQ, NN_REQ_RESEND_IVL, RESEND_MS, err);
    if (rc == 0 && nn_getsockopt(link->socket, NN_SOL_SOCKET, NN_RCVFD, &link->fd, &size) != 0)
        rc = error_set_sys(err, ERROR_IO, nn_errno(), "poll a nanomsg socket");
    if (rc < 0) {
        wire_link_close(&link);
        return -1;
    }
    *ret_link = link;
    return 0;
}

static int refuse_listen(const char *address, int sys, struct error *err)
{
    const char *where = str_starts(address, TCP_PREFIX) ? address + strlen(TCP_PREFIX) : address;

    if (sys == EADDRINUSE)
        return error_set(err, ERROR_BUSY,
                         "cannot listen on %s: already in use; if that is not another coordinator, "
                         "choose another address with --listen",
                         where);
    if (sys == EADDRNOTAVAIL || sys == ENODEV)
        return error_set(err, ERROR_SETTINGS,
                         "cannot listen on %s: this machine has no such address; choose one of its "
                         "own with --listen",
                         where);
    return error_set_sys(err, ERROR_IO, sys, "cannot listen on %s", where);
}

int wire_link_listen(const char *address, struct wire_link **ret_link, struct error *err)
{
    CLEAN_WIRE_LINK struct wire_link *link = NULL;
    char parsed[WIRE_ADDRESS_MAX];

    if (wire_address_parse(address, parsed, err) < 0 || open_socket(NN_REP, parsed, &link, err) < 0)
        return -1;
    if (nn_bind(link->socket, parsed) < 0)
        return refuse_listen(parsed, nn_errno(), err);
    *ret_link = link;
    link = NULL;
    return 0;
}

int wire_link_connect(const char *address, struct wire_link **ret_link, struct error *err)
{
    CLEAN_WIRE_LINK struct wire_link *link = NULL;
    char parsed[WIRE_ADDRESS_MAX];

    if (wire_address_parse(address, parsed, err) < 0)
        return -1;
    if (str_starts(parsed, TCP_PREFIX "*"))
        return refuse_address(err, address, "'*' is for listening only");
    if (open_socket(NN_REQ, parsed, &link, err) < 0)
        return -1;
    if (nn_connect(link->socket, parsed) < 0)
        return error_set_sys(err, ERROR_IO, nn_errno(), "cannot connect to %s", parsed);
    *ret_link = link;
    link = NULL;
    return 0;
}

void wire_link_close(struct wire_link **link)
{
    int sys = errno;

    if (*link == NULL)
        return;
    if ((*link)->socket >= 0)
        nn_close((*link)->socket);
    free(*link);
    *link = NULL;
    errno = sys;
}

int wire_link_fd(const struct wire_link *link)
{
    return link->fd;
}

int wire_link_receive(struct wire_link *link, struct str *frame, struct error *err)
{
    void *bytes = NULL;
    int n = nn_recv(link->socket, &bytes, NN_MSG, NN_DONTWAIT);

    if (n < 0) {
        int sys = nn_errno();
        /* EFSM: a REQ without a request has nothing to receive. */
        if (sys == EAGAIN || sys == EINTR || sys == ETIMEDOUT || sys == EFSM)
            return 0;
        return error_set_sys(err, ERROR_IO, sys, "receive on %s", link->address);
    }
    str_clear(frame);
    str_add_n(frame, bytes, (size_t)n);
    nn_freemsg(bytes);
    return 1;
}

int wire_link_send(struct wire_link *link, const void *bytes, size_t n, struct error *err)
{
    if (n > WIRE_FRAME_MAX)
        return error_set(err, ERROR_LIMIT, "a frame of %zu bytes is over the ceiling of %d", n,
                         WIRE_FRAME_MAX);
    if (nn_send(link->socket, bytes, n, NN_DONTWAIT) >= 0)
        return 0;
    int sys = nn_errno();
    /* The peer is not there (any more): it will ask again. */
    if (sys == EAGAIN || sys == EINTR || sys == ETIMEDOUT || sys == EFSM)
        return 0;
    return error_set_sys(err, ERROR_IO, sys, "send on %s", link->address);
}
