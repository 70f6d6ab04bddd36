/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Nodes carry their place as text, so that errors need no walk back.
 */
#include "tests/poolsim/pool_file.h"

#include <stdarg.h>
#include <string.h>

#include "common/base/str.h"

#include "common/base/poison.h"

int node_fail(const struct node *node, const char *format, ...)
{
    CLEAN_STR struct str text = STR_INIT;
    va_list args;

    if (error_is_set(node->err))
        return -1;
    va_start(args, format);
    str_add_format_v(&text, format, args);
    va_end(args);
    return error_set(node->err, ERROR_USAGE, "%s%s%s", node->place, *node->place ? ": " : "",
                     str_text(&text));
}

struct node node_root(const json_t *json, struct error *err)
{
    return (struct node){.json = json, .place = "", .err = err};
}

struct node node_member(const struct node *node, const char *name)
{
    struct node member = {.json = json_object_get(node->json, name), .err = node->err};
    CLEAN_CHAR char *place = str_format("%s%s%s", node->place, *node->place ? "." : "", name);

    str_copy(member.place, sizeof member.place, place);
    if (json_is_null(member.json))
        member.json = NULL;
    return member;
}

struct node node_item(const struct node *node, size_t index)
{
    struct node item = {.json = json_array_get(node->json, index), .err = node->err};
    CLEAN_CHAR char *place = str_format("%s[%zu]", node->place, index);

    str_copy(item.place, sizeof item.place, place);
    return item;
}

bool node_is_there(const struct node *node)
{
    return node->json != NULL;
}

size_t node_items(const struct node *node)
{
    if (node->json && !json_is_array(node->json))
        node_fail(node, "a list ([...]) is expected");
    return json_array_size(node->json);
}

bool node_check_members(const struct node *node, const char *const *names)
{
    const char *name;
    json_t *value;

    if (!json_is_object(node->json)) {
        node_fail(node, "an object ({...}) is expected");
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)node->json, name, value)
    {
        const char *const *known = names;
        while (*known && strcmp(*known, name) != 0)
            known++;
        if (!*known) {
            struct node member = node_member(node, name);
            node_fail(&member, "there is no such setting");
            return false;
        }
    }
    return true;
}

const char *node_text(const struct node *node, const char *name, const char *otherwise)
{
    struct node member = node_member(node, name);

    if (!member.json)
        return otherwise;
    if (json_is_string(member.json))
        return json_string_value(member.json);
    node_fail(&member, "a text (\"...\") is expected");
    return otherwise;
}

int64_t node_number(const struct node *node, const char *name, int64_t min, int64_t max,
                    int64_t otherwise)
{
    struct node member = node_member(node, name);
    int64_t value;

    if (!member.json)
        return otherwise;
    value = json_integer_value(member.json);
    if (json_is_integer(member.json) && value >= min && value <= max)
        return value;
    node_fail(&member, "a whole number from %lld to %lld is expected", (long long)min,
              (long long)max);
    return otherwise;
}

double node_real(const struct node *node, const char *name, double otherwise)
{
    struct node member = node_member(node, name);

    if (!member.json)
        return otherwise;
    if (json_is_number(member.json) && json_number_value(member.json) >= 0)
        return json_number_value(member.json);
    node_fail(&member, "a number from 0 on is expected");
    return otherwise;
}

bool node_bool(const struct node *node, const char *name, bool otherwise)
{
    struct node member = node_member(node, name);

    if (!member.json)
        return otherwise;
    if (!json_is_boolean(member.json))
        node_fail(&member, "true or false is expected");
    return json_is_true(member.json);
}

void node_texts(const struct node *node, const char *name, struct text_list *ret_items)
{
    struct node member = node_member(node, name);
    size_t n = node_items(&member);

    for (size_t i = 0; i < n; i++) {
        struct node item = node_item(&member, i);
        if (json_is_string(item.json))
            text_list_add(ret_items, json_string_value(item.json));
        else
            node_fail(&item, "a text (\"...\") is expected");
    }
}

void node_map(const struct node *node, const char *name, struct text_map *ret_pairs)
{
    struct node member = node_member(node, name);
    const char *key;
    json_t *value;

    if (!member.json)
        return;
    if (!json_is_object(member.json)) {
        node_fail(&member, "an object ({...}) is expected");
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)member.json, key, value)
    {
        struct node item = node_member(&member, key);
        if (json_is_string(value))
            text_map_set(ret_pairs, key, json_string_value(value));
        else
            node_fail(&item, "a text (\"...\") is expected");
    }
}
