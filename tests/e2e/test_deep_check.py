# SPDX-License-Identifier: GPL-3.0-or-later
"""deep_check: an archive that proves itself, but lacks what its snapshot holds, is no backup."""
import pytest

from lab import Lab, pool, vm

MIB = 1 << 20


def disks(sr):
    return [{"device": "xvda", "sr": sr, "size_mib": 8, "content": {"seed": 3, "fill": 1.0}},
            {"device": "xvdb", "sr": sr, "size_mib": 5, "content": {"zero": True}}]


@pytest.mark.parametrize("compress", ["False", "zstd"])
def test_good_archive_passes_with_both_ways_to_read(compress):
    """8 MiB are read as VHD, 5 MiB (no multiple of 2) raw."""
    with Lab(pool([vm("web1", disks=disks("nfs1"))], hosts=1)) as lab:
        lab.set(deep_check="True")
        with open(lab.settings_file, "a") as settings:
            settings.write(f"[xenserver]\ncompress = {compress}\n")
        reads = lab.fault(action="slow", stream="export_raw_vdi", rate_bytes_per_s=1 << 40, count=0)
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        shown, = [one for one in lab.sim.control("fault.list") if one["id"] == reads]
        assert shown["hits"] == 2
        assert len(lab.backups()["web1"]) == 1
        lab.assert_clean()


@pytest.mark.parametrize("device, offset", [("xvda", 4 * MIB + 512), ("xvdb", 3 * MIB)])
def test_archive_that_lacks_what_the_snapshot_holds_is_no_backup(device, offset):
    """Written to the snapshot when the archive is complete. The first disk is full, so that its VHD has
    every block in a table that was made before the write."""
    with Lab(pool([vm("web1", disks=disks("nfs1"))], hosts=1)) as lab:
        lab.set(deep_check="True")
        held = lab.fault(action="stall", stream="export_raw_vdi", at_byte=0)
        running = lab.start_run("--attempts", "1")
        lab.wait_held(held)
        size = 8 if device == "xvda" else 5
        snapshot, = [ref for ref, vdi in lab.records("VDI").items()
                     if vdi["is_a_snapshot"] and int(vdi["virtual_size"]) == size * MIB]
        lab.sim.control("guest.write", vdi=snapshot, offset=offset, hex="00ff" * 256)
        lab.sim.control("fault.release", id=held)
        assert running.wait(120) == 1
        job, = lab.report()["jobs"]
        assert "deep_check" in job["reason"] and "missing in the archive" in job["reason"], job
        assert not lab.files()
        lab.assert_clean()


def test_second_reading_that_fails_is_named():
    with Lab(pool([vm("web1", disks=disks("nfs1"))], hosts=1)) as lab:
        lab.set(deep_check="True")
        lab.fault(action="task_fails", stream="export_raw_vdi", error=["VDI_IO_ERROR"], count=0)
        done = lab.run("--attempts", "1")
        assert done.returncode == 1
        job, = lab.report()["jobs"]
        assert "a second time (deep_check)" in job["reason"] and "VDI_IO_ERROR" in job["reason"], job
        assert not lab.files()
        lab.assert_clean()
