/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The job cleanup: what dead attempts left in the pool and in the store goes, or is finished.
 */
#ifndef ONYX_AGENT_JOB_CLEANUP_H
#define ONYX_AGENT_JOB_CLEANUP_H

#include "agent/job/table.h"

job_run_fn cleanup_run;

#endif
