/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Deflate blocks that are not the last ones and end at a byte: ISA-L makes them so, libdeflate has
 * to be helped.
 *
 * ISA-L (2.30) does not always make the same of the same: which match it finds depends a little on
 * the address of its state, so two packs may differ by a byte a block. Each match is compared with
 * the data all the same.
 *
 * libdeflate knows whole streams only, whose last block says so in its first bit. That bit is
 * cleared where inflate finds it, and an empty stored block brings the end to a byte. Blocks do not
 * look back into the one before: 32 KiB of history in 1 MiB save less than 0.2 %.
 */
#include <isa-l.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/format/pack.h"
#include "common/format/pack_inside.h"

#include "common/base/poison.h"

#define FAST_LEVEL       1
#define SMALL_LEVEL      4
#define SMALL_LEVEL_MAX  12
#define UNUSED_BITS      31u  /* zlib's data_type behind Z_BLOCK */
#define IN_LAST_BLOCK    64
#define AT_A_BOUNDARY    128
#define EMPTY_BLOCK_BITS 3    /* its head; it goes on at the next byte */

/* The libraries' input is not const in their headers, but never written to. */
static unsigned char *plain_bytes(const void *bytes)
{
    unsigned char *plain;

    memcpy(&plain, &bytes, sizeof plain);
    return plain;
}

/* --- fast ------------------------------------------------------------------------------------ */

struct fast {
    struct isal_zstream stream;
    uint32_t level, memory_n;
    uint8_t memory[ISAL_DEF_LVL3_EXTRA_LARGE];
};

static void *fast_begin(int level, struct error *err)
{
    static const uint32_t sizes[] = {0, ISAL_DEF_LVL1_EXTRA_LARGE, ISAL_DEF_LVL2_EXTRA_LARGE,
                                     ISAL_DEF_LVL3_EXTRA_LARGE};
    struct fast *fast = mem_try(sizeof *fast, err);

    if (!fast)
        return NULL;
    fast->level = (uint32_t)(!level                       ? FAST_LEVEL
                             : level > ISAL_DEF_MAX_LEVEL ? ISAL_DEF_MAX_LEVEL
                                                          : level);
    fast->memory_n = sizes[fast->level];
    return fast;
}

static size_t fast_block(void *state, const void *bytes, size_t n, unsigned char *out,
                         struct error *err)
{
    struct fast *fast = state;
    struct isal_zstream *stream = &fast->stream;

    isal_deflate_stateless_init(stream);
    stream->level = fast->level;
    stream->level_buf = fast->memory;
    stream->level_buf_size = fast->memory_n;
    stream->flush = FULL_FLUSH;
    stream->next_in = plain_bytes(bytes);
    stream->avail_in = (uint32_t)n;
    stream->next_out = out;
    stream->avail_out = PACK_ROOM;
    int rc = isal_deflate_stateless(stream);
    if (rc == COMP_OK && !stream->avail_in)
        return stream->total_out;
    error_set(err, ERROR_INTERNAL, "gzip: ISA-L gives %d", rc);
    return 0;
}

static void fast_end(void *state)
{
    free(state);
}

const struct pack_way pack_gzip_fast = {fast_begin, fast_block, fast_end};

/* --- small ----------------------------------------------------------------------------------- */

struct small {
    struct libdeflate_compressor *compressor;
    z_stream reader;
    unsigned char plain[PACK_BLOCK_MAX]; /* what the reader makes of it; nobody looks */
};

static void small_end(void *state)
{
    struct small *small = state;

    if (!small)
        return;
    libdeflate_free_compressor(small->compressor);
    inflateEnd(&small->reader);
    free(small);
}

static void *small_begin(int level, struct error *err)
{
    struct small *small = mem_try(sizeof *small, err);

    if (!small)
        return NULL;
    level = !level ? SMALL_LEVEL : level > SMALL_LEVEL_MAX ? SMALL_LEVEL_MAX : level;
    small->compressor = libdeflate_alloc_compressor(level);
    if (small->compressor && inflateInit2(&small->reader, -MAX_WBITS) == Z_OK)
        return small;
    small_end(small);
    error_set(err, ERROR_NO_MEMORY, "gzip: no memory for libdeflate");
    return NULL;
}

static uint64_t bits_read(const z_stream *reader)
{
    return (uint64_t)reader->total_in * 8 - ((unsigned)reader->data_type & UNUSED_BITS);
}

/* Where the last block of a whole stream begins and ends, in bits. */
static int find_last(struct small *small, unsigned char *out, size_t n, uint64_t *ret_begin,
                     uint64_t *ret_end, struct error *err)
{
    z_stream *reader = &small->reader;
    int rc = inflateReset(reader);

    *ret_begin = *ret_end = 0;
    reader->next_in = out;
    reader->avail_in = (unsigned)n;
    reader->next_out = small->plain;
    reader->avail_out = sizeof small->plain;
    while (rc == Z_OK) {
        rc = inflate(reader, Z_BLOCK);
        if (rc != Z_OK || !(reader->data_type & AT_A_BOUNDARY))
            continue;
        /* Asked once more, behind the last one, it would forget the bits. */
        if (reader->data_type & IN_LAST_BLOCK)
            *ret_end = bits_read(reader);
        else
            *ret_begin = bits_read(reader);
    }
    if (rc != Z_STREAM_END || reader->avail_in || !*ret_end)
        return error_set(err, ERROR_INTERNAL, "gzip: zlib can't read what libdeflate wrote (%d)",
                         rc);
    return 0;
}

static size_t small_block(void *state, const void *bytes, size_t n, unsigned char *out,
                          struct error *err)
{
    static const unsigned char stored_nothing[] = {0x00, 0x00, 0xff, 0xff};
    struct small *small = state;
    uint64_t begin, end;
    size_t room = PACK_ROOM - 1 - sizeof stored_nothing;
    size_t used = libdeflate_deflate_compress(small->compressor, bytes, n, out, room);

    if (!used) {
        error_set(err, ERROR_INTERNAL, "gzip: libdeflate finds no room");
        return 0;
    }
    if (find_last(small, out, used, &begin, &end, err))
        return 0;
    out[begin / 8] &= (unsigned char)~(1u << begin % 8);
    size_t free_bits = (size_t)(used * 8 - end);
    out[used - 1] &= (unsigned char)(0xffu >> free_bits);
    if (free_bits < EMPTY_BLOCK_BITS)
        out[used++] = 0;
    memcpy(out + used, stored_nothing, sizeof stored_nothing);
    return used + sizeof stored_nothing;
}

const struct pack_way pack_gzip_small = {small_begin, small_block, small_end};
