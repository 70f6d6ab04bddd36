# SPDX-License-Identifier: GPL-3.0-or-later
"""XAPI in real life: each step of the table of faults, and each situation that a pool gets into.

One attempt is allowed wherever an error must not cost one.
"""
import subprocess

import pytest

from lab import Lab, pool, vm, wait_for

STALL = {"action": "stall", "stream": "export", "at_byte": 1 << 20}


def call(lab, method, *params):
    session = lab.sim.login(originator="lab")
    try:
        return lab.sim.rpc(None, method, session, *params)
    finally:
        lab.sim.rpc(None, "session.logout", session)


def job_of(lab, name="web1"):
    return next(job for job in lab.report()["jobs"] if job["name"] == name)


def run_with(lab, fault, *args):
    lab.fault(**fault)
    done = lab.run(*args)
    shown = {"fault": lab.sim.control("fault.list"), "out": done.stdout + done.stderr}
    lab.sim.control("fault.clear")
    return done, shown


# --- the steps, each by codes of its own --------------------------------------------------------

SOON = [
    ("VM.snapshot", ["OTHER_OPERATION_IN_PROGRESS", "VM", "OpaqueRef:x", "hard_reboot"]),
    ("VM.snapshot", ["OTHER_OPERATION_IN_PROGRESS", "VM", "OpaqueRef:x", "snapshot", "OpaqueRef:t"]),
    ("VM.snapshot", ["SR_BACKEND_FAILURE_46", "", "The VDI is not available", "not detached cleanly"]),
    ("VM.snapshot", ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""]),
    ("VM.snapshot", ["SR_FULL", "8388608", "0"]),
    ("VM.snapshot", ["TOO_MANY_PENDING_TASKS"]),
    ("VM.snapshot", ["TASK_CANCELLED", "OpaqueRef:t"]),
    ("VM.add_to_other_config", ["MAP_DUPLICATE_KEY", "VM", "other_config", "OpaqueRef:x", "onyxpool"]),
]


@pytest.mark.parametrize("method, error", SOON, ids=lambda v: v if isinstance(v, str) else
                         f"{v[0]}-{len(v)}")
def test_soon_costs_attempts_and_gets_over_it(method, error):
    """A mark that is there already is taken away and set anew: that is two calls of each attempt."""
    hits = 2 if error[0] == "MAP_DUPLICATE_KEY" else 1
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        done, shown = run_with(lab, dict(method=method, error=error, count=2 * hits),
                               "--attempts", "3")
        assert done.returncode == 0, shown
        assert job_of(lab)["attempts"] == 3, shown
        done, shown = run_with(lab, dict(method=method, error=error, count=0), "--attempts", "2")
        assert done.returncode == 1, shown
        job = job_of(lab)
        assert job["state"] == "failed" and job["attempts"] == 2 and error[0] in job["reason"], job
        lab.assert_clean()


def test_a_mark_that_is_there_already_costs_no_attempt():
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        done, shown = run_with(lab, dict(method="VM.add_to_other_config", count=1, error=[
            "MAP_DUPLICATE_KEY", "VM", "other_config", "OpaqueRef:x", "onyxpool"]))
        assert done.returncode == 0, shown
        assert job_of(lab)["attempts"] == 1, shown
        lab.assert_clean()


LATER = [["HOST_STILL_BOOTING"], ["HOST_IN_EMERGENCY_MODE"], ["NOT_SUPPORTED_DURING_UPGRADE"],
         ["CANNOT_CONTACT_HOST", "OpaqueRef:h"]]


@pytest.mark.parametrize("error", LATER, ids=lambda error: error[0])
def test_later_costs_no_attempt(error):
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        done, shown = run_with(lab, dict(method="VM.snapshot", error=error, count=4),
                               "--attempts", "1")
        assert done.returncode == 0, shown
        assert job_of(lab)["attempts"] == 5, shown
        lab.assert_clean()


