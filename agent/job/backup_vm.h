/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The job vm-export: one VM's snapshot as an XVA in the store.
 */
#ifndef ONYX_AGENT_JOB_BACKUP_VM_H
#define ONYX_AGENT_JOB_BACKUP_VM_H

#include "agent/job/table.h"

job_run_fn backup_vm_run;

#endif
