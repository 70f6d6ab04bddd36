/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A connection's bytes and the framing of replies. Requests are read in request.c.
 *
 * Reads and writes of a silent host wait until it speaks again, those of a host that is down fail.
 * Source: recordings 061-087.
 */
#include "tests/poolsim/http.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "tests/poolsim/http_inside.h"

#include "common/base/poison.h"

int connection_open(struct host *host, enum transport transport, int fd, struct ssl_ctx_st *tls,
                    struct connection **ret_connection)
{
    struct connection *connection = mem_zero(1, sizeof *connection);

    connection->host = host;
    connection->transport = transport;
    connection->fd = fd;
    if (tls) {
        connection->ssl = SSL_new(tls);
        if (!connection->ssl || SSL_set_fd(connection->ssl, fd) != 1 ||
            SSL_accept(connection->ssl) != 1) {
            ERR_clear_error();
            connection_free(connection);
            return -1;
        }
    }
    *ret_connection = connection;
    return 0;
}

void connection_free(struct connection *connection)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (!connection)
        return;
    if (connection->ssl) {
        if (!connection->is_hard && !connection->is_broken)
            SSL_shutdown(connection->ssl);
        SSL_free(connection->ssl);
        ERR_clear_error();
    }
    if (connection->is_hard)
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(connection->fd);
    free(connection);
}

void connection_set_control(struct connection *connection)
{
    connection->is_control = true;
}

void connection_shutdown(struct connection *connection)
{
    shutdown(connection->fd, SHUT_RDWR);
}

/* Wait while the host says nothing; -1 when it is down or the pool ends. */
static int wait_for_host(struct connection *connection)
{
    struct host *host = connection->host;
    int result;

    if (connection->is_control)
        return 0;
    pool_lock(host->pool);
    while (host->is_silent && !host->is_down && !host->pool->is_ending)
        pool_wait_until(host->pool, INT64_MAX);
    result = host->is_down || host->pool->is_ending ? -1 : 0;
    pool_unlock(host->pool);
    if (result) {
        connection->is_hard = true;
        errno = ECONNRESET;
    }
    return result;
}

