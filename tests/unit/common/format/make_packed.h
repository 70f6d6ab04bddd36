/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Compressed streams for tests, written by the libraries themselves and not by our pack.
 */
#ifndef ONYX_TESTS_UNIT_COMMON_FORMAT_MAKE_PACKED_H
#define ONYX_TESTS_UNIT_COMMON_FORMAT_MAKE_PACKED_H

#include <stddef.h>

#include "common/base/str.h"
#include "common/model/job.h"

/* One more gzip member or zstd frame of n bytes, with its checksum; or the bytes as they are. */
void make_packed(enum job_compress kind, const void *bytes, size_t n, struct str *out);

#endif
