# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker that is started ahead of its job: it helps, or it is as if it had never been."""
import os
import pathlib
import signal

import pytest

from lab import BIN, Lab, pool, vm, wait_for

READY = "a worker was ready for the job"
BROKEN = """#!/bin/sh
[ "$1" = --standby ] && { echo x >> FOLDER/standby; exit 1; }
exec REAL "$@"
"""


def lab_of(count):
    return Lab(pool([vm(f"web{n}", size_mib=2) for n in range(count)], hosts=1), agents=False)


def start_agent(lab, *more):
    return lab.start_agent("h1", "--slots", "1", "-l", "debug", *more)


def agent_log(lab):
    return (lab.folder / "agent-h1.log").read_text()


def is_there(pid):
    """Zombies are not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def every_job_was_done_at_once(lab):
    jobs = lab.report()["jobs"]
    assert jobs and all(job["state"] == "done" and job["attempts"] == 1 for job in jobs), jobs
    lab.assert_clean()


def hold_behind(lab, count):
    """Start a run and stop its count-th VM before its snapshot goes; gives the run."""
    lab.fault(method="VM.destroy", delay_ms=1, count=count - 1)
    held = lab.fault(method="VM.destroy", hold="before")
    running = lab.start_run()
    lab.wait_held(held)
    return running


def the_spare(lab):
    spare, = wait_for("a spare", lambda: lab.spares("h1"))
    return spare


def test_short_jobs_find_a_worker_ready_and_an_idle_agent_has_none():
    with lab_of(6) as lab:
        start_agent(lab, "--spare-worker", "3")
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert agent_log(lab).count(READY) >= 3
        every_job_was_done_at_once(lab)
        wait_for("the spare to go", lambda: not lab.children("h1"))
        assert lab.agents["h1"].poll() is None


def test_without_spare_worker_there_is_none():
    with lab_of(4) as lab:
        start_agent(lab, "--spare-worker", "0")
        assert lab.run().returncode == 0
        assert READY not in agent_log(lab)
        every_job_was_done_at_once(lab)


def test_a_spare_is_no_job_and_holds_nothing():
    with lab_of(3) as lab:
        start_agent(lab)
        running = hold_behind(lab, 3)
        spare = the_spare(lab)
        worker, = lab.workers("h1")
        assert b"--worker" in pathlib.Path(f"/proc/{worker}/cmdline").read_bytes().split(b"\0")
        assert agent_log(lab).count(" begins") == 3
        if os.access(f"/proc/{spare}/fd", os.R_OK | os.X_OK) and os.geteuid() == 0:
            open_files = [os.readlink(entry) for entry in pathlib.Path(f"/proc/{spare}/fd").iterdir()]
            assert len([name for name in open_files if name.startswith("socket:")]) == 1  # its lock
            assert not [name for name in open_files if name.startswith(str(lab.store))]
        else:
            print("what the spare holds is not looked at: that needs root")
        lab.sim.control("fault.clear")
        assert running.wait(120) == 0
        every_job_was_done_at_once(lab)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_spare_that_dies_costs_no_job_an_attempt(number):
    with lab_of(6) as lab:
        start_agent(lab)
        running = hold_behind(lab, 3)
        spare = the_spare(lab)
        os.kill(spare, number)
        wait_for("the spare's end", lambda: not is_there(spare))
        lab.sim.control("fault.clear")
        assert running.wait(120) == 0
        every_job_was_done_at_once(lab)


def test_a_spare_goes_with_its_killed_agent_and_the_next_agent_does_the_rest():
    with lab_of(4) as lab:
        start_agent(lab)
        running = hold_behind(lab, 3)
        spare = the_spare(lab)
        killed = lab.agents.pop("h1")
        killed.kill()
        killed.wait()
        wait_for("the spare's end", lambda: not is_there(spare))
        lab.sim.control("fault.clear")
        start_agent(lab)
        assert running.wait(120) == 0
        lab.assert_clean()
        assert len(lab.backups()) == 4


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_an_agent_that_ends_takes_its_spare_along(number):
    """SIGHUP is what --drain sends."""
    with lab_of(3) as lab:
        start_agent(lab, "--spare-worker", "1h")
        running = hold_behind(lab, 3)
        spare = the_spare(lab)
        agent = lab.agents["h1"]
        agent.send_signal(number)
        wait_for("the spare's end", lambda: not is_there(spare))
        lab.sim.control("fault.clear")
        assert agent.wait(60) == 0
        lab.agents.pop("h1")
        if number == signal.SIGTERM:  # its job is cancelled, and needs another agent
            start_agent(lab)
        assert running.wait(120) == 0
        lab.assert_clean()


def test_a_spare_that_can_not_start_fails_no_job_and_is_not_tried_for_ever():
    with lab_of(6) as lab:
        home = lab.folder / "home" / "bin"
        home.mkdir(parents=True)
        program = home / "onyxpool-agent"
        program.write_text(BROKEN.replace("REAL", str(BIN / "onyxpool-agent"))
                           .replace("FOLDER", str(home)))
        program.chmod(0o755)
        lab.environment = lambda: dict(Lab.environment(lab), ONYXPOOL_HOME=str(home.parent))
        start_agent(lab)
        assert lab.run().returncode == 0
        tries = (home / "standby").read_text().count("x")
        assert 1 <= tries < 6 and READY not in agent_log(lab)
        every_job_was_done_at_once(lab)


def test_a_new_program_is_used_for_the_next_job():
    """An upgrade beside a running agent: what was started from the old file does no job of the new."""
    with lab_of(5) as lab:
        home = lab.folder / "home" / "bin"
        home.mkdir(parents=True)
        program = home / "onyxpool-agent"
        program.symlink_to(BIN / "onyxpool-agent")
        lab.environment = lambda: dict(Lab.environment(lab), ONYXPOOL_HOME=str(home.parent))
        start_agent(lab)
        running = hold_behind(lab, 3)
        spare = the_spare(lab)
        beside = home / "new"
        beside.write_text(f"#!/bin/sh\necho x >> {home}/new-one\n"
                          f"exec {BIN}/onyxpool-agent \"$@\"\n")
        beside.chmod(0o755)
        beside.rename(program)
        wait_for("the old spare's end", lambda: not is_there(spare))
        lab.sim.control("fault.clear")
        assert running.wait(120) == 0
        assert (home / "new-one").exists()
        every_job_was_done_at_once(lab)
