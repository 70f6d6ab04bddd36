# SPDX-License-Identifier: GPL-3.0-or-later
"""What is exported beside plain XVAs: compressed ones, disks, the pool's database, hosts."""
import hashlib
import re
import subprocess
import tarfile
from xml.etree import ElementTree

import pytest

from lab import Lab, pool, vm
from test_run import disks_in


def configure(lab, onyxpool=(), **xenserver):
    """Settings of OnyxBackupVM's section, and the lab's own."""
    lines = ["[xenserver]", "space_threshold = 1"] + [f"{key} = {value}" for key, value in xenserver.items()]
    lines += ["[onyxpool]", "lease_renew = 1s", "backoff = 10ms", *onyxpool]
    lab.settings_file.write_text("\n".join(lines) + "\n")


def said(done):
    """All that a run printed, unwrapped."""
    return " ".join((done.stdout + done.stderr).split())


def files_of(lab, folder, ending):
    return sorted((lab.store / folder).glob("*" + ending))


def meta_beside(data, suffix):
    return data.with_name(data.name[:-len(suffix)] + ".meta").read_text()


@pytest.mark.parametrize("setting, suffix, check", [
    ("True", ".xva.gz", ["gzip", "-t"]), ("gzip", ".xva.gz", ["gzip", "-t"]),
    ("zstd", ".xva.zst", ["zstd", "-q", "-t"])])
def test_compressed_export_is_whole_and_unpacks_to_the_archive(setting, suffix, check):
    with Lab(pool([vm("web1", size_mib=12)], hosts=1)) as lab:
        configure(lab, compress=setting)
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        data, = files_of(lab, "web1", suffix)
        assert re.fullmatch(r"backup_\d{8}-\d{6}" + re.escape(suffix), data.name)
        subprocess.run([*check, data], check=True)
        plain = lab.folder / "plain.xva"
        with open(plain, "wb") as out:
            subprocess.run([check[0], "-q", "-d", "-c", data], check=True, stdout=out)
        assert disks_in(plain, lab.folder) == lab.disk_sums("web1")
        meta = meta_beside(data, suffix)
        assert hashlib.sha256(data.read_bytes()).hexdigest() in meta
        assert f"size={data.stat().st_size}" in meta
        assert "proof=blocks" in meta
        assert f"compression={'zstd' if setting == 'zstd' else 'gzip'}" in meta
        lab.assert_clean()


def check_stream_digest(plain, meta):
    """stream_xxh128 as xxhsum reads it, and stream_size."""
    told = re.search(r"^stream_xxh128=([0-9a-f]{32})$", meta, re.M).group(1)
    sums = plain.with_suffix(".xxh128")
    sums.write_text(f"{told}  {plain.name}\n")
    subprocess.run(["xxhsum", "-q", "-c", sums.name], cwd=plain.parent, check=True)
    assert f"\nstream_size={plain.stat().st_size}\n" in meta


@pytest.mark.parametrize("compress, unpack, keys", [
    ("none", ["cat"], ["ring_mib = 8"]),
    ("gzip", ["gzip", "-dc"], ["gzip_effort = small", "compress_threads = 3"]),
    ("zstd", ["zstd", "-qdc"], ["compress_level = 3", "file_digest = none"])])
def test_stream_is_treated_as_tuned_and_its_digest_is_what_xxhsum_checks(compress, unpack, keys):
    with Lab(pool([vm("web1", size_mib=12)], hosts=1)) as lab:
        configure(lab, keys, compress=compress)
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        suffix = {"none": ".xva", "gzip": ".xva.gz", "zstd": ".xva.zst"}[compress]
        data, = files_of(lab, "web1", suffix)
        plain = lab.folder / "plain.xva"
        with open(plain, "wb") as out:
            subprocess.run([*unpack, data], check=True, stdout=out)
        meta = meta_beside(data, suffix)
        check_stream_digest(plain, meta)
        assert disks_in(plain, lab.folder) == lab.disk_sums("web1")
        sums = lab.store / ".onyxpool" / "SHA256SUMS"
        if "file_digest = none" in keys:
            assert "sha256" not in meta and (not sums.exists() or data.name not in sums.read_text())
        else:
            subprocess.run(["sha256sum", "-c", "--status", sums], cwd=lab.store, check=True)
        lab.assert_clean()


