/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Branches, repeats and groups, in the order in which Python's parser looks at them. Beside the
 * text each part gives its width, for Python wants look-behinds of one length. Groups keep their
 * numbers; names are resolved here.
 */
#include "coordinator/policy/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "coordinator/policy/pattern_parser.h"

#include "common/base/poison.h"

#define REPEAT_MAX 65535u         /* PCRE2's */
#define PYTHON_REPEAT_MAX 4294967295u
#define GROUPS_MAX 1000u

static int read_branches(struct pattern_parser *p, unsigned flags, bool is_top,
                         struct pattern_width *ret_width, struct error *err);

/* ---- widths ---- */

static uint32_t width_add(uint32_t a, uint32_t b)
{
    return a > PATTERN_WIDTH_MAX - b ? PATTERN_WIDTH_MAX : a + b;
}

static uint32_t width_mul(uint32_t a, uint32_t b)
{
    uint64_t product = (uint64_t)a * b;
    return product > PATTERN_WIDTH_MAX ? PATTERN_WIDTH_MAX : (uint32_t)product;
}

/* ---- groups ---- */

static size_t find_group(const struct pattern_parser *p, const char *name)
{
    for (size_t i = 1; i < p->groups_n; i++) {
        if (p->groups[i].name && str_equal(p->groups[i].name, name))
            return i;
    }
    return 0;
}

static int open_group(struct pattern_parser *p, char *name_take, size_t at, size_t *ret_group,
                      struct error *err)
{
    CLEAN_CHAR char *name = name_take;
    if (name && find_group(p, name))
        return pattern_fail(p, at, err, "redefinition of group name '%s'", name);
    if (p->groups_n > GROUPS_MAX)
        return pattern_fail(p, at, err, "more than %u groups", GROUPS_MAX);
    p->groups = mem_grow(p->groups, &p->groups_cap, p->groups_n + 1, sizeof *p->groups);
    p->groups[p->groups_n] = (struct pattern_group){.name = name, .is_open = true};
    name = NULL;
    *ret_group = p->groups_n++;
    return 0;
}

/* A group's name up to the character that ends it: [A-Za-z_][A-Za-z0-9_]*. Caller frees. */
static int read_name(struct pattern_parser *p, uint32_t end, char **ret_name, struct error *err)
{
    size_t begin = p->at;
    CLEAN_STR struct str name = STR_INIT;
    for (;; p->at++) {
        uint32_t c = pattern_peek(p);
        if (c == PATTERN_END)
            return pattern_fail(p, begin, err, "missing %c, unterminated name", (int)end);
        if (c == end)
            break;
        bool is_word = c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       pattern_is_digit(c);
        if (!is_word)
            return pattern_fail(p, begin, err, "bad character in group name");
        str_add_char(&name, (char)c);
    }
    if (name.len == 0)
        return pattern_fail(p, begin, err, "missing group name");
    p->at++;
    *ret_name = str_take(&name);
    return 0;
}

static int want_close(struct pattern_parser *p, size_t begin, struct error *err)
{
    if (!pattern_take(p, ')'))
        return pattern_fail(p, begin, err, "missing ), unterminated subpattern");
    return 0;
}

/* "(?P<name>" and "(?P=name)"; the latter is the whole item. */
static int read_named(struct pattern_parser *p, size_t begin, unsigned flags, char **ret_name,
                      struct pattern_width *ret_width, struct error *err)
{
    CLEAN_CHAR char *name = NULL;
    if (pattern_take(p, '<')) {
        if (read_name(p, '>', &name, err) < 0)
            return -1;
        if (pattern_is_digit((unsigned char)name[0]))
            return pattern_fail(p, begin, err, "bad character in group name");
        *ret_name = name;
        name = NULL;
        return 0;
    }
    if (!pattern_take(p, '='))
        return pattern_fail(p, begin, err, "unknown extension ?P");
    if (read_name(p, ')', &name, err) < 0)
        return -1;
    size_t group = find_group(p, name);
    if (group == 0)
        return pattern_fail(p, begin, err, "unknown group name '%s'", name);
    return pattern_add_reference(p, group, begin, flags, ret_width, err);
}

