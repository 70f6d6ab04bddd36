# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups read back: what is whole is proven, what is not is damaged, told, and protects nothing."""
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3

import pytest

from lab import Lab, pool, vm
from test_adopt import OLD_META, adopt
from test_retention import names, prune, run_times

VDI = """---- VDI ----
name_label=disk
name_description=
virtual_size={size}
type=user
sharable=False
read_only=False
orig_uuid=21111111-2222-3333-4444-555555555555
orig_sr_uuid=31111111-2222-3333-4444-555555555555
"""


def verify(lab, *args, status=0):
    done = lab.onyxpool("verify", *lab.run_args("--json", *args))
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def rows(lab):
    listed = json.loads(lab.must("list", "--catalog", lab.catalog, "--json").stdout)["backups"]
    return {f"{one['folder']}/{one['file']}": one for one in listed}


def show(lab, path):
    return json.loads(lab.must("show", "--catalog", lab.catalog, "--json", path).stdout)


def flip(path):
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def cut(path):
    os.truncate(path, os.path.getsize(path) - 512)


def lengthen(path):
    with open(path, "ab") as file:
        file.write(bytes(1024))


def remove(path):
    path.unlink()


def remove_meta(path):
    path.with_suffix(".meta").unlink()


def spoil_meta(path):
    meta = path.with_suffix(".meta")
    meta.write_text(meta.read_text().replace("onyxpool_end=1", ""))


def put_old(lab, data, stamp, name="web1", suffix="xva", vdi=""):
    """A backup as OnyxBackupVM leaves it, of genuine data; gives its path in the store."""
    folder = lab.store / name
    folder.mkdir(exist_ok=True)
    path = folder / f"backup_{stamp}.{suffix}"
    if isinstance(data, pathlib.Path):
        shutil.copy(data, path)
    else:
        path.write_bytes(data)
    uuid = lab.records("VM")[lab.vm_ref(name)]["uuid"]
    meta = path.with_name(f"backup_{stamp}.meta")
    meta.write_text(OLD_META.format(name=name, uuid=uuid) + vdi)
    return f"{name}/{path.name}"


@pytest.fixture
def lab():
    with Lab(pool([vm("web1", size_mib=3), vm("web2", size_mib=3)], hosts=2)) as one:
        yield one


@pytest.fixture(scope="module")
def kinds():
    """A store with a backup of each kind."""
    disks = [{"device": "xvda", "sr": "nfs1", "size_mib": 3, "content": {"seed": 4, "fill": 0.6}}]
    with Lab(pool([vm("web1", size_mib=3), vm("web2", size_mib=3), vm("db1", disks=disks)],
                  hosts=2)) as lab:
        assert lab.run("-e", "web1", "-E", "db1", "-p", "-H").returncode == 0
        assert lab.run("-e", "web1", "-C", "-E", "db1", "-F", "vhd").returncode == 0
        assert lab.run("-e", "web2", "--compress=zstd").returncode == 0
        yield lab


def test_every_kind_of_file_is_read_back_and_proven(kinds):
    lab = kinds
    before = lab.files()
    told = verify(lab, "--all")
    proofs = {job["name"].split("/")[1].split(".", 1)[1]: job["files"][0]["proof"]
              for job in told["jobs"]}
    assert proofs == {"xva": "blocks", "xva.gz": "blocks", "xva.zst": "blocks", "raw": "length",
                      "vhd": "structure", "db": "rows", "xbk": "archive"}
    assert {job["kind"] for job in told["jobs"]} == {"verify"}
    assert told["totals"]["verified"] == len(rows(lab)) == 8 and told["totals"]["damaged"] == 0
    assert all(row["state"] == "proven" and row["verified_at"] for row in rows(lab).values())
    assert lab.files() == before
    lab.assert_clean()


