/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What common/format changes in a stream, as stages of a pipeline. All are borrowed.
 */
#ifndef ONYX_AGENT_PIPELINE_STAGES_H
#define ONYX_AGENT_PIPELINE_STAGES_H

#include "agent/pipeline/pipeline.h"

struct xva_rewrite;

struct pipeline_stage stages_xva_rewrite(struct xva_rewrite *rewrite);

#endif
