/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text is a fixed field. What does not fit is cut at its end: what stands in front (who was
 * doing what) was added last and says most to the one who reads it.
 */
#include "common/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

#include "common/base/poison.h"

struct error_row {
    enum error_code code;
    const char *name;
    bool again;
    int status;
};

static const struct error_row error_rows[] = {
#define X(name, number, again, status) {ERROR_##name, #name, again, status},
    ERROR_TABLE(X)
#undef X
};

static const struct error_row *error_row_find(int number)
{
    for (size_t i = 0; i < sizeof error_rows / sizeof *error_rows; i++)
        if ((int)error_rows[i].code == number)
            return &error_rows[i];
    return NULL;
}

/* Mark a text that filled its field to the last byte as cut; wanted is its length before. */
static void text_mark_cut(char text[ERROR_TEXT_MAX], size_t wanted)
{
    static const char dots[] = "...";

    if (wanted < ERROR_TEXT_MAX)
        return;
    size_t end = str_utf8_cut(text, ERROR_TEXT_MAX - 1, ERROR_TEXT_MAX - sizeof dots);
    memcpy(text + end, dots, sizeof dots);
}

/* Print into text; gives the length that was wanted. */
__attribute__((format(printf, 2, 0))) static size_t text_print(char text[ERROR_TEXT_MAX],
                                                               const char *format, va_list args)
{
    int n = vsnprintf(text, ERROR_TEXT_MAX, format, args);

    if (n < 0) {
        str_copy(text, ERROR_TEXT_MAX, format);
        return strlen(text);
    }
    return (size_t)n;
}

static size_t text_append(char text[ERROR_TEXT_MAX], size_t wanted, const char *more)
{
    size_t have = wanted < ERROR_TEXT_MAX ? wanted : ERROR_TEXT_MAX - 1;

    str_copy(text + have, ERROR_TEXT_MAX - have, more);
    return wanted + strlen(more);
}

int error_set(struct error *err, enum error_code code, const char *format, ...)
{
    va_list args;
    char text[ERROR_TEXT_MAX];

    if (!err)
        return -1;
    /* The old text may be among the arguments: it goes only after printing. */
    va_start(args, format);
    size_t wanted = text_print(text, format, args);
    va_end(args);
    text_mark_cut(text, wanted);
    *err = (struct error){.code = code};
    str_copy(err->text, sizeof err->text, text);
    return -1;
}

static enum error_code code_for_errno(enum error_code code, int sys)
{
    if (code != ERROR_IO)
        return code;
    switch (sys) {
    case ENOSPC:
    case EDQUOT:
        return ERROR_NO_SPACE;
    case ENOENT:
        return ERROR_NOT_FOUND;
    case EEXIST:
        return ERROR_EXISTS;
    default:
        return code;
    }
}

int error_set_sys(struct error *err, enum error_code code, int sys, const char *format, ...)
{
    va_list args;
    char text[ERROR_TEXT_MAX];
    char reason[128];

    if (!err)
        return -1;
    va_start(args, format);
    size_t wanted = text_print(text, format, args);
    va_end(args);
    wanted = text_append(text, wanted, ": ");
    wanted = text_append(text, wanted, strerror_r(sys, reason, sizeof reason));
    text_mark_cut(text, wanted);
    *err = (struct error){.code = code_for_errno(code, sys), .sys = sys};
    str_copy(err->text, sizeof err->text, text);
    return -1;
}

void error_set_origin(struct error *err, const char *origin)
{
    if (err)
        str_copy(err->origin, sizeof err->origin, origin ? origin : "");
}

int error_add(struct error *err, const char *format, ...)
{
    va_list args;
    char text[ERROR_TEXT_MAX];

    if (!err)
        return -1;
    va_start(args, format);
    size_t wanted = text_print(text, format, args);
    va_end(args);
    if (err->text[0]) {
        wanted = text_append(text, wanted, ": ");
        wanted = text_append(text, wanted, err->text);
    }
    text_mark_cut(text, wanted);
    str_copy(err->text, sizeof err->text, text);
    return -1;
}

void error_clear(struct error *err)
{
    if (err)
        *err = (struct error)ERROR_INIT;
}

bool error_is_set(const struct error *err)
{
    return err && err->code != ERROR_NONE;
}

const char *error_name(enum error_code code)
{
    const struct error_row *row = error_row_find((int)code);

    return row ? row->name : "UNKNOWN";
}

enum error_code error_code_from_number(int number)
{
    const struct error_row *row = error_row_find(number);

    return row ? row->code : ERROR_INTERNAL;
}

bool error_may_be_retried(enum error_code code)
{
    const struct error_row *row = error_row_find((int)code);

    return row && row->again;
}

int error_exit_status(enum error_code code)
{
    const struct error_row *row = error_row_find((int)code);

    return row ? row->status : error_row_find(ERROR_INTERNAL)->status;
}
