/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What common/format changes in a stream, as stages of a pipeline. All are borrowed.
 */
#ifndef ONYX_AGENT_PIPELINE_STAGES_H
#define ONYX_AGENT_PIPELINE_STAGES_H

#include "agent/pipeline/pipeline.h"

struct sparse_digest;
struct vhd_raw;
struct xva_rewrite;

/* A raw disk out of a VHD, and its digest. */
struct stages_raw {
    struct vhd_raw *raw; /* NULL: what comes is the disk */
    struct sparse_digest *digest;
    pipeline_intake_fn *next; /* while one of the stage's functions runs */
    void *next_context;
};

struct pipeline_stage stages_vhd_raw(struct stages_raw *raw);

struct pipeline_stage stages_xva_rewrite(struct xva_rewrite *rewrite);

#endif