# -- the pool's database and the hosts -------------------------------------------------------------

def test_pool_database_and_hosts_are_saved_each_by_its_own():
    with Lab(pool([vm("web1", size_mib=2)])) as lab:
        configure(lab, pool_backup=True, host_backup=True, vm_exports="web1")
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        dump, = files_of(lab, "POOL_DB", ".db")
        assert re.fullmatch(r"metadata_\d{8}-\d{6}\.db", dump.name)
        root = ElementTree.parse(dump).getroot()
        assert root.tag == "database"
        hosts = root.find("table[@name='host']")
        assert len(hosts) == 3
        assert "proof=rows" in meta_beside(dump, ".db")
        names = [host["hostname"] for host in lab.hosts.values()]
        for name in names:
            data, = files_of(lab, f"HOST_{name}", ".xbk")
            assert re.fullmatch(r"host_\d{8}-\d{6}\.xbk", data.name)
            with tarfile.open(data, "r:gz") as tar:
                text = b"".join(tar.extractfile(member).read() for member in tar
                                if member.isfile() and member.size < 65536)
            assert name.encode() in text
            assert not [other for other in names if other != name and other.encode() in text]
            assert "proof=archive" in meta_beside(data, ".xbk")
        for path in [*lab.store.glob("POOL_DB/*"), *lab.store.glob("HOST_*/*")]:
            assert path.stat().st_mode & 0o777 == 0o600, path
        jobs = lab.report()["jobs"]
        dumped = [job for job in jobs if job["kind"] == "pool-backup"]
        assert [job["host"] for job in dumped] == [lab.sim.master]
        for job in jobs:
            if job["kind"] == "host-backup":
                assert job["files"][0]["path"].startswith(f"HOST_{job['host']}/host_"), job
        lab.assert_clean()


def test_stub_of_the_database_during_an_upgrade_is_no_backup():
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        configure(lab, ["attempts = 1"], pool_backup=True, vm_exports="web1")
        lab.fault(action="source_short", stream="xmldbdump", disk=0, count=0)
        done = lab.run()
        assert done.returncode == 1
        assert "host" in said(done)
        assert not files_of(lab, "POOL_DB", ".db") and not files_of(lab, "POOL_DB", ".meta")
        assert files_of(lab, "web1", ".xva")
        lab.assert_clean()


def test_pool_database_when_the_master_has_no_agent_then_a_reason():
    with Lab(pool([vm("web1", size_mib=2)], hosts=2), agents=False) as lab:
        other, = [name for name in lab.hosts if name != lab.sim.master]
        lab.start_agent(other)
        configure(lab, ["muster_s = 4s"], pool_backup=True, vm_exports="web1")
        done = lab.run()
        assert done.returncode == 1
        assert lab.sim.master in said(done)
        job, = [job for job in lab.report()["jobs"] if job["kind"] == "pool-backup"]
        assert lab.sim.master in job["reason"], job
        assert files_of(lab, "web1", ".xva")


def test_host_backup_when_the_script_fails_then_nothing_of_it_stays():
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        configure(lab, ["attempts = 1"], host_backup=True, vm_exports="web1")
        lab.fault(action="cut", stream="host_backup", at_byte=100, count=0)
        done = lab.run()
        assert done.returncode == 1
        assert not list(lab.store.glob("HOST_*/*"))
        lab.assert_clean()


@pytest.mark.parametrize("stream", ["host_backup", "xmldbdump"])
def test_host_and_pool_backups_whose_worker_dies_leave_no_task(stream):
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        configure(lab, ["attempts = 3"], vm_exports="web1", excludes="web1",
                  host_backup=stream == "host_backup", pool_backup=stream == "xmldbdump")
        held = lab.fault(stream=stream, action="stall", at_byte=100)
        running = lab.start_run()
        lab.wait_held(held)
        lab.kill_workers()
        lab.sim.control("fault.release", id=held)
        assert running.wait(120) == 0
        assert len(lab.backups()) == 1
        lab.assert_clean()


