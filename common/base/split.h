/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cutting text at a separator that stands outside brackets, so that "a{1,2},(?:b|c)" has two parts.
 *
 * Brackets are (), [] and {}; a backslash escapes the character behind it; inside [] only ] has a
 * meaning, and not as the first character. A bracket that nothing closes is an ordinary character:
 * what is unbalanced is cut as if it had no brackets there. Linear in the text's length.
 */
#ifndef ONYX_COMMON_BASE_SPLIT_H
#define ONYX_COMMON_BASE_SPLIT_H

#include <stddef.h>

struct text_list;

/* Append the parts of text, trimmed; the empty ones too. At most max parts, the last one takes the
 * rest (0: no limit). A text without a separator is one part. */
void split_outside_brackets(const char *text, char separator, size_t max, struct text_list *parts);

#endif
