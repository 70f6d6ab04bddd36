/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Inline flags: (?i) for the whole pattern, (?i-m:...) for a group. "u" is what holds anyway; "a"
 * is refused, for PCRE2 has no way to say it that old releases know.
 */
#include "common/base/error.h"
#include "coordinator/policy/pattern_parser.h"

#include "common/base/poison.h"

unsigned pattern_flag_bit(uint32_t c)
{
    switch (c) {
    case 'i':
        return PATTERN_IGNORECASE;
    case 'm':
        return PATTERN_MULTILINE;
    case 's':
        return PATTERN_DOTALL;
    case 'x':
        return PATTERN_VERBOSE;
    default:
        return 0;
    }
}

/* Letters of flags up to something else; "u" is what holds anyway. */
static int read_flag_letters(struct pattern_parser *p, bool may_be_type, unsigned *ret_bits,
                             struct error *err)
{
    size_t begin = p->at;
    unsigned bits = 0;
    for (;; p->at++) {
        uint32_t c = pattern_peek(p);
        if (c == 'a')
            return pattern_fail(p, p->at, err, "the flag a (ASCII) is not supported");
        if (c == 'L')
            return pattern_fail(p, p->at, err,
                                "bad inline flags: cannot use 'L' flag with a str pattern");
        if (c == 'u' && !may_be_type)
            return pattern_fail(p, p->at, err, "bad inline flags: cannot turn off flag 'u'");
        if (c != 'u' && !pattern_flag_bit(c))
            break;
        bits |= pattern_flag_bit(c);
    }
    if (p->at == begin)
        return pattern_fail(p, begin, err, "missing or unknown flag");
    *ret_bits = bits;
    return 0;
}

int pattern_read_flags(struct pattern_parser *p, bool *ret_is_global, unsigned *ret_add,
                       unsigned *ret_remove, struct error *err)
{
    *ret_is_global = false;
    *ret_add = *ret_remove = 0;
    if (pattern_peek(p) != '-' && read_flag_letters(p, true, ret_add, err) < 0)
        return -1;
    if (pattern_take(p, ')')) {
        *ret_is_global = true;
        return 0;
    }
    if (pattern_take(p, '-') && read_flag_letters(p, false, ret_remove, err) < 0)
        return -1;
    if (!pattern_take(p, ':'))
        return pattern_fail(p, p->at, err, "missing : or unknown flag");
    if (*ret_add & *ret_remove)
        return pattern_fail(p, p->at, err, "bad inline flags: flag turned on and off");
    return 0;
}
