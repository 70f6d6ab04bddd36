/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole reads from a source.
 *
 * A short read and a broken stream are told apart: XAPI answers them differently.
 */
#include "tests/poolsim/source.h"

#include <errno.h>
#include <stdint.h>

#include "common/base/error.h"

#include "common/base/poison.h"

int source_read_all(const struct source *source, void *bytes, size_t n, struct error *err)
{
    unsigned char *to = bytes;
    while (n > 0) {
        size_t got = 0;
        if (source->read(source->context, to, n, &got) != 0)
            return error_set_sys(err, ERROR_LOST, errno, "read the stream");
        if (got == 0)
            return error_set(err, ERROR_SHORT, "the stream ends too early");
        to += got;
        n -= got;
    }
    return 0;
}

int source_skip(const struct source *source, size_t n, struct error *err)
{
    unsigned char bytes[4096];
    while (n > 0) {
        size_t part = n < sizeof bytes ? n : sizeof bytes;
        if (source_read_all(source, bytes, part, err) != 0)
            return -1;
        n -= part;
    }
    return 0;
}
