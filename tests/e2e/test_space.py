# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on the share, shares that lie, mounts that are not there, and what SMB refuses.

A library in front of coordinator and agents (tests/preload/share.c) lets a local folder say what a
share says on a bad day; nothing is mounted and nobody is root. Stores that must not lie on the device
of "/" are made in a folder of another file system, where the machine has one that everybody may
write to.
"""
import contextlib
import errno
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

from lab import Lab, build_preload, pool, preloaded, vm
from test_adopt import put_old

MIB = 1 << 20


@pytest.fixture(scope="session")
def preload(tmp_path_factory):
    return build_preload("share", tmp_path_factory.mktemp("share"))


class Share(Lab):
    """A lab whose programs all see the share through the library."""

    def __init__(self, preload, pool_file, agents=True):
        self.preload = preload
        self.wishes = pathlib.Path(tempfile.mkdtemp(prefix="onyx-wishes-"))
        super().__init__(pool_file, agents)

    def close(self, failed=False):
        super().close(failed)
        shutil.rmtree(self.wishes, ignore_errors=True)

    def environment(self):
        return dict(super().environment(),
                    **preloaded(self.preload, ONYX_SHARE=f"{self.store} {self.wishes}"))

    def wish(self, name, text):
        """In place of the old wish at once, never half of it."""
        beside = self.wishes / f".{name}"
        beside.write_text(text)
        beside.rename(self.wishes / name)

    def jobs(self):
        return {job["name"]: job for job in self.report()["jobs"]}


def room(total, free):
    return f"{total * MIB} {free * MIB}"


def told(job):
    """Why a job failed, as people read it."""
    return " ".join(filter(None, (job["reason"], job["error"])))


def small_and_large():
    return pool([vm("small", size_mib=2, fill=1.0), vm("large", size_mib=24, fill=1.0)], hosts=1)


# ---- room ---------------------------------------------------------------------------------------


def test_below_the_threshold_each_job_is_refused_with_the_numbers(preload):
    with Share(preload, small_and_large()) as lab:
        lab.set(space_threshold=20, lease_renew="1s")
        lab.wish("statvfs", room(1000, 100))
        lab.sim.control("calls.clear")
        done = lab.run()
        assert done.returncode == 1, done.stdout + done.stderr
        for job in lab.jobs().values():
            assert job["state"] == "failed"
            assert "100 MiB free of 1000 MiB (10.0 %)" in told(job)
            assert "space_threshold (20 %)" in told(job)
        assert [call for call in lab.sim.control("calls.log")
                if "snapshot" in call["method"].lower()] == []
        assert lab.files() == []
        lab.wish("statvfs", room(1000, 900))
        assert lab.run().returncode == 0
        lab.assert_clean()


def test_by_its_last_backup_a_job_is_refused_and_the_run_goes_on(preload):
    with Share(preload, small_and_large()) as lab:
        lab.set(space_threshold=1, lease_renew="1s")
        lab.wish("statvfs", room(1000, 12))
        first = lab.run()
        assert first.returncode == 0, first.stdout + first.stderr
        assert "large" in first.stderr + first.stdout
        assert any("it is tried" in text for text in lab.report()["warnings"]), lab.report()
        done = lab.run()
        assert done.returncode == 1, done.stdout + done.stderr
        jobs = lab.jobs()
        assert jobs["small"]["state"] == "done"
        assert jobs["large"]["state"] == "failed"
        assert "by its last backup" in told(jobs["large"])
        assert "12.0 MiB free" in told(jobs["large"])
        assert len(lab.backups()["small"]) == 2 and len(lab.backups()["large"]) == 1
        lab.assert_clean()


@pytest.mark.parametrize("says, words", [
    (f"error {errno.ESTALE}", os.strerror(errno.ESTALE)), ("0 0", "can't be"),
    (f"{MIB} {2 * MIB}", "can't be")])
def test_share_that_lies_about_its_room_is_an_error_and_no_crash(preload, says, words):
    with Share(preload, small_and_large()) as lab:
        lab.wish("statvfs", says)
        done = lab.run("--muster", "4")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Sanitizer" not in done.stderr
        for job in lab.jobs().values():
            assert job["state"] == "failed" and words in told(job), job
        assert all(agent.poll() is None for agent in lab.agents.values())
        assert lab.files() == []
        lab.assert_clean()


def test_share_that_lies_to_a_worker_fails_that_job_alone(preload):
    with Share(preload, small_and_large()) as lab:
        lab.wish("statvfs-worker", "0 0")
        done = lab.run("--attempts", "1")
        assert done.returncode == 1, done.stdout + done.stderr
        for job in lab.jobs().values():
            assert job["state"] == "failed" and "can't be" in told(job), job
        (lab.wishes / "statvfs-worker").unlink()
        assert lab.run().returncode == 0
        lab.assert_clean()


def in_the_middle_of(lab, disturb):
    """Run with `large` held in its stream; disturb, and let it go on."""
    held = lab.fault(action="stall", stream="export", at_byte=2 * MIB)
    running = lab.start_run("-e", "large", "--attempts", "1")
    lab.wait_held(held)
    disturb()
    lab.sim.control("fault.release", id=held)
    running.wait(120)
    return running.returncode


def test_running_job_goes_on_below_the_threshold_and_ends_at_the_floor(preload):
    with Share(preload, small_and_large()) as lab:
        lab.set(space_threshold=20, hard_floor=1, lease_renew="1s")
        lab.wish("statvfs", room(1000, 900))
        assert in_the_middle_of(lab, lambda: lab.wish("statvfs", room(1000, 50))) == 0
        assert lab.jobs()["large"]["state"] == "done"
        lab.wish("statvfs", room(1000, 900))
        assert in_the_middle_of(lab, lambda: lab.wish("statvfs", room(1000, 9))) == 1
        job = lab.jobs()["large"]
        assert "hard_floor (1 %)" in told(job) and "9.0 MiB free" in told(job), job
        assert len(lab.backups()["large"]) == 1
        lab.assert_clean()


def test_running_job_is_not_ended_by_a_share_that_can_not_tell_its_room(preload):
    with Share(preload, small_and_large()) as lab:
        lab.set(hard_floor=1, lease_renew="1s")
        assert in_the_middle_of(
            lab, lambda: lab.wish("statvfs-worker", f"error {errno.ESTALE}")) == 0
        assert lab.jobs()["large"]["state"] == "done"
        lab.assert_clean()


@pytest.mark.parametrize("why, code, advice", [
    (errno.ENOSPC, "NO_SPACE", "the share is full"), (errno.EDQUOT, "NO_SPACE", "quota"),
    (errno.EIO, "IO", "look at its server"), (errno.EROFS, "READ_ONLY", "mounted read-only"),
    (errno.ESTALE, "STORE_GONE", "mount it again"), (errno.ENOTCONN, "STORE_GONE", "mount it again"),
    (errno.ENODEV, "STORE_GONE", "mount it again")],
    ids=["ENOSPC", "EDQUOT", "EIO", "EROFS", "ESTALE", "ENOTCONN", "ENODEV"])
def test_failing_share_ends_that_job_alone_and_leaves_nothing(preload, why, code, advice):
    with Share(preload, small_and_large()) as lab:
        lab.wish("full", f"{8 * MIB} {why}")
        done = lab.run("--attempts", "1")
        assert done.returncode == 1, done.stdout + done.stderr
        jobs = lab.jobs()
        assert jobs["small"]["state"] == "done"
        assert os.strerror(why) in told(jobs["large"]), jobs["large"]
        assert advice in told(jobs["large"]) and jobs["large"]["error"] == code
        assert "large" not in lab.backups()
        lab.assert_clean()


@pytest.mark.parametrize("why, code", [(errno.EIO, "IO"), (errno.ENOSPC, "NO_SPACE")],
                         ids=["EIO", "ENOSPC"])
def test_early_write_back_that_fails_ends_that_job_alone(preload, why, code):
    """The kernel reports a lost page once: who passes it over will not hear of it at the fsync."""
    with Share(preload, small_and_large()) as lab:
        lab.wish("writeback", str(why))
        done = lab.run("--attempts", "1")
        assert done.returncode == 1, done.stdout + done.stderr
        jobs = lab.jobs()
        assert jobs["small"]["state"] == "done"
        assert os.strerror(why) in told(jobs["large"]) and jobs["large"]["error"] == code
        assert "large" not in lab.backups()
        lab.assert_clean()


@pytest.mark.parametrize("why", [errno.EINVAL, errno.ESPIPE, errno.ENOSYS, errno.EOPNOTSUPP],
                         ids=["EINVAL", "ESPIPE", "ENOSYS", "EOPNOTSUPP"])
def test_share_without_early_write_back_takes_every_backup(preload, why):
    with Share(preload, small_and_large()) as lab:
        lab.wish("writeback", str(why))
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert sorted(lab.backups()) == ["large", "small"]


# ---- mounts -------------------------------------------------------------------------------------


@contextlib.contextmanager
def elsewhere(lab):
    """A folder that is not on the device of "/": what a mounted share is."""
    for place in ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR", ""), "/run/lock"):
        if place and os.access(place, os.W_OK) and \
                os.stat(place).st_dev != os.stat("/").st_dev:
            folder = pathlib.Path(tempfile.mkdtemp(prefix="onyx-share-", dir=place))
            break
    else:
        pytest.skip("NO SECOND FILE SYSTEM that this user may write to: mounts are not tested")
    before, lab.store = lab.store, folder
    try:
        yield folder
    finally:
        lab.store = before
        shutil.rmtree(folder)


def mountinfo_with(folder, kind):
    """This machine's mountinfo, but what the folder is on is of another kind."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        info = pathlib.Path(f"/proc/self/fdinfo/{fd}").read_text()
    finally:
        os.close(fd)
    number = next(line.split()[1] for line in info.splitlines() if line.startswith("mnt_id"))
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    for i, line in enumerate(lines):
        if line.split()[0] == number:
            front, behind = line.split(" - ", 1)
            lines[i] = f"{front} - {kind} nas:/export {behind.split()[-1]}"
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("share_type, kind", [("nfs", "nfs"), ("nfs", "nfs4"), ("smb", "cifs"),
                                              ("smb", "smb3")])
