# SPDX-License-Identifier: GPL-3.0-or-later
"""GET /export_raw_vdi and PUT /import_raw_vdi: VHDs read by qemu-img, libvhdi and ourselves."""
import ctypes
import ctypes.util
import lzma
import os
import shutil
import struct
import subprocess
import threading
import time
import warnings

import pytest

from data_client import (MIB, PAGE, Lab, connect, get, pool_with, put, sha256)

# Streams that the genuine vhd-tool made, where a copy of them lies beside the project.
SAMPLES = os.environ.get("ONYX_VHD_SAMPLES") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "xapi", "vhd")


@pytest.fixture(scope="module")
def lab():
    with pool_with() as pool:
        yield Lab(pool)


def run(*args):
    return subprocess.run(args, capture_output=True, text=True, check=True).stdout


def need(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        warnings.warn("SKIPPED, not installed: " + " ".join(missing))
        pytest.skip("not installed: " + " ".join(missing))


def sample(name):
    path = os.path.join(SAMPLES, name + ".xz")
    if not os.path.exists(path):
        warnings.warn("SKIPPED: no genuine vhd-tool streams in " + SAMPLES)
        pytest.skip("no genuine streams")
    with lzma.open(path) as file:
        return file.read()


def qemu_to_raw(path, out):
    run("qemu-img", "convert", "-O", "raw", "--image-opts",
        "driver=vpc,force_size_calc=current_size,file.filename=%s" % path, out)


def import_vdi(lab, vdi, body, form, **more):
    task = lab.task()
    reply = put(lab.pool, "/import_raw_vdi?vdi=%s&format=%s&task_id=%s" % (vdi, form, task), body,
                **more)
    return reply, lab.outcome(task)


# --- full streams ---

def test_raw_is_the_disk_and_the_header_has_no_spaces(lab):
    vdi = lab.disks(lab.vm())["1"]
    reply, outcome = lab.export_vdi(vdi)
    assert outcome == ("success", []) and sha256(reply.body) == lab.sha256(vdi)
    assert reply.lines[0] == "HTTP/1.1 200 OK" and reply.lines[3].startswith("task-id:OpaqueRef:")
    assert reply.lines[4:] == ["content-type:application/octet-stream",
                               'content-disposition: attachment; filename="%s.raw"' % lab.uuid(vdi)]


def test_vhd_converts_to_the_disk_bit_by_bit(lab, tmp_path):
    need("qemu-img", "vhdiinfo")
    vdi = lab.disks(lab.vm())["0"]
    reply, outcome = lab.export_vdi(vdi, "&format=vhd")
    assert outcome == ("success", []) and reply.header("content-type") == "application/vhd"
    path, raw = str(tmp_path / "disk.vhd"), str(tmp_path / "disk.raw")
    with open(path, "wb") as file:
        file.write(reply.body)
    info = run("qemu-img", "info", path)
    assert "file format: vpc" in info
    checked = subprocess.run(["qemu-img", "check", path], capture_output=True, text=True,
                             check=False)
    # qemu-img opens and walks it; for this format it has no further checks (status 63).
    assert checked.returncode in (0, 63), checked.stderr
    qemu_to_raw(path, raw)
    with open(raw, "rb") as file:
        assert sha256(file.read()) == lab.sha256(vdi)
    assert "Dynamic" in run("vhdiinfo", path)


def read_libvhdi(files):
    """Bytes of the last file of a chain as libvhdi reads them; None when it is not installed."""
    name = ctypes.util.find_library("vhdi")
    if not name:
        return None
    lib = ctypes.CDLL(name)
    lib.libvhdi_file_read_buffer_at_offset.restype = ctypes.c_ssize_t
    lib.libvhdi_file_read_buffer_at_offset.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, ctypes.c_void_p]
    chain = []
    for path in files:
        image = ctypes.c_void_p()
        assert lib.libvhdi_file_initialize(ctypes.byref(image), None) == 1
        assert lib.libvhdi_file_open(image, path.encode(), 1, None) == 1, path
        if chain:
            assert lib.libvhdi_file_set_parent_file(image, chain[-1], None) == 1
        chain.append(image)
    size = ctypes.c_uint64()
    assert lib.libvhdi_file_get_media_size(chain[-1], ctypes.byref(size), None) == 1
    data, at = ctypes.create_string_buffer(size.value), 0
    while at < size.value:
        got = lib.libvhdi_file_read_buffer_at_offset(
            chain[-1], ctypes.addressof(data) + at, size.value - at, at, None)
        assert got > 0
        at += got
    for image in reversed(chain):
        lib.libvhdi_file_free(ctypes.byref(image), None)
    return data.raw


