/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is told of refused peers: one line a minute, however many there are.
 *
 * Anybody can make us want to write a line. What is to be told is gathered, each text once, and
 * goes out together when the last line is a minute old; the first goes out at once.
 */
#ifndef ONYX_COMMON_WIRE_TOLD_H
#define ONYX_COMMON_WIRE_TOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str;

#define WIRE_TOLD_MS       60000
#define WIRE_TOLD_MAX      8   /* texts in a line; it says when there were more */
#define WIRE_TOLD_TEXT_MAX 320 /* longer ones are cut */

/* Starts as zeroes. */
struct wire_told {
    char texts[WIRE_TOLD_MAX][WIRE_TOLD_TEXT_MAX];
    size_t n;
    bool has_more;
    bool has_line; /* one was written, at line_ms */
    int64_t line_ms;
};

/* Keep a text for the next line. */
void wire_told_add(struct wire_told *told, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether a line is due: has_news, or texts are kept, and the last line is a minute old. The texts
 * are appended to out then, and the next minute begins. */
bool wire_told_take(struct wire_told *told, bool has_news, int64_t now_ms, struct str *out);

#endif