def test_mounted_share_becomes_the_store_by_itself(preload, share_type, kind):
    with Share(preload, pool([vm("web1", size_mib=2)], hosts=1), agents=False) as lab, \
            elsewhere(lab) as folder:
        lab.start_agent("h1")
        lab.set(share_type=share_type, lease_renew="1s")
        lab.wish("mountinfo", mountinfo_with(folder, kind))
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert list(lab.backups()) == ["web1"]
        lab.stop_agent("h1")


@pytest.mark.parametrize("share_type, kind", [("nfs", "cifs"), ("smb", "nfs4"), ("nfs", "ext4"),
                                              ("nfs", "autofs")])
def test_share_of_another_kind_is_not_written_to(preload, share_type, kind):
    with Share(preload, pool([vm("web1", size_mib=2)], hosts=1), agents=False) as lab, \
            elsewhere(lab) as folder:
        lab.set(share_type=share_type)
        lab.wish("mountinfo", mountinfo_with(folder, kind))
        done = lab.run()
        assert done.returncode == 5, done.stdout + done.stderr
        assert "init-store" in done.stderr
        assert list(folder.iterdir()) == []


def test_share_that_is_no_longer_mounted_is_not_written_to(preload):
    """What lay on the share is there (a copy, a mirror), the mount is not."""
    with Share(preload, pool([vm("web1", size_mib=2)], hosts=1), agents=False) as lab, \
            elsewhere(lab) as folder:
        lab.start_agent("h1")
        lab.wish("mountinfo", mountinfo_with(folder, "nfs4"))
        assert lab.run().returncode == 0
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        lab.wish("mountinfo", mountinfo_with(folder, "ext4"))
        done = lab.run()
        assert done.returncode == 5, done.stdout + done.stderr
        assert "ext4" in done.stderr and "mounted NFS share" in done.stderr
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
        lab.set(require_mount="no", lease_renew="1s")
        assert lab.run().returncode == 0
        lab.stop_agent("h1")


