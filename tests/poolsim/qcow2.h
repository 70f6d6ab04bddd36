/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk as the QCOW2 stream that XAPI's qcow2-to-stdout makes of it, and such a stream written
 * onto a disk.
 *
 * Layout: header, refcount table, refcount blocks, L1 table, L2 tables, data clusters in ascending
 * order; clusters of 64 KiB, refcounts of 16 bits, no backing file even for a difference.
 * Source: python3/libexec/qcow2-to-stdout.py, qcow_tool_wrapper.ml; QEMU's docs/interop/qcow2.txt.
 */
#ifndef ONYX_TESTS_POOLSIM_QCOW2_H
#define ONYX_TESTS_POOLSIM_QCOW2_H

#include <stdbool.h>

#include "tests/poolsim/disks.h"
#include "tests/poolsim/sink.h"
#include "tests/poolsim/source.h"

#define QCOW2_CLUSTER_BYTES (UINT64_C(1) << 16)

/* Asked before each cluster is written, with its offset on the disk; -1 and the error set ends it.
 */
typedef int qcow2_step_fn(void *context, uint64_t offset, struct error *err);

struct qcow2_request {
    struct disk *disk;
    struct disk *base;    /* NULL: all of it; else the clusters whose bytes differ */
    bool is_qcow2_backed; /* allocated clusters are sent even if zero; else only those with bytes */
    qcow2_step_fn *step;
    void *step_context;
};

/* Fails: ERROR_LOST (the sink), ERROR_IO, ERROR_SHORT (the disk), what step gave. */
int qcow2_write(const struct sink *sink, const struct qcow2_request *request, struct error *err);

/*
 * Data clusters over what the disk has; nothing is done about clusters that the stream leaves out.
 *
 * Units: a cluster that the disk's end cuts is written up to it.
 * Fails: ERROR_CORRUPT (no QCOW2; compressed, encrypted or with a backing file; a table behind what
 *        it tells of), ERROR_SHORT, ERROR_LOST, ERROR_LIMIT (a cluster behind the disk's end).
 */
int qcow2_read(const struct source *source, struct disk *disk, struct error *err);

#endif
