/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files are opened for the length of one call: thousands of layers need no descriptors, and an
 * open costs microseconds beside the reads and writes of whole grains that it serves.
 */
#include "tests/poolsim/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "tests/poolsim/disks.h"

#include "common/base/poison.h"

static struct layer *layer_new(uint64_t size_bytes, char *path)
{
    struct layer *layer = mem_zero(1, sizeof *layer);
    atomic_init(&layer->refs, 1);
    layer->size_bytes = size_bytes;
    layer->path = path;
    random_fill(random_system(), layer->uuid, sizeof layer->uuid);
    return layer;
}

struct layer *layer_new_bottom_take(struct content *content, uint64_t size_bytes, char *path)
{
    struct layer *layer = layer_new(size_bytes, path);
    layer->content = content;
    return layer;
}

struct layer *layer_new_over_take(struct layer *parent, uint64_t size_bytes, char *path)
{
    struct layer *layer = layer_new(size_bytes, path);
    layer->parent = parent;
    layer->depth = parent->depth + 1;
    return layer;
}

struct layer *layer_ref(struct layer *layer)
{
    atomic_fetch_add(&layer->refs, 1);
    return layer;
}

void layer_release(struct layer *layer)
{
    while (layer && atomic_fetch_sub(&layer->refs, 1) == 1) {
        struct layer *parent = layer->parent;
        if (layer->has_file)
            (void)unlink(layer->path);
        content_free(layer->content);
        free(layer->path);
        free(layer->map);
        free(layer);
        layer = parent;
    }
}

bool layer_has_grain(const struct layer *layer, uint64_t grain)
{
    return layer->map && grain / 8 < layer->map_bytes &&
           (layer->map[grain / 8] & (0x80U >> (grain % 8))) != 0;
}

bool layer_has_range(const struct layer *layer, uint64_t offset, uint64_t n)
{
    if (n == 0 || offset >= layer->size_bytes)
        return false;
    if (n > layer->size_bytes - offset)
        n = layer->size_bytes - offset;
    if (layer->map) {
        uint64_t last = (offset + n - 1) / DISK_GRAIN_BYTES;
        for (uint64_t grain = offset / DISK_GRAIN_BYTES; grain <= last; grain++)
            if (layer_has_grain(layer, grain))
                return true;
    }
    return layer->content && content_has_data(layer->content, offset, n);
}

/* The layer of the chain that holds a grain: the one it was written to, else the bottom. */
static const struct layer *chain_find_grain(const struct layer *top, uint64_t grain,
                                            bool *ret_is_written)
{
    const struct layer *layer = top;
    while (!layer_has_grain(layer, grain) && layer->parent)
        layer = layer->parent;
    *ret_is_written = layer_has_grain(layer, grain);
    return layer;
}

