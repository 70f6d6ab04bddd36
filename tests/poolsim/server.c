/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One thread accepts for all hosts; each connection has its own thread.
 *
 * At the end every connection is shut down, which ends the reads its thread waits in, and the
 * last thread to leave wakes the acceptor.
 */
#include "tests/poolsim/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "tests/poolsim/call_log.h"
#include "tests/poolsim/control.h"
#include "tests/poolsim/http.h"
#include "tests/poolsim/nbd.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/tls.h"

#include "common/base/poison.h"

#define BACKLOG       512
#define BIND_ATTEMPTS 50
#define STACK_BYTES   (512UL << 10)
#define TCP_MAX       800 /* connections of a host; later ones wait to be accepted */
#define UNIX_MAX      1024
#define FULL_POLL_MS  20

struct listener {
    int fd;
    struct host *host; /* of the control socket: the first, whatever its state */
    enum transport transport;
    bool is_control;
};

struct live {
    struct server *server;
    struct connection *connection;
    struct host *host;
    enum transport transport;
    bool is_control;
    int fd;
    struct live *next, *prev;
};

struct server {
    struct pool *pool;
    struct listener *listeners;
    size_t listeners_n, listeners_cap;
    struct ssl_ctx_st *tls;
    char *names; /* of the certificate */
    char *pem;
    char *key_pem;
    char *control_path;
    struct live *live; /* under the pool's lock */
    size_t live_n;
};

const char *server_certificate(const struct server *server)
{
    return server->pem;
}

int server_rotate_certificate(struct server *server, const char *ca_pem, const char *ca_key_pem,
                              struct error *err)
{
    struct tls_signer signer = {ca_pem, ca_key_pem};
    struct ssl_ctx_st *tls = NULL;
    char *pem = NULL;
    char *key_pem = NULL;

    if (tls_make(server->pool->hosts[0]->name, server->names, ca_pem ? &signer : NULL, &tls, &pem,
                 &key_pem, err))
        return -1;
    SSL_CTX_free(server->tls);
    free(server->pem);
    free(server->key_pem);
    server->tls = tls;
    server->pem = pem;
    server->key_pem = key_pem;
    return 0;
}

static void add_listener(struct server *server, int fd, struct host *host, enum transport transport)
{
    server->listeners = mem_grow(server->listeners, &server->listeners_cap, server->listeners_n + 1,
                                 sizeof *server->listeners);
    server->listeners[server->listeners_n++] = (struct listener){fd, host, transport, false};
}

static int listen_tcp(const char *address, int port, int *ret_port, struct error *err)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof name;
    int one = 1;
    CLEAN_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result;

    if (fd < 0 || inet_pton(AF_INET, address, &name.sin_addr) != 1)
        return error_set_sys(err, ERROR_IO, errno, "socket for %s", address);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) || listen(fd, BACKLOG) ||
        getsockname(fd, (struct sockaddr *)&name, &size))
        return error_set_sys(err, ERROR_IO, errno, "listen on %s:%d", address, port);
    *ret_port = ntohs(name.sin_port);
    result = fd;
    fd = -1;
    return result;
}

/* One port on every host's address: the kernel picks it for the first, the others must have it
 * free; if one has not, another port is tried. */
static int open_port(struct server *server, enum transport transport, struct error *err)
{
    struct pool *pool = server->pool;

    for (int attempt = 0;; attempt++) {
        size_t before = server->listeners_n;
        int port = 0;
        int fd = 0;
        for (size_t i = 0; i < pool->hosts_n && fd >= 0; i++) {
            struct host *host = pool->hosts[i];
            fd = listen_tcp(host->address, port, &port, err);
            if (fd < 0)
                break;
            add_listener(server, fd, host, transport);
            if (transport == TRANSPORT_TLS)
                host->tls_port = port;
            else
                host->port = port;
        }
        if (fd >= 0)
            return 0;
        while (server->listeners_n > before)
            close(server->listeners[--server->listeners_n].fd);
        if (attempt == BIND_ATTEMPTS)
            return -1;
        error_clear(err);
    }
}

static int open_socket(struct server *server, struct host *host, const char *path,
                       struct error *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    CLEAN_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (!str_copy(name.sun_path, sizeof name.sun_path, path))
        return error_set(err, ERROR_USAGE,
                         "the socket path %s is longer than %zu bytes: choose a shorter --dir",
                         path, sizeof name.sun_path - 1);
    unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) || listen(fd, BACKLOG))
        return error_set_sys(err, ERROR_IO, errno, "listen on %s", path);
    chmod(path, 0600);
    add_listener(server, fd, host, TRANSPORT_UNIX);
    fd = -1;
    return 0;
}

