/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Streaming inflate and zstd; several gzip members behind each other are one output.
 */
#include "tests/poolsim/decompressor.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "common/base/error.h"

#include "common/base/poison.h"

#define IN_BYTES (256U << 10)

struct decompressor {
    const struct source *from;
    z_stream gzip;
    bool has_gzip;
    ZSTD_DCtx *zstd;
    unsigned char in[IN_BYTES];
    size_t in_n, in_at;
    bool is_over;   /* nothing more comes out */
    bool is_at_end; /* nothing more comes in */
};

int decompressor_new(const void *first_bytes, size_t n, const struct source *from,
                     struct decompressor **ret_decompressor, struct error *err)
{
    CLEAN_DECOMPRESSOR struct decompressor *d = mem_zero(1, sizeof *d);
    d->from = from;
    d->in_n = n < IN_BYTES ? n : IN_BYTES;
    memcpy(d->in, first_bytes, d->in_n);
    if (n >= 4 && memcmp(first_bytes, "\x28\xb5\x2f\xfd", 4) == 0) {
        d->zstd = ZSTD_createDCtx();
        if (!d->zstd)
            return error_set(err, ERROR_NO_MEMORY, "start zstd");
    } else {
        if (inflateInit2(&d->gzip, 15 + 16) != Z_OK)
            return error_set(err, ERROR_NO_MEMORY, "start gzip");
        d->has_gzip = true;
    }
    *ret_decompressor = d;
    d = NULL;
    return 0;
}

void decompressor_free(struct decompressor **decompressor)
{
    struct decompressor *d = *decompressor;
    if (!d)
        return;
    if (d->has_gzip)
        (void)inflateEnd(&d->gzip);
    (void)ZSTD_freeDCtx(d->zstd);
    free(d);
    *decompressor = NULL;
}

static int fill(struct decompressor *d)
{
    if (d->in_at < d->in_n || d->is_at_end)
        return 0;
    d->in_at = 0;
    d->in_n = 0;
    if (d->from->read(d->from->context, d->in, IN_BYTES, &d->in_n) != 0)
        return -1;
    d->is_at_end = d->in_n == 0;
    return 0;
}

static size_t inflate_some(struct decompressor *d, unsigned char *bytes, size_t n)
{
    d->gzip.next_in = d->in + d->in_at;
    d->gzip.avail_in = (uInt)(d->in_n - d->in_at);
    d->gzip.next_out = bytes;
    d->gzip.avail_out = (uInt)n;
    int status = inflate(&d->gzip, Z_NO_FLUSH);
    d->in_at = d->in_n - d->gzip.avail_in;
    if (status == Z_STREAM_END)
        d->is_over = inflateReset(&d->gzip) != Z_OK || (d->is_at_end && d->in_at == d->in_n);
    else if (status != Z_OK && status != Z_BUF_ERROR)
        d->is_over = true;
    return n - d->gzip.avail_out;
}

static size_t zstd_some(struct decompressor *d, unsigned char *bytes, size_t n)
{
    ZSTD_inBuffer in = {d->in, d->in_n, d->in_at};
    ZSTD_outBuffer out = {bytes, n, 0};
    if (ZSTD_isError(ZSTD_decompressStream(d->zstd, &out, &in)))
        d->is_over = true;
    d->in_at = in.pos;
    return out.pos;
}

static int decompressor_read(void *context, void *bytes, size_t n, size_t *ret_n)
{
    struct decompressor *d = context;
    size_t part = n < (1U << 20) ? n : (1U << 20);
    size_t made = 0;
    while (made == 0 && !d->is_over) {
        if (fill(d) != 0)
            return -1;
        made = d->zstd ? zstd_some(d, bytes, part) : inflate_some(d, bytes, part);
        if (made == 0 && d->is_at_end)
            d->is_over = true;
    }
    *ret_n = made;
    return 0;
}

struct source decompressor_source(struct decompressor *decompressor)
{
    return (struct source){decompressor_read, decompressor};
}
