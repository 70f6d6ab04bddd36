/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stream is read once, front to back: the table gives where blocks lie, sorting it gives the
 * order in which they come.
 */
#include "tests/poolsim/vhd_reader.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"

#include "common/base/poison.h"

struct block_place {
    uint64_t at; /* byte in the stream */
    uint32_t index;
};

struct vhd_input {
    const struct source *source;
    uint64_t at; /* bytes read so far */
    struct vhd_footer footer;
    struct vhd_header header;
    struct block_place *places;
    size_t places_n;
    size_t bitmap_bytes;
    unsigned char *buffer; /* bitmap and block */
};

static int take(struct vhd_input *input, void *bytes, size_t n, struct error *err)
{
    if (source_read_all(input->source, bytes, n, err) != 0)
        return -1;
    input->at += n;
    return 0;
}

static int skip_to(struct vhd_input *input, uint64_t at, struct error *err)
{
    if (at < input->at)
        return error_set(err, ERROR_CORRUPT, "parts of the VHD overlap at byte %llu",
                         (unsigned long long)at);
    if (source_skip(input->source, (size_t)(at - input->at), err) != 0)
        return -1;
    input->at = at;
    return 0;
}

static int compare_places(const void *a, const void *b)
{
    uint64_t x = ((const struct block_place *)a)->at;
    uint64_t y = ((const struct block_place *)b)->at;
    return (x > y) - (x < y);
}

static int read_table(struct vhd_input *input, struct error *err)
{
    size_t n = input->header.blocks_n;
    unsigned char *table = mem_try(n * 4, err);
    input->places = table ? mem_try(n * sizeof *input->places, err) : NULL;
    int failed = !input->places || skip_to(input, input->header.table_offset, err) != 0 ||
                 take(input, table, n * 4, err) != 0;
    for (size_t i = 0; !failed && i < n; i++) {
        uint32_t sector = vhd_get_u32(table + 4 * i);
        if (sector != VHD_ABSENT)
            input->places[input->places_n++] =
                (struct block_place){(uint64_t)sector * VHD_SECTOR_BYTES, (uint32_t)i};
    }
    free(table);
    if (failed)
        return -1;
    if (input->places_n > 1)
        qsort(input->places, input->places_n, sizeof *input->places, compare_places);
    return 0;
}

static int read_head(struct vhd_input *input, struct error *err)
{
    unsigned char footer[VHD_SECTOR_BYTES];
    unsigned char header[VHD_HEADER_BYTES];
    if (take(input, footer, sizeof footer, err) != 0 ||
        vhd_unpack_footer(footer, &input->footer, err) != 0 ||
        skip_to(input, input->footer.data_offset, err) != 0 ||
        take(input, header, sizeof header, err) != 0 ||
        vhd_unpack_header(header, &input->header, err) != 0)
        return -1;
    size_t sectors = input->header.block_bytes / VHD_SECTOR_BYTES;
    input->bitmap_bytes =
        (sectors / 8 + VHD_SECTOR_BYTES - 1) / VHD_SECTOR_BYTES * VHD_SECTOR_BYTES;
    return read_table(input, err);
}

static bool has_sector(const struct vhd_input *input, size_t sector)
{
    return (input->buffer[sector / 8] & (0x80U >> (sector % 8))) != 0;
}

/* Write the runs of present sectors of the block in the buffer. */
static int write_block(const struct vhd_input *input, uint32_t index, struct disk *disk,
                       struct error *err)
{
    uint64_t start = (uint64_t)index * input->header.block_bytes;
    size_t sectors = input->header.block_bytes / VHD_SECTOR_BYTES;
    for (size_t from = 0; from < sectors;) {
        size_t to = from;
        while (to < sectors && has_sector(input, to))
            to++;
        uint64_t at = start + from * VHD_SECTOR_BYTES;
        size_t n = (to - from) * VHD_SECTOR_BYTES;
        uint64_t left = at < disk_size(disk) ? disk_size(disk) - at : 0;
        n = left < n ? (size_t)left : n;
        if (n > 0 &&
            disk_write(disk, at, input->buffer + input->bitmap_bytes + from * VHD_SECTOR_BYTES, n,
                       err) != 0)
            return -1;
        from = to == from ? from + 1 : to;
    }
    return 0;
}

static int read_blocks(struct vhd_input *input, struct disk *disk, struct error *err)
{
    unsigned char footer[VHD_SECTOR_BYTES];
    struct vhd_footer last;
    input->buffer = mem_try(input->bitmap_bytes + input->header.block_bytes, err);
    if (!input->buffer)
        return -1;
    for (size_t i = 0; i < input->places_n; i++)
        if (skip_to(input, input->places[i].at, err) != 0 ||
            take(input, input->buffer, input->bitmap_bytes + input->header.block_bytes, err) != 0 ||
            write_block(input, input->places[i].index, disk, err) != 0)
            return -1;
    if (input->places_n == 0) {
        uint64_t end = input->header.table_offset + (uint64_t)input->header.blocks_n * 4;
        end = (end + VHD_SECTOR_BYTES - 1) / VHD_SECTOR_BYTES * VHD_SECTOR_BYTES;
        if (skip_to(input, end, err) != 0)
            return -1;
    }
    if (take(input, footer, sizeof footer, err) != 0)
        return -1;
    return vhd_unpack_footer(footer, &last, err);
}

int vhd_read(const struct source *source, struct disk *disk, struct vhd_footer *ret_footer,
             struct error *err)
{
    struct vhd_input input = {.source = source};
    int failed = read_head(&input, err) != 0 || read_blocks(&input, disk, err) != 0;
    free(input.places);
    free(input.buffer);
    if (failed)
        return error_add(err, "read the VHD at byte %llu", (unsigned long long)input.at);
    if (ret_footer)
        *ret_footer = input.footer;
    return 0;
}