int server_open(struct pool *pool, struct server **ret_server, struct error *err)
{
    struct server *server = mem_zero(1, sizeof *server);
    CLEAN_STR struct str names = STR_INIT;
    int result;

    server->pool = pool;
    for (size_t i = 0; i < pool->hosts_n; i++)
        str_add_format(&names, "%sIP:%s", i ? "," : "", pool->hosts[i]->address);
    server->names = mem_dup(str_text(&names));
    result = tls_make(pool->hosts[0]->name, server->names, NULL, &server->tls, &server->pem,
                      &server->key_pem, err);
    if (result == 0)
        result = nbd_open(pool, server->pem, server->key_pem, &pool->nbd, err);
    if (result == 0)
        result = open_port(server, TRANSPORT_TCP, err);
    if (result == 0)
        result = open_port(server, TRANSPORT_TLS, err);
    for (size_t i = 0; result == 0 && i < pool->hosts_n; i++) {
        result = open_socket(server, pool->hosts[i], pool->hosts[i]->socket_path, err);
        pool->hosts[i]->server = server;
    }
    server->control_path = str_format("%s/control.sock", pool->dir);
    if (result == 0)
        result = open_socket(server, pool->hosts[0], server->control_path, err);
    if (result == 0)
        server->listeners[server->listeners_n - 1].is_control = true;
    if (result) {
        server_free(server);
        return -1;
    }
    *ret_server = server;
    return 0;
}

void server_free(struct server *server)
{
    if (!server)
        return;
    nbd_free(server->pool->nbd);
    server->pool->nbd = NULL;
    for (size_t i = 0; i < server->listeners_n; i++) {
        close(server->listeners[i].fd);
        if (server->listeners[i].transport == TRANSPORT_UNIX)
            unlink(server->listeners[i].is_control ? server->control_path
                                                   : server->listeners[i].host->socket_path);
    }
    free(server->control_path);
    free(server->listeners);
    SSL_CTX_free(server->tls);
    free(server->names);
    free(server->pem);
    free(server->key_pem);
    free(server);
}

static const struct handler_row *find_in(const struct handler_row *rows,
                                         const struct request *request)
{
    const struct handler_row *best = NULL;
    size_t best_n = 0;

    for (const struct handler_row *row = rows; row->method; row++) {
        size_t n = strlen(row->path);
        if (strcmp(row->method, request->method) == 0 && n > best_n &&
            strncmp(row->path, request->path, n) == 0) {
            best = row;
            best_n = n;
        }
    }
    return best;
}

static const struct handler_row *find_data_handler(const struct request *request)
{
    static const struct handler_row *const tables[] = {data_handlers, rrd_handlers, minor_handlers};
    const struct handler_row *row = NULL;

    for (size_t i = 0; !row && i < sizeof tables / sizeof *tables; i++)
        row = find_in(tables[i], request);
    return row;
}

static void route(struct connection *connection, struct request *request, bool is_control)
{
    const struct handler_row *row = find_data_handler(request);

    if (is_control) {
        control_handle(connection, request);
    } else if (row) {
        call_log_enter(request->pool);
        row->run(connection, request);
        call_log_leave(request->pool);
    } else if (strcmp(request->method, "OPTIONS") == 0) {
        http_reply_rpc(connection, request, NULL, "", 0);
    } else if (strcmp(request->method, "POST") != 0) {
        http_reply_error(connection, request, 403, "");
    } else if (str_starts(request->path, "/poolsim")) {
        control_handle(connection, request);
    } else {
        rpc_handle(connection, request, str_starts(request->path, "/jsonrpc"));
    }
}

void server_serve(struct connection *connection, bool is_control)
{
    struct request request;
    bool is_kept = true;

    while (is_kept && connection_read_request(connection, &request)) {
        route(connection, &request, is_control);
        is_kept = connection_is_kept(connection, &request);
        request_done(&request);
    }
}

static int *count_of(struct host *host, enum transport transport)
{
    return transport == TRANSPORT_UNIX ? &host->unix_n : &host->tcp_n;
}

static void live_in(struct server *server, struct live *live)
{
    if (!live->is_control)
        (*count_of(live->host, live->transport))++;
    live->next = server->live;
    if (live->next)
        live->next->prev = live;
    server->live = live;
    server->live_n++;
}

static void live_out(struct server *server, struct live *live)
{
    if (!live->is_control)
        (*count_of(live->host, live->transport))--;
    if (live->prev)
        live->prev->next = live->next;
    else
        server->live = live->next;
    if (live->next)
        live->next->prev = live->prev;
    server->live_n--;
}

