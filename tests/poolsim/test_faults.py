# SPDX-License-Identifier: GPL-3.0-or-later
"""Control calls: faults of calls, of hosts, of the pool; pool files that are wrong."""
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from call_client import Caller, XapiError, running, small_pool
from poolsim import Pool


@pytest.fixture()
def lab():
    with running() as pair:
        yield pair


def test_named_call_fails_so_often_and_for_one_object_only(lab):
    pool, call = lab
    pool.control("fault.inject", method="VM.snapshot", object="web", count=2,
                 error=["SR_BACKEND_FAILURE_44", "", "full", ""])
    web, idle = call.find("web"), call.find("idle")
    assert call("VM.snapshot", idle, "s")
    for _ in range(2):
        assert call.fails("VM.snapshot", web, "s") == ["SR_BACKEND_FAILURE_44", "", "full", ""]
    assert call("VM.snapshot", web, "s")


def test_error_after_the_effect_and_a_dropped_answer(lab):
    pool, call = lab
    pool.control("fault.inject", method="VM.snapshot", when="after", error=["INTERNAL_ERROR", "late"])
    assert call.fails("VM.snapshot", call.find("web"), "late") == ["INTERNAL_ERROR", "late"]
    assert len(call("VM.get_by_name_label", "late")) == 1
    pool.control("fault.inject", method="VM.snapshot", drop="after")
    with pytest.raises(OSError):
        call("VM.snapshot", call.find("web"), "dropped")
    assert len(call("VM.get_by_name_label", "dropped")) == 1
    pool.control("fault.inject", method="VM.snapshot", drop="before")
    with pytest.raises(OSError):
        call("VM.snapshot", call.find("web"), "never")
    assert call("VM.get_by_name_label", "never") == []


@pytest.mark.parametrize("when,seen", [("before", 0), ("after", 1)])
def test_held_call_waits_for_its_release(lab, when, seen):
    pool, call = lab
    fault = pool.control("fault.inject", method="VM.snapshot", hold=when)
    task = call("Async.VM.snapshot", call.find("web"), "held")
    assert pool.control("fault.wait", id=fault)["held"] == 1
    assert call("task.get_status", task) == "pending"
    assert len(call("VM.get_by_name_label", "held")) == seen
    pool.control("fault.release", id=fault)
    assert call.wait(task)[0] == "success"


def test_driver_fails_at_the_second_disk_and_the_first_is_taken_back(lab):
    pool, call = lab
    vm = call.find("web")
    before = pool.control("state.refs", classes=["VM", "VDI", "VBD"])
    pool.control("fault.inject", method="SM.snapshot", object=call.disks(vm)["1"],
                 error=["SR_BACKEND_FAILURE_109", "", "chain too long", ""])
    assert call.fails("VM.snapshot", vm, "s")[0] == "SR_BACKEND_FAILURE_109"
    assert pool.control("state.refs", classes=["VM", "VDI", "VBD"]) == before
    assert call("VM.get_current_operations", vm) == {}


def test_operation_under_way_is_seen_and_others_wait_behind_it(lab):
    pool, call = lab
    vm = call.find("idle")
    fault = pool.control("fault.inject", method="SM.snapshot", hold="before")
    task = call("Async.VM.snapshot", vm, "s")
    pool.control("fault.wait", id=fault)
    assert call("VM.get_current_operations", vm) == {task: "snapshot"}
    assert call("VM.get_allowed_operations", vm) == ["snapshot"]
    assert list(call("VDI.get_current_operations", call.disks(vm)["0"]).values()) == ["snapshot"]
    assert call("VDI.get_allowed_operations", call.disks(vm)["0"]) == []
    start = call("Async.VM.start", vm, False, False)
    disk = call("Async.VDI.snapshot", call.disks(vm)["0"])
    time.sleep(0.2)
    assert call("task.get_status", start) == call("task.get_status", disk) == "pending"
    pool.control("fault.release", id=fault)
    assert [call.wait(t)[0] for t in (task, start, disk)] == ["success"] * 3


