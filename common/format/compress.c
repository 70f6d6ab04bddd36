/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One const table of kinds. Each row works on a state of its own; what they share is the buffer
 * that output is given from.
 *
 * gzip: zlib's own checks are on (CRC and length of each member). A member that ends with input
 * left is followed by another: what pigz, bgzip and parallel writers make.
 */
#include "common/format/compress.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "common/base/error.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define GZIP_WINDOW (15 + 16) /* the largest window, gzip's head and tail */
#define GZIP_LEVEL  1         /* dom0's processor is the scarce thing */
#define ZSTD_LEVEL  1
#define ZLIB_PIECE  (1u << 30)

struct stream {
    compress_sink_fn *sink;
    void *context;
    uint64_t in_bytes;
    bool is_between; /* decompress: the last member or frame is complete */
    z_stream zlib;
    bool has_zlib;
    ZSTD_CCtx *zstd_out;
    ZSTD_DCtx *zstd_in;
    unsigned char out[COMPRESS_OUT];
};

struct compress_kind {
    enum job_compress kind;
    const char *name;
    int (*begin)(struct stream *s, int level, struct error *err);
    int (*feed)(struct stream *s, const void *bytes, size_t n, bool is_last, struct error *err);
    void (*end)(struct stream *s);
    int (*begin_back)(struct stream *s, struct error *err);
    int (*feed_back)(struct stream *s, const void *bytes, size_t n, struct error *err);
    void (*end_back)(struct stream *s);
};

struct compress {
    const struct compress_kind *kind;
    struct stream stream;
};

struct decompress {
    const struct compress_kind *kind;
    struct stream stream;
};

static int give(struct stream *s, const void *bytes, size_t n, struct error *err)
{
    return n ? s->sink(s->context, bytes, n, err) : 0;
}

static int none_begin(struct stream *s, int level, struct error *err)
{
    (void)s, (void)level, (void)err;
    return 0;
}

static int none_feed(struct stream *s, const void *bytes, size_t n, bool is_last, struct error *err)
{
    (void)is_last;
    return give(s, bytes, n, err);
}

static void none_end(struct stream *s)
{
    (void)s;
}

static int none_begin_back(struct stream *s, struct error *err)
{
    (void)err;
    s->is_between = true;
    return 0;
}

static int none_feed_back(struct stream *s, const void *bytes, size_t n, struct error *err)
{
    return give(s, bytes, n, err);
}

static int gzip_begin(struct stream *s, int level, struct error *err)
{
    int rc = deflateInit2(&s->zlib, level ? level : GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8,
                          Z_DEFAULT_STRATEGY);

    if (rc != Z_OK)
        return error_set(err, rc == Z_MEM_ERROR ? ERROR_NO_MEMORY : ERROR_INTERNAL,
                         "gzip: zlib does not start (%d)", rc);
    s->has_zlib = true;
    return 0;
}

/* zlib's input is not const in its header, but never written to. */
static unsigned char *zlib_bytes(const void *bytes)
{
    unsigned char *plain;

    memcpy(&plain, &bytes, sizeof plain);
    return plain;
}

