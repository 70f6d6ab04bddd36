/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The check of a VHD while it streams by: footer, header, block table, every block inside the
 * file and none over another, no room for one that the table does not name, the same footer at the
 * end.
 *
 * Data of blocks has no checksum in this format: the proof is of the structure. Bitmaps, data, and
 * what pads head and table may hold anything. The table is kept
 * (4 bytes per block, at most VHD_ENTRIES_MAX).
 * Source: Microsoft, "Virtual Hard Disk Image Format Specification" 1.0; xapi vhd_format f.ml.
 */
#ifndef ONYX_COMMON_FORMAT_VHD_H
#define ONYX_COMMON_FORMAT_VHD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;
struct vhd_check;

#define VHD_PROOF "structure"
#define VHD_ENTRIES_MAX (4u << 20) /* 16 MiB of table: 8 TiB in blocks of 2 MiB */

enum vhd_kind { VHD_ANY = 0, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };

struct vhd_summary {
    enum vhd_kind kind;
    uint64_t disk_bytes; /* current size */
    uint32_t block_bytes;
    uint32_t blocks_n; /* present */
    uint64_t bytes;    /* of the file */
};

/* disk_bytes 0: any; else the disk must have this size, or it rounded up to 2 MiB as XAPI does for
 * disks that are no VHDs themselves. kind DIFFERENCING: a server that ignored base= is found. */
struct vhd_check *vhd_check_new(enum vhd_kind kind, uint64_t disk_bytes);
void vhd_check_free(struct vhd_check *check);
#define CLEAN_VHD_CHECK CLEANUP(vhd_check_clean)
void vhd_check_clean(struct vhd_check **check);

/* ERROR_CORRUPT, ERROR_LIMIT (table), ERROR_NO_MEMORY, ERROR_XAPI (late answer). */
int vhd_check_feed(struct vhd_check *check, const void *bytes, size_t n, struct error *err);

/* ERROR_SHORT, ERROR_CORRUPT, ERROR_XAPI. ret may be NULL. */
int vhd_check_finish(const struct vhd_check *check, struct vhd_summary *ret, struct error *err);

#endif
