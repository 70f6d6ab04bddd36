/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The writing half of compress.h: pieces are gathered to the blocks that pack takes.
 */
#include "common/format/compress.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/pack.h"

#include "common/base/poison.h"

struct compress {
    compress_sink_fn *sink;
    void *context;
    struct pack *pack; /* NULL: none */
    struct pack_join join;
    bool is_begun;
    size_t n; /* bytes in block */
    unsigned char block[PACK_BLOCK_MAX], out[PACK_ROOM];
};

static const struct {
    enum job_compress kind;
    const char *name;
} names[] = {
    {JOB_COMPRESS_NONE, "none"}, {JOB_COMPRESS_GZIP, "gzip"}, {JOB_COMPRESS_ZSTD, "zstd"}};

const char *compress_name(enum job_compress kind)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].kind == kind)
            return names[i].name;
    return "unknown";
}

int compress_from_name(const char *name, enum job_compress *ret_kind)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_equal(names[i].name, name)) {
            *ret_kind = names[i].kind;
            return 1;
        }
    return 0;
}

struct compress *compress_new(enum job_compress kind, int level, compress_sink_fn *sink,
                              void *context, struct error *err)
{
    CLEAN_COMPRESS struct compress *compress = mem_try(sizeof *compress, err);
    const struct job_tuning tuning = {.compress_level = (uint32_t)level};

    if (!compress)
        return NULL;
    compress->sink = sink;
    compress->context = context;
    compress->join.kind = kind;
    if (kind != JOB_COMPRESS_NONE) {
        compress->pack = pack_new(kind, &tuning, err);
        if (!compress->pack)
            return NULL;
    }
    struct compress *made = compress;
    compress = NULL;
    return made;
}

void compress_free(struct compress *compress)
{
    if (!compress)
        return;
    pack_free(compress->pack);
    free(compress);
}

void compress_clean(struct compress **compress)
{
    compress_free(*compress);
    *compress = NULL;
}

static int give(struct compress *compress, const unsigned char *bytes, size_t n, struct error *err)
{
    for (size_t at = 0; at < n; at += COMPRESS_OUT) {
        size_t piece = n - at < COMPRESS_OUT ? n - at : COMPRESS_OUT;
        if (compress->sink(compress->context, bytes + at, piece, err))
            return -1;
    }
    return 0;
}

static int give_beginning(struct compress *compress, struct error *err)
{
    unsigned char edge[PACK_EDGE_MAX];

    if (compress->is_begun)
        return 0;
    compress->is_begun = true;
    return give(compress, edge, pack_begin(&compress->join, compress->join.kind, edge), err);
}

static int give_block(struct compress *compress, struct error *err)
{
    struct packed packed;

    if (give_beginning(compress, err))
        return -1;
    if (!compress->n)
        return 0;
    if (pack_block(compress->pack, compress->block, compress->n, compress->out, &packed, err))
        return -1;
    pack_add(&compress->join, &packed);
    compress->n = 0;
    return give(compress, compress->out, packed.n, err);
}

int compress_feed(struct compress *compress, const void *bytes, size_t n, struct error *err)
{
    const unsigned char *at = bytes;

    if (!compress->pack)
        return n ? compress->sink(compress->context, bytes, n, err) : 0;
    while (n) {
        size_t room = PACK_BLOCK_MAX - compress->n;
        size_t piece = n < room ? n : room;
        memcpy(compress->block + compress->n, at, piece);
        compress->n += piece;
        at += piece;
        n -= piece;
        if (compress->n == PACK_BLOCK_MAX && give_block(compress, err))
            return -1;
    }
    return 0;
}

int compress_finish(struct compress *compress, struct error *err)
{
    unsigned char edge[PACK_EDGE_MAX];

    if (!compress->pack)
        return 0;
    if (give_block(compress, err))
        return -1;
    return give(compress, edge, pack_end(&compress->join, edge), err);
}
