/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An array of heap texts.
 */
#include "common/base/text_list.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"

#include "common/base/poison.h"

void text_list_done(struct text_list *list)
{
    int saved = errno;

    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct text_list)TEXT_LIST_INIT;
    errno = saved;
}

void text_list_add_take(struct text_list *list, char *text)
{
    list->items = mem_grow(list->items, &list->cap, list->n + 1, sizeof *list->items);
    list->items[list->n++] = text;
}

void text_list_add(struct text_list *list, const char *text)
{
    text_list_add_take(list, mem_dup(text ? text : ""));
}

void text_list_add_format(struct text_list *list, const char *format, ...)
{
    CLEAN_STR struct str s = STR_INIT;
    va_list args;

    va_start(args, format);
    str_add_format_v(&s, format, args);
    va_end(args);
    text_list_add_take(list, str_take(&s));
}

bool text_list_has(const struct text_list *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->items[i], text))
            return true;
    return false;
}

void text_list_copy(struct text_list *to, const struct text_list *from)
{
    struct text_list copy = TEXT_LIST_INIT;

    for (size_t i = 0; i < from->n; i++)
        text_list_add(&copy, from->items[i]);
    text_list_done(to);
    *to = copy;
}

static int compare_texts(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;

    return strcmp(*left, *right);
}

void text_list_sort(struct text_list *list)
{
    if (list->n > 1)
        qsort(list->items, list->n, sizeof *list->items, compare_texts);
}
