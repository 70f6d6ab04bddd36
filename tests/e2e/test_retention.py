# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention: what goes after a success and what never does, on real files in a real folder."""
import json
import os

import pytest

from lab import Lab, pool, vm


def names(lab, folder):
    """Data files of a folder, oldest first (stems tell the time)."""
    return sorted(path.name for path in (lab.store / folder).glob("*.xva"))


def run_times(lab, times, *args):
    for _ in range(times):
        done = lab.run(*args)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def lab():
    with Lab(pool([vm("web1", size_mib=2), vm("web2", size_mib=2)], hosts=1)) as one:
        yield one


def test_the_oldest_goes_when_one_more_than_max_backups_is_there(lab):
    run_times(lab, 3, "-e", "web1:2")
    kept = names(lab, "web1")
    assert len(kept) == 2
    assert lab.files() == sorted(f"web1/{name}" for stem in kept for name in
                                 (stem, stem.replace(".xva", ".meta")))
    lab.assert_clean()
