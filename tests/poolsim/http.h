/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One connection and one request on it, as handlers see them.
 *
 * A connection has a thread of its own. The server reads the request line and headers and calls
 * the handler of the longest matching path prefix; the handler reads the body itself and writes
 * its raw bytes itself, so that an answer may begin before the body ends. What a handler did not
 * read of the body stays in the socket: it says http_close when the connection must end (all data
 * handlers do), else the server goes on with the next request.
 *
 * Lock: never held while calling these; a silent or dead host blocks or fails here.
 */
#ifndef ONYX_TESTS_POOLSIM_HTTP_H
#define ONYX_TESTS_POOLSIM_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/base/text_map.h"
#include "tests/poolsim/pool.h"

enum transport { TRANSPORT_UNIX, TRANSPORT_TCP, TRANSPORT_TLS };

struct connection; /* opaque */

/* Owned by the server, lives as long as the handler runs. */
struct request {
    struct host *host;
    struct pool *pool;
    enum transport transport;
    char method[16];         /* "GET" */
    char *target;            /* "/export?ref=..." as sent */
    char *path;              /* decoded, without the query */
    struct text_map query;   /* decoded */
    struct text_map headers; /* names in lower case */
    struct text_map cookies;
    int minor_version; /* HTTP/1.0 or 1.1 */
    bool has_length;
    uint64_t content_length;
    bool is_chunked;  /* a Transfer-Encoding header was there */
    bool wants_close; /* by version and Connection */
};

/* NULL if absent. */
const char *request_query(const struct request *request, const char *name);
const char *request_header(const struct request *request, const char *lower_case_name);
const char *request_cookie(const struct request *request, const char *name);
/* Headers X-Http-Other-Config-K: V as a new task has them in other_config: "http:k" = V.
 * Source: context.ml (get_http_other_config), taskHelper.ml (make). */
void request_task_config(const struct request *request, struct text_map *ret_config);
/* Cookie first, then query: session_id, task_id, subtask_of. */
const char *request_cookie_or_query(const struct request *request, const char *name);

/* Read body bytes (what was sent with the header comes first). *ret_n 0 at the end of the input.
 * Never reads past content_length if there is one. 0 or -1 (errno set; ECONNRESET and such). */
int http_read(struct connection *connection, void *bytes, size_t n, size_t *ret_n);

/* Whether http_read ends at content_length (so it begins) or at the end of the connection, as
 * XAPI's readers of archives and VHDs do. */
void http_honour_length(struct connection *connection, bool is_honoured);

/* Write all. 0 or -1 (errno set: EPIPE, ECONNRESET when the client left). */
int http_write(struct connection *connection, const void *bytes, size_t n);
int http_write_format(struct connection *connection, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether the client has closed its end (nothing to read but EOF or an error). Does not block. */
bool http_peer_is_gone(struct connection *connection);

/* End the connection after this request. hard: with a reset, unread input dropped. */
void http_close(struct connection *connection, bool hard);

/* The raw descriptor, for sendfile and poll; -1 over TLS. */
int http_raw_fd(struct connection *connection);

/* Whole replies as XAPI frames them. http_reply_error is the HTML page "HTTP 500 internal server
 * error" with the text in it, escaped ("UUID_INVALID: [ VM; x ]"), and closes. status: 400, 401,
 * 403, 404, 431, 500, 501. */
void http_reply_error(struct connection *connection, const struct request *request, int status,
                      const char *text);
/* 401 with WWW-Authenticate; closes. realm: "get_export". */
void http_reply_unauthorised(struct connection *connection, const char *realm);
/* The same page appended to what was sent already ("HTTP/1.1 500 Internal Error" in the data). */
void http_append_error(struct connection *connection, const char *text);
/* 302 to the same path and query on another host; closes. */
void http_reply_redirect(struct connection *connection, const struct request *request,
                         const struct host *to);

/* A data handler. Runs on the connection's thread, without the lock. */
typedef void handler_fn(struct connection *connection, struct request *request);

struct handler_row {
    const char *method; /* "GET" */
    const char *path;   /* "/export": longest prefix wins, so "/export/" comes here too */
    handler_fn *run;
};

/* A whole reply of an RPC endpoint, framed as XAPI frames it. content_type NULL: none (OPTIONS). */
void http_reply_rpc(struct connection *connection, const struct request *request,
                    const char *content_type, const char *body, size_t n);

/* --- for server.c --- */

struct ssl_st;
struct ssl_ctx_st;

/* Takes the descriptor. tls: NULL for plain ones; the handshake is made here, -1 when it fails. */
int connection_open(struct host *host, enum transport transport, int fd, struct ssl_ctx_st *tls,
                    struct connection **ret_connection);
void connection_free(struct connection *connection);
void connection_set_control(struct connection *connection);
void connection_shutdown(struct connection *connection); /* from another thread: ends its reads */

/* The next request's line and headers: 1, or 0 when the connection is over (the client left, or
 * what it sent was answered with a page that ends it). request_done what was read. */
int connection_read_request(struct connection *connection, struct request *ret_request);
void request_done(struct request *request);
/* Whether the connection goes on after this request. */
bool connection_is_kept(const struct connection *connection, const struct request *request);

/* The data handlers' table, ended by a row of NULLs: handlers.c (streams of VMs, VDIs, hosts). */
extern const struct handler_row data_handlers[];
extern const struct handler_row minor_handlers[]; /* minor.c */
extern const struct handler_row rrd_handlers[];   /* rrd.c */

#endif
