/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A block, its header, its checksum member and all padding lie in one buffer, so that a block is
 * one read into place, one pass of the hash and one write: the stream is bound by the socket.
 */
#include "tests/poolsim/xva_writer.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/num.h"

#include "common/base/poison.h"

#define TAR_BYTES    512U
#define TAR_NAME_MAX 100U
#define BUFFER_BYTES (XVA_BLOCK_BYTES + 5 * TAR_BYTES)

static size_t round_up(size_t n)
{
    return (n + TAR_BYTES - 1) / TAR_BYTES * TAR_BYTES;
}

static void put_octal(unsigned char *field, size_t width, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%0*llo", (int)(width - 1), (unsigned long long)value);
    memcpy(field, text, width);
}

/* Source: tar.ml of ocaml-tar as linked: no magic, type NUL, 7 digits of checksum. */
static void make_header(unsigned char header[TAR_BYTES], const char *name, uint64_t n,
                        int64_t mtime_s)
{
    unsigned sum = 0;
    memset(header, 0, TAR_BYTES);
    memcpy(header, name, strnlen(name, TAR_NAME_MAX));
    put_octal(header + 100, 8, 0400);
    put_octal(header + 108, 8, 0);
    put_octal(header + 116, 8, 0);
    put_octal(header + 124, 12, n);
    put_octal(header + 136, 12, (uint64_t)mtime_s);
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < TAR_BYTES; i++)
        sum += header[i];
    put_octal(header + 148, 8, sum);
}

static int put(const struct sink *sink, const void *bytes, size_t n, struct error *err)
{
    if (n == 0 || sink->write(sink->context, bytes, n) == 0)
        return 0;
    return error_set_sys(err, ERROR_LOST, errno, "write the archive");
}

int xva_write_member(const struct sink *sink, const char *name, int64_t mtime_s, const void *bytes,
                     size_t n, struct error *err)
{
    static const unsigned char zeros[TAR_BYTES];
    unsigned char header[TAR_BYTES];
    make_header(header, name, n, mtime_s);
    if (put(sink, header, sizeof header, err) != 0 || put(sink, bytes, n, err) != 0)
        return -1;
    return put(sink, zeros, round_up(n) - n, err);
}

int xva_write_end(const struct sink *sink, struct error *err)
{
    static const unsigned char zeros[2 * TAR_BYTES];
    return put(sink, zeros, sizeof zeros, err);
}

/* Digits of the checksum member's data. */
static size_t format_checksum(const struct xva_style *style, const unsigned char *bytes, size_t n,
                              char text[2 * SHA_DIGEST_LENGTH + 1])
{
    unsigned char sha1[SHA_DIGEST_LENGTH];
    if (style->has_xxhash)
        return (size_t)snprintf(text, 17, "%016llX", (unsigned long long)XXH64(bytes, n, 0));
    SHA1(bytes, n, sha1);
    num_format_hex(sha1, sizeof sha1, text);
    return 2 * sizeof sha1;
}

struct disk_job {
    const struct sink *sink;
    const char *prefix;
    const struct xva_style *style;
    unsigned char *buffer; /* header, data from TAR_BYTES on, padding, checksum member */
    uint64_t number;       /* of the next member */
    uint64_t silent_bytes; /* zeros passed since something was sent */
};

/* Send the n bytes that lie in the buffer behind the room for their header. */
static int send_block(struct disk_job *job, size_t n, struct error *err)
{
    char name[TAR_NAME_MAX + 16];
    char digits[2 * SHA_DIGEST_LENGTH + 1];
    unsigned char *data = job->buffer + TAR_BYTES;
    unsigned char *second = data + round_up(n);
    size_t digits_n = format_checksum(job->style, data, n, digits);
    memset(data + n, 0, round_up(n) - n);
    (void)snprintf(name, sizeof name, "%s%08llu", job->prefix, (unsigned long long)job->number);
    make_header(job->buffer, name, n, 0);
    (void)snprintf(name, sizeof name, "%s%08llu%s", job->prefix, (unsigned long long)job->number,
                   job->style->has_xxhash ? ".xxhash" : ".checksum");
    make_header(second, name, digits_n, 0);
    memset(second + TAR_BYTES, 0, TAR_BYTES);
    memcpy(second + TAR_BYTES, digits, digits_n);
    job->silent_bytes = 0;
    job->number++;
    return put(job->sink, job->buffer, TAR_BYTES + round_up(n) + 2 * TAR_BYTES, err);
}

static bool is_zero(const unsigned char *bytes, size_t n)
{
    return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* Whether the block at this offset is sent for what it holds; its bytes are read then. */
static int read_if_wanted(struct disk_job *job, struct disk *disk, uint64_t offset, size_t n,
                          bool is_edge, bool *ret_is_wanted, struct error *err)
{
    unsigned char *data = job->buffer + TAR_BYTES;
    uint64_t cluster = offset / DISK_CLUSTER_BYTES * DISK_CLUSTER_BYTES;
    bool by_cluster = job->style->sends_clusters;
    uint64_t left = disk_size(disk) - cluster;
    uint64_t cluster_n = left < DISK_CLUSTER_BYTES ? left : DISK_CLUSTER_BYTES;
    bool is_there =
        by_cluster ? disk_has_data(disk, cluster, cluster_n) : disk_has_data(disk, offset, n);
    *ret_is_wanted = is_edge || is_there;
    if (!*ret_is_wanted)
        return 0;
    if (disk_read(disk, offset, data, n, err) != 0)
        return -1;
    *ret_is_wanted = is_edge || by_cluster || !is_zero(data, n);
    return 0;
}

static int write_block_at(struct disk_job *job, struct disk *disk, uint64_t offset,
                          struct error *err)
{
    uint64_t left = disk_size(disk) - offset;
    size_t n = (size_t)(left < XVA_BLOCK_BYTES ? left : XVA_BLOCK_BYTES);
    bool is_wanted = false;
    bool is_edge = offset == 0 || left <= XVA_BLOCK_BYTES;
    bool keeps_alive = job->style->sends_keepalives && !job->style->sends_clusters && !is_edge;
    /* A keep-alive takes a number; the block itself then takes the next one. */
    if (keeps_alive && job->silent_bytes > XVA_KEEPALIVE_BYTES && send_block(job, 0, err) != 0)
        return -1;
    if (read_if_wanted(job, disk, offset, n, is_edge, &is_wanted, err) != 0)
        return -1;
    if (is_wanted)
        return send_block(job, n, err);
    job->silent_bytes += n;
    job->number++;
    return 0;
}

int xva_write_disk(const struct sink *sink, struct disk *disk, const char *prefix,
                   const struct xva_style *style, xva_step_fn *step, void *step_context,
                   struct error *err)
{
    struct disk_job job = {.sink = sink, .prefix = prefix, .style = style};
    int failed = 0;
    job.buffer = mem_try(BUFFER_BYTES, err);
    if (!job.buffer)
        return -1;
    for (uint64_t offset = 0; !failed && offset < disk_size(disk); offset += XVA_BLOCK_BYTES) {
        failed = step ? step(step_context, offset, err) : 0;
        if (!failed)
            failed = write_block_at(&job, disk, offset, err);
    }
    free(job.buffer);
    return failed;
}
