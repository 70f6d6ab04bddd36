# SPDX-License-Identifier: GPL-3.0-or-later
"""What calls do to VMs, disks and SRs, and the order in which errors are found."""
import base64

import pytest

from call_client import GONE, NULL, running

MIB = 1 << 20


@pytest.fixture()
def lab():
    with running() as pair:
        yield pair


def drop(call, snapshot):
    """A snapshot with its disks."""
    disks = call.disks(snapshot)
    call("VM.destroy", snapshot)
    for vdi in disks.values():
        call("VDI.destroy", vdi)


def test_snapshot_of_a_running_vm_is_made_as_xapi_makes_it(lab):
    pool, call = lab
    before = pool.control("state.refs")
    vm = call.find("web")
    call("VM.add_to_blocked_operations", vm, "destroy", "no")
    status, result, _ = call.wait(call("Async.VM.snapshot", vm, "snap", []))
    assert status == "success"
    snapshot = result[len("<value>"):-len("</value>")]
    own, record = call("VM.get_record", vm), call("VM.get_record", snapshot)
    assert record["is_a_snapshot"] and record["is_a_template"] and record["snapshot_of"] == vm
    assert record["power_state"] == "Halted" and record["blocked_operations"] == {}
    assert record["snapshot_info"] == {"disk-snapshot-type": "crash_consistent", "power-state-at-snapshot": "Running"}
    assert record["other_config"] == own["other_config"] and own["parent"] == snapshot
    assert own["snapshots"] == [snapshot] and record["generation_id"] != own["generation_id"]
    assert record["allowed_operations"] == ["destroy", "metadata_export", "export", "revert", "copy", "clone"]
    for number, vdi in call.disks(snapshot).items():
        disk = call("VDI.get_record", vdi)
        assert disk["is_a_snapshot"] and disk["snapshot_of"] == call.disks(vm)[number]
    kinds = sorted((call("VBD.get_type", v), call("VBD.get_other_config", v)) for v in record["VBDs"])
    assert kinds == [("CD", {}), ("Disk", {"owner": ""}), ("Disk", {"owner": ""})]
    drop(call, snapshot)
    after = pool.control("state.refs")
    assert after == before and call("VM.get_parent", vm) == NULL


def test_guest_goes_on_writing_and_the_snapshot_does_not_move(lab):
    pool, call = lab
    vm = call.find("web")
    snapshot = call("VM.snapshot", vm, "s")
    disk = call.disks(snapshot)["0"]
    before = pool.control("disk.sha256", vdi=disk)
    assert before == pool.control("disk.sha256", vm="web", device="xvda")
    pool.control("guest.write", vm="web", device="xvda", offset=MIB, length=70000, seed=9)
    assert pool.control("disk.sha256", vdi=disk) == before != pool.control("disk.sha256", vm="web", device="xvda")


def test_ignored_disks_have_no_vbd_in_the_snapshot(lab):
    _, call = lab
    vm = call.find("web")
    ignored = call.disks(vm)["1"]
    snapshot = call("VM.snapshot", vm, "s", [ignored, "OpaqueRef:dead"])
    assert sorted(call.disks(snapshot)) == ["0"]


def test_destroying_a_vm_leaves_its_disks(lab):
    _, call = lab
    vm = call.find("idle")
    vdi = call.disks(vm)["0"]
    call("VM.destroy", vm)
    assert call("VDI.get_VBDs", vdi) == []
    call("VDI.destroy", vdi)
    assert call.fails("VDI.destroy", vdi) == ["HANDLE_INVALID", "VDI", vdi]


