# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that others take for dead publishes after all; a name appears while it does.

The worker is held in front of a rename (tests/preload/pause.c), the folder is changed as somebody
else would change it, and the worker goes on. All orders of the calls themselves are tried by
tests/unit/common/store/test_settle_orders.c.
"""
import os
import pathlib
import subprocess

import pytest

from lab import Lab, build_preload, pool, preloaded, vm, wait_for

WHOLE = ("-e", "victim")
DISKS = ("-E", "victim:2:xvda;xvdb")


@pytest.fixture(scope="session")
def pause_library(tmp_path_factory):
    return build_preload("pause", tmp_path_factory.mktemp("pause"))


class Held(Lab):
    """A lab whose worker stops in front of its n-th rename."""

    def __init__(self, library, rename):
        disks = [{"device": name, "sr": "nfs1", "size_mib": 2, "content": {"seed": n, "fill": 0.6}}
                 for n, name in enumerate(("xvda", "xvdb"))]
        self.preload, self.rename = library, rename
        super().__init__(pool([vm("victim", disks=disks)], hosts=1), agents=False)

    def environment(self):
        return dict(super().environment(),
                    **preloaded(self.preload, ONYX_PAUSE=f"renameat {self.rename} {self.folder}"))

    def hold(self, what):
        self.start_agent("h1", "--slots", "1")
        running = self.start_run(*what)
        wait_for("the worker's rename", (self.folder / "reached").exists)
        return running

    def go_on(self, running):
        (self.folder / "go").touch()
        code = running.wait(200)
        job, = self.report()["jobs"]
        return code, job

    def settle(self):
        """As a cleanup does it."""
        tool = pathlib.Path(os.environ["ONYX_BUILD_DIR"]) / "tests" / "settle_folders"
        done = subprocess.run([tool], input=f"root {self.store}\n", text=True, capture_output=True,
                              check=True)
        assert "stray" not in done.stdout and "partial" not in done.stdout, done.stdout

    def in_folder(self):
        return sorted(path.name for path in (self.store / "victim").iterdir())

    def assert_pairs(self, n):
        names = self.in_folder()
        metas = [name for name in names if name.endswith(".meta")]
        assert len(metas) == n and len(names) == 2 * n, names
        self.assert_clean()


@pytest.mark.parametrize("rename", (1, 2))
def test_worker_whose_attempt_a_cleanup_has_ended_finds_its_backup(pause_library, rename):
    with Held(pause_library, rename) as lab:
        running = lab.hold(WHOLE)
        lab.settle()
        before = lab.in_folder()
        code, job = lab.go_on(running)
        assert code == 0 and job["state"] == "done" and job["attempts"] == 1
        assert lab.in_folder() == before
        # Behind the data's rename it can't be told from one that was done and answered as not done.
        assert rename == 2 or any("second try" in text for text in job["warnings"]), job
        lab.assert_pairs(1)


@pytest.mark.parametrize("rename", (1, 2, 3, 4))
def test_worker_of_disks_whose_attempt_a_cleanup_has_ended_finds_all(pause_library, rename):
    with Held(pause_library, rename) as lab:
        running = lab.hold(DISKS)
        lab.settle()
        code, job = lab.go_on(running)
        assert code == 0 and job["state"] == "done" and len(job["files"]) == 2
        lab.assert_pairs(2)


def test_worker_whose_meta_was_taken_away_leaves_nothing_and_is_repeated(pause_library):
    """As a cleanup of an older version did it: between the renames."""
    with Held(pause_library, 2) as lab:
        running = lab.hold(WHOLE)
        first, = (name for name in lab.in_folder() if name.endswith(".xva"))
        partial, = (lab.store / "victim").glob("*.meta.partial")
        partial.unlink()
        code, job = lab.go_on(running)
        assert code == 0 and job["state"] == "done" and job["attempts"] == 2
        assert first not in lab.in_folder()
        lab.assert_pairs(1)


def test_name_that_appears_before_the_rename_is_not_renamed_over(pause_library):
    with Held(pause_library, 1) as lab:
        running = lab.hold(WHOLE)
        partial, = (lab.store / "victim").glob("*.xva.*.partial")
        taken = lab.store / "victim" / (partial.name.split(".xva.")[0] + ".xva")
        taken.write_text("somebody's")
        code, job = lab.go_on(running)
        assert code == 0 and job["state"] == "done" and job["attempts"] == 2
        assert taken.read_text() == "somebody's"
        taken.unlink()
        lab.assert_pairs(1)
