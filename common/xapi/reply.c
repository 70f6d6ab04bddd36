/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Repairing first, parsing with jansson second. The repair runs over the text once without
 * writing; only a text that needs it is copied.
 */
#include "common/xapi/reply.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/xapi/fault.h"

#include "common/base/poison.h"

#define REPLY_NUMBER_MAX 64 /* bytes of a number we look at; a longer one becomes null */
#define REPLY_INT_SAFE   18 /* digits that surely fit 64 bits */
#define REPLY_EXCERPT    80
#define REPLACEMENT      "\xef\xbf\xbd" /* U+FFFD */

void reply_json_free(json_t **json)
{
    int kept = errno;

    json_decref(*json);
    errno = kept;
}

/* NUL is of no set. */
static bool byte_is_of(char byte, const char *set)
{
    return byte && strchr(set, byte);
}

/* --- repair -------------------------------------------------------------------------------- */

struct filter {
    const char *p;
    const char *end;
    const char *kept; /* from here on nothing was copied yet */
    struct str *out;  /* NULL: only look */
    size_t depth;
    bool is_dirty;
};

static void filter_replace(struct filter *filter, const char *from, const char *to,
                           const char *text)
{
    filter->is_dirty = true;
    if (filter->out) {
        str_add_n(filter->out, filter->kept, (size_t)(from - filter->kept));
        str_add(filter->out, text);
    }
    filter->kept = to;
    filter->p = to;
}

