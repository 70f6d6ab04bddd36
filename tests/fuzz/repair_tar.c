/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Goes from header to header by the octal sizes as far as they make sense.
 */
#include "tests/fuzz/repair_tar.h"

#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

#include "common/base/poison.h"

static uint64_t size_of(const char *header)
{
    uint64_t size = 0;

    for (size_t i = 124; i < 135 && header[i] >= '0' && header[i] <= '7'; i++)
        size = size * 8 + (uint64_t)(header[i] - '0');
    return size;
}

static void repair_header(char *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%07o", sum & 07777777);
}

void repair_tar(const uint8_t *bytes, size_t n, struct str *out)
{
    if (!n)
        return;
    str_add_n(out, (const char *)bytes, n);
    if (bytes[n - 1] & 1)
        return;
    for (size_t at = 0; at + 512 <= n;) {
        if (out->data[at])
            repair_header(out->data + at);
        uint64_t size = size_of(out->data + at);
        if (size > n)
            return;
        at += 512 + (size_t)(size + 511) / 512 * 512;
    }
}
