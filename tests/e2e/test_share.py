# SPDX-License-Identifier: GPL-3.0-or-later
"""Real mounts that misbehave: frozen, read-only, full, missing on one host, another one, back again.

Loop devices and bind mounts take root; without them these tests are skipped, loudly.
"""
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile

import pytest

from lab import Lab, pool, vm, wait_for

MIB = 1 << 20


def command(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          check=False)


def must(*words):
    done = command(*words)
    if done.returncode != 0:
        raise AssertionError(f"{words}: {done.stdout}{done.stderr}")


def can_mount():
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory(prefix="onyx-loop-") as folder:
        image, point = pathlib.Path(folder) / "image", pathlib.Path(folder) / "point"
        point.mkdir()
        image.touch()
        os.truncate(image, 8 * MIB)
        if command("mkfs.ext4", "-q", image).returncode != 0 or \
                command("mount", "-o", "loop", image, point).returncode != 0:
            return False
        return command("umount", point).returncode == 0


@pytest.fixture(scope="module", autouse=True)
def mounts():
    if not can_mount():
        pytest.skip("NO ROOT, OR NO LOOP DEVICES: shares that freeze, fill up and go are not tested")


@contextlib.contextmanager
def disk(point, size_mib):
    """A file system of its own, mounted there."""
    with tempfile.TemporaryDirectory(prefix="onyx-disk-") as folder:
        image = pathlib.Path(folder) / "image"
        image.touch()
        os.truncate(image, size_mib * MIB)
        must("mkfs.ext4", "-q", "-m", "0", image)
        must("mount", "-o", "loop", image, point)
        try:
            yield
        finally:
            command("fsfreeze", "-u", point)
            command("umount", "-l", point)


class OnDisk(Lab):
    """A lab whose store is a file system of its own."""

    def __init__(self, pool_file, size_mib, agents=True):
        self.size_mib, self.stack = size_mib, contextlib.ExitStack()
        super().__init__(pool_file, agents)

    def must(self, command_name, *args):
        if command_name == "init-store":
            self.stack.enter_context(disk(self.store, self.size_mib))
        return super().must(command_name, *args)

    def close(self, failed=False):
        command("fsfreeze", "-u", self.store)
        self.agents_end()
        self.stack.close()
        super().close(failed)

    def agents_end(self):
        for process in list(self.agents.values()) + self.commands:
            if process.poll() is None:
                process.terminate()
                process.wait(60)

    def jobs(self):
        return {job["name"]: job for job in self.report()["jobs"]
                if job["kind"].endswith("-export")}


def told(job):
    return " ".join(filter(None, (job["reason"], job["error"])))


def test_worker_that_not_even_a_kill_ends_is_shown_and_does_not_keep_the_run():
    machines = [vm("large", size_mib=24, fill=1.0), vm("small", size_mib=2)]
    with OnDisk(pool(machines, hosts=1), 128, agents=False) as lab:
        lab.set(lease_renew="1s", backoff="10ms", idle_timeout="2s")
        lab.start_agent("h1", "--clean-max", "2s")
        held = lab.fault(action="stall", stream="export", object="large", at_byte=2 * MIB)
        running = lab.start_run("-e", "large", "-e", "small")
        lab.wait_held(held)
        wait_for("the other one", lambda: "small" in lab.backups())
        must("fsfreeze", "-f", lab.store)
        lab.sim.control("fault.release", id=held)
        job = wait_for("the hung one", lambda: [
            job for job in lab.report()["jobs"] if job["name"] == "large" and
            job["state"] == "failed"])[0]
        assert "hangs in a call to the share" in told(job), job
        assert running.poll() is None or running.returncode == 1
        assert lab.workers("h1"), "a killed worker in a frozen share does not end"
        wait_for("the pool to be clean of it", lambda: lab.refs()["VM"] == lab.before["VM"])
        must("fsfreeze", "-u", lab.store)
        assert running.wait(120) == 1
        wait_for("the worker to end", lambda: not lab.workers("h1"))
        done = lab.run("-e", "large", "-e", "small")
        assert done.returncode == 0, done.stdout + done.stderr
        assert sorted(map(len, lab.backups().values())) == [1, 2]
        lab.assert_clean()


def test_share_that_freezes_while_a_backup_is_published_gives_it_up():
    """Here the worker's main thread hangs, and nothing in it has a time-out."""
    with OnDisk(pool([vm("web1", size_mib=4)], hosts=1), 64, agents=False) as lab:
        lab.set(lease_renew="1s", backoff="10ms", idle_timeout="2s")
        lab.start_agent("h1", "--clean-max", "2s")
        held = lab.fault(method="VM.get_record", hold="before")
        running = lab.start_run()
        lab.wait_held(held)  # the folder is not made yet
        must("fsfreeze", "-f", lab.store)
        lab.sim.control("fault.clear")
        job = wait_for("the hung one", lambda: [job for job in lab.report()["jobs"]
                                                if job["state"] == "failed"])[0]
        assert "hangs in a call to the share" in told(job), job
        must("fsfreeze", "-u", lab.store)
        assert running.wait(120) == 1
        assert lab.run().returncode == 0
        lab.assert_clean()


