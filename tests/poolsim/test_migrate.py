# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that move to another SR: VDI.pool_migrate and VM.migrate_send."""
import pytest

from call_client import GONE, running


@pytest.fixture
def lab():
    with running() as pair:
        yield pair


def test_moved_disk_is_another_one_with_the_same_bytes(lab):
    pool, call = lab
    vm, target = call.find("web"), call.find("local", "SR")
    old = call.disks(vm)["0"]
    call("VDI.add_to_other_config", old, "backup:of", "me")
    snapshot = call.disks(call("VM.snapshot", vm, "base"))["0"]
    sums = pool.control("disk.sha256", vdi=old)
    status, result, _ = call.wait(call("Async.VDI.pool_migrate", old, target, {}))
    new = call.disks(vm)["0"]
    assert status == "success" and result == "<value>%s</value>" % new
    record = call("VDI.get_record", new)
    assert new != old and record["SR"] == target and record["name_label"] == "web xvda"
    assert "backup:of" not in record["other_config"] and not record["is_a_snapshot"]
    assert pool.control("disk.sha256", vdi=new) == sums
    assert call.fails("VDI.get_record", old) == ["HANDLE_INVALID", "VDI", old]
    # The snapshot went with it and is another one too: a base that was kept is gone.
    assert call.fails("VDI.get_record", snapshot) == ["HANDLE_INVALID", "VDI", snapshot]
    (moved,) = record["snapshots"]
    assert call("VDI.get_SR", moved) == target and call("VDI.get_is_a_snapshot", moved) is True
    assert pool.control("disk.sha256", vdi=moved) == sums
    assert call("VM.get_power_state", vm) == "Running" and call("VM.get_current_operations", vm) == {}
    (vbd,) = [v for v in record["VBDs"]]
    assert call("VBD.get_currently_attached", vbd) is True


def test_tracked_disk_does_not_move(lab):
    _, call = lab
    vm, target = call.find("web"), call.find("local", "SR")
    disk = call.disks(vm)["0"]
    call("VDI.enable_cbt", disk)
    assert call.fails("VDI.pool_migrate", disk, target, {}) == ["VDI_CBT_ENABLED", disk]
    call("VDI.disable_cbt", disk)
    assert call("VDI.pool_migrate", disk, target, {}) == call.disks(vm)["0"]


def test_disk_of_no_vm_and_wrong_names_are_refused(lab):
    _, call = lab
    vm, target = call.find("web"), call.find("local", "SR")
    alone = call("VDI.snapshot", call.disks(vm)["0"])
    assert call.fails("VDI.pool_migrate", alone, target, {}) == ["VDI_NEEDS_VM_FOR_MIGRATE", alone]
    assert call.fails("VDI.pool_migrate", GONE, target, {}) == ["HANDLE_INVALID", "VDI", GONE]
    assert call.fails("VDI.pool_migrate", call.disks(vm)["0"], GONE, {}) == ["HANDLE_INVALID", "SR", GONE]
    call("VM.add_to_blocked_operations", vm, "migrate_send", "a backup runs")
    assert call.fails("VDI.pool_migrate", call.disks(vm)["0"], target, {}) == ["OPERATION_BLOCKED", vm, "a backup runs"]


def test_vm_moves_to_a_host_with_the_disks_that_are_named(lab):
    pool, call = lab
    vm = call.find("web")
    nfs, local = call.find("nfs1", "SR"), call.find("local", "SR")
    h2 = call("host.get_by_name_label", "h2")[0]
    disks = call.disks(vm)
    sums = {device: pool.control("disk.sha256", vdi=vdi) for device, vdi in disks.items()}
    call("VDI.pool_migrate", disks["0"], local, {})
    disks = call.disks(vm)
    dest = call("host.migrate_receive", h2, call.find("LAN", "network"), {})
    assert dest["host"] == h2 and dest["session_id"].startswith("OpaqueRef:")
    refused = call.fails("VM.migrate_send", vm, dest, True, {}, {}, {})
    assert refused == ["VM_REQUIRES_SR", vm, local]
    assert call.fails("VM.assert_can_migrate", vm, dest, True, {}, {}, {}) == refused
    assert call("VM.assert_can_migrate", vm, dest, True, {disks["0"]: nfs}, {}, {}) == ""
    assert call("VM.migrate_send", vm, dest, True, {disks["0"]: nfs}, {}, {}) == vm
    after = call.disks(vm)
    assert call("VM.get_resident_on", vm) == h2 and after["1"] == disks["1"] and after["0"] != disks["0"]
    assert {device: pool.control("disk.sha256", vdi=vdi) for device, vdi in after.items()} == sums
    assert call.fails("VM.migrate_send", vm, {"host": GONE}, True, {}, {}, {}) == ["CANNOT_CONTACT_HOST", GONE]


def test_operation_is_seen_while_the_disk_moves(lab):
    pool, call = lab
    vm = call.find("web")
    held = pool.control("fault.inject", method="SM.copy", hold="before")
    task = call("Async.VDI.pool_migrate", call.disks(vm)["0"], call.find("local", "SR"), {})
    pool.control("fault.wait", id=held, timeout_ms=20000)
    assert list(call("VM.get_current_operations", vm).values()) == ["migrate_send"]
    pool.control("fault.release", id=held)
    assert call.wait(task)[0] == "success"


def test_move_that_the_driver_refuses_leaves_the_disk_where_it_was(lab):
    pool, call = lab
    vm = call.find("web")
    disk = call.disks(vm)["0"]
    refs = pool.control("state.refs", classes=["VM", "VDI", "VBD"])
    pool.control("fault.inject", method="SM.copy", error=["SR_BACKEND_FAILURE_44", "", "no space", ""])
    assert call.fails("VDI.pool_migrate", disk, call.find("local", "SR"), {})[0] == "SR_BACKEND_FAILURE_44"
    assert pool.control("state.refs", classes=["VM", "VDI", "VBD"]) == refs
    assert call("VM.get_current_operations", vm) == {} and call("VDI.get_current_operations", disk) == {}
