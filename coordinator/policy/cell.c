/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cut by whole characters until there is room for the "~".
 */
#include "coordinator/policy/cell.h"

#include <string.h>

#include "common/base/str.h"

#include "common/base/poison.h"

void cell_add(struct str *out, const char *text, size_t columns, bool is_right)
{
    CLEAN_CHAR char *cell = mem_dup(text);
    size_t n = strlen(cell);
    /* A name with a line break must not look like a line of the table. */
    for (char *c = cell; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    if (str_columns(cell) > columns) {
        while (n > 0 && str_columns(cell) >= columns) {
            n = str_utf8_cut(cell, n, n - 1);
            cell[n] = '\0';
        }
        cell[n] = '~'; /* at least one byte was cut off */
        cell[n + 1] = '\0';
    }
    size_t width = str_columns(cell);
    for (size_t i = width; is_right && i < columns; i++)
        str_add_char(out, ' ');
    str_add(out, cell);
    for (size_t i = width; !is_right && i < columns; i++)
        str_add_char(out, ' ');
}

void cell_end_line(struct str *out)
{
    while (out->len > 0 && out->data[out->len - 1] == ' ')
        str_set_len(out, out->len - 1);
    str_add_char(out, '\n');
}
