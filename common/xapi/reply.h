/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text of a JSON-RPC answer made into values, whatever XAPI puts into it.
 *
 * XAPI copies guest and user text into its answers and prints floats as OCaml does, so NaN,
 * Infinity, control bytes, bytes that are no UTF-8, \u0000 and lone surrogates turn up in what is
 * otherwise JSON. They are made harmless first: null for numbers, U+FFFD inside texts. The records
 * of a class are given one at a time: a tree of all of them would be several times their text.
 */
#ifndef ONYX_COMMON_XAPI_REPLY_H
#define ONYX_COMMON_XAPI_REPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;
struct str;

#define REPLY_MAX       ((size_t)512 << 20)
#define REPLY_DEPTH_MAX 64

/* For CLEANUP: drop the reference. */
void reply_json_free(json_t **json);
#define CLEAN_JSON CLEANUP(reply_json_free)

/* Check and repair the text in place. ERROR_PROTOCOL, ERROR_LIMIT. */
int reply_filter(struct str *text, struct error *err);

/*
 * The result in a JSON-RPC answer. All shapes of errors are known: 2.0's object, 1.0's array and
 * the bare array of answers that were forwarded or refused early.
 *
 * Fails:  what fault_set makes of the error; ERROR_PROTOCOL when it is no such answer.
 * Owns:   text is changed (repaired); ret_result is a new reference.
 */
int reply_parse(struct str *text, json_t **ret_result, struct error *err);

struct text_list;
/* As reply_parse; a fault is given as its items (code, parameters) with 1. ret_fault is empty. */
int reply_parse_fault(struct str *text, json_t **ret_result, struct text_list *ret_fault,
                      struct error *err);

/* Takes one record; 0, or -1 with the error set to stop. Both are borrowed. */
typedef int reply_record_fn(void *context, const char *ref, const json_t *record,
                            struct error *err);

/* As reply_parse, for a result that maps refs to records. */
int reply_each_record(struct str *text, reply_record_fn *each, void *context, struct error *err);

/* Members as XAPI's types, tolerant: what is missing or of another type is the default. A text is
 * borrowed; numbers may come as texts and texts as numbers do not. */
const char *reply_text(const json_t *object, const char *name, const char *otherwise);
bool reply_bool(const json_t *object, const char *name, bool otherwise);
uint64_t reply_u64(const json_t *object, const char *name, uint64_t otherwise); /* < 0 is 0 */
double reply_real(const json_t *object, const char *name, double otherwise);
/* A reference; NULL for none, "OpaqueRef:NULL" and "". Borrowed. */
const char *reply_ref(const json_t *object, const char *name);

#endif
