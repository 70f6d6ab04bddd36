/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The removing itself is the store's (common/store/expire); a killed one is just repeated.
 */
#include "agent/job/expire.h"

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/store/expire.h"

#include "common/base/poison.h"

#define ROOM "expire"

int expire_run(const struct job_context *context, struct job_report *report, struct error *err)
{
    const struct job *job = context->job;
    report->phase = JOB_PHASE_CLEAN;
    context->tell(context->context, report);
    int result = expire_files(context->store, job, context->is_cancelled, context->context,
                              &report->gone, err);
    for (size_t i = 0; i < report->gone.n; i++)
        log_info(ROOM, "%s/%s was removed", job->folder, report->gone.items[i]);
    report->is_clean = true; /* what was begun is continued by the next expire */
    return result;
}
