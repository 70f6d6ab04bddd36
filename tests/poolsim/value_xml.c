/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XML-RPC calls as values. Reads the XML that clients send: elements, entities, comments, CDATA,
 * a prologue; nothing of DTDs. Depth and size are bounded by the caller and VALUE_DEPTH_MAX.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/num.h"
#include "common/base/str.h"
#include "tests/poolsim/value.h"

#include "common/base/poison.h"

struct xml {
    const char *start;
    const char *at;
    const char *end;
    int depth;
    const char *problem; /* Xmlm's words */
};

static bool xml_fail(struct xml *xml, const char *problem)
{
    if (!xml->problem)
        xml->problem = problem;
    return false;
}

static bool xml_at(const struct xml *xml, const char *text)
{
    size_t n = strlen(text);

    return (size_t)(xml->end - xml->at) >= n && memcmp(xml->at, text, n) == 0;
}

/* White space, comments and processing instructions between elements. */
static void xml_skip(struct xml *xml)
{
    for (;;) {
        while (xml->at < xml->end && isspace((unsigned char)*xml->at))
            xml->at++;
        const char *closing = xml_at(xml, "<?")          ? "?>"
                              : xml_at(xml, "<!--")      ? "-->"
                              : xml_at(xml, "<!DOCTYPE") ? ">"
                                                         : NULL;
        if (!closing)
            return;
        const char *found = memmem(xml->at, (size_t)(xml->end - xml->at), closing, strlen(closing));
        xml->at = found ? found + strlen(closing) : xml->end;
    }
}

/* <name>; false and nothing consumed when another element stands here. *ret_empty: <name/>. */
static bool xml_open(struct xml *xml, const char *name, bool *ret_empty)
{
    size_t n = strlen(name);
    const char *at = xml->at;

    if (xml->end - at < (ptrdiff_t)n + 2 || *at != '<' || memcmp(at + 1, name, n) != 0)
        return false;
    at += n + 1;
    if (*at != '>' && *at != '/' && !isspace((unsigned char)*at))
        return false;
    while (at < xml->end && *at != '>')
        at++;
    if (at == xml->end)
        return false;
    *ret_empty = at[-1] == '/';
    xml->at = at + 1;
    return true;
}

static bool xml_close(struct xml *xml, const char *name)
{
    size_t n = strlen(name);

    if (!xml_at(xml, "</") || (size_t)(xml->end - xml->at) < n + 3 ||
        memcmp(xml->at + 2, name, n) != 0)
        return xml_fail(xml, xml->at >= xml->end ? "unexpected end of input" : "expected end tag");
    xml->at += n + 2;
    while (xml->at < xml->end && isspace((unsigned char)*xml->at))
        xml->at++;
    if (xml->at >= xml->end || *xml->at != '>')
        return xml_fail(xml, "unexpected end of input");
    xml->at++;
    return true;
}

static void add_code_point(struct str *out, unsigned long code)
{
    char bytes[4];
    size_t n = 0;

    if (code < 0x80) {
        bytes[n++] = (char)code;
    } else if (code < 0x800) {
        bytes[n++] = (char)(0xc0 | code >> 6);
        bytes[n++] = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        bytes[n++] = (char)(0xe0 | code >> 12);
        bytes[n++] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[n++] = (char)(0x80 | (code & 0x3f));
    } else {
        bytes[n++] = (char)(0xf0 | code >> 18);
        bytes[n++] = (char)(0x80 | (code >> 12 & 0x3f));
        bytes[n++] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[n++] = (char)(0x80 | (code & 0x3f));
    }
    str_add_n(out, bytes, n);
}

