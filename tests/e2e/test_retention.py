# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention: what goes after a success and what never does, on real files in a real folder."""
import json
import os
import pathlib
import sqlite3
import subprocess

import pytest

from lab import BIN, Lab, build_preload, pool, preloaded, vm, wait_for


def names(lab, folder):
    """Data files of a folder, oldest first (stems tell the time)."""
    return sorted(path.name for path in (lab.store / folder).iterdir()
                  if path.suffix in (".xva", ".raw", ".vhd"))


def metas(lab, folder):
    return sorted(path.name for path in (lab.store / folder).glob("*.meta"))


def run_times(lab, times, *args):
    for _ in range(times):
        done = lab.run(*args)
        assert done.returncode == 0, done.stdout + done.stderr


def prune(lab, *args):
    """Exit status and the JSON of a prune."""
    done = lab.onyxpool("prune", *lab.run_args("--json", *args))
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def verdicts(lab, folder, *args):
    """Rule of each backup by file, as prune --dry-run --explain tells it."""
    _, told = prune(lab, "--dry-run", *args)
    found = [one for one in told["folders"] if one["folder"] == folder]
    assert len(found) == 1, told
    return {one["file"]: one["rule"] for one in found[0]["backups"]}


def assert_pairs(lab, folder, count):
    """Data and .meta, pair by pair, and nothing else: what OnyxBackupVM's rotation wants to see."""
    data = names(lab, folder)
    assert len(data) == count, data
    assert metas(lab, folder) == [name.rsplit(".", 1)[0] + ".meta" for name in data]
    assert len(list((lab.store / folder).iterdir())) == 2 * count


def old_rotation(folder, max_backups):
    """OnyxBackupVM's own rule: what it would remove from a folder, or its refusal.

    It sorts all files of the folder by their time, refuses an odd count, and keeps the newest
    max_backups pairs of data and .meta.
    """
    files = sorted(folder.iterdir(), key=lambda path: (path.stat().st_mtime, path.name))
    if len(files) % 2:
        raise AssertionError(f"odd count: {[path.name for path in files]}")
    return [path.name for path in files[:max(0, len(files) - 2 * max_backups)]]


def change_catalog(lab, text, *values):
    """What years would bring, or bad luck."""
    with sqlite3.connect(lab.catalog) as db:
        db.execute(text, values)
    db.close()


@pytest.fixture
def lab():
    with Lab(pool([vm("web1", size_mib=2), vm("web2", size_mib=2)], hosts=1)) as one:
        yield one


def test_the_oldest_goes_when_one_more_than_max_backups_is_there(lab):
    run_times(lab, 2, "-e", "web1:2")
    first, second = names(lab, "web1")
    run_times(lab, 1, "-e", "web1:2")
    kept = names(lab, "web1")
    assert len(kept) == 2 and first not in kept and second in kept
    assert_pairs(lab, "web1", 2)
    sums = (lab.store / ".onyxpool" / "SHA256SUMS").read_text()
    assert sorted(line.split("  ")[1] for line in sums.splitlines()) == \
        [f"web1/{name}" for name in kept]
    subprocess.run(["sha256sum", "-c", "--quiet", ".onyxpool/SHA256SUMS"], cwd=lab.store, check=True)
    listed = json.loads(lab.must("list", "--catalog", lab.catalog, "--json").stdout)["backups"]
    assert sorted(one["file"] for one in listed) == kept
    everything = json.loads(
        lab.must("list", "--catalog", lab.catalog, "--json", "--all").stdout)["backups"]
    assert [one["file"] for one in everything if one["state"] == "expired"] == [first]
    lab.assert_clean()


def test_each_vm_has_a_count_of_its_own(lab):
    run_times(lab, 3, "-e", "web1:1", "-e", "web2:2")
    assert_pairs(lab, "web1", 1)
    assert_pairs(lab, "web2", 2)


def test_touched_files_do_not_outlive_newer_ones(lab):
    run_times(lab, 2, "-e", "web1:2")
    first, second = names(lab, "web1")
    for name in (first, first.replace(".xva", ".meta")):
        os.utime(lab.store / "web1" / name, (4e9, 4e9))
    run_times(lab, 1, "-e", "web1:2")
    assert first not in names(lab, "web1") and second in names(lab, "web1")


