# SPDX-License-Identifier: GPL-3.0-or-later
"""XAPI lies in many ways; none of them makes a backup that is none."""
import pytest

from lab import Lab, pool, vm


@pytest.fixture()
def lab():
    with Lab(pool([vm("good1"), vm("bad", size_mib=16, fill=0.8), vm("good2")], hosts=2)) as made:
        yield made


def failed_job(lab):
    bad = [job for job in lab.report()["jobs"] if job["name"] == "bad"]
    assert len(bad) == 1 and bad[0]["state"] == "failed", bad
    return bad[0]


CALLS = [
    ("VM.snapshot", ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""]),
    ("VM.snapshot", ["OPERATION_BLOCKED", "OpaqueRef:x", "by the admin"]),
    ("VM.set_is_a_template", ["INTERNAL_ERROR", "boom"]),
    ("task.create", ["INTERNAL_ERROR", "boom"]),
]


@pytest.mark.parametrize("method, error", CALLS, ids=lambda v: v if isinstance(v, str) else v[0])
def test_failing_vm_among_good_ones(lab, method, error):
    if method in ("task.create", "VM.set_is_a_template"):  # these do not know the VM's name
        lab.fault(method=method, error=error, count=1)
        done = lab.run("--attempts", "1")
        assert done.returncode == 1
        assert len(lab.backups()) == 2
    else:
        lab.fault(method=method, object="bad", error=error, count=0)
        done = lab.run("--attempts", "1")
        assert done.returncode == 1, done.stderr
        assert sorted(lab.backups()) == ["good1", "good2"]
        assert error[0] in failed_job(lab)["reason"]
    lab.sim.control("fault.clear")
    lab.assert_clean()


@pytest.mark.parametrize("put", [lambda path: path.symlink_to("/tmp"), lambda path: path.write_text("a note")],
                         ids=["link", "file"])
def test_place_of_a_folder_that_something_else_has_costs_that_vm_alone(lab, put):
    assert lab.run("-e", "good1").returncode == 0  # the second run on a store looks for what others wrote there
    put(lab.store / "bad")
    done = lab.run("--attempts", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert sorted(lab.backups()) == ["good1", "good2"]
    assert "is a symbolic link or no folder" in failed_job(lab)["reason"]
    (lab.store / "bad").unlink()
    lab.assert_clean()


STREAMS = [
    dict(action="cut", at_byte=3 << 20), dict(action="reset", at_byte=3 << 20),
    dict(action="corrupt", at_byte=3 << 20, bytes=1), dict(action="late_500", at_byte=3 << 20),
    dict(action="task_fails", error=["VDI_IO_ERROR", "Device I/O errors"]),
    dict(action="no_reply"), dict(action="pad", bytes=512), dict(action="source_short", at_byte=1 << 20),
    dict(action="source_eio", at_byte=1 << 20), dict(action="attach_fails"),
]


@pytest.mark.parametrize("fault", STREAMS, ids=lambda fault: fault["action"])
def test_stream_that_lies_makes_no_backup(lab, fault):
    lab.fault(stream="export", object="bad", count=0, **fault)
    done = lab.run("--attempts", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert sorted(lab.backups()) == ["good1", "good2"]
    assert not list(lab.store.glob("bad/*"))
    assert failed_job(lab)["reason"]
    lab.sim.control("fault.clear")
    lab.assert_clean()


def test_archive_without_a_disk_of_the_snapshot_makes_no_backup():
    """XAPI gives the archive a list of disks of its own: what the snapshot had is what must be there."""
    disks = [{"device": name, "sr": "nfs1", "size_mib": 4, "content": {"seed": n, "fill": 0.6}}
             for n, name in enumerate(("xvda", "xvdb"))]
    with Lab(pool([vm("web1", disks=disks)], hosts=1)) as lab:
        held = lab.fault(method="VM.set_name_label", hold="before")  # the last step before the export
        running = lab.start_run("--attempts", "1")
        lab.wait_held(held)
        snapshot, = [ref for ref, record in lab.records("VM").items() if record["is_a_snapshot"]]
        drive, = [ref for ref, record in lab.records("VBD").items()
                  if record["VM"] == snapshot and record["userdevice"] == "1"]
        session = lab.sim.login(originator="lab")
        lab.sim.rpc(None, "VBD.destroy", session, drive)
        lab.sim.rpc(None, "session.logout", session)
        lab.sim.control("fault.release", id=held)
        assert running.wait(120) == 1
        job, = lab.report()["jobs"]
        assert "is missing in ova.xml" in job["reason"], job
        assert not lab.files()
        lab.assert_clean()


@pytest.mark.parametrize("fault", STREAMS[:5], ids=lambda fault: fault["action"])
def test_second_attempt_saves_it(lab, fault):
    lab.fault(stream="export", object="bad", count=1, **fault)
    done = lab.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(lab.backups()["bad"]) == 1
    job = next(job for job in lab.report()["jobs"] if job["name"] == "bad")
    assert job["attempts"] == 2
    lab.assert_clean()


def test_disk_left_attached_to_dom0_is_freed(lab):
    lab.fault(action="detach_fails", stream="export", object="bad", count=1)
    done = lab.run()
    assert done.returncode == 0, done.stderr
    lab.assert_clean()


def test_silent_stream_ends_by_the_idle_time_out(lab):
    lab.fault(action="stall", stream="export", object="bad", at_byte=1 << 20, count=0)
    lab.set(idle_timeout="2s")
    done = lab.run("--attempts", "1")
    assert done.returncode == 1
    assert sorted(lab.backups()) == ["good1", "good2"]
    lab.sim.control("fault.clear")
    lab.assert_clean()


@pytest.mark.parametrize("method", ["VM.destroy", "VDI.destroy"])
def test_destroy_that_fails_once_is_tried_again(lab, method):
    lab.fault(method=method, error=["VDI_IN_USE", "OpaqueRef:x", "destroy"], count=1)
    done = lab.run()
    assert done.returncode == 0, done.stderr
    lab.assert_clean()


def test_vm_that_vanishes_before_its_snapshot(lab):
    held = lab.fault(method="VM.snapshot", object="bad", hold="before")
    running = lab.start_run("--attempts", "1")
    lab.wait_held(held)
    lab.sim.control("vm.vanish", vm="bad")
    lab.sim.control("fault.release", id=held)
    assert running.wait(120) == 0
    assert sorted(lab.backups()) == ["good1", "good2"]
    gone = next(job for job in lab.report()["jobs"] if job["name"] == "bad")
    assert gone["state"] == "skipped" and "not in the pool any more" in gone["reason"], gone
    left = lab.refs()
    for name in ("VM", "VDI", "VBD", "task"):
        assert set(left[name]) <= set(lab.before[name])
