/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The one growing text. Always NUL-terminated; may hold NUL bytes (len counts them).
 *
 * Aborts when there is no memory. Bounded input is the caller's affair: every reader from outside
 * compares len with a named MAX.
 */
#ifndef ONYX_COMMON_BASE_STR_H
#define ONYX_COMMON_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/mem.h"

struct str {
    char *data; /* never NULL after the first append; use str_text to read */
    size_t len;
    size_t cap;
};

#define STR_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }
#define CLEAN_STR CLEANUP(str_done)

void str_done(struct str *s);
void str_clear(struct str *s); /* empty, memory kept */

/* The text, "" when nothing was ever put in. Borrowed until the next change. */
const char *str_text(const struct str *s);

/* The text as heap memory of the caller; s is empty afterwards. Never NULL. */
char *str_take(struct str *s);

void str_add(struct str *s, const char *text);
void str_add_n(struct str *s, const char *bytes, size_t n);
void str_add_char(struct str *s, char c);
void str_add_format(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_add_format_v(struct str *s, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Room for n more bytes; gives where they go. str_set_len after writing them. */
char *str_reserve(struct str *s, size_t n);
void str_set_len(struct str *s, size_t len);

/* printf into fresh heap memory. Caller frees. */
char *str_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Copy into a fixed field, always terminated; false when it did not fit (it is cut then). */
bool str_copy(char *field, size_t field_size, const char *text);

bool str_equal(const char *a, const char *b); /* NULL equals NULL only */
bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);

/* Whether the bytes are well-formed UTF-8 (no surrogates, no overlong forms). */
bool str_is_utf8(const char *bytes, size_t n);

/* The one character at bytes: its length (1-4) and value; 0 if it is not well-formed. n >= 1. */
size_t str_utf8_next(const char *bytes, size_t n, unsigned *ret_value);

/* The largest length <= max, max <= n, at which text can be cut without cutting a character. */
size_t str_utf8_cut(const char *text, size_t n, size_t max);

/* Columns on a terminal for UTF-8 text; a byte that is no UTF-8 counts one. */
size_t str_columns(const char *text);

/* Trim ASCII white space in place; gives the new start inside text. */
char *str_trim(char *text);

/* Append text as the inside of a JSON string (quotes not added). */
void str_add_json(struct str *s, const char *text);

#endif
