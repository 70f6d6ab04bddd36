/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table: a row a code. Order and groups are for the reader; names are unique.
 *
 * What is not here: codes of classes and calls that no backup uses (bonds, clusters, GPUs, updates,
 * PVS, WLB ...). They become ERROR_XAPI and FAULT_SOON, and are told as they are.
 * Source: xapi datamodel_errors.ml, api_errors.ml, xapi_vm_lifecycle.ml, sm_exec.ml.
 */
#include <stddef.h>
#include <string.h>

#include "common/xapi/fault.h"

#include "common/base/poison.h"

/* Row: code, our code, next step, whom it concerns, passes in seconds, advice. */
#define JOB  FAULT_OF_JOB
#define HOST FAULT_OF_HOST
#define SR   FAULT_OF_SR
#define POOL FAULT_OF_POOL

static const char advice_full[] =
    "the SR is full: make room there (old snapshots, disks nobody needs)";
static const char advice_ours[] = "this is an error of onyxpool: please report it with the log";
static const char advice_moment[] = "something else works on it: it is tried again";
static const char advice_storage[] = "see /var/log/SMlog on the host that ran it";
static const char advice_disk_choice[] =
    "leave this disk out, or back its VM up by vdi_exports of the others";

static const struct fault_row rows[] = {
    /* who we talk to */
    {"HOST_IS_SLAVE", ERROR_POOL_REFUSED, FAULT_LATER, POOL, false,
     "the pool has another master: use its address"},
    {"SESSION_INVALID", ERROR_POOL_REFUSED, FAULT_LATER, POOL, false,
     "the session has ended (toolstack restarted, master moved, or too many sessions): it is "
     "logged in again"},
    {"SESSION_AUTHENTICATION_FAILED", ERROR_POOL_REFUSED, FAULT_GIVE_UP, POOL, false,
     "wrong user or password"},
    {"SESSION_AUTHORIZATION_FAILED", ERROR_POOL_REFUSED, FAULT_GIVE_UP, POOL, false,
     "this user has no role in the pool: give it pool-admin"},
    {"RBAC_PERMISSION_DENIED", ERROR_POOL_REFUSED, FAULT_ELSEWHERE, HOST, false,
     "the user needs the role pool-admin for this"},
    {"PERMISSION_DENIED", ERROR_POOL_REFUSED, FAULT_GIVE_UP, POOL, false,
     "the user needs the role pool-admin for this"},
    {"HOST_STILL_BOOTING", ERROR_POOL_UNREACHABLE, FAULT_LATER, HOST, true,
     "its toolstack is starting: it is waited for"},
    {"HOST_IN_EMERGENCY_MODE", ERROR_POOL_UNREACHABLE, FAULT_LATER, HOST, true,
     "the host does not reach the pool master: it is waited for"},
    {"HOST_UNKNOWN_TO_MASTER", ERROR_POOL_REFUSED, FAULT_ELSEWHERE, HOST, false,
     "the host does not belong to this pool (any more): stop its agent"},
    {"HOST_HAS_NO_MANAGEMENT_IP", ERROR_POOL_UNREACHABLE, FAULT_LATER, HOST, false,
     "the host has no management address at the moment"},
    {"CANNOT_CONTACT_HOST", ERROR_POOL_UNREACHABLE, FAULT_LATER, HOST, true,
     "the master does not reach that host: look at the management network"},
    {"TLS_CONNECTION_FAILED", ERROR_POOL_UNREACHABLE, FAULT_LATER, HOST, true,
     "the hosts do not trust each other's certificates, or stunnel is starting"},
    {"SSL_VERIFY_ERROR", ERROR_AUTH, FAULT_ELSEWHERE, HOST, false,
     "the hosts do not trust each other's certificates"},
    {"NOT_SUPPORTED_DURING_UPGRADE", ERROR_UNSUPPORTED, FAULT_LATER, POOL, false,
     "a rolling upgrade of the pool is under way: back up when it has ended"},
    {"DESIGNATE_NEW_MASTER_IN_PROGRESS", ERROR_POOL_UNREACHABLE, FAULT_LATER, POOL, true,
     "the pool is getting another master: it is waited for"},
    {"TOO_BUSY", ERROR_XAPI, FAULT_LATER, POOL, true, "the toolstack has too much to do"},
    {"TOO_MANY_PENDING_TASKS", ERROR_XAPI, FAULT_SOON, POOL, true,
     "too much runs in the pool: lower pool_jobs"},
    {"EVENTS_LOST", ERROR_XAPI, FAULT_SOON, POOL, true, "the pool is read anew"},
    {"SESSION_NOT_REGISTERED", ERROR_XAPI, FAULT_SOON, POOL, true, "the pool is read anew"},
    {"EVENT_FROM_TOKEN_PARSE_FAILURE", ERROR_XAPI, FAULT_SOON, POOL, true, "the pool is read anew"},
    {"EVENT_SUBSCRIPTION_PARSE_FAILURE", ERROR_UNSUPPORTED, FAULT_GIVE_UP, POOL, false,
     advice_ours},
    {"DB_UNIQUENESS_CONSTRAINT_VIOLATION", ERROR_XAPI, FAULT_SOON, POOL, false,
     "two made the same object at one moment"},
    {"MAP_DUPLICATE_KEY", ERROR_XAPI, FAULT_SOON, JOB, true,
     "somebody else wrote the same key at the same moment"},

    /* calls that a release does not have, or that we make wrongly */
    {"MESSAGE_METHOD_UNKNOWN", ERROR_UNSUPPORTED, FAULT_GIVE_UP, POOL, false,
     "this release does not have that call: onyxpool needs XenServer 7.0 or newer"},
    {"MESSAGE_PARAMETER_COUNT_MISMATCH", ERROR_UNSUPPORTED, FAULT_GIVE_UP, POOL, false,
     "this release knows another form of that call"},
    {"MESSAGE_REMOVED", ERROR_UNSUPPORTED, FAULT_GIVE_UP, POOL, false,
     "this release does not have that call any more"},
    {"MESSAGE_DEPRECATED", ERROR_UNSUPPORTED, FAULT_GIVE_UP, POOL, false,
     "this release does not have that call any more"},
    {"NOT_IMPLEMENTED", ERROR_UNSUPPORTED, FAULT_GIVE_UP, POOL, false,
     "this release does not have that call"},
    {"LICENCE_RESTRICTION", ERROR_UNSUPPORTED, FAULT_GIVE_UP, POOL, false,
     "the pool's licence does not have this feature"},
    {"LICENSE_RESTRICTION", ERROR_UNSUPPORTED, FAULT_GIVE_UP, POOL, false,
     "the pool's licence does not have this feature"},
    {"FEATURE_RESTRICTED", ERROR_UNSUPPORTED, FAULT_GIVE_UP, POOL, false,
     "the pool's licence does not have this feature"},
    {"LICENSE_EXPIRED", ERROR_UNSUPPORTED, FAULT_GIVE_UP, HOST, false,
     "the host's licence has expired"},
    {"FIELD_TYPE_ERROR", ERROR_XAPI, FAULT_GIVE_UP, JOB, false, advice_ours},
    {"INVALID_VALUE", ERROR_XAPI, FAULT_GIVE_UP, JOB, false, advice_ours},
    {"VALUE_NOT_SUPPORTED", ERROR_XAPI, FAULT_GIVE_UP, JOB, false, advice_ours},
    {"XMLRPC_UNMARSHAL_FAILURE", ERROR_XAPI, FAULT_GIVE_UP, JOB, false, advice_ours},
    {"INTERNAL_ERROR", ERROR_XAPI, FAULT_SOON, JOB, false,
     "see /var/log/xensource.log on the host that ran it"},

    /* objects that are no more, or are not as the plan saw them */
    {"HANDLE_INVALID", ERROR_XAPI_GONE, FAULT_REPLAN, JOB, false, "it was removed meanwhile"},
    {"UUID_INVALID", ERROR_XAPI_GONE, FAULT_REPLAN, JOB, false, "it was removed meanwhile"},
    {"OBJECT_NOLONGER_EXISTS", ERROR_XAPI_GONE, FAULT_REPLAN, JOB, false,
     "it was removed meanwhile"},
    {FAULT_VM_GONE, ERROR_XAPI_GONE, FAULT_SKIP, JOB, false,
     "it was removed, or moved to another pool, after the run was planned"},
    {FAULT_DISK_GONE, ERROR_NOT_FOUND, FAULT_REPLAN, JOB, false,
     "it was detached or moved after the run was planned"},
    {"VM_BAD_POWER_STATE", ERROR_XAPI, FAULT_REPLAN, JOB, false,
     "the VM was started, stopped or migrated meanwhile"},
    {"VM_NOT_RESIDENT_HERE", ERROR_XAPI, FAULT_REPLAN, JOB, false, "the VM was migrated meanwhile"},
    {"VM_REBOOTED", ERROR_XAPI, FAULT_REPLAN, JOB, false, "the VM was restarted meanwhile"},
    {"VM_HALTED", ERROR_XAPI, FAULT_REPLAN, JOB, false, "the VM was stopped meanwhile"},
    {"VM_CRASHED", ERROR_XAPI, FAULT_REPLAN, JOB, false, "the VM crashed meanwhile"},
    {"VM_IS_TEMPLATE", ERROR_XAPI, FAULT_REPLAN, JOB, false,
     "the VM was made a template: templates are not backed up"},
    {"VM_IS_SNAPSHOT", ERROR_XAPI, FAULT_GIVE_UP, JOB, false, "snapshots are not backed up"},
    {"VM_REQUIRES_VDI", ERROR_XAPI, FAULT_REPLAN, JOB, false, "a disk of the VM is gone"},
    {"VBD_MISSING", ERROR_XAPI_GONE, FAULT_REPLAN, JOB, false, "it was removed meanwhile"},
    {"VDI_MISSING", ERROR_XAPI, FAULT_GIVE_UP, SR, false,
     "the disk is not on its SR: scan the SR; its chain may be broken"},
    {"VDI_LOCATION_MISSING", ERROR_XAPI, FAULT_GIVE_UP, SR, false,
     "the disk is not on its SR: scan the SR"},
    {"VDI_CONTENT_ID_MISSING", ERROR_XAPI, FAULT_GIVE_UP, SR, false,
     "the disk is not on its SR: scan the SR"},
    {"VDI_NOT_MANAGED", ERROR_XAPI, FAULT_REPLAN, JOB, false,
     "that is an inner node of a chain, no disk"},

    /* somebody does something with it */
    {"OTHER_OPERATION_IN_PROGRESS", ERROR_XAPI, FAULT_SOON, JOB, true, advice_moment},
    {"OPERATION_NOT_ALLOWED", ERROR_XAPI, FAULT_SOON, JOB, false,
     "XAPI refuses this at the moment for the reason it says"},
    {"OPERATION_PARTIALLY_FAILED", ERROR_XAPI, FAULT_SOON, JOB, false,
     "see /var/log/xensource.log on the master"},
    {"OPERATION_BLOCKED", ERROR_XAPI, FAULT_GIVE_UP, JOB, false,
     "somebody blocked this operation on the VM (blocked_operations)"},
    {"VDI_IN_USE", ERROR_XAPI, FAULT_SOON, JOB, true,
     "the disk is attached: what dom0 left attached is unplugged, then it is tried again"},
    {"SR_BACKEND_FAILURE_16", ERROR_XAPI, FAULT_SOON, SR, true, advice_moment},
    {"SR_BACKEND_FAILURE_24", ERROR_XAPI, FAULT_SOON, JOB, true, advice_moment},
    {"SR_VDI_LOCKING_FAILED", ERROR_XAPI, FAULT_SOON, SR, true, advice_moment},
    {"SR_DEVICE_IN_USE", ERROR_XAPI, FAULT_SOON, SR, true, advice_moment},
    {"DEVICE_ALREADY_ATTACHED", ERROR_XAPI, FAULT_SOON, JOB, true, advice_moment},
    {"DEVICE_ALREADY_DETACHED", ERROR_XAPI, FAULT_SOON, JOB, true, advice_moment},
    {"DEVICE_NOT_ATTACHED", ERROR_XAPI, FAULT_SOON, JOB, true, advice_moment},
    {"DEVICE_DETACH_REJECTED", ERROR_XAPI, FAULT_SOON, JOB, true, advice_moment},
    {"DEVICE_DETACH_TIMEOUT", ERROR_XAPI, FAULT_SOON, JOB, true, advice_moment},
    {"DEVICE_ATTACH_TIMEOUT", ERROR_XAPI, FAULT_SOON, HOST, true, advice_storage},
    {"VBD_IS_EMPTY", ERROR_XAPI, FAULT_GIVE_UP, JOB, false, "the drive is empty already"},
    {"VBD_NOT_REMOVABLE_MEDIA", ERROR_XAPI, FAULT_GIVE_UP, JOB, false,
     "that is no drive that can be emptied"},
    {"TOO_MANY_STORAGE_MIGRATES", ERROR_XAPI, FAULT_SOON, HOST, false,
     "storage is being migrated: it is tried again"},
    {"VM_HAS_TOO_MANY_SNAPSHOTS", ERROR_XAPI, FAULT_GIVE_UP, JOB, false,
     "remove snapshots of this VM"},
    {"TASK_CANCELLED", ERROR_XAPI, FAULT_SOON, JOB, false, "somebody cancelled the task"},
    {FAULT_TASK_GONE, ERROR_XAPI, FAULT_SOON, JOB, false,
     "somebody destroyed the task, or the toolstack was restarted: what was read is no backup"},
    {FAULT_POOL_AWAY, ERROR_POOL_UNREACHABLE, FAULT_LATER, POOL, false,
     "it is begun anew when the toolstack answers again"},
    {FAULT_DISK_KEPT, ERROR_BUSY, FAULT_GIVE_UP, JOB, false,
     "detach it there; the next run removes it"},

    /* hosts and placement */
    {"HOST_DISABLED", ERROR_XAPI, FAULT_ELSEWHERE, HOST, false,
     "the host is in maintenance: enable it when that is over"},
    {"HOST_DISABLED_UNTIL_REBOOT", ERROR_XAPI, FAULT_ELSEWHERE, HOST, false,
     "the host wants to be restarted first"},
    {"HOST_DISABLED_INDEFINITELY", ERROR_XAPI, FAULT_ELSEWHERE, HOST, false,
     "the host is in maintenance: enable it when that is over"},
    {"HOST_EVACUATE_IN_PROGRESS", ERROR_XAPI, FAULT_ELSEWHERE, HOST, false,
     "the host is being evacuated"},
    {"HOST_OFFLINE", ERROR_POOL_UNREACHABLE, FAULT_ELSEWHERE, HOST, false,
     "the host is down: start it"},
    {"HOST_NOT_LIVE", ERROR_POOL_UNREACHABLE, FAULT_ELSEWHERE, HOST, false,
     "the host is down, or the master does not hear it"},
    {"HOST_BROKEN", ERROR_XAPI, FAULT_ELSEWHERE, HOST, false,
     "see /var/log/xensource.log on that host"},
    {"HOST_CANNOT_SEE_SR", ERROR_XAPI, FAULT_ELSEWHERE, HOST, false,
     "plug the SR on that host (pbd-plug)"},
    {"HOST_NOT_ENOUGH_FREE_MEMORY", ERROR_XAPI, FAULT_ELSEWHERE, HOST, false,
     "the host has not enough free memory"},
    {"VM_REQUIRES_SR", ERROR_XAPI, FAULT_ELSEWHERE, HOST, false,
     "that host does not see the SR of a disk: plug it there (pbd-plug)"},
    {"NO_HOSTS_AVAILABLE", ERROR_XAPI, FAULT_REPLAN, POOL, false,
     "no host that is up sees all SRs of the VM, those of ISOs in its drives included"},
    {"SR_HAS_NO_PBDS", ERROR_XAPI, FAULT_REPLAN, SR, false,
     "the SR is plugged on no host: plug it (pbd-plug)"},
    {"SR_NOT_ATTACHED", ERROR_XAPI, FAULT_ELSEWHERE, SR, false,
     "the SR is not plugged on that host: plug it (pbd-plug)"},
    {"SR_ATTACH_FAILED", ERROR_XAPI, FAULT_ELSEWHERE, SR, false, advice_storage},
    {"OUT_OF_SPACE", ERROR_NO_SPACE, FAULT_ELSEWHERE, HOST, false,
     "the disk of that dom0 is full: make room there"},
    {"BACKUP_SCRIPT_FAILED", ERROR_XAPI, FAULT_SOON, HOST, false,
     "often dom0's /var is full; the script's output stands above"},
    {"SM_PLUGIN_COMMUNICATION_FAILURE", ERROR_XAPI, FAULT_SOON, HOST, true, advice_storage},

    /* storage */
    {"SR_BACKEND_FAILURE_44", ERROR_NO_SPACE, FAULT_SOON, SR, false, advice_full},
    {"SR_FULL", ERROR_NO_SPACE, FAULT_SOON, SR, false, advice_full},
    {"SR_SOURCE_SPACE_INSUFFICIENT", ERROR_NO_SPACE, FAULT_SOON, SR, false, advice_full},
    {"SR_BACKEND_FAILURE_109", ERROR_XAPI, FAULT_GIVE_UP, SR, false,
     "the disk's chain of snapshots is too long: wait until the SR has coalesced it"},
    {"SR_BACKEND_FAILURE_46", ERROR_XAPI, FAULT_SOON, SR, false,
     "the disk was not detached cleanly somewhere: see /var/log/SMlog on the hosts"},
    {"SR_BACKEND_FAILURE_144", ERROR_XAPI, FAULT_GIVE_UP, SR, false,
     "the disk is not on its SR: scan the SR; its chain may be broken"},
    {"SR_BACKEND_FAILURE_38", ERROR_UNSUPPORTED, FAULT_GIVE_UP, SR, false,
     "this kind of SR can't do that"},
    {"SR_BACKEND_FAILURE", ERROR_XAPI, FAULT_SOON, SR, false, advice_storage},
    {"SR_UNHEALTHY", ERROR_XAPI, FAULT_SOON, SR, false, advice_storage},
    {"CLUSTERED_SR_DEGRADED", ERROR_XAPI, FAULT_SOON, SR, false,
     "the cluster of this SR is not whole"},
    {"SR_OPERATION_NOT_SUPPORTED", ERROR_UNSUPPORTED, FAULT_GIVE_UP, SR, false,
     "this kind of SR has no snapshots: back the VM up while it is shut down"},
    {"UNIMPLEMENTED_IN_SM_BACKEND", ERROR_UNSUPPORTED, FAULT_GIVE_UP, SR, false,
     "this kind of SR can't do that"},
    {"SR_REQUIRES_UPGRADE", ERROR_UNSUPPORTED, FAULT_GIVE_UP, SR, false, "upgrade the SR"},
    {"SR_UNKNOWN_DRIVER", ERROR_UNSUPPORTED, FAULT_GIVE_UP, SR, false,
     "the host lacks the driver of this SR"},
    {"VDI_IO_ERROR", ERROR_XAPI, FAULT_SOON, JOB, false,
     "the disk can't be read, or the reader left: see /var/log/SMlog"},
    {"VDI_NOT_AVAILABLE", ERROR_XAPI, FAULT_SOON, SR, false, advice_storage},
    {"VDI_COPY_FAILED", ERROR_XAPI, FAULT_SOON, SR, false, advice_storage},
    {"CLIENT_ERROR", ERROR_XAPI, FAULT_SOON, JOB, false,
     "XAPI says that we stopped reading; a killed compressor there gives it too"},

    /* VMs and disks that can't be backed up this way */
    {"VM_HAS_VUSBS", ERROR_UNSUPPORTED, FAULT_GIVE_UP, JOB, false,
     "a VM with USB devices can't be snapshotted"},
    {"VM_HAS_PCI_ATTACHED", ERROR_UNSUPPORTED, FAULT_GIVE_UP, JOB, false,
     "a VM with PCI devices can't do that"},
    {"VDI_IS_SHARABLE", ERROR_UNSUPPORTED, FAULT_GIVE_UP, JOB, false, advice_disk_choice},
    {"VDI_IS_A_PHYSICAL_DEVICE", ERROR_UNSUPPORTED, FAULT_GIVE_UP, JOB, false, advice_disk_choice},
    {"VDI_IS_ENCRYPTED", ERROR_UNSUPPORTED, FAULT_GIVE_UP, JOB, false, advice_disk_choice},
    {"VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION", ERROR_UNSUPPORTED, FAULT_GIVE_UP, JOB, false,
     "the disk has on_boot=reset: leave it out, or set it to persist"},
    {"VDI_TOO_LARGE", ERROR_UNSUPPORTED, FAULT_GIVE_UP, JOB, false,
     "a disk above 2040 GiB has no VHD: use vdi_export_format raw"},
    {"VDI_INCOMPATIBLE_TYPE", ERROR_UNSUPPORTED, FAULT_GIVE_UP, JOB, false,
     "that is no disk with data"},
    {"VDI_NO_CBT_METADATA", ERROR_UNSUPPORTED, FAULT_GIVE_UP, JOB, false,
     "changed blocks are not tracked for this disk"},
    {"VM_SNAPSHOT_FAILED", ERROR_XAPI, FAULT_SOON, JOB, false,
     "see /var/log/xensource.log on the master"},
    {"VM_SNAPSHOT_WITH_QUIESCE_FAILED", ERROR_XAPI, FAULT_SOON, JOB, false,
     "the guest's VSS could not quiesce it"},
    {"VM_SNAPSHOT_WITH_QUIESCE_TIMEOUT", ERROR_XAPI, FAULT_SOON, JOB, false,
     "the guest's VSS did not answer in time"},
    {"VM_SNAPSHOT_WITH_QUIESCE_PLUGIN_DEOS_NOT_RESPOND", ERROR_XAPI, FAULT_SOON, JOB, false,
     "the guest's VSS did not answer"},
    {"VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED", ERROR_UNSUPPORTED, FAULT_SOON, JOB, false,
     "the guest offers no VSS"},
    {"VM_CHECKPOINT_SUSPEND_FAILED", ERROR_XAPI, FAULT_SOON, JOB, false,
     "the VM could not be suspended"},
    {"VM_CHECKPOINT_RESUME_FAILED", ERROR_XAPI, FAULT_GIVE_UP, JOB, false,
     "the VM is suspended now: resume it"},
};

