/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Blocking sockets and one thread a connection; stopping shuts every socket down, so that no
 * thread waits for ever.
 */
#include "tests/unit/common/xapi/fake_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define FAKE_CONNECTIONS_MAX 256
#define FAKE_REQUEST_MAX     (1 << 20)

/* What the test's own set-up needs; not assert, which a build may leave out. */
static void must(bool ok)
{
    if (!ok) {
        perror("fake server");
        abort();
    }
}

struct fake_connection {
    struct fake_server *server;
    pthread_t thread;
    int fd;
    SSL *ssl;
    bool is_kept;
    bool is_reset;
};

struct fake_server {
    enum fake_kind kind;
    fake_handler *handler;
    void *context;
    char folder[64];
    char address[160];
    char certificate_file[128];
    char *certificate;
    unsigned port;
    int listener;
    SSL_CTX *tls;
    pthread_t thread;
    pthread_mutex_t mutex;
    struct fake_connection connections[FAKE_CONNECTIONS_MAX]; /* guarded until started */
    size_t connections_n;
    atomic_bool is_stopped;
    atomic_uint requests_n;
};

bool fake_send(struct fake_connection *connection, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n) {
        ssize_t sent;

        if (connection->ssl) {
            size_t written = 0;
            sent = SSL_write_ex(connection->ssl, p, n, &written) ? (ssize_t)written : -1;
        } else {
            sent = send(connection->fd, p, n, MSG_NOSIGNAL);
        }
        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

bool fake_send_text(struct fake_connection *connection, const char *text)
{
    return fake_send(connection, text, strlen(text));
}

void fake_send_json(struct fake_connection *connection, const char *body)
{
    CLEAN_CHAR char *head = str_format("HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n"
                                       "connection: %s\r\ncontent-type: application/json\r\n\r\n",
                                       strlen(body), connection->is_kept ? "keep-alive" : "close");

    if (fake_send_text(connection, head))
        fake_send_text(connection, body);
}

void fake_send_result(struct fake_connection *connection, const char *result)
{
    CLEAN_CHAR char *body = str_format("{\"jsonrpc\":\"2.0\",\"result\":%s,\"id\":1}", result);

    fake_send_json(connection, body);
}

void fake_send_fault(struct fake_connection *connection, const char *code, const char *params)
{
    CLEAN_CHAR char *body =
        str_format("{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":\"%s\",\"data\":[%s]},"
                   "\"id\":1}",
                   code, params);

    fake_send_json(connection, body);
}

void fake_hang(struct fake_connection *connection)
{
    while (!atomic_load(&connection->server->is_stopped)) {
        struct pollfd wait = {.fd = connection->fd, .events = POLLIN | POLLRDHUP};

        if (poll(&wait, 1, 50) > 0)
            return;
    }
}

void fake_reset(struct fake_connection *connection)
{
    connection->is_reset = true;
}

void fake_keep(struct fake_connection *connection)
{
    connection->is_kept = true;
}

static ssize_t connection_read(struct fake_connection *connection, char *bytes, size_t n)
{
    size_t got = 0;

    if (connection->ssl)
        return SSL_read_ex(connection->ssl, bytes, n, &got) ? (ssize_t)got : 0;
    return recv(connection->fd, bytes, n, 0);
}

/* The method of a JSON-RPC body, found by its name: the tests' own requests are all alike. */
static void request_find_rpc(struct fake_request *request)
{
    const char *at = strstr(request->body, "\"method\":\"");
    size_t n;

    if (!at)
        return;
    at += strlen("\"method\":\"");
    n = strcspn(at, "\"");
    if (n < sizeof request->rpc)
        memcpy(request->rpc, at, n);
}

/* false at the end of the connection. */
static bool request_read(struct fake_connection *connection, struct str *text,
                         struct fake_request *request)
{
    size_t length = 0;
    char *head_end;

    str_clear(text);
    while (!text->len || !(head_end = strstr(text->data, "\r\n\r\n"))) {
        char *room = str_reserve(text, 4096);
        ssize_t n = connection_read(connection, room, 4096);

        if (n <= 0 || text->len > FAKE_REQUEST_MAX)
            return false;
        str_set_len(text, text->len + (size_t)n);
    }
    size_t head = (size_t)(head_end - text->data) + 4;
    const char *line = strcasestr(text->data, "\r\ncontent-length:");

    if (line)
        length = strtoul(line + strlen("\r\ncontent-length:"), NULL, 10);
    while (text->len < head + length) {
        char *room = str_reserve(text, 4096);
        ssize_t n = connection_read(connection, room, 4096);

        if (n <= 0)
            return false;
        str_set_len(text, text->len + (size_t)n);
    }
    memset(request, 0, sizeof *request);
    if (sscanf(text->data, "%7s %2047s", request->verb, request->path) != 2)
        return false;
    request->body = text->data + head;
    request_find_rpc(request);
    return true;
}

static void *connection_run(void *context)
{
    struct fake_connection *connection = context;
    struct fake_server *server = connection->server;
    CLEAN_STR struct str text = STR_INIT;
    struct fake_request request;

    if (server->tls) {
        connection->ssl = SSL_new(server->tls);
        SSL_set_fd(connection->ssl, connection->fd);
        if (SSL_accept(connection->ssl) <= 0)
            goto end;
    }
    while (request_read(connection, &text, &request)) {
        request.number = atomic_fetch_add(&server->requests_n, 1) + 1;
        connection->is_kept = false;
        server->handler(server->context, connection, &request);
        if (!connection->is_kept)
            break;
    }
    if (connection->ssl && !connection->is_reset)
        SSL_shutdown(connection->ssl);
end:
    if (connection->is_reset) {
        struct linger linger = {1, 0};
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        pthread_mutex_lock(&server->mutex);
        close(connection->fd);
        connection->fd = -1;
        pthread_mutex_unlock(&server->mutex);
    } else {
        shutdown(connection->fd, SHUT_RDWR);
    }
    SSL_free(connection->ssl);
    connection->ssl = NULL;
    return NULL;
}

static void *server_run(void *context)
{
    struct fake_server *server = context;

    for (;;) {
        int fd = accept(server->listener, NULL, NULL);

        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&server->mutex);
        must(server->connections_n < FAKE_CONNECTIONS_MAX);
        struct fake_connection *connection = &server->connections[server->connections_n];

        *connection = (struct fake_connection){.server = server, .fd = fd};
        if (atomic_load(&server->is_stopped) ||
            pthread_create(&connection->thread, NULL, connection_run, connection))
            close(fd);
        else
            server->connections_n++;
        pthread_mutex_unlock(&server->mutex);
    }
}

