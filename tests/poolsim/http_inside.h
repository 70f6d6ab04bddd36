/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of a connection, for http.c and request.c only.
 */
#ifndef ONYX_TESTS_POOLSIM_HTTP_INSIDE_H
#define ONYX_TESTS_POOLSIM_HTTP_INSIDE_H

#include "tests/poolsim/http.h"

#define HTTP_HEADER_MAX 65536 /* above: 431 */

struct connection {
    struct host *host;
    enum transport transport;
    int fd;
    struct ssl_st *ssl;
    bool must_close;
    bool is_served;  /* its first header came; later ones may take their time */
    bool is_hard;    /* end with a reset */
    bool is_control; /* works whatever state the host is in */
    bool is_broken;  /* TLS can't say goodbye any more */
    bool has_length;
    bool ignores_length;
    uint64_t body_left;         /* of content_length; may be passed when the length is ignored */
    size_t buffer_at, buffer_n; /* read and not yet used */
    char buffer[HTTP_HEADER_MAX + 1];
};

/* Percent-encoded text as it was meant. Caller frees. */
char *request_decode(const char *text, size_t n);

/* One read of the socket. 0 (n 0: end) or -1. */
int connection_read_some(struct connection *connection, void *bytes, size_t n, size_t *ret_n);

#endif
