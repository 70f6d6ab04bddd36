/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bytes of an XVA as /export sends them: V7 tar members, each block of a disk followed by its
 * checksum.
 *
 * Source: contract 6.1-6.3; stream_vdi.ml; recordings 513, 1011, 1200-1203. First and last block
 * of a disk are always sent; others by content (plain path) or by allocated 2 MiB cluster.
 */
#ifndef ONYX_TESTS_POOLSIM_XVA_WRITER_H
#define ONYX_TESTS_POOLSIM_XVA_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/poolsim/disks.h"
#include "tests/poolsim/sink.h"

#define XVA_BLOCK_BYTES (UINT64_C(1) << 20)
/* So many bytes of zeros does dom0 read in the 5 s after which it sends a keep-alive (1200). */
#define XVA_KEEPALIVE_BYTES (UINT64_C(1100) << 20)

struct xva_style {
    bool has_xxhash;       /* .xxhash (16 upper-case digits of XXH64), else .checksum (sha1) */
    bool sends_clusters;   /* blocks of allocated clusters, also if zero; else non-zero blocks */
    bool sends_keepalives; /* zero-length members in long runs of zeros (plain path only) */
};

/* Asked before each block of the disk is read, with its offset; -1 and the error set ends it. */
typedef int xva_step_fn(void *context, uint64_t offset, struct error *err);

/* One member: header, data, padding. name has at most 100 bytes. ERROR_LOST when the sink fails
 * (errno in sys). */
int xva_write_member(const struct sink *sink, const char *name, int64_t mtime_s, const void *bytes,
                     size_t n, struct error *err);

/*
 * All members of one disk; prefix is "Ref:5/" (or "vdi/").
 *
 * Fails: ERROR_LOST (the sink), ERROR_IO, ERROR_SHORT (the disk), what step gave. Nothing of a
 *        block that could not be read has been written then.
 */
int xva_write_disk(const struct sink *sink, struct disk *disk, const char *prefix,
                   const struct xva_style *style, xva_step_fn *step, void *step_context,
                   struct error *err);

/* The two zero blocks. */
int xva_write_end(const struct sink *sink, struct error *err);

#endif
