/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the rooms of common/xapi share about a connection; nobody else includes it.
 */
#ifndef ONYX_COMMON_XAPI_INSIDE_H
#define ONYX_COMMON_XAPI_INSIDE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/xapi/http.h"
#include "common/xapi/session.h"
#include "common/xapi/target.h"

struct error;
struct str;

#define XAPI_RPC_PATH "/jsonrpc"

struct xapi {
    struct xapi_target target;
    char *base;       /* URL without path; "http://localhost" over a socket */
    char *pins;       /* of target.certificate_file; NULL none */
    char *originator; /* NULL for a lent session */
    char *session;    /* NULL before the login */
    char *tag_header; /* of calls that make a task; NULL none */
    bool is_own;
    struct http *http;
    xapi_cancel_fn *cancel;
    void *cancel_context;
    uint64_t calls_n; /* ids of requests */
};

/* Post one method with its whole parameters; the answer's text, unparsed. timeout_ms 0: only the
 * idle time-out. */
int xapi_post(struct xapi *xapi, const char *method, const json_t *params, int64_t idle_ms,
              int64_t timeout_ms, struct str *ret_text, struct error *err);

/* Log in (again) with a session of our own; the old one is forgotten. */
int xapi_login(struct xapi *xapi, struct error *err);

/* The master that a login found does not answer: go back to the address that was given, whose host
 * knows the new one. false when we are there already. */
bool xapi_forget_master(struct xapi *xapi);

#endif
