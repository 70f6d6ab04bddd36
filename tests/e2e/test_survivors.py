# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not ours survives, even when it carries our mark; what is ours and dead goes."""
import signal

from lab import Lab, pool, vm

JOB = "0123456789abcdef"


def call(lab, method, *params):
    session = lab.sim.login(originator="lab")
    try:
        return lab.sim.rpc(None, method, session, *params)
    finally:
        lab.sim.rpc(None, "session.logout", session)


def uuid_of(lab, name, ref):
    return call(lab, f"{name}.get_uuid", ref)


def disks_of(lab, ref):
    return [vbd["VDI"] for vbd in lab.records("VBD").values()
            if vbd["VM"] == ref and vbd["type"] == "Disk"]


def make_old(lab, class_name, ref):
    """As if it had been taken years ago."""
    lab.sim.control("object.set", **{"class": class_name, "object": ref, "field": "snapshot_time",
                                     "value": "20200101T00:00:00Z"})


def test_marks_that_travelled_protect_their_bearers():
    with Lab(pool([vm("web1", size_mib=4)], hosts=1)) as lab:
        original = lab.vm_ref("web1")
        held = lab.fault(method="VM.destroy", object="web1", hold="before")
        running = lab.start_run()
        lab.wait_held(held)
        ours = next(ref for ref, record in lab.records("VM").items()
                    if record["is_a_snapshot"] and "onyxpool" in record["other_config"])
        clone = call(lab, "VM.clone", ours, "a clone of ours")
        lab.sim.control("fault.release", id=held)
        assert running.wait(120) == 0

        mark = call(lab, "VM.get_other_config", clone)["onyxpool"]
        call(lab, "VM.add_to_other_config", original, "onyxpool", mark)
        own = call(lab, "VM.snapshot", original, "before the upgrade")
        named = call(lab, "VM.snapshot", original, "ONYXBACKUP")
        make_old(lab, "VM", named)
        kept = [clone, own, named] + disks_of(lab, clone) + disks_of(lab, own) + \
            disks_of(lab, named)
        assert len(kept) == 6

        done = lab.run()
        assert done.returncode == 0, done.stderr
        refs = lab.refs()
        assert set(kept) <= set(refs["VM"] + refs["VDI"])
        assert "OnyxBackupVM left a snapshot ONYXBACKUP of web1" in " ".join(done.stdout.split())
        assert "adopt_snapshots = yes removes it" in " ".join(done.stdout.split())
        assert sum(ref not in lab.before["VM"] for ref in refs["VM"]) == 3


def test_a_fresh_snapshot_of_onyxbackupvm_refuses_the_run_unless_forced():
    with Lab(pool([vm("web1", size_mib=4)], hosts=1)) as lab:
        fresh = call(lab, "VM.snapshot", lab.vm_ref("web1"), "ONYXBACKUP")
        done = lab.run()
        assert done.returncode == 5
        assert "a snapshot ONYXBACKUP of web1 within the last day" in " ".join(done.stderr.split())
        assert lab.files() == []
        assert lab.run("--force-shared-folder").returncode == 0
        lab.set(adopt_snapshots="yes")
        done = lab.run("--force-shared-folder")
        assert done.returncode == 0 and "less than a day old" in " ".join(done.stdout.split())
        assert fresh in lab.refs()["VM"]


def test_old_snapshots_of_onyxbackupvm_go_when_that_is_wished():
    disks = [{"device": name, "sr": "nfs1", "size_mib": 2, "content": {"seed": n, "fill": 0.6}}
             for n, name in enumerate(("xvda", "xvdb"))]
    with Lab(pool([vm("web1", disks=disks), vm("other", size_mib=2)], hosts=1)) as lab:
        original = lab.vm_ref("web1")
        left = call(lab, "VM.snapshot", original, "ONYXBACKUP")
        disk = call(lab, "VDI.snapshot", disks_of(lab, original)[0], {})
        call(lab, "VDI.set_name_label", disk, "ONYXBACKUP")
        users = call(lab, "VM.snapshot", original, "ONYXBACKUP of mine")
        held = call(lab, "VDI.snapshot", disks_of(lab, original)[1], {})
        call(lab, "VDI.set_name_label", held, "ONYXBACKUP")
        call(lab, "VBD.create", dict(
            VM=lab.vm_ref("other"), VDI=held, device="", userdevice="5", bootable=False, mode="RO",
            type="Disk", unpluggable=True, empty=False, other_config={}, currently_attached=False,
            qos_algorithm_type="", qos_algorithm_params={}))
        for class_name, ref in (("VM", left), ("VM", users), ("VDI", disk), ("VDI", held)):
            make_old(lab, class_name, ref)
        gone = [left, disk] + disks_of(lab, left)
        kept = [users, held, original] + disks_of(lab, users) + disks_of(lab, original)
        lab.set(adopt_snapshots="yes")
        done = lab.run("-e", "web1")
        assert done.returncode == 0, done.stderr
        assert "it is removed (adopt_snapshots)" in " ".join(done.stdout.split())
        refs = lab.refs()
        there = set(refs["VM"] + refs["VDI"])
        assert not set(gone) & there and set(kept) <= there
        assert lab.run("-e", "web1").returncode == 0