#undef JOB
#undef HOST
#undef SR
#undef POOL

const struct fault_row *fault_rows(size_t *ret_n)
{
    *ret_n = sizeof rows / sizeof *rows;
    return rows;
}

const struct fault_row *fault_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, name))
            return &rows[i];
    return NULL;
}

const char *fault_step_name(enum fault_step step)
{
    static const char *const names[] = {
        [FAULT_SOON] = "again soon",     [FAULT_LATER] = "again later",
        [FAULT_ELSEWHERE] = "elsewhere", [FAULT_REPLAN] = "read the pool again",
        [FAULT_SKIP] = "skip",           [FAULT_GIVE_UP] = "give up",
    };

    return names[step];
}

/* An error without a row: what its code says. */
static struct fault_verdict judge_code(enum error_code code)
{
    switch (code) {
    case ERROR_POOL_UNREACHABLE:
        return (struct fault_verdict){FAULT_LATER, FAULT_OF_HOST};
    /* What is wrong with a host's store or session need not be wrong with the next host's. */
    case ERROR_STORE_MISSING:
    case ERROR_STORE_FOREIGN:
    case ERROR_POOL_REFUSED:
    case ERROR_AUTH:
        return (struct fault_verdict){FAULT_ELSEWHERE, FAULT_OF_HOST};
    case ERROR_EXISTS:
        return (struct fault_verdict){FAULT_SOON, FAULT_OF_JOB};
    default:
        return (struct fault_verdict){error_may_be_retried(code) ? FAULT_SOON : FAULT_GIVE_UP,
                                      FAULT_OF_JOB};
    }
}

struct fault_verdict fault_judge(const struct error *err)
{
    const struct fault_row *row = err->origin[0] ? fault_find(err->origin) : NULL;

    return row ? (struct fault_verdict){row->step, row->scope} : judge_code(err->code);
}
