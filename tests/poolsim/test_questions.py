# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that clients make around a backup: what may be done, what a host has left, small objects."""
import pytest

from call_client import GONE, NULL, running


@pytest.fixture(scope="module")
def lab():
    with running() as pair:
        yield pair


def test_operation_is_valid_or_fails_as_the_operation_would(lab):
    _, call = lab
    vm = call.find("web")
    assert call("VM.assert_operation_valid", vm, "snapshot") == ""
    assert call.fails("VM.assert_operation_valid", vm, "export") == [
        "VM_BAD_POWER_STATE", vm, "halted, suspended", "running"]
    call("VM.add_to_blocked_operations", vm, "snapshot", "no")
    assert call.fails("VM.assert_operation_valid", vm, "snapshot") == ["OPERATION_BLOCKED", vm, "no"]
    call("VM.remove_from_blocked_operations", vm, "snapshot")
    assert call.fails("VM.assert_operation_valid", GONE, "snapshot") == ["HANDLE_INVALID", "VM", GONE]


def test_vm_is_agile_if_every_host_sees_its_disks(lab):
    _, call = lab
    assert call("VM.assert_agile", call.find("web")) == ""
    assert call.fails("VM.assert_agile", call.find("idle")) == [
        "HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", call.find("local", "SR")]


def test_memory_ranges_and_what_they_must_keep(lab):
    _, call = lab
    vm, mib = call.find("idle"), 1 << 20
    call("VM.set_memory_dynamic_range", vm, 256 * mib, 384 * mib)
    call("VM.set_memory_static_range", vm, 128 * mib, 512 * mib)
    record = call("VM.get_record", vm)
    assert [record["memory_" + name] // mib for name in ("static_min", "dynamic_min", "dynamic_max", "static_max")] == [
        128, 256, 384, 512]
    call("VM.set_memory", vm, 300 * mib)
    record = call("VM.get_record", vm)
    assert record["memory_dynamic_max"] == record["memory_static_max"] == 300 * mib
    assert call.fails("VM.set_memory_dynamic_range", vm, 2 * mib, mib)[0] == "MEMORY_CONSTRAINT_VIOLATION"
    overhead = call("VM.compute_memory_overhead", vm)
    assert call("VM.maximise_memory", vm, 1 << 30, True) == (1 << 30) - overhead
    assert call("VM.get_cooperative", vm) is True and call("VM.get_boot_record", vm)["uuid"] == record["uuid"]


def test_host_has_less_memory_left_with_every_vm_that_starts(lab):
    _, call = lab
    host = call("host.get_by_name_label", "h2")[0]
    before = call("host.compute_free_memory", host)
    vm = call("VM.clone", call.find("idle"), "guest")
    for vbd in call("VM.get_VBDs", vm):
        call("VBD.destroy", vbd)  # its local disk is another host's
    call("VM.start_on", vm, host, False, False)
    assert call("host.compute_free_memory", host) == before - call("VM.get_memory_dynamic_max", vm)
    call("VM.hard_shutdown", vm)
    assert call("host.compute_free_memory", host) == before
    assert call.fails("host.compute_free_memory", GONE) == ["HANDLE_INVALID", "host", GONE]


def test_suspended_vm_resumes_where_it_is_told(lab):
    _, call = lab
    vm = call.find("web")
    host = call("host.get_by_name_label", "h2")[0]
    call("VM.suspend", vm)
    call("VM.resume_on", vm, host, False, False)
    assert call("VM.get_resident_on", vm) == host and call("VM.get_power_state", vm) == "Running"
    assert call.fails("VM.resume_on", vm, GONE, False, False) == ["HANDLE_INVALID", "host", GONE]


def test_pool_has_no_extension_and_its_licence_never_ends(lab):
    _, call = lab
    pool = call("pool.get_all")[0]
    assert call("pool.has_extension", pool, "x.y") is False
    assert call("host.has_extension", call("pool.get_master", pool), "x.y") is False
    assert call("pool.get_license_state", pool)["expiry"] == "never"
    assert call("host.get_data_sources", call("pool.get_master", pool)) == []


def test_secrets_and_blobs_come_and_go(lab):
    _, call = lab
    secret = call("secret.create", {"value": "s3cret", "other_config": {"for": "share"}})
    assert call("secret.get_value", secret) == "s3cret" and call("secret.get_other_config", secret) == {"for": "share"}
    call("secret.destroy", secret)
    assert call.fails("secret.destroy", secret) == ["HANDLE_INVALID", "secret", secret]
    assert call.fails("secret.create", {})[0] == "INTERNAL_ERROR"
    blob = call("blob.create", "text/plain", False)
    assert call("blob.get_mime_type", blob) == "text/plain"
    call("blob.destroy", blob)
    assert call.fails("blob.destroy", blob)[0] == "HANDLE_INVALID"


def test_usb_device_taken_away_lets_the_vm_be_snapshotted():
    vms = [{"name": "usb", "power_state": "Running", "vusb": True, "disks": [{"device": "xvda", "size_mib": 4}]}]
    with running(vms=vms) as (_, call):
        vm = call.find("usb")
        assert call.fails("VM.snapshot", vm, "s") == ["VM_HAS_VUSBS", vm]
        (vusb,) = call("VM.get_VUSBs", vm)
        assert call("VUSB.get_currently_attached", vusb) is True
        assert call.fails("VUSB.destroy", vusb)[0] == "OPERATION_NOT_ALLOWED"
        call("VUSB.unplug", vusb)
        assert call.fails("VUSB.unplug", vusb) == ["DEVICE_ALREADY_DETACHED", vusb]
        call("VUSB.destroy", vusb)
        call("VM.snapshot", vm, "s")
        again = call("VUSB.create", vm, NULL, {})
        assert call("VM.get_VUSBs", vm) == [again]
        assert call.fails("VUSB.create", vm, NULL, {}) == ["TOO_MANY_VUSBS", "1"]


def test_messages_go_together_or_not_at_all(lab):
    _, call = lab
    uuid = call("VM.get_uuid", call.find("web"))
    refs = [call("message.create", "NOTE", 3, "VM", uuid, str(i)) for i in range(3)]
    before = len(call("message.get_all"))
    assert call.fails("message.destroy_many", refs[:1] + [GONE]) == ["HANDLE_INVALID", "message", GONE]
    assert len(call("message.get_all")) == before
    call("message.destroy_many", refs + refs[:1])
    assert len(call("message.get_all")) == before - 3


def test_control_domains_disk_is_taken_away_by_force(lab):
    _, call = lab
    vm = call.find("web")
    vbd = [v for v in call("VM.get_VBDs", vm) if call("VBD.get_userdevice", v) == "1"][0]
    assert call("VBD.assert_attachable", vbd) == ""
    call("VBD.unplug_force_no_safety_check", vbd)
    assert call("VBD.get_currently_attached", vbd) is False


def test_boot_policy_and_domain_type_say_the_same(lab):
    _, call = lab
    vm = call.find("idle")
    call("VM.set_HVM_boot_policy", vm, "")
    assert call("VM.get_domain_type", vm) == "pv"
    call("VM.set_domain_type", vm, "hvm")
    assert call("VM.get_HVM_boot_policy", vm) == "BIOS order"
    assert call.fails("VM.set_domain_type", vm, "unspecified") == ["INVALID_VALUE", "domain_type", "unspecified"]
    call("VM.set_domain_type", vm, "pvh")
    assert call("VM.get_HVM_boot_policy", vm) == ""
    call("VM.set_HVM_boot_policy", vm, "BIOS order")
    assert call("VM.get_domain_type", vm) == "hvm"
