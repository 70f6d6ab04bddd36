/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gzip or zstd between a source and a reader, as the child that XAPI puts there: bad input ends
 * the output early, it is no error of its own.
 */
#ifndef ONYX_TESTS_POOLSIM_DECOMPRESSOR_H
#define ONYX_TESTS_POOLSIM_DECOMPRESSOR_H

#include "common/base/mem.h"
#include "tests/poolsim/source.h"

struct error;
struct decompressor;

/* Tells the format by first_bytes (zstd's magic, else gzip), which are read before from. Both are
 * borrowed until decompressor_free. */
int decompressor_new(const void *first_bytes, size_t n, const struct source *from,
                     struct decompressor **ret_decompressor, struct error *err);
void decompressor_free(struct decompressor **decompressor);
#define CLEAN_DECOMPRESSOR CLEANUP(decompressor_free)

struct source decompressor_source(struct decompressor *decompressor);

#endif