def test_what_stays_away_for_long_costs_attempts_after_all():
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        lab.set(lease_renew="1s", backoff="10ms", pool_lost="5s")
        done, shown = run_with(lab, dict(method="VM.snapshot", error=["HOST_STILL_BOOTING"], count=0),
                               "--attempts", "1")
        assert done.returncode == 1, shown
        job = job_of(lab)
        assert job["attempts"] > 2 and "toolstack is starting" in job["reason"], job
        lab.assert_clean()


def test_elsewhere_goes_to_another_host_at_once():
    with Lab(pool([vm("web1", size_mib=2)], hosts=2)) as lab:
        lab.set(lease_renew="1s", backoff="60s")
        done, shown = run_with(lab, dict(method="VM.snapshot", host="h1", count=0,
                                         error=["HOST_DISABLED", "OpaqueRef:h"]), "--attempts", "1")
        assert done.returncode == 0, shown
        assert len(lab.backups()["web1"]) == 1
        assert job_of(lab)["host"] == "h2", job_of(lab)
        lab.assert_clean()


@pytest.mark.parametrize("error", [["NO_HOSTS_AVAILABLE"], ["VM_BAD_POWER_STATE", "OpaqueRef:x",
                                                            "halted", "running"]],
                         ids=lambda error: error[0])
def test_replan_reads_the_pool_again(error):
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        lab.set(lease_renew="1s", backoff="1s")
        done, shown = run_with(lab, dict(method="VM.snapshot", error=error, count=1), "-l", "info")
        assert done.returncode == 0, shown
        assert "it was read again" in shown["out"], shown
        assert job_of(lab)["attempts"] == 2
        lab.assert_clean()


GIVE_UP = [["LICENCE_RESTRICTION", "Checkpoint"], ["OPERATION_BLOCKED", "OpaqueRef:x", "mine"],
           ["SR_OPERATION_NOT_SUPPORTED", "OpaqueRef:s"], ["VM_HAS_VUSBS", "OpaqueRef:x"],
           ["SR_BACKEND_FAILURE_109", "", "The snapshot chain is too long", ""]]


@pytest.mark.parametrize("error", GIVE_UP, ids=lambda error: error[0])
def test_give_up_fails_at_once_and_says_what_to_do(error):
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        done, shown = run_with(lab, dict(method="VM.snapshot", error=error, count=0))
        assert done.returncode == 1, shown
        job = job_of(lab)
        assert job["attempts"] == 1 and job["reason"].count(":") >= 3, job
        lab.assert_clean()


# --- destroying ---------------------------------------------------------------------------------

BUSY = [["VDI_IN_USE", "OpaqueRef:x", "destroy"], ["VDI_IN_USE"],
        ["OTHER_OPERATION_IN_PROGRESS", "VDI", "OpaqueRef:x", "copy"],
        ["OTHER_OPERATION_IN_PROGRESS", "VDI", "OpaqueRef:x", "copy", "OpaqueRef:t"],
        ["TOO_MANY_PENDING_TASKS"], ["SR_BACKEND_FAILURE_16", "", "in use", ""]]


@pytest.mark.parametrize("error", BUSY, ids=lambda error: f"{error[0]}-{len(error)}")
@pytest.mark.parametrize("method", ["VM.destroy", "VDI.destroy"])
def test_what_is_busy_for_a_moment_is_destroyed_in_place(method, error):
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        done, shown = run_with(lab, dict(method=method, error=error, count=2), "--attempts", "1")
        assert done.returncode == 0, shown
        assert job_of(lab)["attempts"] == 1
        lab.assert_clean()