@pytest.mark.parametrize("suffix", ["xva", "xva.gz", "xva.zst", "raw", "vhd", "db", "xbk"])
def test_a_flipped_bit_is_found_in_every_kind(kinds, suffix):
    lab = kinds
    path = next(path for path in rows(lab) if path.split(".", 1)[1] == suffix)
    file = lab.store / path
    good = file.read_bytes()
    try:
        flip(file)
        told = verify(lab, path, status=1)
        assert told["totals"]["damaged"] == 1
        assert rows(lab)[path]["state"] == "damaged"
    finally:
        file.write_bytes(good)
    verify(lab, path)
    assert rows(lab)[path]["state"] == "proven"


@pytest.mark.parametrize("place", ["data", "hole"])
def test_a_raw_file_without_sha256_is_held_against_the_digest_that_it_has(place):
    """Written from a VHD: its .meta has sparse_xxh128 alone."""
    disks = [{"device": "xvda", "sr": "nfs1", "size_mib": 16, "content": {"seed": 3, "fill": 0.1}}]
    with Lab(pool([vm("db1", disks=disks)], hosts=1)) as lab:
        lab.set(raw_source="vhd")
        assert lab.run("-E", "db1").returncode == 0
        path, = rows(lab)
        file = lab.store / path
        assert "sha256=" not in file.with_suffix(".meta").read_text()
        good = file.read_bytes()
        at = next(at for at in range(0, len(good), 65536)
                  if any(good[at:at + 65536]) == (place == "data"))
        with open(file, "r+b") as out:
            out.seek(at)
            out.write(bytes([good[at] ^ 1]))
        told = verify(lab, path, status=1)
        assert "its .meta says" in told["jobs"][0]["reason"]
        assert rows(lab)[path]["state"] == "damaged"
        assert not (lab.store / ".onyxpool" / "SHA256SUMS").exists()
        file.write_bytes(good)
        verify(lab, path)
        row = rows(lab)[path]
        sha256 = hashlib.sha256(good).hexdigest()
        assert row["state"] == "proven" and row["sha256"] == sha256
        sums = (lab.store / ".onyxpool" / "SHA256SUMS").read_text()
        assert sums == f"{sha256}  {path}\n"
        lab.assert_clean()


@pytest.mark.parametrize("spoil, said", [
    (flip, "gives"), (cut, "bytes, not"), (lengthen, "bytes, not"), (remove, "the file is not there"),
    (remove_meta, "its .meta is not there"), (spoil_meta, "its .meta can't be read")],
    ids=lambda one: getattr(one, "__name__", ""))
def test_damage_is_told_loudly_and_the_damaged_one_protects_nothing(lab, spoil, said):
    run_times(lab, 2, "-e", "web1:9")
    first, second = names(lab, "web1")
    spoil(lab.store / "web1" / second)
    done = lab.onyxpool("verify", *lab.run_args("web1"))
    text = " ".join(done.stdout.split())
    assert done.returncode == 1
    assert "DAMAGED BACKUPS" in text and f"web1/{second} is damaged" in text and said in text
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert rows(lab)[f"web1/{second}"]["state"] == "damaged"
    assert said in show(lab, f"web1/{second}")["verified_text"]
    assert rows(lab)[f"web1/{first}"]["state"] == "proven"
    # Two hosts have read it, and agreed.
    report = lab.report()
    assert [job["attempts"] for job in report["jobs"] if job["state"] == "failed"] == [2]
    _, told = prune(lab, "-e", "web1:1")
    assert told["removed"] == [] and first in names(lab, "web1")
    shown = lab.must("prune", *lab.run_args("--dry-run", "--explain", "-e", "web1:1")).stdout
    of = {name: shown.split(f"stays {name}", 1)[1].split("stays", 1)[0] for name in (first, second)}
    assert "damaged and not counted" in " ".join(of[second].split())
    assert "damaged" not in of[first]
    state = (lab.store / ".onyxpool/state/verified/web1").read_text()
    assert f"{second}\tdamaged\t" in state and f"{first}\tproven\t" in state
    lab.assert_clean()


