/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The only state is the depth and whether the open value has a member already.
 */
#include "coordinator/policy/json_text.h"

#include <inttypes.h>
#include <stddef.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/base/text_list.h"

#include "common/base/poison.h"

static void new_line(struct json_text *json)
{
    str_add_char(json->out, '\n');
    for (unsigned i = 0; i < json->depth; i++)
        str_add(json->out, "  ");
}

static void begin_member(struct json_text *json, const char *key)
{
    if (json->has_member)
        str_add_char(json->out, ',');
    if (json->depth > 0)
        new_line(json);
    json->has_member = true;
    if (key) {
        str_add_char(json->out, '"');
        str_add_json(json->out, key);
        str_add(json->out, "\": ");
    }
}

static void begin(struct json_text *json, const char *key, char bracket)
{
    begin_member(json, key);
    str_add_char(json->out, bracket);
    json->depth++;
    json->has_member = false;
}

static void end(struct json_text *json, char bracket)
{
    json->depth--;
    if (json->has_member)
        new_line(json);
    str_add_char(json->out, bracket);
    json->has_member = true;
}

void json_text_begin_object(struct json_text *json, const char *key)
{
    begin(json, key, '{');
}

void json_text_end_object(struct json_text *json)
{
    end(json, '}');
}

void json_text_begin_array(struct json_text *json, const char *key)
{
    begin(json, key, '[');
}

void json_text_end_array(struct json_text *json)
{
    end(json, ']');
}

void json_text_add(struct json_text *json, const char *key, const char *text)
{
    begin_member(json, key);
    if (!text) {
        str_add(json->out, "null");
        return;
    }
    str_add_char(json->out, '"');
    str_add_json(json->out, text);
    str_add_char(json->out, '"');
}

void json_text_add_number(struct json_text *json, const char *key, int64_t number)
{
    begin_member(json, key);
    str_add_format(json->out, "%" PRId64, number);
}

void json_text_add_bytes(struct json_text *json, const char *key, uint64_t number)
{
    begin_member(json, key);
    str_add_format(json->out, "%" PRIu64, number);
}

void json_text_add_bool(struct json_text *json, const char *key, bool value)
{
    begin_member(json, key);
    str_add(json->out, value ? "true" : "false");
}

void json_text_add_time(struct json_text *json, const char *key, int64_t wall_ms)
{
    char text[CLOCK_ISO_MAX];
    json_text_add(json, key, wall_ms ? clock_format_utc(wall_ms, text) : NULL);
}

void json_text_add_list(struct json_text *json, const char *key, const struct text_list *list)
{
    json_text_begin_array(json, key);
    for (size_t i = 0; i < list->n; i++)
        json_text_add(json, NULL, list->items[i]);
    json_text_end_array(json);
}

void json_text_end(struct json_text *json)
{
    str_add_char(json->out, '\n');
}
