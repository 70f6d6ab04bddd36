# SPDX-License-Identifier: GPL-3.0-or-later
"""A run whose coordinator left it: what its agents do behind it is told and kept."""
import json
import signal
import subprocess
import time

from lab import Lab, pool, vm, wait_for

STALL = {"action": "stall", "stream": "export", "at_byte": 1 << 20}


def leave_a_run(lab):
    """Two Ctrl-C during a backup, of which its agent, stopped for that time, never hears."""
    held = lab.fault(**STALL)
    run = lab.start_run("--new")
    log = lab.folder / f"run-{len(lab.commands) - 1}.log"
    lab.wait_held(held)
    agent = lab.agents["h1"]
    agent.send_signal(signal.SIGSTOP)
    run.send_signal(signal.SIGINT)
    wait_for("the first Ctrl-C to be heard", lambda: "cancelling" in log.read_text())
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 6
    return agent


def let_it_end(lab, agent):
    agent.send_signal(signal.SIGCONT)
    lab.sim.control("fault.clear")
    wait_for("the backup", lab.backups)


def sums_of(lab):
    """What SHA256SUMS names; each is as it says."""
    sums = lab.store / ".onyxpool" / "SHA256SUMS"
    done = subprocess.run(["sha256sum", "-c", str(sums)], cwd=lab.store, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(line.split("  ", 1)[1] for line in sums.read_text().splitlines())


def data_files(lab):
    return [name for name in lab.files() if not name.endswith(".meta")]


def test_status_counts_the_bytes_of_a_running_job():
    with Lab(pool([vm("web1", size_mib=24, fill=1.0)], hosts=1)) as lab:
        lab.fault(action="slow", stream="export", rate_bytes_per_s=256 << 10)  # 96 s
        run = lab.start_run()
        wait_for("the catalog", lab.catalog.exists)

        def told():
            shown = json.loads(lab.must("status", "--catalog", lab.catalog, "--json").stdout)
            jobs = shown["run"]["jobs"] if "run" in shown else []
            return [job["bytes"] for job in jobs if job["bytes"] > 0]
        assert 0 < wait_for("bytes in status", told, 80)[0] < 24 << 20
        assert run.poll() is None
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 6
        lab.assert_clean()


def test_status_of_a_run_that_was_left_says_whose_the_jobs_are():
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        agent = leave_a_run(lab)
        shown = lab.must("status", "--catalog", lab.catalog).stdout
        assert "1 left to their agents" in shown and "running" not in shown, shown
        let_it_end(lab, agent)


def test_digests_of_a_run_that_was_left_come_with_the_next():
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        let_it_end(lab, leave_a_run(lab))
        assert lab.run("--new").returncode == 0
        assert len(data_files(lab)) == 2
        assert sums_of(lab) == data_files(lab)
        lab.assert_clean()


def test_export_goes_on_though_the_next_run_hears_its_agent_late():
    """The next coordinator has the same patience with an agent as the one that died."""
    with Lab(pool([vm("web1", sr="local-h1")], hosts=2)) as lab:
        lab.set(lease_renew="1s", backoff="10ms", muster_s="5s")
        lab.sim.control("calls.clear")
        held = lab.fault(**STALL)
        first = lab.start_run()
        lab.wait_held(held)
        first.kill()
        first.wait()
        lab.stop_agent("h2")
        lab.agents["h1"].send_signal(signal.SIGSTOP)
        try:
            second = lab.start_run()
            log = lab.folder / f"run-{len(lab.commands) - 1}.log"
            lab.start_agent("h2")
            wait_for("the run to go on",
                     lambda: " running\n" in log.read_text() or second.poll() is not None)
        finally:
            lab.agents["h1"].send_signal(signal.SIGCONT)
        wait_for("its agent", lambda: "h1: its agent is ready" in log.read_text())
        lab.sim.control("fault.clear")
        assert second.wait(60) == 0, log.read_text()
        asked = [call["method"] for call in lab.sim.control("calls.log")]
        assert sum(method.endswith("VM.snapshot") for method in asked) == 1
        assert [job["attempts"] for job in lab.report()["jobs"]] == [1]
        lab.assert_clean()


def test_a_short_muster_hears_an_agent_that_works_for_another_run():
    """It waits for the dead coordinator's answer before it says Hello to the next one."""
    with Lab(pool([vm("web1", sr="local-h1"), vm("web2", sr="local-h2")], hosts=2)) as lab:
        lab.set(lease_renew="1s", backoff="10ms", muster_s="2s")
        lab.sim.control("calls.clear")
        held = lab.fault(**STALL, count=1)
        first = lab.start_run("-e", "web1")
        lab.wait_held(held)
        first.kill()
        first.wait()
        lab.agents["h1"].send_signal(signal.SIGSTOP)
        second = lab.start_run("-e", "web2")
        log = lab.folder / f"run-{len(lab.commands) - 1}.log"
        wait_for("gathering", lambda: "gathering agents" in log.read_text())
        muster_ends = time.monotonic() + 3
        wait_for("muster to pass",
                 lambda: "planning" in log.read_text() or time.monotonic() > muster_ends)
        assert "planning" not in log.read_text()
        # Its worker ends before the next run can tell it to: that run has no job of this name.
        lab.sim.control("fault.clear")
        wait_for("the export to end", lambda: "web1" in lab.backups())
        lab.agents["h1"].send_signal(signal.SIGCONT)
        wait_for("its agent", lambda: "h1: its agent is ready" in log.read_text())
        assert second.wait(60) == 0, log.read_text()
        asked = [call["method"] for call in lab.sim.control("calls.log")]
        assert sum(method.endswith("VM.snapshot") for method in asked) == 2
        assert [name.split("/")[0] for name in data_files(lab)] == ["web1", "web2"]
        lab.assert_clean()
