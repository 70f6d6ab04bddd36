# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time in a pool, whoever starts it and however it ended."""
import signal

from lab import Lab, pool, vm, wait_for

STALL = {"action": "stall", "stream": "export", "at_byte": 1 << 20}


def leases(lab):
    record = next(iter(lab.records("pool").values()))
    return {key: value for key, value in record["other_config"].items()
            if key.startswith("onyxpool_lease_")}


def released(lab):
    """One key stays, so that its number never comes again; it says that nobody holds the pool."""
    return list(leases(lab).values()) == ["released"]


def test_second_run_on_one_catalog_waits_and_both_save():
    with Lab(pool([vm("web1"), vm("web2")], hosts=1)) as lab:
        held = lab.fault(**STALL)
        first = lab.start_run("-e", "web1")
        lab.wait_held(held)
        second = lab.start_run("-e", "web2")
        log = lab.folder / "run-1.log"
        wait_for("the second to say that it waits", lambda: log.read_text())
        assert second.poll() is None
        lab.sim.control("fault.release", id=held)
        assert first.wait(120) == 0
        assert second.wait(120) == 0
        assert sorted(lab.backups()) == ["web1", "web2"]
        lab.assert_clean()
        assert released(lab)


def test_lease_is_renewed_while_a_slow_toolstack_tells_of_the_pool():
    """Each class of records takes longer than a renewal's time, all of them longer than a lease."""
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        for cls in ("SR", "VDI", "VM", "VBD", "VIF"):
            lab.fault(method=f"{cls}.get_all_records", originator="onyxpool", delay_ms=1300)
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert lab.report()["warnings"] == []
        calls = [call["method"] for call in lab.sim.control("calls.log") if call["originator"] == "onyxpool"]
        reading = calls[calls.index("SR.get_all_records"):calls.index("VIF.get_all_records")]
        assert reading.count("pool.add_to_other_config") >= 3, reading
        lab.assert_clean()


def test_second_run_on_another_catalog_waits_for_the_lease():
    with Lab(pool([vm("web1"), vm("web2")], hosts=1)) as lab:
        held = lab.fault(**STALL)
        first = lab.start_run("-e", "web1")
        lab.wait_held(held)
        other = ["--catalog", lab.folder / "other.db", "--listen", f"ipc://{lab.folder}/bus2"]
        busy = lab.onyxpool("run", *lab.run_args("-e", "web2", *other, "--lease-wait", "1s"))
        assert busy.returncode == 4, busy.stderr
        assert "lease" in busy.stderr
        lab.sim.control("fault.release", id=held)
        assert first.wait(120) == 0
        lab.assert_clean()


def test_lease_of_a_dead_coordinator_is_taken_over():
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        held = lab.fault(**STALL)
        first = lab.start_run()
        lab.wait_held(held)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert not released(lab)
        lab.sim.control("fault.clear")
        done = lab.run()
        assert done.returncode == 0, done.stderr
        assert released(lab)
        lab.assert_clean()


def change_leases(lab, remove=(), **add):
    """As a pool database that was put back does it, behind everybody's back."""
    session = lab.sim.login(originator="lab")
    try:
        ref = next(iter(lab.records("pool")))
        for key in remove:
            lab.sim.rpc(None, "pool.remove_from_other_config", session, ref, key)
        for key, value in add.items():
            lab.sim.rpc(None, "pool.add_to_other_config", session, ref, key, value)
    finally:
        lab.sim.rpc(None, "session.logout", session)


def test_agent_refuses_orders_of_a_lower_lease_and_one_that_begins_anew_takes_them():
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        change_leases(lab, onyxpool_lease_1000000="released")
        lab.must("run", *lab.run_args())
        saved = lab.backups()
        change_leases(lab, remove=leases(lab))
        lab.sim.control("calls.clear")
        log = lab.folder / "agent-h1.log"
        lower = lab.start_run()
        wait_for("the agent to refuse", lambda: "orders of an older lease" in log.read_text()
                 or lower.poll() is not None)
        # Nothing of them is obeyed, though the coordinator has come to the next number or two.
        renewed = max(int(key.rsplit("_", 1)[1]) for key in leases(lab)) + 1
        wait_for("the lease to be renewed", lambda: lower.poll() is not None or any(
            int(key.rsplit("_", 1)[1]) > renewed for key in leases(lab)))
        assert lower.poll() is None
        assert lab.workers() == []
        assert not any(call["method"].endswith("VM.snapshot")
                       for call in lab.sim.control("calls.log"))
        assert lab.backups() == saved
        lab.stop_agent("h1")
        lab.start_agent("h1")
        assert lower.wait(120) == 0
        assert set(lab.backups()["web1"]) - set(saved["web1"])
        lab.assert_clean()


def test_interrupt_cancels_cleans_and_says_so():
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        held = lab.fault(**STALL)
        first = lab.start_run()
        lab.wait_held(held)
        first.send_signal(signal.SIGINT)
        assert first.wait(120) == 6
        assert lab.files() == []
        lab.sim.control("fault.clear")
        lab.assert_clean()
        assert released(lab)


def test_second_interrupt_leaves_at_once_and_agents_clean_up():
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        held = lab.fault(**STALL)
        busy = lab.fault(method="VM.destroy", hold="before")
        first = lab.start_run()
        lab.wait_held(held)
        first.send_signal(signal.SIGINT)
        lab.wait_held(busy)
        first.send_signal(signal.SIGINT)
        assert first.wait(30) == 6
        lab.sim.control("fault.clear")
        wait_for("the worker to clean up", lambda: not lab.workers("h1"))
        assert lab.run().returncode == 0
        lab.assert_clean()


def test_interrupt_does_not_wait_for_an_agent_that_died():
    """It bears a twentieth of the silence that a run without an interrupt does, here 6 s of 120 s;
    what the agent left is recorded, and the next run takes it away."""
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        lab.set(lost="120s")
        held = lab.fault(**STALL)
        first = lab.start_run()
        lab.wait_held(held)
        lab.agents["h1"].send_signal(signal.SIGSTOP)  # it tells nobody of its worker's death
        lab.kill_workers("h1")
        lab.agents["h1"].kill()
        lab.agents["h1"].wait()
        first.send_signal(signal.SIGINT)
        assert first.wait(60) == 6  # well below the 120 s
        jobs = lab.report()["jobs"]
        assert [job["state"] for job in jobs] == ["cancelled"]
        assert lab.refs()["VM"] != lab.before["VM"]
        assert "silent for 6.0 s; the next run cleans up after it" in jobs[0]["reason"], jobs
        lab.sim.control("fault.clear")
        lab.start_agent("h1")
        assert lab.run().returncode == 0
        assert len(lab.backups()) == 1
        lab.assert_clean()


def test_agent_that_ends_gives_its_job_back():
    with Lab(pool([vm("web1")], hosts=2)) as lab:
        held = lab.fault(**STALL)
        first = lab.start_run()
        lab.wait_held(held)
        busy = next(name for name in list(lab.agents) if lab.workers(name))
        lab.stop_agent(busy)
        lab.sim.control("fault.clear")
        assert first.wait(120) == 0
        lab.assert_clean()