/* "(?=", "(?!", "(?<=", "(?<!". */
static int read_look(struct pattern_parser *p, size_t begin, uint32_t c, unsigned flags,
                     struct error *err)
{
    bool is_behind = c == '<';
    if (is_behind) {
        c = pattern_peek(p);
        if (c != '=' && c != '!')
            return pattern_fail(p, begin, err, "unknown extension ?<");
        p->at++;
    }
    size_t outer = p->lookbehind_groups;
    if (is_behind && outer == 0)
        p->lookbehind_groups = p->groups_n;
    str_add_format(p->out, "(?%s%c", is_behind ? "<" : "", (int)c);
    struct pattern_width width;
    int bad = read_branches(p, flags, false, &width, err);
    p->lookbehind_groups = outer;
    if (bad || want_close(p, begin, err) < 0)
        return -1;
    if (is_behind && width.lo != width.hi)
        return pattern_fail(p, begin, err, "look-behind requires fixed-width pattern");
    str_add_char(p->out, ')');
    return 0;
}

static int read_sequence(struct pattern_parser *p, unsigned flags, bool is_first,
                         struct pattern_width *ret_width, struct error *err);

/* "(?(1)yes|no)" or by name; a number may belong to a later group. */
static int read_condition(struct pattern_parser *p, size_t begin, unsigned flags,
                          struct pattern_width *ret_width, struct error *err)
{
    CLEAN_CHAR char *name = NULL;
    if (read_name(p, ')', &name, err) < 0)
        return -1;
    size_t group = 0;
    if (pattern_is_digit((unsigned char)name[0])) {
        char *end;
        unsigned long number = strtoul(name, &end, 10);
        if (*end || number == 0 || number > GROUPS_MAX)
            return pattern_fail(p, begin, err, "bad group number '%s'", name);
        group = number;
        if (group > p->reference_max)
            p->reference_max = group;
    } else {
        group = find_group(p, name);
        if (group == 0)
            return pattern_fail(p, begin, err, "unknown group name '%s'", name);
    }
    if (pattern_check_lookbehind(p, group, begin, err) < 0)
        return -1;
    str_add_format(p->out, "(?(%zu)", group);
    struct pattern_width yes, no = {0, 0};
    if (read_sequence(p, flags, false, &yes, err) < 0)
        return -1;
    if (pattern_take(p, '|')) {
        str_add_char(p->out, '|');
        if (read_sequence(p, flags, false, &no, err) < 0)
            return -1;
        if (pattern_peek(p) == '|')
            return pattern_fail(p, p->at, err,
                                "conditional backref with more than two branches");
    }
    str_add_char(p->out, ')');
    *ret_width = (struct pattern_width){yes.lo < no.lo ? yes.lo : no.lo,
                                        yes.hi > no.hi ? yes.hi : no.hi};
    return want_close(p, begin, err);
}

/* One character of a comment; an escaped one goes with its backslash. */
static void skip_one(struct pattern_parser *p)
{
    p->at++;
    if (p->text[p->at - 1] == '\\' && pattern_peek(p) != PATTERN_END)
        p->at++;
}

static int read_comment(struct pattern_parser *p, size_t begin, struct error *err)
{
    while (pattern_peek(p) != PATTERN_END) {
        if (pattern_take(p, ')'))
            return 0;
        skip_one(p);
    }
    return pattern_fail(p, begin, err, "missing ), unterminated comment");
}

/* ---- one parenthesis ---- */

struct sequence {
    unsigned flags;
    bool is_first; /* of the whole pattern, nothing read yet: global flags may stand here */
    enum pattern_item last;
    struct pattern_width last_width;
    size_t last_begin; /* in out */
    struct pattern_width width; /* of all before the last item */
    bool has_items;
};

static void sequence_push(struct sequence *s, enum pattern_item kind, struct pattern_width width,
                          size_t begin)
{
    s->width.lo = width_add(s->width.lo, s->last_width.lo);
    s->width.hi = width_add(s->width.hi, s->last_width.hi);
    s->last = kind;
    s->last_width = width;
    s->last_begin = begin;
    s->has_items = true;
}