def parse_vhd(data):
    """A third reader, by the book: (type, size, {block: bytes})."""
    footer, header = data[:512], data[512:1536]
    assert footer[:8] == b"conectix" and header[:8] == b"cxsparse" and footer == data[-512:]
    for block, at in ((footer, 64), (header, 36)):
        claimed = struct.unpack(">I", block[at:at + 4])[0]
        assert claimed == ~(sum(block) - sum(block[at:at + 4])) & 0xFFFFFFFF
    table_at, _, entries, size = struct.unpack(">QIII", header[16:36])
    table = struct.unpack(">%dI" % entries, data[table_at:table_at + 4 * entries])
    blocks = {}
    for index, sector in enumerate(table):
        if sector != 0xFFFFFFFF:
            assert data[sector * 512:sector * 512 + 512] == b"\xff" * 512
            blocks[index] = data[sector * 512 + 512:sector * 512 + 512 + size]
    return (struct.unpack(">I", footer[60:64])[0], struct.unpack(">Q", footer[48:56])[0], blocks)


def overlay(base, blocks):
    out = bytearray(base)
    for index, data in blocks.items():
        part = data[:len(out) - index * 2 * MIB]
        out[index * 2 * MIB:index * 2 * MIB + len(part)] = part
    return bytes(out)


def test_differences_over_a_chain_give_the_newest_disk(lab, tmp_path):
    live = lab.disks(lab.vm())["0"]
    snaps, streams = [], []
    for i in range(3):
        lab.write(live, (5 * i + 2) * MIB - 3, b"round %d" % i)
        snaps.append(lab.disks(lab.snapshot())["0"])
        base = "&base=" + snaps[-2] if i else ""
        reply, outcome = lab.export_vdi(snaps[-1], "&format=vhd" + base)
        assert outcome == ("success", [])
        streams.append(reply.body)
    kinds = [parse_vhd(stream)[0] for stream in streams]
    assert kinds == [3, 4, 4]
    bytes_now = bytes(24 * MIB)
    for stream, snap in zip(streams, snaps):
        bytes_now = overlay(bytes_now, parse_vhd(stream)[2])
        assert sha256(bytes_now) == lab.sha256(snap)
    # Each write crosses a block's edge: two blocks a round, nothing else.
    assert [len(parse_vhd(stream)[2]) for stream in streams[1:]] == [1, 2]
    vdi = lab.new_vdi(24 * MIB)
    for stream, snap in zip(streams, snaps):
        assert import_vdi(lab, vdi, stream, "vhd")[1] == ("success", [])
        assert lab.sha256(vdi) == lab.sha256(snap)


def relink(child, parent):
    """The child's header with the parent's footer uuid, which the stream does not know."""
    data = bytearray(child)
    data[512 + 40:512 + 56] = parent[68:84]
    header = data[512:1536]
    header[36:40] = bytes(4)
    data[512 + 36:512 + 40] = struct.pack(">I", ~sum(header) & 0xFFFFFFFF)
    return bytes(data)


