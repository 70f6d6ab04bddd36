# SPDX-License-Identifier: GPL-3.0-or-later
"""PUT /import and /import_metadata: what XAPI checks, what it makes, how it fails."""
import contextlib
import gzip
import os
import socket
import threading
import time
import warnings

import pytest

from data_client import (MIB, PAGE, Lab, XapiError, connect, get, parse_xva, pool_with, put,
                         read_reply, xva)


@pytest.fixture(scope="module")
def lab():
    with pool_with() as pool:
        yield Lab(pool)


@pytest.fixture(scope="module")
def archive(lab):
    """The bytes of a halted VM's export."""
    return lab.export(lab.vm("raw"))[0].body


@contextlib.contextmanager
def fresh():
    """A pool of one's own, for what changes the VM that is there."""
    with pool_with() as pool:
        yield Lab(pool)


def send(lab, body, query="", path="/import", **more):
    """(reply, task record); into nfs1 if the query names no SR."""
    task = lab.task()
    if "sr_" not in query and path == "/import":
        query += "&sr_id=" + lab.by_name("SR", "nfs1")
    reply = put(lab.pool, "%s?task_id=%s%s" % (path, task, query), body, **more)
    return reply, lab.pool.wait_task(lab.session, task)


def recording(name):
    """What a genuine XAPI answered, where a copy of the recordings lies beside the project."""
    folder = os.environ.get("ONYX_XAPI_RECORDINGS") or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "xapi", "golden")
    for path, opener in ((os.path.join(folder, name), open),
                         (os.path.join(folder, name + ".gz"), gzip.open)):
        if os.path.exists(path):
            with opener(path, "rb") as file:
                return file.read()
    warnings.warn("SKIPPED: no recordings in " + folder)
    pytest.skip("no recordings")
    return b""


def vms_of(record):
    return [part.split("<")[0] for part in record["result"].split("<value>")[2:]]


def import_one(lab, body, query="", **more):
    """The new VM's reference; the import has to succeed."""
    reply, record = send(lab, body, query, **more)
    assert record["status"] == "success", record["error_info"]
    assert PAGE not in reply.body
    (vm,) = vms_of(record)
    return vm


def assert_fails(lab, body, error, query="", **more):
    """The import fails with this code and leaves nothing behind."""
    before = lab.refs()
    reply, record = send(lab, body, query, **more)
    assert (record["status"], record["error_info"][0]) == ("failure", error)
    assert lab.refs() == before
    return reply, record["error_info"]


# --- success ---

def test_round_trip_gives_a_new_vm_with_the_same_bytes(lab):
    snap = lab.snapshot()
    body = lab.export(snap)[0].body
    reply, record = send(lab, body)
    assert reply.lines[:3] == ["HTTP/1.1 200 OK", "Connection: close",
                               "Cache-Control: no-cache, no-store"]
    assert record["other_config"] == {"object_creation": "complete"}
    (vm,) = vms_of(record)
    new, old = lab.call("VM.get_record", vm), lab.call("VM.get_record", snap)
    assert new["name_label"] == old["name_label"] and new["uuid"] != old["uuid"]
    assert new["version"] == 0 and new["power_state"] == "Halted"
    assert not new["is_a_snapshot"] and new["snapshot_of"] == "OpaqueRef:NULL"
    assert new["is_a_template"] and new["current_operations"] == {}
    assert new["other_config"]["mac_seed"] != old["other_config"]["mac_seed"]
    assert new["other_config"]["import_task"] == next(
        line.split(":", 1)[1] for line in reply.lines if line.startswith("task-id:"))
    for device, vdi in lab.disks(snap).items():
        assert lab.sha256(lab.disks(vm)[device]) == lab.sha256(vdi)
        assert "import_task" in lab.call("VDI.get_sm_config", lab.disks(vm)[device])
    macs = [lab.call("VIF.get_MAC", v["VIFs"][0]) for v in (new, old)]
    assert macs[0] != macs[1]


@pytest.mark.parametrize("how", ["gzip", "zstd"])
@pytest.mark.parametrize("length", [True, None])
def test_compressed_archive_imports(lab, how, length):
    body = lab.export(lab.vm("raw"), "&use_compression=" + how)[0].body
    vm = import_one(lab, body, length=length, half_close=length is None)
    assert lab.sha256(lab.disks(vm)["0"]) == lab.sha256(lab.disks(lab.vm("raw"))["0"])


