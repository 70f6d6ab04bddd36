# SPDX-License-Identifier: GPL-3.0-or-later
"""GET /export and /export_metadata: streams read by an independent reader, every way to fail."""
import gzip
import io
import os
import shutil
import socket
import subprocess
import threading
import time
import warnings

import pytest

from data_client import (MIB, PAGE, Lab, connect, get, parse_xva, pool_with, put, read_reply,
                         sha256, xva)


@pytest.fixture(scope="module")
def lab():
    with pool_with() as pool:
        yield Lab(pool)


def assert_clean(lab, vm):
    """Nothing goes on with the VM, no disk of it is attached to dom0."""
    assert lab.call("VM.get_current_operations", vm) == {}
    for vdi in lab.disks(vm).values():
        for vbd in lab.call("VDI.get_VBDs", vdi):
            assert not lab.call("VM.get_is_control_domain", lab.call("VBD.get_VM", vbd))


def test_snapshot_exported_while_the_guest_writes_gives_the_snapshot(lab):
    vm = lab.vm()
    snap = lab.snapshot()
    live = lab.disks(vm)["0"]
    before = lab.sha256(lab.disks(snap)["0"])
    lab.write(live, 3 * MIB + 5, b"written by the guest")
    reply, outcome = lab.export(snap)
    assert outcome == ("success", [])
    assert reply.lines[:4] == ["HTTP/1.0 200 OK", "Connection: close",
                               "Cache-Control: no-cache, no-store", reply.lines[3]]
    assert reply.lines[3].startswith("task-id: OpaqueRef:")
    assert reply.lines[5:] == ["content-type: application/octet-stream",
                               'Content-Disposition: attachment; filename="export.xva"']
    archive = parse_xva(reply)
    for device, vdi in lab.disks(snap).items():
        assert archive.disk_of(device).sha256 == lab.sha256(vdi)
    assert archive.disk_of(0).sha256 == before != lab.sha256(live)
    assert archive.vm()["name_label"] == "snap"
    assert archive.vm()["is_a_snapshot"] is False and archive.vm()["snapshot_of"] == "OpaqueRef:NULL"
    assert archive.version["export_vsn"] == "2"
    assert_clean(lab, snap)


def test_archive_passes_gnu_tar_and_xxhsum(lab, tmp_path):
    reply, _ = lab.export(lab.snapshot())
    subprocess.run(["tar", "xf", "-"], cwd=tmp_path, input=reply.body, check=True)
    sums = 0
    for folder, _, files in os.walk(tmp_path):
        for name in (f for f in files if f.endswith(".xxhash")):
            path = os.path.join(folder, name[:-len(".xxhash")])
            printed = subprocess.run(["xxhsum", "-H64", path], capture_output=True, text=True,
                                     check=True).stdout
            with open(os.path.join(folder, name), encoding="ascii") as file:
                assert file.read() == printed.split()[0].upper()
            sums += 1
    assert sums > 10


def test_zero_blocks_are_left_out_but_first_and_last(lab):
    reply, _ = lab.export(lab.vm("raw"))
    (disk,) = parse_xva(reply).disks.values()
    numbers = [number for number, _, _ in disk.blocks]
    assert numbers[0] == 0 and numbers[-1] == 7 and len(numbers) < 8


def test_two_exports_of_one_vm_have_other_numbers(lab):
    first, _ = lab.export(lab.vm("raw"))
    second, _ = lab.export(lab.vm("raw"))
    assert set(parse_xva(first).disks).isdisjoint(parse_xva(second).disks)


def test_disks_come_in_string_order_of_their_numbers():
    disks = [{"device": str(i), "sr": "nfs1", "size_mib": 1, "content": {"seed": i}}
             for i in range(8)]
    with pool_with(vms=[{"name": "many", "power_state": "Halted", "disks": disks}]) as pool:
        lab = Lab(pool)
        reply, _ = lab.export(lab.vm("many"))
        archive = parse_xva(reply)
        order = list(archive.disks)
        assert order == sorted(order) != sorted(order, key=lambda ref: int(ref[len("Ref:"):]))
        for device, vdi in lab.disks(lab.vm("many")).items():
            assert archive.disk_of(device).sha256 == lab.sha256(vdi)