def test_chain_is_read_by_libvhdi(lab, tmp_path):
    need("vhdiinfo")
    live = lab.disks(lab.vm())["0"]
    first = lab.disks(lab.snapshot())["0"]
    lab.write(live, 9 * MIB, b"changed for libvhdi")
    second = lab.disks(lab.snapshot())["0"]
    full = lab.export_vdi(first, "&format=vhd")[0].body
    delta = relink(lab.export_vdi(second, "&format=vhd&base=" + first)[0].body, full)
    paths = [str(tmp_path / "full.vhd"), str(tmp_path / "delta.vhd")]
    for path, data in zip(paths, (full, delta)):
        with open(path, "wb") as file:
            file.write(data)
    info = run("vhdiinfo", paths[1])
    assert "Differential" in info
    parent = full[68:84].hex()
    assert parent in info.replace("-", "")
    assert sha256(read_libvhdi(paths)) == lab.sha256(second)
    assert sha256(read_libvhdi(paths[:1])) == lab.sha256(first)


def test_difference_to_itself_is_empty_and_raw_with_base_is_zeros(lab):
    snap = lab.disks(lab.snapshot())["0"]
    reply, _ = lab.export_vdi(snap, "&format=vhd&base=" + snap)
    assert len(reply.body) == 3072
    reply, outcome = lab.export_vdi(snap, "&format=raw&base=" + snap)
    assert outcome == ("success", []) and reply.body == bytes(24 * MIB)


def test_tar_has_the_blocks_under_vdi(lab, tmp_path):
    vdi = lab.disks(lab.vm("raw"))["0"]
    reply, outcome = lab.export_vdi(vdi, "&format=tar")
    assert outcome == ("success", []) and reply.header("content-type") == "application/x-tar"
    subprocess.run(["tar", "xf", "-"], cwd=tmp_path, input=reply.body, check=True)
    out = bytearray(8 * MIB)
    for name in os.listdir(tmp_path / "vdi"):
        if name.isdigit():
            data = (tmp_path / "vdi" / name).read_bytes()
            out[int(name) * MIB:int(name) * MIB + len(data)] = data
    assert sha256(out) == lab.sha256(vdi)
    new = lab.new_vdi(8 * MIB)
    assert import_vdi(lab, new, reply.body, "tar")[1] == ("success", [])
    assert lab.sha256(new) == lab.sha256(vdi)


# --- genuine streams ---

@pytest.mark.parametrize("name, source", [("h-full.vhd", "full.raw"), ("full-rawsrc.vhd", "full.raw")])
def test_genuine_stream_is_read_and_ours_is_the_same_bytes(lab, tmp_path, name, source):
    genuine, raw = sample(name), sample(source)
    vdi = lab.new_vdi(len(raw))
    assert import_vdi(lab, vdi, genuine, "vhd")[1] == ("success", [])
    assert lab.sha256(vdi) == sha256(raw)
    ours = bytearray(lab.export_vdi(vdi, "&format=vhd")[0].body)
    assert len(ours) == len(genuine)
    for at in (0, len(ours) - 512):  # the uuid is random at each export
        ours[at + 64:at + 84] = genuine[at + 64:at + 84]
    assert ours == genuine


def test_genuine_differences_apply_over_their_base(lab):
    base, vdi = sample("full.raw"), None
    for name, source in (("h-child-rel-base.vhd", "child.raw"), ("h-grand-rel-base.vhd", "grand.raw")):
        vdi = lab.new_vdi(len(base))
        assert import_vdi(lab, vdi, base, "raw")[1] == ("success", [])
        assert import_vdi(lab, vdi, sample(name), "vhd")[1] == ("success", [])
        assert lab.sha256(vdi) == sha256(sample(source))
    before = lab.sha256(vdi)
    assert import_vdi(lab, vdi, sample("s-same-rel-same.vhd"), "vhd")[1] == ("success", [])
    assert lab.sha256(vdi) == before


