/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An XML-RPC value that comes in pieces: its scalars by callbacks, each with the path that leads to
 * it and the place where it stands.
 *
 * A path has one level for each struct or array around: level 0 is the outermost. Memory is fixed;
 * longer texts and names are cut. Callbacks give 0, or -1 with the error set to stop.
 * Source: xapi's ocaml-rpc, xmlrpc.ml.
 */
#ifndef ONYX_COMMON_FORMAT_XMLRPC_H
#define ONYX_COMMON_FORMAT_XMLRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;
struct str;
struct xmlrpc;

#define XMLRPC_DEPTH_MAX 16
#define XMLRPC_NAME_MAX  64
#define XMLRPC_TEXT_MAX  4096

/* The bytes of an element, from its '<' to behind its last '>'. */
struct xmlrpc_span {
    uint64_t from, to;
};

/* Any may be NULL. */
struct xmlrpc_events {
    /* A value that holds no container, as text whatever its type; span is of its <value>. */
    int (*scalar)(void *context, const struct xmlrpc *at, const struct str *text,
                  struct xmlrpc_span span, struct error *err);
    /* A struct's member is complete; its name is that of the innermost level. */
    int (*member)(void *context, const struct xmlrpc *at, struct xmlrpc_span span,
                  struct error *err);
    /* A struct or an array is complete; the levels are those around it. */
    int (*end)(void *context, const struct xmlrpc *at, bool is_struct, struct error *err);
};

struct xmlrpc *xmlrpc_new(const struct xmlrpc_events *events, void *context);
void xmlrpc_free(struct xmlrpc *xmlrpc);

/* ERROR_CORRUPT, or what a callback says. Not used after an error. */
int xmlrpc_feed(struct xmlrpc *xmlrpc, const void *bytes, size_t n, struct error *err);

/* ERROR_SHORT when it is cut. */
int xmlrpc_finish(const struct xmlrpc *xmlrpc, struct error *err);

/* --- for callbacks --- */

size_t xmlrpc_depth(const struct xmlrpc *xmlrpc);
bool xmlrpc_is_struct(const struct xmlrpc *xmlrpc, size_t level);
/* The member of the struct at this level; "" in an array. */
const char *xmlrpc_name(const struct xmlrpc *xmlrpc, size_t level);

#endif