@pytest.mark.parametrize("how", ["true", "gzip", "zstd"])
def test_compressed_export_is_the_same_archive(lab, tmp_path, how):
    snap = lab.snapshot()
    reply, outcome = lab.export(snap, "&use_compression=" + how)
    assert outcome == ("success", [])
    path = tmp_path / "archive"
    path.write_bytes(reply.body)
    tool = "zstd" if how == "zstd" else "gzip"
    subprocess.run([tool, "-t"], stdin=path.open("rb"), check=True)
    assert xva.read_xva(str(path)).disk_of(1).sha256 == lab.sha256(lab.disks(snap)["1"])


def test_older_profile_writes_sha1_checksums():
    with pool_with("xs71") as pool:
        lab = Lab(pool)
        reply, outcome = lab.export(lab.vm("raw"))
        assert outcome == ("success", [])
        archive = parse_xva(reply)
        assert all(name.endswith((".xml", ".checksum")) for name, _ in archive.members[0::2])


def test_head_sends_allocated_clusters_even_if_zero():
    disk = {"device": "xvda", "sr": "nfs1", "size_mib": 12, "content": {"zero": True}}
    for profile, want in (("head", [0, 4, 5, 11]), ("ch82", [0, 5, 11])):
        with pool_with(profile, vms=[{"name": "z", "power_state": "Halted", "disks": [disk]}]) as pool:
            lab = Lab(pool)
            lab.write(lab.disks(lab.vm("z"))["0"], 5 * MIB, b"x")
            reply, _ = lab.export(lab.vm("z"))
            (found,) = parse_xva(reply).disks.values()
            assert [number for number, _, _ in found.blocks] == want


@pytest.mark.parametrize("profile", ["xs71", "ch82", "xcp83", "xs8", "head"])
def test_every_profile_goes_round(profile):
    with pool_with(profile) as pool:
        lab = Lab(pool)
        snap, task = lab.snapshot(), lab.task()
        reply, outcome = lab.export(snap)
        assert outcome == ("success", [])
        put(pool, "/import?sr_id=%s&task_id=%s" % (lab.by_name("SR", "nfs1"), task), reply.body)
        record = pool.wait_task(lab.session, task)
        assert record["status"] == "success", record["error_info"]
        new = record["result"].split("<value>")[2].split("<")[0]
        for device, vdi in lab.disks(snap).items():
            assert parse_xva(reply).disk_of(device).sha256 == lab.sha256(vdi)
            assert lab.sha256(lab.disks(new)[device]) == lab.sha256(vdi)


def test_suspended_vm_keeps_its_image_only_if_asked():
    with pool_with() as pool:
        lab = Lab(pool)
        vm, image = lab.vm("raw"), lab.new_vdi(2 * MIB)
        lab.write(image, 5, b"memory")
        for name, ref, field, value in (("VDI", image, "type", "suspend"),
                                        ("VM", vm, "suspend_VDI", image),
                                        ("VM", vm, "power_state", "Suspended")):
            pool.control("object.set", **{"class": name, "object": ref, "field": field,
                                          "value": value})
        plain = parse_xva(lab.export(vm)[0])
        assert plain.vm()["power_state"] == "Halted" and len(plain.disks) == 1
        kept = parse_xva(lab.export(vm, "&preserve_power_state=true")[0])
        assert kept.vm()["power_state"] == "Suspended"
        assert kept.disks[kept.vm()["suspend_VDI"]].sha256 == lab.sha256(image)