def test_our_difference_has_the_genuine_structure(lab):
    genuine = sample("h-child-rel-base.vhd")
    base = lab.new_vdi(16 * MIB)
    import_vdi(lab, base, sample("full.raw"), "raw")
    snap = lab.call("VDI.snapshot", base)
    lab.write(base, 5 * MIB, b"x")
    ours = lab.export_vdi(base, "&format=vhd&base=" + snap)[0].body
    same = [(0, 64), (84, 512), (512, 548), (512 + 60, 512 + 64), (512 + 576, 512 + 584),
            (512 + 588, 512 + 1024), (1536, 2048)]
    for start, end in same:
        assert ours[start:end] == genuine[start:end], (start, end)
    path = ours[512 + 64:512 + 576].decode("utf-16-be").rstrip("\0")
    assert lab.uuid(snap) in path
    assert struct.unpack(">I", ours[512 + 584:512 + 588])[0] == len("file://" + path)


# --- imports ---

def test_raw_body_shorter_than_the_disk_leaves_its_tail(lab):
    vdi = lab.new_vdi(4 * MIB)
    lab.write(vdi, 3 * MIB, b"tail")
    assert import_vdi(lab, vdi, b"x" * MIB, "raw")[1] == ("success", [])
    assert lab.sha256(vdi) == sha256(b"x" * MIB + bytes(2 * MIB) + b"tail" + bytes(MIB - 4))


def test_raw_without_length_is_read_up_to_the_disks_size(lab):
    vdi = lab.new_vdi(2 * MIB)
    reply, outcome = import_vdi(lab, vdi, b"y" * 2 * MIB, "raw", length=None)
    assert outcome == ("success", []) and reply.body == b""
    assert lab.sha256(vdi) == sha256(b"y" * 2 * MIB)


def test_raw_into_an_sr_makes_a_disk(lab):
    task = lab.task()
    put(lab.pool, "/import_raw_vdi?sr_id=%s&task_id=%s" % (lab.by_name("SR", "nfs1"), task),
        b"z" * 3 * MIB)
    record = lab.pool.wait_task(lab.session, task)
    vdi = record["result"][len("<value>"):-len("</value>")]
    assert lab.call("VDI.get_name_label", vdi) == "Imported VDI"
    assert lab.sha256(vdi) == sha256(b"z" * 3 * MIB)


@pytest.mark.parametrize("body", [b"garbage" * 1000, b"conectix" + bytes(5000), b""],
                         ids=["garbage", "zeros", "nothing"])
def test_bad_vhd_fails_behind_the_200_with_two_more_replies(lab, body):
    vdi = lab.new_vdi(2 * MIB)
    reply, outcome = import_vdi(lab, vdi, body, "vhd", half_close=True)
    assert outcome == ("failure", ["VDI_IO_ERROR", "Device I/O errors"])
    assert reply.status == "HTTP/1.1 200 OK"
    if reply.how == "eof":
        assert reply.body.startswith(b"HTTP/1.1 400 Bad Request") and PAGE in reply.body