static int gzip_run(struct stream *s, const void *bytes, size_t n, int flush, struct error *err)
{
    s->zlib.next_in = zlib_bytes(bytes);
    s->zlib.avail_in = (unsigned)n;
    do {
        s->zlib.next_out = s->out;
        s->zlib.avail_out = sizeof s->out;
        int rc = deflate(&s->zlib, flush);
        assert(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
        (void)rc;
        if (give(s, s->out, sizeof s->out - s->zlib.avail_out, err))
            return -1;
    } while (s->zlib.avail_out == 0);
    return 0;
}

static int gzip_feed(struct stream *s, const void *bytes, size_t n, bool is_last, struct error *err)
{
    const unsigned char *at = bytes;

    for (; n > ZLIB_PIECE; n -= ZLIB_PIECE, at += ZLIB_PIECE)
        if (gzip_run(s, at, ZLIB_PIECE, Z_NO_FLUSH, err))
            return -1;
    return gzip_run(s, at, n, is_last ? Z_FINISH : Z_NO_FLUSH, err);
}

static void gzip_end(struct stream *s)
{
    if (s->has_zlib)
        deflateEnd(&s->zlib);
}

static int gzip_begin_back(struct stream *s, struct error *err)
{
    int rc = inflateInit2(&s->zlib, GZIP_WINDOW);

    if (rc != Z_OK)
        return error_set(err, rc == Z_MEM_ERROR ? ERROR_NO_MEMORY : ERROR_INTERNAL,
                         "gzip: zlib does not start (%d)", rc);
    s->has_zlib = true;
    return 0;
}

/* One call of inflate and what follows from its answer. */
static int gzip_step_back(struct stream *s, struct error *err)
{
    s->zlib.next_out = s->out;
    s->zlib.avail_out = sizeof s->out;
    if (s->is_between) {
        if (inflateReset(&s->zlib) != Z_OK)
            return error_set(err, ERROR_INTERNAL, "gzip: zlib does not start again");
        s->is_between = false;
    }
    int rc = inflate(&s->zlib, Z_NO_FLUSH);
    if (rc == Z_MEM_ERROR)
        return error_set(err, ERROR_NO_MEMORY, "gzip: zlib has no memory");
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return error_set(err, ERROR_CORRUPT, "gzip: %s at byte %" PRIu64 " of the compressed data",
                         s->zlib.msg ? s->zlib.msg : "bad data", s->in_bytes - s->zlib.avail_in);
    s->is_between = rc == Z_STREAM_END;
    return give(s, s->out, sizeof s->out - s->zlib.avail_out, err);
}

static int gzip_feed_back(struct stream *s, const void *bytes, size_t n, struct error *err)
{
    const unsigned char *at = bytes;

    while (n) {
        size_t piece = n < ZLIB_PIECE ? n : ZLIB_PIECE;
        s->zlib.next_in = zlib_bytes(at);
        s->zlib.avail_in = (unsigned)piece;
        s->in_bytes += piece;
        /* A full buffer may hide more output that needs no more input. */
        do {
            if (gzip_step_back(s, err))
                return -1;
        } while (s->zlib.avail_in || (s->zlib.avail_out == 0 && !s->is_between));
        at += piece;
        n -= piece;
    }
    return 0;
}

static void gzip_end_back(struct stream *s)
{
    if (s->has_zlib)
        inflateEnd(&s->zlib);
}

static int zstd_begin(struct stream *s, int level, struct error *err)
{
    s->zstd_out = ZSTD_createCCtx();
    if (!s->zstd_out)
        return error_set(err, ERROR_NO_MEMORY, "zstd: no memory for a compressor");
    size_t rc =
        ZSTD_CCtx_setParameter(s->zstd_out, ZSTD_c_compressionLevel, level ? level : ZSTD_LEVEL);
    if (!ZSTD_isError(rc))
        rc = ZSTD_CCtx_setParameter(s->zstd_out, ZSTD_c_checksumFlag, 1);
    if (ZSTD_isError(rc))
        return error_set(err, ERROR_INTERNAL, "zstd: %s", ZSTD_getErrorName(rc));
    return 0;
}

static int zstd_feed(struct stream *s, const void *bytes, size_t n, bool is_last, struct error *err)
{
    ZSTD_inBuffer in = {bytes, n, 0};
    size_t left;

    do {
        ZSTD_outBuffer out = {s->out, sizeof s->out, 0};
        left = ZSTD_compressStream2(s->zstd_out, &out, &in, is_last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return error_set(err, ERROR_INTERNAL, "zstd: %s", ZSTD_getErrorName(left));
        if (give(s, s->out, out.pos, err))
            return -1;
    } while (is_last ? left != 0 : in.pos < in.size);
    return 0;
}

static void zstd_end(struct stream *s)
{
    ZSTD_freeCCtx(s->zstd_out);
}

static int zstd_begin_back(struct stream *s, struct error *err)
{
    s->zstd_in = ZSTD_createDCtx();
    if (!s->zstd_in)
        return error_set(err, ERROR_NO_MEMORY, "zstd: no memory for a decompressor");
    return 0;
}

static int zstd_feed_back(struct stream *s, const void *bytes, size_t n, struct error *err)
{
    ZSTD_inBuffer in = {bytes, n, 0};
    bool is_full = false;

    /* A full buffer may hide more output that needs no more input. */
    while (in.pos < in.size || is_full) {
        ZSTD_outBuffer out = {s->out, sizeof s->out, 0};
        size_t rc = ZSTD_decompressStream(s->zstd_in, &out, &in);
        if (ZSTD_isError(rc))
            return error_set(err, ERROR_CORRUPT,
                             "zstd: %s near byte %" PRIu64 " of the compressed data",
                             ZSTD_getErrorName(rc), s->in_bytes + in.pos);
        s->is_between = rc == 0;
        if (give(s, s->out, out.pos, err))
            return -1;
        is_full = out.pos == out.size && !s->is_between;
    }
    s->in_bytes += n;
    return 0;
}

static void zstd_end_back(struct stream *s)
{
    ZSTD_freeDCtx(s->zstd_in);
}

static const struct compress_kind kinds[] = {
    {JOB_COMPRESS_NONE, "none", none_begin, none_feed, none_end, none_begin_back, none_feed_back,
     none_end},
    {JOB_COMPRESS_GZIP, "gzip", gzip_begin, gzip_feed, gzip_end, gzip_begin_back, gzip_feed_back,
     gzip_end_back},
    {JOB_COMPRESS_ZSTD, "zstd", zstd_begin, zstd_feed, zstd_end, zstd_begin_back, zstd_feed_back,
     zstd_end_back},
};

static const struct compress_kind *kind_find(enum job_compress kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == kind)
            return &kinds[i];
    return NULL;
}

const char *compress_name(enum job_compress kind)
{
    const struct compress_kind *row = kind_find(kind);

    return row ? row->name : "unknown";
}

int compress_from_name(const char *name, enum job_compress *ret_kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_equal(kinds[i].name, name)) {
            *ret_kind = kinds[i].kind;
            return 1;
        }
    return 0;
}