def test_expect_header_is_ignored_and_padding_does_no_harm(lab, archive):
    import_one(lab, archive, headers="Expect: 100-continue\r\n")
    import_one(lab, archive + bytes(10240))
    import_one(lab, archive[:-1024], half_close=True)  # the two zero blocks are not asked for


def test_answer_begins_before_the_body_ends_and_the_vm_is_locked_meanwhile(lab, archive):
    task = lab.task()
    connection = connect(lab.pool)
    connection.sendall(("PUT /import?sr_id=%s&task_id=%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d"
                        "\r\n\r\n" % (lab.by_name("SR", "nfs1"), task, len(archive))).encode())
    connection.sendall(archive[:len(archive) // 2])
    assert connection.recv(15) == b"HTTP/1.1 200 OK"
    deadline, vm = time.monotonic() + 20, None
    while not vm and time.monotonic() < deadline:
        vms = lab.call("VM.get_all_records")
        vm = next((ref for ref, v in vms.items() if v["current_operations"].get(task)), None)
    assert lab.call("VM.get_current_operations", vm) == {task: "import"}
    assert lab.call("VM.get_allowed_operations", vm) == []
    connection.sendall(archive[len(archive) // 2:])
    assert lab.outcome(task) == ("success", [])
    connection.close()


def test_iso_of_the_pool_is_in_the_drive_again():
    srs = [{"name": "nfs1", "type": "nfs", "shared": True},
           {"name": "isos", "type": "iso", "shared": True, "isos": [{"name": "tools.iso"}]}]
    vm = {"name": "cd", "power_state": "Halted", "disks": [{"device": "xvda", "sr": "nfs1"}],
          "cd": {"sr": "isos", "iso": "tools.iso"}}
    with pool_with(srs=srs, vms=[vm]) as pool:
        lab = Lab(pool)
        body = lab.export(lab.vm("cd"))[0].body
        new = import_one(lab, body)
        drives = [lab.call("VBD.get_record", vbd) for vbd in lab.call("VM.get_VBDs", new)]
        (cd,) = [drive for drive in drives if drive["type"] == "CD"]
        assert not cd["empty"] and lab.call("VDI.get_name_label", cd["VDI"]) == "tools.iso"


@pytest.mark.parametrize("name", ["513-export-full-ref.rep", "1011-export-snap-tcp-uuid.rep",
                                  "1783-export-999-1000.rep", "518-export-gzip.rep"])
def test_genuine_archive_imports_with_the_same_bytes(lab, name, tmp_path):
    body = recording(name).split(b"\r\n\r\n", 1)[1]
    (tmp_path / "archive").write_bytes(body)
    genuine = xva.read_xva(str(tmp_path / "archive"))
    vm = import_one(lab, body)
    for vbd in genuine.objects["VBD"].values():
        if vbd["type"] == "Disk":
            assert lab.sha256(lab.disks(vm)[vbd["userdevice"]]) == genuine.disks[vbd["VDI"]].sha256
    assert lab.call("VM.get_name_label", vm) == genuine.vm()["name_label"]


# --- broken archives ---

def test_flipped_bit_fails_unless_forced(lab, archive):
    bad = bytearray(archive)
    bad[-2 * MIB] ^= 1
    reply, error = assert_fails(lab, bytes(bad), "IMPORT_ERROR")
    assert error[1].startswith('INTERNAL_ERROR: [ Stream_vdi.Invalid_checksum("Block Ref:')
    if reply.how == "eof":
        assert ("IMPORT_ERROR: [ %s ]" % error[1]).encode() in reply.body  # not escaped
    vm = import_one(lab, bytes(bad), "&force=true")
    assert lab.sha256(lab.disks(vm)["0"]) != lab.sha256(lab.disks(lab.vm("raw"))["0"])


def split_members(body):
    """[(name, header and data)] of the archive, the end apart."""
    members, at = [], 0
    while body[at:at + 512] != bytes(512):
        length = int(body[at + 124:at + 135], 8)
        end = at + 512 + (length + 511) // 512 * 512
        members.append((body[at:at + 100].split(b"\0")[0].decode(), body[at:end]))
        at = end
    return members, body[at:]


def without(body, *dropped):
    members, end = split_members(body)
    return b"".join(data for i, (_, data) in enumerate(members) if i not in dropped) + end


def test_lost_middle_block_passes_without_notice(lab, archive):
    names = [name for name, _ in split_members(archive)[0]]
    assert len(names) > 6
    vm = import_one(lab, without(archive, 3, 4))
    assert lab.sha256(lab.disks(vm)["0"]) != lab.sha256(lab.disks(lab.vm("raw"))["0"])


def test_lost_last_block_and_lost_hash_fail(lab, archive):
    names = [name for name, _ in split_members(archive)[0]]
    last = len(names) - 2
    _, error = assert_fails(lab, without(archive, last, last + 1), "IMPORT_ERROR")
    assert error[1] == "INTERNAL_ERROR: [ Tar.Header.End_of_stream ]"
    _, error = assert_fails(lab, without(archive, 2), "IMPORT_ERROR")
    assert error[1] == ('INTERNAL_ERROR: [ Stream_vdi.Failure("Found unsupported checksum file: '
                        '%s") ]' % names[3])


@pytest.mark.parametrize("cut", [100, 700, 40000, 3 * MIB])
def test_truncated_body_is_a_premature_end(lab, archive, cut):
    assert_fails(lab, archive[:cut], "IMPORT_ERROR_PREMATURE_EOF", half_close=True)
    assert_fails(lab, archive[:cut], "IMPORT_ERROR_PREMATURE_EOF", half_close=True, length=None)


def test_garbage_and_an_empty_body_are_a_premature_end(lab):
    assert_fails(lab, b"garbage" * 1000, "IMPORT_ERROR_PREMATURE_EOF", half_close=True)
    assert_fails(lab, b"", "IMPORT_ERROR_PREMATURE_EOF", half_close=True)


def test_length_of_zero_is_not_honoured(lab):
    task = lab.task()
    connection = connect(lab.pool)
    connection.sendall(("PUT /import?sr_id=%s&task_id=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0"
                        "\r\n\r\n" % (lab.by_name("SR", "nfs1"), task)).encode())
    assert connection.recv(15) == b"HTTP/1.1 200 OK"
    time.sleep(0.3)
    assert lab.call("task.get_status", task) == "pending"
    connection.shutdown(socket.SHUT_WR)
    assert PAGE in read_reply(connection).raw
    connection.close()
    assert lab.outcome(task) == ("failure", ["IMPORT_ERROR_PREMATURE_EOF"])


def test_forced_truncated_import_leaves_vm_and_disks(lab, archive):
    before = lab.refs()
    _, record = send(lab, archive[:3 * MIB], "&force=true", half_close=True)
    assert record["error_info"] == ["IMPORT_ERROR_PREMATURE_EOF"]
    after = lab.refs()
    assert len(after["VM"]) == len(before["VM"]) + 1
    assert len(after["VDI"]) == len(before["VDI"]) + 1


def test_newer_version_is_refused(lab, archive):
    members, end = split_members(archive)
    ova = members[0][1]
    length = int(ova[124:135], 8)
    old = b"<name>xapi_major</name><value>24</value>"
    assert old in ova
    new = ova.replace(old, old.replace(b"24", b"99"))
    body = new + b"".join(data for _, data in members[1:]) + end
    assert length == int(new[124:135], 8)
    assert_fails(lab, body, "IMPORT_INCOMPATIBLE_VERSION")


@pytest.mark.parametrize("target", ["/import/?sr_id=%s", "/import_raw_vdi/?format=raw&vdi=%s"])
def test_empty_body_without_a_task_is_a_harmless_question(target):
    """How Xen Orchestra asks where to send the body."""
    with fresh() as lab:
        vdi = lab.disks(lab.vm("raw"))["0"]
        before, content = lab.refs(), lab.sha256(vdi)
        subject = vdi if "vdi=" in target else lab.call("VDI.get_SR", vdi)
        reply = put(lab.pool, target % subject, b"", half_close=True)
        assert reply.lines[0] == "HTTP/1.1 200 OK"
        assert lab.refs() == before and lab.sha256(vdi) == content


def test_body_of_a_petabyte_may_end_early(lab):
    vdi = lab.new_vdi(2 * MIB)
    body = bytes(range(256)) * (2 * MIB // 256)
    task = lab.task()
    put(lab.pool, "/import_raw_vdi/?format=raw&vdi=%s&task_id=%s" % (vdi, task), body, length=1 << 50,
        half_close=True)
    status, error = lab.outcome(task)
    assert status == "failure" and error[0] == "VDI_IO_ERROR"
    reply = get(lab.pool, "/export_raw_vdi?format=raw&vdi=" + vdi)
    assert reply.body == body  # all that came is there


def test_chunked_body_is_refused_with_403(lab):
    reply, record = send(lab, b"5\r\nhello\r\n0\r\n\r\n", length=None,
                         headers="Transfer-Encoding: chunked\r\n")
    assert reply.status == "HTTP/1.1 403 Forbidden" and PAGE in reply.body
    assert record["error_info"] == ["IMPORT_ERROR_CANNOT_HANDLE_CHUNKED"]


def test_bad_target_is_a_real_500_and_the_task_blames_rbac(lab):
    uuid = "00000000-0000-0000-0000-000000000000"
    reply, record = send(lab, b"x", "&sr_uuid=" + uuid)
    assert reply.status == "HTTP/1.1 500 Internal Error"
    assert record["error_info"] == ["RBAC_PERMISSION_DENIED", "http/put_import",
                                    "UUID_INVALID: [ SR; %s ]" % uuid]
    task = lab.task()
    reply = put(lab.pool, "/import?task_id=" + task, b"x")
    assert lab.outcome(task)[1][2].startswith("DEFAULT_SR_NOT_FOUND")


def test_sr_of_another_host_is_a_redirect_and_untouched_task(lab):
    task = lab.task()
    reply = put(lab.pool, "/import?sr_id=%s&task_id=%s" % (lab.by_name("SR", "local-h2"), task), b"")
    assert reply.status == "HTTP/1.1 302 Found" and lab.call("task.get_status", task) == "pending"


def test_client_that_leaves_has_everything_removed(lab, archive):
    before, task = lab.refs(), lab.task()
    connection = connect(lab.pool)
    connection.sendall(("PUT /import?sr_id=%s&task_id=%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d"
                        "\r\n\r\n" % (lab.by_name("SR", "nfs1"), task, len(archive))).encode())
    connection.sendall(archive[:3 * MIB])
    connection.close()
    assert lab.outcome(task)[0] == "failure"
    assert lab.refs() == before


def test_full_sr_is_a_driver_failure():
    srs = [{"name": "nfs1", "type": "nfs", "shared": True},
           {"name": "small", "type": "nfs", "shared": True, "size_mib": 4}]
    vm = {"name": "v", "power_state": "Halted", "disks": [{"device": "xvda", "sr": "nfs1"}]}
    with pool_with(srs=srs, vms=[vm]) as pool:
        lab = Lab(pool)
        body = lab.export(lab.vm("v"))[0].body
        assert_fails(lab, body, "SR_BACKEND_FAILURE_44", "&sr_id=" + lab.by_name("SR", "small"))


# --- restore ---

def test_restore_of_a_snapshots_archive_needs_the_original_gone():
    with fresh() as lab:
        vm, snap = lab.vm(), lab.snapshot()
        record = lab.call("VM.get_record", snap)
        body = lab.export(snap)[0].body
        seed = record["other_config"]["mac_seed"]
        for query in ("&restore=true", "&restore=true&force=true"):
            _, error = assert_fails(lab, body, "DUPLICATE_MAC_SEED", query)
            assert error[1] == seed
        lab.call("VM.hard_shutdown", vm)
        devices = [(name, lab.call(name[:-1] + ".get_uuid", ref))
                   for name in ("VBDs", "VIFs") for ref in record[name]]
        mac = lab.call("VIF.get_MAC", record["VIFs"][0])
        for ref in (vm, snap):
            lab.call("VM.destroy", ref)
        new = lab.call("VM.get_record", import_one(lab, body, "&restore=true"))
        assert sorted(devices) == sorted((name, lab.call(name[:-1] + ".get_uuid", ref))
                                         for name in ("VBDs", "VIFs") for ref in new[name])
        assert lab.call("VIF.get_MAC", new["VIFs"][0]) == mac
        assert new["uuid"] == record["uuid"] and new["version"] == 1
        assert new["other_config"]["mac_seed"] == seed
        _, error = assert_fails(lab, body, "VM_TO_IMPORT_IS_NOT_NEWER_VERSION", "&restore=true")
        assert error[2:] == ["1", "0"]


def test_restore_over_the_vm_itself():
    with fresh() as lab:
        vm = lab.vm("raw")
        uuid, disk = lab.call("VM.get_uuid", vm), lab.disks(vm)["0"]
        body = lab.export(vm)[0].body
        _, error = assert_fails(lab, body, "VM_TO_IMPORT_IS_NOT_NEWER_VERSION", "&restore=true")
        assert error == ["VM_TO_IMPORT_IS_NOT_NEWER_VERSION", vm, "0", "0"]
        lab.call("VM.start", vm, False, False)
        _, error = assert_fails(lab, body, "VM_BAD_POWER_STATE", "&restore=true")
        assert error == ["VM_BAD_POWER_STATE", vm, "Halted", "Running"]
        disks = len(lab.refs()["VDI"])
        _, record = send(lab, body, "&restore=true&force=true")
        assert record["status"] == "success" and vms_of(record) == []
        assert len(lab.refs()["VDI"]) == disks + 1  # an orphan
        lab.call("VM.hard_shutdown", vm)
        new = import_one(lab, body, "&restore=true&force=true")
        assert new != vm and lab.call("VM.get_uuid", new) == uuid
        with pytest.raises(XapiError):
            lab.call("VM.get_record", vm)
        assert lab.call("VDI.get_VBDs", disk) == []  # the old disk stays, without a VM


def test_vtpms_contents_are_in_the_archive_and_come_back():
    with fresh() as lab:
        vm = lab.vm("raw")
        vtpm = lab.call("VTPM.create", vm, False)
        lab.call("VTPM.set_contents", vtpm, "c2VjcmV0")
        snap = lab.call("VM.snapshot", vm, "s")
        archive = lab.export(snap)[0]
        (record,) = parse_xva(archive).objects["VTPM"].values()
        assert record["content"] == "c2VjcmV0" and sorted(record) == [
            "VM", "content", "is_protected", "is_unique", "uuid"]
        new = import_one(lab, archive.body)
        (mine,) = lab.call("VM.get_VTPMs", new)
        assert mine != vtpm and lab.call("VTPM.get_contents", mine) == "c2VjcmV0"


def test_lost_mac_seed_lets_a_second_vm_with_the_same_mac_appear():
    with fresh() as lab:
        vm, snap = lab.vm(), lab.snapshot()
        body = lab.export(snap)[0].body
        lab.call("VM.destroy", snap)
        lab.call("VM.set_other_config", vm, {})
        new = import_one(lab, body, "&restore=true")
        macs = {lab.call("VIF.get_MAC", lab.call("VM.get_VIFs", ref)[0]) for ref in (vm, new)}
        assert len(macs) == 1


# --- metadata ---

def test_metadata_import_finds_the_disks_by_location():
    with fresh() as lab:
        vm = lab.vm()
        body = get(lab.pool, "/export_metadata?ref=" + vm).body
        disks = set(lab.disks(vm).values())
        reply, record = send(lab, body, path="/import_metadata")
        assert record["status"] == "success" and record["other_config"] == {}
        (new,) = vms_of(record)
        assert set(lab.disks(new).values()) == disks
        reply, record = send(lab, body, "&dry_run=true", path="/import_metadata")
        assert vms_of(record) == []


def test_metadata_import_of_a_missing_disk_fails_or_skips_it():
    with fresh() as lab:
        vm = lab.vm("raw")
        body = get(lab.pool, "/export_metadata?ref=" + vm).body
        sr, disk = lab.by_name("SR", "raw1"), lab.disks(vm)["0"]
        uuid = lab.uuid(disk)
        lab.call("VM.destroy", vm)
        lab.call("VDI.destroy", disk)
        _, error = assert_fails(lab, body, "VDI_LOCATION_MISSING", path="/import_metadata")
        assert error == ["VDI_LOCATION_MISSING", sr, uuid]
        other = lab.new_vdi(8 * MIB)
        _, record = send(lab, body, "&vdi:%s=%s" % (uuid, lab.uuid(other)), path="/import_metadata")
        assert list(lab.disks(vms_of(record)[0]).values()) == [other]


def test_two_imports_at_once_do_not_mix(lab, archive):
    results = []
    workers = [threading.Thread(target=lambda: results.append(import_one(lab, archive)))
               for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    sums = {lab.sha256(lab.disks(vm)["0"]) for vm in results}
    assert len(set(results)) == 3 and sums == {lab.sha256(lab.disks(lab.vm("raw"))["0"])}


def test_exported_copy_of_an_import_is_the_archive_again(lab, archive):
    vm = import_one(lab, archive)
    again = parse_xva(lab.export(vm)[0])
    (disk,) = again.disks.values()
    assert disk.sha256 == lab.sha256(lab.disks(vm)["0"])
