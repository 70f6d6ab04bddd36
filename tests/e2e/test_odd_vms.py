# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that are not as a plan would like them: each has a behaviour that preview and report state.

One pool holds them all; what the preview says before the run is held against what the run's report
says behind it, and the pool ends as it began. docs/COMPATIBILITY.md has the table.
"""
import json

import pytest

from lab import Lab, pool, vm
from xva import read_xva


def disk(device, sr="nfs1", **more):
    return dict({"device": device, "sr": sr, "size_mib": 2, "content": {"seed": 5, "fill": 0.5}},
                **more)


ODD = pool(
    [vm("plain", size_mib=2),
     vm("twin", size_mib=2), vm("twin", "h2", size_mib=2),
     vm("sl/ash: \"q\"", size_mib=2),
     vm("a template", is_a_template=True, size_mib=2, power_state="Halted"),
     {"name": "no disks", "host": "h1", "disks": []},
     vm("with cd", size_mib=2, cd={"sr": "isos", "iso": "tools.iso"}),
     vm("empty cd", size_mib=2, cd={}),
     vm("unseen cd", size_mib=2, power_state="Halted", cd={"sr": "lost isos", "iso": "old.iso"}),
     vm("suspended", size_mib=2, power_state="Suspended"),
     vm("paused", size_mib=2, power_state="Paused"),
     vm("halted", size_mib=2, power_state="Halted"),
     vm("unseen disk", power_state="Halted", disks=[disk("xvda"), disk("xvdb", "lost")]),
     vm("scattered", power_state="Halted",
        disks=[disk("xvda", "local-h1"), disk("xvdb", "local-h2")]),
     vm("missing", power_state="Halted", disks=[disk("xvda", missing=True)]),
     vm("usb", size_mib=2, vusb=True),
     vm("sharable", disks=[disk("xvda"), disk("xvdb", sharable=True)]),
     vm("reset", disks=[disk("xvda"), disk("xvdb", on_boot="reset")]),
     vm("blocked", size_mib=2, blocked_operations={"snapshot": "by order of the DBA"}),
     vm("no export", size_mib=2, blocked_operations={"export": "never", "destroy": "never"}),
     vm("raw sr", disks=[disk("xvda", "raw1")])],
    hosts=2)
ODD["srs"] += [{"name": "isos", "type": "iso", "shared": True,
                "isos": [{"name": "tools.iso", "size_mib": 1}]},
               {"name": "lost isos", "type": "iso", "shared": True, "attached": False,
                "isos": [{"name": "old.iso", "size_mib": 1}]},
               {"name": "lost", "type": "nfs", "shared": True, "attached": False},
               {"name": "raw1", "type": "rawhba", "shared": True}]

# What is refused, and the words that say why, in the preview and in the report.
REFUSED = {
    "unseen disk": "no host sees all SRs of its disks",
    "missing": "disk xvda is missing on its SR",
    "usb": "USB devices (VUSBs)",
    "sharable": "disk xvdb may be shared by several VMs (sharable)",
    "reset": "disk xvdb is thrown away at each boot (on_boot=reset)",
    "blocked": "by order of the DBA",
    "raw sr": "an SR that can't make snapshots",
}
# What is saved, with a warning that says what is odd about it; "" none.
SAVED = {
    "plain": "", "twin": "belongs to another VM", "sl/ash: \"q\"": "can't be a folder's name",
    "no disks": "its metadata alone", "with cd": "", "empty cd": "", "unseen cd": "where the ISO in its drive is",
    "suspended": "its memory is not", "paused": "", "halted": "", "no export": "",
    "scattered": "each disk is exported as a VHD",
}


@pytest.fixture(scope="module")
def odd():
    with Lab(ODD) as lab:
        lab.preview = json.loads(lab.must("preview", *lab.common(), "-c", lab.settings_file, "-d",
                                          lab.store, "--install-dir", lab.folder,
                                          "--json").stdout)
        lab.people = lab.must("preview", *lab.common(), "-c", lab.settings_file, "-d", lab.store,
                              "--install-dir", lab.folder).stdout
        lab.done = lab.run()
        lab.told = lab.report()
        yield lab


def of(rows, name):
    return [row for row in rows if row["name"] == name]


def test_the_run_ends_with_what_could_be_done(odd):
    assert odd.done.returncode == 1, odd.done.stdout + odd.done.stderr
    assert "Sanitizer" not in odd.done.stderr
    odd.assert_clean()


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_saved_says_why_before_and_after(odd, name):
    skipped = [row for row in odd.preview["plan"]["skipped"] if row["name"] == name]
    assert len(skipped) == 1 and REFUSED[name] in skipped[0]["reason"], skipped
    assert REFUSED[name] in " ".join(odd.people.split())
    jobs = of(odd.told["jobs"], name)
    assert len(jobs) == 1 and jobs[0]["state"] == "failed", jobs
    assert REFUSED[name] in jobs[0]["reason"]
    assert name not in odd.backups()


@pytest.mark.parametrize("name", SAVED)
def test_what_is_odd_and_can_be_saved_is_saved(odd, name):
    jobs = of(odd.told["jobs"], name)
    assert jobs and all(job["state"] == "done" for job in jobs), jobs
    if SAVED[name]:
        assert SAVED[name] in json.dumps(odd.preview["plan"])
        assert SAVED[name] in " ".join(odd.people.split())
        warned = [text for text in odd.told["warnings"] if SAVED[name] in text]
        assert warned and any(name.split("/")[0] in text for text in warned), odd.told["warnings"]


def test_templates_and_control_domains_are_no_vms(odd):
    names = [job["name"] for job in odd.told["jobs"]]
    assert "a template" not in names
    assert not any(name.startswith("Control domain") for name in names)
    planned = json.dumps(odd.preview["plan"])
    assert "a template" not in planned and "Control domain" not in planned


def test_twins_and_odd_names_have_folders_of_their_own(odd):
    twins = [folder for folder in odd.backups() if folder.startswith("twin")]
    assert len(twins) == 2
    assert any("%2F" in folder and '"' not in folder for folder in odd.backups())


def test_cd_drives_are_left_as_they_are(odd):
    vbds = odd.records("VBD").values()
    for name, is_empty in (("with cd", False), ("empty cd", True), ("unseen cd", False)):
        ref = odd.vm_ref(name)
        drives = [vbd for vbd in vbds if vbd["VM"] == ref and vbd["type"] == "CD"]
        assert [drive["empty"] for drive in drives] == [is_empty], name


@pytest.mark.parametrize("name", ["with cd", "unseen cd", "no disks", "suspended", "paused"])
def test_restored_from_the_file_the_vm_is_whole(odd, name):
    data, = (odd.store / name).glob("*.xva")
    xva = read_xva(str(data))
    assert xva.vm()["name_label"] == name
    disks = [vbd for vbd in xva.objects.get("VBD", {}).values() if vbd["type"] == "Disk"]
    assert len(disks) == (0 if name == "no disks" else 1)
    assert xva.vm()["power_state"] == "Halted"


def test_scattered_vm_is_a_vhd_of_each_disk_and_its_metadata(odd):
    files = sorted(path.name for path in (odd.store / "scattered").iterdir())
    assert len([name for name in files if name.endswith(".vhd")]) == 2, files
    jobs = of(odd.told["jobs"], "scattered")
    assert {job["host"] for job in jobs} == {"h1", "h2"}


def test_single_disks_can_be_saved_where_the_whole_vm_can_not(odd):
    """What the report advises: xvda alone is snapshotted, which the other disk does not hinder."""
    names = ["usb", "sharable", "reset"]
    done = odd.run(*[part for name in names for part in ("-E", name)])
    assert done.returncode == 0, done.stdout + done.stderr
    for name in names:
        assert len(list((odd.store / name).glob("backup_xvda_*.raw"))) == 1, name
    odd.assert_clean()


def test_one_cleared_obstacle_is_enough(odd):
    """The next run, after an administrator has done what the report said."""
    vdi = [vbd["VDI"] for vbd in odd.records("VBD").values()
           if vbd["VM"] == odd.vm_ref("sharable") and vbd["userdevice"] == "1"]
    odd.sim.control("object.set", **{"class": "VDI", "object": vdi[0], "field": "sharable",
                                     "value": False})
    done = odd.run("-e", "sharable")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sharable" in odd.backups()
