/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Arguments of calls: XML-RPC calls read into the same JSON values as JSON-RPC calls, checked
 * against the types of the data model, and shown as XAPI shows them in its error texts.
 *
 * Source: ocaml-rpc rpc.ml to_string, xmlrpc.ml; recordings 019, 020, 067, 206, 210, 1247, 1261.
 */
#ifndef ONYX_TESTS_POOLSIM_VALUE_H
#define ONYX_TESTS_POOLSIM_VALUE_H

#include <jansson.h>

#include "tests/poolsim/failure.h"
#include "tests/poolsim/schema.h"

#define VALUE_DEPTH_MAX 64

/* <methodCall>: *ret_method is the caller's, *ret_params a new array. -1: error is the text of the
 * page that XAPI answers with ("Xmlm.Error(1:1, ...)"), the caller's. */
int value_parse_xml_call(const char *bytes, size_t n, char **ret_method, json_t **ret_params,
                         char **ret_error);

/* "I(42)", "{a:S(b)}". Caller frees. */
char *value_show(const json_t *value);

/* Whether the value fits the type; what XAPI answers if not. */
int value_check(const json_t *value, const struct type *type, struct failure *failure);

/* Whether every known field of a record that is given fits; unknown ones are let be, as XAPI does.
 */
int value_check_record(const json_t *record, enum class_id class, struct failure *failure);

/* The value as text: strings as they are, numbers in decimal, "true"/"false". Caller frees. */
char *value_text(const json_t *value);
int64_t value_int(const json_t *value); /* number or text of digits, checked before */
double value_float(const json_t *value);
bool value_bool(const json_t *value);

#endif