/* The inside of a group and its ")"; opener is what PCRE2 calls it. */
static int read_group(struct pattern_parser *p, struct sequence *s, size_t begin,
                      const char *opener, bool is_capture, char *name_take, unsigned flags,
                      struct error *err)
{
    size_t out_begin = p->out->len;
    size_t group = 0;
    if (is_capture && open_group(p, name_take, begin, &group, err) < 0)
        return -1;
    str_add(p->out, opener);
    struct pattern_width width;
    if (read_branches(p, flags, false, &width, err) < 0 || want_close(p, begin, err) < 0)
        return -1;
    str_add_char(p->out, ')');
    if (is_capture) {
        p->groups[group].is_open = false;
        p->groups[group].width = width;
    }
    sequence_push(s, ITEM_PLAIN, width, out_begin);
    return 0;
}

static int read_flagged_group(struct pattern_parser *p, struct sequence *s, size_t begin,
                              struct error *err)
{
    bool is_global;
    unsigned add, remove;
    if (pattern_read_flags(p, &is_global, &add, &remove, err) < 0)
        return -1;
    if (!is_global)
        return read_group(p, s, begin, "(?:", false, NULL, (s->flags | add) & ~remove, err);
    if (!s->is_first || s->has_items)
        return pattern_fail(p, begin, err, "global flags not at the start of the expression");
    p->flags |= add;
    s->flags |= add;
    return 0;
}

/* Behind "(?". */
static int read_extension(struct pattern_parser *p, struct sequence *s, size_t begin,
                          struct error *err)
{
    size_t out_begin = p->out->len;
    struct pattern_width width = {0, 0};
    CLEAN_CHAR char *name = NULL;
    uint32_t c = pattern_peek(p);
    if (c == PATTERN_END)
        return pattern_fail(p, begin, err, "unexpected end of pattern");
    if (c == '-' || c == 'a' || c == 'L' || c == 'u' || pattern_flag_bit(c))
        return read_flagged_group(p, s, begin, err);
    p->at++;
    switch (c) {
    case 'P':
        if (read_named(p, begin, s->flags, &name, &width, err) < 0)
            return -1;
        if (name) {
            char *taken = name;
            name = NULL;
            return read_group(p, s, begin, "(", true, taken, s->flags, err);
        }
        sequence_push(s, ITEM_PLAIN, width, out_begin);
        return 0;
    case ':':
        return read_group(p, s, begin, "(?:", false, NULL, s->flags, err);
    case '>':
        return read_group(p, s, begin, "(?>", false, NULL, s->flags, err);
    case '#':
        return read_comment(p, begin, err);
    case '=':
    case '!':
    case '<':
        if (read_look(p, begin, c, s->flags, err) < 0)
            return -1;
        sequence_push(s, ITEM_ASSERT, width, out_begin);
        return 0;
    case '(':
        if (read_condition(p, begin, s->flags, &width, err) < 0)
            return -1;
        sequence_push(s, ITEM_PLAIN, width, out_begin);
        return 0;
    default:
        return pattern_fail(p, begin, err, "unknown extension ?%s",
                            c < 128 && c > ' ' ? (const char[]){(char)c, '\0'} : "");
    }
}

static int read_parenthesis(struct pattern_parser *p, struct sequence *s, struct error *err)
{
    size_t begin = p->at - 1;
    if (p->depth >= PATTERN_DEPTH_MAX)
        return pattern_fail(p, begin, err, "more than %d parentheses in one another",
                            PATTERN_DEPTH_MAX);
    p->depth++;
    int bad = pattern_take(p, '?') ? read_extension(p, s, begin, err)
                                   : read_group(p, s, begin, "(", true, NULL, s->flags, err);
    p->depth--;
    return bad;
}

/* ---- repeats ---- */

struct repeat {
    uint64_t min, max; /* max PYTHON_REPEAT_MAX: no limit */
};

