/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What all fuzz targets share.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/poison.h"

void fuzz_fail(const char *condition)
{
    fprintf(stderr, "a promise is broken: %s\n", condition);
    abort();
}

size_t fuzz_piece(const uint8_t *bytes, size_t n, size_t at)
{
    return n ? 1u + bytes[(at * 31 + 7) % n] % 7u * 100u + at % 13 : 1u;
}
