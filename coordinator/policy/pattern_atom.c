/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Escapes and classes. Every category is spelled out (Python's \s has 0x1c-0x1f,
 * PCRE2's has U+180E; \w changed between PCRE2 releases). A class that holds \W or \S becomes an
 * alternation, for a complement can't stand inside [].
 */
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "coordinator/policy/pattern_parser.h"

#include "common/base/poison.h"

#define WORD "\\p{L}\\p{N}_"
#define DIGIT "\\p{Nd}"
#define SPACE                                                                                      \
    "\\x{9}-\\x{d}\\x{1c}-\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"    \
    "\\x{202f}\\x{205f}\\x{3000}"
#define BOUNDARY "(?:(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "]))"
#define NO_BOUNDARY                                                                                \
    "(?:(?!\\A\\z)(?:(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "])))"
static bool is_octal(uint32_t c)
{
    return c >= '0' && c <= '7';
}

static int hex_value(uint32_t c)
{
    if (pattern_is_digit(c))
        return (int)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (int)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (int)(c - 'A') + 10;
    return -1;
}

/* ---- escapes ---- */

/* \xHH, \uHHHH, \UHHHHHHHH: exactly n digits. */
static int read_hex(struct pattern_parser *p, size_t begin, unsigned digits_n, uint32_t *ret_c,
                    struct error *err)
{
    uint32_t c = 0;
    for (unsigned i = 0; i < digits_n; i++) {
        uint32_t digit = pattern_peek(p);
        int value = digit == PATTERN_END ? -1 : hex_value(digit);
        if (value < 0)
            return pattern_fail(p, begin, err, "incomplete escape: %u hex digits are wanted",
                                digits_n);
        c = c << 4 | (uint32_t)value;
        p->at++;
    }
    if (c > 0x10ffff)
        return pattern_fail(p, begin, err, "bad escape: there is no character %x", c);
    *ret_c = c;
    return 0;
}

/* What an escape stands for when it is one character in both places. 1 yes, 0 no, -1 error. */
static int read_character_escape(struct pattern_parser *p, uint32_t c, size_t begin,
                                 uint32_t *ret_c, struct error *err)
{
    static const char names[] = "afnrtv\\";
    static const char codes[] = "\a\f\n\r\t\v\\";
    const char *found = c < 128 && c != 0 ? strchr(names, (int)c) : NULL;
    if (found) {
        *ret_c = (unsigned char)codes[found - names];
        return 1;
    }
    if (c == 'x' || c == 'u' || c == 'U')
        return read_hex(p, begin, c == 'x' ? 2 : c == 'u' ? 4 : 8, ret_c, err) < 0 ? -1 : 1;
    if (c == 'N')
        return pattern_fail(p, begin, err, "\\N{...} is not supported; write the character");
    return 0;
}

/* The class text of \d \s \w and its complement; NULL for another letter. */
static const char *category_set(uint32_t c, bool *ret_is_negated)
{
    *ret_is_negated = c == 'D' || c == 'S' || c == 'W';
    switch (c) {
    case 'd':
    case 'D':
        return DIGIT;
    case 's':
    case 'S':
        return SPACE;
    case 'w':
    case 'W':
        return WORD;
    default:
        return NULL;
    }
}

/* \A \Z \b \B: 1 and appended, 0 another. */
static int add_position(struct pattern_parser *p, uint32_t c)
{
    const char *text = c == 'A'   ? "\\A"
                       : c == 'Z' ? "\\z"
                       : c == 'b' ? BOUNDARY
                       : c == 'B' ? NO_BOUNDARY
                                  : NULL;
    if (!text)
        return 0;
    str_add(p->out, text);
    return 1;
}