def test_hundred_and_first_call_that_waits_is_turned_away(lab):
    pool, call = lab
    vm = call.find("idle")
    fault = pool.control("fault.inject", method="SM.snapshot", hold="before")
    tasks = [call("Async.VM.snapshot", vm, "s")]
    pool.control("fault.wait", id=fault)
    tasks += [call("Async.VM.start", vm, False, False) for _ in range(101)]
    deadline = time.monotonic() + 10
    failed = []
    while not failed and time.monotonic() < deadline:
        failed = [t["error_info"] for t in call("task.get_all_records").values() if t["status"] == "failure"]
    assert failed == [["TOO_MANY_PENDING_TASKS"]]
    pool.control("fault.clear")


def test_waiting_call_that_is_cancelled_ends_cancelled(lab):
    pool, call = lab
    vm = call.find("idle")
    fault = pool.control("fault.inject", method="SM.snapshot", hold="before")
    task = call("Async.VM.snapshot", vm, "s")
    pool.control("fault.wait", id=fault)
    waiting = call("Async.VM.destroy", vm)
    call("task.cancel", waiting)
    status, _, error = call.wait(waiting)
    assert (status, error) == ("cancelled", [])
    pool.control("fault.clear")
    assert call.wait(task)[0] == "success"


def test_fault_of_one_originator_spares_the_others(lab):
    pool, call = lab
    other = Caller(pool, originator="other")
    pool.control("fault.inject", method="VM.get_all", originator="other", error=["HOST_OFFLINE", "x"])
    assert call("VM.get_all")
    assert other.fails("VM.get_all") == ["HOST_OFFLINE", "x"]


def test_silent_host_answers_nothing_until_it_speaks_again(lab):
    pool, call = lab
    pool.control("host.silent", host="h2")
    with pytest.raises(OSError):
        pool.rpc("h2", "VM.get_all", call.session, timeout=0.5)
    pool.control("host.silent", host="h2", on=False)
    assert pool.rpc("h2", "VM.get_all", call.session)


def test_host_that_is_down_refuses_and_comes_back(lab):
    pool, call = lab
    ref = [r for r, h in call("host.get_all_records").items() if h["name_label"] == "h2"][0]
    pool.control("host.down", host="h2")
    with pytest.raises(OSError):
        pool.rpc("h2", "VM.get_all", call.session, timeout=5)
    assert call("host_metrics.get_live", call("host.get_metrics", ref)) is False
    pool.control("host.up", host="h2")
    assert pool.rpc("h2", "VM.get_all", call.session)


def test_host_that_loses_its_sr_has_it_no_more(lab):
    pool, call = lab
    sr = call.find("local", "SR")
    pool.control("host.sr", host="h1", sr="local", on=False)
    assert call.fails("VM.snapshot", call.find("idle"), "s") == ["SR_NOT_ATTACHED", sr]
    pool.control("host.sr", host="h1", sr="local")
    assert call("VM.snapshot", call.find("idle"), "s")


def test_disabled_host_starts_nothing_and_comes_back(lab):
    pool, call = lab
    hosts = {h["name_label"]: r for r, h in call("host.get_all_records").items()}
    pool.control("host.enabled", host="h1", on=False)
    assert call("host.get_enabled", hosts["h1"]) is False
    assert call.fails("VM.start", call.find("idle"), False, False) == ["NO_HOSTS_AVAILABLE"]  # its SR is h1's
    pool.control("host.enabled", host="h1")
    call("VM.start", call.find("idle"), False, False)
    assert call("VM.get_resident_on", call.find("idle")) == hosts["h1"]