# -- disks -----------------------------------------------------------------------------------------

def disks(*sizes, sr="nfs1"):
    return [{"device": f"xvd{chr(97 + n)}", "sr": sr, "size_mib": size,
             "content": {"seed": n + 5, "fill": 0.5}} for n, size in enumerate(sizes)]


def sum_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def disk_sum(lab, data, size_mib):
    """sha256 of the disk in a raw file or a VHD, read by qemu."""
    plain = data
    if data.suffix == ".vhd":
        plain = lab.folder / "plain.raw"
        subprocess.run(["qemu-img", "convert", "--image-opts", "-O", "raw", "driver=vpc,"
                        f"force_size_calc=current_size,file.filename={data}", plain], check=True)
    bytes_ = plain.read_bytes()
    assert len(bytes_) == size_mib << 20 or data.suffix == ".vhd"
    assert not any(bytes_[size_mib << 20:])
    return hashlib.sha256(bytes_[:size_mib << 20]).hexdigest()


def snapshots_asked(lab):
    log = lab.sim.control("calls.log")
    calls = log["calls"] if isinstance(log, dict) else log
    return [call["method"] for call in calls
            if call["method"].split(".")[-1].startswith("snapshot")]


@pytest.mark.parametrize("form", ["raw", "vhd"])
def test_root_disk_alone_is_exported_bit_for_bit(form):
    with Lab(pool([vm("web1", disks=disks(7, 3))], hosts=1)) as lab:
        configure(lab, vdi_export_format=form, vdi_exports="web1")
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        data, = files_of(lab, "web1", "." + form)
        assert re.fullmatch(r"backup_xvda_\d{8}-\d{6}\." + form, data.name)
        assert disk_sum(lab, data, 7) == lab.disk_sums("web1")[0]
        meta = meta_beside(data, "." + form)
        assert "device=xvda" in meta and f"proof={'length' if form == 'raw' else 'structure'}" in meta
        assert snapshots_asked(lab) == ["VDI.snapshot"]
        assert len(files_of(lab, "web1", "")) == 2
        lab.assert_clean()


def qcow2_vm(mib):
    made = disks(mib, 3)
    for disk in made:
        disk["image_format"] = "qcow2"
    return vm("web1", disks=made)


@pytest.mark.parametrize("form, mib", [("raw", 7), ("raw", 8), ("vhd", 8)])
def test_disk_that_is_a_qcow2_is_exported_bit_for_bit(form, mib):
    with Lab(pool([qcow2_vm(mib)], hosts=1)) as lab:
        configure(lab, vdi_export_format=form, vdi_exports="web1")
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        data, = files_of(lab, "web1", "." + form)
        assert disk_sum(lab, data, mib) == lab.disk_sums("web1")[0]
        asked = [re.search(r"format=(\w+)", call["params"]).group(1) for call in lab.sim.control("calls.log")
                 if call["method"].startswith("GET /export_raw_vdi")]
        assert asked == [form]  # a VHD would save nothing on the way to a raw file
        lab.assert_clean()


def test_vhd_that_xapi_would_never_end_is_refused_at_once():
    with Lab(pool([qcow2_vm(7)], hosts=1)) as lab:
        configure(lab, vdi_export_format="vhd", vdi_exports="web1")
        done = lab.run()
        assert done.returncode == 1
        assert "XAPI never ends the VHD of one whose size is no multiple of 2 MiB" in said(done)
        assert not [call for call in lab.sim.control("calls.log") if call["method"].startswith("GET /export_raw_vdi")]
        lab.assert_clean()


@pytest.mark.parametrize("form, compress, suffix, unpack", [
    ("raw", "gzip", ".raw.gz", ["gzip", "-dc"]), ("vhd", "zstd", ".vhd.zst", ["zstd", "-qdc"])])
