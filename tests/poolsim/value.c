/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Values of arguments: what they look like and whether they fit.
 */
#include "tests/poolsim/value.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"

#include "common/base/poison.h"

static void show(struct str *out, const json_t *value, int depth)
{
    size_t i;
    const char *key;
    json_t *item;

    if (depth > VALUE_DEPTH_MAX) {
        str_add(out, "...");
        return;
    }
    switch (json_typeof(value)) {
    case JSON_INTEGER:
        str_add_format(out, "I(%lld)", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        str_add_format(out, "F(%g)", json_real_value(value));
        break;
    case JSON_STRING:
        str_add_format(out, "S(%s)", json_string_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        str_add_format(out, "B(%s)", json_is_true(value) ? "true" : "false");
        break;
    case JSON_ARRAY:
        str_add_char(out, '[');
        json_array_foreach(value, i, item)
        {
            str_add(out, i ? ";" : "");
            show(out, item, depth + 1);
        }
        str_add_char(out, ']');
        break;
    case JSON_OBJECT:
        str_add_char(out, '{');
        i = 0;
        for (void *at = json_object_iter((json_t *)(uintptr_t)value); at;
             at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
            key = json_object_iter_key(at);
            str_add_format(out, "%s%s:", i++ ? ";" : "", key);
            show(out, json_object_iter_value(at), depth + 1);
        }
        str_add_char(out, '}');
        break;
    case JSON_NULL:
        str_add_char(out, 'N');
        break;
    }
}

char *value_show(const json_t *value)
{
    struct str out = STR_INIT;

    show(&out, value, 0);
    return str_take(&out);
}

char *value_text(const json_t *value)
{
    if (json_is_string(value))
        return mem_dup(json_string_value(value));
    if (json_is_integer(value))
        return str_format("%lld", (long long)json_integer_value(value));
    if (json_is_boolean(value))
        return mem_dup(json_is_true(value) ? "true" : "false");
    if (json_is_real(value))
        return str_format("%.16g", json_real_value(value));
    return mem_dup("");
}

int64_t value_int(const json_t *value)
{
    if (json_is_string(value))
        return strtoll(json_string_value(value), NULL, 10);
    if (json_is_real(value))
        return (int64_t)json_real_value(value);
    return json_integer_value(value);
}

double value_float(const json_t *value)
{
    if (json_is_string(value))
        return strtod(json_string_value(value), NULL);
    return json_number_value(value);
}

bool value_bool(const json_t *value)
{
    return json_is_true(value);
}

static int misfit(struct failure *failure, const char *pattern, const json_t *value)
{
    CLEAN_CHAR char *shown = value_show(value);
    CLEAN_STR struct str escaped = STR_INIT;
    CLEAN_CHAR char *text = NULL;

    /* The text is an OCaml string literal inside Failure("..."). */
    for (const char *c = shown; *c; c++)
        if (*c == '"' || *c == '\\')
            str_add_format(&escaped, "\\%c", *c);
        else if (*c == '\n')
            str_add(&escaped, "\\n");
        else
            str_add_char(&escaped, *c);
    text = str_format("Failure(\"%s '%s'\")", pattern, str_text(&escaped));
    return failure_set(failure, "INTERNAL_ERROR", text, NULL);
}

static int check_int(const json_t *value, struct failure *failure)
{
    int64_t number;

    if (json_is_integer(value))
        return 0;
    if (json_is_string(value)) {
        if (num_parse(json_string_value(value), INT64_MIN, INT64_MAX, &number, NULL) == 0)
            return 0;
        return failure_set(failure, "INTERNAL_ERROR", "Failure(\"Int64.of_string\")", NULL);
    }
    return misfit(failure, "Expected int64, got", value);
}

static int check_date(const json_t *value, struct failure *failure)
{
    struct error err = ERROR_INIT;
    CLEAN_CHAR char *text = NULL;
    int64_t at;

    if (!json_is_string(value))
        return misfit(failure, "Expected datetime, got", value);
    if (clock_parse_utc(json_string_value(value), &at, &err) == 0)
        return 0;
    text = str_format("Invalid argument: Clock__Date.of_iso8601: %s", json_string_value(value));
    return failure_set(failure, "INTERNAL_ERROR", text, NULL);
}

static int check_scalar(const json_t *value, enum kind kind, const char *of,
                        struct failure *failure)
{
    switch (kind) {
    case KIND_TEXT:
    case KIND_REF:
        return json_is_string(value) ? 0 : misfit(failure, "Expected string, got", value);
    case KIND_ENUM:
        if (!json_is_string(value))
            return misfit(failure, "Expected string, got", value);
        return schema_enum_has(of, json_string_value(value))
                   ? 0
                   : failure_set(failure, "INTERNAL_ERROR", "Failure(\"Unknown tag/contents\")",
                                 NULL);
    case KIND_INT:
        return check_int(value, failure);
    case KIND_BOOL:
        return json_is_boolean(value) ? 0 : misfit(failure, "Expected bool, got", value);
    case KIND_FLOAT:
        return json_is_number(value) ? 0 : misfit(failure, "Expected float, got", value);
    case KIND_DATE:
        return check_date(value, failure);
    default:
        return 0;
    }
}

/* Records are checked field by field where they are used: which are required differs by class. */
int value_check(const json_t *value, const struct type *type, struct failure *failure)
{
    size_t i;
    json_t *item;

    if (type->kind == KIND_SET) {
        if (!json_is_array(value))
            return misfit(failure, "Expecting Rpc.Enum, but found", value);
        json_array_foreach(value, i,
                           item) if (check_scalar(item, type->item, type->of, failure)) return -1;
        return 0;
    }
    if (type->kind == KIND_MAP || type->kind == KIND_RECORD) {
        if (!json_is_object(value))
            return misfit(failure, "Expecting Rpc.Dict, but found", value);
        for (void *at = json_object_iter((json_t *)(uintptr_t)value); at && type->kind == KIND_MAP;
             at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
            if (type->key == KIND_ENUM && !schema_enum_has(type->of, json_object_iter_key(at)))
                return failure_set(failure, "INTERNAL_ERROR", "Failure(\"Unknown tag/contents\")",
                                   NULL);
            if (check_scalar(json_object_iter_value(at), type->item,
                             type->item == KIND_ENUM ? type->of : "", failure))
                return -1;
        }
        return 0;
    }
    return check_scalar(value, type->kind, type->of, failure);
}

int value_check_record(const json_t *record, enum class_id class, struct failure *failure)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)record, name, value)
    {
        enum field_id field;
        if (schema_find_field(class, name, &field) &&
            value_check(value, &schema_field(field)->type, failure))
            return -1;
    }
    return 0;
}
