/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One call that any session may make, one for the VM. A toolstack that was restarted has forgotten
 * our session and all tasks; one that is restarting refuses or breaks the connection.
 */
#include "agent/job/why.h"

#include "agent/job/table.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/model/job.h"
#include "common/xapi/call.h"
#include "common/xapi/fault.h"

#include "common/base/poison.h"

#define WHY_CALL_MS 20000

/* Whether the pool may be behind it: the share, the key or the settings are not. */
static bool may_be_pools(const struct error *err)
{
    switch (err->code) {
    case ERROR_POOL_UNREACHABLE:
    case ERROR_POOL_REFUSED:
    case ERROR_XAPI:
    case ERROR_XAPI_GONE:
    case ERROR_NOT_FOUND:
    case ERROR_SHORT:
    case ERROR_CORRUPT:
    case ERROR_TIMEOUT:
    case ERROR_PROTOCOL:
        return true;
    default:
        return false;
    }
}

/* Whether a call failed because nobody is there who knows our session. */
static bool is_away(const struct error *err)
{
    return err->code == ERROR_SHORT || err->code == ERROR_TIMEOUT ||
           fault_judge(err).step == FAULT_LATER;
}

void why_look(const struct job_context *context, struct error *err)
{
    struct error why = ERROR_INIT;
    struct error old = *err;
    CLEAN_JSON json_t *vm = NULL;
    if (!may_be_pools(err) || fault_judge(err).step == FAULT_LATER ||
        context->is_cancelled(context->context))
        return;
    if (xapi_call_params(context->xapi, "pool.get_all", NULL, WHY_CALL_MS, NULL, &why) != 0) {
        if (is_away(&why))
            (void)fault_set_own(err, FAULT_POOL_AWAY, "%s; the pool: %s", old.text, why.text);
        return;
    }
    if (context->job->vm_uuid == NULL)
        return;
    if (xapi_call_params(context->xapi, "VM.get_by_uuid",
                         json_pack("[s]", context->job->vm_uuid), WHY_CALL_MS, &vm, &why) != 0 &&
        why.code == ERROR_XAPI_GONE)
        (void)fault_set_own(err, FAULT_VM_GONE, "the VM is not in the pool any more");
}