def test_disk_is_compressed_where_asked_and_expires_like_any_other(form, compress, suffix, unpack):
    with Lab(pool([vm("web1", disks=disks(7, 3))], hosts=1)) as lab:
        configure(lab, [f"vdi_compress = {compress}"], vdi_export_format=form, vdi_exports="web1",
                  max_backups=1)
        for _ in range(2):
            done = lab.run("--new")
            assert done.returncode == 0, done.stdout + done.stderr
        data, = files_of(lab, "web1", suffix)
        plain = lab.folder / f"plain.{form}"
        with open(plain, "wb") as out:
            subprocess.run([*unpack, data], check=True, stdout=out)
        assert disk_sum(lab, plain, 7) == lab.disk_sums("web1")[0]
        meta = meta_beside(data, suffix)
        check_stream_digest(plain, meta)
        assert f"compression={compress}" in meta and "device=xvda" in meta
        assert len(files_of(lab, "web1", "")) == 2
        lab.assert_clean()


@pytest.mark.parametrize("profile, chosen, asked", [
    ("xcp83", "xvda;xvdb;xvdc", ["VM.snapshot"]),
    ("ch82", "xvda;xvdb;xvdc", ["VM.snapshot"]),
    ("xcp83", "xvdc;xvda", ["VM.snapshot"]),
    ("ch82", "xvdc;xvda", ["VDI.snapshot", "VDI.snapshot"]),
])
def test_several_disks_are_of_one_snapshot_where_the_pool_can(profile, chosen, asked):
    sizes = {"xvda": 5, "xvdb": 3, "xvdc": 4}
    with Lab(pool([vm("web1", disks=disks(*sizes.values()))], hosts=1, profile=profile)) as lab:
        configure(lab, vdi_export_format="vhd", vdi_exports=f"web1:-1:{chosen}")
        held = lab.fault(action="stall", stream="export_raw_vdi", at_byte=4096)
        running = lab.start_run()
        lab.wait_held(held)
        web1 = lab.vm_ref("web1")
        vbds = {f"xvd{'abc'[int(vbd['userdevice'])]}": vbd["VDI"]
                for vbd in lab.records("VBD").values()
                if vbd["VM"] == web1 and vbd["type"] == "Disk"}
        taken = {vdi["snapshot_of"] for vdi in lab.records("VDI").values()
                 if vdi["is_a_snapshot"]}
        assert taken == {vbds[device] for device in chosen.split(";")}
        lab.sim.control("fault.release", id=held)
        assert running.wait(120) == 0
        assert snapshots_asked(lab) == asked
        stamps = set()
        for device, want in zip(sizes, lab.disk_sums("web1")):
            found = files_of(lab, "web1", ".vhd")
            found = [path for path in found if f"_{device}_" in path.name]
            assert len(found) == (device in chosen), (device, found)
            for path in found:
                assert disk_sum(lab, path, sizes[device]) == want
                assert f"device={device}" in meta_beside(path, ".vhd")
                stamps.add(path.stem.rsplit("_", 1)[1])
        assert len(stamps) == 1
        job, = lab.report()["jobs"]
        assert len(job["files"]) == len(chosen.split(";"))
        text = " ".join((lab.folder / "run-0.log").read_text().split())
        warned = "one after another" in text
        assert warned == ("VDI.snapshot" in asked)
        stamp, = stamps
        kept = lab.store / ".onyxpool" / "metadata" / "web1" / f"backup_{stamp}.xva"
        with tarfile.open(kept) as tar:
            assert tar.getnames() == ["ova.xml"]
            assert b"web1" in tar.extractfile("ova.xml").read()
        lab.assert_clean()


def test_vm_whose_disks_no_host_sees_all_is_saved_disk_by_disk():
    scattered = disks(4, sr="local-h1") + disks(4, 3, sr="local-h2")[1:]
    with Lab(pool([vm("web1", disks=scattered)], hosts=2)) as lab:
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "no host sees all SRs" in said(done)
        for device, size, want in zip(("xvda", "xvdb"), (4, 3), lab.disk_sums("web1")):
            data, = [path for path in files_of(lab, "web1", ".vhd") if device in path.name]
            assert disk_sum(lab, data, size) == want
        assert {job["host"] for job in lab.report()["jobs"]} == {"h1", "h2"}
        lab.assert_clean()


