/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One call of XAPI: method and arguments out, result or fault back.
 *
 * The arguments are an array in the words of json_pack(3) without the session: "[s, b]". When XAPI
 * has forgotten a session of our own we log in again, once. Waiting and trying again after other
 * faults is the caller's affair. Calls that can take long (snapshot, destroy) go through
 * xapi_run_async.
 */
#ifndef ONYX_COMMON_XAPI_CALL_H
#define ONYX_COMMON_XAPI_CALL_H

#include <jansson.h>
#include <stdarg.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/xapi/reply.h"
#include "common/xapi/session.h"

struct error;

/*
 * Call; format NULL is no argument. Not checked by the compiler: json_pack's letters.
 *
 * Fails:  fault.h's codes; ERROR_BAD_INPUT (an argument that is no UTF-8), http.h's codes.
 * Owns:   ret_result is a new reference (CLEAN_JSON); NULL throws the result away.
 */
int xapi_call(struct xapi *xapi, json_t **ret_result, struct error *err, const char *method,
              const char *format, ...);

/* A result that is a text (a ref, a name). ERROR_PROTOCOL when it is none. Caller frees. */
int xapi_call_text(struct xapi *xapi, char **ret_text, struct error *err, const char *method,
                   const char *format, ...);

/* Every record of C.get_all_records, one at a time, in no order. */
int xapi_call_records(struct xapi *xapi, const char *method, reply_record_fn *each, void *context,
                      struct error *err);

/* As xapi_call with an array that is consumed (NULL: none) and a time-out (0: only the idle one).
 */
int xapi_call_params(struct xapi *xapi, const char *method, json_t *params_take, int64_t timeout_ms,
                     json_t **ret_result, struct error *err);

#endif
