/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What pack's three ways to compress look like to it; nobody else includes it.
 */
#ifndef ONYX_COMMON_FORMAT_PACK_INSIDE_H
#define ONYX_COMMON_FORMAT_PACK_INSIDE_H

#include <stddef.h>

struct error;

struct pack_way {
    void *(*begin)(int level, struct error *err); /* level 0: the way's default */
    /* Bytes that came out, 0 with the error set. */
    size_t (*block)(void *state, const void *bytes, size_t n, unsigned char *out,
                    struct error *err);
    void (*end)(void *state);
};

extern const struct pack_way pack_gzip_fast, pack_gzip_small, pack_zstd;

#endif
