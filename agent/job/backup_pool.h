/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The job pool-backup: the pool's database, dumped by its master.
 */
#ifndef ONYX_AGENT_JOB_BACKUP_POOL_H
#define ONYX_AGENT_JOB_BACKUP_POOL_H

#include "agent/job/table.h"

job_run_fn backup_pool_run;

#endif
