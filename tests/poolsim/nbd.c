/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nbdkit gets its listening socket from us (systemd's socket activation), so its port is known
 * before it runs and no time is lost waiting for it. Threads of connections are counted; nbd_free
 * shuts their sockets down and waits for the last.
 */
#include "tests/poolsim/nbd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "tests/poolsim/nbd_backend.h"
#include "tests/poolsim/store.h"

#include "common/base/poison.h"

extern char **environ;

#define BACKLOG  64
#define LIVE_MAX 256

struct nbd_host {
    struct nbd *nbd;
    struct host *host;
    char *socket_path;
    int backend_fd; /* -1 until it is needed */
    pthread_t acceptor;
    bool has_acceptor;
    int listen_fd; /* nbdkit's */
    int port;
    pid_t child;
    int life_fd; /* nbdkit ends when it is closed */
    enum nbd_mode mode;
    int connections;    /* with an open export */
    int live[LIVE_MAX]; /* descriptors of running threads, -1 free */
    int live_n;
};

struct nbd {
    struct pool *pool;
    char *dir; /* certificates */
    struct nbd_host *hosts[POOL_HOSTS_MAX];
};

struct connection_start {
    struct nbd_host *owner;
    int slot;
};

enum nbd_mode nbd_mode(struct pool *pool)
{
    bool has_tls = false, has_plain = false;
    for (const struct object *net = store_first(pool, CLASS_network); net;
         net = store_next(pool, net)) {
        const struct text_list *purposes = object_set(net, F_network_purpose);
        has_tls = has_tls || text_list_has(purposes, "nbd");
        has_plain = has_plain || text_list_has(purposes, "insecure_nbd");
    }
    if (has_tls == has_plain)
        return NBD_MODE_NONE;
    return has_tls ? NBD_MODE_TLS : NBD_MODE_PLAIN;
}

static int write_pem(const char *dir, const char *name, const char *pem, struct error *err)
{
    CLEAN_CHAR char *path = str_format("%s/%s", dir, name);
    return fd_replace_file(path, 0600, pem, strlen(pem), err);
}

int nbd_open(struct pool *pool, const char *certificate_pem, const char *key_pem,
             struct nbd **ret_nbd, struct error *err)
{
    struct nbd *nbd = mem_zero(1, sizeof *nbd);
    nbd->pool = pool;
    nbd->dir = str_format("%s/nbd", pool->dir);
    if (mkdir(nbd->dir, 0700) != 0 && errno != EEXIST) {
        (void)error_set_sys(err, ERROR_IO, errno, "make the folder %s", nbd->dir);
    } else if (write_pem(nbd->dir, "ca-cert.pem", certificate_pem, err) == 0 &&
               write_pem(nbd->dir, "server-cert.pem", certificate_pem, err) == 0 &&
               write_pem(nbd->dir, "server-key.pem", key_pem, err) == 0) {
        *ret_nbd = nbd;
        return 0;
    }
    nbd_free(nbd);
    return -1;
}

/* --- behind nbdkit --- */

static void *serve(void *context)
{
    struct connection_start *start = context;
    struct nbd_host *owner = start->owner;
    struct pool *pool = owner->nbd->pool;
    int slot = start->slot;
    free(start);
    nbd_backend_serve(owner->host, owner->live[slot], &owner->connections);
    pool_lock(pool);
    close(owner->live[slot]);
    owner->live[slot] = -1;
    owner->live_n--;
    pool_notify(pool);
    pool_unlock(pool);
    return NULL;
}

/* Takes the descriptor. */
static void start_connection(struct nbd_host *owner, int fd)
{
    struct pool *pool = owner->nbd->pool;
    struct connection_start *start = mem_zero(1, sizeof *start);
    pthread_t thread;
    int slot = 0;
    pool_lock(pool);
    while (slot < LIVE_MAX && owner->live[slot] >= 0)
        slot++;
    bool has_room = slot < LIVE_MAX && !pool->is_ending;
    if (has_room) {
        owner->live[slot] = fd;
        owner->live_n++;
    }
    *start = (struct connection_start){owner, slot};
    bool runs = has_room && pthread_create(&thread, NULL, serve, start) == 0;
    if (has_room && !runs) {
        owner->live[slot] = -1;
        owner->live_n--;
    }
    pool_unlock(pool);
    if (runs) {
        pthread_detach(thread);
        return;
    }
    free(start);
    close(fd);
}

static void *accept_all(void *context)
{
    struct nbd_host *owner = context;
    int fd;
    while ((fd = accept4(owner->backend_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == EINTR)
        if (fd >= 0)
            start_connection(owner, fd);
    return NULL;
}

static int open_backend(struct nbd_host *owner, struct error *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (!str_copy(name.sun_path, sizeof name.sun_path, owner->socket_path))
        return error_set(err, ERROR_USAGE, "the socket path %s is too long", owner->socket_path);
    (void)unlink(owner->socket_path);
    owner->backend_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (owner->backend_fd < 0 ||
        bind(owner->backend_fd, (struct sockaddr *)&name, sizeof name) != 0 ||
        listen(owner->backend_fd, BACKLOG) != 0)
        return error_set_sys(err, ERROR_IO, errno, "listen on %s", owner->socket_path);
    int failed = pthread_create(&owner->acceptor, NULL, accept_all, owner);
    if (failed)
        return error_set_sys(err, ERROR_IO, failed, "start a thread");
    owner->has_acceptor = true;
    return 0;
}

/* --- nbdkit --- */

static int open_listener(struct nbd_host *owner, struct error *err)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(NBD_XAPI_PORT)};
    socklen_t size = sizeof name;
    int one = 1;
    owner->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (owner->listen_fd < 0 || inet_pton(AF_INET, owner->host->address, &name.sin_addr) != 1)
        return error_set_sys(err, ERROR_IO, errno, "socket for %s", owner->host->address);
    setsockopt(owner->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int failed = bind(owner->listen_fd, (struct sockaddr *)&name, sizeof name);
    if (failed) {
        name.sin_port = 0;
        failed = bind(owner->listen_fd, (struct sockaddr *)&name, sizeof name);
    }
    if (failed || listen(owner->listen_fd, BACKLOG) != 0 ||
        getsockname(owner->listen_fd, (struct sockaddr *)&name, &size) != 0)
        return error_set_sys(err, ERROR_IO, errno, "listen on %s", owner->host->address);
    owner->port = ntohs(name.sin_port);
    return 0;
}

static const char *nbdkit_path(void)
{
    static const char *const places[] = {"/usr/bin/nbdkit", "/usr/sbin/nbdkit",
                                         "/usr/local/sbin/nbdkit"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

/*
 * The inner sh sets LISTEN_PID to its own process, which nbdkit then is; descriptor 3 is the
 * socket. The outer one waits for the end of its input, which our end of the pipe holds open, and
 * then ends nbdkit: so it also goes when we are killed. (--exit-with-parent would end it with the
 * thread that started it.)
 */
static int start_nbdkit(struct nbd_host *owner, const char *path, struct error *err)
{
    static char sh[] = "sh", flag[] = "-c";
    posix_spawn_file_actions_t actions;
    CLEAN_FD int life = -1;
    if (fd_pipe(&life, &owner->life_fd, err) != 0)
        return -1;
    CLEAN_CHAR char *tls =
        owner->mode == NBD_MODE_TLS
            ? str_format("--tls=require --tls-certificates=\"%s\"", owner->nbd->dir)
            : mem_dup("--tls=off");
    CLEAN_CHAR char *command = str_format(
        "export program=\"%s\" socket=\"%s\"\n"
        "sh -c 'LISTEN_PID=$$ LISTEN_FDS=1 exec \"$program\" -f -r %s nbd socket=\"$socket\" "
        "dynamic-export=true' &\nread wait\nkill -9 $!\nwait",
        path, owner->socket_path, tls);
    char *argv[] = {sh, flag, command, NULL};
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, life, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, owner->listen_fd, 3);
    int failed = posix_spawn(&owner->child, "/bin/sh", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed == 0)
        return 0;
    owner->child = 0;
    fd_close(&owner->life_fd);
    return error_set_sys(err, ERROR_IO, failed, "start nbdkit");
}

static void stop_nbdkit(struct nbd_host *owner)
{
    if (owner->child <= 0)
        return;
    fd_close(&owner->life_fd);
    while (waitpid(owner->child, NULL, 0) < 0 && errno == EINTR)
        continue;
    owner->child = 0;
}

static struct nbd_host *find_host(struct nbd *nbd, struct host *host)
{
    struct nbd_host *owner = nbd->hosts[host->index];
    if (owner)
        return owner;
    owner = mem_zero(1, sizeof *owner);
    owner->nbd = nbd;
    owner->host = host;
    owner->backend_fd = owner->listen_fd = owner->life_fd = -1;
    owner->socket_path = str_format("%s/nbd/%zu.sock", nbd->pool->dir, host->index);
    for (int i = 0; i < LIVE_MAX; i++)
        owner->live[i] = -1;
    nbd->hosts[host->index] = owner;
    return owner;
}

int nbd_port(struct nbd *nbd, struct host *host, int *ret_port, struct error *err)
{
    enum nbd_mode mode = nbd_mode(nbd->pool);
    const char *path = nbdkit_path();
    struct nbd_host *owner = find_host(nbd, host);
    if (!path)
        return error_set(err, ERROR_UNSUPPORTED, "NBD needs nbdkit: install the package nbdkit");
    if (mode == NBD_MODE_NONE)
        return error_set(err, ERROR_UNSUPPORTED, "the networks' purposes allow no NBD");
    if ((owner->backend_fd < 0 && open_backend(owner, err) != 0) ||
        (owner->listen_fd < 0 && open_listener(owner, err) != 0))
        return -1;
    if (owner->child > 0 && owner->mode != mode)
        stop_nbdkit(owner);
    owner->mode = mode;
    if (owner->child <= 0 && start_nbdkit(owner, path, err) != 0)
        return -1;
    *ret_port = owner->port;
    return 0;
}

static void host_free(struct nbd_host *owner)
{
    struct pool *pool = owner->nbd->pool;
    stop_nbdkit(owner);
    if (owner->backend_fd >= 0)
        (void)shutdown(owner->backend_fd, SHUT_RDWR);
    if (owner->has_acceptor)
        pthread_join(owner->acceptor, NULL);
    pool_lock(pool);
    for (int i = 0; i < LIVE_MAX; i++)
        if (owner->live[i] >= 0)
            (void)shutdown(owner->live[i], SHUT_RDWR);
    while (owner->live_n > 0)
        (void)pool_wait_until(pool, pool_now_ms() + 100);
    pool_unlock(pool);
    fd_close(&owner->backend_fd);
    fd_close(&owner->listen_fd);
    (void)unlink(owner->socket_path);
    free(owner->socket_path);
    free(owner);
}

void nbd_free(struct nbd *nbd)
{
    if (!nbd)
        return;
    for (size_t i = 0; i < POOL_HOSTS_MAX; i++)
        if (nbd->hosts[i])
            host_free(nbd->hosts[i]);
    free(nbd->dir);
    free(nbd);
}
