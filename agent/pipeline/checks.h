/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The checks of common/format as parts of a pipeline. All checks are borrowed.
 */
#ifndef ONYX_AGENT_PIPELINE_CHECKS_H
#define ONYX_AGENT_PIPELINE_CHECKS_H

#include "agent/pipeline/pipeline.h"

struct db_check;
struct length_check;
struct vhd_check;
struct xbk_check;
struct xva_check;

struct pipeline_check checks_db(struct db_check *check);
struct pipeline_check checks_length(struct length_check *check);
struct pipeline_check checks_vhd(struct vhd_check *check);
struct pipeline_check checks_xbk(struct xbk_check *check);
struct pipeline_check checks_xva(struct xva_check *check);

#endif
