/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One HTTP exchange after the other with XAPI, on this thread, until it is told to stop. The only
 * room that knows libcurl.
 *
 * Follows nothing, decodes nothing, believes no proxy, no netrc and no trust store: a TLS peer is
 * known by its pins, or by who signed it. No wait is longer than HTTP_POLL_MS without asking whether it was cancelled.
 * SIGPIPE must be ignored in the process (quit_watch does), since TLS writes without MSG_NOSIGNAL.
 * A connection is used again only for requests that may be repeated: libcurl sends such a request
 * a second time when the old connection turns out to be closed.
 */
#ifndef ONYX_COMMON_XAPI_HTTP_H
#define ONYX_COMMON_XAPI_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;

#define HTTP_POLL_MS            100
#define HTTP_CONNECT_TIMEOUT_MS 15000
#define HTTP_REUSE_MS           5000  /* XAPI hangs up after 10 s without a header */
#define HTTP_HEADERS_MAX        65536 /* bytes of one answer's headers */
#define HTTP_ERROR_BODY_MAX     4096  /* of an answer's body are kept for the error */

struct http;

/* Asked in every wait; true ends the exchange with ERROR_CANCELLED. */
typedef bool http_cancel_fn(void *context);

struct http_request {
    const char *socket;    /* path of a unix socket; NULL: TCP */
    const char *url;       /* whole; its host only fills the Host header when socket is set */
    const char *pins;      /* https: see certificate.h */
    const char *pinned_by; /* where the pins are from, for messages */
    const char *ca_file;   /* PEM: who is signed by one of these, for its name, is known too; NULL */
    const char *body;      /* POST as application/json when set, else GET */
    size_t body_n;
    const char *header;    /* one more line of the header, with a body; NULL none */
    bool is_repeatable;
    int64_t idle_timeout_ms; /* no byte for so long: ERROR_TIMEOUT; 0 none */
    int64_t timeout_ms;      /* the whole exchange; 0 none */
};

struct http_head {
    int status;
    int64_t content_length; /* -1 unknown */
    char *location;         /* NULL none */
    char *content_type;     /* NULL none */
    char *task;             /* header task-id; NULL none */
};

/* Called on this thread. 0, or -1 with the error set to end the exchange. bytes comes in pieces of
 * at most 16 KiB. Time spent inside does not count as idle. */
struct http_sink {
    int (*head)(void *context, const struct http_head *head, struct error *err);
    int (*bytes)(void *context, const void *bytes, size_t n, struct error *err);
    void *context;
};

/* Load what the first http_new would, which takes some milliseconds. Not needed before it. */
void http_load(void);

struct http *http_new(void);
void http_free(struct http *http);
void http_set_cancel(struct http *http, http_cancel_fn *cancel, void *context);

/*
 * Send a request and give its answer to the sink. 0 means the answer came to its end in order: its
 * length was reached, or the peer closed where no length was said.
 *
 * Fails:  ERROR_POOL_UNREACHABLE (no connection), ERROR_AUTH (certificate neither pinned nor signed),
 *         ERROR_SHORT (closed before the end; with not a byte sent: says so), ERROR_TIMEOUT,
 *         ERROR_CANCELLED, ERROR_PROTOCOL, or what the sink says.
 */
int http_perform(struct http *http, const struct http_request *request,
                 const struct http_sink *sink, struct error *err);

#endif
