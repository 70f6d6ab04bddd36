/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Percent-encoding of single bytes ("%0A"), as names on the share and .meta values use it.
 *
 * Which bytes are encoded is the caller's affair; a "%" before two hex digits always must be.
 */
#ifndef ONYX_COMMON_BASE_PERCENT_H
#define ONYX_COMMON_BASE_PERCENT_H

#include <stddef.h>

struct str;

/* The byte that "%NN" at text stands for, -1 if the n bytes there do not begin with one. */
int percent_byte(const char *text, size_t n);

/* Append the byte's encoding: "%0A". */
void percent_add(struct str *out, char byte);

#endif
