/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The least parts of the text that is made: a character that means itself, any character, the ends of
 * lines, a reference to a group; and how an error is told.
 */
#include <stdarg.h>
#include <stdio.h>

#include "common/base/error.h"
#include "coordinator/policy/pattern_parser.h"

#include "common/base/poison.h"

int pattern_fail(const struct pattern_parser *p, size_t at, struct error *err, const char *format,
                 ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)p;
    return error_set(err, ERROR_BAD_INPUT, "%s at position %zu", text, at);
}

bool pattern_is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

bool pattern_is_letter(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool pattern_is_surrogate(uint32_t c)
{
    return c >= PATTERN_SURROGATE_FIRST && c <= PATTERN_SURROGATE_LAST;
}

void pattern_add_code(struct str *out, uint32_t c)
{
    if (pattern_is_letter(c) || pattern_is_digit(c))
        str_add_char(out, (char)c);
    else
        str_add_format(out, "\\x{%x}", c);
}

/* Python's caseless i is one letter with the dotless and the dotted one. */
static bool is_any_i(uint32_t c)
{
    return c == 'i' || c == 'I' || c == PATTERN_DOTTED_I || c == PATTERN_DOTLESS_I;
}

void pattern_add_literal(struct pattern_parser *p, uint32_t c, unsigned flags)
{
    if (pattern_is_surrogate(c)) {
        str_add(p->out, PATTERN_NEVER);
    } else if (!(flags & PATTERN_IGNORECASE)) {
        pattern_add_code(p->out, c);
    } else if (is_any_i(c)) {
        str_add(p->out, "[iI\\x{130}\\x{131}]");
    } else {
        str_add(p->out, "(?i:");
        pattern_add_code(p->out, c);
        str_add_char(p->out, ')');
    }
}

void pattern_add_any(struct pattern_parser *p, unsigned flags)
{
    str_add(p->out, flags & PATTERN_DOTALL ? "(?s:.)" : "[^\\x{a}]");
}

void pattern_add_begin(struct pattern_parser *p, unsigned flags)
{
    str_add(p->out, flags & PATTERN_MULTILINE ? "(?:\\A|(?<=\\x{a}))" : "\\A");
}

void pattern_add_end(struct pattern_parser *p, unsigned flags)
{
    str_add(p->out, flags & PATTERN_MULTILINE ? "(?=\\x{a}|\\z)" : "(?=\\x{a}?\\z)");
}

int pattern_check_lookbehind(const struct pattern_parser *p, size_t group, size_t at,
                             struct error *err)
{
    if (p->lookbehind_groups == 0)
        return 0;
    if (group >= p->groups_n || p->groups[group].is_open)
        return pattern_fail(p, at, err, "cannot refer to an open group");
    if (group >= p->lookbehind_groups)
        return pattern_fail(p, at, err,
                            "cannot refer to group defined in the same lookbehind subpattern");
    return 0;
}

int pattern_add_reference(struct pattern_parser *p, size_t group, size_t at, unsigned flags,
                          struct pattern_width *ret_width, struct error *err)
{
    if (group >= p->groups_n)
        return pattern_fail(p, at, err, "invalid group reference %zu", group);
    if (p->groups[group].is_open)
        return pattern_fail(p, at, err, "cannot refer to an open group");
    if (pattern_check_lookbehind(p, group, at, err) < 0)
        return -1;
    str_add_format(p->out, flags & PATTERN_IGNORECASE ? "(?i:\\g{%zu})" : "\\g{%zu}", group);
    *ret_width = p->groups[group].width;
    return 0;
}