def test_a_file_of_another_backup_in_its_place_is_found(lab):
    run_times(lab, 2, "-e", "web1:9")
    first, second = names(lab, "web1")
    folder = lab.store / "web1"
    shutil.copy(folder / first, folder / second)
    told = verify(lab, f"web1/{second}", status=1)
    assert told["totals"]["damaged"] == 1
    (folder / second).write_bytes(bytes(rows(lab)[f"web1/{second}"]["size"]))
    shutil.copy((folder / first).with_suffix(".meta"), (folder / second).with_suffix(".meta"))
    told = verify(lab, f"web1/{second}", status=1)
    assert "its .meta is that of another backup" in told["jobs"][0]["reason"]


def test_a_changed_file_whose_meta_was_changed_too_is_found_by_the_catalog(lab):
    run_times(lab, 1, "-e", "web1")
    run_times(lab, 1, "-e", "web2")
    mine, other = names(lab, "web1")[0], names(lab, "web2")[0]
    ours, theirs = lab.store / "web1" / mine, lab.store / "web2" / other
    sums = [rows(lab)[path]["sha256"] for path in (f"web1/{mine}", f"web2/{other}")]
    size = [str(path.stat().st_size) for path in (ours, theirs)]
    shutil.copy(theirs, ours)
    meta = ours.with_suffix(".meta")
    stream = [line for line in theirs.with_suffix(".meta").read_text().splitlines()
              if line.startswith("stream_")]
    text = meta.read_text().replace(sums[0], sums[1]).replace(f"={size[0]}\n", f"={size[1]}\n")
    for line in stream:
        key = line.split("=")[0]
        text = "\n".join(line if old.startswith(f"{key}=") else old for old in text.split("\n"))
    meta.write_text(text)
    told = verify(lab, f"web1/{mine}", status=1)
    reason = told["jobs"][0]["reason"]
    assert "the catalog says" in reason or "bytes, not" in reason


def test_sums_that_alone_say_otherwise_are_a_warning_and_mended(lab):
    run_times(lab, 1, "-e", "web1")
    sums = lab.store / ".onyxpool" / "SHA256SUMS"
    good = sums.read_text()
    sums.write_text("0" * 64 + good[64:])
    told = verify(lab, "--all")
    assert any("SHA256SUMS has another sha256" in text for text in told["jobs"][0]["warnings"])
    assert sums.read_text() == good


