/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A text tells all about its peer, so equal texts are the same news.
 */
#include "common/wire/told.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

#include "common/base/poison.h"

void wire_told_add(struct wire_told *told, const char *format, ...)
{
    char text[WIRE_TOLD_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (size_t i = 0; i < told->n; i++)
        if (strcmp(told->texts[i], text) == 0)
            return;
    if (told->n < WIRE_TOLD_MAX)
        memcpy(told->texts[told->n++], text, sizeof text);
    else
        told->has_more = true;
}

bool wire_told_take(struct wire_told *told, bool has_news, int64_t now_ms, struct str *out)
{
    if ((told->n == 0 && !has_news) || (told->has_line && now_ms - told->line_ms < WIRE_TOLD_MS))
        return false;
    for (size_t i = 0; i < told->n; i++)
        str_add_format(out, "%s%s", i > 0 ? "; " : "", told->texts[i]);
    if (told->has_more)
        str_add(out, "; and others");
    told->n = 0;
    told->has_more = false;
    told->has_line = true;
    told->line_ms = now_ms;
    return true;
}