def test_call_is_late_and_a_fault_of_one_host_spares_the_others(lab):
    pool, call = lab
    pool.control("fault.inject", method="VM.get_all", delay_ms=400, count=1)
    begun = time.monotonic()
    assert call("VM.get_all") and time.monotonic() - begun >= 0.4
    pool.control("fault.inject", method="VM.get_all", host="h2", error=["VDI_IN_USE"], count=0)
    assert call("VM.get_all")
    for _ in range(2):
        with pytest.raises(XapiError) as failed:
            pool.rpc("h2", "VM.get_all", call.session)
        assert (failed.value.code, failed.value.params) == ("VDI_IN_USE", [])


def test_new_master_knows_no_session_and_no_task(lab):
    pool, call = lab
    task = call("task.create", "t", "")
    pool.control("pool.move_master", host="h2")
    assert pool.rpc("h2", "session.login_with_password", "root", pool.ports["password"], socket_path=False)
    with pytest.raises(XapiError) as gone:
        pool.rpc("h2", "task.get_record", call.session, task)
    assert gone.value.code == "SESSION_INVALID"
    with pytest.raises(XapiError) as slave:
        pool.login("h1", socket_path=False)
    assert slave.value.params == [pool.hosts["h2"]["address"]]
    fresh = Caller(pool, "h2")
    assert fresh("task.get_all") == []
    assert fresh("pool.get_master", fresh("pool.get_all")[0]) in fresh("host.get_all")


def test_vm_changes_behind_everybodys_back(lab):
    pool, call = lab
    vm = call.find("web")
    pool.control("vm.migrate", vm="web", host="h2")
    assert call("host.get_name_label", call("VM.get_resident_on", vm)) == "h2"
    pool.control("vm.power_state", vm="web", power_state="Halted")
    pool.control("vm.rename", vm="web", name="other")
    assert call("VM.get_name_label", vm) == "other" and call("VM.get_power_state", vm) == "Halted"
    disks = call.disks(vm)
    pool.control("vm.vanish", vm="other")
    assert call.fails("VM.get_record", vm)[0] == "HANDLE_INVALID"
    assert call.fails("VDI.get_record", disks["0"])[0] == "HANDLE_INVALID"


def test_clock_of_a_host_is_off(lab):
    pool, call = lab
    hosts = {h["name_label"]: r for r, h in call("host.get_all_records").items()}
    pool.control("host.clock", host="h2", offset_s=-86400)
    assert call("host.get_servertime", hosts["h2"])[:8] < call("host.get_servertime", hosts["h1"])[:8]


def test_restarted_toolstack_forgets_and_leaves_dom0s_disk_attached(lab):
    pool, call = lab
    snapshot = call("VM.snapshot", call.find("web"), "s")
    fault = pool.control("fault.inject", action="stall", stream="export", at_byte=3 << 20)
    connection = pool.connection("h1")
    connection.request("GET", "/export?ref=" + snapshot)
    answer = connection.getresponse()
    reader = threading.Thread(target=answer.read)
    reader.start()
    pool.control("fault.wait", id=fault)
    pool.control("pool.restart_toolstack")
    reader.join(30)
    assert not reader.is_alive()
    fresh = Caller(pool)
    held = [r for r, v in fresh("VBD.get_all_records").items()
            if v["currently_attached"] and fresh("VM.get_is_control_domain", v["VM"])]
    assert len(held) == 1
    vdi = fresh("VBD.get_VDI", held[0])
    assert fresh.fails("VDI.destroy", vdi) == ["VDI_IN_USE", vdi, "destroy"]
    fresh("VBD.unplug", held[0])
    fresh("VBD.destroy", held[0])
    fresh("VM.destroy", snapshot)
    fresh("VDI.destroy", vdi)


def test_calls_are_logged_without_passwords(lab):
    pool, call = lab
    call("VM.get_all", headers={"User-Agent": "probe/1"})
    entry = pool.control("calls.log", method="VM.get_all")[-1]
    assert (entry["user_agent"], entry["originator"], entry["host"]) == ("probe/1", "test", "h1")
    assert pool.ports["password"] not in json.dumps(pool.control("calls.log"))
    pool.control("calls.clear")
    assert pool.control("calls.log", method="VM.") == []


