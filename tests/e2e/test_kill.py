# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of worker, agent and coordinator at every named point; then run again.

Afterwards the references in the pool equal those from before, no finished backup was redone and no
unfinished one looks finished. A point is reached for certain: the simulated pool holds the call or
the stream, or a library in front of the worker waits at a system call (tests/preload/pause.c).
"""
import os
import pathlib
import signal

import pytest

from lab import Lab, build_preload, pool, preloaded, vm, wait_for


@pytest.fixture(scope="session")
def pause_library(tmp_path_factory):
    return build_preload("pause", tmp_path_factory.mktemp("pause"))


class Point:
    """A place in a job where the test can stop the world."""

    def __init__(self, name, **how):
        self.name, self.how = name, how

    def arm(self, lab):
        self.held = None
        if "fault" in self.how:
            self.held = lab.fault(**self.how["fault"])

    def environment(self, lab, library):
        """What an agent needs to stop there."""
        if "pause" not in self.how:
            return {}
        self.folder = lab.folder / "pause"
        self.folder.mkdir(exist_ok=True)
        function, number = self.how["pause"]
        return preloaded(library, ONYX_PAUSE=f"{function} {number} {self.folder}")

    def reach(self, lab):
        if self.held is not None:
            lab.wait_held(self.held)
        else:
            wait_for(self.name, (self.folder / "reached").exists)

    def leave(self, lab):
        if self.held is not None:
            lab.sim.control("fault.clear")
        else:
            (self.folder / "go").touch()


def call(method, hold, **more):
    return {"fault": dict({"method": method, "hold": hold}, **more)}


POINTS = [
    Point("intent recorded", **call("VM.get_record", "before")),
    Point("snapshot asked for", **call("VM.snapshot", "before")),
    Point("snapshot taken, answer unheard", **call("VM.snapshot", "after")),
    Point("before the mark", **call("VM.add_to_other_config", "before")),
    Point("mid-stream", fault={"action": "stall", "stream": "export", "at_byte": 2 << 20}),
    Point("end of stream", pause=("fsync", 1)),
    Point("before the rename", pause=("renameat", 1)),
    Point("before .meta", pause=("renameat", 2)),
    Point("before VM.destroy", **call("VM.destroy", "before")),
    Point("between VM.destroy and VDI.destroy", **call("VM.destroy", "after")),
    Point("between the VDI.destroys", **call("VDI.destroy", "after")),
]




def lab_of():
    disks = [{"device": name, "sr": "nfs1", "size_mib": 6, "content": {"seed": n, "fill": 0.6}}
             for n, name in enumerate(("xvda", "xvdb"))]
    return Lab(pool([vm("done", size_mib=2), vm("victim", disks=disks)], hosts=1), agents=False)


def start_agent(lab, point, library):
    old = dict(os.environ)
    try:
        os.environ.update(point.environment(lab, library))
        lab.start_agent("h1", "--slots", "1")
    finally:
        os.environ.clear()
        os.environ.update(old)


def run_to(lab, point, library):
    """Save `done` first, then stop in the middle of `victim`."""
    plain = Point("none")
    start_agent(lab, plain, library)
    assert lab.run("-e", "done").returncode == 0
    lab.stop_agent("h1")
    lab.finished = lab.files()
    start_agent(lab, point, library)
    point.arm(lab)
    running = lab.start_run("-e", "victim")
    point.reach(lab)
    return running


def run_again(lab):
    """What an administrator does the next morning: the same command."""
    done = lab.run("-e", "victim")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(lab.finished) <= set(lab.files())
    assert len(lab.backups()["done"]) == 1
    lab.assert_clean()


def no_half_backup(lab):
    """Every .meta stands beside the data it speaks of."""
    for folder, files in lab.backups().items():
        for file in files:
            assert (lab.store / folder / file.replace(".meta", ".xva")).exists()


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_worker_is_killed(point, pause_library):
    with lab_of() as lab:
        running = run_to(lab, point, pause_library)
        lab.kill_workers("h1")
        point.leave(lab)
        assert running.wait(200) in (0, 1)
        no_half_backup(lab)
        if point.name != "snapshot asked for":  # there the pool makes it when nobody waits any more
            lab.assert_clean()
        run_again(lab)


def test_backup_of_a_worker_killed_behind_its_last_rename_is_known(pause_library):
    """Its last attempt: no other one looks for the .meta, so the cleanup has to tell of it."""
    with lab_of() as lab:
        point = Point("before VM.destroy", **call("VM.destroy", "before"))
        start_agent(lab, Point("none"), pause_library)
        point.arm(lab)
        running = lab.start_run("-e", "victim", "--attempts", "1")
        point.reach(lab)
        lab.kill_workers("h1")
        point.leave(lab)
        assert running.wait(200) == 0
        job, = lab.report()["jobs"]
        assert job["state"] == "done" and job["attempts"] == 1
        assert [file["path"] for file in job["files"]] == \
            [name for name in lab.files() if name.endswith(".xva")]
        shown = lab.must("list", "--catalog", lab.catalog, "--json").stdout
        assert job["files"][0]["sha256"] in shown
        assert job["files"][0]["sha256"] in (lab.store / ".onyxpool" / "SHA256SUMS").read_text()
        lab.assert_clean()


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_agent_is_killed(point, pause_library):
    with lab_of() as lab:
        running = run_to(lab, point, pause_library)
        lab.agents["h1"].kill()
        lab.agents.pop("h1").wait()
        point.leave(lab)
        start_agent(lab, Point("none"), pause_library)
        assert running.wait(200) in (0, 1)
        no_half_backup(lab)
        run_again(lab)


def test_who_dies_while_he_ends_the_session_of_the_dead_leaves_none(pause_library):
    """An agent, and the run: each is killed twice, the second time in session.logout."""
    with lab_of() as lab:
        def die_in_logout(start):
            lab.commands.clear()  # they are dead
            held = lab.fault(method="session.logout", hold="before")
            process = start()
            lab.wait_held(held)
            process.kill()
            process.wait()
            lab.sim.control("fault.release", id=held)

        stalled = lab.fault(action="stall", stream="export", object="victim", at_byte=100000)
        lab.start_agent("h1")
        running = lab.start_run("-e", "victim")
        lab.wait_held(stalled)
        for process in (lab.agents["h1"], running):
            process.kill()
            process.wait()
        lab.sim.control("fault.release", id=stalled)
        die_in_logout(lambda: lab.start_agent("h1"))
        die_in_logout(lambda: lab.start_run("-e", "victim"))
        lab.start_agent("h1")
        assert lab.run("-e", "victim").returncode == 0
        lab.assert_clean()


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_coordinator_is_killed(point, pause_library):
    with lab_of() as lab:
        running = run_to(lab, point, pause_library)
        running.send_signal(signal.SIGKILL)
        running.wait()
        point.leave(lab)
        run_again(lab)
        no_half_backup(lab)
        assert len(lab.backups()["victim"]) == 1


def test_everything_is_killed(pause_library):
    point = Point("mid-stream", fault={"action": "stall", "stream": "export", "at_byte": 2 << 20})
    with lab_of() as lab:
        running = run_to(lab, point, pause_library)
        lab.kill_workers("h1")
        lab.agents["h1"].kill()
        lab.agents.pop("h1").wait()
        running.kill()
        running.wait()
        point.leave(lab)
        start_agent(lab, Point("none"), pause_library)
        run_again(lab)
        no_half_backup(lab)