def test_errors_are_found_in_xapis_order(lab):
    _, call = lab
    web, idle = call.find("web"), call.find("idle")
    assert call.fails("VM.destroy", web) == ["VM_BAD_POWER_STATE", web, "halted, suspended", "running"]
    call("VM.add_to_blocked_operations", web, "destroy", "keep it")
    assert call.fails("VM.destroy", web) == ["OPERATION_BLOCKED", web, "keep it"]
    assert call.fails("VM.checkpoint", idle, "c") == [
        "VM_BAD_POWER_STATE", idle, "paused, suspended, running", "halted"]
    snapshot = call("VM.snapshot", idle, "s")
    assert call.fails("VM.snapshot", snapshot, "x") == ["VM_IS_SNAPSHOT", snapshot, "snapshot"]
    assert call.fails("VM.start", snapshot, False, False) == ["VM_IS_SNAPSHOT", snapshot, "start"]
    call("VM.set_is_a_template", snapshot, False)
    assert call("VM.get_is_a_snapshot", snapshot)
    assert call.fails("VM.set_is_a_template", snapshot, True) == ["VM_IS_SNAPSHOT", snapshot, "make_into_template"]
    call("VM.set_is_a_template", idle, True)
    assert call.fails("VM.snapshot", idle, "x") == ["VM_IS_TEMPLATE", idle, "snapshot"]
    assert call("VM.get_metrics", idle) == NULL
    dom0 = call("host.get_control_domain", call("host.get_all")[0])
    assert call.fails("VM.snapshot", dom0, "x")[0] == "OPERATION_NOT_ALLOWED"
    template = [r for r, v in call("VM.get_all_records").items() if v["is_default_template"]][0]
    assert call.fails("VM.destroy", template)[0] == "OPERATION_NOT_ALLOWED"


def test_disk_in_use_is_refused_until_it_is_free(lab):
    _, call = lab
    vm = call.find("web")
    vdi = call.disks(vm)["0"]
    assert call.fails("VDI.destroy", vdi) == ["VDI_IN_USE", vdi, "destroy"]
    call("VM.hard_shutdown", vm)
    call("VDI.destroy", vdi)
    assert sorted(call.disks(vm)) == ["1"]


def test_odd_vms_and_disks_refuse_to_be_snapshotted():
    vms = [{"name": "usb", "vusb": True, "disks": [{"size_mib": 1}]},
           {"name": "reset", "disks": [{"size_mib": 1, "on_boot": "reset"}]},
           {"name": "shared", "disks": [{"size_mib": 1, "sharable": True}]},
           {"name": "gone", "disks": [{"size_mib": 1, "missing": True}]},
           {"name": "hba", "disks": [{"size_mib": 1, "sr": "raw"}]}]
    with running(vms=vms) as (pool, call):
        before = pool.control("state.refs", classes=["VM", "VDI", "VBD"])
        expected = {"usb": "VM_HAS_VUSBS", "reset": "VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION",
                    "shared": "VDI_IS_SHARABLE", "gone": "VDI_MISSING", "hba": "SR_OPERATION_NOT_SUPPORTED"}
        for name, code in expected.items():
            assert call.fails("VM.snapshot", call.find(name), "s")[0] == code
        assert pool.control("state.refs", classes=["VM", "VDI", "VBD"]) == before


def test_full_sr_refuses_and_leaves_nothing():
    srs = [{"name": "tight", "type": "lvm", "host": "h1", "size_mib": 15}]
    vms = [{"name": "two", "disks": [{"size_mib": 4, "content": {"seed": 1, "fill": 1.0}},
                                     {"size_mib": 4, "content": {"seed": 2, "fill": 1.0}}]}]
    with running(srs=srs, vms=vms) as (pool, call):
        before = pool.control("state.refs", classes=["VM", "VDI", "VBD"])
        sr = call.find("tight", "SR")
        used = call("SR.get_physical_utilisation", sr)
        # The first disk's snapshot fits, the second's does not.
        assert call.fails("VM.snapshot", call.find("two"), "s")[0] == "SR_BACKEND_FAILURE_44"
        assert pool.control("state.refs", classes=["VM", "VDI", "VBD"]) == before
        assert call("SR.get_physical_utilisation", sr) == used


def test_sr_sizes_grow_with_snapshots_and_shrink_with_their_end(lab):
    _, call = lab
    sr = call.find("nfs1", "SR")
    before = call("SR.get_physical_utilisation", sr)
    snapshot = call("VM.snapshot", call.find("web"), "s")
    assert call("SR.get_physical_utilisation", sr) > before
    drop(call, snapshot)
    assert call("SR.get_physical_utilisation", sr) == before


