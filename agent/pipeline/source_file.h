/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A published file of the store as a pipeline's source. There is no task of the pool behind it: what
 * the file system says is all that can be asked.
 */
#ifndef ONYX_AGENT_PIPELINE_SOURCE_FILE_H
#define ONYX_AGENT_PIPELINE_SOURCE_FILE_H

#include "agent/pipeline/pipeline.h"

struct reader;

/* reader is borrowed and read to its end. */
struct pipeline_source source_file(struct reader *reader);

#endif