def test_long_zero_runs_give_keepalives_that_shift_numbers():
    disk = {"device": "xvda", "sr": "raw1", "size_mib": 2600, "content": {"zero": True}}
    with pool_with(vms=[{"name": "z", "power_state": "Halted", "disks": [disk]}]) as pool:
        lab = Lab(pool)
        vdi = lab.disks(lab.vm("z"))["0"]
        lab.write(vdi, 2500 * MIB, b"behind keep-alives")
        reply, outcome = lab.export(lab.vm("z"))
        assert outcome[0] == "success"
        (found,) = parse_xva(reply).disks.values()
        assert found.keepalives == 2
        assert (2502, 2500 * MIB, MIB) in found.blocks
        assert found.sha256 == lab.sha256(vdi)
        task = lab.task()
        put(pool, "/import?sr_id=%s&task_id=%s" % (lab.by_name("SR", "nfs1"), task), reply.body)
        record = pool.wait_task(lab.session, task)
        assert record["status"] == "success"
        new = record["result"].split("<value>")[2].split("<")[0]
        assert lab.sha256(lab.disks(new)["0"]) == found.sha256


def test_running_vm_is_refused_with_a_real_500(lab):
    reply, outcome = lab.export(lab.vm())
    assert reply.status == "HTTP/1.1 500 Internal Error"
    assert outcome == ("failure", ["VM_BAD_POWER_STATE", lab.vm(), "halted, suspended", "running"])


def test_vm_on_another_hosts_sr_is_redirected_and_its_task_untouched(lab):
    vm, task = lab.vm("far"), lab.task()
    target = "/export?ref=%s&session_id=%s&task_id=%s" % (vm, lab.session, task)
    reply = get(lab.pool, target)
    assert reply.status == "HTTP/1.1 302 Found" and reply.body == b""
    assert reply.header("location").startswith("https://" + lab.pool.hosts["h2"]["address"])
    assert lab.call("task.get_status", task) == "pending"
    there = get(lab.pool, target, host="h2")
    assert there.status == "HTTP/1.0 200 OK" and lab.outcome(task) == ("success", [])


@pytest.mark.parametrize("profile, query", [
    # Up to 8.2 what was understood is pasted; later it is escaped anew, where that is needed.
    ("ch82", "note=a b&c;d+e,f%g=h"),
    ("xcp83", "note=a%20b%26c%3Bd%2Be%2Cf%25g=h"),
    ("head", "note=a%20b%26c%3Bd%2Be%2Cf%25g=h")])
def test_redirect_carries_the_whole_query_as_the_release_writes_it(profile, query):
    with pool_with(profile) as pool:
        lab = Lab(pool)
        common = "ref=%s&session_id=%s&" % (lab.vm("far"), lab.session)
        reply = get(pool, "/export/?" + common.replace(":", "%3A") + "note=a%20b%26c;d%2be,f%25g%3Dh")
        assert reply.status == "HTTP/1.1 302 Found"
        assert reply.header("location") == "%s/export/?%s" % (pool.hosts["h2"]["tls_url"], common + query)


@pytest.mark.parametrize("vm", ["split", None])
def test_vm_that_no_host_can_export_gets_no_answer_at_all(lab, vm):
    ref = lab.vm(vm) if vm else "OpaqueRef:00000000-0000-0000-0000-000000000000"
    reply, outcome = lab.export(ref)
    assert reply.raw == b"" and outcome == ("failure", ["NO_HOSTS_AVAILABLE"])


@pytest.mark.parametrize("query, text", [
    ("uuid=00000000-0000-0000-0000-000000000000", b"UUID_INVALID: [ VM; 00000000-"),
    ("", b"Not_found"),
    ("ref=%(raw)s&task_id=OpaqueRef:none", b"Db_exn.DBCache_NotFound("),
    ("ref=%(raw)s&preserve_power_state=maybe", b"bool_of_string")])
def test_bad_query_is_a_real_500(lab, query, text):
    reply = get(lab.pool, "/export?" + query % {"raw": lab.vm("raw")})
    assert reply.status == "HTTP/1.1 500 Internal Error" and text in reply.body


