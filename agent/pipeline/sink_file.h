/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A partial file in the store as a pipeline's sink.
 */
#ifndef ONYX_AGENT_PIPELINE_SINK_FILE_H
#define ONYX_AGENT_PIPELINE_SINK_FILE_H

#include "agent/pipeline/pipeline.h"

struct publish;

/* publish is borrowed, as long as the pipeline's thread may run: see is_hung. */
struct pipeline_sink sink_file(struct publish *publish);

/* The same, with runs of zeros left out as holes. */
struct pipeline_sink sink_file_sparse(struct publish *publish);

/* No file: what was streamed is gone, and what check, stage and digests made of it is wanted. */
struct pipeline_sink sink_none(void);

#endif
