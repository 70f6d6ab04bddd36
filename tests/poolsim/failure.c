/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Codes and parameters, kept as one list whose first member is the code.
 */
#include "tests/poolsim/failure.h"

#include <stdarg.h>

#include "common/base/str.h"

void failure_done(struct failure *failure)
{
    text_list_done(&failure->params);
}

int failure_set(struct failure *failure, const char *code, ...)
{
    va_list args;
    const char *param;

    text_list_done(&failure->params);
    text_list_add(&failure->params, code);
    va_start(args, code);
    while ((param = va_arg(args, const char *)))
        text_list_add(&failure->params, param);
    va_end(args);
    return -1;
}

int failure_set_list(struct failure *failure, const char *const *params)
{
    text_list_done(&failure->params);
    for (; *params; params++)
        text_list_add(&failure->params, *params);
    return -1;
}

bool failure_is_set(const struct failure *failure)
{
    return failure->params.n > 0;
}

const char *failure_code(const struct failure *failure)
{
    return failure->params.n ? failure->params.items[0] : "";
}

const char *const *failure_params(struct failure *failure)
{
    struct text_list *list = &failure->params;

    /* A NULL behind the last item, inside the array's spare room. */
    list->items = mem_grow(list->items, &list->cap, list->n + 1, sizeof *list->items);
    list->items[list->n] = NULL;
    return (const char *const *)list->items;
}

char *failure_format(const struct failure *failure)
{
    struct str text = STR_INIT;

    str_add_format(&text, "%s: [ ", failure_code(failure));
    for (size_t i = 1; i < failure->params.n; i++)
        str_add_format(&text, "%s%s", i > 1 ? "; " : "", failure->params.items[i]);
    str_add(&text, " ]");
    return str_take(&text);
}
