/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Result values written as JSON or as XML-RPC text, byte for byte as XAPI's encoders write them.
 *
 * A value is written in order: answer_begin_map, answer_key, a value, ..., answer_end_map. Integers
 * are numbers in JSON and untyped text in XML; dates are strings in JSON.
 * Source: ocaml-rpc jsonrpc.ml, xmlrpc.ml (contract 1.3, 1.4); recordings 213-215.
 */
#ifndef ONYX_TESTS_POOLSIM_ANSWER_H
#define ONYX_TESTS_POOLSIM_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/base/text_map.h"
#include "tests/poolsim/store.h"

enum encoding { ENCODING_JSON, ENCODING_XML };

#define ANSWER_DEPTH_MAX 16

struct answer {
    enum encoding encoding;
    struct str text;
    int depth;
    bool is_map[ANSWER_DEPTH_MAX];
    bool needs_comma;
    bool is_set; /* a value was written */
};

#define CLEAN_ANSWER CLEANUP(answer_done)
void answer_init(struct answer *answer, enum encoding encoding);
void answer_done(struct answer *answer);

void answer_text(struct answer *answer, const char *text);
void answer_int(struct answer *answer, int64_t number);
void answer_int32(struct answer *answer, int64_t number); /* <i4> in XML */
void answer_bool(struct answer *answer, bool is_true);
void answer_float(struct answer *answer, double real);
void answer_date(struct answer *answer, const char *text);
void answer_void(struct answer *answer); /* "" */
void answer_begin_set(struct answer *answer);
void answer_end_set(struct answer *answer);
void answer_begin_map(struct answer *answer);
void answer_end_map(struct answer *answer);
void answer_key(struct answer *answer, const char *key);
void answer_texts(struct answer *answer, const struct text_list *list);
void answer_map(struct answer *answer, const struct text_map *map);

/* Escaped inside of a JSON string or of an XML text. */
void answer_escape_json(struct str *out, const char *text);
void answer_escape_xml(struct str *out, const char *text);

/* The object's record, or one field, as its profile shows it. Lock held. */
void answer_record(struct answer *answer, struct pool *pool, const struct object *object);
void answer_field(struct answer *answer, struct pool *pool, const struct object *object,
                  enum field_id field);

/* Whether the profile has the field. */
bool answer_shows_field(const struct pool *pool, const struct field *field);

#endif
