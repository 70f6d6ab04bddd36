/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a disk of the simulated pool holds before anybody writes to it.
 *
 * A content is immutable and shared: {"zero": true}, {"seed": N, "fill": F} (computed, no file:
 * each 1 MiB block is wholly random or wholly zero, the random ones are incompressible),
 * {"file": PATH} (read in place, never written; the rest of a longer disk is zero) and
 * {"ext4_from": FOLDER} (an ext4 file system that mke2fs makes of the folder's files).
 */
#ifndef ONYX_TESTS_POOLSIM_CONTENT_H
#define ONYX_TESTS_POOLSIM_CONTENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;

#define CONTENT_BLOCK_BYTES (UINT64_C(1) << 20)

enum content_kind { CONTENT_ZERO, CONTENT_SEED, CONTENT_FILE, CONTENT_EXT4 };

/* What the pool file says. */
struct content_spec {
    enum content_kind kind;
    uint64_t seed;
    double fill; /* 0 to 1: how many of the 1 MiB blocks are not zero */
    char *path;  /* FILE, EXT4; owned */
};

void content_spec_done(struct content_spec *spec);
#define CLEAN_CONTENT_SPEC CLEANUP(content_spec_done)

/* NULL or JSON null is zero. ERROR_BAD_INPUT names the four forms. */
int content_spec_parse(const json_t *json, struct content_spec *ret_spec, struct error *err);

struct content;

/*
 * Open a content for a disk of size_bytes; EXT4 makes its file at make_path (borrowed text).
 *
 * Fails: ERROR_NOT_FOUND, ERROR_IO for the file; ERROR_NO_SPACE when the folder does not fit into
 *        size_bytes, ERROR_UNSUPPORTED when mke2fs is not installed.
 */
int content_open(const struct content_spec *spec, uint64_t size_bytes, const char *make_path,
                 struct content **ret_content, struct error *err);
void content_free(struct content *content);

/* n bytes at offset; zero behind the end of a file. Any thread. */
int content_read(const struct content *content, uint64_t offset, void *bytes, size_t n,
                 struct error *err);

/* Whether anything is allocated in the range; false means that it reads as zero. */
bool content_has_data(const struct content *content, uint64_t offset, uint64_t n);

#endif