def test_failed_runs_neither_count_nor_expire_anything(lab):
    lab.set(attempts=1)
    run_times(lab, 1, "-e", "web1:1")
    good = names(lab, "web1")
    for _ in range(3):
        lab.fault(method="VM.snapshot", count=0,
                  error=["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""])
        assert lab.run("-e", "web1:1").returncode == 1
        assert names(lab, "web1") == good
        lab.sim.control("fault.clear")
    assert_pairs(lab, "web1", 1)
    run_times(lab, 1, "-e", "web1:1")
    assert_pairs(lab, "web1", 1)
    assert names(lab, "web1") != good


def test_an_odd_file_in_the_folder_stops_nothing_and_stays(lab):
    run_times(lab, 1, "-e", "web1:1")
    odd = lab.store / "web1" / "backup_20200101-000000.xva"
    odd.write_bytes(b"from a failed export of another tool")
    run_times(lab, 2, "-e", "web1:1")
    assert odd.exists()
    assert len(names(lab, "web1")) == 2


def test_nothing_goes_when_the_newer_copy_is_gone_from_the_share(lab):
    """Two witnesses: the catalog alone is not believed."""
    run_times(lab, 2, "-e", "web1:9")
    first, second = names(lab, "web1")
    (lab.store / "web1" / second).unlink()
    status, told = prune(lab, "-e", "web1:1")
    assert status == 1 and told["removed"] == []
    assert "nothing was removed" in told["failed"][0]
    assert names(lab, "web1") == [first]


def test_pinned_ones_stay(lab):
    run_times(lab, 1, "-e", "web1:1")
    pinned = names(lab, "web1")[0]
    place = ["--catalog", lab.catalog, "-d", lab.store]
    told = lab.must("pin", "web1", *place, "--json").stdout
    assert json.loads(told) == {"backup": f"web1/{pinned}", "pinned": True}
    run_times(lab, 2, "-e", "web1:1")
    assert pinned in names(lab, "web1")
    assert_pairs(lab, "web1", 2)
    assert verdicts(lab, "web1", "-e", "web1:1")[pinned] == "pinned"
    for path in lab.folder.glob("catalog.db*"):
        path.unlink()
    lab.must("adopt", *place)  # the store knows it too
    run_times(lab, 1, "-e", "web1:1")
    assert pinned in names(lab, "web1")
    lab.must("unpin", f"web1/{pinned}", *place)
    run_times(lab, 1, "-e", "web1:1")
    assert pinned not in names(lab, "web1")
    assert lab.onyxpool("pin", f"web1/{pinned}", *place).returncode == 1
    assert lab.onyxpool("pin", "web9", *place).returncode == 1


def test_a_lost_catalog_is_told_and_runs_before_its_adoption_unpin_nothing(lab):
    run_times(lab, 1, "-e", "web1:1")
    pinned = names(lab, "web1")[0]
    place = ["--catalog", lab.catalog, "-d", lab.store]
    lab.must("pin", "web1", *place)
    run_times(lab, 1, "-e", "web1:1")
    assert lab.report()["warnings"] == []
    for path in lab.folder.glob("catalog.db*"):
        path.unlink()
    run_times(lab, 1, "-e", "web1:1")
    assert any("`onyxpool adopt`" in text for text in lab.report()["warnings"])
    lab.must("adopt", *place)
    run_times(lab, 2, "-e", "web1:1")
    assert lab.report()["warnings"] == []
    assert verdicts(lab, "web1", "-e", "web1:1")[pinned] == "pinned"
    lab.must("unpin", f"web1/{pinned}", *place)
    run_times(lab, 1, "-e", "web1:1")
    assert names(lab, "web1") != [] and pinned not in names(lab, "web1")


def test_pinning_while_a_run_goes_on(lab):
    run_times(lab, 1, "-e", "web1:1")
    pinned = names(lab, "web1")[0]
    held = lab.fault(action="stall", stream="export", at_byte=1 << 20)
    running = lab.start_run("-e", "web1:1")
    lab.wait_held(held)
    lab.must("pin", f"web1/{pinned}", "--catalog", lab.catalog, "-d", lab.store)
    lab.sim.control("fault.release", id=held)
    assert running.wait(120) == 0
    assert pinned in names(lab, "web1")
    assert (lab.store / ".onyxpool/state/pinned").read_text() == f"web1/{pinned}\n"


def test_the_last_proven_one_stays_whatever_the_count_says(lab):
    run_times(lab, 2, "-e", "web1:9")
    first, second = names(lab, "web1")
    change_catalog(lab, "UPDATE backup SET state = 4 WHERE file = ?", second)  # damaged
    assert verdicts(lab, "web1", "-e", "web1:1")[first] != "beyond max_backups and kept by no rule"
    status, told = prune(lab, "-e", "web1:1")
    assert status == 0 and told["removed"] == []
    assert names(lab, "web1") == [first, second]


def test_at_most_expire_max_go_in_one_run(lab):
    run_times(lab, 6, "-e", "web1:9")
    oldest = names(lab, "web1")
    _, told = prune(lab, "-e", "web1:1")
    assert told["removed"] == [f"web1/{name}" for name in oldest[:3]]
    _, told = prune(lab, "-e", "web1:1")
    assert told["removed"] == [f"web1/{name}" for name in oldest[3:5]]
    assert_pairs(lab, "web1", 1)
    lab.assert_clean()


def test_dry_run_changes_nothing_and_explains_each(lab):
    run_times(lab, 3, "-e", "web1:9")
    files, oldest = lab.files(), names(lab, "web1")[0]
    done = lab.must("prune", *lab.run_args("--dry-run", "--explain", "-e", "web1:2"))
    assert lab.files() == files
    assert f"goes  {oldest}" in done.stdout
    assert done.stdout.count("stays backup_") == 2
    assert "among the newest max_backups files" in " ".join(done.stdout.split())
    assert "1 backup, " in done.stdout and "would go" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_orphans_are_listed_and_never_removed(lab):
    run_times(lab, 2, "-e", "web1:9")
    before = lab.files()
    change_catalog(lab, "UPDATE backup SET vm_uuid = '11111111-2222-3333-4444-555555555555'")
    status, told = prune(lab, "-e", "web1:1")
    assert status == 0 and told["removed"] == []
    assert [one["orphan"] for one in told["folders"]] == [True]
    assert lab.files() == before
    done = lab.must("prune", *lab.run_args("--dry-run"))
    assert "Orphan: web1, 2 backups" in done.stdout


def test_prune_of_an_unknown_vm_says_so(lab):
    run_times(lab, 1, "-e", "web1")
    done = lab.onyxpool("prune", *lab.run_args("--dry-run", "web9"))
    assert done.returncode == 1 and "no backup of web9" in done.stderr


def test_keep_daily_keeps_the_newest_of_each_day(lab):
    run_times(lab, 3, "-e", "web1:9")
    kept = names(lab, "web1")
    for days, name in ((2, kept[0]), (1, kept[1])):
        change_catalog(lab, "UPDATE backup SET snapshot_at = snapshot_at - ? WHERE file = ?",
                       days * 86400 * 1000, name)
    lab.set(keep_daily=2)
    told = verdicts(lab, "web1", "-e", "web1:1")
    assert told[kept[1]] == "keep_daily"
    assert told[kept[0]] == "beyond max_backups and kept by no rule"


def age(lab, files, days):
    for name, back in zip(files, days):
        change_catalog(lab, "UPDATE backup SET snapshot_at = snapshot_at - ? WHERE file = ?",
                       back * 86400 * 1000, name)


def because(lab, *args):
    _, told = prune(lab, "--dry-run", *args)
    return {f"{folder['folder']}/{one['file']}": one["because"]
            for folder in told["folders"] for one in folder["backups"]}


def test_numbers_of_single_vms_go_before_the_global_ones(lab):
    lab.set(keep_daily=1)
    run_times(lab, 3, "-e", "web1:9", "-e", "web2:9")
    first, second = names(lab, "web1"), names(lab, "web2")
    for kept in (first, second):
        age(lab, kept, (2, 1, 0))
    lab.set(keep_daily=1, keep="web2:daily=3;yearly=1, web.*:max_backups=2")
    told = verdicts(lab, "web1", "-e", "web.*")
    assert list(told.values()).count("among the newest max_backups files") == 2
    told = verdicts(lab, "web2", "-e", "web.*:1")
    assert [told[name] for name in second] == \
        ["keep_daily", "keep_daily", "among the newest max_backups files"]
    why = because(lab, "-e", "web.*:1")
    assert why[f"web2/{second[0]}"] == "keep_daily = 3 (keep: web2:daily=3;yearly=1)"
    assert why[f"web2/{second[2]}"] == "max_backups = 1 (vm_exports: web.*:1)"
    assert because(lab, "-e", "web.*")[f"web1/{first[0]}"] == \
        "max_backups = 2 (keep: web.*:max_backups=2)"
    text = lab.must("prune", *lab.run_args("--dry-run", "--explain", "-e", "web.*")).stdout
    assert "max_backups = 2 (keep: web.*:max_backups=2)" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
    # And a run goes by the same numbers.
    run_times(lab, 1, "-e", "web.*:1")
    assert set(second[:2]) < set(names(lab, "web2"))
    assert len(names(lab, "web1")) == 1 and first[0] not in names(lab, "web1")


def test_a_vm_that_is_no_longer_selected_goes_on_being_kept_by_its_entry(lab):
    run_times(lab, 3, "-e", "web1:9")
    kept = names(lab, "web1")
    age(lab, kept, (2, 1, 0))
    lab.set(keep="web1:daily=3;max_backups=1")
    _, told = prune(lab, "-e", "web2")
    assert told["removed"] == [] and names(lab, "web1") == kept


def test_where_a_global_number_stands_is_told(lab):
    run_times(lab, 3, "-e", "web1:9")
    kept = names(lab, "web1")
    age(lab, kept, (2, 1, 0))
    lab.set(keep_daily=2)
    assert because(lab, "-e", "web1:1")[f"web1/{kept[1]}"] == \
        f"keep_daily = 2 ({lab.settings_file} line 5)"
    lab.set()
    assert because(lab)[f"web1/{kept[2]}"] == "max_backups = 4 (default)"


def test_preview_shows_the_numbers_and_their_entry(lab):
    lab.set(keep="web2:daily=7;weekly=4")
    told = json.loads(lab.must("preview", *lab.run_args("--json")).stdout)
    keep = {job["name"]: job["keep"] for job in told["plan"]["jobs"]}
    assert keep["web2"] == {"by": "keep: web2:daily=7;weekly=4", "max_backups": 4,
                            "keep_copies": 1, "keep_last": 0, "keep_daily": 7, "keep_weekly": 4,
                            "keep_monthly": 0, "keep_yearly": 0}
    assert keep["web1"]["by"] is None and keep["web1"]["keep_daily"] == 0
    text = lab.must("preview", *lab.run_args()).stdout
    assert "keeps 4, daily 7, weekly 4 (keep: web2:daily=7;weekly=4)" in " ".join(text.split())
    assert text.count("; keeps") == 1 and max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("command", ["run", "preview", "prune"])
def test_a_bad_keep_entry_is_an_error_that_says_where(lab, command):
    """Passed over, what it was to keep would go."""
    lab.set(keep="web1:daily=7d")
    done = lab.onyxpool(command, *lab.run_args())
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert f"{lab.settings_file} line 5: keep: entry \"web1:daily=7d\"" in said
    assert "from 0 to 100000" in said


def test_what_an_earlier_expire_began_the_next_run_ends(lab):
    run_times(lab, 2, "-e", "web1:9")
    first, second = names(lab, "web1")
    meta = lab.store / "web1" / first.replace(".xva", ".meta")
    meta.rename(meta.with_name(meta.name + ".expired"))
    assert len(list((lab.store / "web1").iterdir())) == 4
    run_times(lab, 1, "-e", "web1:2")
    assert first not in names(lab, "web1")
    assert_pairs(lab, "web1", 2)


STEPS = [("renameat", 1), ("fsync", 1), ("unlinkat", 1), ("fsync", 2), ("unlinkat", 2), ("fsync", 3)]


@pytest.fixture(scope="module")
def pause_library(tmp_path_factory):
    return build_preload("pause", tmp_path_factory.mktemp("pause"))


def start_pausing_agent(lab, library, step):
    """An agent whose worker stops in front of the n-th call of a function."""
    folder = lab.folder / "pause"
    folder.mkdir()
    old = dict(os.environ)
    try:
        os.environ.update(preloaded(library, ONYX_PAUSE=f"{step[0]} {step[1]} {folder}"))
        lab.start_agent("h1")
    finally:
        os.environ.clear()
        os.environ.update(old)
    return folder


def start_prune(lab, *args):
    with open(lab.folder / "prune.log", "w") as log:
        process = subprocess.Popen(
            [str(BIN / "onyxpool"), "prune", *map(str, lab.run_args(*args))], stdout=log,
            stderr=log, stdin=subprocess.DEVNULL, env=lab.environment())
    lab.commands.append(process)
    return process


@pytest.mark.parametrize("everything", [False, True], ids=["worker", "everything"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[0]}-{step[1]}")
def test_kill_9_in_mid_expire(step, everything, pause_library):
    with Lab(pool([vm("web1", size_mib=2)], hosts=1), agents=False) as lab:
        lab.set(lost=2, lease_renew="1", backoff="1")
        lab.start_agent("h1")
        run_times(lab, 2, "-e", "web1:9")
        first, second = names(lab, "web1")
        lab.stop_agent("h1")
        folder = start_pausing_agent(lab, pause_library, step)
        pruning = start_prune(lab, "-e", "web1:1")
        wait_for("the step", (folder / "reached").exists)
        if everything:
            for process in (pruning, lab.agents.pop("h1")):
                process.kill()
                process.wait()
        lab_left = {path.name for path in (lab.store / "web1").iterdir()}
        stem = first.rsplit(".", 1)[0]
        assert first not in lab_left or {f"{stem}.meta", f"{stem}.meta.expired"} & lab_left
        if everything:
            (folder / "go").touch()  # the orphan worker sees its agent's end
            lab.commands.remove(pruning)
            lab.start_agent("h1")
            status, told = prune(lab, "-e", "web1:1")
            assert status == 0, told
        else:
            lab.kill_workers("h1")
            (folder / "go").touch()
            assert pruning.wait(120) == 0, (lab.folder / "prune.log").read_text()
        assert names(lab, "web1") == [second]
        assert_pairs(lab, "web1", 1)
        listed = json.loads(lab.must("list", "--catalog", lab.catalog, "--json").stdout)
        assert [one["file"] for one in listed["backups"]] == [second]


def test_a_run_killed_in_mid_expire_is_continued_and_ends_it(pause_library):
    with Lab(pool([vm("web1", size_mib=2)], hosts=1), agents=False) as lab:
        lab.set(lost=2, lease_renew="1", backoff="1")
        lab.start_agent("h1")
        run_times(lab, 1, "-e", "web1:1")
        first = names(lab, "web1")[0]
        lab.stop_agent("h1")
        folder = start_pausing_agent(lab, pause_library, ("unlinkat", 1))
        running = lab.start_run("-e", "web1:1")
        wait_for("the step", (folder / "reached").exists)
        for process in (running, lab.agents.pop("h1")):
            process.kill()
            process.wait()
        lab.commands.remove(running)
        (folder / "go").touch()
        lab.start_agent("h1")
        done = lab.run("-e", "web1:1")
        assert done.returncode == 0, done.stderr
        assert first not in names(lab, "web1")
        assert_pairs(lab, "web1", 1)
        assert len(lab.report()["removed"]) == 1
        lab.assert_clean()


def test_whole_and_single_disk_exports_share_one_count():
    disks = [{"device": name, "sr": "nfs1", "size_mib": 2, "content": {"seed": n, "fill": 0.6}}
             for n, name in enumerate(("xvda", "xvdb"))]
    with Lab(pool([vm("web1", disks=disks)], hosts=1)) as lab:
        run_times(lab, 1, "-e", "web1:3")
        whole = names(lab, "web1")[0]
        run_times(lab, 1, "-E", "web1:3:xvda;xvdb")
        assert_pairs(lab, "web1", 3)
        second = set(names(lab, "web1")) - {whole}
        run_times(lab, 1, "-E", "web1:3:xvda;xvdb")
        kept = names(lab, "web1")
        assert whole not in kept and len(kept) == 3 and len(second & set(kept)) == 1
        assert_pairs(lab, "web1", 3)
        assert old_rotation(lab.store / "web1", 3) == []
        done = lab.run("-E", "web1:1:xvda;xvdb")
        assert done.returncode == 0
        # Two disks are one copy: the last one stays whole, and that is said.
        assert len(names(lab, "web1")) == 2
        assert "last proven backup never goes" in " ".join(done.stdout.split())
        stems = {name.split("_", 2)[2].rsplit(".", 1)[0] for name in names(lab, "web1")}
        metadata = list((lab.store / ".onyxpool" / "metadata" / "web1").glob("*.xva"))
        assert len(stems) == 1 and len(metadata) == 1
        lab.assert_clean()


def test_onyxbackupvms_own_rotation_finds_nothing_to_do_in_our_folders(lab):
    """Its rule: all files by time, even count, max_backups pairs. It would remove nothing."""
    run_times(lab, 4, "-e", "web1:2", "-e", "web2:3")
    assert old_rotation(lab.store / "web1", 2) == []
    assert old_rotation(lab.store / "web2", 3) == []
    # And where it is told to keep fewer, it takes whole pairs, the oldest.
    oldest = names(lab, "web2")[0]
    assert sorted(old_rotation(lab.store / "web2", 2)) == \
        sorted([oldest, oldest.replace(".xva", ".meta")])
