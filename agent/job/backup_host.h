/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The job host-backup: the dom0 that this agent runs in, as its own script archives it.
 */
#ifndef ONYX_AGENT_JOB_BACKUP_HOST_H
#define ONYX_AGENT_JOB_BACKUP_HOST_H

#include "agent/job/table.h"

job_run_fn backup_host_run;

#endif