static bool xml_entity(struct xml *xml, struct str *out)
{
    static const struct {
        const char *name;
        char c;
    } names[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (xml_at(xml, names[i].name)) {
            str_add_char(out, names[i].c);
            xml->at += strlen(names[i].name);
            return true;
        }
    if (xml_at(xml, "&#")) {
        const char *semicolon = memchr(xml->at, ';', (size_t)(xml->end - xml->at));
        if (semicolon && semicolon - xml->at < 10) {
            bool is_hex = xml->at[2] == 'x';
            unsigned long code = strtoul(xml->at + (is_hex ? 3 : 2), NULL, is_hex ? 16 : 10);
            if (code > 0 && code < 0x110000 && (code < 0xd800 || code > 0xdfff)) {
                add_code_point(out, code);
                xml->at = semicolon + 1;
                return true;
            }
        }
    }
    return xml_fail(xml, "illegal character reference");
}

/* Text up to the next tag. */
static bool xml_text(struct xml *xml, struct str *out)
{
    while (xml->at < xml->end) {
        if (xml_at(xml, "<![CDATA[")) {
            const char *found = memmem(xml->at, (size_t)(xml->end - xml->at), "]]>", 3);
            if (!found)
                return xml_fail(xml, "unexpected end of input");
            str_add_n(out, xml->at + 9, (size_t)(found - xml->at - 9));
            xml->at = found + 3;
        } else if (xml_at(xml, "<!--")) {
            xml_skip(xml);
        } else if (*xml->at == '<') {
            return true;
        } else if (*xml->at == '&') {
            if (!xml_entity(xml, out))
                return false;
        } else {
            str_add_char(out, *xml->at++);
        }
    }
    return xml_fail(xml, "unexpected end of input");
}

static json_t *xml_value(struct xml *xml);

static json_t *json_of_text(const struct str *text)
{
    return json_stringn(str_text(text), strlen(str_text(text)));
}

static json_t *xml_scalar(struct xml *xml, const char *name)
{
    CLEAN_STR struct str text = STR_INIT;
    int64_t number;

    if (!xml_text(xml, &text) || !xml_close(xml, name))
        return NULL;
    if (strcmp(name, "boolean") == 0)
        return json_boolean(strcmp(str_text(&text), "1") == 0 ||
                            strcmp(str_text(&text), "true") == 0);
    if (strcmp(name, "double") == 0)
        return json_real(strtod(str_text(&text), NULL));
    if (name[0] == 'i') {
        if (num_parse(str_text(&text), INT64_MIN, INT64_MAX, &number, NULL) == 0)
            return json_integer(number);
        xml_fail(xml, "bad integer");
        return NULL;
    }
    return json_of_text(&text);
}

static json_t *xml_array(struct xml *xml)
{
    json_t *array = json_array();
    bool is_empty = false;

    xml_skip(xml);
    if (xml_open(xml, "data", &is_empty) && !is_empty) {
        for (xml_skip(xml); xml_at(xml, "<value"); xml_skip(xml)) {
            json_t *item = xml_value(xml);
            if (!item)
                break;
            json_array_append_new(array, item);
        }
        if (xml->problem || !xml_close(xml, "data"))
            xml_fail(xml, "expected end tag");
        xml_skip(xml);
    }
    if (xml->problem || !xml_close(xml, "array")) {
        json_decref(array);
        return NULL;
    }
    return array;
}

static bool xml_member(struct xml *xml, json_t *object)
{
    CLEAN_STR struct str name = STR_INIT;
    bool is_empty = false;
    json_t *value;

    xml_skip(xml);
    if (!xml_open(xml, "name", &is_empty))
        return xml_fail(xml, "expected name");
    if (!is_empty && (!xml_text(xml, &name) || !xml_close(xml, "name")))
        return false;
    xml_skip(xml);
    value = xml_value(xml);
    if (!value)
        return xml_fail(xml, "expected value");
    if (json_object_set_new(object, str_text(&name), value))
        return xml_fail(xml, "illegal character");
    xml_skip(xml);
    return xml_close(xml, "member");
}

static json_t *xml_struct(struct xml *xml)
{
    json_t *object = json_object();
    bool is_empty = false;

    xml_skip(xml);
    while (!xml->problem && xml_open(xml, "member", &is_empty)) {
        xml_member(xml, object);
        xml_skip(xml);
    }
    if (xml->problem || !xml_close(xml, "struct")) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *xml_typed(struct xml *xml, bool *ret_is_typed)
{
    static const char *const scalars[] = {
        "string", "i4", "i8", "int", "boolean", "double", "dateTime.iso8601", "base64"};
    bool is_empty = false;

    *ret_is_typed = true;
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        if (xml_open(xml, scalars[i], &is_empty))
            return is_empty ? json_string("") : xml_scalar(xml, scalars[i]);
    if (xml_open(xml, "array", &is_empty))
        return is_empty ? json_array() : xml_array(xml);
    if (xml_open(xml, "struct", &is_empty))
        return is_empty ? json_object() : xml_struct(xml);
    if (xml_open(xml, "nil", &is_empty)) {
        if (is_empty || xml_close(xml, "nil"))
            return json_null();
        return NULL;
    }
    *ret_is_typed = false;
    return NULL;
}

static json_t *xml_value(struct xml *xml)
{
    CLEAN_STR struct str text = STR_INIT;
    bool is_empty = false;
    bool is_typed = false;
    const char *inside;
    json_t *value = NULL;

    if (!xml_open(xml, "value", &is_empty) || ++xml->depth > VALUE_DEPTH_MAX) {
        xml_fail(xml, "expected value");
        return NULL;
    }
    if (is_empty) {
        xml->depth--;
        return json_string("");
    }
    inside = xml->at;
    xml_skip(xml);
    value = xml_typed(xml, &is_typed);
    if (is_typed) {
        xml_skip(xml);
    } else {
        xml->at = inside; /* untyped text keeps its white space */
        value = xml_text(xml, &text) ? json_of_text(&text) : NULL;
    }
    if (!value || !xml_close(xml, "value")) {
        json_decref(value);
        xml_fail(xml, "illegal character");
        return NULL;
    }
    xml->depth--;
    return value;
}

static bool xml_params(struct xml *xml, json_t *params)
{
    bool is_empty = false;

    xml_skip(xml);
    if (!xml_open(xml, "params", &is_empty) || is_empty)
        return true;
    xml_skip(xml);
    while (xml_open(xml, "param", &is_empty)) {
        xml_skip(xml);
        json_t *value = xml_value(xml);
        if (!value)
            return false;
        json_array_append_new(params, value);
        xml_skip(xml);
        if (!xml_close(xml, "param"))
            return false;
        xml_skip(xml);
    }
    return xml_close(xml, "params");
}

static bool xml_call(struct xml *xml, struct str *method, json_t *params)
{
    bool is_empty = false;

    xml_skip(xml);
    if (xml->at >= xml->end)
        return xml_fail(xml, "unexpected end of input");
    if (*xml->at != '<')
        return xml_fail(xml, "expected root element");
    if (!xml_open(xml, "methodCall", &is_empty) || is_empty)
        return xml_fail(xml, "unexpected end of input");
    xml_skip(xml);
    if (!xml_open(xml, "methodName", &is_empty) || is_empty || !xml_text(xml, method) ||
        !xml_close(xml, "methodName"))
        return xml_fail(xml, "unexpected end of input");
    if (!xml_params(xml, params))
        return xml_fail(xml, "unexpected end of input");
    xml_skip(xml);
    return xml_close(xml, "methodCall");
}

/* Line and column of where reading stopped, counted as Xmlm counts. */
static char *xml_error_text(const struct xml *xml)
{
    int line = 1;
    int column = 1;

    for (const char *c = xml->start; c < xml->at; c++) {
        column = *c == '\n' ? 1 : column + 1;
        line += *c == '\n';
    }
    return str_format("Xmlm.Error(%d:%d, \"%s\")", line, column, xml->problem);
}

int value_parse_xml_call(const char *bytes, size_t n, char **ret_method, json_t **ret_params,
                         char **ret_error)
{
    struct xml xml = {.start = bytes, .at = bytes, .end = bytes + n};
    struct str method = STR_INIT;
    json_t *params = json_array();

    if (xml_call(&xml, &method, params)) {
        *ret_method = str_take(&method);
        *ret_params = params;
        return 0;
    }
    *ret_error = xml_error_text(&xml);
    str_done(&method);
    json_decref(params);
    return -1;
}
