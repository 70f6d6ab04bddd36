/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An array of pairs; a key that is set again keeps its place.
 */
#include "common/base/text_map.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/str.h"

#include "common/base/poison.h"

void text_map_done(struct text_map *map)
{
    int saved = errno;

    for (size_t i = 0; i < map->n; i++) {
        free(map->pairs[i].key);
        free(map->pairs[i].value);
    }
    free(map->pairs);
    *map = (struct text_map)TEXT_MAP_INIT;
    errno = saved;
}

static struct text_pair *pair_find(const struct text_map *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++)
        if (str_equal(map->pairs[i].key, key))
            return &map->pairs[i];
    return NULL;
}

void text_map_set(struct text_map *map, const char *key, const char *value)
{
    struct text_pair *pair = pair_find(map, key);

    if (pair) {
        mem_set(&pair->value, value ? value : "");
        return;
    }
    map->pairs = mem_grow(map->pairs, &map->cap, map->n + 1, sizeof *map->pairs);
    map->pairs[map->n++] =
        (struct text_pair){.key = mem_dup(key), .value = mem_dup(value ? value : "")};
}

const char *text_map_get(const struct text_map *map, const char *key)
{
    const struct text_pair *pair = pair_find(map, key);

    return pair ? pair->value : NULL;
}

void text_map_copy(struct text_map *to, const struct text_map *from)
{
    struct text_map copy = TEXT_MAP_INIT;

    for (size_t i = 0; i < from->n; i++)
        text_map_set(&copy, from->pairs[i].key, from->pairs[i].value);
    text_map_done(to);
    *to = copy;
}

/* A text in single quotes, as Python prints one in a dictionary. */
static void add_quoted(struct str *out, const char *text)
{
    str_add_char(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            str_add_char(out, '\\');
        str_add_char(out, *text);
    }
    str_add_char(out, '\'');
}

char *text_map_format(const struct text_map *map)
{
    CLEAN_STR struct str out = STR_INIT;

    str_add_char(&out, '{');
    for (size_t i = 0; i < map->n; i++) {
        if (i)
            str_add(&out, ", ");
        add_quoted(&out, map->pairs[i].key);
        str_add(&out, ": ");
        add_quoted(&out, map->pairs[i].value);
    }
    str_add_char(&out, '}');
    return str_take(&out);
}
