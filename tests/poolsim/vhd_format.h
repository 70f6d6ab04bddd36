/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The fixed structures of a VHD: footer, dynamic header, and what in them matters to us.
 *
 * Source: contract 7 (field offsets); recordings 705, 723-726; all numbers are big-endian.
 */
#ifndef ONYX_TESTS_POOLSIM_VHD_FORMAT_H
#define ONYX_TESTS_POOLSIM_VHD_FORMAT_H

#include <stddef.h>
#include <stdint.h>

struct error;

#define VHD_SECTOR_BYTES      512U
#define VHD_HEADER_BYTES      1024U
#define VHD_BLOCK_BYTES       (UINT64_C(2) << 20)
#define VHD_TABLE_OFFSET      2048U
#define VHD_ABSENT            UINT32_C(0xFFFFFFFF)
#define VHD_TYPE_DYNAMIC      3U
#define VHD_TYPE_DIFFERENCING 4U
#define VHD_MAX_BYTES         (UINT64_C(2040) << 30)
#define VHD_PATH_MAX          240U /* parent's path, in ASCII */

struct vhd_footer {
    uint64_t size_bytes;
    uint64_t data_offset;
    uint32_t type;
    unsigned char uuid[16];
};

struct vhd_header {
    uint64_t table_offset;
    uint32_t blocks_n; /* max_table_entries */
    uint32_t block_bytes;
    unsigned char parent_uuid[16];
    uint32_t parent_stamp;          /* seconds since 2000 */
    char parent_path[VHD_PATH_MAX]; /* "" when there is no parent */
};

uint32_t vhd_get_u32(const unsigned char *bytes);
uint64_t vhd_get_u64(const unsigned char *bytes);
void vhd_put_u32(unsigned char *bytes, uint32_t value);

void vhd_pack_footer(const struct vhd_footer *footer, unsigned char bytes[VHD_SECTOR_BYTES]);
void vhd_pack_header(const struct vhd_header *header, unsigned char bytes[VHD_HEADER_BYTES]);

/* ERROR_CORRUPT: cookie, version, checksum, type or a size that cannot be. */
int vhd_unpack_footer(const unsigned char bytes[VHD_SECTOR_BYTES], struct vhd_footer *ret_footer,
                      struct error *err);
int vhd_unpack_header(const unsigned char bytes[VHD_HEADER_BYTES], struct vhd_header *ret_header,
                      struct error *err);

#endif
