# SPDX-License-Identifier: GPL-3.0-or-later
"""An XVA is of the VM that was saved: its name, its uuid, no template, no mark of ours."""
import subprocess
import tarfile

import pytest

from lab import Lab, pool, vm
from test_run import disks_in

NAME = 'web <1> & "zwölf"'


def record(lab, name):
    return lab.records("VM")[lab.vm_ref(name)]


def sr_uuid(lab):
    return next(sr["uuid"] for sr in lab.records("SR").values() if sr["name_label"] == "nfs1")


def import_vm(lab, archive, **query):
    """PUT the file to /import; gives the task when it has ended."""
    session = lab.sim.login(originator="lab")
    task = lab.sim.rpc(None, "task.create", session, "import", "")
    host = lab.sim.hosts[lab.sim.master]
    more = "".join(f"&{key}={value}" for key, value in query.items())
    # The server does not read the end mark, so the end of the upload tells nothing: the task does.
    subprocess.run(["curl", "-s", "-T", archive, "-H", "Expect:", "--unix-socket", host["socket"],
                    f"http://pool/import?session_id={session}&task_id={task}{more}"], check=False)
    ended = lab.sim.wait_task(session, task)
    lab.sim.rpc(None, "session.logout", session)
    return ended


def forget(lab, name):
    """The VM and its disks are lost."""
    session = lab.sim.login(originator="lab")
    ref = lab.vm_ref(name)
    disks = [vbd["VDI"] for vbd in lab.records("VBD").values()
             if vbd["VM"] == ref and vbd["type"] == "Disk"]
    if lab.records("VM")[ref]["power_state"] != "Halted":
        lab.sim.rpc(None, "VM.hard_shutdown", session, ref)
    lab.sim.rpc(None, "VM.destroy", session, ref)
    for disk in disks:
        lab.sim.rpc(None, "VDI.destroy", session, disk)
    lab.sim.rpc(None, "session.logout", session)


@pytest.mark.parametrize("compress", ["False", "zstd"])
def test_import_with_preserve_gives_the_vm_that_was_saved(compress):
    with Lab(pool([vm(NAME, size_mib=5), vm("other")], hosts=1)) as lab:
        before, sums = record(lab, NAME), lab.disk_sums(NAME)
        with open(lab.settings_file, "a") as settings:
            settings.write(f"[xenserver]\ncompress = {compress}\n")
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ova.xml" not in done.stdout + done.stderr
        folder, = [path for path in lab.store.iterdir() if path.name.startswith("web ")]
        archive, = folder.glob("*.xva*")
        if archive.suffix != ".xva":
            subprocess.run([compress, "-q", "-d", archive, "-o", lab.folder / "plain.xva"], check=True)
            archive = lab.folder / "plain.xva"
        with tarfile.open(archive) as tar:
            assert b"onyxpool" not in tar.extractfile("ova.xml").read()
        assert disks_in(archive, lab.folder) == sums
        subprocess.run(["tar", "-tf", archive], check=True, stdout=subprocess.DEVNULL)
        forget(lab, NAME)
        task = import_vm(lab, archive, restore="true", sr_uuid=sr_uuid(lab))
        assert task["status"] == "success", task
        after = record(lab, NAME)
        assert after["uuid"] == before["uuid"]
        assert not after["is_a_template"] and not after["is_a_snapshot"]
        assert "onyxpool" not in after["other_config"]
        assert lab.disk_sums(NAME) == sums


def test_archive_stays_as_xapi_wrote_it_where_that_is_asked_for():
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        lab.set(rewrite_ova="False")
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        archive, = (lab.store / "web1").glob("*.xva")
        with tarfile.open(archive) as tar:
            text = tar.extractfile("ova.xml").read().decode()
        assert "<name>onyxpool</name>" in text
        assert f"<name>uuid</name><value>{record(lab, 'web1')['uuid']}</value>" not in text
