/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Kind to function.
 */
#include "agent/job/table.h"

#include <stddef.h>

#include "agent/job/backup_disk.h"
#include "agent/job/backup_host.h"
#include "agent/job/backup_pool.h"
#include "agent/job/backup_vm.h"
#include "agent/job/cleanup.h"
#include "agent/job/expire.h"
#include "agent/job/verify.h"

#include "common/base/poison.h"

static const struct job_table_row table[] = {
    {JOB_BACKUP_VM, backup_vm_run},
    {JOB_BACKUP_DISK, backup_disk_run},
    {JOB_BACKUP_POOL, backup_pool_run},
    {JOB_BACKUP_HOST, backup_host_run},
    {JOB_EXPIRE, expire_run},
    {JOB_VERIFY, verify_run},
    {JOB_CLEANUP, cleanup_run},
};

const struct job_table_row *job_table_find(enum job_kind kind)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].kind == kind)
            return &table[i];
    return NULL;
}
