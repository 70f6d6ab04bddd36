/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One pass finds where each bracket closes (a stack of the open ones, and how many of each kind
 * are on it so that a lone closer costs nothing), a second cuts and jumps over what is closed.
 */
#include "common/base/split.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/text_list.h"

#include "common/base/poison.h"

#define NOT_CLOSED 0

struct brackets {
    size_t *closes; /* for each byte that opens: where it closes, or NOT_CLOSED */
    size_t *open;   /* stack of positions */
    size_t open_n;
    size_t round_n, curly_n; /* how many of each are on the stack */
};

/* The end of the class that begins at from, or NOT_CLOSED. */
static size_t class_end(const char *text, size_t n, size_t from)
{
    size_t i = from + 1;
    if (i < n && text[i] == '^')
        i++;
    if (i < n && text[i] == ']')
        i++;
    for (; i < n; i++) {
        if (text[i] == '\\')
            i++;
        else if (text[i] == ']')
            return i;
    }
    return NOT_CLOSED;
}

static void close_bracket(struct brackets *b, const char *text, size_t at)
{
    char opener = text[at] == ')' ? '(' : '{';
    if ((opener == '(' ? b->round_n : b->curly_n) == 0)
        return;
    for (;;) {
        size_t top = b->open[--b->open_n];
        if (text[top] == '(')
            b->round_n--;
        else
            b->curly_n--;
        if (text[top] == opener) {
            b->closes[top] = at;
            return;
        }
    }
}

static void find_brackets(struct brackets *b, const char *text, size_t n)
{
    bool has_class_end = true;
    for (size_t i = 0; i < n; i++) {
        switch (text[i]) {
        case '\\':
            i++;
            break;
        case '[':
            if (has_class_end) {
                b->closes[i] = class_end(text, n, i);
                if (b->closes[i])
                    i = b->closes[i];
                else
                    has_class_end = false;
            }
            break;
        case '(':
        case '{':
            if (text[i] == '(')
                b->round_n++;
            else
                b->curly_n++;
            b->open[b->open_n++] = i;
            break;
        case ')':
        case '}':
            close_bracket(b, text, i);
            break;
        default:
            break;
        }
    }
}

static void add_part(struct text_list *parts, const char *text, size_t n)
{
    CLEAN_CHAR char *part = mem_dup_n(text, n);
    text_list_add(parts, str_trim(part));
}

void split_outside_brackets(const char *text, char separator, size_t max, struct text_list *parts)
{
    size_t n = strlen(text);
    struct brackets b = {.closes = mem_zero(n + 1, sizeof(size_t)),
                         .open = mem_zero(n + 1, sizeof(size_t))};
    find_brackets(&b, text, n);
    size_t begin = 0, added_n = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\') {
            i++;
        } else if (b.closes[i] != NOT_CLOSED) {
            i = b.closes[i];
        } else if (text[i] == separator && (max == 0 || added_n + 1 < max)) {
            add_part(parts, text + begin, i - begin);
            added_n++;
            begin = i + 1;
        }
    }
    add_part(parts, text + begin, n - begin);
    mem_free_void(&b.closes);
    mem_free_void(&b.open);
}