def test_snapshot_of_a_dead_job_goes():
    with Lab(pool([vm("web1", size_mib=4), vm("web2", size_mib=4)], hosts=1)) as lab:
        original = lab.vm_ref("web1")
        marked = call(lab, "VM.snapshot", original, "web1")
        call(lab, "VM.add_to_other_config", marked, "onyxpool",
             f"{JOB}/{uuid_of(lab, 'VM', marked)}/0")
        newborn = call(lab, "VM.snapshot", lab.vm_ref("web2"), f"ONYXBACKUP-{JOB}")
        done = lab.run()
        assert done.returncode == 0, done.stderr
        assert not {marked, newborn} & set(lab.refs()["VM"])
        lab.assert_clean()


def test_disk_of_ours_that_another_vm_has_stays():
    with Lab(pool([vm("web1", size_mib=4), vm("other", size_mib=4)], hosts=1)) as lab:
        marked = call(lab, "VM.snapshot", lab.vm_ref("web1"), "web1")
        call(lab, "VM.add_to_other_config", marked, "onyxpool",
             f"{JOB}/{uuid_of(lab, 'VM', marked)}/0")
        disk = disks_of(lab, marked)[0]
        vbd = dict(VM=lab.vm_ref("other"), VDI=disk, device="", userdevice="5", bootable=False,
                   mode="RO", type="Disk", unpluggable=True, empty=False, other_config={},
                   currently_attached=False, qos_algorithm_type="", qos_algorithm_params={})
        call(lab, "VBD.create", vbd)
        done = lab.run()
        assert done.returncode == 0, done.stderr
        assert disk in lab.refs()["VDI"]


def test_snapshot_that_bears_a_higher_lease_is_left_to_its_coordinator():
    """The catalog knows its job as a dead one of ours, the mark says that another has it now."""
    with Lab(pool([vm("web1", size_mib=4)], hosts=1)) as lab:
        held = lab.fault(action="stall", stream="export", at_byte=1 << 20)
        running = lab.start_run()
        lab.wait_held(held)
        snapshot, = [ref for ref, record in lab.records("VM").items() if record["is_a_snapshot"]]
        running.send_signal(signal.SIGSTOP)  # it orders no cleanup meanwhile
        lab.kill_workers("h1")
        for process in (lab.agents.pop("h1"), running):
            process.kill()
            process.wait()
        lab.sim.control("fault.clear")
        job, uuid, _ = call(lab, "VM.get_other_config", snapshot)["onyxpool"].split("/")
        call(lab, "VM.remove_from_other_config", snapshot, "onyxpool")
        call(lab, "VM.add_to_other_config", snapshot, "onyxpool", f"{job}/{uuid}/99999999")
        lab.start_agent("h1")
        done = lab.run()
        assert done.returncode == 0, done.stderr
        refs = lab.refs()
        assert snapshot in refs["VM"] and set(disks_of(lab, snapshot)) <= set(refs["VDI"])


def test_disk_of_another_job_in_our_snapshot_stays():
    """Its own mark says whose it is, whatever VM has it."""
    with Lab(pool([vm("web1", size_mib=4), vm("web2", size_mib=4)], hosts=1)) as lab:
        marked = call(lab, "VM.snapshot", lab.vm_ref("web1"), "web1")
        call(lab, "VM.add_to_other_config", marked, "onyxpool",
             f"{JOB}/{uuid_of(lab, 'VM', marked)}/0")
        own, = disks_of(lab, marked)
        other = call(lab, "VDI.snapshot", disks_of(lab, lab.vm_ref("web2"))[0], {})
        call(lab, "VDI.add_to_other_config", other, "onyxpool",
             f"{JOB[::-1]}/{uuid_of(lab, 'VDI', other)}/99999")
        call(lab, "VBD.create", dict(
            VM=marked, VDI=other, device="", userdevice="5", bootable=False, mode="RO", type="Disk",
            unpluggable=True, empty=False, other_config={}, currently_attached=False,
            qos_algorithm_type="", qos_algorithm_params={}))
        done = lab.run()
        assert done.returncode == 0, done.stderr
        refs = lab.refs()
        assert marked not in refs["VM"] and own not in refs["VDI"]
        assert other in refs["VDI"]


def test_iso_in_the_drive_stays_and_is_not_in_the_way():
    srs = [{"name": "nfs1", "type": "nfs", "shared": True},
           {"name": "isos", "type": "iso", "shared": True,
            "isos": [{"name": "debian.iso", "size_mib": 2, "content": {"seed": 9, "fill": 1.0}}]}]
    machine = vm("web1", size_mib=4, cd={"sr": "isos", "iso": "debian.iso"})
    with Lab(pool([machine], hosts=2, srs=srs)) as lab:
        before = lab.records("VBD")
        lab.sim.control("host.sr", host="h1", sr="isos", on=False)
        lab.sim.control("host.sr", host="h2", sr="isos", on=False)
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        lab.assert_clean()
        after = lab.records("VBD")
        for ref, vbd in before.items():
            assert after[ref]["VDI"] == vbd["VDI"] and after[ref]["empty"] == vbd["empty"]
