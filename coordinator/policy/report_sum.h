/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a report adds up to, for all its forms: text, JSON and HTML can't disagree.
 */
#ifndef ONYX_COORDINATOR_POLICY_REPORT_SUM_H
#define ONYX_COORDINATOR_POLICY_REPORT_SUM_H

#include "coordinator/policy/report.h"

struct report_sums {
    size_t backups_n, done_n, failed_n, skipped_n, cancelled_n, open_n;
    uint64_t read_bytes, stored_bytes; /* of those that are done */
    size_t verifies_n; /* verify jobs: these are not among the backups */
    size_t whole_n, damaged_n, unread_n; /* unread: failed without a verdict */
    uint64_t verified_bytes;
};

/* One host: its jobs, and the time from the first one's begin to the last one's end. */
struct report_host {
    const char *name; /* borrowed from the report */
    size_t done_n, failed_n;
    uint64_t bytes;
    int64_t stream_ms; /* of its jobs, added */
    int64_t busy_from, busy_to;
};

struct report_hosts {
    struct report_host *items;
    size_t n, cap;
};

void report_hosts_done(struct report_hosts *hosts);
#define CLEAN_REPORT_HOSTS CLEANUP(report_hosts_done)

bool report_is_backup(const struct report_job *job); /* and no cleanup */
bool report_is_damage(const struct report_job *job); /* a verify job that found its backup damaged */
uint64_t report_stored_bytes(const struct report_job *job);
int64_t report_run_ms(const struct report *report); /* 0: has not ended */
/* "held to 100 MiB/s, 12 s waited"; NULL when no limit held it back. Caller frees. */
char *report_tell_pace(const struct report_job *job);
struct report_sums report_sum_up(const struct report *report);
void report_sum_hosts(const struct report *report, struct report_hosts *ret_hosts);

#endif
