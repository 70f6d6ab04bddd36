/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The two encoders and the walk over a record's fields.
 */
#include "tests/poolsim/answer.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/poolsim/operations.h"

#include "common/base/poison.h"

void answer_init(struct answer *answer, enum encoding encoding)
{
    *answer = (struct answer){.encoding = encoding, .text = STR_INIT};
}

void answer_done(struct answer *answer)
{
    str_done(&answer->text);
}

void answer_escape_json(struct str *out, const char *text)
{
    static const char shorts[] = {[8] = 'b', [9] = 't', [10] = 'n', [12] = 'f', [13] = 'r'};
    const char *from = text;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        str_add_n(out, from, (size_t)(text - from));
        from = text + 1;
        if (c == '"' || c == '\\')
            str_add_format(out, "\\%c", c);
        else if (c < sizeof shorts && shorts[c])
            str_add_format(out, "\\%c", shorts[c]);
        else
            str_add_format(out, "\\u%04x", c);
    }
    str_add_n(out, from, (size_t)(text - from));
}

void answer_escape_xml(struct str *out, const char *text)
{
    const char *from = text;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        const char *entity = c == '<'   ? "&lt;"
                             : c == '>' ? "&gt;"
                             : c == '&' ? "&amp;"
                             : c == '"' ? "&quot;"
                                        : NULL;
        bool is_control = c < 0x20 && c != '\t' && c != '\n' && c != '\r';
        if (!entity && !is_control)
            continue;
        str_add_n(out, from, (size_t)(text - from));
        from = text + 1;
        if (entity)
            str_add(out, entity);
    }
    str_add_n(out, from, (size_t)(text - from));
}

static void value_begin(struct answer *answer)
{
    answer->is_set = true;
    if (answer->encoding == ENCODING_XML)
        str_add(&answer->text, "<value>");
    else if (answer->needs_comma)
        str_add_char(&answer->text, ',');
}

static void value_end(struct answer *answer)
{
    if (answer->encoding == ENCODING_XML) {
        str_add(&answer->text, "</value>");
        if (answer->depth && answer->is_map[answer->depth - 1])
            str_add(&answer->text, "</member>");
    }
    answer->needs_comma = true;
}

void answer_text(struct answer *answer, const char *text)
{
    value_begin(answer);
    if (answer->encoding == ENCODING_XML) {
        answer_escape_xml(&answer->text, text);
    } else {
        str_add_char(&answer->text, '"');
        answer_escape_json(&answer->text, text);
        str_add_char(&answer->text, '"');
    }
    value_end(answer);
}

void answer_int(struct answer *answer, int64_t number)
{
    value_begin(answer);
    str_add_format(&answer->text, "%lld", (long long)number);
    value_end(answer);
}

void answer_int32(struct answer *answer, int64_t number)
{
    value_begin(answer);
    str_add_format(&answer->text, answer->encoding == ENCODING_XML ? "<i4>%lld</i4>" : "%lld",
                   (long long)number);
    value_end(answer);
}

void answer_bool(struct answer *answer, bool is_true)
{
    value_begin(answer);
    if (answer->encoding == ENCODING_XML)
        str_add_format(&answer->text, "<boolean>%d</boolean>", is_true ? 1 : 0);
    else
        str_add(&answer->text, is_true ? "true" : "false");
    value_end(answer);
}

/* %.16g where it reads back as the same number, else %.17g; JSON shows that it is a float. */
void answer_float(struct answer *answer, double real)
{
    char *text = str_format("%.16g", real);

    value_begin(answer);
    if (answer->encoding == ENCODING_XML) {
        str_add_format(&answer->text, "<double>%s</double>", text);
    } else {
        double again = strtod(text, NULL);
        if (again < real || again > real) {
            free(text);
            text = str_format("%.17g", real);
        }
        str_add(&answer->text, text);
        if (!strpbrk(text, ".en"))
            str_add(&answer->text, ".0");
    }
    free(text);
    value_end(answer);
}

void answer_date(struct answer *answer, const char *text)
{
    if (answer->encoding == ENCODING_JSON) {
        answer_text(answer, text);
        return;
    }
    value_begin(answer);
    str_add_format(&answer->text, "<dateTime.iso8601>%s</dateTime.iso8601>", text);
    value_end(answer);
}

void answer_void(struct answer *answer)
{
    answer_text(answer, "");
}

static void nest(struct answer *answer, bool is_map)
{
    assert(answer->depth < ANSWER_DEPTH_MAX);
    answer->is_map[answer->depth++] = is_map;
    answer->needs_comma = false;
}

void answer_begin_set(struct answer *answer)
{
    value_begin(answer);
    str_add(&answer->text, answer->encoding == ENCODING_XML ? "<array><data>" : "[");
    nest(answer, false);
}

void answer_end_set(struct answer *answer)
{
    answer->depth--;
    str_add(&answer->text, answer->encoding == ENCODING_XML ? "</data></array>" : "]");
    value_end(answer);
}

