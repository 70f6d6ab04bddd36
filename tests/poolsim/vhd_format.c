/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packing and unpacking; values that vhd-tool writes always alike are constants here.
 */
#include "tests/poolsim/vhd_format.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define FOOTER_CHECKSUM 64
#define HEADER_CHECKSUM 36

static void put_u16(unsigned char *bytes, uint32_t value)
{
    bytes[0] = (unsigned char)(value >> 8);
    bytes[1] = (unsigned char)value;
}

void vhd_put_u32(unsigned char *bytes, uint32_t value)
{
    put_u16(bytes, value >> 16);
    put_u16(bytes + 2, value & 0xFFFFU);
}

static void put_u64(unsigned char *bytes, uint64_t value)
{
    vhd_put_u32(bytes, (uint32_t)(value >> 32));
    vhd_put_u32(bytes + 4, (uint32_t)value);
}

uint32_t vhd_get_u32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

uint64_t vhd_get_u64(const unsigned char *bytes)
{
    return (uint64_t)vhd_get_u32(bytes) << 32 | vhd_get_u32(bytes + 4);
}

/* One's complement of the sum of all bytes, the field itself counted as zero. */
static uint32_t checksum(const unsigned char *bytes, size_t n, size_t field)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        if (i < field || i >= field + 4)
            sum += bytes[i];
    return ~sum;
}

/* Cylinders, heads and sectors by the rule of the format's appendix. */
static void put_geometry(unsigned char *bytes, uint64_t size_bytes)
{
    uint64_t sectors = size_bytes / VHD_SECTOR_BYTES;
    uint32_t per_track = 17, heads, tracks;
    if (sectors > 65535U * 16U * 255U)
        sectors = 65535U * 16U * 255U;
    if (sectors >= 65535U * 16U * 63U) {
        per_track = 255;
        heads = 16;
        tracks = (uint32_t)(sectors / per_track);
    } else {
        tracks = (uint32_t)(sectors / per_track);
        heads = (tracks + 1023) / 1024;
        heads = heads < 4 ? 4 : heads;
        if (tracks >= heads * 1024 || heads > 16) {
            per_track = 31;
            heads = 16;
            tracks = (uint32_t)(sectors / per_track);
        }
        if (tracks >= heads * 1024) {
            per_track = 63;
            heads = 16;
            tracks = (uint32_t)(sectors / per_track);
        }
    }
    put_u16(bytes, tracks / heads);
    bytes[2] = (unsigned char)heads;
    bytes[3] = (unsigned char)per_track;
}

void vhd_pack_footer(const struct vhd_footer *footer, unsigned char bytes[VHD_SECTOR_BYTES])
{
    memset(bytes, 0, VHD_SECTOR_BYTES);
    memcpy(bytes, "conectix", 8);
    vhd_put_u32(bytes + 8, 2);
    vhd_put_u32(bytes + 12, 0x00010000);
    put_u64(bytes + 16, footer->data_offset);
    memcpy(bytes + 28, "caml", 4);
    vhd_put_u32(bytes + 32, 1);
    put_u64(bytes + 40, footer->size_bytes);
    put_u64(bytes + 48, footer->size_bytes);
    put_geometry(bytes + 56, footer->size_bytes);
    vhd_put_u32(bytes + 60, footer->type);
    memcpy(bytes + 68, footer->uuid, 16);
    vhd_put_u32(bytes + FOOTER_CHECKSUM, checksum(bytes, VHD_SECTOR_BYTES, FOOTER_CHECKSUM));
}