/* \0, \012, \1, \12, \123: octal characters and references. */
static int read_number_escape(struct pattern_parser *p, uint32_t first, size_t begin,
                              unsigned flags, struct pattern_width *ret_width, struct error *err)
{
    uint32_t value = first - '0';
    uint32_t second = pattern_peek(p);
    if (first == '0') {
        for (int i = 0; i < 2 && is_octal(pattern_peek(p)); i++)
            value = value * 8 + (p->text[p->at++] - '0');
        pattern_add_literal(p, value, flags);
        return 0;
    }
    if (pattern_is_digit(second)) {
        p->at++;
        uint32_t third = pattern_peek(p);
        if (is_octal(first) && is_octal(second) && is_octal(third)) {
            p->at++;
            value = value * 64 + (second - '0') * 8 + (third - '0');
            if (value > 0377)
                return pattern_fail(p, begin, err, "octal escape value above \\377");
            pattern_add_literal(p, value, flags);
            return 0;
        }
        value = value * 10 + (second - '0');
    }
    return pattern_add_reference(p, value, begin, flags, ret_width, err);
}

int pattern_read_escape(struct pattern_parser *p, unsigned flags, enum pattern_item *ret_item,
                        struct pattern_width *ret_width, struct error *err)
{
    size_t begin = p->at - 1;
    uint32_t c = pattern_peek(p);
    if (c == PATTERN_END)
        return pattern_fail(p, begin, err, "bad escape (end of pattern)");
    p->at++;
    *ret_item = ITEM_PLAIN;
    *ret_width = (struct pattern_width){1, 1};
    bool is_negated;
    const char *set = category_set(c, &is_negated);
    if (set) {
        str_add_format(p->out, "[%s%s]", is_negated ? "^" : "", set);
        return 0;
    }
    if (add_position(p, c)) {
        *ret_item = ITEM_AT;
        *ret_width = (struct pattern_width){0, 0};
        return 0;
    }
    if (pattern_is_digit(c))
        return read_number_escape(p, c, begin, flags, ret_width, err);
    uint32_t code = c;
    int known = read_character_escape(p, c, begin, &code, err);
    if (known < 0)
        return -1;
    if (!known && pattern_is_letter(c))
        return pattern_fail(p, begin, err, "bad escape \\%c", (int)c);
    pattern_add_literal(p, code, flags);
    return 0;
}

/* ---- classes ---- */

struct class {
    struct str set;      /* what stands inside [] */
    bool has_not_word, has_not_space;
    bool has_i;          /* any of the letters i */
    bool is_used;        /* an item was read: "]" ends it now */
};

struct class_item {
    const char *category; /* NULL: one character */
    bool is_negated;
    uint32_t letter; /* of the category */
    uint32_t c;
};

static int read_class_escape(struct pattern_parser *p, struct class_item *item, struct error *err)
{
    size_t begin = p->at - 1;
    uint32_t c = pattern_peek(p);
    if (c == PATTERN_END)
        return pattern_fail(p, begin, err, "bad escape (end of pattern)");
    p->at++;
    item->category = category_set(c, &item->is_negated);
    item->letter = c;
    if (item->category)
        return 0;
    if (c == 'b') {
        item->c = '\b';
        return 0;
    }
    if (is_octal(c)) {
        uint32_t value = c - '0';
        for (int i = 0; i < 2 && is_octal(pattern_peek(p)); i++)
            value = value * 8 + (p->text[p->at++] - '0');
        if (value > 0377)
            return pattern_fail(p, begin, err, "octal escape value above \\377");
        item->c = value;
        return 0;
    }
    item->c = c;
    int known = read_character_escape(p, c, begin, &item->c, err);
    if (known < 0)
        return -1;
    if (!known && (pattern_is_letter(c) || pattern_is_digit(c)))
        return pattern_fail(p, begin, err, "bad escape \\%c", (int)c);
    return 0;
}

static int read_class_item(struct pattern_parser *p, size_t begin, struct class_item *item,
                           struct error *err)
{
    uint32_t c = pattern_peek(p);
    if (c == PATTERN_END)
        return pattern_fail(p, begin, err, "unterminated character set");
    p->at++;
    *item = (struct class_item){.c = c};
    return c == '\\' ? read_class_escape(p, item, err) : 0;
}