def test_snapshot_that_cannot_be_destroyed_is_listed_until_it_is_gone():
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        lab.fault(method="VDI.destroy", count=0,
                  error=["SR_BACKEND_FAILURE_46", "", "The VDI is not available", ""])
        for _ in range(2):
            done = lab.run("--attempts", "1")
            assert done.returncode == 1, done.stdout + done.stderr
            told = lab.must("report", "--catalog", lab.catalog).stdout
            assert "could not be removed" in told and "SR_BACKEND_FAILURE_46" in told, told
            assert len(lab.refs()["VDI"]) > len(lab.before["VDI"])
        assert len(lab.backups()["web1"]) == 2  # the backups are whole all the same
        lab.sim.control("fault.clear")
        done = lab.run()
        assert done.returncode == 0, done.stderr
        assert "could not be removed" not in lab.must("report", "--catalog", lab.catalog).stdout
        lab.assert_clean()


def test_disk_that_a_user_keeps_is_told_each_time_and_fails_nothing():
    with Lab(pool([vm("web1", size_mib=2), vm("other", size_mib=2)], hosts=1)) as lab:
        held = lab.fault(method="VM.destroy", object="web1", hold="before")
        running = lab.start_run()
        lab.wait_held(held)
        snapshot = next(ref for ref, record in lab.records("VM").items()
                        if record["is_a_snapshot"] and record["name_label"] == "web1")
        disk = next(vbd["VDI"] for vbd in lab.records("VBD").values()
                    if vbd["VM"] == snapshot and vbd["type"] == "Disk")
        vbd = call(lab, "VBD.create", dict(
            VM=lab.vm_ref("other"), VDI=disk, device="", userdevice="5", bootable=False, mode="RO",
            type="Disk", unpluggable=True, empty=False, other_config={}, currently_attached=False,
            qos_algorithm_type="", qos_algorithm_params={}))
        lab.sim.control("fault.release", id=held)
        log = lab.folder / "run-0.log"
        assert running.wait(120) == 0, log.read_text()
        told = lab.must("report", "--catalog", lab.catalog).stdout
        assert "the VM other has the disk" in told, told
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        told = done.stdout + done.stderr
        assert "the VM other has the disk" in told and "detach it there" in told, told
        assert disk in lab.refs()["VDI"]
        call(lab, "VBD.destroy", vbd)
        assert lab.run().returncode == 0
        lab.assert_clean()


# --- sessions, masters, toolstacks --------------------------------------------------------------

def sessions_of(lab, originator):
    refs = lab.sim.control("state.refs", classes=["session"])["session"]
    records = {ref: lab.sim.control("state.record", **{"class": "session", "object": ref})
               for ref in refs}
    return [ref for ref, record in records.items() if record["originator"] == originator]


def end_sessions(lab, originator):
    found = sessions_of(lab, originator)
    assert found
    for ref in found:
        lab.sim.rpc(None, "session.logout", ref)


def begin_stalled(lab, *args):
    held = lab.fault(**STALL)
    running = lab.start_run("--attempts", "1", *args)
    lab.wait_held(held)
    return running, held


def finish(lab, running, held, may_leave_session=False):
    lab.sim.control("fault.release", id=held)
    ended = running.wait(120)
    assert ended == 0, (lab.folder / "run-0.log").read_text()
    assert len(lab.backups()["web1"]) == 1
    if may_leave_session:
        lab.before["session"] += ["unknown"] * 4
    lab.assert_clean()


@pytest.fixture()
def small():
    with Lab(pool([vm("web1", size_mib=4)], hosts=2)) as made:
        made.set(lease_renew="500ms", backoff="100ms")
        yield made


def test_session_of_the_agent_ends_in_mid_job(small):
    running, held = begin_stalled(small)
    for host in small.hosts.values():
        end_sessions(small, f"onyxpool/{host['uuid']}")
    finish(small, running, held)


def test_session_of_the_coordinator_ends_in_mid_run(small):
    running, held = begin_stalled(small)
    end_sessions(small, "onyxpool")
    wait_for("another session", lambda: sessions_of(small, "onyxpool"))
    finish(small, running, held)
    assert job_of(small)["attempts"] == 1


def test_master_moves_in_mid_run(small):
    running, held = begin_stalled(small)
    small.sim.control("pool.move_master", host="h2")
    finish(small, running, held)


