# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that never come, restored VMs, lost catalogs: nothing of ours stays in the pool."""
import os
import pathlib
import signal
import sqlite3

import pytest

from lab import Lab, pool, vm, wait_for


def call(lab, method, *params):
    session = lab.sim.login(originator="lab")
    try:
        return lab.sim.rpc(None, method, session, *params)
    finally:
        lab.sim.rpc(None, "session.logout", session)


def kill_everything(lab, run):
    workers = lab.workers()
    run.kill()
    for agent in lab.agents.values():
        agent.kill()
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    for process in [run, *lab.agents.values()]:
        process.wait()
    lab.commands.remove(run)
    lab.agents.clear()


def forget_catalog(lab):
    for ending in ("", "-wal", "-shm"):
        pathlib.Path(f"{lab.catalog}{ending}").unlink(missing_ok=True)


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("method", ["VM.snapshot", "VM.add_to_other_config", "task.create",
                                    "task.destroy", "VM.destroy", "VDI.destroy"])
def test_answer_that_is_lost_leaves_nothing(method, drop):
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        lab.fault(method=method, drop=drop, originator=f"onyxpool/{lab.hosts['h1']['uuid']}")
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(lab.backups()["web1"]) == 1
        lab.assert_clean()


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("method", ["VDI.snapshot", "task.create",
                                    "VDI.add_to_other_config", "VDI.destroy"])
def test_answer_that_is_lost_in_a_disk_export_leaves_nothing(method, drop):
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        lab.settings_file.write_text("[xenserver]\nvdi_exports = web1\n"
                                     "[onyxpool]\nlease_renew = 1s\nbackoff = 10ms\n")
        lab.fault(method=method, drop=drop, originator=f"onyxpool/{lab.hosts['h1']['uuid']}")
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(lab.backups()["web1"]) == 1
        lab.assert_clean()


def test_newborn_snapshot_of_a_restored_vm_goes_though_no_catalog_knows_it():
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        call(lab, "VM.add_to_other_config", lab.vm_ref("web1"), "onyxpool",
             "0123456789abcdef/00000000-1111-2222-3333-444444444444/3")
        held = lab.fault(method="VM.get_uuid", hold="before")
        running = lab.start_run()
        lab.wait_held(held)
        kill_everything(lab, running)
        forget_catalog(lab)
        lab.sim.control("fault.clear")
        lab.start_agent("h1")
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        lab.assert_clean()


@pytest.mark.parametrize("settings", ["", "[xenserver]\nvdi_exports = web1:-1:xvda;xvdb\n"])
def test_partial_files_of_a_lost_catalogs_jobs_go(settings):
    disks = [{"device": device, "sr": "nfs1", "size_mib": 3,
              "content": {"seed": 3, "fill": 0.9}} for device in ("xvda", "xvdb")]
    with Lab(pool([vm("web1", disks=disks)], hosts=1)) as lab:
        lab.settings_file.write_text(settings + "[onyxpool]\nlease_renew = 1s\nbackoff = 10ms\n")
        stream = "export_raw_vdi" if settings else "export"
        held = lab.fault(action="stall", stream=stream, at_byte=2 << 20)
        running = lab.start_run()
        lab.wait_held(held)
        kill_everything(lab, running)
        forget_catalog(lab)
        lab.sim.control("fault.clear")
        (lab.store / "web1" / "notes.partial").write_text("mine")
        (lab.store / "web1" / "mine.0123456789abcdef-x.partial").write_text("mine")
        assert len([name for name in lab.files() if ".partial" in name]) >= 3
        lab.start_agent("h1")
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        left = [name for name in lab.files() if ".partial" in name]
        assert left == ["web1/mine.0123456789abcdef-x.partial", "web1/notes.partial"]
        for name in left:
            (lab.store / name).unlink()
        lab.assert_clean()


def test_store_that_is_switched_under_the_stream_gets_no_backup_reported():
    with Lab(pool([vm("web1", size_mib=4, fill=0.9)], hosts=1)) as lab:
        held = lab.fault(action="stall", stream="export", object="web1", at_byte=2 << 20)
        running = lab.start_run("--attempts", "2")
        lab.wait_held(held)
        away = lab.folder / "away"
        lab.store.rename(away)
        lab.store.mkdir()
        lab.sim.control("fault.clear")
        assert running.wait(120) == 1
        lab.commands.remove(running)
        assert not [path for path in away.glob("web1/*")]
        assert lab.files() == []
        lab.store.rmdir()
        away.rename(lab.store)
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(lab.backups()["web1"]) == 1
        lab.assert_clean()


def test_backup_of_a_night_with_a_wrong_clock_does_not_drive_out_the_next_ones():
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        lab.settings_file.write_text("[xenserver]\nmax_backups = 1\n"
                                     "[onyxpool]\nlease_renew = 1s\nbackoff = 10ms\n")
        assert lab.run().returncode == 0
        first, = lab.backups()["web1"]
        with sqlite3.connect(lab.catalog) as catalog:
            catalog.execute("UPDATE backup SET snapshot_at = snapshot_at + 10 * 31536000000")
        catalog.close()
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        left, = lab.backups()["web1"]
        assert left != first


def test_agent_with_fewer_slots_than_the_killed_one_waits_for_all_its_workers():
    with Lab(pool([vm("web1", size_mib=2), vm("web2", size_mib=2)], hosts=1)) as lab:
        held = [lab.fault(method="VM.destroy", hold="before") for _ in range(2)]
        running = lab.start_run()
        for fault in held:
            lab.wait_held(fault)
        killed = lab.agents.pop("h1")
        killed.kill()
        killed.wait()
        lab.start_agent("h1", "--slots", "1")
        log = lab.folder / "agent-h1.log"
        said = " workers of a killed agent are still cleaning up"
        wait_for("the new agent", lambda: said in log.read_text() or
                 log.read_text().count("ready for host") > 1)
        seen = "2" + said in log.read_text()
        lab.sim.control("fault.clear")
        assert running.wait(120) == 0
        assert seen
        lab.assert_clean()