def test_adopted_ones_are_queued_and_the_next_run_proves_them(lab):
    run_times(lab, 1, "-e", "web1")
    genuine = lab.store / "web1" / names(lab, "web1")[0]
    cut_one = genuine.read_bytes()[:-2048]
    good = put_old(lab, genuine, "20260101-010203")
    bad = put_old(lab, cut_one, "20260102-010203")
    raw = put_old(lab, bytes(3 << 20), "20260103-010203", suffix="raw",
                  vdi=VDI.format(size=3 << 20))
    short = put_old(lab, bytes(2 << 20), "20260104-010203", suffix="raw",
                    vdi=VDI.format(size=3 << 20))
    bare = put_old(lab, bytes(1 << 20), "20260105-010203", suffix="raw")
    old = [good, bad, raw, short, bare]
    assert sorted(adopt(lab)["found"]) == sorted(old)
    assert {path for path, row in rows(lab).items() if row["verify_queued"]} == set(old)
    text = lab.must("list", "--catalog", lab.catalog).stdout
    assert text.count("(verify queued)") == 5
    assert "5 backups wait to be verified" in lab.must("status", "--catalog", lab.catalog).stdout
    plan = json.loads(lab.must("preview", *lab.run_args("--json", "-e", "web2")).stdout)["plan"]
    assert [job["kind"] for job in plan["jobs"]].count("verify") == 5
    done = lab.run("-e", "web2", "--json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["totals"]["verified"] == 3 and report["totals"]["damaged"] == 2
    assert report["totals"]["done"] == report["totals"]["jobs"] == 1
    states = {path: rows(lab)[path]["state"] for path in old}
    assert states == {good: "proven", bad: "damaged", raw: "proven", short: "damaged",
                      bare: "found"}
    assert show(lab, good)["proof"] == "blocks" and show(lab, raw)["proof"] == "length"
    assert "does not tell its size" in show(lab, bare)["verified_text"]
    assert not any(row["verify_queued"] for row in rows(lab).values())
    assert lab.run("-e", "web2").returncode == 0
    # Its digest is known from now on: a bit that flips later is seen.
    flip(lab.store / bare)
    told = verify(lab, bare, status=1)
    assert "the catalog says" in told["jobs"][0]["reason"]
    lab.assert_clean()


def test_an_adopted_one_that_was_proven_stands_for_older_ones(lab):
    run_times(lab, 1, "-e", "web1")
    genuine = (lab.store / "web1" / names(lab, "web1")[0]).read_bytes()
    for path in (lab.store / "web1").iterdir():
        path.unlink()
    for path in lab.folder.glob("catalog.db*"):
        path.unlink()
    put_old(lab, genuine, "20260101-010203")
    new = put_old(lab, genuine, "20260102-010203")
    adopt(lab)
    _, told = prune(lab, "-e", "web1:1")
    assert told["removed"] == []
    verify(lab)
    _, told = prune(lab, "-e", "web1:1")
    assert told["removed"] == ["web1/backup_20260101-010203.xva"]
    assert names(lab, "web1") == [new.split("/")[1]]


def test_a_run_takes_no_more_along_than_verify_max(lab):
    run_times(lab, 1, "-e", "web1")
    genuine = lab.store / "web1" / names(lab, "web1")[0]
    old = [put_old(lab, genuine, f"2026010{day}-010203") for day in (1, 2, 3)]
    adopt(lab)
    lab.set(verify_max=2)
    assert lab.run("-e", "web2").returncode == 0
    assert [path for path in old if rows(lab)[path]["state"] == "found"] == [old[0]]
    lab.set(verify_max=0)
    assert lab.run("-e", "web2").returncode == 0
    assert rows(lab)[old[0]]["verify_queued"]
    verify(lab)
    assert rows(lab)[old[0]]["state"] == "proven"
    done = lab.must("verify", *lab.run_args())
    assert "No backup waits to be verified" in done.stdout


def test_only_those_that_were_not_looked_at_for_long(lab):
    run_times(lab, 2, "-e", "web1:9")
    first, second = names(lab, "web1")
    with sqlite3.connect(lab.catalog) as db:
        db.execute("UPDATE backup SET finished_at = finished_at - ? WHERE file = ?",
                   (40 * 86400 * 1000, first))
    db.close()
    assert [job["name"] for job in verify(lab, "--older-than", "30d")["jobs"]] == [f"web1/{first}"]
    assert verify(lab, "--older-than", "30d")["jobs"] == []
    assert len(verify(lab, "web1", "--older-than", "0")["jobs"]) == 2


def test_what_was_found_is_known_to_a_catalog_made_anew(lab):
    run_times(lab, 2, "-e", "web1:9")
    first, second = names(lab, "web1")
    flip(lab.store / "web1" / second)
    verify(lab, "--all", status=1)
    for path in lab.folder.glob("catalog.db*"):
        path.unlink()
    adopt(lab)
    assert rows(lab)[f"web1/{second}"]["state"] == "damaged"
    assert rows(lab)[f"web1/{first}"]["verified_at"]


def test_nothing_of_that_name_is_an_error(lab):
    run_times(lab, 1, "-e", "web1")
    done = lab.onyxpool("verify", *lab.run_args("web9"))
    assert done.returncode == 1 and "no backup web9" in done.stderr


def test_a_share_that_can_not_be_read_is_no_damage(lab):
    run_times(lab, 1, "-e", "web1")
    path = f"web1/{names(lab, 'web1')[0]}"
    file = lab.store / path
    kept = lab.folder / "kept"
    file.rename(kept)
    file.mkdir()  # reading it fails, whoever does it
    try:
        told = verify(lab, path, status=1)
    finally:
        file.rmdir()
        kept.rename(file)
    assert told["totals"]["damaged"] == 1  # no regular file: that is no backup
    verify(lab, path)
    assert rows(lab)[path]["state"] == "proven"
