/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One byte more than cap says is never needed: cap counts the NUL. Growth doubles, so that adding
 * byte by byte stays linear.
 */
#include "common/base/str.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/poison.h"

void str_done(struct str *s)
{
    mem_free_char(&s->data);
    s->len = 0;
    s->cap = 0;
}

void str_clear(struct str *s)
{
    s->len = 0;
    if (s->data)
        s->data[0] = '\0';
}

const char *str_text(const struct str *s)
{
    return s->data ? s->data : "";
}

char *str_take(struct str *s)
{
    char *text = s->data ? s->data : mem_dup("");

    *s = (struct str)STR_INIT;
    return text;
}

char *str_reserve(struct str *s, size_t n)
{
    size_t need;

    /* An overflowing sum asks for everything, which mem_grow refuses. */
    if (__builtin_add_overflow(s->len, n, &need) || __builtin_add_overflow(need, 1u, &need))
        need = SIZE_MAX;
    s->data = mem_grow(s->data, &s->cap, need, 1);
    s->data[s->len] = '\0';
    return s->data + s->len;
}

void str_set_len(struct str *s, size_t len)
{
    if (!s->data && !len)
        return;
    assert(len < s->cap);
    s->len = len;
    s->data[len] = '\0';
}

void str_add_n(struct str *s, const char *bytes, size_t n)
{
    char *at = str_reserve(s, n);

    if (n)
        memcpy(at, bytes, n);
    str_set_len(s, s->len + n);
}

void str_add(struct str *s, const char *text)
{
    str_add_n(s, text, strlen(text));
}

void str_add_char(struct str *s, char c)
{
    str_add_n(s, &c, 1);
}

void str_add_format_v(struct str *s, const char *format, va_list args)
{
    va_list again;
    char probe[1];

    va_copy(again, args);
    int n = vsnprintf(probe, 0, format, args);
    assert(n >= 0);
    char *at = str_reserve(s, (size_t)n);
    vsnprintf(at, (size_t)n + 1, format, again);
    va_end(again);
    str_set_len(s, s->len + (size_t)n);
}

void str_add_format(struct str *s, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    str_add_format_v(s, format, args);
    va_end(args);
}

char *str_format(const char *format, ...)
{
    CLEAN_STR struct str s = STR_INIT;
    va_list args;

    va_start(args, format);
    str_add_format_v(&s, format, args);
    va_end(args);
    return str_take(&s);
}

bool str_copy(char *field, size_t field_size, const char *text)
{
    size_t n = strlen(text);

    assert(field_size > 0);
    bool fits = n < field_size;
    if (!fits)
        n = str_utf8_cut(text, n, field_size - 1);
    memmove(field, text, n);
    field[n] = '\0';
    return fits;
}

bool str_equal(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

bool str_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *text, const char *suffix)
{
    size_t n = strlen(text);
    size_t m = strlen(suffix);

    return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

char *str_trim(char *text)
{
    size_t n = strlen(text);

    while (n && is_space(text[n - 1]))
        n--;
    text[n] = '\0';
    while (is_space(*text))
        text++;
    return text;
}

size_t str_utf8_next(const char *bytes, size_t n, unsigned *ret_value)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)bytes[0];
    size_t length = first < 0x80             ? 1
                    : (first & 0xe0) == 0xc0 ? 2
                    : (first & 0xf0) == 0xe0 ? 3
                    : (first & 0xf8) == 0xf0 ? 4
                                             : 0;

    if (!length || length > n)
        return 0;
    unsigned value = length == 1 ? first : first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if ((c & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (c & 0x3f);
    }
    if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *ret_value = value;
    return length;
}

bool str_is_utf8(const char *bytes, size_t n)
{
    unsigned value;

    for (size_t i = 0; i < n;) {
        size_t length = str_utf8_next(bytes + i, n - i, &value);
        if (!length)
            return false;
        i += length;
    }
    return true;
}

size_t str_utf8_cut(const char *text, size_t n, size_t max)
{
    unsigned value;

    if (max >= n)
        return n;
    /* Back to where a character begins; if none of the last four bytes begins one that is whole,
     * the text is not UTF-8 and may be cut anywhere. */
    for (size_t back = 0; back < 4 && back <= max; back++) {
        size_t at = max - back;
        size_t length = str_utf8_next(text + at, n - at, &value);
        if (length)
            return at + length <= max ? max : at;
    }
    return max;
}

/* First and last of the characters that take no column, then of those that take two. Source:
 * Unicode 15 EastAsianWidth W and F, general category Mn of the scripts that use it most. */
static const unsigned narrow_none[][2] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},
                                          {0x610, 0x61a},   {0x64b, 0x65f},   {0x1ab0, 0x1aff},
                                          {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x20d0, 0x20ff},
                                          {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
static const unsigned wide[][2] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},
    {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
    {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

static bool is_in(const unsigned (*ranges)[2], size_t n, unsigned value)
{
    for (size_t i = 0; i < n; i++)
        if (value >= ranges[i][0] && value <= ranges[i][1])
            return true;
    return false;
}

size_t str_columns(const char *text)
{
    size_t n = strlen(text);
    size_t columns = 0;

    for (size_t i = 0; i < n;) {
        unsigned value = 0;
        size_t length = str_utf8_next(text + i, n - i, &value);
        if (is_in(wide, sizeof wide / sizeof *wide, value))
            columns += 2;
        else if (!is_in(narrow_none, sizeof narrow_none / sizeof *narrow_none, value))
            columns++;
        i += length ? length : 1;
    }
    return columns;
}

void str_add_json(struct str *s, const char *text)
{
    size_t n = strlen(text);
    unsigned value;

    for (size_t i = 0; i < n;) {
        size_t length = str_utf8_next(text + i, n - i, &value);
        char c = text[i];
        if (!length)
            str_add(s, "\xef\xbf\xbd"); /* U+FFFD, as every reader of UTF-8 shows it */
        else if (c == '"' || c == '\\')
            str_add_format(s, "\\%c", c);
        else if (c == '\n')
            str_add(s, "\\n");
        else if (value < 0x20 || value == 0x7f)
            str_add_format(s, "\\u%04x", value);
        else
            str_add_n(s, text + i, length);
        i += length ? length : 1;
    }
}
