# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault that the simulated pool has for a stream, on every stream that becomes a backup: a
failed job, a reason that says what happened, and nothing left in the folder or in the pool.

The list is the simulator's own: a new fault without a line here fails.
"""
import re

import pytest

from lab import ROOT, Lab, pool, vm

ACTIONS = re.findall(r'^    \{"(\w+)", FAULT_(?!CALL)\w+\},$',
                     (ROOT / "tests/poolsim/fault.c").read_text(), re.M)
MIB = 1 << 20

# What is asked of the stream: settings of [xenserver], whose folder the file goes to.
STREAMS = {
    "export": (dict(), "export", "web1"),
    "raw": (dict(vdi_exports="web1", vdi_export_format="raw"), "export_raw_vdi", "web1"),
    "raw by vhd": (dict(vdi_exports="web1", vdi_export_format="raw"), "export_raw_vdi", "web1"),
    "vhd": (dict(vdi_exports="web1", vdi_export_format="vhd"), "export_raw_vdi", "web1"),
    "host_backup": (dict(vm_exports="web1", excludes="web1", host_backup=True), "host_backup", "HOST_*"),
    "xmldbdump": (dict(vm_exports="web1", excludes="web1", pool_backup=True), "xmldbdump", "POOL_DB"),
}
DISKS = ("export", "raw", "raw by vhd", "vhd")
SOURCES = ("source_short", "source_eio", "attach_fails", "detach_fails", "child_killed")

# Parameters, and what the reason must say; None: the backup is good all the same.
SILENT = r"sent nothing for \d"
FAULTS = {
    "cut": (dict(at_byte=1000), r"the pool's task failed: .*ECONNRESET"),
    "reset": (dict(at_byte=1000), r"the pool's task failed: .*ECONNRESET"),
    "corrupt": (dict(at_byte=1000, bytes=3),
                r"(xml|tar|vhd|xbk|gzip|db|header|checksum).* (byte|wrong|no |not )"),
    "stall": (dict(at_byte=1000), SILENT),
    "slow": (dict(at_byte=1000, rate_bytes_per_s=64 * MIB), None),
    "pad": (dict(bytes=512), r"behind|end|longer|more than|byte"),
    "late_500": (dict(at_byte=1000), r"EIO|HTTP/1.1 500"),
    "task_fails": (dict(error=["VDI_IO_ERROR", "Device I/O errors"]), r"task failed: VDI_IO_ERROR"),
    "no_reply": (dict(), r"ECONNRESET|without a reply"),
    "source_short": (dict(disk=0, at_byte=MIB), r"End_of_file"),
    "source_eio": (dict(disk=0, at_byte=MIB), r"EIO|VDI_IO_ERROR"),
    "attach_fails": (dict(disk=0), r"SR_BACKEND_FAILURE_46.*not detached cleanly"),
    "detach_fails": (dict(disk=0), None),
    "child_killed": (dict(disk=0, at_byte=MIB), r"VDI_IO_ERROR"),
}
# Where one differs. A raw disk has no structure that damage could show in; a source that reads short
# lets export_raw_vdi fall silent; of the plain archive no child is in the way.
OTHERWISE = {
    ("raw", "corrupt"): None,
    ("raw", "source_short"): SILENT,
    ("vhd", "source_short"): SILENT,
    ("raw by vhd", "source_short"): SILENT,
    ("export", "child_killed"): None,
}


@pytest.fixture(scope="module", params=STREAMS)
def lab(request):
    xenserver, stream, folder = STREAMS[request.param]
    with Lab(pool([vm("web1", size_mib=4)], hosts=1)) as made:
        lines = ["[xenserver]", "space_threshold = 1", "max_backups = 99"]
        lines += [f"{key} = {value}" for key, value in xenserver.items()]
        lines += ["[onyxpool]", "lease_renew = 1s", "backoff = 10ms", "attempts = 1",
                  "hard_floor = 0", f"raw_source = {'vhd' if 'vhd' in request.param else 'raw'}",
                  f"idle_timeout = {'6s' if stream == 'host_backup' else '2s'}"]
        made.settings_file.write_text("\n".join(lines) + "\n")
        made.what, made.stream, made.into = request.param, stream, folder
        yield made


@pytest.mark.parametrize("action", ACTIONS)
def test_fault_on_a_stream(lab, action):
    if action in SOURCES and lab.what not in DISKS:
        pytest.skip("this stream reads no disk")
    params, says = FAULTS[action]
    says = OTHERWISE.get((lab.what, action), says)
    before = lab.files()
    fault = lab.fault(action=action, stream=lab.stream, count=0, **params)
    try:
        done = lab.run("--new")
        shown, = [one for one in lab.sim.control("fault.list") if one["id"] == fault]
        assert shown["hits"] > 0, "the fault met no stream"
    finally:
        lab.sim.control("fault.clear")
    job, = lab.report()["jobs"]
    if says is None:
        assert done.returncode == 0 and job["state"] == "done", (job, done.stderr)
        assert len(lab.files()) == len(before) + 2
    else:
        assert done.returncode == 1 and job["state"] == "failed", job
        assert re.search(says, job["reason"]), job["reason"]
        assert lab.files() == before
        assert not [path for path in lab.store.rglob("*") if "partial" in path.name]
    lab.assert_clean()


def test_list_of_faults_is_read():
    assert set(ACTIONS) == set(FAULTS) and len(ACTIONS) == 14