static void server_make_certificate(struct fake_server *server)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    BIO *memory = BIO_new(BIO_s_mem());
    char *pem;

    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(certificate), -3600); /* expired: a pin does not mind */
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"fake", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_sign(certificate, key, EVP_sha256());
    PEM_write_bio_X509(memory, certificate);
    long n = BIO_get_mem_data(memory, &pem);
    server->certificate = mem_dup_n(pem, (size_t)n);
    BIO_free(memory);
    server->tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(server->tls, certificate);
    SSL_CTX_use_PrivateKey(server->tls, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
    snprintf(server->certificate_file, sizeof server->certificate_file, "%s/cert.pem",
             server->folder);
    FILE *file = fopen(server->certificate_file, "w");
    must(file);
    fputs(server->certificate, file);
    fclose(file);
}

static bool server_listen_socket(struct fake_server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(server->address, sizeof server->address, "%s/xapi", server->folder);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/xapi", server->folder);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return !bind(server->listener, (struct sockaddr *)&address, sizeof address);
}

static bool server_listen_tcp(struct fake_server *server, const char *host, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t n = sizeof address;

    must(inet_pton(AF_INET, host, &address.sin_addr) == 1);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->listener, (struct sockaddr *)&address, sizeof address))
        return false;
    must(!getsockname(server->listener, (struct sockaddr *)&address, &n));
    server->port = ntohs(address.sin_port);
    snprintf(server->address, sizeof server->address, "%s://%s:%u",
             server->kind == FAKE_TLS ? "https" : "http", host, server->port);
    return true;
}

static struct fake_server *server_start(enum fake_kind kind, const char *host, unsigned port,
                                        fake_handler *handler, void *context)
{
    struct fake_server *server = mem_zero(1, sizeof *server);

    signal(SIGPIPE, SIG_IGN); /* TLS writes without MSG_NOSIGNAL; programs of ours ignore it too */
    server->kind = kind;
    server->handler = handler;
    server->context = context;
    snprintf(server->folder, sizeof server->folder, "/tmp/onyx-xapi-XXXXXX");
    must(mkdtemp(server->folder));
    if (kind == FAKE_TLS)
        server_make_certificate(server);
    if (kind == FAKE_SOCKET ? !server_listen_socket(server)
                            : !server_listen_tcp(server, host, port)) {
        close(server->listener);
        rmdir(server->folder);
        free(server);
        return NULL;
    }
    must(!listen(server->listener, 64));
    pthread_mutex_init(&server->mutex, NULL);
    must(!pthread_create(&server->thread, NULL, server_run, server));
    return server;
}

struct fake_server *fake_start(enum fake_kind kind, fake_handler *handler, void *context)
{
    struct fake_server *server = server_start(kind, "127.0.0.1", 0, handler, context);

    must(server);
    return server;
}

struct fake_server *fake_start_at(const char *address, unsigned port, fake_handler *handler,
                                  void *context)
{
    return server_start(FAKE_TCP, address, port, handler, context);
}

void fake_stop(struct fake_server *server)
{
    atomic_store(&server->is_stopped, true);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    pthread_mutex_lock(&server->mutex);
    for (size_t i = 0; i < server->connections_n; i++)
        if (server->connections[i].fd >= 0)
            shutdown(server->connections[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->mutex);
    for (size_t i = 0; i < server->connections_n; i++) {
        pthread_join(server->connections[i].thread, NULL);
        if (server->connections[i].fd >= 0)
            close(server->connections[i].fd);
    }
    if (server->kind == FAKE_SOCKET)
        unlink(server->address);
    if (server->kind == FAKE_TLS)
        unlink(server->certificate_file);
    rmdir(server->folder);
    SSL_CTX_free(server->tls);
    free(server->certificate);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

const char *fake_address(const struct fake_server *server)
{
    return server->address;
}

unsigned fake_port(const struct fake_server *server)
{
    return server->port;
}

const char *fake_certificate(const struct fake_server *server)
{
    return server->certificate;
}

const char *fake_certificate_file(const struct fake_server *server)
{
    return server->certificate_file;
}

unsigned fake_requests(const struct fake_server *server)
{
    return atomic_load(&server->requests_n);
}