def unmanaged(call):
    return {r: v for r, v in call("VDI.get_all_records").items() if not v["managed"]}


def parent(call, vdi):
    return call("VDI.get_sm_config", vdi).get("vhd-parent")


def test_base_copies_come_with_snapshots_and_go_with_them(lab):
    pool, call = lab
    vm = call.find("web")
    before = pool.control("state.refs")
    disk = call.disks(vm)["0"]
    first = call("VM.snapshot", vm, "one")
    bases = unmanaged(call)
    assert len(bases) == 2 and {v["name_label"] for v in bases.values()} == {"base copy"}
    assert all(v["allowed_operations"] == [] and v["VBDs"] == [] and v["sm_config"] == {} for v in bases.values())
    assert parent(call, disk) == parent(call, call.disks(first)["0"]) in [v["uuid"] for v in bases.values()]
    base = next(iter(bases))
    assert call.fails("VDI.destroy", base) == ["VDI_NOT_MANAGED", base]
    assert call.fails("VDI.snapshot", base, {}) == ["VDI_NOT_MANAGED", base]
    lower = parent(call, disk)
    second = call("VM.snapshot", vm, "two")
    upper = parent(call, disk)
    assert upper != lower and parent(call, call("VDI.get_by_uuid", upper)) == lower
    drop(call, first)  # two base copies in a row become one
    assert parent(call, disk) == parent(call, call.disks(second)["0"]) == lower and len(unmanaged(call)) == 2
    drop(call, second)
    assert unmanaged(call) == {} and parent(call, disk) is None
    assert pool.control("state.refs") == before


def test_clone_of_a_snapshot_shares_the_snapshots_parent(lab):
    pool, call = lab
    before = pool.control("state.refs")
    snapshot = call("VDI.snapshot", call.disks(call.find("idle"))["0"], {})
    clone = call("VDI.clone", snapshot, {})
    assert parent(call, clone) == parent(call, snapshot) and len(unmanaged(call)) == 1
    copy = call("VDI.copy", snapshot, call.find("local", "SR"))
    assert parent(call, copy) is None
    for vdi in (snapshot, clone, copy):
        call("VDI.destroy", vdi)
    assert pool.control("state.refs") == before


def test_base_copies_stay_until_the_collection_runs_if_so_asked():
    with running(coalesce=False) as (pool, call):
        before = pool.control("state.refs")
        for _ in range(3):
            drop(call, call("VM.snapshot", call.find("web"), "s"))
        assert len(unmanaged(call)) == 6
        pool.control("gc.run")
        assert pool.control("state.refs") == before


def test_raw_driver_has_no_base_copies():
    with running(srs=[{"name": "plain", "type": "file"}, {"name": "local", "type": "file"}]) as (_, call):
        call("VM.snapshot", call.find("web"), "s")
        assert unmanaged(call) == {}


def test_clone_and_copy_are_vms_with_disks_of_their_own(lab):
    pool, call = lab
    vm = call.find("idle")
    sum_before = pool.control("disk.sha256", vm="idle")
    clone = call("VM.clone", vm, "clone")
    copy = call("VM.copy", vm, "copy", call.find("nfs1", "SR"))
    for other in (clone, copy):
        record = call("VM.get_record", other)
        assert not record["is_a_snapshot"] and not record["is_a_template"]
        assert record["other_config"]["mac_seed"] != call("VM.get_other_config", vm)["mac_seed"]
        assert pool.control("disk.sha256", vdi=call.disks(other)["0"]) == sum_before
    assert call("VDI.get_SR", call.disks(copy)["0"]) == call.find("nfs1", "SR")


