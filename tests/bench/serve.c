/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_serve FOLDER SOCKET PORT_FILE: files of a folder, sent as XAPI's /export sends, by sendfile.
 *
 * GET /export?ref=NAME is answered with a 200 without a length and the bytes of FOLDER/NAME, then the
 * connection ends. It listens on the unix socket and on a port of 127.0.0.1, which it writes into
 * PORT_FILE, and costs next to nothing: who reads is measured, not who sends. A thread for each connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define HEAD_MAX 4096

struct visit {
    int fd;
    const char *folder;
};

static int fail(const char *what)
{
    fprintf(stderr, "bench_serve: %s: %s\n", what, strerror(errno));
    return 1;
}

static ssize_t read_head(int fd, char head[HEAD_MAX])
{
    size_t n = 0;
    for (;;) {
        ssize_t got = read(fd, head + n, HEAD_MAX - 1 - n);
        if (got <= 0)
            return -1;
        n += (size_t)got;
        head[n] = '\0';
        if (strstr(head, "\r\n\r\n") != NULL)
            return (ssize_t)n;
        if (n == HEAD_MAX - 1)
            return -1;
    }
}

/* The file that the request names, -1: none. */
static int open_wanted(const char *folder, const char *head)
{
    const char *at = strstr(head, "ref=");
    if (strncmp(head, "GET /export", 11) != 0 || at == NULL)
        return -1;
    at += 4;
    size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-");
    CLEAN_CHAR char *path = str_format("%s/%.*s", folder, (int)n, at);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int send_text(int fd, const char *text)
{
    size_t n = strlen(text);
    return write(fd, text, n) == (ssize_t)n ? 0 : -1;
}

static void *serve_visit(void *context)
{
    CLEANUP(mem_free_void) struct visit *visit = context;
    char head[HEAD_MAX];
    CLEAN_FD int fd = visit->fd;
    if (read_head(fd, head) < 0)
        return NULL;
    CLEAN_FD int file = open_wanted(visit->folder, head);
    if (file < 0) {
        (void)send_text(fd, "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
        return NULL;
    }
    if (send_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                      "Cache-Control: no-cache, no-store\r\n"
                      "Content-Type: application/octet-stream\r\n\r\n") != 0)
        return NULL;
    ssize_t sent;
    do
        sent = sendfile(fd, file, NULL, 1 << 20);
    while (sent > 0 || (sent < 0 && errno == EINTR));
    return NULL;
}

static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!str_copy(address.sun_path, sizeof address.sun_path, path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 64) != 0)
        return -1;
    return fd;
}

static int listen_tcp(const char *port_file)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 64) != 0 || getsockname(fd, (struct sockaddr *)&address, &n) != 0)
        return -1;
    CLEAN_CHAR char *name = str_format("%s.new", port_file);
    FILE *file = fopen(name, "we");
    if (file == NULL)
        return -1;
    fprintf(file, "%u\n", (unsigned)ntohs(address.sin_port));
    if (fclose(file) != 0 || rename(name, port_file) != 0)
        return -1;
    return fd;
}

static int start_visit(int listening, const char *folder, const pthread_attr_t *detached)
{
    pthread_t thread;
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return errno == EINTR || errno == ECONNABORTED ? 0 : -1;
    struct visit *visit = mem_zero(1, sizeof *visit);
    *visit = (struct visit){fd, folder};
    if (pthread_create(&thread, detached, serve_visit, visit) == 0)
        return 0;
    close(fd);
    free(visit);
    return -1;
}

int main(int argc, char **argv)
{
    pthread_attr_t detached;
    if (argc != 4) {
        fprintf(stderr, "bench_serve FOLDER SOCKET PORT_FILE\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    struct pollfd listening[2] = {{.fd = listen_unix(argv[2]), .events = POLLIN},
                                  {.events = POLLIN}};
    if (listening[0].fd < 0)
        return fail(argv[2]);
    if ((listening[1].fd = listen_tcp(argv[3])) < 0)
        return fail(argv[3]);
    for (;;) {
        if (poll(listening, 2, -1) < 0 && errno != EINTR)
            return fail("poll");
        for (int i = 0; i < 2; i++)
            if (listening[i].revents != 0 && start_visit(listening[i].fd, argv[1], &detached) != 0)
                return fail("accept");
    }
}