static int read_count(struct pattern_parser *p, uint64_t *count, bool *ret_is_there,
                      struct error *err)
{
    size_t begin = p->at;
    uint64_t value = 0;
    while (pattern_is_digit(pattern_peek(p))) {
        value = value * 10 + (p->text[p->at++] - '0');
        if (value >= PYTHON_REPEAT_MAX)
            return pattern_fail(p, begin, err, "the repetition number is too large");
    }
    *ret_is_there = p->at > begin;
    if (*ret_is_there)
        *count = value;
    return 0;
}

/* Behind "{": 1 a repeat, 0 a mere brace (position as before), -1 error. */
static int read_braces(struct pattern_parser *p, struct repeat *repeat, struct error *err)
{
    size_t begin = p->at;
    if (pattern_peek(p) == '}')
        return 0;
    bool has_min = false, has_max = false;
    struct error count_error = ERROR_INIT;
    *repeat = (struct repeat){0, PYTHON_REPEAT_MAX};
    int bad = read_count(p, &repeat->min, &has_min, &count_error);
    if (!bad && pattern_take(p, ','))
        bad = read_count(p, &repeat->max, &has_max, &count_error);
    else if (!bad && has_min)
        repeat->max = repeat->min;
    if (bad) { /* Python reads on to the brace before it minds the number */
        while (pattern_is_digit(pattern_peek(p)) || pattern_peek(p) == ',')
            p->at++;
    }
    if (!pattern_take(p, '}')) {
        p->at = begin;
        return 0;
    }
    if (bad) {
        if (err)
            *err = count_error;
        return -1;
    }
    if (repeat->max < repeat->min)
        return pattern_fail(p, begin, err, "min repeat greater than max repeat");
    return 1;
}

static void wrap_last(struct pattern_parser *p, size_t begin)
{
    CLEAN_CHAR char *item = mem_dup(str_text(p->out) + begin);
    str_set_len(p->out, begin);
    str_add_format(p->out, "(?:%s)", item);
}

static int add_repeat(struct pattern_parser *p, struct sequence *s, const struct repeat *repeat,
                      size_t begin, struct error *err)
{
    if (s->last == ITEM_NONE || s->last == ITEM_AT)
        return pattern_fail(p, begin, err, "nothing to repeat");
    if (s->last == ITEM_REPEAT)
        return pattern_fail(p, begin, err, "multiple repeat");
    if (repeat->min > REPEAT_MAX)
        return pattern_fail(p, begin, err, "a repetition of more than %u is not supported",
                            REPEAT_MAX);
    if (s->last == ITEM_ASSERT)
        wrap_last(p, s->last_begin);
    if (repeat->max > REPEAT_MAX)
        str_add_format(p->out, "{%u,}", (unsigned)repeat->min);
    else
        str_add_format(p->out, "{%u,%u}", (unsigned)repeat->min, (unsigned)repeat->max);
    if (pattern_take(p, '?'))
        str_add_char(p->out, '?');
    else if (pattern_take(p, '+'))
        str_add_char(p->out, '+');
    s->last = ITEM_REPEAT;
    s->last_width.lo = width_mul(s->last_width.lo, (uint32_t)repeat->min);
    s->last_width.hi = width_mul(s->last_width.hi, (uint32_t)repeat->max);
    return 0;
}

/* ---- sequences and branches ---- */

/* In verbose mode: 1 when c was blank or began a comment, which is read over. */
static bool skip_blank(struct pattern_parser *p, uint32_t c)
{
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return true;
    if (c != '#')
        return false;
    while (pattern_peek(p) != PATTERN_END && p->text[p->at] != '\n')
        skip_one(p);
    if (pattern_peek(p) == '\n')
        p->at++;
    return true;
}

static int read_repeat(struct pattern_parser *p, struct sequence *s, uint32_t c, struct error *err)
{
    size_t begin = p->at - 1;
    struct repeat repeat = {c == '+' ? 1 : 0, c == '?' ? 1 : PYTHON_REPEAT_MAX};
    if (c == '{') {
        int is_repeat = read_braces(p, &repeat, err);
        if (is_repeat < 0)
            return -1;
        if (!is_repeat) {
            size_t out_begin = p->out->len;
            pattern_add_literal(p, c, s->flags);
            sequence_push(s, ITEM_PLAIN, (struct pattern_width){1, 1}, out_begin);
            return 0;
        }
    }
    return add_repeat(p, s, &repeat, begin, err);
}