def test_place_that_onyxbackupvm_wrote_to_goes_on_being_used(preload):
    """Configuration and folders are brought along: a disk of its own, no share, no init-store."""
    with Share(preload, pool([vm("web1", size_mib=2)], hosts=1), agents=False) as lab, \
            elsewhere(lab) as folder:
        lab.start_agent("h1")
        files = put_old(lab, "web1", "a1b2c3d4-0000-4000-8000-000000000001", "20250101-010101")
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "OnyxBackupVM's backups are" in done.stdout + done.stderr
        assert set(files) <= set(lab.files())
        assert "accepted=" in (folder / ".onyxpool" / "store").read_text()
        lab.stop_agent("h1")


def test_place_that_init_store_accepted_stays_usable_and_is_noted(preload):
    with Share(preload, pool([vm("web1", size_mib=2)], hosts=1), agents=False) as lab, \
            elsewhere(lab) as folder:
        lab.start_agent("h1")
        assert lab.run().returncode == 5
        assert list(folder.iterdir()) == []
        lab.must("init-store", *lab.common(), "-d", folder)
        marker = (folder / ".onyxpool" / "store").read_text()
        kind = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True,
                              check=True).stdout.strip()
        assert f"accepted={kind}\n" in marker
        assert lab.run().returncode == 0
        again = lab.must("init-store", *lab.common(), "-d", folder)
        assert "nothing is changed" in again.stderr + again.stdout
        assert (folder / ".onyxpool" / "store").read_text() == marker
        lab.stop_agent("h1")