static void class_add_range(struct class *class, uint32_t lo, uint32_t hi)
{
    class->is_used = true;
    class->has_i = class->has_i || (lo <= 'I' && 'I' <= hi) || (lo <= 'i' && 'i' <= hi) ||
                   (lo <= PATTERN_DOTLESS_I && PATTERN_DOTTED_I <= hi);
    if (lo < PATTERN_SURROGATE_FIRST && hi >= PATTERN_SURROGATE_FIRST) {
        class_add_range(class, lo, PATTERN_SURROGATE_FIRST - 1);
        lo = PATTERN_SURROGATE_LAST + 1;
    }
    if (pattern_is_surrogate(lo))
        lo = PATTERN_SURROGATE_LAST + 1;
    if (hi < lo || pattern_is_surrogate(hi))
        return;
    pattern_add_code(&class->set, lo);
    if (hi > lo) {
        str_add_char(&class->set, '-');
        pattern_add_code(&class->set, hi);
    }
}

static void class_add_item(struct class *class, const struct class_item *item)
{
    class->is_used = true;
    if (!item->category)
        class_add_range(class, item->c, item->c);
    else if (!item->is_negated)
        str_add(&class->set, item->category);
    else if (item->letter == 'D')
        str_add(&class->set, "\\P{Nd}");
    else if (item->letter == 'W')
        class->has_not_word = true;
    else
        class->has_not_space = true;
}

static int read_class_items(struct pattern_parser *p, size_t begin, struct class *class,
                            struct error *err)
{
    for (;;) {
        if (class->is_used && pattern_take(p, ']'))
            return 0;
        struct class_item first, second;
        size_t at = p->at;
        if (read_class_item(p, begin, &first, err) < 0)
            return -1;
        if (!pattern_take(p, '-')) {
            class_add_item(class, &first);
            continue;
        }
        if (pattern_take(p, ']')) {
            class_add_item(class, &first);
            class_add_range(class, '-', '-');
            return 0;
        }
        if (read_class_item(p, begin, &second, err) < 0)
            return -1;
        if (first.category || second.category || second.c < first.c)
            return pattern_fail(p, at, err, "bad character range");
        class_add_range(class, first.c, second.c);
    }
}

/* The class as one atom. Without any set (surrogates only) it matches nothing, or anything. */
static void add_class(struct pattern_parser *p, const struct class *class, bool is_negated,
                      unsigned flags)
{
    bool is_simple = !class->has_not_word && !class->has_not_space;
    const char *set = str_text(&class->set);
    str_add(p->out, flags & PATTERN_IGNORECASE ? "(?i:" : "(?:");
    if (class->set.len == 0 && is_simple) {
        str_add(p->out, is_negated ? "(?s:.)" : PATTERN_NEVER);
    } else if (is_simple) {
        str_add_format(p->out, "[%s%s]", is_negated ? "^" : "", set);
    } else {
        if (is_negated)
            str_add(p->out, "(?!");
        if (class->set.len > 0)
            str_add_format(p->out, "[%s]", set);
        if (class->has_not_word)
            str_add_format(p->out, "%s[^" WORD "]", class->set.len ? "|" : "");
        if (class->has_not_space)
            str_add_format(p->out, "%s[^" SPACE "]",
                           class->set.len || class->has_not_word ? "|" : "");
        if (is_negated)
            str_add(p->out, ")(?s:.)");
    }
    str_add_char(p->out, ')');
}

int pattern_read_class(struct pattern_parser *p, unsigned flags, struct error *err)
{
    size_t begin = p->at - 1;
    struct class class = {.set = STR_INIT};
    bool is_negated = pattern_take(p, '^');
    int bad = read_class_items(p, begin, &class, err);
    if (!bad) {
        if (class.has_i && (flags & PATTERN_IGNORECASE))
            str_add(&class.set, "iI\\x{130}\\x{131}");
        add_class(p, &class, is_negated, flags);
    }
    str_done(&class.set);
    return bad;
}
