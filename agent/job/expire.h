/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The job expire: old backups of one folder go, for the newer ones that the job names.
 */
#ifndef ONYX_AGENT_JOB_EXPIRE_H
#define ONYX_AGENT_JOB_EXPIRE_H

#include "agent/job/table.h"

job_run_fn expire_run;

#endif
