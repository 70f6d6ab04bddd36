/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An HTTP server of bytes: what a test wants to be answered goes out as it is, on a unix socket in
 * a temporary folder, on loopback TCP or in TLS there.
 *
 * A thread per connection; the handler runs on it. Everything the test asked for and every request
 * that came is counted here.
 */
#ifndef ONYX_TESTS_UNIT_COMMON_XAPI_FAKE_SERVER_H
#define ONYX_TESTS_UNIT_COMMON_XAPI_FAKE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct fake_connection;
struct fake_server;

struct fake_request {
    char verb[8];
    char path[2048];  /* with its query */
    char rpc[96];     /* method of a JSON-RPC request, "" for others */
    const char *body; /* "" without */
    unsigned number;  /* of this request at the server, from 1 */
};

/* Answers; after it the connection is closed unless fake_keep was called. */
typedef void fake_handler(void *context, struct fake_connection *connection,
                          const struct fake_request *request);

enum fake_kind { FAKE_SOCKET, FAKE_TCP, FAKE_TLS };

struct fake_server *fake_start(enum fake_kind kind, fake_handler *handler, void *context);
/* As fake_start for FAKE_TCP, at this loopback address and port (0: any). NULL when it is taken. */
struct fake_server *fake_start_at(const char *address, unsigned port, fake_handler *handler,
                                  void *context);
void fake_stop(struct fake_server *server);

/* "/tmp/...", "http://127.0.0.1:PORT", "https://127.0.0.1:PORT". */
const char *fake_address(const struct fake_server *server);
unsigned fake_port(const struct fake_server *server);
/* PEM of the TLS server's certificate, and a file with it. */
const char *fake_certificate(const struct fake_server *server);
const char *fake_certificate_file(const struct fake_server *server);
unsigned fake_requests(const struct fake_server *server);

/* Send bytes; false when the peer is gone. */
bool fake_send(struct fake_connection *connection, const void *bytes, size_t n);
bool fake_send_text(struct fake_connection *connection, const char *text);
/* A JSON answer with headers as XAPI's: the whole body, or the result alone in an answer. */
void fake_send_json(struct fake_connection *connection, const char *body);
void fake_send_result(struct fake_connection *connection, const char *result);
/* {"error": {"code":1,"message":CODE,"data":[params]}}; params is JSON text without brackets. */
void fake_send_fault(struct fake_connection *connection, const char *code, const char *params);
/* Wait until the peer closes or the server is stopped. */
void fake_hang(struct fake_connection *connection);
/* Reset the connection instead of closing it. */
void fake_reset(struct fake_connection *connection);
/* Read the next request from this connection afterwards. */
void fake_keep(struct fake_connection *connection);

#endif