static int read_item(struct pattern_parser *p, struct sequence *s, uint32_t c, struct error *err)
{
    size_t out_begin = p->out->len;
    enum pattern_item kind = ITEM_PLAIN;
    struct pattern_width width = {1, 1};
    switch (c) {
    case '(':
        return read_parenthesis(p, s, err);
    case '*':
    case '+':
    case '?':
    case '{':
        return read_repeat(p, s, c, err);
    case '\\':
        if (pattern_read_escape(p, s->flags, &kind, &width, err) < 0)
            return -1;
        break;
    case '[':
        if (pattern_read_class(p, s->flags, err) < 0)
            return -1;
        break;
    case '.':
        pattern_add_any(p, s->flags);
        break;
    case '^':
    case '$':
        kind = ITEM_AT;
        width = (struct pattern_width){0, 0};
        if (c == '^')
            pattern_add_begin(p, s->flags);
        else
            pattern_add_end(p, s->flags);
        break;
    default:
        pattern_add_literal(p, c, s->flags);
        break;
    }
    sequence_push(s, kind, width, out_begin);
    return 0;
}

static int read_sequence(struct pattern_parser *p, unsigned flags, bool is_first,
                         struct pattern_width *ret_width, struct error *err)
{
    struct sequence s = {.flags = flags, .is_first = is_first};
    for (;;) {
        uint32_t c = pattern_peek(p);
        if (c == PATTERN_END || c == '|' || c == ')')
            break;
        p->at++;
        if ((s.flags & PATTERN_VERBOSE) && skip_blank(p, c))
            continue;
        if (read_item(p, &s, c, err) < 0)
            return -1;
    }
    ret_width->lo = width_add(s.width.lo, s.last_width.lo);
    ret_width->hi = width_add(s.width.hi, s.last_width.hi);
    return 0;
}

static int read_branches(struct pattern_parser *p, unsigned flags, bool is_top,
                         struct pattern_width *ret_width, struct error *err)
{
    struct pattern_width all = {PATTERN_WIDTH_MAX, 0};
    bool is_first = true;
    do {
        struct pattern_width one;
        if (!is_first)
            str_add_char(p->out, '|');
        if (read_sequence(p, is_top ? p->flags : flags, is_top && is_first, &one, err) < 0)
            return -1;
        all.lo = one.lo < all.lo ? one.lo : all.lo;
        all.hi = one.hi > all.hi ? one.hi : all.hi;
        is_first = false;
    } while (pattern_take(p, '|'));
    *ret_width = all;
    return 0;
}

static void parser_done(struct pattern_parser *p)
{
    for (size_t i = 0; i < p->groups_n; i++)
        mem_free_char(&p->groups[i].name);
    mem_free_void(&p->groups);
    mem_free_void(&p->text);
}

int pattern_translate(const char *pattern, struct str *out, struct error *err)
{
    CLEANUP(parser_done) struct pattern_parser p = {.out = out};
    size_t bytes_n = strlen(pattern);
    p.text = mem_zero(bytes_n + 1, sizeof *p.text);
    for (size_t i = 0; i < bytes_n;) {
        unsigned c;
        size_t n = str_utf8_next(pattern + i, bytes_n - i, &c);
        if (n == 0)
            return error_set(err, ERROR_BAD_INPUT, "the pattern is no UTF-8 at byte %zu", i);
        p.text[p.n++] = c;
        i += n;
    }
    p.groups = mem_grow(NULL, &p.groups_cap, 1, sizeof *p.groups);
    p.groups[0] = (struct pattern_group){.is_open = true};
    p.groups_n = 1;
    struct pattern_width width;
    if (read_branches(&p, 0, true, &width, err) < 0)
        return -1;
    if (p.at < p.n)
        return pattern_fail(&p, p.at, err, "unbalanced parenthesis");
    if (p.reference_max >= p.groups_n)
        return pattern_fail(&p, 0, err, "invalid group reference %zu", p.reference_max);
    return 0;
}