def test_while_exporting_operation_and_dom0_disk_are_seen(lab):
    snap = lab.snapshot()
    fault = lab.pool.control("fault.inject", stream="export", action="stall", at_byte=6 * MIB)
    result = []
    worker = threading.Thread(target=lambda: result.append(lab.export(snap)))
    worker.start()
    lab.pool.control("fault.wait", id=fault, timeout_ms=20000)
    assert list(lab.call("VM.get_current_operations", snap).values()) == ["export"]
    attached = [vdi for vdi in lab.disks(snap).values() if len(lab.call("VDI.get_VBDs", vdi)) == 2]
    assert len(attached) == 1
    assert lab.call("VDI.get_current_operations", attached[0]) == {}
    lab.pool.control("fault.release", id=fault)
    worker.join()
    assert result[0][1] == ("success", [])
    assert_clean(lab, snap)


# --- failures behind the 200 ---

def inject(lab, action, **more):
    return lab.pool.control("fault.inject", action=action, stream="export", **more)


def test_short_source_shows_only_in_the_task_and_the_missing_end(lab):
    snap = lab.snapshot()
    for extra in ("", "&use_compression=gzip"):
        inject(lab, "source_short", at_byte=5 * MIB)
        reply, outcome = lab.export(snap, extra)
        assert outcome == ("failure", ["INTERNAL_ERROR", "End_of_file"])
        assert PAGE not in reply.body
        body = gzip.decompress(reply.body) if extra else reply.body
        with pytest.raises(xva.XvaError):
            xva.read_xva(io.BytesIO(body))
        assert len(body) % 512 == 0 and body[-1024:] != bytes(1024)
        assert_clean(lab, snap)


def test_read_error_puts_a_page_behind_whole_members(lab):
    snap = lab.snapshot()
    inject(lab, "source_eio", at_byte=5 * MIB)
    reply, outcome = lab.export(snap)
    assert outcome == ("failure", ["INTERNAL_ERROR", 'Unix.Unix_error(Unix.EIO, "read", "")'])
    data, page = reply.body.split(PAGE)
    assert len(data) % 512 == 0 and b"Got UNIX error: Input/output error read " in page
    inject(lab, "source_eio", at_byte=5 * MIB)
    reply, _ = lab.export(snap, "&use_compression=gzip")
    data, page = reply.body.split(PAGE)
    gzip.decompress(data)
    assert_clean(lab, snap)


def test_killed_compressor_cuts_the_stream_and_blames_the_client(lab):
    snap = lab.snapshot()
    inject(lab, "child_killed", at_byte=5 * MIB)
    reply, outcome = lab.export(snap, "&use_compression=zstd")
    assert outcome[1][0] == "CLIENT_ERROR" and "EPIPE" in outcome[1][1]
    assert PAGE in reply.body


def test_attach_failure_of_the_second_disk_is_a_page_behind_the_first(lab):
    snap = lab.snapshot()
    inject(lab, "attach_fails", disk=1)
    reply, outcome = lab.export(snap)
    assert outcome[1][0] == "SR_BACKEND_FAILURE_46" and "not detached cleanly" in outcome[1][2]
    assert b"SR_BACKEND_FAILURE_46: [ ; The VDI is not available" in reply.body.split(PAGE)[1]
    assert_clean(lab, snap)


def test_detach_failure_leaves_dom0s_disk_and_a_good_export(lab):
    snap = lab.snapshot()
    inject(lab, "detach_fails", disk=0)
    reply, outcome = lab.export(snap)
    assert outcome == ("success", [])
    parse_xva(reply)
    left = [vbd for vdi in lab.disks(snap).values() for vbd in lab.call("VDI.get_VBDs", vdi)
            if lab.call("VM.get_is_control_domain", lab.call("VBD.get_VM", vbd))]
    assert len(left) == 1
    lab.call("VBD.unplug", left[0])
    lab.call("VBD.destroy", left[0])
    assert_clean(lab, snap)