def test_revert_puts_the_disks_back(lab):
    pool, call = lab
    vm = call.find("idle")
    before = pool.control("disk.sha256", vm="idle")
    snapshot = call("VM.snapshot", vm, "s")
    pool.control("guest.write", vm="idle", offset=0, length=4096, seed=5)
    assert pool.control("disk.sha256", vm="idle") != before
    count = len(call("VDI.get_all"))
    call("VM.revert", snapshot)
    assert pool.control("disk.sha256", vm="idle") == before
    assert len(call("VDI.get_all")) == count
    assert call.fails("VM.revert", vm) == ["VM_REVERT_FAILED", vm, NULL]


def test_checkpoint_keeps_memory_in_a_suspend_disk(lab):
    _, call = lab
    checkpoint = call("VM.checkpoint", call.find("web"), "c")
    record = call("VM.get_record", checkpoint)
    assert record["power_state"] == "Suspended"
    assert call("VDI.get_type", record["suspend_VDI"]) == "suspend"


def test_power_states_follow_their_calls(lab):
    _, call = lab
    vm = call.find("web")
    for method, state in (("VM.pause", "Paused"), ("VM.unpause", "Running"), ("VM.suspend", "Suspended"),
                          ("VM.hard_shutdown", "Halted")):
        call(method, vm)
        assert call("VM.get_power_state", vm) == state
    assert call("VM.get_resident_on", vm) == NULL
    call("VM.start", vm, False, False)
    assert call("VM.get_resident_on", vm) in call("host.get_all")
    for host in call("host.get_all"):
        call("host.disable", host)
    call("VM.hard_shutdown", vm)
    assert call.fails("VM.start", vm, False, False) == ["NO_HOSTS_AVAILABLE"]


def test_suspended_vm_has_a_disk_for_its_memory_until_it_runs_again(lab):
    pool, call = lab
    vm, sr = call.find("web"), call.find("local", "SR")
    before = pool.control("state.refs")
    for end in (("VM.resume", False, False), ("VM.hard_shutdown",)):
        call("VM.suspend", vm)
        image = call("VM.get_suspend_VDI", vm)
        assert call("VDI.get_type", image) == "suspend" and call("VDI.get_VBDs", image) == []
        call(end[0], vm, *end[1:])
        assert call("VM.get_suspend_VDI", vm) == NULL
        assert pool.control("state.refs") == before
    call("VM.start", vm, False, False)
    call("VM.set_suspend_SR", vm, sr)
    call("VM.suspend", vm)
    assert call("VDI.get_SR", call("VM.get_suspend_VDI", vm)) == sr
    snapshot = call("VM.snapshot", vm, "s")
    assert call("VM.get_suspend_VDI", snapshot) == NULL and call("VM.get_power_state", snapshot) == "Halted"


def test_vm_that_the_file_has_suspended_has_its_image():
    vms = [{"name": "asleep", "power_state": "Suspended", "disks": [{"size_mib": 4}]}]
    with running(vms=vms) as (_, call):
        vm = call.find("asleep")
        assert call("VDI.get_type", call("VM.get_suspend_VDI", vm)) == "suspend"


def test_vtpms_contents_go_with_snapshots_and_clones_but_for_unique_ones(lab):
    pool, call = lab
    before = pool.control("state.refs", classes=["VM", "VDI", "VTPM"])
    vm = call.find("idle")
    vtpm = call("VTPM.create", vm, False)
    assert call.fails("VTPM.create", vm, False) == ["VTPM_MAX_AMOUNT_REACHED", "1"]
    assert call.fails("VTPM.set_contents", vtpm, "no base64!")[0] == "INTERNAL_ERROR"
    call("VTPM.set_contents", vtpm, "c2VjcmV0")
    assert "contents" not in call("VTPM.get_record", vtpm)
    snapshot = call("VM.snapshot", vm, "s")
    assert [call("VTPM.get_contents", t) for t in call("VM.get_VTPMs", snapshot)] == ["c2VjcmV0"]
    drop(call, snapshot)
    call("VM.start", vm, False, False)
    assert call.fails("VTPM.destroy", vtpm) == ["VM_BAD_POWER_STATE", vm, "halted", "running"]
    call("VM.hard_shutdown", vm)
    call("VTPM.destroy", vtpm)
    unique = call("VTPM.create", vm, True)
    call("VTPM.set_contents", unique, "c2VjcmV0")
    snapshot = call("VM.snapshot", vm, "s")
    assert [call("VTPM.get_contents", t) for t in call("VM.get_VTPMs", snapshot)] == [""]
    drop(call, snapshot)
    call("VTPM.destroy", unique)
    assert pool.control("state.refs", classes=["VM", "VDI", "VTPM"]) == before


