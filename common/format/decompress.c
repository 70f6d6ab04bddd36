/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One const table of kinds, each row with a state of its own; what they share is the buffer that
 * output is given from.
 *
 * gzip: zlib's own checks are on (CRC and length of each member). A member that ends with input
 * left is followed by another: what pigz, bgzip and parallel writers make. What follows a complete
 * member or frame and is none is an error, never ignored.
 */
#include "common/format/decompress.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "common/base/error.h"

#include "common/base/poison.h"

#define GZIP_WINDOW (15 + 16) /* the largest window, gzip's head and tail */
#define ZLIB_PIECE  (1u << 30)

struct stream {
    decompress_sink_fn *sink;
    void *context;
    uint64_t in_bytes;
    bool is_between; /* the last member or frame is complete */
    z_stream zlib;
    bool has_zlib;
    ZSTD_DCtx *zstd_in;
    unsigned char out[DECOMPRESS_OUT];
};

struct way {
    enum job_compress kind;
    int (*begin)(struct stream *s, struct error *err);
    int (*feed)(struct stream *s, const void *bytes, size_t n, struct error *err);
    void (*end)(struct stream *s);
};

struct decompress {
    const struct way *way;
    struct stream stream;
};

static int give(struct stream *s, const void *bytes, size_t n, struct error *err)
{
    return n ? s->sink(s->context, bytes, n, err) : 0;
}

static int begin_none(struct stream *s, struct error *err)
{
    (void)err;
    s->is_between = true;
    return 0;
}

static int feed_none(struct stream *s, const void *bytes, size_t n, struct error *err)
{
    return give(s, bytes, n, err);
}

static void end_none(struct stream *s)
{
    (void)s;
}

/* zlib's input is not const in its header, but never written to. */
static unsigned char *zlib_bytes(const void *bytes)
{
    unsigned char *plain;

    memcpy(&plain, &bytes, sizeof plain);
    return plain;
}

static int begin_gzip(struct stream *s, struct error *err)
{
    int rc = inflateInit2(&s->zlib, GZIP_WINDOW);

    if (rc != Z_OK)
        return error_set(err, rc == Z_MEM_ERROR ? ERROR_NO_MEMORY : ERROR_INTERNAL,
                         "gzip: zlib does not start (%d)", rc);
    s->has_zlib = true;
    return 0;
}

/* One call of inflate and what follows from its answer. */
static int step_gzip(struct stream *s, struct error *err)
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

static int feed_gzip(struct stream *s, const void *bytes, size_t n, struct error *err)
{
    const unsigned char *at = bytes;

    while (n) {
        size_t piece = n < ZLIB_PIECE ? n : ZLIB_PIECE;
        s->zlib.next_in = zlib_bytes(at);
        s->zlib.avail_in = (unsigned)piece;
        s->in_bytes += piece;
        /* A full buffer may hide more output that needs no more input. */
        do {
            if (step_gzip(s, err))
                return -1;
        } while (s->zlib.avail_in || (s->zlib.avail_out == 0 && !s->is_between));
        at += piece;
        n -= piece;
    }
    return 0;
}

static void end_gzip(struct stream *s)
{
    if (s->has_zlib)
        inflateEnd(&s->zlib);
}

static int begin_zstd(struct stream *s, struct error *err)
{
    s->zstd_in = ZSTD_createDCtx();
    if (!s->zstd_in)
        return error_set(err, ERROR_NO_MEMORY, "zstd: no memory for a decompressor");
    return 0;
}

static int feed_zstd(struct stream *s, const void *bytes, size_t n, struct error *err)
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

static void end_zstd(struct stream *s)
{
    ZSTD_freeDCtx(s->zstd_in);
}

static const struct way ways[] = {
    {JOB_COMPRESS_NONE, begin_none, feed_none, end_none},
    {JOB_COMPRESS_GZIP, begin_gzip, feed_gzip, end_gzip},
    {JOB_COMPRESS_ZSTD, begin_zstd, feed_zstd, end_zstd},
};

static const struct way *way_find(enum job_compress kind)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (ways[i].kind == kind)
            return &ways[i];
    return NULL;
}

struct decompress *decompress_new(enum job_compress kind, decompress_sink_fn *sink, void *context,
                                  struct error *err)
{
    CLEAN_DECOMPRESS struct decompress *decompress = mem_try(sizeof *decompress, err);

    if (!decompress)
        return NULL;
    decompress->way = way_find(kind);
    assert(decompress->way);
    decompress->stream.sink = sink;
    decompress->stream.context = context;
    if (decompress->way->begin(&decompress->stream, err))
        return NULL;
    struct decompress *made = decompress;
    decompress = NULL;
    return made;
}

void decompress_free(struct decompress *decompress)
{
    if (!decompress)
        return;
    decompress->way->end(&decompress->stream);
    mem_free_void(&decompress);
}

void decompress_clean(struct decompress **decompress)
{
    decompress_free(*decompress);
    *decompress = NULL;
}

int decompress_feed(struct decompress *decompress, const void *bytes, size_t n, struct error *err)
{
    return n ? decompress->way->feed(&decompress->stream, bytes, n, err) : 0;
}

int decompress_finish(struct decompress *decompress, struct error *err)
{
    const struct stream *s = &decompress->stream;

    if (s->is_between)
        return 0;
    return error_set(err, ERROR_SHORT, "%s: stops at byte %" PRIu64 " of the compressed data",
                     job_compress_name(decompress->way->kind), s->in_bytes);
}