def test_wire_faults_cut_corrupt_pad_and_fail_the_task(lab):
    snap = lab.snapshot()
    whole, _ = lab.export(snap)
    inject(lab, "cut", at_byte=3 * MIB)
    reply, outcome = lab.export(snap)
    assert len(reply.body) == 3 * MIB and outcome[0] == "failure"
    inject(lab, "corrupt", at_byte=3 * MIB)
    reply, outcome = lab.export(snap)
    assert outcome == ("success", []) and len(reply.body) == len(whole.body)
    with pytest.raises(xva.XvaError):
        parse_xva(reply)
    inject(lab, "pad", bytes=512)
    reply, outcome = lab.export(snap)
    assert outcome == ("success", []) and len(reply.body) == len(whole.body) + 512
    inject(lab, "task_fails", error=["VDI_IO_ERROR", "x"])
    reply, outcome = lab.export(snap)
    parse_xva(reply)
    assert outcome == ("failure", ["VDI_IO_ERROR", "x"])
    inject(lab, "task_fails", error=["PENDING"])
    task = lab.task()
    parse_xva(get(lab.pool, "/export?ref=%s&task_id=%s" % (snap, task)))
    assert lab.call("task.get_status", task) == "pending"
    inject(lab, "late_500", at_byte=2 * MIB)
    reply, outcome = lab.export(snap)
    assert reply.body[2 * MIB:].startswith(PAGE) and outcome[0] == "failure"
    inject(lab, "no_reply")
    reply, outcome = lab.export(snap)
    assert outcome[0] == "failure"
    assert_clean(lab, snap)


def test_stream_is_stalled_slowed_and_reset_where_a_test_wants_it(lab):
    snap = lab.snapshot()
    whole, _ = lab.export(snap)
    fault = inject(lab, "stall", at_byte=3 * MIB)
    connection = connect(lab.pool)
    connection.sendall(("GET /export?ref=%s HTTP/1.1\r\n\r\n" % snap).encode())
    connection.settimeout(0.5)
    got = b""
    with pytest.raises(TimeoutError):
        while True:
            got += connection.recv(MIB)
    assert len(got.partition(b"\r\n\r\n")[2]) == 3 * MIB
    assert lab.pool.control("fault.wait", id=fault)["held"] == 1
    connection.settimeout(30)
    lab.pool.control("fault.release", id=fault)
    got += read_reply(connection).raw
    connection.close()
    assert len(got.partition(b"\r\n\r\n")[2]) == len(whole.body)
    left = len(whole.body) - 2 * MIB
    inject(lab, "slow", at_byte=2 * MIB, rate_bytes_per_s=2 * left)
    begun = time.monotonic()
    reply, outcome = lab.export(snap)
    assert outcome == ("success", []) and len(reply.body) == len(whole.body)
    assert 0.35 < time.monotonic() - begun < 20
    inject(lab, "reset", at_byte=MIB)
    task = lab.task()
    host, port = lab.pool.hosts["h1"]["url"].split("//")[1].split(":")
    connection = socket.create_connection((host, int(port)), timeout=60)  # unix sockets know no reset
    connection.sendall(("GET /export?ref=%s&session_id=%s&task_id=%s HTTP/1.1\r\n\r\n" % (
        snap, lab.session, task)).encode())
    reply = read_reply(connection)
    connection.close()
    assert reply.how == "reset" and len(reply.body) <= MIB and lab.outcome(task)[0] == "failure"
    assert_clean(lab, snap)


def test_client_that_leaves_makes_client_error_and_frees_the_disk(lab):
    snap, task = lab.snapshot(), lab.task()
    connection = connect(lab.pool)
    connection.sendall(("GET /export?ref=%s&task_id=%s HTTP/1.1\r\nHost: x\r\n\r\n"
                        % (snap, task)).encode())
    connection.recv(100)
    connection.close()
    status, error = lab.outcome(task)
    assert status == "failure" and error[0] == "CLIENT_ERROR"
    assert "Unix.ECONNRESET" in error[1] or "Unix.EPIPE" in error[1]
    assert_clean(lab, snap)


