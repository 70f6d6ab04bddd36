/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Store first, snapshot second: a store that can't be written to costs no snapshot.
 */
#include "agent/job/backup_vm.h"

#include "agent/job/attempt.h"
#include "agent/job/deep_check.h"
#include "agent/pipeline/checks.h"
#include "agent/pipeline/stages.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/xva.h"
#include "common/format/xva_rewrite.h"
#include "common/xapi/record.h"
#include "common/xapi/stream.h"

#include "common/base/poison.h"

static int new_check(const struct snapshot *snapshot, struct xva_check **ret_check,
                     struct error *err)
{
    CLEANUP(mem_free_void)
    struct xva_expected *expected = mem_zero(snapshot->disks_n + 1, sizeof *expected);
    for (size_t i = 0; i < snapshot->disks_n; i++) {
        (void)str_copy(expected[i].vdi_uuid, sizeof expected[i].vdi_uuid, snapshot->disks[i].uuid);
        expected[i].virtual_size_bytes = snapshot->disks[i].virtual_size_bytes;
    }
    *ret_check = xva_check_new(expected, snapshot->disks_n, err);
    return *ret_check != NULL ? 0 : -1;
}

static struct xva_rewrite *new_rewrite(const struct attempt *attempt)
{
    const struct ova_identity identity = {.snapshot_uuid = attempt->snapshot.uuid,
                                          .vm_uuid = attempt->job->vm_uuid,
                                          .vm_name = attempt->pool.vms[0].name};
    return xva_rewrite_new(&identity);
}

static void warn_if_refused(struct attempt *attempt, const struct xva_rewrite *rewrite)
{
    const char *why = xva_rewrite_refusal(rewrite);
    if (why != NULL)
        text_list_add_format(&attempt->report->warnings,
                             "%s: its archive has the uuid of the snapshot, so xe vm-import "
                             "preserve=true does not give this VM's: ova.xml could not be "
                             "rewritten: %s",
                             attempt->job->vm_name, why);
}

/* XAPI is asked for the plain archive whatever the file will be: its own compressor would hide from
 * the check what it compresses. */
static int stream(struct attempt *attempt, size_t file, struct error *err)
{
    CLEAN_XVA_CHECK struct xva_check *check = NULL;
    CLEAN_STR struct str query = STR_INIT;
    str_add(&query, "/export?ref=");
    stream_add_escaped(&query, attempt->snapshot.ref);
    if (new_check(&attempt->snapshot, &check, err) != 0)
        return -1;
    if (attempt->job->ways.is_deep)
        xva_check_take_digests(check);
    CLEAN_XVA_REWRITE struct xva_rewrite *rewrite = new_rewrite(attempt);
    struct pipeline_stage stage = stages_xva_rewrite(rewrite);
    struct attempt_stream from = {
        .query = str_text(&query),
        .check = checks_xva(check),
        .proof = XVA_PROOF,
        .stage = attempt->job->ways.keeps_ova ? NULL : &stage,
    };
    if (attempt_run_stream(attempt, file, &from, err) != 0)
        return -1;
    if (from.stage != NULL)
        warn_if_refused(attempt, rewrite);
    return attempt->job->ways.is_deep ? deep_check(attempt, check, err) : 0;
}

static int steps(struct attempt *attempt, struct error *err)
{
    size_t file = 0;
    if (record_read_vm(attempt->context->xapi, attempt->job->vm_uuid, &attempt->pool, err) != 0)
        return error_add(err, "read the VM");
    if (attempt_begin_file(attempt, NULL, &file, err) != 0 ||
        attempt_begin_snapshot(attempt, snapshot_begin, err) != 0)
        return -1;
    return stream(attempt, file, err);
}

int backup_vm_run(const struct job_context *context, struct job_report *report, struct error *err)
{
    return attempt_run(context, report, steps, err);
}
