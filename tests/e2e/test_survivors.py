# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not ours survives, even when it carries our mark; what is ours and dead goes."""
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
        kept = [clone, own, named] + disks_of(lab, clone) + disks_of(lab, own) + \
            disks_of(lab, named)
        assert len(kept) == 6

        done = lab.run()
        assert done.returncode == 0, done.stderr
        refs = lab.refs()
        assert set(kept) <= set(refs["VM"] + refs["VDI"])
        assert "ONYXBACKUP" in done.stdout + done.stderr
        assert sum(ref not in lab.before["VM"] for ref in refs["VM"]) == 3


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
        assert done.returncode in (0, 1), done.stderr
        assert disk in lab.refs()["VDI"]


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
