/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The removing itself is the store's (common/store/expire); a killed one is just repeated.
 */
#include "agent/job/expire.h"

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/store/expire.h"
#include "common/store/scan.h"
#include "common/store/vm_metadata.h"

#include "common/base/poison.h"

#define ROOM "expire"

static bool has_disk(const struct text_list *files)
{
    struct scan_name name;
    for (size_t i = 0; i < files->n; i++)
        if (scan_parse_name(files->items[i], &name) && name.kind == JOB_BACKUP_DISK)
            return true;
    return false;
}

int expire_run(const struct job_context *context, struct job_report *report, struct error *err)
{
    const struct job *job = context->job;
    struct error why = ERROR_INIT;
    report->phase = JOB_PHASE_CLEAN;
    context->tell(context->context, report);
    int result = expire_files(context->store, job, context->is_cancelled, context->context,
                              &report->gone, err);
    for (size_t i = 0; i < report->gone.n; i++)
        log_info(ROOM, "%s/%s was removed", job->folder, report->gone.items[i]);
    /* What XAPI knew of a VM goes with the last disk that it was kept for. */
    if (has_disk(&report->gone) && vm_metadata_prune(context->store, job->folder, &why) != 0)
        text_list_add_format(&report->warnings, "metadata of removed backups stays: %s", why.text);
    report->is_clean = true; /* what was begun is continued by the next expire */
    return result;
}