/* Value of \uXXXX at p, or -1. */
static int escape_value(const char *p, const char *end)
{
    int value = 0;

    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static void filter_escape(struct filter *filter)
{
    const char *p = filter->p;
    int value = escape_value(p, filter->end);

    if (value >= 0xd800 && value <= 0xdbff) {
        int low = escape_value(p + 6, filter->end);

        if (low >= 0xdc00 && low <= 0xdfff)
            filter->p += 12;
        else
            filter_replace(filter, p, p + 6, REPLACEMENT);
    } else if (!value || (value >= 0xdc00 && value <= 0xdfff)) {
        filter_replace(filter, p, p + 6, REPLACEMENT);
    } else if (value > 0) {
        filter->p += 6;
    } else if (filter->end - p >= 2 && p[1] && strchr("\"\\/bfnrt", p[1])) {
        filter->p += 2;
    } else {
        filter_replace(filter, p, p + 1, "\\\\");
    }
}

/* Inside of a text, behind its quote; ends behind the closing one. */
static void filter_string(struct filter *filter)
{
    while (filter->p < filter->end) {
        unsigned char c = (unsigned char)*filter->p;
        unsigned ignored;

        if (c == '"') {
            filter->p++;
            return;
        }
        if (c == '\\') {
            filter_escape(filter);
        } else if (c < 0x20) {
            filter_replace(filter, filter->p, filter->p + 1, REPLACEMENT);
        } else if (c < 0x80) {
            filter->p++;
        } else {
            size_t n = str_utf8_next(filter->p, (size_t)(filter->end - filter->p), &ignored);

            if (n)
                filter->p += n;
            else
                filter_replace(filter, filter->p, filter->p + 1, REPLACEMENT);
        }
    }
}

static bool number_is_json(const char *text)
{
    const char *p = text + (*text == '-');
    size_t n = strspn(p, "0123456789");

    if (!n || (*p == '0' && n > 1))
        return false;
    p += n;
    if (*p == '.') {
        n = strspn(++p, "0123456789");
        if (!n)
            return false;
        p += n;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        n = strspn(p, "0123456789");
        if (!n)
            return false;
        p += n;
    }
    return !*p;
}

/* A number, or a word that JSON does not know, as XAPI's float printer makes them. */
static void filter_word(struct filter *filter)
{
    char text[REPLY_NUMBER_MAX];
    char clean[REPLY_NUMBER_MAX];
    const char *from = filter->p;
    const char *to = from;

    while (to < filter->end && !byte_is_of(*to, " \t\r\n,:]}\"[{"))
        to++;
    size_t n = (size_t)(to - from);

    if (!n || n >= sizeof text) {
        filter_replace(filter, from, n ? to : to + 1, "null");
        return;
    }
    memcpy(text, from, n);
    text[n] = '\0';
    bool is_plain = strspn(text, "-0123456789") == n && n <= REPLY_INT_SAFE;

    filter->p = to;
    if (!strcmp(text, "true") || !strcmp(text, "false") || !strcmp(text, "null") ||
        (is_plain && number_is_json(text)))
        return;
    char *rest;

    errno = 0;
    bool is_int = strspn(text, "-0123456789") == n;
    long long whole = strtoll(text, &rest, 10);

    if (is_int && !*rest && !errno && number_is_json(text))
        return;
    double value = strtod(text, &rest);

    (void)whole;
    if (*rest || !isfinite(value)) {
        filter_replace(filter, from, to, "null");
    } else if (is_int || !number_is_json(text)) {
        snprintf(clean, sizeof clean, "%.17e", value);
        filter_replace(filter, from, to, clean);
    }
}

static int filter_run(struct filter *filter, struct error *err)
{
    while (filter->p < filter->end && (filter->out || !filter->is_dirty)) {
        char c = *filter->p;

        if (c == '"') {
            filter->p++;
            filter_string(filter);
        } else if (c == '{' || c == '[') {
            if (++filter->depth > REPLY_DEPTH_MAX)
                return error_set(err, ERROR_LIMIT, "an answer nested deeper than %d",
                                 REPLY_DEPTH_MAX);
            filter->p++;
        } else if (c == '}' || c == ']') {
            filter->depth -= filter->depth > 0;
            filter->p++;
        } else if (c == ',' || c == ':' || c == ' ' || c == '\n' || c == '\r' || c == '\t') {
            filter->p++;
        } else {
            filter_word(filter);
        }
    }
    return 0;
}

int reply_filter(struct str *text, struct error *err)
{
    struct filter look = {.p = str_text(text), .kept = text->data};

    if (text->len > REPLY_MAX)
        return error_set(err, ERROR_LIMIT, "an answer of more than %zu MiB", REPLY_MAX >> 20);
    look.kept = look.p;
    look.end = look.p + text->len;
    if (filter_run(&look, err))
        return -1;
    if (!look.is_dirty)
        return 0;
    struct str clean = STR_INIT;
    struct filter repair = {.p = str_text(text), .kept = str_text(text), .out = &clean};

    repair.end = repair.p + text->len;
    if (filter_run(&repair, err)) {
        str_done(&clean);
        return -1;
    }
    str_add_n(&clean, repair.kept, (size_t)(repair.end - repair.kept));
    str_done(text);
    *text = clean;
    return 0;
}

/* --- answers ------------------------------------------------------------------------------- */

static int reply_refuse(const struct str *text, const char *why, struct error *err)
{
    char excerpt[REPLY_EXCERPT];

    (void)str_copy(excerpt, sizeof excerpt, str_text(text));
    return error_set(err, ERROR_PROTOCOL, "the answer is no JSON-RPC (%s): \"%s%s\"", why, excerpt,
                     text->len >= sizeof excerpt ? "..." : "");
}

static json_t *reply_load(const char *text, size_t n, json_error_t *error)
{
    return json_loadb(text, n, JSON_DECODE_ANY, error);
}

/* One parameter of a fault as text; XAPI sends texts, a simulator or proxy perhaps not. */
static void fault_add_item(const json_t *item, struct text_list *items)
{
    if (json_is_string(item)) {
        text_list_add(items, json_string_value(item));
    } else {
        char *text = json_dumps(item, JSON_ENCODE_ANY | JSON_COMPACT);

        text_list_add(items, text ? text : "");
        free(text);
    }
}

/* {"code", "message": CODE, "data": [..]} or [CODE, ..]. */
static void fault_collect(const json_t *fault, struct text_list *items)
{
    const json_t *params = fault;
    const json_t *item;
    size_t i;

    if (json_is_object(fault)) {
        const json_t *message = json_object_get(fault, "message");

        if (message)
            fault_add_item(message, items);
        params = json_object_get(fault, "data");
    }
    if (json_is_array(params))
        json_array_foreach(params, i, item) fault_add_item(item, items);
    else if (params && !json_is_null(params))
        fault_add_item(params, items);
    if (!items->n)
        text_list_add(items, "");
}

int reply_parse_fault(struct str *text, json_t **ret_result, struct text_list *ret_fault,
                      struct error *err)
{
    CLEAN_JSON json_t *answer = NULL;
    json_error_t error;

    if (reply_filter(text, err))
        return -1;
    answer = reply_load(str_text(text), text->len, &error);
    if (!answer)
        return reply_refuse(text, error.text, err);
    const json_t *fault = json_object_get(answer, "error");
    json_t *result = json_object_get(answer, "result");

    if (fault && !json_is_null(fault)) {
        fault_collect(fault, ret_fault);
        return 1;
    }
    if (!result)
        return reply_refuse(text, "neither result nor error", err);
    *ret_result = json_incref(result);
    return 0;
}

int reply_parse(struct str *text, json_t **ret_result, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list fault = TEXT_LIST_INIT;
    int found = reply_parse_fault(text, ret_result, &fault, err);

    return found == 1 ? fault_set(err, &fault) : found;
}

/* --- records one by one -------------------------------------------------------------------- */

/* A place in repaired text: every text in it ends, and brackets are not deeper than the limit. */
struct cursor {
    const char *p;
    const char *end;
};

static char cursor_next(struct cursor *cursor)
{
    while (cursor->p < cursor->end && byte_is_of(*cursor->p, " \t\r\n"))
        cursor->p++;
    return cursor->p < cursor->end ? *cursor->p : '\0';
}

static bool cursor_take(struct cursor *cursor, char c)
{
    if (cursor_next(cursor) != c)
        return false;
    cursor->p++;
    return true;
}

static bool cursor_skip_string(struct cursor *cursor)
{
    if (!cursor_take(cursor, '"'))
        return false;
    while (cursor->p < cursor->end && *cursor->p != '"')
        cursor->p += *cursor->p == '\\' ? 2 : 1;
    if (cursor->p >= cursor->end)
        return false;
    cursor->p++;
    return true;
}

/* One value of any kind; what is inside of it is jansson's to check. */
static bool cursor_skip_value(struct cursor *cursor)
{
    size_t depth = 0;

    do {
        char c = cursor_next(cursor);

        if (c == '"') {
            if (!cursor_skip_string(cursor))
                return false;
        } else if (c == '{' || c == '[') {
            depth++;
            cursor->p++;
        } else if (c == '}' || c == ']') {
            if (!depth)
                return false;
            depth--;
            cursor->p++;
        } else if (c == ',' || c == ':') {
            if (!depth)
                return false;
            cursor->p++;
        } else {
            size_t n = strcspn(cursor->p, "\",:]}[{ \t\r\n");

            if (!n)
                return false;
            cursor->p += n;
        }
    } while (depth);
    return true;
}

/* The next "name": value of an object; 1, 0 at its end, -1 when it is none. The value is only
 * skipped: from..cursor->p. */
static int cursor_member(struct cursor *cursor, bool is_first, char **ret_name,
                         const char **ret_from)
{
    const char *from;

    if (cursor_take(cursor, '}'))
        return 0;
    if (!is_first && !cursor_take(cursor, ','))
        return -1;
    cursor_next(cursor);
    from = cursor->p;
    if (!cursor_skip_string(cursor))
        return -1;
    CLEAN_JSON json_t *name = reply_load(from, (size_t)(cursor->p - from), NULL);

    if (!json_is_string(name) || !cursor_take(cursor, ':'))
        return -1;
    cursor_next(cursor);
    *ret_from = cursor->p;
    if (!cursor_skip_value(cursor))
        return -1;
    *ret_name = mem_dup(json_string_value(name));
    return 1;
}

static int records_walk(struct cursor *cursor, reply_record_fn *each, void *context,
                        const struct str *text, struct error *err)
{
    if (!cursor_take(cursor, '{'))
        return reply_refuse(text, "the result is no map of records", err);
    for (bool is_first = true;; is_first = false) {
        CLEAN_CHAR char *ref = NULL;
        CLEAN_JSON json_t *record = NULL;
        const char *from;
        json_error_t error;
        int found = cursor_member(cursor, is_first, &ref, &from);

        if (found < 0)
            return reply_refuse(text, "a damaged map of records", err);
        if (!found)
            return 0;
        record = reply_load(from, (size_t)(cursor->p - from), &error);
        if (!record)
            return reply_refuse(text, error.text, err);
        if (each(context, ref, record, err))
            return -1;
    }
}

static int fault_from_slice(const char *from, const char *to, const struct str *text,
                            struct error *err)
{
    CLEAN_TEXT_LIST struct text_list items = TEXT_LIST_INIT;
    json_error_t error;
    CLEAN_JSON json_t *fault = reply_load(from, (size_t)(to - from), &error);

    if (!fault)
        return reply_refuse(text, error.text, err);
    if (json_is_null(fault))
        return 0;
    fault_collect(fault, &items);
    return fault_set(err, &items);
}

int reply_each_record(struct str *text, reply_record_fn *each, void *context, struct error *err)
{
    struct cursor result = {NULL, NULL};

    if (reply_filter(text, err))
        return -1;
    struct cursor cursor = {str_text(text), str_text(text) + text->len};

    if (!cursor_take(&cursor, '{'))
        return reply_refuse(text, "no object", err);
    /* The error, if any, is looked for first: it may stand behind the result. */
    for (bool is_first = true;; is_first = false) {
        CLEAN_CHAR char *name = NULL;
        const char *from;
        int found = cursor_member(&cursor, is_first, &name, &from);

        if (found < 0)
            return reply_refuse(text, "damaged or cut", err);
        if (!found)
            break;
        if (!strcmp(name, "error") && fault_from_slice(from, cursor.p, text, err))
            return -1;
        if (!strcmp(name, "result"))
            result = (struct cursor){from, cursor.p};
    }
    if (!result.p)
        return reply_refuse(text, "neither result nor error", err);
    return records_walk(&result, each, context, text, err);
}

/* --- members ------------------------------------------------------------------------------- */

const char *reply_text(const json_t *object, const char *name, const char *otherwise)
{
    const json_t *member = json_object_get(object, name);

    return json_is_string(member) ? json_string_value(member) : otherwise;
}

bool reply_bool(const json_t *object, const char *name, bool otherwise)
{
    const json_t *member = json_object_get(object, name);

    if (json_is_boolean(member))
        return json_is_true(member);
    if (json_is_string(member) && !strcmp(json_string_value(member), "true"))
        return true;
    if (json_is_string(member) && !strcmp(json_string_value(member), "false"))
        return false;
    return otherwise;
}

uint64_t reply_u64(const json_t *object, const char *name, uint64_t otherwise)
{
    const json_t *member = json_object_get(object, name);
    int64_t value;

    if (json_is_integer(member))
        return json_integer_value(member) < 0 ? 0 : (uint64_t)json_integer_value(member);
    if (json_is_real(member) && json_real_value(member) >= 0 && json_real_value(member) < 0x1p63)
        return (uint64_t)json_real_value(member);
    if (json_is_string(member) &&
        !num_parse(json_string_value(member), INT64_MIN, INT64_MAX, &value, NULL))
        return value < 0 ? 0 : (uint64_t)value;
    return otherwise;
}

double reply_real(const json_t *object, const char *name, double otherwise)
{
    const json_t *member = json_object_get(object, name);

    return json_is_number(member) ? json_number_value(member) : otherwise;
}

const char *reply_ref(const json_t *object, const char *name)
{
    const char *ref = reply_text(object, name, NULL);

    return !ref || !*ref || !strcmp(ref, "OpaqueRef:NULL") ? NULL : ref;
}