def test_truncated_vhd_waits_for_the_client(lab):
    vdi, task = lab.new_vdi(4 * MIB), lab.task()
    stream = lab.export_vdi(lab.disks(lab.vm("raw"))["0"], "&format=vhd")[0].body
    connection = connect(lab.pool)
    connection.sendall(("PUT /import_raw_vdi?vdi=%s&format=vhd&task_id=%s HTTP/1.1\r\nHost: x\r\n"
                        "Content-Length: %d\r\n\r\n" % (vdi, task, len(stream))).encode())
    connection.sendall(stream[:len(stream) // 2])
    assert connection.recv(15) == b"HTTP/1.1 200 OK"
    time.sleep(0.3)
    assert lab.call("task.get_status", task) == "pending"
    connection.close()
    assert lab.outcome(task) == ("failure", ["VDI_IO_ERROR", "Device I/O errors"])


@pytest.mark.parametrize("target, status, error", [
    ("sr_id=%(sr)s&format=vhd", "HTTP/1.0 400 Bad Request", "INTERNAL_ERROR"),
    ("format=raw", "HTTP/1.1 400 Bad Request", "VDI_MISSING"),
    ("vdi=OpaqueRef:none", "HTTP/1.1 500 Internal Error", "RBAC_PERMISSION_DENIED"),
    ("vdi=%(vdi)s&format=bogus", "HTTP/1.0 404 Not Found", "INTERNAL_ERROR")])
def test_refused_import_says_so_before_any_200(lab, target, status, error):
    task = lab.task()
    names = {"sr": lab.by_name("SR", "nfs1"), "vdi": lab.disks(lab.vm("raw"))["0"]}
    reply = put(lab.pool, "/import_raw_vdi?%s&task_id=%s" % (target % names, task), b"x" * 512)
    assert reply.status == status and lab.outcome(task)[1][0] == error


def test_chunked_body_is_refused(lab):
    task = lab.task()
    reply = put(lab.pool, "/import_raw_vdi?vdi=%s&task_id=%s" % (lab.new_vdi(MIB), task),
                b"5\r\nhello\r\n0\r\n\r\n", length=None, headers="Transfer-Encoding: chunked\r\n")
    assert reply.status == "HTTP/1.0 404 Not Found"
    assert lab.outcome(task)[1][0] == "INTERNAL_ERROR"


# --- failures of exports ---

@pytest.mark.parametrize("form", ["raw", "vhd"])
def test_base_on_a_raw_sr_fails_in_the_body(lab, form):
    vdi = lab.disks(lab.vm("raw"))["0"]
    reply, outcome = lab.export_vdi(vdi, "&format=%s&base=%s" % (form, vdi))
    assert reply.status == "HTTP/1.1 200 OK" and reply.body.startswith(PAGE)
    assert b"Cannot compute differences on non-VHD images" in reply.body
    assert outcome[0] == "failure" and outcome[1][0] == "INTERNAL_ERROR"


def test_disk_whose_data_were_destroyed_is_neither_exported_nor_a_base():
    with pool_with() as pool:
        lab = Lab(pool)
        lab.call("VDI.enable_cbt", lab.disks(lab.vm())["0"])
        older = lab.snapshot()
        bare = lab.disks(older)["0"]
        lab.call("VM.destroy", older)
        lab.call("VDI.data_destroy", bare)
        newer = lab.disks(lab.snapshot())["0"]
        for vdi, more in ((bare, "&format=raw"), (bare, "&format=vhd"), (newer, "&format=vhd&base=" + bare)):
            reply, outcome = lab.export_vdi(vdi, more)
            assert reply.status == "HTTP/1.1 200 OK" and reply.body.startswith(PAGE), more
            assert outcome == ("failure", ["VDI_INCOMPATIBLE_TYPE", bare, "CBT metadata"])
            assert lab.call("VDI.get_VBDs", bare) == []
        assert lab.export_vdi(newer, "&format=vhd")[1][0] == "success"


def test_unknown_base_format_and_disk_are_told_apart(lab):
    vdi = lab.disks(lab.vm())["0"]
    reply, _ = lab.export_vdi(vdi, "&format=vhd&base=OpaqueRef:none")
    assert reply.body.startswith(PAGE) and b"Read_missing_uuid" in reply.body
    reply, outcome = lab.export_vdi(vdi, "&format=bogus")
    assert reply.status == "HTTP/1.0 404 Not Found"
    assert outcome == ("failure", ["INTERNAL_ERROR", "Unknown format bogus"])
    reply, outcome = lab.export_vdi("OpaqueRef:none")
    assert reply.status == "HTTP/1.1 500 Internal Error" and b"Read_missing_uuid" in reply.body
    reply = get(lab.pool, "/export_raw_vdi?format=raw")
    assert b"Missing vdi query parameter" in reply.body


def test_vhd_too_large_is_refused_behind_the_200():
    disk = {"device": "xvda", "sr": "nfs1", "size_mib": 2041 * 1024, "content": {"zero": True}}
    sr = {"name": "nfs1", "type": "nfs", "shared": True}
    with pool_with(srs=[sr], vms=[{"name": "big", "power_state": "Halted", "disks": [disk]}]) as pool:
        lab = Lab(pool)
        vdi = lab.disks(lab.vm("big"))["0"]
        reply, outcome = lab.export_vdi(vdi, "&format=vhd")
        assert outcome == ("failure", ["VDI_TOO_LARGE", vdi, "2190433320960"])
        assert reply.body.startswith(PAGE)


def hangs(lab, vdi, extra):
    """Bytes that came before the stream went silent; the task is pending then, failed after."""
    task = lab.task()
    connection = connect(lab.pool)
    connection.sendall(("GET /export_raw_vdi?vdi=%s&task_id=%s%s HTTP/1.1\r\nHost: x\r\n\r\n"
                        % (vdi, task, extra)).encode())
    connection.settimeout(1)
    data = b""
    try:
        while True:
            part = connection.recv(1 << 20)
            assert part, "the stream ended"
            data += part
    except TimeoutError:
        pass
    assert lab.call("task.get_status", task) == "pending"
    connection.close()
    assert lab.outcome(task) == ("failure", ["VDI_IO_ERROR", "Device I/O errors"])
    return data.split(b"\r\n\r\n", 1)[1]


def test_short_source_goes_silent_for_ever(lab):
    lab.pool.control("fault.inject", stream="export_raw_vdi", action="source_short", at_byte=3 * MIB)
    assert len(hangs(lab, lab.disks(lab.vm("raw"))["0"], "&format=raw")) == 3 * MIB


def test_raw_disk_of_odd_size_hangs_vhd_tool(lab):
    assert len(hangs(lab, lab.disks(lab.vm("odd"))["0"], "&format=vhd")) == \
        2560 + 3 * (512 + 2 * MIB) + 512 + MIB


@pytest.mark.parametrize("action", ["source_eio", "child_killed"])
def test_device_error_is_a_page_inside_the_data(lab, action):
    lab.pool.control("fault.inject", stream="export_raw_vdi", action=action, at_byte=2 * MIB)
    reply, outcome = lab.export_vdi(lab.disks(lab.vm("raw"))["0"])
    assert outcome == ("failure", ["VDI_IO_ERROR", "Device I/O errors"])
    assert reply.body[2 * MIB:].startswith(PAGE)


def test_cancel_has_no_effect_and_the_disk_is_in_use_meanwhile(lab):
    vdi, task, result = lab.disks(lab.vm("raw"))["0"], lab.task(), []
    fault = lab.pool.control("fault.inject", stream="export_raw_vdi", action="stall",
                             at_byte=4 * MIB)
    worker = threading.Thread(target=lambda: result.append(
        get(lab.pool, "/export_raw_vdi?vdi=%s&task_id=%s" % (vdi, task))))
    worker.start()
    lab.pool.control("fault.wait", id=fault, timeout_ms=20000)
    lab.call("task.cancel", task)
    assert len(lab.call("VDI.get_VBDs", vdi)) == 2
    lab.pool.control("fault.release", id=fault)
    worker.join()
    assert lab.outcome(task) == ("success", []) and len(result[0].body) == 8 * MIB


def test_disk_on_another_hosts_sr_is_redirected(lab):
    vdi = lab.disks(lab.vm("far"))["0"]
    reply = get(lab.pool, "/export_raw_vdi?vdi=%s&session_id=%s" % (vdi, lab.session))
    assert reply.status == "HTTP/1.1 302 Found"
    assert "vdi=" + vdi in reply.header("location")
    reply = put(lab.pool, "/import_raw_vdi?vdi=%s&session_id=%s" % (vdi, lab.session), b"x" * 512)
    assert reply.status == "HTTP/1.1 302 Found"
