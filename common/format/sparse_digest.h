/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A digest of a disk that does not read its holes: its cost follows the data, not the size.
 *
 * It is XXH3-128 over, for each 64 KiB of the disk that are not all zero, in order: their offset (8
 * bytes, big-endian), then they themselves; the last piece may be shorter; at the end the disk's
 * size (8 bytes, big-endian). How the disk came (pieces, holes told or zeros sent) makes no
 * difference, so a full read of the file gives the same.
 */
#ifndef ONYX_COMMON_FORMAT_SPARSE_DIGEST_H
#define ONYX_COMMON_FORMAT_SPARSE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/format/digest.h"

struct error;
struct sparse_digest;

#define SPARSE_DIGEST_PIECE 65536

/* NULL with ERROR_INTERNAL when the library can't give the digest. */
struct sparse_digest *sparse_digest_new(struct error *err);
void sparse_digest_free(struct sparse_digest *sparse);
#define CLEAN_SPARSE_DIGEST CLEANUP(sparse_digest_clean)
void sparse_digest_clean(struct sparse_digest **sparse);

/* The next n bytes of the disk; bytes NULL: they are zeros. */
void sparse_digest_update(struct sparse_digest *sparse, const void *bytes, size_t n);

/* As hex. Not used afterwards. Gives text. */
char *sparse_digest_final(struct sparse_digest *sparse, char text[DIGEST_TEXT_MAX]);

#endif
