/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What pattern_write.c (the least parts), pattern_atom.c (escapes, classes), pattern_flags.c and
 * pattern.c (groups, repeats), which uses them all, share while a pattern is read; nobody else includes
 * it.
 */
#ifndef ONYX_COORDINATOR_POLICY_PATTERN_PARSER_H
#define ONYX_COORDINATOR_POLICY_PATTERN_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

struct error;

#define PATTERN_END UINT32_MAX /* no character: behind the last one */
#define PATTERN_WIDTH_MAX UINT32_MAX

#define PATTERN_NEVER "(?!)" /* matches nothing */
#define PATTERN_SURROGATE_FIRST 0xd800u
#define PATTERN_SURROGATE_LAST 0xdfffu
#define PATTERN_DOTTED_I 0x130u
#define PATTERN_DOTLESS_I 0x131u

enum pattern_flag {
    PATTERN_IGNORECASE = 1,
    PATTERN_MULTILINE = 2,
    PATTERN_DOTALL = 4,
    PATTERN_VERBOSE = 8
};

/* How many characters something can match. */
struct pattern_width {
    uint32_t lo, hi;
};

struct pattern_group {
    char *name; /* NULL none */
    bool is_open;
    struct pattern_width width;
};

struct pattern_parser {
    uint32_t *text;
    size_t n, at;
    struct str *out;
    unsigned flags; /* that hold for the whole pattern */
    struct pattern_group *groups; /* [0] is the whole match */
    size_t groups_n, groups_cap;
    size_t lookbehind_groups; /* groups there were when the outermost look-behind began; 0 none */
    size_t reference_max;     /* highest number a condition named */
    unsigned depth;
};

/* The kinds of item that a repeat looks at. */
enum pattern_item {
    ITEM_NONE,
    ITEM_PLAIN,
    ITEM_AT,     /* ^ $ \b ...: can't be repeated */
    ITEM_REPEAT, /* can't be repeated again */
    ITEM_ASSERT  /* look-around: wrapped before it is repeated */
};

static inline uint32_t pattern_peek(const struct pattern_parser *p)
{
    return p->at < p->n ? p->text[p->at] : PATTERN_END;
}

static inline bool pattern_take(struct pattern_parser *p, uint32_t c)
{
    if (pattern_peek(p) != c)
        return false;
    p->at++;
    return true;
}

/* ERROR_BAD_INPUT with the position of at (in characters, from 0 as Python counts). */
int pattern_fail(const struct pattern_parser *p, size_t at, struct error *err, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

bool pattern_is_digit(uint32_t c);
bool pattern_is_letter(uint32_t c);
bool pattern_is_surrogate(uint32_t c);

/* Append one character so that it means itself: in a class or outside; by its flags. */
void pattern_add_code(struct str *out, uint32_t c);
void pattern_add_literal(struct pattern_parser *p, uint32_t c, unsigned flags);
void pattern_add_any(struct pattern_parser *p, unsigned flags);
void pattern_add_begin(struct pattern_parser *p, unsigned flags);
void pattern_add_end(struct pattern_parser *p, unsigned flags);

/* Python's check of a group that is named inside a look-behind. */
int pattern_check_lookbehind(const struct pattern_parser *p, size_t group, size_t at,
                             struct error *err);

/* Append a reference to a group after Python's checks. */
int pattern_add_reference(struct pattern_parser *p, size_t group, size_t at, unsigned flags,
                          struct pattern_width *ret_width, struct error *err);

/* Read an escape whose backslash is taken; ret_item and ret_width tell what it was. */
int pattern_read_escape(struct pattern_parser *p, unsigned flags, enum pattern_item *ret_item,
                        struct pattern_width *ret_width, struct error *err);

/* Read a class whose "[" is taken. */
int pattern_read_class(struct pattern_parser *p, unsigned flags, struct error *err);

/* The flag of a letter, 0 for another character. */
unsigned pattern_flag_bit(uint32_t c);

/* "(?i)", "(?i:", "(?i-m:", "(?-i:"; the first letter is still to be read. */
int pattern_read_flags(struct pattern_parser *p, bool *ret_is_global, unsigned *ret_add,
                       unsigned *ret_remove, struct error *err);

#endif
