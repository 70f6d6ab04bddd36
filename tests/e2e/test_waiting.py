# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that may not begin: their SR must coalesce first, or has no room for a snapshot. They wait with
their reason, `status` tells it, and they begin when it is gone, or fail with it when the run's time
is over; till then nothing of theirs is touched."""
import json

from lab import Lab, pool, vm, wait_for

STALL = {"action": "stall", "stream": "export", "at_byte": 1 << 20}


def snapshots_of(lab, ref):
    return [call for call in lab.sim.control("calls.log", method="VM.snapshot")
            if ref in json.dumps(call["params"])]


def grow_chain(lab, name, n):
    """Snapshots that nobody removes, on a pool that does not coalesce."""
    session = lab.sim.login(originator="lab")
    ref = lab.vm_ref(name)
    for i in range(n):
        lab.sim.rpc(None, "VM.snapshot", session, ref, f"kept {i}")
    lab.sim.rpc(None, "session.logout", session)
    lab.before = lab.refs()
    lab.sim.control("calls.clear")
    return ref


def remove_chain(lab, ref):
    """The snapshots go, and the pool coalesces what they had kept apart."""
    session = lab.sim.login(originator="lab")
    for snapshot in lab.sim.rpc(None, "VM.get_snapshots", session, ref):
        disks = [lab.sim.rpc(None, "VBD.get_VDI", session, vbd)
                 for vbd in lab.sim.rpc(None, "VM.get_VBDs", session, snapshot)
                 if lab.sim.rpc(None, "VBD.get_type", session, vbd) == "Disk"]
        lab.sim.rpc(None, "VM.destroy", session, snapshot)
        for disk in disks:
            lab.sim.rpc(None, "VDI.destroy", session, disk)
    lab.sim.rpc(None, "session.logout", session)
    lab.sim.control("gc.run")
    lab.before = lab.refs()


def waits(lab):
    status = json.loads(lab.must("status", "--catalog", lab.catalog, "--json").stdout)
    return {wait["name"]: wait["reason"] for wait in (status.get("run") or {}).get("waits", [])}


def told_waits(lab, n):
    """n waits, each with what it waits for: before hosts were asked, its turn has not come yet."""
    told = waits(lab)
    return len(told) == n and "its turn has not come yet" not in told.values() and told


def make_lab():
    machines = [vm("web1"), vm("chained"), vm("thick", sr="san", size_mib=64, fill=0.5)]
    made = pool(machines, hosts=1, coalesce=False)
    made["srs"].append({"name": "san", "type": "lvmoiscsi", "shared": True, "size_mib": 90})
    return Lab(made)


def test_long_chain_and_thick_sr_wait_with_their_reason_then_fail_with_it():
    with make_lab() as lab:
        chained, thick = grow_chain(lab, "chained", 27), lab.vm_ref("thick")
        lab.set(lease_renew="1s", backoff="10ms", run_max="12s")
        held = lab.fault(**STALL)
        run = lab.start_run()
        lab.wait_held(held)
        told = wait_for("both to wait", lambda: told_waits(lab, 2))
        assert "chain of more than 25" in told["chained"], told
        assert "san (lvmoiscsi, thick) has " in told["thick"] and "64.0 MiB there" in told["thick"]
        text = lab.must("status", "--catalog", lab.catalog).stdout
        assert f"  chained waits: {told['chained']}" in text, text
        lab.sim.control("fault.release", id=held)
        assert run.wait(120) == 1
        jobs = {job["name"]: job for job in lab.report()["jobs"]}
        assert jobs["web1"]["state"] == "done"
        for name in ("chained", "thick"):
            assert jobs[name]["state"] == "failed"
            assert "not begun within the run's time" in jobs[name]["reason"]
            assert told[name] in jobs[name]["reason"]
        assert snapshots_of(lab, chained) == snapshots_of(lab, thick) == []
        assert sorted(lab.backups()) == ["web1"]
        refs = lab.refs()  # base copies stay, for nothing coalesces
        assert (refs["VM"], refs["task"]) == (lab.before["VM"], lab.before["task"])


def test_what_waited_begins_when_its_sr_has_coalesced_and_has_room():
    with make_lab() as lab:
        chained, thick = grow_chain(lab, "chained", 27), lab.vm_ref("thick")
        lab.set(lease_renew="1s", backoff="10ms", run_max="10m")
        run = lab.start_run()
        wait_for("both to wait", lambda: len(waits(lab)) == 2)
        wait_for("the one that may begin", lambda: "web1" in lab.backups())
        assert snapshots_of(lab, chained) == snapshots_of(lab, thick) == []
        remove_chain(lab, chained)
        lab.sim.control("object.set", **{"class": "SR", "object": "san", "field": "physical_size",
                                         "value": 900 << 20})
        assert run.wait(120) == 0
        jobs = {job["name"]: job["state"] for job in lab.report()["jobs"]}
        assert jobs == {"web1": "done", "chained": "done", "thick": "done"}
        assert sorted(lab.backups()) == ["chained", "thick", "web1"]


def test_store_at_its_limit_is_what_the_others_wait_for():
    with Lab(pool([vm(f"web{n}") for n in range(3)], hosts=2)) as lab:
        lab.set(lease_renew="1s", backoff="10ms", store_jobs=1)
        held = lab.fault(**STALL)
        run = lab.start_run()
        lab.wait_held(held)
        told = wait_for("two to wait", lambda: told_waits(lab, 2))
        assert set(told.values()) == {"the store is at its limit of 1 jobs"}
        assert "and 1 more wait: the store is at its limit of 1 jobs" in \
            lab.must("status", "--catalog", lab.catalog).stdout
        lab.sim.control("fault.release", id=held)
        assert run.wait(120) == 0
        assert waits(lab) == {}
        assert len(lab.backups()) == 3
        lab.assert_clean()
