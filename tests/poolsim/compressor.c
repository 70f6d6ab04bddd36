/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Levels are those of the programs: gzip 6, zstd 3.
 */
#include "tests/poolsim/compressor.h"

#include <errno.h>
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "common/base/error.h"

#include "common/base/poison.h"

#define OUT_BYTES (256U << 10)

struct compressor {
    enum compression compression;
    const struct sink *to;
    struct sink sink;
    z_stream gzip;
    bool has_gzip;
    ZSTD_CCtx *zstd;
    unsigned char out[OUT_BYTES];
};

static int gzip_write(struct compressor *c, const void *bytes, size_t n, int flush)
{
    int status = Z_OK;
    c->gzip.next_in = bytes;
    c->gzip.avail_in = (uInt)n;
    do {
        c->gzip.next_out = c->out;
        c->gzip.avail_out = OUT_BYTES;
        status = deflate(&c->gzip, flush);
        if (status == Z_STREAM_ERROR) {
            errno = EINVAL;
            return -1;
        }
        size_t made = OUT_BYTES - c->gzip.avail_out;
        if (made > 0 && c->to->write(c->to->context, c->out, made) != 0)
            return -1;
    } while (c->gzip.avail_out == 0 || (flush == Z_FINISH && status != Z_STREAM_END));
    return 0;
}

static int zstd_write(struct compressor *c, const void *bytes, size_t n, ZSTD_EndDirective end)
{
    ZSTD_inBuffer in = {bytes, n, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {c->out, OUT_BYTES, 0};
        left = ZSTD_compressStream2(c->zstd, &out, &in, end);
        if (ZSTD_isError(left)) {
            errno = EINVAL;
            return -1;
        }
        if (out.pos > 0 && c->to->write(c->to->context, c->out, out.pos) != 0)
            return -1;
    } while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
    return 0;
}

static int compressor_write(void *context, const void *bytes, size_t n)
{
    struct compressor *c = context;
    if (c->compression == COMPRESSION_GZIP)
        return gzip_write(c, bytes, n, Z_NO_FLUSH);
    if (c->compression == COMPRESSION_ZSTD)
        return zstd_write(c, bytes, n, ZSTD_e_continue);
    return c->to->write(c->to->context, bytes, n);
}

int compressor_new(enum compression compression, const struct sink *to,
                   struct compressor **ret_compressor, struct error *err)
{
    CLEAN_COMPRESSOR struct compressor *c = mem_zero(1, sizeof *c);
    c->compression = compression;
    c->to = to;
    c->sink = (struct sink){compressor_write, c};
    if (compression == COMPRESSION_GZIP) {
        if (deflateInit2(&c->gzip, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
            return error_set(err, ERROR_NO_MEMORY, "start gzip");
        c->has_gzip = true;
    } else if (compression == COMPRESSION_ZSTD) {
        c->zstd = ZSTD_createCCtx();
        if (!c->zstd)
            return error_set(err, ERROR_NO_MEMORY, "start zstd");
        (void)ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1);
    }
    *ret_compressor = c;
    c = NULL;
    return 0;
}

void compressor_free(struct compressor **compressor)
{
    struct compressor *c = *compressor;
    if (!c)
        return;
    if (c->has_gzip)
        (void)deflateEnd(&c->gzip);
    (void)ZSTD_freeCCtx(c->zstd);
    free(c);
    *compressor = NULL;
}

const struct sink *compressor_sink(struct compressor *compressor)
{
    return &compressor->sink;
}

int compressor_finish(struct compressor *compressor)
{
    if (compressor->compression == COMPRESSION_GZIP)
        return gzip_write(compressor, NULL, 0, Z_FINISH);
    if (compressor->compression == COMPRESSION_ZSTD)
        return zstd_write(compressor, NULL, 0, ZSTD_e_end);
    return 0;
}