def test_share_that_is_read_only_refuses_the_run_before_anything_is_touched():
    with OnDisk(pool([vm("web1", size_mib=2)], hosts=1), 64) as lab:
        assert lab.run().returncode == 0
        must("mount", "-o", "remount,ro", lab.store)
        lab.sim.control("calls.clear")
        done = lab.run()
        assert done.returncode == 5, done.stdout + done.stderr
        assert "ead-only" in done.stderr, done.stderr
        assert [call for call in lab.sim.control("calls.log")
                if "snapshot" in call["method"].lower()] == []
        must("mount", "-o", "remount,rw", lab.store)
        assert lab.run().returncode == 0
        assert len(lab.backups()["web1"]) == 2
        lab.assert_clean()


def test_share_that_is_full_fails_the_job_that_does_not_fit_alone():
    machines = [vm("first", size_mib=4, fill=1.0), vm("second", size_mib=60, fill=1.0)]
    with OnDisk(pool(machines, hosts=1), 48, agents=False) as lab:
        lab.start_agent("h1", "--slots", "1")  # side by side the large one would fill it for both
        done = lab.run("-e", "first", "-e", "second", "--attempts", "1")
        assert done.returncode == 1, done.stdout + done.stderr
        jobs = lab.jobs()
        assert jobs["first"]["state"] == "done" and jobs["second"]["state"] == "failed"
        assert "space" in told(jobs["second"]), jobs["second"]
        assert sorted(lab.backups()) == ["first"]
        lab.assert_clean()


@contextlib.contextmanager
def seen_from(lab, name):
    """A mount point of that host where the share is not mounted yet, and how to mount it."""
    point = lab.folder / f"mnt-{name}"
    point.mkdir()
    try:
        yield point, lambda: must("mount", "--bind", lab.store, point)
    finally:
        command("umount", "-l", point)


def agent_of(lab, host):
    shown = json.loads(lab.must("agents", "--catalog", lab.catalog, "--json").stdout)
    return next(agent for agent in shown["agents"] if agent["host"] == host)


def test_host_without_the_mount_gets_no_job_and_the_others_do_them():
    with Lab(pool([vm("web1", size_mib=2), vm("web2", host="h2", size_mib=2)], hosts=2),
             agents=False) as lab, seen_from(lab, "h2") as (point, mount):
        lab.start_agent("h1")
        lab.start_agent("h2", "-d", point)
        done = lab.run("--muster", "3")
        assert done.returncode == 0, done.stdout + done.stderr
        assert {job["host"] for job in lab.report()["jobs"]} == {"h1"}
        assert "mount" in agent_of(lab, "h2")["reason"], agent_of(lab, "h2")
        assert list(point.iterdir()) == []
        mount()
        done = lab.run("--muster", "10")
        assert done.returncode == 0, done.stdout + done.stderr
        assert {job["host"] for job in lab.report()["jobs"]} == {"h1", "h2"}
        lab.stop_agent("h2")
        lab.assert_clean()


def test_host_with_another_store_mounted_gets_no_job():
    with Lab(pool([vm("web1", size_mib=2), vm("web2", host="h2", size_mib=2)], hosts=2),
             agents=False) as lab:
        other = lab.folder / "other"
        other.mkdir()
        lab.must("init-store", *lab.common(), "-d", other, "--allow-root-fs")
        lab.start_agent("h1")
        lab.start_agent("h2", "-d", other)
        done = lab.run("--muster", "3")
        assert done.returncode == 0, done.stdout + done.stderr
        assert {job["host"] for job in lab.report()["jobs"]} == {"h1"}
        assert agent_of(lab, "h2")["reason"], agent_of(lab, "h2")
        assert [path.name for path in other.iterdir()] == [".onyxpool"]
        lab.assert_clean()


def test_share_that_comes_while_the_run_gathers_agents_is_waited_for():
    with Lab(pool([vm("web1", size_mib=2)], hosts=1), agents=False) as lab, \
            seen_from(lab, "h1") as (point, mount):
        lab.start_agent("h1", "-d", point)
        running = lab.start_run("--muster", "60")
        log = lab.folder / "run-0.log"
        wait_for("the run to gather", lambda: "gathering agents" in log.read_text())
        assert lab.backups() == {}
        mount()
        assert running.wait(60) == 0, log.read_text()
        assert list(lab.backups()) == ["web1"]
        lab.stop_agent("h1")
        lab.assert_clean()