void answer_begin_map(struct answer *answer)
{
    value_begin(answer);
    str_add(&answer->text, answer->encoding == ENCODING_XML ? "<struct>" : "{");
    nest(answer, true);
}

void answer_end_map(struct answer *answer)
{
    answer->depth--;
    str_add(&answer->text, answer->encoding == ENCODING_XML ? "</struct>" : "}");
    value_end(answer);
}

/* Names are not escaped in XML: XAPI's encoder does not either. */
void answer_key(struct answer *answer, const char *key)
{
    if (answer->encoding == ENCODING_XML) {
        str_add_format(&answer->text, "<member><name>%s</name>", key);
        return;
    }
    if (answer->needs_comma)
        str_add_char(&answer->text, ',');
    str_add_char(&answer->text, '"');
    answer_escape_json(&answer->text, key);
    str_add(&answer->text, "\":");
    answer->needs_comma = false;
}

void answer_texts(struct answer *answer, const struct text_list *list)
{
    answer_begin_set(answer);
    for (size_t i = 0; i < list->n; i++)
        answer_text(answer, list->items[i]);
    answer_end_set(answer);
}

void answer_map(struct answer *answer, const struct text_map *map)
{
    answer_begin_map(answer);
    for (size_t i = 0; i < map->n; i++) {
        answer_key(answer, map->pairs[i].key);
        answer_text(answer, map->pairs[i].value);
    }
    answer_end_map(answer);
}

static void answer_item(struct answer *answer, enum kind kind, const char *text)
{
    if (kind == KIND_INT)
        answer_int(answer, strtoll(text, NULL, 10));
    else if (kind == KIND_FLOAT)
        answer_float(answer, strtod(text, NULL));
    else if (kind == KIND_BOOL)
        answer_bool(answer, strcmp(text, "true") == 0);
    else if (kind == KIND_DATE)
        answer_date(answer, text);
    else
        answer_text(answer, text);
}

static void answer_typed_set(struct answer *answer, enum kind item, const struct text_list *list)
{
    answer_begin_set(answer);
    for (size_t i = 0; i < list->n; i++)
        answer_item(answer, item, list->items[i]);
    answer_end_set(answer);
}

static void answer_typed_map(struct answer *answer, enum kind item, const struct text_map *map)
{
    answer_begin_map(answer);
    for (size_t i = 0; i < map->n; i++) {
        answer_key(answer, map->pairs[i].key);
        answer_item(answer, item, map->pairs[i].value);
    }
    answer_end_map(answer);
}

void answer_field(struct answer *answer, struct pool *pool, const struct object *object,
                  enum field_id field)
{
    const struct field *row = schema_field(field);

    switch (row->type.kind) {
    case KIND_INT:
        answer_int(answer, object_int(object, field));
        break;
    case KIND_BOOL:
        answer_bool(answer, object_bool(object, field));
        break;
    case KIND_FLOAT:
        answer_float(answer, object_float(object, field));
        break;
    case KIND_DATE:
        answer_date(answer, object_text(object, field));
        break;
    case KIND_SET:
        if (strcmp(row->name, "allowed_operations") == 0) {
            CLEAN_TEXT_LIST struct text_list allowed = TEXT_LIST_INIT;
            operations_allowed(pool, object, &allowed);
            answer_texts(answer, &allowed);
        } else {
            answer_typed_set(answer, row->type.item, object_set(object, field));
        }
        break;
    case KIND_MAP:
        answer_typed_map(answer, row->type.item, object_map(object, field));
        break;
    default:
        answer_text(answer, object_text(object, field));
        break;
    }
}

bool answer_shows_field(const struct pool *pool, const struct field *field)
{
    return !field->is_hidden && field->since <= pool->profile->since_max;
}

void answer_record(struct answer *answer, struct pool *pool, const struct object *object)
{
    enum class_id class = object_class(object);
    const struct class_schema *schema = schema_class(class);

    answer_begin_map(answer);
    for (int i = 0; i < schema->fields_n; i++) {
        if (!answer_shows_field(pool, &schema->fields[i]))
            continue;
        answer_key(answer, schema->fields[i].name);
        answer_field(answer, pool, object, (enum field_id)((int)class * 256 + i));
    }
    answer_end_map(answer);
}

static void format_record(struct pool *pool, const struct object *object, struct str *out,
                          enum encoding encoding)
{
    CLEAN_ANSWER struct answer answer;

    answer_init(&answer, encoding);
    answer_record(&answer, pool, object);
    str_add_n(out, str_text(&answer.text), answer.text.len);
}

void object_format_xml(struct pool *pool, const struct object *object, struct str *out)
{
    format_record(pool, object, out, ENCODING_XML);
}

void object_format_json(struct pool *pool, const struct object *object, struct str *out)
{
    format_record(pool, object, out, ENCODING_JSON);
}
