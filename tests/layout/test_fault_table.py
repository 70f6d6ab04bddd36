# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of faults is whole: each error that a call of ours is declared to give has its row.

The declarations are those of XAPI's own data model, where it lies beside the project. A code
without a row is no accident: it becomes ERROR_XAPI and is tried again soon, and is listed here.
"""
import json
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT.parent / "shared" / "xapi" / "datamodel.json"
ROW = re.compile(r'\{("[A-Z0-9_]+"|FAULT_[A-Z_]+),\s*ERROR_')
CALL = re.compile(r'"((?:Async\.)?[A-Za-z_]+\.[a-z_]+)"')

# What backups meet though no message declares it (raised below the calls, or by handlers).
MET = """
HOST_IS_SLAVE SESSION_INVALID SESSION_AUTHENTICATION_FAILED RBAC_PERMISSION_DENIED HANDLE_INVALID
UUID_INVALID MESSAGE_METHOD_UNKNOWN MESSAGE_PARAMETER_COUNT_MISMATCH MESSAGE_REMOVED INVALID_VALUE
FIELD_TYPE_ERROR VALUE_NOT_SUPPORTED MAP_DUPLICATE_KEY INTERNAL_ERROR OPERATION_NOT_ALLOWED
OPERATION_BLOCKED OTHER_OPERATION_IN_PROGRESS VM_BAD_POWER_STATE VM_IS_TEMPLATE VM_IS_SNAPSHOT
VM_REQUIRES_SR NO_HOSTS_AVAILABLE HOST_OFFLINE HOST_NOT_LIVE HOST_DISABLED HOST_STILL_BOOTING
HOST_IN_EMERGENCY_MODE CANNOT_CONTACT_HOST TLS_CONNECTION_FAILED NOT_SUPPORTED_DURING_UPGRADE
LICENCE_RESTRICTION SR_BACKEND_FAILURE_16 SR_BACKEND_FAILURE_24 SR_BACKEND_FAILURE_38
SR_BACKEND_FAILURE_44 SR_BACKEND_FAILURE_46 SR_BACKEND_FAILURE_109 SR_BACKEND_FAILURE_144 SR_FULL
SR_HAS_NO_PBDS SR_NOT_ATTACHED SR_OPERATION_NOT_SUPPORTED VDI_IN_USE VDI_IO_ERROR VDI_MISSING
VDI_NOT_AVAILABLE VDI_NOT_MANAGED VDI_TOO_LARGE VDI_IS_SHARABLE
VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION VM_HAS_VUSBS VDI_NO_CBT_METADATA VDI_INCOMPATIBLE_TYPE
VDI_LOCATION_MISSING VDI_CONTENT_ID_MISSING TOO_MANY_PENDING_TASKS TOO_MANY_STORAGE_MIGRATES
TASK_CANCELLED CLIENT_ERROR BACKUP_SCRIPT_FAILED EVENTS_LOST SESSION_NOT_REGISTERED
EVENT_FROM_TOKEN_PARSE_FAILURE DEVICE_DETACH_REJECTED DEVICE_DETACH_TIMEOUT DEVICE_ALREADY_ATTACHED
DEVICE_ALREADY_DETACHED OUT_OF_SPACE UNIMPLEMENTED_IN_SM_BACKEND VM_CHECKPOINT_SUSPEND_FAILED
VM_CHECKPOINT_RESUME_FAILED VM_SNAPSHOT_WITH_QUIESCE_FAILED VM_SNAPSHOT_WITH_QUIESCE_TIMEOUT
VM_SNAPSHOT_WITH_QUIESCE_PLUGIN_DEOS_NOT_RESPOND VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED
""".split()


def rows():
    found = ROW.findall((ROOT / "common/xapi/fault_table.c").read_text(encoding="utf-8"))
    return [name.strip('"') for name in found]


def calls():
    """Names of the calls in the product's sources."""
    found = set()
    for folder in ("common/xapi", "agent", "coordinator"):
        for path in (ROOT / folder).rglob("*.c"):
            found.update(name.removeprefix("Async.")
                         for name in CALL.findall(path.read_text(encoding="utf-8")))
    return found


def model():
    if not MODEL.exists():
        pytest.skip(f"NO DATA MODEL at {MODEL}: the table is not compared with XAPI's declarations")
    return {f"{of['name']}.{message['name']}": [error["name"] for error in message["errors"]]
            for of in json.loads(MODEL.read_text(encoding="utf-8")) for message in of["messages"]}


def test_rows_have_names_of_their_own():
    names = rows()
    assert len(names) > 100 and len(set(names)) == len(names)


def test_what_backups_meet_has_a_row():
    assert [code for code in MET if code not in rows()] == []


def test_what_our_calls_are_declared_to_give_has_a_row():
    declared = model()
    ours = calls() & set(declared)
    assert len(ours) > 25, sorted(ours)
    missing = {name: [code for code in declared[name] if code not in rows()] for name in ours}
    assert {name: codes for name, codes in missing.items() if codes} == {}


def test_codes_without_a_row_are_told(capsys):
    known = set(rows())
    others = sorted({code for codes in model().values() for code in codes} - known)
    with capsys.disabled():
        print(f"\n{len(known)} codes have a row; declared for calls that no backup makes, and "
              f"tried again soon: {' '.join(others)}")
    assert "VDI_IN_USE" not in others and len(others) < 120
