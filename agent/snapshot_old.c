/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What OnyxBackupVM left: looked at once more, on the very object, before anything goes.
 */
#include <string.h>

#include "agent/snapshot.h"
#include "agent/snapshot_inside.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/xapi/call.h"
#include "common/xapi/session.h"

#include "common/base/poison.h"

#define ROOM "snapshot"
#define OLD_TOOL_NAME "ONYXBACKUP"
#define FRESH_MS (INT64_C(24) * 3600000)

/* Why it may not go; NULL: it may. */
static const char *find_objection(const json_t *record, int64_t now_at)
{
    int64_t taken_at = 0;

    if (!reply_bool(record, "is_a_snapshot", false))
        return "it is no snapshot";
    if (!str_equal(reply_text(record, "name_label", ""), OLD_TOOL_NAME))
        return "it has another name";
    if (clock_parse_utc(reply_text(record, "snapshot_time", ""), &taken_at, NULL) != 0 ||
        taken_at > now_at - FRESH_MS)
        return "it is less than a day old";
    if (json_object_size(json_object_get(record, "current_operations")) != 0)
        return "something works on it";
    return NULL;
}

/* A snapshot of a VM, or of a disk: 1 removed, 0 left or gone, -1 failed. */
static int clean_one(struct xapi *xapi, const struct job *job, const char *class_name,
                     const char *uuid, int64_t now_at, struct text_list *warnings,
                     struct error *err)
{
    const bool is_vm = strcmp(class_name, "VM") == 0;
    CLEAN_CHAR char *ref = NULL;
    CLEAN_JSON json_t *record = NULL;

    if (xapi_call_text(xapi, &ref, err, is_vm ? "VM.get_by_uuid" : "VDI.get_by_uuid", "[s]",
                       uuid) != 0 ||
        xapi_call(xapi, &record, err, is_vm ? "VM.get_record" : "VDI.get_record", "[s]", ref) != 0)
        return -1;
    const char *objection = find_objection(record, now_at);
    if (objection != NULL) {
        text_list_add_format(warnings, "OnyxBackupVM's snapshot %s stays: %s", uuid, objection);
        return 0;
    }
    int result = is_vm ? snapshot_destroy(xapi, ref, job->id, job->lease, err)
                       : snapshot_destroy_disk(xapi, ref, err);
    if (result != 0)
        return error_add(err, "remove OnyxBackupVM's snapshot %s", uuid);
    log_info(ROOM, "OnyxBackupVM's snapshot %s was removed", uuid);
    return 1;
}

int snapshot_clean_old(struct xapi *xapi, const struct job *job, int64_t now_at, size_t *ret_n,
                       struct text_list *warnings, struct error *err)
{
    for (size_t i = 0; i < job->remains_n; i++) {
        struct error why = ERROR_INIT;

        if (!job->remains[i].is_old_tool)
            continue;
        int removed = clean_one(xapi, job, "VM", job->remains[i].vm_uuid, now_at, warnings, &why);
        if (removed < 0 && why.code == ERROR_XAPI_GONE) {
            error_clear(&why);
            removed = clean_one(xapi, job, "VDI", job->remains[i].vm_uuid, now_at, warnings, &why);
        }
        if (removed < 0 && why.code != ERROR_XAPI_GONE) {
            *err = why;
            return -1;
        }
        *ret_n += removed > 0;
    }
    return 0;
}
