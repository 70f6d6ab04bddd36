/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One disk of a snapshot as a stream of XAPI: what is asked for, what holds it, what is made of it.
 *
 * It does not read: attempt.h runs what `from` says.
 */
#ifndef ONYX_AGENT_JOB_DISK_STREAM_H
#define ONYX_AGENT_JOB_DISK_STREAM_H

#include <stdbool.h>

#include "agent/job/attempt.h"
#include "agent/job/raw_source.h"
#include "agent/pipeline/stages.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/format/length.h"

struct error;
struct sparse_digest;
struct vhd_check;
struct vhd_raw;

enum disk_stream_way {
    DISK_STREAM_RAW,
    DISK_STREAM_VHD,
    DISK_STREAM_RAW_OF_VHD /* the VHD is checked as one, the raw disk is made behind the check */
};

/* In place, and it stays where it is: `from` points into it. */
struct disk_stream {
    struct attempt_stream from;
    struct str query;
    struct vhd_check *vhd;
    struct length_check length;
    struct stages_raw stages;
    struct pipeline_stage stage;
};

/* The way that raw_source.h chooses for this disk. */
enum disk_stream_way disk_stream_choose(const struct attempt *attempt,
                                        const struct snapshot_disk *disk, enum job_raw_source wish,
                                        bool is_compressed);

/* A VHD is asked for: ERROR_UNSUPPORTED for a disk of which XAPI is known never to end one. */
int disk_stream_check_vhd(const struct attempt *attempt, const struct snapshot_disk *disk,
                          struct error *err);

/* has_digest: the disk's sparse_digest is taken on the way. */
int disk_stream_init(struct disk_stream *stream, const struct snapshot_disk *disk,
                     enum disk_stream_way way, bool has_digest, struct error *err);
void disk_stream_done(struct disk_stream *stream);
#define CLEAN_DISK_STREAM CLEANUP(disk_stream_done)

#endif