def test_changed_blocks_and_data_destroy(lab):
    pool, call = lab
    vm = call.find("web")
    live = call.disks(vm)["0"]
    assert call.fails("VDI.data_destroy", live)[0] == "OPERATION_NOT_ALLOWED"
    call("VDI.enable_cbt", live)
    first = call("VDI.snapshot", live, {})
    pool.control("guest.write", vm="web", offset=3 * 65536, length=10, seed=1)
    second = call("VDI.snapshot", live, {})
    bits = base64.b64decode(call("VDI.list_changed_blocks", first, second))
    assert bits[0] == 0x10 and not any(bits[1:])
    call("VDI.data_destroy", first)
    record = call("VDI.get_record", first)
    assert record["type"] == "cbt_metadata"
    assert record["other_config"]["content_id"] == "/No content: this is a cbt_metadata VDI/"
    assert base64.b64decode(call("VDI.list_changed_blocks", first, second)) == bits
    assert call.fails("VDI.clone", first, {}) == ["VDI_INCOMPATIBLE_TYPE", first, "CBT metadata"]
    assert call.fails("VDI.set_on_boot", live, "reset") == ["VDI_CBT_ENABLED", live]
    call("VDI.destroy", first)


def test_nbd_purposes_exclude_each_other_and_show_addresses(lab):
    pool, call = lab
    networks = call("network.get_all_records")
    managed = [r for r, v in networks.items() if v["PIFs"]][0]
    other = [r for r in networks if r != managed][0]
    vdi = call.disks(call.find("web"))["0"]
    assert call("VDI.get_nbd_info", vdi) == []
    call("network.add_purpose", managed, "nbd")
    assert call.fails("network.add_purpose", other, "insecure_nbd") == [
        "NETWORK_INCOMPATIBLE_PURPOSES", "insecure_nbd", "nbd"]
    info = call("VDI.get_nbd_info", vdi)
    assert sorted(i["address"] for i in info) == sorted(h["address"] for h in pool.hosts.values())
    assert all(i["exportname"] == "/%s?session_id=%s" % (call("VDI.get_uuid", vdi), call.session) for i in info)


def test_hosts_that_could_run_a_vm_see_its_srs_and_are_up():
    with running() as (pool, call):
        web, idle = call.find("web"), call.find("idle")
        h1, h2 = (call("host.get_by_uuid", pool.hosts[name]["uuid"]) for name in ("h1", "h2"))
        assert sorted(call("VM.get_possible_hosts", web)) == sorted([h1, h2])
        assert call("VM.get_possible_hosts", idle) == [h1]
        assert call("VM.assert_can_boot_here", idle, h1) == ""
        local = call.find("local", "SR")
        assert call.fails("VM.assert_can_boot_here", idle, h2) == ["VM_REQUIRES_SR", idle, local]
        assert call.fails("VM.assert_can_boot_here", idle, GONE) == ["HANDLE_INVALID", "host", GONE]
        call("host.disable", h1)
        assert call.fails("VM.assert_can_boot_here", idle, h1) == ["HOST_DISABLED", h1]
        pool.control("host.down", host="h2")
        assert call.fails("VM.assert_can_boot_here", web, h2) == ["HOST_NOT_LIVE"]
        assert call("VM.get_possible_hosts", web) == []
        assert call("VM.get_allowed_VIF_devices", web) == [str(n) for n in range(1, 7)]
        assert call("VM.get_allowed_VBD_devices", idle) == [str(n) for n in range(1, 255)]
        pif = call("PIF.get_record", call("host.get_management_interface", h1))
        assert pif["management"] and pif["host"] == h1
        assert call("pool.sync_database") == ""