def test_device_that_the_vm_lacks_is_an_error_for_that_disk_alone():
    with Lab(pool([vm("web1", disks=disks(3, 2))], hosts=1)) as lab:
        configure(lab, vdi_exports="web1:-1:xvdb;xvdx")
        done = lab.run()
        assert done.returncode == 1
        assert "disk xvdx is not there" in said(done)
        data, = files_of(lab, "web1", ".raw")
        assert disk_sum(lab, data, 2) == lab.disk_sums("web1")[1]
        lab.assert_clean()


def test_short_disk_goes_silent_and_the_idle_timeout_ends_it():
    with Lab(pool([vm("web1", disks=disks(5))], hosts=1)) as lab:
        configure(lab, ["attempts = 2", "idle_timeout = 2s"], vdi_exports="web1")
        lab.fault(action="source_short", stream="export_raw_vdi", disk=0, at_byte=1 << 20)
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        data, = files_of(lab, "web1", ".raw")
        assert disk_sum(lab, data, 5) == lab.disk_sums("web1")[0]
        lab.assert_clean()


@pytest.mark.parametrize("fault", [
    dict(action="cut", at_byte=1 << 20), dict(action="late_500", at_byte=1 << 20),
    dict(action="task_fails", error=["VDI_IO_ERROR", "Device I/O errors"])])
@pytest.mark.parametrize("form", ["raw", "vhd"])
def test_disk_export_that_fails_leaves_nothing_and_no_half_of_the_disks(form, fault):
    with Lab(pool([vm("web1", disks=disks(5, 4))], hosts=1)) as lab:
        configure(lab, ["attempts = 1"], vdi_export_format=form, vdi_exports="web1:-1:xvda;xvdb")
        lab.fault(stream="export_raw_vdi", count=0, **fault)
        done = lab.run()
        assert done.returncode == 1
        assert files_of(lab, "web1", "") == []
        lab.assert_clean()


@pytest.mark.parametrize("point", [
    dict(method="VDI.snapshot", hold="before"), dict(method="SM.snapshot", hold="after"),
    dict(method="VDI.add_to_other_config", hold="before"),
    dict(method="VDI.set_name_label", hold="before"),
    dict(method="VDI.destroy", hold="before"),
    dict(stream="export_raw_vdi", action="stall", at_byte=1 << 20)])
def test_disk_export_whose_worker_dies_is_made_again_and_leaves_nothing(point):
    with Lab(pool([vm("web1", disks=disks(5, 4))], hosts=1)) as lab:
        configure(lab, ["attempts = 3"], vdi_exports="web1")
        held = lab.fault(**point)
        running = lab.start_run()
        lab.wait_held(held)
        lab.kill_workers()
        lab.sim.control("fault.release", id=held)
        assert running.wait(120) == 0
        assert len(files_of(lab, "web1", ".raw")) == 1
        lab.assert_clean()


# -- how still the guest was -----------------------------------------------------------------------

def hook_script(lab, name, text):
    path = lab.folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


def start_hooked(lab, host, **keys):
    """An agent whose own settings have the hook db."""
    conf = lab.folder / "agent.conf"
    conf.write_text("[agent]\nslots = 2\n[hook db]\n" +
                    "".join(f"{key} = {value}\n" for key, value in keys.items()))
    lab.start_agent(host, "-c", conf)


def consistency(lab, folder):
    meta, = files_of(lab, folder, ".meta")
    told = re.search(r"^consistency=(.*)$", meta.read_text(), re.M).group(1)
    job, = [job for job in lab.report()["jobs"] if job["name"] == folder]
    assert job["consistency"] == told
    return told


def test_guest_is_quiesced_where_the_pool_offers_it():
    machines = [vm("win1", size_mib=2, os="windows", power_state="Running"), vm("bare1", size_mib=2, tools=False, power_state="Running")]
    with Lab(pool(machines, hosts=1, profile="xs71")) as lab:
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert consistency(lab, "win1") == "quiesced"
        assert consistency(lab, "bare1") == "crash-consistent"
        lab.assert_clean()


@pytest.mark.parametrize("code", ["VM_SNAPSHOT_WITH_QUIESCE_FAILED",
                                  "VM_SNAPSHOT_WITH_QUIESCE_TIMEOUT", "MESSAGE_REMOVED"])