int connection_read_some(struct connection *connection, void *bytes, size_t n, size_t *ret_n)
{
    ssize_t got;

    if (wait_for_host(connection))
        return -1;
    if (connection->ssl) {
        int result = SSL_read(connection->ssl, bytes, (int)(n > 1 << 20 ? 1 << 20 : n));
        if (result <= 0) {
            int why = SSL_get_error(connection->ssl, result);
            ERR_clear_error();
            connection->is_broken = why != SSL_ERROR_ZERO_RETURN;
            *ret_n = 0;
            errno = ECONNRESET;
            return why == SSL_ERROR_ZERO_RETURN || why == SSL_ERROR_SYSCALL ? 0 : -1;
        }
        *ret_n = (size_t)result;
        return 0;
    }
    do
        got = recv(connection->fd, bytes, n, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -1;
    *ret_n = (size_t)got;
    return 0;
}

int http_read(struct connection *connection, void *bytes, size_t n, size_t *ret_n)
{
    size_t waiting = connection->buffer_n - connection->buffer_at;

    if (connection->has_length && !connection->ignores_length && n > connection->body_left)
        n = (size_t)connection->body_left;
    if (n == 0) {
        *ret_n = 0;
        return 0;
    }
    if (waiting) {
        if (n > waiting)
            n = waiting;
        memcpy(bytes, connection->buffer + connection->buffer_at, n);
        connection->buffer_at += n;
        *ret_n = n;
    } else if (connection_read_some(connection, bytes, n, ret_n)) {
        return -1;
    }
    if (connection->has_length)
        connection->body_left -= *ret_n < connection->body_left ? *ret_n : connection->body_left;
    return 0;
}

void http_honour_length(struct connection *connection, bool is_honoured)
{
    connection->ignores_length = !is_honoured;
}

int http_write(struct connection *connection, const void *bytes, size_t n)
{
    const char *at = bytes;

    if (wait_for_host(connection))
        return -1;
    while (n > 0) {
        ssize_t put;
        if (connection->ssl) {
            int result = SSL_write(connection->ssl, at, (int)(n > 1 << 20 ? 1 << 20 : n));
            if (result <= 0) {
                ERR_clear_error();
                connection->is_broken = true;
                errno = ECONNRESET;
                return -1;
            }
            put = result;
        } else {
            put = send(connection->fd, at, n, MSG_NOSIGNAL);
            if (put < 0 && errno == EINTR)
                continue;
            if (put < 0)
                return -1;
        }
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

int http_write_format(struct connection *connection, const char *format, ...)
{
    CLEAN_STR struct str text = STR_INIT;
    va_list args;

    va_start(args, format);
    str_add_format_v(&text, format, args);
    va_end(args);
    return http_write(connection, str_text(&text), text.len);
}

bool http_peer_is_gone(struct connection *connection)
{
    struct pollfd poll_fd = {.fd = connection->fd, .events = POLLIN | POLLRDHUP};
    char byte;

    if (connection->buffer_at < connection->buffer_n || poll(&poll_fd, 1, 0) <= 0)
        return false;
    if (poll_fd.revents & (POLLERR | POLLHUP | POLLRDHUP))
        return true;
    return recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void http_close(struct connection *connection, bool hard)
{
    connection->must_close = true;
    connection->is_hard = connection->is_hard || hard;
}

int http_raw_fd(struct connection *connection)
{
    return connection->ssl ? -1 : connection->fd;
}

bool connection_is_kept(const struct connection *connection, const struct request *request)
{
    return !connection->must_close && !connection->is_hard && !request->wants_close;
}

void http_reply_rpc(struct connection *connection, const struct request *request,
                    const char *content_type, const char *body, size_t n)
{
    CLEAN_STR struct str head = STR_INIT;

    str_add_format(&head,
                   "HTTP/1.%d 200 OK\r\ncontent-length: %zu\r\nconnection: %s\r\n"
                   "cache-control: no-cache, no-store\r\n",
                   request->minor_version, n, request->wants_close ? "close" : "keep-alive");
    if (content_type)
        str_add_format(&head, "content-type: %s\r\n", content_type);
    str_add(&head, "Access-Control-Allow-Origin: *\r\n"
                   "Access-Control-Allow-Headers: X-Requested-With\r\n");
    if (!content_type)
        str_add(&head, "Access-Control-Allow-Methods: PUT\r\n");
    str_add(&head, "\r\n");
    if (n < 65536) {
        str_add_n(&head, body, n);
        n = 0;
    }
    if (http_write(connection, str_text(&head), head.len) || (n && http_write(connection, body, n)))
        http_close(connection, false);
}

static void add_html(struct str *out, const char *text)
{
    for (; *text; text++)
        if (*text == '<')
            str_add(out, "&lt;");
        else if (*text == '>')
            str_add(out, "&gt;");
        else if (*text == '&')
            str_add(out, "&amp;");
        else if (*text == '"')
            str_add(out, "&quot;");
        else if (*text == '\'')
            str_add(out, "&apos;");
        else
            str_add_char(out, *text);
}

/* "CODE: [ a; b ]" stands as it is (1388); what OCaml prints of an exception is escaped (531).
 * Source: http_svr.ml, Generic_error against the rest. */
static bool is_generic_error(const char *text)
{
    size_t code_n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    return code_n > 0 && str_starts(text + code_n, ": [ ") && str_ends(text, " ]");
}

static void add_page(struct str *page, int status, const char *text)
{
    if (status == 500) {
        str_add(page, "<html><body><h1>HTTP 500 internal server error</h1>An unexpected error "
                      "occurred; please wait a while and try again. If the problem persists, "
                      "please contact your support representative.<h1> Additional information "
                      "</h1>");
        if (is_generic_error(text))
            str_add(page, text);
        else
            add_html(page, text);
    } else if (status == 401) {
        str_add(page, "<html><body><h1>HTTP 401 unauthorised</h1>Please check your credentials "
                      "and retry.");
    } else if (status == 403) {
        str_add(page, "<html><body><h1>HTTP 403 forbidden</h1>Access to the requested resource "
                      "is forbidden.");
    } else if (status == 408) {
        str_add(page, "<html><body><h1>HTTP 408 request timeout</h1>Timed out waiting for the "
                      "request.");
    } else if (status == 431) {
        str_add(page, "<html><body><h1>HTTP 431 request header fields too large</h1>Exceeded the "
                      "maximum header size.");
    } else if (status == 501) {
        str_add(page, "<html><body><h1>HTTP 501 Method Not Implemented</h1><p>");
        add_html(page, text);
        str_add(page, " not supported.<br /></p>");
    } else if (status == 400) {
        str_add(page, "<html><body><h1>HTTP 400 bad request</h1>The HTTP request was malformed. "
                      "Please correct and retry.");
    } else {
        str_add(page, "<html><body><h1>HTTP 404 not found</h1>");
        add_html(page, text);
    }
    str_add(page, "</body></html>");
}

static const char *reason_of(int status)
{
    return status == 400   ? "Bad Request"
           : status == 401 ? "Unauthorised"
           : status == 403 ? "Forbidden"
           : status == 404 ? "Not Found"
           : status == 408 ? "Request Timeout"
           : status == 431 ? "Request Header Fields Too Large"
           : status == 501 ? "Method not implemented"
                           : "Internal Error";
}

static void write_page(struct connection *connection, int status, const char *extra,
                       const char *text)
{
    CLEAN_STR struct str page = STR_INIT;

    add_page(&page, status, text);
    http_write_format(connection,
                      "HTTP/1.1 %d %s\r\ncontent-length: %zu\r\ncontent-type: text/html\r\n"
                      "connection: close\r\ncache-control: no-cache, no-store\r\n%s\r\n%s",
                      status, reason_of(status), page.len, extra, str_text(&page));
    http_close(connection, false);
}

void http_reply_error(struct connection *connection, const struct request *request, int status,
                      const char *text)
{
    (void)request;
    write_page(connection, status, "", text);
}

void http_reply_unauthorised(struct connection *connection, const char *realm)
{
    CLEAN_CHAR char *extra = str_format("WWW-Authenticate: Basic realm=\"%s\"\r\n", realm);

    write_page(connection, 401, extra, "");
}

void http_append_error(struct connection *connection, const char *text)
{
    write_page(connection, 500, "", text);
}

/* What ocaml-uri leaves alone in a key or a value of a query. */
static bool is_plain_in_query(char c, bool is_value)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~!$'()*:@/?", c)) || c == (is_value ? '=' : ',');
}

static void add_redirected(struct str *out, const char *text, size_t n, bool escapes, bool is_value)
{
    CLEAN_CHAR char *plain = request_decode(text, n);

    for (const char *c = plain; *c; c++)
        if (escapes && !is_plain_in_query(*c, is_value))
            str_add_format(out, "%%%02X", (unsigned char)*c);
        else
            str_add_char(out, *c);
}

/* The query as XAPI understood it: pasted as it is up to 8.2, made anew by ocaml-uri later. */
static void add_target(struct str *out, const struct request *request)
{
    bool escapes = request->pool->profile->escapes_location;
    const char *question = strchr(request->target, '?');
    const char *at = question ? question + 1 : "";

    str_add(out, request->path);
    str_add(out, question ? "?" : "");
    while (*at) {
        size_t n = strcspn(at, "&");
        const char *equals = memchr(at, '=', n);
        size_t key_n = equals ? (size_t)(equals - at) : n;
        add_redirected(out, at, key_n, escapes, false);
        if (equals || !escapes)
            str_add_char(out, '=');
        if (equals)
            add_redirected(out, equals + 1, n - key_n - 1, escapes, true);
        at += n;
        if (*at == '&')
            str_add_char(out, *at++);
    }
}

/* The address has no fixed port here as a pool's 443 is, so it names the host's own. */
void http_reply_redirect(struct connection *connection, const struct request *request,
                         const struct host *to)
{
    CLEAN_STR struct str target = STR_INIT;

    add_target(&target, request);
    http_write_format(connection,
                      "HTTP/1.1 302 Found\r\nConnection: close\r\n"
                      "Cache-Control: no-cache, no-store\r\nLocation: https://%s:%d%s\r\n\r\n",
                      to->address, to->tls_port, str_text(&target));
    http_close(connection, false);
}