def test_devices_are_made_moved_and_removed(lab):
    _, call = lab
    vm = call.find("idle")
    record = {"VM": vm, "VDI": NULL, "userdevice": "autodetect", "bootable": False, "mode": "RO", "type": "CD",
              "empty": True, "unpluggable": True, "other_config": {}, "qos_algorithm_type": "",
              "qos_algorithm_params": {}}
    vbd = call("VBD.create", record)
    assert call("VBD.get_userdevice", vbd) == "1"
    assert call.fails("VBD.create", dict(record, userdevice="1")) == ["DEVICE_ALREADY_EXISTS", "1"]
    assert call.fails("VBD.eject", vbd) == ["VBD_IS_EMPTY", vbd]
    call("VBD.destroy", vbd)
    attached = [v for v in call("VM.get_VBDs", call.find("web")) if call("VBD.get_type", v) == "Disk"][0]
    assert call.fails("VBD.destroy", attached)[0] == "OPERATION_NOT_ALLOWED"
    call("VBD.unplug", attached)
    call("VBD.destroy", attached)
    network = call.find("LAN", "network")
    assert call.fails("network.destroy", network)[0] == "NETWORK_CONTAINS_VIF"
    vif = {"VM": vm, "network": network, "device": "3", "MAC": "zz", "MTU": "1500", "other_config": {},
           "qos_algorithm_type": "", "qos_algorithm_params": {}}
    assert call.fails("VIF.create", vif) == ["MAC_INVALID", "zz"]
    call("VIF.destroy", call("VIF.create", dict(vif, MAC="")))


def test_copy_into_a_disk_writes_all_of_it_or_what_differs_from_the_base():
    with running() as (pool, call):
        live = call.disks(call.find("web"))["0"]
        base = call("VDI.snapshot", live)
        record = dict(call("VDI.get_record", live), name_label="target", SR=call.find("local", "SR"))
        target = call("VDI.create", record)
        assert call("VDI.copy", base, NULL, NULL, target) == target
        pool.control("guest.write", vdi=live, offset=5 << 20, hex="c0ffee")
        newer = call("VDI.snapshot", live)
        assert pool.control("disk.sha256", vdi=target) == pool.control("disk.sha256", vdi=base)
        pool.control("guest.write", vdi=target, offset=1 << 20, hex="00" * 512)  # the base has other bytes here
        call("VDI.copy", newer, NULL, base, target)
        assert pool.control("disk.sha256", vdi=target) != pool.control("disk.sha256", vdi=newer)
        call("VDI.copy", newer, NULL, NULL, target)
        assert pool.control("disk.sha256", vdi=target) == pool.control("disk.sha256", vdi=newer)


def test_copy_refuses_a_target_that_is_small_or_read_only_and_no_target_at_all():
    with running() as (_, call):
        live = call("VDI.snapshot", call.disks(call.find("web"))["0"])
        record = dict(call("VDI.get_record", live), SR=call.find("local", "SR"))
        small = call("VDI.create", dict(record, virtual_size=1 << 20))
        assert call.fails("VDI.copy", live, NULL, NULL, small) == ["VDI_TOO_SMALL", small, str(8 << 20)]
        fixed = call("VDI.create", dict(record, read_only=True))
        assert call.fails("VDI.copy", live, NULL, NULL, fixed) == ["VDI_READONLY", fixed]
        assert call.fails("VDI.copy", live, NULL) == ["HANDLE_INVALID", "SR", NULL]
        assert call("VDI.get_read_only", call("VDI.copy", fixed, record["SR"])) is False