static void *serve(void *context)
{
    struct live *live = context;
    struct server *server = live->server;
    struct pool *pool = server->pool;
    struct connection *connection = NULL;
    bool is_kept;

    pool_lock(pool);
    struct ssl_ctx_st *tls = live->transport == TRANSPORT_TLS ? server->tls : NULL;
    if (tls)
        SSL_CTX_up_ref(tls);
    pool_unlock(pool);
    if (connection_open(live->host, live->transport, live->fd, tls, &connection))
        connection = NULL;
    SSL_CTX_free(tls);
    pool_lock(pool);
    live->connection = connection;
    if (connection && live->is_control)
        connection_set_control(connection);
    live->fd = -1;
    is_kept = connection && !pool->is_ending;
    pool_unlock(pool);
    if (is_kept)
        server_serve(connection, live->is_control);
    pool_lock(pool);
    live_out(server, live);
    pool_unlock(pool);
    connection_free(connection);
    free(live);
    pool_lock(pool);
    pool->background_n--;
    pool_notify(pool);
    pool_unlock(pool);
    return NULL;
}

static void start(struct server *server, const struct listener *listener, int fd)
{
    struct live *live = mem_zero(1, sizeof *live);
    struct pool *pool = server->pool;
    pthread_attr_t attributes;
    pthread_t thread;
    int one = 1;
    int failed;

    if (listener->transport != TRANSPORT_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    *live = (struct live){.server = server,
                          .host = listener->host,
                          .transport = listener->transport,
                          .is_control = listener->is_control,
                          .fd = fd};
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pool_lock(pool);
    live_in(server, live);
    pool->background_n++;
    pool_unlock(pool);
    failed = pthread_create(&thread, &attributes, serve, live);
    pthread_attr_destroy(&attributes);
    if (!failed)
        return;
    pool_lock(pool);
    live_out(server, live);
    pool->background_n--;
    pool_unlock(pool);
    close(fd);
    free(live);
}

static void accept_one(struct server *server, const struct listener *listener)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    bool is_down;

    if (fd < 0)
        return;
    pool_lock(server->pool);
    is_down = listener->host->is_down && !listener->is_control;
    pool_unlock(server->pool);
    if (is_down) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        close(fd);
        return;
    }
    start(server, listener, fd);
}

static void cut(struct server *server, const struct host *host)
{
    for (struct live *live = server->live; live; live = live->next) {
        if (host && (live->host != host || live->is_control))
            continue;
        if (live->connection)
            connection_shutdown(live->connection);
        else if (live->fd >= 0)
            shutdown(live->fd, SHUT_RDWR);
    }
}

void server_cut_host(struct server *server, struct host *host)
{
    pool_lock(server->pool);
    cut(server, host);
    pool_unlock(server->pool);
}

static void finish(struct server *server)
{
    struct pool *pool = server->pool;

    pool_lock(pool);
    pool->is_ending = true;
    pool_notify(pool);
    cut(server, NULL);
    while (pool->background_n)
        pool_wait_until(pool, pool_now_ms() + 1000);
    pool_unlock(pool);
}

/* Listen where a connection may be taken; false when some host has as many as xapi allows. */
static bool watch_listeners(struct server *server, struct pollfd *fds)
{
    bool is_room_everywhere = true;

    pool_lock(server->pool);
    for (size_t i = 0; i < server->listeners_n; i++) {
        const struct listener *listener = &server->listeners[i];
        bool is_unix = listener->transport == TRANSPORT_UNIX;
        bool is_full = !listener->is_control && *count_of(listener->host, listener->transport) >=
                                                    (is_unix ? UNIX_MAX : TCP_MAX);
        fds[i] = (struct pollfd){.fd = is_full ? -1 : listener->fd, .events = POLLIN};
        is_room_everywhere = is_room_everywhere && !is_full;
    }
    pool_unlock(server->pool);
    return is_room_everywhere;
}

void server_run(struct server *server, int quit_fd)
{
    size_t n = server->listeners_n;
    struct pollfd *fds = mem_zero(n + 1, sizeof *fds);

    fds[n] = (struct pollfd){.fd = quit_fd, .events = POLLIN};
    while (!fds[n].revents) {
        bool is_room_everywhere = watch_listeners(server, fds);
        if (poll(fds, (nfds_t)n + 1, is_room_everywhere ? -1 : FULL_POLL_MS) < 0)
            continue;
        for (size_t i = 0; i < n; i++)
            if (fds[i].revents)
                accept_one(server, &server->listeners[i]);
    }
    free(fds);
    finish(server);
}