static int file_read(const struct layer *layer, uint64_t offset, unsigned char *bytes, size_t n,
                     struct error *err)
{
    CLEAN_FD int fd = open(layer->path, O_RDONLY | O_CLOEXEC);
    uint64_t left = offset < layer->size_bytes ? layer->size_bytes - offset : 0;
    if (fd < 0)
        return error_set_sys(err, ERROR_IO, errno, "open %s", layer->path);
    if (left < n) {
        memset(bytes + left, 0, n - (size_t)left);
        n = (size_t)left;
    }
    while (n > 0) {
        ssize_t got = pread(fd, bytes, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_sys(err, ERROR_IO, errno, "read %s", layer->path);
        if (got == 0)
            return error_set(err, ERROR_SHORT, "%s ends too early", layer->path);
        offset += (uint64_t)got;
        bytes += got;
        n -= (size_t)got;
    }
    return 0;
}

static int bottom_read(const struct layer *bottom, uint64_t offset, unsigned char *bytes, size_t n,
                       struct error *err)
{
    uint64_t left = offset < bottom->size_bytes ? bottom->size_bytes - offset : 0;
    size_t inside = left < n ? (size_t)left : n;
    memset(bytes + inside, 0, n - inside);
    return inside == 0 ? 0 : content_read(bottom->content, offset, bytes, inside, err);
}

int layer_read(const struct layer *top, uint64_t offset, void *bytes, size_t n, struct error *err)
{
    unsigned char *to = bytes;
    while (n > 0) {
        bool is_written, is_next_written;
        uint64_t grain = offset / DISK_GRAIN_BYTES;
        uint64_t end = (grain + 1) * DISK_GRAIN_BYTES;
        const struct layer *layer = chain_find_grain(top, grain, &is_written);
        while (end < offset + n &&
               chain_find_grain(top, end / DISK_GRAIN_BYTES, &is_next_written) == layer &&
               is_next_written == is_written)
            end += DISK_GRAIN_BYTES;
        size_t part = end - offset < n ? (size_t)(end - offset) : n;
        int failed = is_written ? file_read(layer, offset, to, part, err)
                                : bottom_read(layer, offset, to, part, err);
        if (failed)
            return -1;
        offset += part;
        to += part;
        n -= part;
    }
    return 0;
}

static void map_set(struct layer *layer, uint64_t offset, uint64_t n)
{
    size_t need = (size_t)((layer->size_bytes + DISK_GRAIN_BYTES - 1) / DISK_GRAIN_BYTES + 7) / 8;
    if (layer->map_bytes < need) {
        unsigned char *map = mem_zero(need, 1);
        if (layer->map)
            memcpy(map, layer->map, layer->map_bytes);
        free(layer->map);
        layer->map = map;
        layer->map_bytes = need;
    }
    for (uint64_t g = offset / DISK_GRAIN_BYTES; g <= (offset + n - 1) / DISK_GRAIN_BYTES; g++)
        layer->map[g / 8] = (unsigned char)(layer->map[g / 8] | (0x80U >> (g % 8)));
}

static int file_write(int fd, uint64_t offset, const unsigned char *bytes, size_t n,
                      struct error *err)
{
    while (n > 0) {
        ssize_t put = pwrite(fd, bytes, n, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return error_set_sys(err, ERROR_IO, errno, "write a disk's layer");
        offset += (uint64_t)put;
        bytes += put;
        n -= (size_t)put;
    }
    return 0;
}

/* One grain of which only a part is written: the rest comes from what is read there now. */
static int write_part(struct layer *top, int fd, uint64_t offset, const unsigned char *bytes,
                      size_t n, struct error *err)
{
    unsigned char grain_bytes[DISK_GRAIN_BYTES];
    uint64_t start = offset / DISK_GRAIN_BYTES * DISK_GRAIN_BYTES;
    uint64_t left = top->size_bytes - start;
    size_t whole = left < DISK_GRAIN_BYTES ? (size_t)left : (size_t)DISK_GRAIN_BYTES;
    if (layer_read(top, start, grain_bytes, whole, err) != 0)
        return -1;
    memcpy(grain_bytes + (offset - start), bytes, n);
    return file_write(fd, start, grain_bytes, whole, err);
}

int layer_write(struct layer *top, uint64_t offset, const void *bytes, size_t n, struct error *err)
{
    const unsigned char *from = bytes;
    CLEAN_FD int fd = open(top->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_sys(err, ERROR_IO, errno, "open %s", top->path);
    top->has_file = true;
    while (n > 0) {
        uint64_t inside = offset % DISK_GRAIN_BYTES;
        size_t part = n - n % (size_t)DISK_GRAIN_BYTES;
        bool is_whole = inside == 0 && (part > 0 || offset + n == top->size_bytes);
        if (is_whole && part == 0)
            part = n;
        if (!is_whole)
            part = DISK_GRAIN_BYTES - inside < n ? (size_t)(DISK_GRAIN_BYTES - inside) : n;
        int failed = is_whole ? file_write(fd, offset, from, part, err)
                              : write_part(top, fd, offset, from, part, err);
        if (failed)
            return -1;
        map_set(top, offset, part);
        offset += part;
        from += part;
        n -= part;
    }
    return 0;
}

void layer_resize(struct layer *layer, uint64_t size_bytes)
{
    size_t keep = (size_t)((size_bytes + DISK_GRAIN_BYTES - 1) / DISK_GRAIN_BYTES);
    for (size_t grain = keep; grain < layer->map_bytes * 8; grain++)
        layer->map[grain / 8] = (unsigned char)(layer->map[grain / 8] & ~(0x80U >> (grain % 8)));
    layer->size_bytes = size_bytes;
    if (layer->has_file && truncate(layer->path, (off_t)size_bytes) != 0)
        layer->has_file = access(layer->path, F_OK) == 0;
}

const struct layer *layer_common(const struct layer *a, const struct layer *b)
{
    while (a != b) {
        if (!a || !b)
            return NULL;
        if (a->depth >= b->depth)
            a = a->parent;
        else
            b = b->parent;
    }
    return a;
}