def test_coordinator_outside_dom0_follows_the_master(small):
    password = small.folder / "password"
    password.write_text(small.sim.ports["password"])
    password.chmod(0o600)
    held = small.fault(**STALL)
    running = small.start_run("--attempts", "1", "--xapi", small.hosts["h1"]["url"],
                              "--xapi-user", small.sim.ports["user"],
                              "--xapi-password-file", password)
    small.wait_held(held)
    small.sim.control("pool.move_master", host="h2")
    finish(small, running, held)


def test_toolstack_restart_in_mid_run_costs_no_attempt(small):
    running, held = begin_stalled(small)
    small.sim.control("pool.restart_toolstack")
    small.sim.control("host.down", host="h1")
    log = small.folder / "run-0.log"
    wait_for("the word of it", lambda: "can't be reached" in log.read_text())
    small.sim.control("host.up", host="h1")
    # A login whose answer was cut off leaves a session that nobody knows, and XAPI lists none.
    finish(small, running, held, may_leave_session=True)
    assert job_of(small)["attempts"] >= 2  # the first export is no backup: its task was forgotten


def test_host_that_is_still_booting_in_mid_run(small):
    running, held = begin_stalled(small)
    small.sim.control("host.emergency", host="h1", on=True)
    small.sim.control("host.emergency", host="h2", on=True)
    log = small.folder / "run-0.log"
    wait_for("the word of it", lambda: "HOST_STILL_BOOTING" in log.read_text() or
             "can't be reached" in log.read_text())
    small.sim.control("host.emergency", host="h1", on=False)
    small.sim.control("host.emergency", host="h2", on=False)
    finish(small, running, held)


def test_task_that_somebody_destroyed_makes_no_backup(small):
    held = small.fault(**STALL)
    running = small.start_run()
    small.wait_held(held)
    task = next(ref for ref, record in small.records("task").items()
                if record["name_label"].startswith("onyxpool"))
    call(small, "task.set_status", task, "failure")
    call(small, "task.destroy", task)
    finish(small, running, held)
    assert job_of(small)["attempts"] == 2


def test_export_that_closes_without_an_answer(small):
    small.fault(action="no_reply", stream="export", error=["NO_HOSTS_AVAILABLE"], count=1)
    done = small.run()
    assert done.returncode == 0, done.stderr
    assert job_of(small)["attempts"] == 2
    small.assert_clean()


# --- VMs and hosts that change between plan and job ---------------------------------------------

def hold_job(lab, *args, method="VM.get_by_uuid"):
    """A run whose worker has not looked at its VM yet."""
    held = [lab.fault(method=method, hold="before", originator=f"onyxpool/{host['uuid']}")
            for host in lab.hosts.values()]
    running = lab.start_run(*args)
    wait_for("a worker at its VM", lambda: any(
        fault["held"] for fault in lab.sim.control("fault.list")))
    return running, held


def release_all(lab, held):
    for fault in held:
        lab.sim.control("fault.clear", id=fault)


@pytest.mark.parametrize("change", [
    dict(call="vm.migrate", vm="web1", host="h2"), dict(call="vm.power_state", vm="web1",
                                                       power_state="Halted"),
    dict(call="vm.rename", vm="web1", name="web2")], ids=lambda change: change["call"])
def test_vm_that_changes_between_plan_and_job(small, change):
    running, held = hold_job(small, "--attempts", "1")
    params = dict(change)
    small.sim.control(params.pop("call"), **params)
    release_all(small, held)
    assert running.wait(120) == 0, (small.folder / "run-0.log").read_text()
    assert sum(map(len, small.backups().values())) == 1
    small.assert_clean()