struct compress *compress_new(enum job_compress kind, int level, compress_sink_fn *sink,
                              void *context, struct error *err)
{
    CLEAN_COMPRESS struct compress *compress = mem_try(sizeof *compress, err);

    if (!compress)
        return NULL;
    compress->kind = kind_find(kind);
    assert(compress->kind);
    compress->stream.sink = sink;
    compress->stream.context = context;
    if (compress->kind->begin(&compress->stream, level, err))
        return NULL;
    struct compress *made = compress;
    compress = NULL;
    return made;
}

void compress_free(struct compress *compress)
{
    if (!compress)
        return;
    compress->kind->end(&compress->stream);
    mem_free_void(&compress);
}

void compress_clean(struct compress **compress)
{
    compress_free(*compress);
    *compress = NULL;
}

int compress_feed(struct compress *compress, const void *bytes, size_t n, struct error *err)
{
    if (!n)
        return 0;
    compress->stream.in_bytes += n;
    return compress->kind->feed(&compress->stream, bytes, n, false, err);
}

int compress_finish(struct compress *compress, struct error *err)
{
    return compress->kind->feed(&compress->stream, "", 0, true, err);
}

struct decompress *decompress_new(enum job_compress kind, compress_sink_fn *sink, void *context,
                                  struct error *err)
{
    CLEAN_DECOMPRESS struct decompress *decompress = mem_try(sizeof *decompress, err);

    if (!decompress)
        return NULL;
    decompress->kind = kind_find(kind);
    assert(decompress->kind);
    decompress->stream.sink = sink;
    decompress->stream.context = context;
    if (decompress->kind->begin_back(&decompress->stream, err))
        return NULL;
    struct decompress *made = decompress;
    decompress = NULL;
    return made;
}

void decompress_free(struct decompress *decompress)
{
    if (!decompress)
        return;
    decompress->kind->end_back(&decompress->stream);
    mem_free_void(&decompress);
}

void decompress_clean(struct decompress **decompress)
{
    decompress_free(*decompress);
    *decompress = NULL;
}

int decompress_feed(struct decompress *decompress, const void *bytes, size_t n, struct error *err)
{
    return n ? decompress->kind->feed_back(&decompress->stream, bytes, n, err) : 0;
}

int decompress_finish(struct decompress *decompress, struct error *err)
{
    const struct stream *s = &decompress->stream;

    if (s->is_between)
        return 0;
    return error_set(err, ERROR_SHORT, "%s: stops at byte %" PRIu64 " of the compressed data",
                     decompress->kind->name, s->in_bytes);
}
