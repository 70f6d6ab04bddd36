/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Compresses whole blocks, each alone, so that any number of threads can work on one stream.
 *
 * What comes out is joined in the order of the blocks between a beginning and an end: one gzip
 * member, or a row of zstd frames. A pack belongs to one thread at a time; a pack_join to whoever
 * knows the order.
 * Source: RFC 1951 (a block that ends at a byte), RFC 1952; RFC 8878 (frames in a row).
 */
#ifndef ONYX_COMMON_FORMAT_PACK_H
#define ONYX_COMMON_FORMAT_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/model/job.h"

struct error;
struct pack;

#define PACK_BLOCK_MAX (1u << 20)
#define PACK_ROOM      (PACK_BLOCK_MAX + 65536) /* what a block can become at most */
#define PACK_EDGE_MAX  32

/* kind is gzip or zstd. ERROR_NO_MEMORY, ERROR_INTERNAL. */
struct pack *pack_new(enum job_compress kind, const struct job_tuning *tuning, struct error *err);
void pack_free(struct pack *pack);
#define CLEAN_PACK CLEANUP(pack_clean)
void pack_clean(struct pack **pack);

struct packed {
    size_t n;       /* bytes that came out */
    size_t plain_n; /* and that went in */
    uint32_t crc;   /* gzip: of those */
};

/* n is 1 to PACK_BLOCK_MAX, out has PACK_ROOM bytes. ERROR_INTERNAL. */
int pack_block(struct pack *pack, const void *bytes, size_t n, unsigned char *out,
               struct packed *ret, struct error *err);

struct pack_join {
    enum job_compress kind;
    uint64_t plain_bytes;
    uint32_t crc;
};

/* Each gives how many bytes of edge stand before the first and behind the last block. */
size_t pack_begin(struct pack_join *join, enum job_compress kind,
                  unsigned char edge[PACK_EDGE_MAX]);
void pack_add(struct pack_join *join, const struct packed *packed); /* in order */
size_t pack_end(const struct pack_join *join, unsigned char edge[PACK_EDGE_MAX]);

#endif
