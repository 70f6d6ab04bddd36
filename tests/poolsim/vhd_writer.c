/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The block table has to be known before the first block, so presence is worked out first: by
 * allocation (VHD-backed), by difference of the chains (base=), or by content (raw-backed).
 */
#include "tests/poolsim/vhd_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#include "common/base/poison.h"

struct vhd_job {
    const struct sink *sink;
    const struct vhd_request *request;
    uint64_t size_bytes; /* as the footer says */
    uint32_t blocks_n;
    unsigned char *buffer; /* bitmap and block */
    unsigned char *table;
    size_t table_bytes;
};

static int put(struct vhd_job *job, const void *bytes, size_t n, struct error *err)
{
    if (job->sink->write(job->sink->context, bytes, n) == 0)
        return 0;
    return error_set_sys(err, ERROR_LOST, errno, "write the stream");
}

/* Bytes of the disk that lie in a block: the last one may have fewer, the rest is zero. */
static size_t block_part(const struct vhd_job *job, uint32_t index)
{
    uint64_t at = index * VHD_BLOCK_BYTES;
    uint64_t left = disk_size(job->request->disk) - at;
    return (size_t)(left < VHD_BLOCK_BYTES ? left : VHD_BLOCK_BYTES);
}

static int read_block(struct vhd_job *job, uint32_t index, struct error *err)
{
    unsigned char *data = job->buffer + VHD_SECTOR_BYTES;
    size_t n = block_part(job, index);
    memset(data + n, 0, VHD_BLOCK_BYTES - n);
    return disk_read(job->request->disk, index * VHD_BLOCK_BYTES, data, n, err);
}

static int find_presence(struct vhd_job *job, uint32_t index, bool *ret_is_present,
                         struct error *err)
{
    const struct vhd_request *request = job->request;
    const unsigned char *data = job->buffer + VHD_SECTOR_BYTES;
    uint64_t at = index * VHD_BLOCK_BYTES;
    if (request->base) {
        *ret_is_present = disk_cluster_differs(request->disk, request->base, index);
        return 0;
    }
    *ret_is_present = disk_has_data(request->disk, at, block_part(job, index));
    if (!*ret_is_present || !request->is_raw_backed)
        return 0;
    if (read_block(job, index, err) != 0)
        return -1;
    *ret_is_present = data[0] != 0 || memcmp(data, data + 1, VHD_BLOCK_BYTES - 1) != 0;
    return 0;
}

static int make_table(struct vhd_job *job, struct error *err)
{
    uint32_t sector = (uint32_t)((VHD_TABLE_OFFSET + job->table_bytes) / VHD_SECTOR_BYTES);
    memset(job->table, 0xFF, job->table_bytes);
    for (uint32_t index = 0; index < job->blocks_n; index++) {
        bool is_present = false;
        if (find_presence(job, index, &is_present, err) != 0)
            return -1;
        if (!is_present)
            continue;
        vhd_put_u32(job->table + 4 * (size_t)index, sector);
        sector += (uint32_t)(1 + VHD_BLOCK_BYTES / VHD_SECTOR_BYTES);
    }
    return 0;
}

static int write_head(struct vhd_job *job, unsigned char footer[VHD_SECTOR_BYTES],
                      struct error *err)
{
    static const unsigned char zeros[VHD_SECTOR_BYTES];
    const struct vhd_request *request = job->request;
    unsigned char header_bytes[VHD_HEADER_BYTES];
    struct vhd_footer foot = {.size_bytes = job->size_bytes,
                              .data_offset = VHD_SECTOR_BYTES,
                              .type = request->base ? VHD_TYPE_DIFFERENCING : VHD_TYPE_DYNAMIC};
    struct vhd_header header = {.table_offset = VHD_TABLE_OFFSET,
                                .blocks_n = job->blocks_n,
                                .block_bytes = (uint32_t)VHD_BLOCK_BYTES,
                                .parent_stamp = request->parent_stamp};
    memcpy(foot.uuid, request->uuid, sizeof foot.uuid);
    if (request->base) {
        disk_layer_uuid(request->base, header.parent_uuid);
        (void)str_copy(header.parent_path, sizeof header.parent_path, request->base_path);
    }
    vhd_pack_footer(&foot, footer);
    vhd_pack_header(&header, header_bytes);
    if (put(job, footer, VHD_SECTOR_BYTES, err) != 0 ||
        put(job, header_bytes, sizeof header_bytes, err) != 0 ||
        put(job, zeros, sizeof zeros, err) != 0)
        return -1;
    return put(job, job->table, job->table_bytes, err);
}

static int write_blocks(struct vhd_job *job, struct error *err)
{
    const struct vhd_request *request = job->request;
    for (uint32_t index = 0; index < job->blocks_n; index++) {
        if (vhd_get_u32(job->table + 4 * (size_t)index) == VHD_ABSENT)
            continue;
        if (request->step &&
            request->step(request->step_context, index * VHD_BLOCK_BYTES, err) != 0)
            return -1;
        bool hangs = request->is_raw_backed && block_part(job, index) < VHD_BLOCK_BYTES;
        if (read_block(job, index, err) != 0)
            return -1;
        memset(job->buffer, 0xFF, VHD_SECTOR_BYTES);
        if (put(job, job->buffer,
                VHD_SECTOR_BYTES + (hangs ? block_part(job, index) : VHD_BLOCK_BYTES), err) != 0)
            return -1;
        if (hangs)
            return error_set(err, ERROR_TIMEOUT,
                             "vhd-tool hangs at the end of a disk of %llu bytes",
                             (unsigned long long)disk_size(request->disk));
    }
    return 0;
}

int vhd_write(const struct sink *sink, const struct vhd_request *request, struct error *err)
{
    struct vhd_job job = {.sink = sink, .request = request};
    unsigned char footer[VHD_SECTOR_BYTES];
    uint64_t size_bytes = disk_size(request->disk);
    uint64_t blocks = (size_bytes + VHD_BLOCK_BYTES - 1) / VHD_BLOCK_BYTES;
    int failed = -1;
    job.size_bytes = request->is_raw_backed ? blocks * VHD_BLOCK_BYTES : size_bytes;
    job.blocks_n = (uint32_t)blocks;
    job.table_bytes =
        ((size_t)blocks * 4 + VHD_SECTOR_BYTES - 1) / VHD_SECTOR_BYTES * VHD_SECTOR_BYTES;
    job.buffer = mem_try(VHD_SECTOR_BYTES + VHD_BLOCK_BYTES, err);
    job.table = job.buffer ? mem_try(job.table_bytes, err) : NULL;
    if (job.table && make_table(&job, err) == 0 && write_head(&job, footer, err) == 0 &&
        write_blocks(&job, err) == 0)
        failed = put(&job, footer, sizeof footer, err);
    free(job.buffer);
    free(job.table);
    return failed;
}
