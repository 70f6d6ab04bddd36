/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The job verify: a published file is read back, from the share, and held against its format, its
 * .meta, the catalog's word and SHA256SUMS. The verdict is in the report; nothing is changed.
 *
 * A file that is not as it should be is damaged, and that is the job's failure (ERROR_CORRUPT). A
 * share that can't be read is a failure without a verdict.
 */
#ifndef ONYX_AGENT_JOB_VERIFY_H
#define ONYX_AGENT_JOB_VERIFY_H

#include "agent/job/table.h"

job_run_fn verify_run;

#endif