def test_vm_that_is_gone_is_skipped_with_its_reason(small):
    running, held = hold_job(small, "--attempts", "3")
    small.sim.control("vm.vanish", vm="web1")
    release_all(small, held)
    assert running.wait(120) == 0, (small.folder / "run-0.log").read_text()
    job = job_of(small)
    assert job["state"] == "skipped" and job["attempts"] == 1, job
    assert "not in the pool any more" in job["reason"] and small.backups() == {}


def test_disk_that_moved_to_another_sr_is_saved_by_its_device():
    with Lab(pool([vm("web1", size_mib=2, power_state="Halted")], hosts=1)) as lab:
        lab.settings_file.write_text("[xenserver]\nvdi_exports = web1\n"
                                     "[onyxpool]\nlease_renew = 1s\nbackoff = 10ms\n")
        running, held = hold_job(lab, "--attempts", "1")
        vbd, record = next((ref, vbd) for ref, vbd in lab.records("VBD").items()
                           if vbd["VM"] == lab.vm_ref("web1") and vbd["type"] == "Disk")
        target = next(ref for ref, sr in lab.records("SR").items()
                      if sr["name_label"] == "local-h1")
        moved = call(lab, "VDI.copy", record["VDI"], target)
        call(lab, "VBD.destroy", vbd)
        call(lab, "VDI.destroy", record["VDI"])
        call(lab, "VBD.create", dict(record, VDI=moved))
        lab.before = lab.refs()
        lab.before["session"] = lab.before["session"][:0]
        release_all(lab, held)
        assert running.wait(120) == 0, (lab.folder / "run-0.log").read_text()
        assert "is another one than when the run was planned" in \
            lab.must("report", "--catalog", lab.catalog).stdout
        assert len(lab.backups()["web1"]) == 1
        for name in ("VM", "VDI", "VBD"):
            assert lab.refs()[name] == lab.before[name]


def test_disks_that_the_host_lost_are_read_by_redirect(small):
    """302: the host that was asked does not see the SR any more, the other one does."""
    held = [small.fault(method="VM.snapshot", hold="after")]
    running = small.start_run("--attempts", "1")
    wait_for("a snapshot", lambda: any(f["held"] for f in small.sim.control("fault.list")))
    attempt = wait_for("its host", lambda: small.onyxpool(
        "status", "--catalog", small.catalog, "--json").stdout)
    small.sim.control("host.sr", host="h1" if '"h1"' in attempt else "h2", sr="nfs1", on=False)
    release_all(small, held)
    ended = running.wait(120)
    log = (small.folder / "run-0.log").read_text()
    # Redirects name no port: the agents of this lab were not told the pool's TLS port.
    assert ended in (0, 1), log


def test_host_in_maintenance_gets_no_job_until_it_is_enabled():
    vms = [vm("big", sr="local-h1", size_mib=8), vm("local", host="h2", sr="local-h2", size_mib=2)]
    with Lab(pool(vms, hosts=2)) as lab:
        lab.set(lease_renew="300ms", backoff="10ms", store_jobs=1)
        held = lab.fault(object="big", **STALL)
        running = lab.start_run("--attempts", "1")
        lab.wait_held(held)
        lab.sim.control("host.enabled", host="h2", on=False)
        log = lab.folder / "run-0.log"
        wait_for("the word of it", lambda: "h2: the host is disabled" in log.read_text(), 60)
        lab.sim.control("fault.release", id=held)
        wait_for("the first backup", lambda: "big" in lab.backups())
        assert running.poll() is None and "local" not in lab.backups()
        lab.sim.control("host.enabled", host="h2", on=True)
        assert running.wait(120) == 0, (lab.folder / "run-0.log").read_text()
        assert sorted(lab.backups()) == ["big", "local"]
        lab.assert_clean()


# --- a worker that dies while a disk's snapshot is made -----------------------------------------

@pytest.mark.parametrize("fault", [dict(method="SM.snapshot", hold="before"),
                                   dict(method="VDI.get_record", hold="before")],
                         ids=lambda fault: fault["method"])
