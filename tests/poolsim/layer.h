/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One layer of a simulated disk: what was written while it was the top, over a parent or a
 * content, in a sparse file of its own.
 *
 * A layer is written by one disk under that disk's lock until it is frozen; from then on it never
 * changes and is shared by counted references. The allocation map has a bit per 64 KiB grain.
 */
#ifndef ONYX_TESTS_POOLSIM_LAYER_H
#define ONYX_TESTS_POOLSIM_LAYER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/poolsim/content.h"

struct error;

struct layer {
    atomic_uint refs;
    struct layer *parent;    /* NULL at the bottom */
    struct content *content; /* at the bottom only */
    uint64_t size_bytes;     /* what is behind it reads as zero */
    char *path;              /* its file; made at the first write */
    bool has_file;
    bool is_frozen;
    unsigned depth; /* 0 at the bottom */
    unsigned char uuid[16];
    unsigned char *map; /* NULL while nothing was written */
    size_t map_bytes;
};

/* A bottom layer (takes content) or one over parent (takes that reference); path is taken. */
struct layer *layer_new_bottom_take(struct content *content, uint64_t size_bytes, char *path);
struct layer *layer_new_over_take(struct layer *parent, uint64_t size_bytes, char *path);

struct layer *layer_ref(struct layer *layer);
void layer_release(struct layer *layer); /* the last one removes the file; then its parent */

bool layer_has_grain(const struct layer *layer, uint64_t grain);
bool layer_has_range(const struct layer *layer, uint64_t offset, uint64_t n); /* not its parents */

/* Read through the chain. ERROR_IO, ERROR_SHORT. */
int layer_read(const struct layer *top, uint64_t offset, void *bytes, size_t n, struct error *err);

/* Write into this layer, completing grains from below. It must not be frozen. */
int layer_write(struct layer *top, uint64_t offset, const void *bytes, size_t n, struct error *err);

/* Grow or shrink a layer that is not frozen. */
void layer_resize(struct layer *layer, uint64_t size_bytes);

/* The nearest layer that both chains have, NULL if there is none. Borrowed. */
const struct layer *layer_common(const struct layer *a, const struct layer *b);

#endif
