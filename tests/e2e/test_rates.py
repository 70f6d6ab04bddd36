# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of rate and a busy dom0: jobs take the time that a limit means, and people are told why."""
import os
import pathlib
import time

import pytest

from lab import Lab, pool, vm, wait_for

MIB = 1 << 20


def jobs_of(lab):
    return {job["name"]: job for job in lab.report()["jobs"] if job["kind"] == "vm-export"}


def took_s(job):
    return job["stream_ms"] / 1000


def test_a_job_takes_the_time_that_max_rate_means():
    with Lab(pool([vm("slow", size_mib=16, fill=1.0)], hosts=1)) as lab:
        lab.set(max_rate="8M", lease_renew="1s", backoff="10ms")
        lab.must("run", *lab.run_args())
        job = jobs_of(lab)["slow"]
        assert job["bytes"] > 16 * MIB
        # A twentieth of a second's worth may be made up for.
        assert took_s(job) >= job["bytes"] / (8 * MIB) - 0.1
        assert job["rate_limit"] == 8 * MIB
        assert job["throttled_ms"] > 1000
        assert "held to 8.0 MiB/s" in lab.must("report", "--catalog", lab.catalog).stdout
        lab.assert_clean()


def test_the_pools_rate_is_shared_by_its_hosts():
    machines = [vm(f"vm{n}", host=f"h{n}", sr=f"local-h{n}", size_mib=12, fill=1.0)
                for n in (1, 2)]
    with Lab(pool(machines, hosts=2)) as lab:
        lab.set(pool_rate="8M", lease_renew="1s", backoff="10ms")
        lab.must("run", *lab.run_args())
        jobs = jobs_of(lab)
        total = sum(job["bytes"] for job in jobs.values())
        begun = min(job["started_at"] for job in jobs.values())
        ended = max(job["finished_at"] for job in jobs.values())
        assert {job["host"] for job in jobs.values()} == {"h1", "h2"}
        # While only one of them is known it may take all: at most for the second between Syncs.
        lasted = seconds(ended) - seconds(begun)
        assert lasted >= total / (8 * MIB) - 1.1, (lasted, total)
        for job in jobs.values():
            assert job["rate_limit"] <= 4 * MIB
        lab.assert_clean()


def seconds(text):
    """Of an ISO time; its fraction is not told."""
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def test_workers_of_one_host_share_its_own_rate():
    machines = [vm(f"vm{n}", size_mib=8, fill=1.0) for n in (1, 2)]
    with Lab(pool(machines, hosts=1), agents=False) as lab:
        lab.start_agent("h1", "--host-rate", "4M")
        lab.must("run", *lab.run_args())
        jobs = jobs_of(lab)
        assert all(job["rate_limit"] <= 4 * MIB for job in jobs.values())
        assert min(job["rate_limit"] for job in jobs.values()) == 2 * MIB
        lab.assert_clean()


def test_a_worker_hears_of_another_rate_while_it_streams():
    machines = [vm("first", size_mib=48, fill=1.0), vm("second", size_mib=20, fill=1.0)]
    with Lab(pool(machines, hosts=1), agents=False) as lab:
        lab.start_agent("h1", "--host-rate", "16M")
        lab.must("run", *lab.run_args())
        first = jobs_of(lab)["first"]
        # Half of it while both ran, all of it afterwards.
        assert first["rate_limit"] == 8 * MIB
        assert took_s(first) < first["bytes"] / (8 * MIB)
        assert took_s(first) > first["bytes"] / (16 * MIB) - 0.1
        lab.assert_clean()


def test_what_a_slow_stream_does_not_take_the_other_gets():
    machines = [vm("slow", size_mib=12, fill=1.0), vm("fast", size_mib=96, fill=1.0)]
    with Lab(pool(machines, hosts=1), agents=False) as lab:
        lab.fault(stream="export", action="slow", rate_bytes_per_s=MIB, object="slow")
        lab.start_agent("h1", "--host-rate", "16M")
        lab.must("run", *lab.run_args())
        jobs = jobs_of(lab)
        assert took_s(jobs["slow"]) > 10
        # Half of the rate for a few seconds, then most of it.
        assert took_s(jobs["fast"]) < jobs["fast"]["bytes"] / (9.5 * MIB)
        assert took_s(jobs["fast"]) > jobs["fast"]["bytes"] / (16 * MIB) - 0.1
        lab.assert_clean()


def test_workers_stand_back_for_others():
    with Lab(pool([vm("held", size_mib=8, fill=1.0)], hosts=1), agents=False) as lab:
        lab.start_agent("h1", "--nice", "7", "--ionice", "idle")
        fault = lab.fault(stream="export", action="stall", at_byte=MIB)
        lab.start_run()
        lab.wait_held(fault)
        worker = lab.workers("h1")[0]
        nice = int(pathlib.Path(f"/proc/{worker}/stat").read_text().rsplit(")", 1)[1].split()[16])
        assert nice >= 7
        assert io_class(worker) == 3
        lab.sim.control("fault.release", id=fault)
        assert lab.commands[0].wait(120) == 0
        lab.assert_clean()


def io_class(pid):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = {"x86_64": 252, "aarch64": 31}
    number = numbers.get(os.uname().machine)
    if number is None:
        pytest.skip("the number of ioprio_get is not known here")
    return libc.syscall(number, 1, pid) >> 13


def told(lab, text):
    """What the command prints, once it holds the text; the catalog may just be in the making."""
    shown = lab.onyxpool("agents", "--catalog", lab.catalog).stdout
    return shown if text in shown else None


def test_a_busy_dom0_takes_no_job_and_says_why():
    """The limit is far below what any machine idles at, so the agent holds back at once."""
    with Lab(pool([vm("waits", size_mib=1)], hosts=1), agents=False) as lab:
        burn = os.fork()
        if burn == 0:
            while True:
                pass
        try:
            lab.start_agent("h1", "--load-max", "1")
            wait_for("the agent to notice", lambda: "dom0 is too busy: CPU at" in
                     (lab.folder / "agent-h1.log").read_text())
            lab.start_run()
            shown = wait_for("the agent to be known as busy",
                             lambda: told(lab, "its dom0 is too busy for another job"))
            assert "limit 1 %" in shown
            assert lab.commands[0].poll() is None
            lab.stop_agent("h1")
        finally:
            os.kill(burn, 9)
            os.waitpid(burn, 0)
        lab.start_agent("h1")
        assert lab.commands[0].wait(120) == 0
        lab.assert_clean()