void vhd_pack_header(const struct vhd_header *header, unsigned char bytes[VHD_HEADER_BYTES])
{
    size_t path_n = strlen(header->parent_path);
    memset(bytes, 0, VHD_HEADER_BYTES);
    memcpy(bytes, "cxsparse", 8);
    memset(bytes + 8, 0xFF, 8);
    put_u64(bytes + 16, header->table_offset);
    vhd_put_u32(bytes + 24, 0x00010000);
    vhd_put_u32(bytes + 28, header->blocks_n);
    vhd_put_u32(bytes + 32, header->block_bytes);
    if (path_n > 0) {
        memcpy(bytes + 40, header->parent_uuid, 16);
        vhd_put_u32(bytes + 56, header->parent_stamp);
        for (size_t i = 0; i < path_n; i++)
            bytes[64 + 2 * i + 1] = (unsigned char)header->parent_path[i];
        /* The locator of "file://PATH", declared where only zeros are. */
        memcpy(bytes + 576, "MacX", 4);
        vhd_put_u32(bytes + 580, 1);
        vhd_put_u32(bytes + 584, (uint32_t)(path_n + strlen("file://")));
        put_u64(bytes + 592, VHD_SECTOR_BYTES + VHD_HEADER_BYTES);
    }
    vhd_put_u32(bytes + HEADER_CHECKSUM, checksum(bytes, VHD_HEADER_BYTES, HEADER_CHECKSUM));
}

int vhd_unpack_footer(const unsigned char bytes[VHD_SECTOR_BYTES], struct vhd_footer *ret_footer,
                      struct error *err)
{
    struct vhd_footer footer;
    if (memcmp(bytes, "conectix", 8) != 0)
        return error_set(err, ERROR_CORRUPT, "no VHD footer here");
    if (vhd_get_u32(bytes + 12) != 0x00010000 ||
        vhd_get_u32(bytes + FOOTER_CHECKSUM) != checksum(bytes, VHD_SECTOR_BYTES, FOOTER_CHECKSUM))
        return error_set(err, ERROR_CORRUPT, "the VHD footer's version or checksum is wrong");
    footer.data_offset = vhd_get_u64(bytes + 16);
    footer.size_bytes = vhd_get_u64(bytes + 48);
    footer.type = vhd_get_u32(bytes + 60);
    memcpy(footer.uuid, bytes + 68, 16);
    if ((footer.type != VHD_TYPE_DYNAMIC && footer.type != VHD_TYPE_DIFFERENCING) ||
        footer.size_bytes == 0 || footer.size_bytes > VHD_MAX_BYTES)
        return error_set(err, ERROR_CORRUPT, "a VHD of type %u and %llu bytes is not read here",
                         (unsigned)footer.type, (unsigned long long)footer.size_bytes);
    *ret_footer = footer;
    return 0;
}

int vhd_unpack_header(const unsigned char bytes[VHD_HEADER_BYTES], struct vhd_header *ret_header,
                      struct error *err)
{
    struct vhd_header header = {.parent_path = ""};
    if (memcmp(bytes, "cxsparse", 8) != 0)
        return error_set(err, ERROR_CORRUPT, "no VHD header here");
    if (vhd_get_u32(bytes + 24) != 0x00010000 ||
        vhd_get_u32(bytes + HEADER_CHECKSUM) != checksum(bytes, VHD_HEADER_BYTES, HEADER_CHECKSUM))
        return error_set(err, ERROR_CORRUPT, "the VHD header's version or checksum is wrong");
    header.table_offset = vhd_get_u64(bytes + 16);
    header.blocks_n = vhd_get_u32(bytes + 28);
    header.block_bytes = vhd_get_u32(bytes + 32);
    memcpy(header.parent_uuid, bytes + 40, 16);
    header.parent_stamp = vhd_get_u32(bytes + 56);
    for (size_t i = 0; i + 1 < VHD_PATH_MAX && bytes[64 + 2 * i] == 0; i++)
        header.parent_path[i] = (char)bytes[64 + 2 * i + 1];
    bool is_power = (header.block_bytes & (header.block_bytes - 1)) == 0;
    if (header.block_bytes < 4096 || header.block_bytes > (UINT32_C(64) << 20) || !is_power ||
        header.blocks_n == 0 || header.blocks_n > VHD_MAX_BYTES / header.block_bytes + 1)
        return error_set(err, ERROR_CORRUPT, "a VHD of %u blocks of %u bytes is not read here",
                         (unsigned)header.blocks_n, (unsigned)header.block_bytes);
    *ret_header = header;
    return 0;
}
