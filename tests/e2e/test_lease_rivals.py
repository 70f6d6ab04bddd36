# SPDX-License-Identifier: GPL-3.0-or-later
"""Coordinators with catalogs of their own, as on two hosts of a pool: one of them runs at a time, and
agents follow the lease to the one that holds it."""
import signal
import subprocess

from lab import BIN, Lab, pool, vm, wait_for

STALL = {"action": "stall", "stream": "export", "at_byte": 1 << 20}


def start_agents(lab):
    """Agents that are told of no coordinator: they find it by the lease in the pool record."""
    for name, host in lab.hosts.items():
        key = lab.folder / f"agent-{name}.key"
        lab.must("keygen", "--key", lab.key, "--host", host["uuid"], "-o", key)
        with open(lab.folder / f"agent-{name}.log", "a") as log:
            lab.agents[name] = subprocess.Popen(
                [str(BIN / "onyxpool-agent"), "--xapi", host["socket"], "--host", host["uuid"],
                 "--key", str(key)], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=lab.environment())


def start_rival(lab, number, *args):
    """A run with a catalog and an address of its own."""
    return lab.start_run("--catalog", lab.folder / f"catalog-{number}.db",
                         "--listen", f"ipc://{lab.folder}/bus-{number}", *args)


def log_of(lab, number):
    return (lab.folder / f"run-{number}.log").read_text(errors="replace")


def lease_value(lab):
    record = next(iter(lab.records("pool").values()))
    keys = {int(key.rsplit("_", 1)[1]): value for key, value in record["other_config"].items()
            if key.startswith("onyxpool_lease_")}
    return keys[max(keys)] if keys else None


def snapshots(lab):
    return [call for call in lab.sim.control("calls.log") if call["method"] == "VM.snapshot"]


def test_three_begin_at_one_time_then_each_runs_alone_and_all_save():
    with Lab(pool([vm("web1"), vm("web2"), vm("web3")], hosts=2), agents=False) as lab:
        start_agents(lab)
        held = lab.fault(**STALL)
        runs = [start_rival(lab, n, "-e", f"web{n + 1}") for n in range(3)]
        lab.wait_held(held)
        # One of them is at work and stays there; the others must not begin meanwhile.
        wait_for("the two others to say that they wait",
                 lambda: sum("waiting" in log_of(lab, n) or "waits" in log_of(lab, n)
                             for n in range(3)) >= 2)
        assert all(run.poll() is None for run in runs)
        assert len(snapshots(lab)) == 1
        lab.sim.control("fault.release", id=held)
        assert [run.wait(120) for run in runs] == [0, 0, 0]
        assert sorted(lab.backups()) == ["web1", "web2", "web3"]
        assert all(len(files) == 1 for files in lab.backups().values())
        assert lease_value(lab) == "released"
        lab.assert_clean()


def test_owner_that_comes_back_from_a_pause_sees_the_new_one_and_ends():
    with Lab(pool([vm("web1"), vm("web2")], hosts=1), agents=False) as lab:
        start_agents(lab)
        held = lab.fault(**STALL)
        paused = start_rival(lab, 0, "-e", "web1")
        lab.wait_held(held)
        paused.send_signal(signal.SIGSTOP)
        first = lease_value(lab)
        following = start_rival(lab, 1, "-e", "web2")
        wait_for("the lease to be taken over", lambda: lease_value(lab) != first, 60)
        assert following.wait(120) == 0
        assert sorted(lab.backups()) == ["web2"]
        paused.send_signal(signal.SIGCONT)
        assert paused.wait(60) not in (0, 1), log_of(lab, 0)
        assert "another coordinator has taken the pool's lease" in log_of(lab, 0)
        # What it had begun ends as it may, once; what it had not begun, it did not begin.
        lab.sim.control("fault.clear")
        wait_for("the agent's workers to end", lambda: not lab.workers("h1"))
        assert len(lab.backups()["web2"]) == 1
        assert len(lab.backups().get("web1", [])) <= 1
        lab.assert_clean()