def test_unknown_control_calls_and_objects_are_told(lab):
    pool, _ = lab
    for call, params, text in (("nope", {}, "no control call nope"), ("host.down", {"host": "h9"}, "no host h9"),
                               ("vm.rename", {"vm": "none", "name": "x"}, "no VM none"),
                               ("fault.release", {"id": 99}, "no fault 99")):
        with pytest.raises(RuntimeError) as told:
            pool.control(call, **params)
        assert text in str(told.value)


@pytest.mark.parametrize("pool,text", [
    ({"vms": [{"name": "a", "disks": [{"size_mib": 0}]}], "srs": [{"name": "s"}]},
     "vms[0].disks[0].size_mib: a whole number from 1 to"),
    ({"vms": [{"name": "a", "disk": []}]}, "vms[0].disk: there is no such setting"),
    ({"vms": [{"name": "a", "host": "h9"}]}, "vms[0].host: there is no host h9"),
    ({"vms": [{"name": "a", "disks": [{}]}]}, "the pool file has no srs"),
    ({"vms": [{"name": "a", "power_state": "Asleep"}]}, "vms[0].power_state: one of Halted"),
    ({"vms": [{"power_state": "Halted"}]}, "vms[0]: name is missing"),
    ({"srs": [{"name": "s", "type": "floppy"}]}, "srs[0].type: one of nfs"),
    ({"hosts": [{"name": "a"}, {"name": "a"}]}, "two hosts of the name a"),
    ({"profile": "xs9"}, "profile: one of ch82"),
    ({"hosts": {}}, "hosts: a list ([...]) is expected"),
    ({"srs": [{"name": "s"}], "vms": [{"name": "a", "disks": [{"content": {"file": "/nowhere/at/all"}}]}]},
     "vms[0].disks[0]"),
])
def test_wrong_pool_file_is_refused_with_its_place(pool, text):
    with pytest.raises(RuntimeError) as refused:
        Pool(pool)
    assert text in str(refused.value) and "(2)" in str(refused.value) or "nowhere" in text + str(refused.value)


def test_wrong_options_and_broken_json_end_with_status_2(tmp_path):
    binary = os.environ.get("POOLSIM") or os.path.join(os.environ.get("ONYX_BIN", ""), "poolsim")
    broken = tmp_path / "broken.json"
    broken.write_text('{"vms": [')
    for arguments, text in (([], "POOL.json"), ([str(broken)], "--dir"), ([str(broken), "--nope"], "unknown option"),
                            ([str(broken), "--dir", str(tmp_path / "d"), "--port-file", str(tmp_path / "p")],
                             "broken.json, line 1"),
                            (["/nowhere.json", "--dir", str(tmp_path / "d"), "--port-file", str(tmp_path / "p")],
                             "/nowhere.json")):
        ended = subprocess.run([binary] + arguments, capture_output=True, text=True, check=False)
        assert ended.returncode == 2 and text in ended.stderr, ended.stderr
    assert not (tmp_path / "p").exists()


def test_term_ends_it_in_the_middle_of_everything(tmp_path):
    pool = Pool(small_pool(), folder=str(tmp_path))
    call = Caller(pool)
    fault = pool.control("fault.inject", method="VM.snapshot", hold="before")
    call("Async.VM.snapshot", call.find("web"), "x")
    pool.control("fault.wait", id=fault)
    waiting = threading.Thread(target=lambda: quiet(call, "event.from", ["pool"], "", 30.0))
    waiting.start()
    open_connection = pool.connection("h1")
    open_connection.connect()
    pool.process.send_signal(signal.SIGTERM)
    assert pool.process.wait(timeout=30) == 0
    waiting.join(10)
    assert sorted(f for f in os.listdir(tmp_path / "d") if f.endswith(".sock")) == []
    assert not os.path.exists(pool.port_file)
    pool.log.close()


def quiet(call, *arguments):
    try:
        call(*arguments)
    except (OSError, XapiError, ValueError):
        pass
