/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XAPI archives the host that is asked, whoever was meant, and never redirects: so the job must
 * name our own host, and a redirect could only lead to another's files.
 * Source: xapi xapi_host_backup.ml.
 */
#include "agent/job/backup_host.h"

#include "agent/job/attempt.h"
#include "agent/pipeline/checks.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/xbk.h"

#include "common/base/poison.h"

static int steps(struct attempt *attempt, struct error *err)
{
    CLEAN_XBK_CHECK struct xbk_check *check = NULL;
    size_t file = 0;
    if (!str_equal(attempt->job->host_uuid, attempt->context->host_uuid))
        return error_set(err, ERROR_INTERNAL,
                         "a backup of the host %s was given to the agent of %s",
                         attempt->job->host_uuid, attempt->context->host_uuid);
    if (attempt_begin_file(attempt, NULL, &file, err) != 0)
        return -1;
    check = xbk_check_new(err);
    if (check == NULL)
        return -1;
    struct attempt_stream from = {.query = "/host_backup",
                                  .check = checks_xbk(check),
                                  .proof = XBK_PROOF,
                                  .is_never_redirected = true};
    return attempt_run_stream(attempt, file, &from, err);
}

int backup_host_run(const struct job_context *context, struct job_report *report, struct error *err)
{
    report->consistency = 0;
    return attempt_run(context, report, steps, err);
}
