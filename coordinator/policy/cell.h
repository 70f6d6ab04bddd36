/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One cell of a table for people: so many columns of a terminal, whatever the text.
 */
#ifndef ONYX_COORDINATOR_POLICY_CELL_H
#define ONYX_COORDINATOR_POLICY_CELL_H

#include <stdbool.h>
#include <stddef.h>

struct str;

/* Append text padded to columns, on the left when is_right; what is too long is cut and ends in
 * "~", control characters are "?". columns is 1 or more. */
void cell_add(struct str *out, const char *text, size_t columns, bool is_right);

/* Take the blanks off the end of the last line and end it. */
void cell_end_line(struct str *out);

#endif
