/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The XVA's check as a part of a pipeline.
 */
#ifndef ONYX_AGENT_PIPELINE_CHECK_XVA_H
#define ONYX_AGENT_PIPELINE_CHECK_XVA_H

#include "agent/pipeline/pipeline.h"

struct xva_check;

/* check is borrowed. */
struct pipeline_check check_xva(struct xva_check *check);

#endif
