# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on whole pools: what was reported as saved came back, by the host it should be."""
import hashlib
import json
import re
import subprocess

import pytest

from lab import BIN, Lab, pool, vm
from xva import read_xva


def meta_of(lab, folder):
    """The one .meta of a VM folder as text."""
    found = list((lab.store / folder).glob("*.meta"))
    assert len(found) == 1, found
    return found[0].read_text()


def data_of(lab, folder):
    found = list((lab.store / folder).glob("*.xva"))
    assert len(found) == 1, found
    return found[0]


def disks_in(path, folder):
    """sha256 of each disk in an XVA in order of userdevice, read without any code of ours."""
    out = folder / "out"
    out.mkdir(exist_ok=True)
    xva = read_xva(str(path), out=str(out))
    sums = []
    vbds = [record for record in xva.objects["VBD"].values() if record["type"] == "Disk"]
    for vbd in sorted(vbds, key=lambda record: int(record["userdevice"])):
        sums.append(xva.disks[vbd["VDI"]].sha256)
    return sums


def assert_saved(lab, name):
    """The published backup of a VM holds its disks bit for bit, and its .meta says the truth."""
    data = data_of(lab, name)
    assert disks_in(data, lab.folder) == lab.disk_sums(name)
    meta = meta_of(lab, name)
    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    assert digest in meta
    assert f"size={data.stat().st_size}" in meta
    assert re.fullmatch(r"backup_\d{8}-\d{6}\.xva", data.name)


VMS = [vm("web1"), vm("web2", "h2", size_mib=12), vm("web3", "h3", fill=0.1),
       vm("db 1", "h2", size_mib=20), vm("local1", "h1", "local-h1"),
       vm("local2", "h2", "local-h2"), vm("local3", "h3", "local-h3", power_state="Halted"),
       vm("two", "h1", disks=[
           {"device": "xvda", "sr": "nfs1", "size_mib": 5, "content": {"seed": 1, "fill": 0.4}},
           {"device": "xvdb", "sr": "nfs1", "size_mib": 3, "content": {"zero": True}}])]


@pytest.fixture(scope="module")
def three_hosts():
    with Lab(pool(VMS)) as lab:
        lab.first = lab.run()
        yield lab


def test_three_hosts_save_every_vm(three_hosts):
    lab = three_hosts
    assert lab.first.returncode == 0, lab.first.stdout + lab.first.stderr
    assert sorted(lab.backups()) == sorted(v["name"] for v in VMS)
    for machine in VMS:
        assert_saved(lab, machine["name"])
    lab.assert_clean()


def test_vm_on_a_local_sr_is_saved_by_its_host_and_no_host_idles(three_hosts):
    jobs = {job["name"]: job for job in three_hosts.report()["jobs"]}
    for number in (1, 2, 3):
        assert jobs[f"local{number}"]["host"] == f"h{number}"
    assert {job["host"] for job in jobs.values()} == {"h1", "h2", "h3"}


def test_second_run_keeps_the_first_backups(three_hosts):
    lab = three_hosts
    before = lab.files()
    done = lab.run("-e", "web1")
    assert done.returncode == 0, done.stderr
    assert len(lab.backups()["web1"]) == 2
    assert set(before) <= set(lab.files())
    lab.assert_clean()


def test_restored_file_has_the_vms_own_name(three_hosts):
    xva = read_xva(str(data_of(three_hosts, "local1")))
    assert xva.vm()["name_label"] == "local1"
    assert not xva.vm()["is_a_template"] in (True, "1")


@pytest.mark.parametrize("argv, key", [
    (["list", "--json"], "backups"), (["report", "--json"], "jobs"),
    (["agents", "--json"], "agents"), (["status", "--json"], "run"),
    (["show", "web2", "--json"], "sha256")])
def test_reading_commands_speak_json(three_hosts, argv, key):
    done = three_hosts.must(*argv, "--catalog", three_hosts.catalog)
    assert key in json.loads(done.stdout)


@pytest.mark.parametrize("argv", [["list"], ["list", "web1"], ["report"], ["agents"], ["status"],
                                  ["show", "web2"]])
def test_reading_commands_fit_a_terminal_without_colours_in_a_pipe(three_hosts, argv):
    done = three_hosts.must(*argv, "--catalog", three_hosts.catalog)
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80, done.stdout


def test_preview_changes_nothing(three_hosts):
    lab = three_hosts
    files, refs = lab.files(), lab.refs()
    done = lab.must("preview", *lab.common(), "-d", lab.store, "-e", "web.*", "-x", "web3")
    assert "web1" in done.stdout
    assert lab.files() == files
    assert lab.refs()["VM"] == refs["VM"]


def test_output_when_the_reader_leaves_early(three_hosts):
    line = [str(BIN / "onyxpool"), "report", "--catalog", str(three_hosts.catalog)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.wait(60) == 0
        assert b"Sanitizer" not in process.stderr.read()


def test_output_when_the_disk_behind_it_is_full_is_no_full_store(three_hosts):
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(BIN / "onyxpool"), "report", "--catalog", str(three_hosts.catalog)],
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and "write the output" in done.stderr


def test_run_when_nothing_is_selected_says_so(three_hosts):
    done = three_hosts.run("-e", "no such VM")
    assert "no such VM" in done.stdout + done.stderr
    three_hosts.assert_clean()


def test_two_vms_of_one_name_get_folders_of_their_own():
    with Lab(pool([vm("twin"), vm("twin", "h2", fill=0.9)], hosts=2)) as lab:
        done = lab.run()
        assert done.returncode == 0, done.stderr
        folders = sorted(lab.backups())
        assert folders[0] == "twin" and re.fullmatch(r"twin_[0-9a-f]{8}", folders[1])
        lab.assert_clean()


def test_odd_names_are_saved_in_encoded_folders():
    names = ["a/b", "..", "CON", "x:y*?", "naïve ☃", "trailing.", "POOL_DB", "a%20b", "'; rm -rf"]
    with Lab(pool([vm(name, size_mib=2) for name in names], hosts=1)) as lab:
        done = lab.run()
        assert done.returncode == 0, done.stderr
        assert len(lab.backups()) == len(names)
        assert not any("/" in folder for folder in lab.backups())
        lab.assert_clean()


def test_guest_goes_on_writing_and_the_backup_does_not_move():
    with Lab(pool([vm("busy", size_mib=16, fill=1.0)], hosts=1)) as lab:
        before = lab.disk_sums("busy")
        held = lab.fault(action="stall", stream="export", at_byte=1 << 20)
        running = lab.start_run()
        lab.wait_held(held)
        vbd = next(vbd for vbd in lab.records("VBD").values()
                   if vbd["VM"] == lab.vm_ref("busy") and vbd["type"] == "Disk")
        lab.sim.control("guest.write", vdi=vbd["VDI"], offset=8 << 20, seed=77, length=65536)
        assert lab.disk_sums("busy") != before
        lab.sim.control("fault.release", id=held)
        assert running.wait(120) == 0
        assert disks_in(data_of(lab, "busy"), lab.folder) == before
        lab.assert_clean()
