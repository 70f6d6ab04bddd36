/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Either case is read, upper case is written. Source: RFC 3986, 2.1.
 */
#include "common/base/percent.h"

#include "common/base/str.h"

#include "common/base/poison.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int percent_byte(const char *text, size_t n)
{
    if (n < 3 || text[0] != '%' || hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0)
        return -1;
    return hex_digit(text[1]) * 16 + hex_digit(text[2]);
}

void percent_add(struct str *out, char byte)
{
    str_add_format(out, "%%%02X", (unsigned)(unsigned char)byte);
}
