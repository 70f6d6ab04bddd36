/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gzip or zstd between a writer and a sink, as the child that XAPI puts there.
 */
#ifndef ONYX_TESTS_POOLSIM_COMPRESSOR_H
#define ONYX_TESTS_POOLSIM_COMPRESSOR_H

#include "common/base/mem.h"
#include "tests/poolsim/sink.h"

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

struct error;
struct compressor;

/* to is borrowed until compressor_free. NONE passes the bytes on. */
int compressor_new(enum compression compression, const struct sink *to,
                   struct compressor **ret_compressor, struct error *err);
void compressor_free(struct compressor **compressor);
#define CLEAN_COMPRESSOR CLEANUP(compressor_free)

/* The end to write to. */
const struct sink *compressor_sink(struct compressor *compressor);

/* Write the end frame; without it the output is cut, as that of a killed child. 0 or -1, errno. */
int compressor_finish(struct compressor *compressor);

#endif
