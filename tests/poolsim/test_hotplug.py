# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks plugged into and out of running VMs, as backup programs with a helper VM do it."""
import pytest

from call_client import running


def vbd_of(vm, vdi, mode="RO", kind="Disk"):
    return {"VM": vm, "VDI": vdi, "userdevice": "autodetect", "bootable": False, "mode": mode, "type": kind,
            "empty": False, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}


@pytest.fixture
def lab():
    with running() as pair:
        yield pair


def test_helper_vm_reads_a_snapshot_and_gives_it_back(lab):
    _, call = lab
    helper = call.find("web")
    call("VM.start", call.find("idle"), False, False)
    snapshot = call("VDI.snapshot", call.disks(call.find("idle"))["0"])
    vbd = call("VBD.create", vbd_of(helper, snapshot))
    call("VBD.plug", vbd)
    assert call.fails("VBD.plug", vbd) == ["DEVICE_ALREADY_ATTACHED", vbd]
    assert call.fails("VDI.destroy", snapshot) == ["VDI_IN_USE", snapshot, "destroy"]
    assert call.fails("VBD.destroy", vbd)[0] == "OPERATION_NOT_ALLOWED"
    call("VBD.unplug", vbd)
    assert call.fails("VBD.unplug", vbd) == ["DEVICE_ALREADY_DETACHED", vbd]
    call("VBD.destroy", vbd)
    call("VDI.destroy", snapshot)


def test_disk_is_not_written_by_two_vms(lab):
    _, call = lab
    web, idle = call.find("web"), call.find("idle")
    live = call.disks(web)["0"]
    call("VM.start", idle, False, False)
    for mode in ("RO", "RW"):  # somebody writes to it
        vbd = call("VBD.create", vbd_of(web, call.disks(idle)["0"], mode))
        assert call.fails("VBD.plug", vbd) == ["VDI_IN_USE", call.disks(idle)["0"]]
        call("VBD.destroy", vbd)
    call("VM.hard_shutdown", idle)
    call("VBD.create", vbd_of(idle, live))
    assert call.fails("VM.start", idle, False, False) == ["VDI_IN_USE", live]
    assert call("VM.get_power_state", idle) == "Halted" and call("VM.get_current_operations", idle) == {}


def test_two_vms_may_read_one_snapshot(lab):
    _, call = lab
    web, idle = call.find("web"), call.find("idle")
    snapshot = call("VDI.snapshot", call.disks(web)["0"])
    call("VBD.create", vbd_of(idle, snapshot))
    call("VM.start", idle, False, False)
    vbd = call("VBD.create", vbd_of(web, snapshot))
    call("VBD.plug", vbd)
    assert call("VBD.get_currently_attached", vbd) is True


def test_guest_must_be_able_to_and_the_disk_too(lab):
    pool, call = lab
    web, idle = call.find("web"), call.find("idle")
    spare = call("VDI.snapshot", call.disks(web)["1"])
    vbd = call("VBD.create", vbd_of(idle, spare))
    assert call.fails("VBD.plug", vbd) == ["VM_BAD_POWER_STATE", idle, "running", "halted"]
    call("VM.start", idle, False, False)
    second = call("VBD.create", vbd_of(idle, call("VDI.snapshot", call.disks(web)["1"])))
    assert call.fails("VBD.plug", second) == ["VM_MISSING_PV_DRIVERS", idle]
    pool.control("vm.tools", vm="idle", os="Debian")
    call("VBD.plug", second)
    (drive,) = [v for v in call("VM.get_VBDs", web) if call("VBD.get_type", v) == "CD"]
    assert call.fails("VBD.unplug", drive)[0] in ("OPERATION_NOT_ALLOWED", "DEVICE_ALREADY_DETACHED")
    fixed = call("VDI.create", dict(call("VDI.get_record", spare), read_only=True))
    written = call("VBD.create", vbd_of(web, fixed, "RW"))
    assert call.fails("VBD.plug", written) == ["VDI_READONLY", fixed]
    nailed = call("VBD.create", dict(vbd_of(web, call("VDI.snapshot", call.disks(web)["1"])), unpluggable=False))
    call("VBD.plug", nailed)
    assert call.fails("VBD.unplug", nailed) == ["VBD_NOT_UNPLUGGABLE", nailed]


def test_interface_is_plugged_once_and_into_a_running_vm(lab):
    _, call = lab
    web, idle = call.find("web"), call.find("idle")
    vif = {"VM": web, "network": call.find("LAN", "network"), "device": "5", "MAC": "", "MTU": 1500, "other_config": {},
           "qos_algorithm_type": "", "qos_algorithm_params": {}}
    made = call("VIF.create", vif)
    assert call.fails("VIF.unplug", made) == ["DEVICE_ALREADY_DETACHED", made]
    call("VIF.plug", made)
    assert call.fails("VIF.plug", made) == ["DEVICE_ALREADY_ATTACHED", made]
    call("VIF.unplug", made)
    other = call("VIF.create", dict(vif, VM=idle))
    assert call.fails("VIF.plug", other) == ["VM_BAD_POWER_STATE", idle, "running", "halted"]
