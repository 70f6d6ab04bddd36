/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One line a value.
 */
#include "coordinator/command/run_settings.h"

#include "coordinator/command/pruning.h"

#include "common/base/poison.h"

void run_settings_read(const struct settings *settings, struct run_settings *run)
{
    run->store_root = settings->backup_dir;
    run->key_path = settings->key;
    run->listen = settings->listen;
    run->muster_ms = settings->muster_ms;
    run->lease_wait_ms = settings->lease_wait_ms;
    run->lease_renew_ms = settings->lease_renew_ms;
    run->lost_ms = settings->lost_ms;
    run->pool_lost_ms = settings->pool_lost_ms;
    run->run_max_ms = settings->run_max_ms;
    run->continue_ms = settings->continue_ms;
    run->backoff_ms = settings->backoff_ms;
    run->idle_timeout_ms = settings->idle_timeout_ms;
    run->attempts_max = (uint32_t)settings->attempts;
    run->host_jobs_max = (uint32_t)settings->host_jobs;
    run->sr_jobs_max = (uint32_t)settings->sr_jobs;
    run->store_jobs_max = (uint32_t)settings->store_jobs;
    run->pool_jobs_max = (uint32_t)settings->pool_jobs;
    run->host_rate = settings->host_rate;
    run->pool_rate = settings->pool_rate;
    run->space = (struct space_rule){.threshold_percent = (uint32_t)settings->space_threshold,
                                     .floor_percent = (uint32_t)settings->hard_floor};
    run->tuning = settings->tuning;
    run->ways = settings->ways;
    run->share = mount_kind_of_share(settings->share_type);
    run->require_mount = settings->require_mount;
    run->retain = pruning_rules(settings);
    run->is_share_forced = settings->is_share_forced;
    run->adopt_snapshots = settings->adopt_snapshots;
}
