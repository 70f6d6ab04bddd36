# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that OnyxBackupVM wrote: adopted, counted, rotated, and what is not its left alone."""
import json
import os
import shutil

import pytest

from lab import Lab, pool, vm

OLD_META = """******* VM *******
name_label={name}
name_description=
memory_dynamic_max=536870912
VCPUs_max=1
VCPUs_at_startup=1
os_version=Debian GNU/Linux 12
orig_uuid={uuid}
******* DISK *******
device=xvda
userdevice=0
bootable=True
mode=RW
type=Disk
unpluggable=True
empty=False
orig_uuid=11111111-2222-3333-4444-555555555555
"""


def put_old(lab, name, uuid, stamp, suffix="xva"):
    """A backup as OnyxBackupVM leaves it; gives the names of its two files."""
    folder = lab.store / name
    folder.mkdir(exist_ok=True)
    data, meta = folder / f"backup_{stamp}.{suffix}", folder / f"backup_{stamp}.meta"
    data.write_bytes(b"an archive of old " * 100)
    meta.write_text(OLD_META.format(name=name, uuid=uuid))
    return [f"{name}/{data.name}", f"{name}/{meta.name}"]


def adopt(lab, *args):
    done = lab.must("adopt", *lab.run_args("--json", *args))
    return json.loads(done.stdout)


@pytest.fixture
def lab():
    with Lab(pool([vm("web1", size_mib=2), vm("web2", size_mib=2)], hosts=1)) as one:
        one.set(verify_max=0)  # the old ones of these tests hold no archives: test_verify has some
        one.uuid = one.records("VM")[one.vm_ref("web1")]["uuid"]
        yield one


def test_adopted_ones_count_and_the_oldest_go_behind_the_next_success(lab):
    old = [put_old(lab, "web1", lab.uuid, f"2026010{day}-010203", suffix)
           for day, suffix in ((1, "xva"), (2, "xva.gz"), (3, "raw"))]
    told = adopt(lab)
    assert told["found"] == [pair[0] for pair in old]
    assert adopt(lab)["known"] == 3
    listed = json.loads(lab.must("list", "--catalog", lab.catalog, "--json").stdout)["backups"]
    assert {one["state"] for one in listed} == {"found"}
    done = lab.run("-e", "web1:2")
    assert done.returncode == 0, done.stderr
    files = [name for name in lab.files() if name.startswith("web1/")]
    assert set(old[2]) <= set(files) and len(files) == 4
    lab.assert_clean()


def test_nothing_adopted_goes_before_a_success_of_ours(lab):
    old = [put_old(lab, "web1", lab.uuid, f"2026010{day}-010203") for day in (1, 2, 3)]
    adopt(lab)
    done = lab.must("prune", *lab.run_args("--json", "-e", "web1:1"))
    assert json.loads(done.stdout)["removed"] == []
    assert sorted(sum(old, [])) == lab.files()


def test_files_that_no_meta_speaks_of_are_told_and_stay(lab):
    (lab.store / "POOL_DB").mkdir()
    lone = lab.store / "POOL_DB" / "metadata_20260101-000000.db"
    lone.write_bytes(b"<database/>")
    put_old(lab, "web1", lab.uuid, "20260101-010203")
    told = adopt(lab)
    assert told["strays"] == ["POOL_DB/metadata_20260101-000000.db"]
    text = lab.must("adopt", *lab.run_args()).stdout
    assert "Left as they are" in text and max(map(len, text.splitlines())) <= 80
    assert lone.exists()


def test_a_folder_it_still_writes_to_is_refused_unless_forced(lab):
    assert lab.run("-e", "web1").returncode == 0
    put_old(lab, "web1", lab.uuid, "20991231-010203")
    done = lab.onyxpool("adopt", *lab.run_args())
    assert done.returncode == 5 and "--force-shared-folder" in done.stderr
    assert len(adopt(lab, "--force-shared-folder")["found"]) == 1


def test_a_lost_catalog_is_made_anew_from_the_store(lab):
    for _ in range(2):
        assert lab.run("-e", "web1:9").returncode == 0
    before = json.loads(lab.must("list", "--catalog", lab.catalog, "--json").stdout)["backups"]
    for path in lab.folder.glob("catalog.db*"):
        path.unlink()
    told = adopt(lab)
    assert len(told["regained"]) == 2 and told["found"] == []
    after = json.loads(lab.must("list", "--catalog", lab.catalog, "--json").stdout)["backups"]
    for key in ("file", "folder", "vm_uuid", "sha256", "size", "state", "kind"):
        assert sorted(str(one[key]) for one in after) == sorted(str(one[key]) for one in before)
    assert lab.run("-e", "web1:2").returncode == 0
    assert len(lab.backups()["web1"]) == 2


def test_a_folder_whose_name_is_no_utf8_is_left_and_holds_up_no_run(lab):
    put_old(lab, "web1", lab.uuid, "20260101-010203")
    odd = os.fsencode(lab.store) + b"/caf\xe9"
    os.mkdir(odd)
    for name in ("backup_20260101-010203.xva", "backup_20260101-010203.meta"):
        shutil.copy(lab.store / "web1" / name, odd + b"/" + name.encode())
    told = adopt(lab)
    assert told["found"] == ["web1/backup_20260101-010203.xva"]
    assert [path.split("/")[1] for path in told["strays"]] == ["backup_20260101-010203.xva"]
    lab.set(verify_max=10)
    assert lab.run("-e", "web2").returncode == 1  # the one that was adopted is no archive
    assert {job["name"].split("/")[0]: job["state"] for job in lab.report()["jobs"]} == \
        {"web1": "failed", "web2": "done"}
    assert len(os.listdir(odd)) == 2


def test_another_store_is_refused(lab):
    assert lab.run("-e", "web1").returncode == 0
    other = lab.folder / "other"
    other.mkdir()
    lab.must("init-store", *lab.common(), "-d", other, "--allow-root-fs")
    done = lab.onyxpool("adopt", *lab.common(), "-d", other)
    assert done.returncode == 5 and "is the right share mounted?" in done.stderr


def test_a_store_without_marker_is_refused(lab):
    bare = lab.folder / "bare"
    bare.mkdir()
    done = lab.onyxpool("adopt", *lab.common(), "-d", bare)
    assert done.returncode == 5 and "init-store" in done.stderr


def test_a_run_into_a_folder_it_still_writes_to_is_refused_unless_forced(lab):
    assert lab.run("-e", "web1").returncode == 0
    ours = lab.files()
    put_old(lab, "web1", lab.uuid, "20991231-010203")
    done = lab.run("-e", "web1")
    assert done.returncode == 5 and "--force-shared-folder" in done.stderr
    assert set(ours) <= set(lab.files())
    assert lab.run("-e", "web2").returncode == 0  # another folder
    assert lab.run("-e", "web1", "--force-shared-folder").returncode == 0
    adopt(lab, "--force-shared-folder")
    assert lab.run("-e", "web1").returncode == 0
    lab.assert_clean()
