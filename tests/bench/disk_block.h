/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What stands in the disks of the benchmark: the same bytes at every call, block by block.
 *
 * text is words and log lines (gzip -1 leaves about two fifths), binary is pages of code, records, text,
 * media and zeros, random does not compress, sparse has 64 KiB of binary in front of zeros in every
 * block, as file systems that were never full.
 */
#ifndef ONYX_TESTS_BENCH_DISK_BLOCK_H
#define ONYX_TESTS_BENCH_DISK_BLOCK_H

#include <stdint.h>

#define DISK_BLOCK_BYTES (1u << 20)

enum disk_kind { DISK_TEXT, DISK_BINARY, DISK_RANDOM, DISK_SPARSE };

/* 1 known, 0 not. */
int disk_kind_from_name(const char *name, enum disk_kind *ret_kind);

void disk_block_fill(enum disk_kind kind, uint64_t number, unsigned char bytes[DISK_BLOCK_BYTES]);

#endif
