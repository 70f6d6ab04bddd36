/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading an XVA: what PUT /import and VM.import by URL share.
 *
 * Lock: not held.
 * Source: import.ml stream_import; contract 9.1, 9.2.
 */
#ifndef ONYX_TESTS_POOLSIM_IMPORT_ARCHIVE_H
#define ONYX_TESTS_POOLSIM_IMPORT_ARCHIVE_H

#include "tests/poolsim/failure.h"
#include "tests/poolsim/handler.h"
#include "tests/poolsim/import_objects.h"
#include "tests/poolsim/source.h"

struct decompressor;
struct error;

struct import_archive {
    struct handler_context *context; /* pool, host and task */
    struct source source;            /* of the bytes, packed or not; borrowed */
    struct import import;            /* flags and target are set by the caller */
    struct failure failure;
    struct decompressor *decompressor;
    uint64_t done_bytes, all_bytes;
    uint64_t done_before; /* of the disks before this one */
    int64_t next_tick_ms;
};

/* All of it; what was made is undone on failure unless forced. ERROR_XAPI: failure is set;
 * ERROR_CANCELLED; else import_archive_set_failure says what XAPI makes of it. */
int import_archive_read(struct import_archive *archive, struct error *err);
void import_archive_set_failure(struct import_archive *archive, const struct error *err);
void import_archive_done(struct import_archive *archive);

#endif