def test_unmounted_mount_point_is_not_written_to(preload):
    """Defect 7 of the scripts before us: mkdir on an unmounted share filled dom0's root, and what
    they left there must not make the place look right."""
    with Share(preload, pool([vm("web1", size_mib=2)], hosts=1), agents=False) as lab:
        point = lab.folder / "mnt"
        (point / "web1").mkdir(parents=True)
        (point / "web1" / "backup_20260101-000000.xva").write_bytes(b"x" * 1024)
        if os.stat(point).st_dev != os.stat("/").st_dev:
            pytest.skip("TEMPORARY FILES ARE NOT ON /: an unmounted mount point can't be made")
        for require in ("yes", "no"):
            lab.set(require_mount=require)
            done = lab.onyxpool("run", *lab.common(), "-c", lab.settings_file, "-d", point,
                                "--listen", lab.listen, "--install-dir", lab.folder)
            assert done.returncode == 5, done.stdout + done.stderr
            assert "mount" in done.stderr and "init-store" in done.stderr
        refused = lab.onyxpool("init-store", *lab.common(), "-d", point)
        assert refused.returncode == 5 and "--allow-root-fs" in refused.stderr
        assert sorted(path.name for path in point.rglob("*")) == [
            "backup_20260101-000000.xva", "web1"]


# ---- what SMB refuses ---------------------------------------------------------------------------


def test_share_with_the_limits_of_smb_takes_every_backup(preload):
    names = ["a/b", "x:y*?", "ends.", "CON", 'say "hi"', "pipe|less", "two  blanks ", "web1"]
    with Share(preload, pool([vm(name, size_mib=2) for name in names], hosts=1)) as lab:
        lab.wish("smb", "")
        lab.set(share_type="smb", lease_renew="1s")
        for _ in range(2):
            done = lab.run()
            assert done.returncode == 0, done.stdout + done.stderr
        assert sorted(map(len, lab.backups().values())) == [2] * len(names)
        refused = lab.wishes / "refused"
        assert not refused.exists(), refused.read_text()
        link = "import os, sys; fd = os.open(sys.argv[1], os.O_RDONLY); " \
            "os.link('store', 'hard', src_dir_fd=fd, dst_dir_fd=fd)"
        tried = subprocess.run([sys.executable, "-c", link, lab.store / ".onyxpool"], check=False,
                               env=lab.environment(), capture_output=True, text=True)
        assert tried.returncode != 0, tried.stderr
        assert refused.read_text() == "linkat\n"  # the share would have noticed
        lab.assert_clean()


# ---- shares that lack a call --------------------------------------------------------------------


@pytest.mark.parametrize("wishes", (
    {"renameat2": errno.EINVAL},  # NFS
    {"renameat2": errno.EINVAL, "linkat": errno.EPERM},
), ids=("no rename that does not replace", "no links either"))
def test_backup_is_published_where_the_share_lacks_a_call(preload, wishes):
    with Share(preload, small_and_large()) as lab:
        for name, why in wishes.items():
            lab.wish(name, str(why))
        done = lab.run("-e", "small")
        assert done.returncode == 0, done.stdout + done.stderr
        names = [path.name for path in (lab.store / "small").iterdir()]
        assert sorted(name.split(".", 1)[1] for name in names) == ["meta", "xva"], names
        lab.assert_clean()
