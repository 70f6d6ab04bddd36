/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The job vdi-export: chosen disks of one VM, each as a raw disk or a VHD, of one moment where the
 * pool can do that.
 */
#ifndef ONYX_AGENT_JOB_BACKUP_DISK_H
#define ONYX_AGENT_JOB_BACKUP_DISK_H

#include "agent/job/table.h"

job_run_fn backup_disk_run;

#endif
