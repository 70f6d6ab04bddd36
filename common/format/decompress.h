/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Decompressors behind one face: none, gzip, zstd.
 *
 * A stream is fed in pieces and gives its output to a callback in pieces of at most DECOMPRESS_OUT
 * bytes. One thread, one stream. One archive member after the other (gzip) or frame after frame
 * (zstd) is read, and whether the last one was complete is known.
 * Source: RFC 1952; zstd.h, streaming.
 */
#ifndef ONYX_COMMON_FORMAT_DECOMPRESS_H
#define ONYX_COMMON_FORMAT_DECOMPRESS_H

#include <stddef.h>

#include "common/base/mem.h"
#include "common/model/job.h"

struct error;
struct decompress;

#define DECOMPRESS_OUT 131072

/* Takes output; 0, or -1 with the error set to stop. */
typedef int decompress_sink_fn(void *context, const void *bytes, size_t n, struct error *err);

/* ERROR_NO_MEMORY, ERROR_INTERNAL. */
struct decompress *decompress_new(enum job_compress kind, decompress_sink_fn *sink, void *context,
                                  struct error *err);
void decompress_free(struct decompress *decompress);
#define CLEAN_DECOMPRESS CLEANUP(decompress_clean)
void decompress_clean(struct decompress **decompress);

/* ERROR_CORRUPT, or what the sink says. */
int decompress_feed(struct decompress *decompress, const void *bytes, size_t n, struct error *err);

/* 0 if the last member or frame was complete, ERROR_SHORT if not. */
int decompress_finish(struct decompress *decompress, struct error *err);

#endif
