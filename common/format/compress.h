/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Compressors and decompressors behind one face: none, gzip, zstd.
 *
 * A stream is fed in pieces and gives its output to a callback in pieces of at most COMPRESS_OUT
 * bytes. One thread, one stream. A decompressor reads one archive member after the other (gzip)
 * or frame after frame (zstd) and knows whether the last one was complete.
 * Source: RFC 1952; zstd.h, streaming.
 */
#ifndef ONYX_COMMON_FORMAT_COMPRESS_H
#define ONYX_COMMON_FORMAT_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/model/job.h"

struct error;
struct compress;
struct decompress;

#define COMPRESS_OUT 131072

/* Takes output; 0, or -1 with the error set to stop. */
typedef int compress_sink_fn(void *context, const void *bytes, size_t n, struct error *err);

/* "none", "gzip", "zstd"; and back: 1 known, 0 not. */
const char *compress_name(enum job_compress kind);
int compress_from_name(const char *name, enum job_compress *ret_kind);

/* level 0 is the kind's default. ERROR_NO_MEMORY, ERROR_INTERNAL. */
struct compress *compress_new(enum job_compress kind, int level, compress_sink_fn *sink,
                              void *context, struct error *err);
void compress_free(struct compress *compress);
#define CLEAN_COMPRESS CLEANUP(compress_clean)
void compress_clean(struct compress **compress);

int compress_feed(struct compress *compress, const void *bytes, size_t n, struct error *err);

/* Write what is held back and the end mark. */
int compress_finish(struct compress *compress, struct error *err);

struct decompress *decompress_new(enum job_compress kind, compress_sink_fn *sink, void *context,
                                  struct error *err);
void decompress_free(struct decompress *decompress);
#define CLEAN_DECOMPRESS CLEANUP(decompress_clean)
void decompress_clean(struct decompress **decompress);

/* ERROR_CORRUPT, or what the sink says. */
int decompress_feed(struct decompress *decompress, const void *bytes, size_t n, struct error *err);

/* 0 if the last member or frame was complete, ERROR_SHORT if not. */
int decompress_finish(struct decompress *decompress, struct error *err);

#endif