def test_cancel_is_seen_at_the_next_tick_and_appends_a_page():
    with pool_with(hosts=[{"name": "h1", "rate_mib_s": 2}, {"name": "h2"}]) as pool:
        lab = Lab(pool)
        snap, task, result = lab.snapshot(), lab.task(), []
        worker = threading.Thread(target=lambda: result.append(
            get(pool, "/export?ref=%s&task_id=%s" % (snap, task))))
        worker.start()
        deadline = time.monotonic() + 20
        while not lab.call("VM.get_current_operations", snap) and time.monotonic() < deadline:
            time.sleep(0.02)
        lab.call("task.cancel", task)
        assert lab.call("task.get_status", task) == "pending"
        worker.join()
        record = lab.call("task.get_record", task)
        if record["status"] != "success":  # shorter than the next tick: cancel came too late
            assert (record["status"], record["error_info"]) == ("cancelled", [])
            assert ("TASK_CANCELLED: [ %s ]" % task).encode() in result[0].body.split(PAGE)[1]
        assert_clean(lab, snap)


def test_toolstack_restart_ends_the_stream_and_leaves_the_disk_attached():
    with pool_with() as pool:
        lab = Lab(pool)
        snap, result = lab.snapshot(), []
        fault = pool.control("fault.inject", stream="export", action="stall", at_byte=4 * MIB)
        worker = threading.Thread(target=lambda: result.append(
            get(pool, "/export?ref=%s&task_id=%s" % (snap, lab.task()))))
        worker.start()
        pool.control("fault.wait", id=fault, timeout_ms=20000)
        pool.control("pool.restart_toolstack")
        pool.control("fault.release", id=fault)
        worker.join()
        assert PAGE not in result[0].body
        again = Lab(pool)
        attached = [vdi for vdi in again.disks(snap).values()
                    if len(again.call("VDI.get_VBDs", vdi)) == 2]
        assert len(attached) == 1


def test_pool_ends_cleanly_while_streams_run():
    with pool_with() as pool:  # asserts the exit status
        lab = Lab(pool)
        snap = lab.snapshot()
        for stream in ("export", "export_raw_vdi"):
            pool.control("fault.inject", stream=stream, action="stall", at_byte=2 * MIB)
        targets = ["/export?ref=" + snap, "/export_raw_vdi?vdi=" + lab.disks(snap)["0"],
                   "/export?use_compression=zstd&ref=" + lab.vm("raw")]
        workers = [threading.Thread(target=get, args=(pool, target)) for target in targets]
        for worker in workers:
            worker.start()
        deadline = time.monotonic() + 20
        while not lab.call("VM.get_current_operations", snap) and time.monotonic() < deadline:
            time.sleep(0.02)
    for worker in workers:
        worker.join()


# --- the rest of the source ---

def test_ext4_disk_passes_e2fsck_and_has_the_files(tmp_path):
    if not shutil.which("mke2fs", path=os.environ["PATH"] + ":/sbin:/usr/sbin"):
        warnings.warn("SKIPPED: e2fsprogs is not installed")
        pytest.skip("e2fsprogs is not installed")
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "hello.txt").write_text("hello from the guest\n")
    disk = {"device": "xvda", "sr": "nfs1", "size_mib": 16, "content": {"ext4_from": str(folder)}}
    with pool_with(vms=[{"name": "fs", "count": 2, "disks": [disk]}]) as pool:
        lab = Lab(pool)
        reply, outcome = lab.export(lab.vm("fs-2"))
        assert outcome == ("success", [])
        (found,) = parse_xva(reply, out=str(tmp_path)).disks.values()
        env = dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin")
        subprocess.run(["e2fsck", "-fn", found.path], check=True, env=env, capture_output=True)
        text = subprocess.run(["debugfs", "-R", "cat hello.txt", found.path], check=True, env=env,
                              capture_output=True, text=True).stdout
        assert text == "hello from the guest\n"