def test_guest_that_boots_reports_its_tools_anew():
    with running() as (pool, call):
        vm = call.find("web")
        before = call("VM.get_guest_metrics", vm)
        call("VM.hard_shutdown", vm)
        call("VM.start", vm, False, False)
        after = call("VM.get_guest_metrics", vm)
        assert after != before and call.fails("VM_guest_metrics.get_record", before)[0] == "HANDLE_INVALID"
        assert call("VM_guest_metrics.get_PV_drivers_detected", after) is True
        idle = call.find("idle")  # has none
        call("VM.start", idle, False, False)
        metrics = call("VM.get_guest_metrics", idle)
        assert call("VM_guest_metrics.get_PV_drivers_detected", metrics) is False
        pool.control("vm.tools", vm="idle", os="Windows Server 2022")
        assert call("VM_guest_metrics.get_os_version", metrics)["name"] == "Windows Server 2022"


def test_vms_that_boot_from_a_disk_report_tools_where_the_file_says_so():
    with running(guests_report=True) as (_, call):
        idle = call.find("idle")
        call("VM.start", idle, False, False)
        assert call("VM_guest_metrics.get_PV_drivers_detected", call("VM.get_guest_metrics", idle)) is True
        bare = call("VM.clone", call.find("Other install media"), "bare")
        call("VM.provision", bare)
        call("VM.start", bare, False, False)
        assert call("VM_guest_metrics.get_PV_drivers_detected", call("VM.get_guest_metrics", bare)) is False


def test_hot_plugged_disk_has_its_name_in_the_guest():
    with running() as (_, call):
        vm = call.find("web")
        vdi = call("VDI.snapshot", call.disks(call.find("idle"))["0"])
        vbd = call("VBD.create", {"VM": vm, "VDI": vdi, "userdevice": "autodetect", "bootable": False, "mode": "RO",
                                  "type": "Disk", "empty": False, "other_config": {}, "qos_algorithm_type": "",
                                  "qos_algorithm_params": {}})
        assert call("VBD.get_device", vbd) == ""
        call("VBD.plug", vbd)
        assert call("VBD.get_device", vbd) == "xvd" + chr(ord("a") + int(call("VBD.get_userdevice", vbd)))
        call("VBD.unplug", vbd)
        call("VBD.destroy", vbd)


def test_disk_that_a_vm_writes_to_is_not_copied_but_one_that_is_read():
    with running() as (pool, call):
        live = call.disks(call.find("web"))["0"]
        target = call.find("local", "SR")
        assert sorted(call("VDI.get_allowed_operations", live)) == ["clone", "disable_cbt", "enable_cbt", "snapshot"]
        assert call.fails("VDI.copy", live, target) == ["VDI_IN_USE", live, "copy"]
        snapshot = call("VDI.snapshot", live)
        held = pool.control("fault.inject", method="SM.copy", hold="before")
        task = call("Async.VDI.copy", snapshot, target)
        pool.control("fault.wait", id=held, timeout_ms=20000)
        assert "snapshot" not in call("VDI.get_allowed_operations", snapshot)
        assert call.fails("VDI.snapshot", snapshot) == [
            "OPERATION_NOT_ALLOWED", "Snapshot operation not allowed during copy."]
        pool.control("fault.release", id=held)
        assert call.wait(task)[0] == "success"


def test_types_that_have_no_tracked_blocks_are_named_as_people_read_them():
    with running() as (pool, call):
        disk = call.disks(call.find("idle"))["0"]
        pool.control("object.set", **{"class": "VDI"}, object=disk, field="type", value="suspend")
        assert call.fails("VDI.enable_cbt", disk) == ["VDI_INCOMPATIBLE_TYPE", disk, "Suspend"]
        assert "enable_cbt" not in call("VDI.get_allowed_operations", disk)
        record = dict(call("VDI.get_record", disk), type="cbt_metadata")
        assert call.fails("VDI.create", record) == ["VDI_INCOMPATIBLE_TYPE", "", "CBT metadata"]
        pool.control("object.set", **{"class": "VDI"}, object=disk, field="type", value="user")
        pool.control("object.set", **{"class": "VDI"}, object=disk, field="on_boot", value="reset")
        assert call.fails("VDI.copy", disk, call.find("nfs1", "SR")) == [
            "VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]
