/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing JSON text: values one after another, commas and quotes put in here.
 *
 * Text that is no UTF-8 is the caller's mistake; times are given as "2026-11-22T20:27:34Z", null
 * for 0. Indented by two spaces a level.
 */
#ifndef ONYX_COORDINATOR_POLICY_JSON_TEXT_H
#define ONYX_COORDINATOR_POLICY_JSON_TEXT_H

#include <stdbool.h>
#include <stdint.h>

struct str;
struct text_list;

struct json_text {
    struct str *out;
    unsigned depth;
    bool has_member; /* of the value that is open */
};

/* key is NULL inside an array and for the outermost value. */
void json_text_begin_object(struct json_text *json, const char *key);
void json_text_end_object(struct json_text *json);
void json_text_begin_array(struct json_text *json, const char *key);
void json_text_end_array(struct json_text *json);
void json_text_add(struct json_text *json, const char *key, const char *text); /* NULL: null */
void json_text_add_number(struct json_text *json, const char *key, int64_t number);
void json_text_add_bytes(struct json_text *json, const char *key, uint64_t number);
void json_text_add_bool(struct json_text *json, const char *key, bool value);
void json_text_add_time(struct json_text *json, const char *key, int64_t wall_ms);
void json_text_add_list(struct json_text *json, const char *key, const struct text_list *list);
void json_text_end(struct json_text *json); /* the last line feed */

#endif