def test_folder_that_does_not_fit_is_one_clear_error(tmp_path):
    (tmp_path / "big").write_bytes(os.urandom(4 * MIB))
    disk = {"device": "xvda", "sr": "nfs1", "size_mib": 2, "content": {"ext4_from": str(tmp_path)}}
    with pytest.raises(RuntimeError, match="size_mib"):
        with pool_with(vms=[{"name": "fs", "disks": [disk]}]):
            pass


def test_streams_of_one_host_share_its_rate():
    with pool_with(hosts=[{"name": "h1", "rate_mib_s": 8}, {"name": "h2"}]) as pool:
        lab = Lab(pool)
        vdi = lab.disks(lab.vm("raw"))["0"]  # 8 MiB
        start = time.monotonic()
        workers = [threading.Thread(target=lab.export_vdi, args=(vdi,)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        took = time.monotonic() - start
        assert 1.5 < took < 20


# --- metadata ---

def test_metadata_of_a_running_vm_has_its_snapshots_and_a_length(lab):
    vm, snap = lab.vm(), lab.snapshot()
    reply = get(lab.pool, "/export_metadata?ref=" + vm)
    assert reply.status == "HTTP/1.0 200 OK"
    assert int(reply.header("content-length")) == len(reply.body)
    archive = parse_xva(reply)
    names = {record["uuid"] for record in archive.objects["VM"].values()}
    assert {lab.call("VM.get_uuid", vm), lab.call("VM.get_uuid", snap)} <= names
    states = {record["power_state"] for record in archive.objects["VM"].values()}
    assert "Running" in states
    alone = parse_xva(get(lab.pool, "/export_metadata?export_snapshots=false&ref=" + vm))
    assert len(alone.objects["VM"]) == 1


def test_metadata_of_a_snapshot_is_refused_before_24_13():
    for profile, is_refused in (("ch82", True), ("xcp83", False)):
        with pool_with(profile) as pool:
            lab = Lab(pool)
            snap, task = lab.snapshot(), lab.task()
            reply = get(pool, "/export_metadata?ref=%s&task_id=%s" % (snap, task))
            outcome = lab.outcome(task)
            if is_refused:
                assert reply.status == "HTTP/1.1 500 Internal Error"
                assert outcome[1][0] == "OPERATION_NOT_ALLOWED"
            else:
                assert outcome == ("success", [])


def test_metadata_have_base_copies_only_if_asked():
    with pool_with("xcp83") as pool:
        lab = Lab(pool)
        lab.snapshot()
        target = "/export_metadata?export_snapshots=false&ref=" + lab.vm()
        plain = parse_xva(get(pool, target)).objects["VDI"].values()
        chains = parse_xva(get(pool, target + "&include_vhd_parents=true")).objects["VDI"].values()
        assert all(v["managed"] for v in plain)
        parents = {v["sm_config"]["vhd-parent"] for v in plain if "vhd-parent" in v["sm_config"]}
        assert parents and parents == {v["uuid"] for v in chains if not v["managed"]}


def test_metadata_leave_excluded_devices_out():
    with pool_with("head") as pool:
        lab = Lab(pool)
        target = "/export_metadata?ref=%s&excluded_device_types=" % lab.vm("raw")
        assert "VIF" not in parse_xva(get(pool, target + "VIF")).objects
        alone = parse_xva(get(pool, target + "vif,vbd,vgpu,vtpm")).objects
        assert "VBD" not in alone and "VDI" not in alone and "VM" in alone
        assert get(pool, target + "vbd,disk").status == "HTTP/1.1 500 Internal Error"


def test_metadata_of_nothing_has_two_status_lines(lab):
    reply = get(lab.pool, "/export_metadata?ref=OpaqueRef:none")
    assert reply.raw.startswith(b"HTTP/1.1 500 internal error\r\ncontent-length: 0\r\n\r\n" + PAGE)


def test_stream_of_one_block_disk_matches_its_digest(lab):
    vdi = lab.new_vdi(3 * 512)
    lab.write(vdi, 0, b"abc")
    reply, outcome = lab.export_vdi(vdi)
    assert outcome == ("success", []) and sha256(reply.body) == lab.sha256(vdi)
