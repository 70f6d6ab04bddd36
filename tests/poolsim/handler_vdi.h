/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The data handlers of single disks: GET /export_raw_vdi and PUT /import_raw_vdi.
 */
#ifndef ONYX_TESTS_POOLSIM_HANDLER_VDI_H
#define ONYX_TESTS_POOLSIM_HANDLER_VDI_H

#include "tests/poolsim/failure.h"
#include "tests/poolsim/handler.h"
#include "tests/poolsim/http.h"

/* Source: export_raw_vdi.ml; contract 4.3, 7; recordings 538-564, 705-706, 723-729, 1060-1083. */
handler_fn handler_export_raw_vdi;

/* Source: import_raw_vdi.ml; contract 9.3; recordings 565-588, 704-717, 730-733, 810. */
handler_fn handler_import_raw_vdi;

enum disk_format { FORMAT_RAW, FORMAT_VHD, FORMAT_TAR, FORMAT_QCOW2, FORMAT_UNKNOWN };

/* The query's or cookie's format, raw if there is none; FORMAT_UNKNOWN also for one that the
 * release has not yet (contract 12). */
enum disk_format handler_disk_format(const struct request *request);
const char *handler_disk_format_name(enum disk_format format);

/* The VDI that a query or cookie names by reference or uuid, as its reference: 1, 0 when the
 * parameter is not there, -1 when it names none (the 500 page is written, the task failed). */
int handler_vdi_of_request(struct connection *connection, struct request *request,
                           const char *permission, char ret_ref[REF_MAX]);

/* Where it runs: 1 here; 0 a redirect or an error page is written, no task is touched. */
int handler_choose_host_of_sr(struct connection *connection, struct request *request,
                              const char *sr_ref);

/* "unknown format": task failed, bare 404 written, in HTTP/1.0. */
void handler_refuse_format(struct connection *connection, struct handler_context *context,
                           const char *format_text);

/* What a child that hangs looks like: nothing, until the client leaves or the pool ends. */
void handler_be_silent(struct connection *connection, struct pool *pool);

/* Whether the handler's task is gone, as after a restart of the toolstack: then the stream just
 * ends (recording 1920). */
bool handler_is_forgotten(const struct handler_context *context);

/* The outcome that stream_finish gave: the task fails so, or stays pending for ever when the code
 * is "PENDING". */
void handler_end_as_told(struct handler_context *context, const char *const *params);

/* Task failed so, and the page behind what was sent. */
void handler_fail_in_body(struct connection *connection, struct handler_context *context,
                          struct failure *failure);

#endif