def test_quiesce_that_fails_costs_a_warning(code):
    with Lab(pool([vm("win1", size_mib=2, os="windows", power_state="Running")], hosts=1, profile="xs71")) as lab:
        lab.fault(method="VM.snapshot_with_quiesce", error=[code], count=0)
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "not quiesced" in said(done)
        assert consistency(lab, "win1") == "crash-consistent"
        lab.assert_clean()


def test_hooks_run_around_the_snapshot_and_only_of_the_named_vms():
    machines = [vm("db1", size_mib=2, power_state="Running"), vm("web1", size_mib=2, power_state="Running"),
                vm("db2", size_mib=2, power_state="Halted")]
    with Lab(pool(machines, hosts=1), agents=False) as lab:
        log = lab.folder / "hooks.txt"
        script = hook_script(lab, "hook", f'echo "$ONYXPOOL_WHEN $ONYXPOOL_VM_NAME $1" >> {log}')
        start_hooked(lab, "h1", before_snapshot=f"{script} 'two words'", after_snapshot=script)
        configure(lab, ["hooks = db.*:db"])
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert log.read_text().splitlines() == ["before_snapshot db1 two words",
                                                "after_snapshot db1 "]
        assert consistency(lab, "db1") == "hooked"
        assert consistency(lab, "db2") == "powered-off"
        assert consistency(lab, "web1") == "crash-consistent"
        lab.assert_clean()


@pytest.mark.parametrize("keys, told", [
    (dict(before_snapshot="FAIL", after_snapshot="THAW"), "status 7"),
    (dict(before_snapshot="HANG", after_snapshot="THAW", timeout="1s"), "did not end within 1 s"),
    (dict(before_snapshot="/nowhere/freeze", after_snapshot="THAW"), "No such file")])
def test_hook_that_fails_costs_a_warning_and_the_guest_thaws(keys, told):
    with Lab(pool([vm("db1", size_mib=2, power_state="Running")], hosts=1), agents=False) as lab:
        thawed = lab.folder / "thawed"
        scripts = {"FAIL": hook_script(lab, "fail", "exit 7"),
                   "HANG": hook_script(lab, "hang", "sleep 600"),
                   "THAW": hook_script(lab, "thaw", f"touch {thawed}")}
        start_hooked(lab, "h1", **{key: scripts.get(value, value) for key, value in keys.items()})
        configure(lab, ["hooks = db.*:db"])
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert told in said(done)
        assert thawed.exists()
        assert consistency(lab, "db1") == "crash-consistent"
        lab.assert_clean()


def test_hook_that_this_host_does_not_have_runs_nothing():
    with Lab(pool([vm("db1", size_mib=2, power_state="Running")], hosts=1)) as lab:
        configure(lab, ["hooks = db.*:/bin/reboot, db1:mysql"])
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "it is NAME-OR-REGEX:HOOK" in said(done)
        assert "no [hook mysql]" in said(done)
        assert consistency(lab, "db1") == "crash-consistent"
        lab.assert_clean()


@pytest.mark.parametrize("profile, point", [
    ("xcp83", dict(method="VM.snapshot", hold="before")),
    ("head", dict(method="VM.add_to_other_config", hold="before")),
    ("xs8", dict(method="VM.destroy", hold="before")),
    ("ch82", dict(method="VDI.destroy", hold="before"))])
def test_disks_of_one_snapshot_whose_worker_dies_are_saved_once(profile, point):
    with Lab(pool([vm("web1", disks=disks(5, 4))], hosts=1, profile=profile)) as lab:
        configure(lab, ["attempts = 3"], vdi_exports="web1:-1:xvda;xvdb")
        held = lab.fault(**point)
        running = lab.start_run()
        lab.wait_held(held)
        lab.kill_workers()
        lab.sim.control("fault.release", id=held)
        assert running.wait(120) == 0
        found = files_of(lab, "web1", ".raw")
        assert len(found) == 2 and len({path.stem.rsplit("_", 1)[1] for path in found}) == 1
        for path, size, want in zip(found, (5, 4), lab.disk_sums("web1")):
            assert disk_sum(lab, path, size) == want
        job, = lab.report()["jobs"]
        assert len(job["files"]) == 2
        lab.assert_clean()
