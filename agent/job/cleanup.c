/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pool and store are independent: a failure in one does not keep the other from being cleaned. A
 * second cleanup finds nothing to do, so a killed one is just repeated. An attempt that is found to
 * have published is reported with its files: it died between its last rename and its report.
 */
#include "agent/job/cleanup.h"

#include "agent/job/earlier.h"
#include "agent/snapshot.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/store/settle.h"
#include "common/xapi/fault.h"

#include "common/base/poison.h"

#define ROOM "cleanup"

static int settle_remains(const struct job_context *context, const struct job_remains *remains,
                          struct job_report *report, bool *ret_saved, struct error *err)
{
    enum settle_outcome outcome;
    if (remains->folder == NULL || remains->stem == NULL)
        return 0;
    if (settle_files(context->store, remains->folder, remains->stem, remains->job, remains->attempt,
                     &outcome, err) != 0)
        return error_add(err, "files of the dead job %s in %s", remains->job, remains->folder);
    if (outcome != SETTLE_NOTHING)
        log_info(ROOM, "job %s attempt %u in %s: %s", remains->job, (unsigned)remains->attempt,
                 remains->folder, settle_outcome_name(outcome));
    if (outcome == SETTLE_FOREIGN_DATA)
        text_list_add_format(&report->warnings,
                             "%s holds a data file %s.* without .meta: it is left as it is",
                             remains->folder, remains->stem);
    *ret_saved = outcome == SETTLE_WAS_DONE || outcome == SETTLE_ROLLED_FORWARD;
    return 0;
}

int cleanup_run(const struct job_context *context, struct job_report *report, struct error *err)
{
    const struct job *job = context->job;
    struct error pool_error = ERROR_INIT, old_error = ERROR_INIT, store_error = ERROR_INIT;
    bool is_settled = true;
    int result = 0;
    size_t n = 0;
    bool is_saved = false;
    report->phase = JOB_PHASE_CLEAN;
    context->tell(context->context, report);
    /* The pool first: a share that hangs must not keep the snapshot. */
    bool is_kept = false;
    if (snapshot_clean(context->xapi, job->remains, job->remains_n, job->lease, &n, &pool_error) !=
        0) {
        is_kept = fault_is(&pool_error, FAULT_DISK_KEPT);
        if (is_kept)
            text_list_add(&report->warnings, pool_error.text);
        result = is_kept ? 0 : -1;
    }
    if (snapshot_clean_old(context->xapi, job, clock_wall_ms(context->clock), &n, &report->warnings,
                           &old_error) != 0) {
        if (result == 0)
            pool_error = old_error;
        result = -1;
    }
    if (n > 0)
        log_info(ROOM, "%zu objects of dead jobs removed from the pool", n);
    for (size_t i = 0; i < job->remains_n; i++) {
        struct error why = ERROR_INIT;
        if (settle_remains(context, &job->remains[i], report, &is_saved, &why) != 0) {
            store_error = why;
            is_settled = false;
        }
    }
    if (result != 0)
        *err = pool_error;
    else if (!is_settled)
        *err = store_error;
    if (!is_settled)
        result = -1;
    /* A report names the files of one attempt. */
    if (result == 0 && is_saved && job->remains_n == 1 &&
        earlier_report(context, &job->remains[0], report, err) < 0)
        result = -1;
    /* What a user keeps stays listed, and the next run looks again: done, but not clean. */
    report->is_clean = result == 0 && !is_kept;
    return result;
}
