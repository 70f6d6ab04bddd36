/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which way a kind is packed, zstd's frames, and the edges of a joined stream.
 */
#include "common/format/pack.h"

#include <assert.h>
#include <isa-l.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/error.h"
#include "common/format/pack_inside.h"

#include "common/base/poison.h"

#define ZSTD_LEVEL 1

struct pack {
    const struct pack_way *way;
    bool has_crc;
    void *state;
};

/* --- zstd ------------------------------------------------------------------------------------ */

static void zstd_end(void *state)
{
    ZSTD_freeCCtx(state);
}

static void *zstd_begin(int level, struct error *err)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    size_t rc;

    if (!zstd) {
        error_set(err, ERROR_NO_MEMORY, "zstd: no memory for a compressor");
        return NULL;
    }
    rc = ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level ? level : ZSTD_LEVEL);
    if (!ZSTD_isError(rc))
        rc = ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    if (!ZSTD_isError(rc))
        return zstd;
    error_set(err, ERROR_INTERNAL, "zstd: %s", ZSTD_getErrorName(rc));
    zstd_end(zstd);
    return NULL;
}

static size_t zstd_block(void *state, const void *bytes, size_t n, unsigned char *out,
                         struct error *err)
{
    size_t used = ZSTD_compress2(state, out, PACK_ROOM, bytes, n);

    if (!ZSTD_isError(used))
        return used;
    error_set(err, ERROR_INTERNAL, "zstd: %s", ZSTD_getErrorName(used));
    return 0;
}

const struct pack_way pack_zstd = {zstd_begin, zstd_block, zstd_end};

/* --- any ------------------------------------------------------------------------------------- */

struct pack *pack_new(enum job_compress kind, const struct job_tuning *tuning, struct error *err)
{
    CLEAN_PACK struct pack *pack = mem_zero(1, sizeof *pack);

    assert(kind == JOB_COMPRESS_GZIP || kind == JOB_COMPRESS_ZSTD);
    pack->has_crc = kind == JOB_COMPRESS_GZIP;
    pack->way = kind == JOB_COMPRESS_ZSTD               ? &pack_zstd
                : tuning->gzip_effort == JOB_GZIP_SMALL ? &pack_gzip_small
                                                        : &pack_gzip_fast;
    pack->state = pack->way->begin((int)tuning->compress_level, err);
    if (!pack->state)
        return NULL;
    struct pack *made = pack;
    pack = NULL;
    return made;
}

void pack_free(struct pack *pack)
{
    if (!pack)
        return;
    if (pack->state)
        pack->way->end(pack->state);
    free(pack);
}

void pack_clean(struct pack **pack)
{
    pack_free(*pack);
    *pack = NULL;
}

int pack_block(struct pack *pack, const void *bytes, size_t n, unsigned char *out,
               struct packed *ret, struct error *err)
{
    assert(n > 0 && n <= PACK_BLOCK_MAX);
    size_t used = pack->way->block(pack->state, bytes, n, out, err);

    if (!used)
        return -1;
    *ret = (struct packed){.n = used, .plain_n = n};
    if (pack->has_crc)
        ret->crc = crc32_gzip_refl(0, bytes, n);
    return 0;
}

size_t pack_begin(struct pack_join *join, enum job_compress kind,
                  unsigned char edge[PACK_EDGE_MAX])
{
    /* No name, no time. Made by some Unix. */
    static const unsigned char head[] = {0x1f, 0x8b, Z_DEFLATED, 0, 0, 0, 0, 0, 0, 3};

    *join = (struct pack_join){.kind = kind};
    if (kind != JOB_COMPRESS_GZIP)
        return 0;
    memcpy(edge, head, sizeof head);
    return sizeof head;
}

void pack_add(struct pack_join *join, const struct packed *packed)
{
    if (join->kind == JOB_COMPRESS_GZIP)
        join->crc = (uint32_t)crc32_combine(join->crc, packed->crc, (z_off_t)packed->plain_n);
    join->plain_bytes += packed->plain_n;
}

static size_t put_le32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> 8 * i);
    return 4;
}

size_t pack_end(const struct pack_join *join, unsigned char edge[PACK_EDGE_MAX])
{
    size_t n = 0;

    if (join->kind == JOB_COMPRESS_GZIP) {
        edge[n++] = 0x03; /* the last block, of nothing */
        edge[n++] = 0x00;
        n += put_le32(edge + n, join->crc);
        n += put_le32(edge + n, (uint32_t)join->plain_bytes);
    } else if (!join->plain_bytes) {
        n = ZSTD_compress(edge, PACK_EDGE_MAX, "", 0, ZSTD_LEVEL); /* no file is no stream */
        assert(!ZSTD_isError(n));
    }
    return n;
}
