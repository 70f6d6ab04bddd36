/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One call of the library for the whole.
 */
#include "tests/unit/common/format/make_packed.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

static void must(int is_good)
{
    if (!is_good)
        abort();
}

static void add_gzip(unsigned char *bytes, size_t n, struct str *out)
{
    z_stream z = {.next_in = bytes, .avail_in = (unsigned)n};
    must(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t room = deflateBound(&z, (unsigned long)n);
    z.next_out = (unsigned char *)str_reserve(out, room);
    z.avail_out = (unsigned)room;
    must(deflate(&z, Z_FINISH) == Z_STREAM_END);
    str_set_len(out, out->len + z.total_out);
    deflateEnd(&z);
}

static void add_zstd(const void *bytes, size_t n, struct str *out)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    size_t room = ZSTD_compressBound(n);
    must(zstd != NULL && !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1)));
    size_t used = ZSTD_compress2(zstd, str_reserve(out, room), room, bytes, n);
    must(!ZSTD_isError(used));
    str_set_len(out, out->len + used);
    ZSTD_freeCCtx(zstd);
}

void make_packed(enum job_compress kind, const void *bytes, size_t n, struct str *out)
{
    unsigned char *copy = mem_copy(bytes, n); /* zlib's input is not const */
    if (kind == JOB_COMPRESS_GZIP)
        add_gzip(copy, n, out);
    else if (kind == JOB_COMPRESS_ZSTD)
        add_zstd(copy, n, out);
    else
        str_add_n(out, bytes, n);
    free(copy);
}