def test_worker_killed_around_a_disk_snapshot_leaves_nothing(fault):
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        lab.settings_file.write_text("[xenserver]\nvdi_exports = web1\n"
                                     "[onyxpool]\nlease_renew = 1s\nbackoff = 10ms\n")
        if fault["method"].startswith("VDI"):
            fault = dict(fault, originator=f"onyxpool/{lab.hosts['h1']['uuid']}")
        held = lab.fault(**fault)
        running = lab.start_run()
        lab.wait_held(held)
        lab.kill_workers()
        lab.sim.control("fault.release", id=held)
        assert running.wait(120) == 0, (lab.folder / "run-0.log").read_text()
        assert len(lab.backups()["web1"]) == 1
        lab.assert_clean()


def test_answer_with_the_task_is_lost():
    """The call was heard, its task made, and nobody was told which: the header tells."""
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        lab.settings_file.write_text("[xenserver]\nvdi_exports = web1\n"
                                     "[onyxpool]\nlease_renew = 1s\nbackoff = 10ms\n")
        held = lab.fault(method="SM.snapshot", hold="before")
        running = lab.start_run()
        lab.wait_held(held)
        tasks = [record for record in lab.records("task").values()
                 if record["name_label"] == "Async.VDI.snapshot"]
        assert [list(task["other_config"]) for task in tasks] == [["http:onyxpool"]], tasks
        lab.sim.control("fault.release", id=held)
        assert running.wait(120) == 0
        lab.assert_clean()


# --- TLS ------------------------------------------------------------------------------------------

def over_tls(lab, certificate):
    password = lab.folder / "password"
    password.write_text(lab.sim.ports["password"])
    password.chmod(0o600)
    return ["--xapi", lab.hosts["h1"]["tls_url"], "--xapi-user", lab.sim.ports["user"],
            "--xapi-password-file", password, "--xapi-cert", certificate]


def fetch_certificate(lab, host):
    ref = next(ref for ref, record in lab.records("host").items() if record["name_label"] == host)
    file = lab.folder / f"{host}.pem"
    file.write_text(call(lab, "host.get_server_certificate", ref))
    return file


def test_coordinator_over_tls_with_the_pinned_certificate(small):
    done = small.run(*over_tls(small, fetch_certificate(small, "h1")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(small.backups()["web1"]) == 1
    small.assert_clean()


def test_rotated_certificate_is_refused_with_a_clear_text(small):
    pinned = fetch_certificate(small, "h1")
    small.sim.control("pool.rotate_certificate")
    done = small.run(*over_tls(small, pinned))
    assert done.returncode == 3, done.stdout + done.stderr
    for word in (str(pinned), "is not the pinned one", "renewed", "host-get-server-certificate"):
        assert word in done.stderr, done.stderr
    assert small.backups() == {}
    done = small.run(*over_tls(small, fetch_certificate(small, "h1")))
    assert done.returncode == 0, done.stderr
    small.assert_clean()


def make_ca(lab, name):
    key, file = lab.folder / f"{name}.key", lab.folder / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                    "-subj", f"/CN={name}", "-days", "2", "-out", file], check=True,
                   capture_output=True)
    return key, file


def test_coordinator_over_tls_knows_hosts_by_their_ca(small):
    """Certificates may be renewed as often as one likes, as long as the same CA signs them."""
    key, file = make_ca(small, "the-ca")
    for _ in range(2):
        small.sim.control("pool.rotate_certificate", ca=file.read_text(), ca_key=key.read_text())
        done = small.run(*over_tls(small, file))
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(small.backups()["web1"]) == 2
    small.assert_clean()


def test_certificate_of_another_ca_is_refused(small):
    key, file = make_ca(small, "the-ca")
    _, other = make_ca(small, "other-ca")
    small.sim.control("pool.rotate_certificate", ca=file.read_text(), ca_key=key.read_text())
    done = small.run(*over_tls(small, other))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "nor signed by one there" in done.stderr and str(other) in done.stderr, done.stderr
    assert small.backups() == {}
