# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks as QCOW2: /export_raw_vdi and /import_raw_vdi with format=qcow2."""
import hashlib
import shutil
import struct
import subprocess

import pytest

from data_client import MIB, PAGE, Lab, pool_with, put, sha256

CLUSTER = 1 << 16
VMS = [
    {"name": "web1", "host": "h1", "power_state": "Running", "disks": [
        {"device": "xvda", "sr": "nfs1", "size_mib": 24, "content": {"seed": 1, "fill": 0.4}},
        {"device": "xvdb", "sr": "nfs1", "size_bytes": 9 * MIB + 1536, "content": {"seed": 2, "fill": 0.3},
         "image_format": "qcow2"}]},
    {"name": "empty", "disks": [{"device": "xvda", "sr": "nfs1", "size_mib": 5}]},
]


@pytest.fixture(scope="module")
def lab():
    with pool_with(vms=VMS, qcow2=True) as pool:
        yield Lab(pool)


def parse(data):
    """Header fields and {cluster: bytes} of an image whose clusters stand one behind the other."""
    magic, version, backing, _, bits, size, crypt, l1_n, l1_at = struct.unpack(">4sIQIIQIIQ", data[:48])
    assert (magic, version, backing, bits, crypt) == (b"QFI\xfb", 3, 0, 16, 0)
    clusters, last = {}, 0
    for i in range(l1_n):
        table = struct.unpack(">Q", data[l1_at + 8 * i:l1_at + 8 * i + 8])[0]
        if not table:
            continue
        assert table >> 63 == 1
        table &= (1 << 56) - 1
        for j, entry in enumerate(struct.unpack(">%dQ" % (CLUSTER // 8), data[table:table + CLUSTER])):
            if entry:
                at = entry & ((1 << 56) - 1)
                assert at > last and at % CLUSTER == 0
                last = at
                clusters[i * (CLUSTER // 8) + j] = data[at:at + CLUSTER]
    return size, clusters


def flat(size, clusters, base=None):
    out = bytearray(base or size)
    for index, data in clusters.items():
        part = data[:size - index * CLUSTER]
        out[index * CLUSTER:index * CLUSTER + len(part)] = part
    return bytes(out)


def export(lab, vdi, extra=""):
    reply, outcome = lab.export_vdi(vdi, "&format=qcow2" + extra)
    assert outcome == ("success", []) and reply.status == "HTTP/1.1 200 OK"
    assert reply.header("content-type") == "application/x-qemu-disk"
    return reply.body


@pytest.mark.parametrize("device", ["0", "1"])
def test_image_is_the_disk(lab, device):
    vdi = lab.disks(lab.snapshot())[device]
    body = export(lab, vdi)
    size, clusters = parse(body)
    assert size == lab.call("VDI.get_virtual_size", vdi) and len(body) % CLUSTER == 0
    assert sha256(flat(size, clusters)) == lab.sha256(vdi)
    if device == "0":  # VHD-backed: found by content
        assert all(any(data) for data in clusters.values())


def test_qemu_finds_no_fault_in_it_and_reads_the_same_bytes(lab, tmp_path):
    if not shutil.which("qemu-img"):
        pytest.skip("SKIPPED: qemu-img (package qemu-utils) is not installed")
    vdi = lab.disks(lab.snapshot())["1"]
    image, raw = tmp_path / "d.qcow2", tmp_path / "d.raw"
    image.write_bytes(export(lab, vdi))
    subprocess.run(["qemu-img", "check", str(image)], check=True, capture_output=True)
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(image), str(raw)], check=True)
    assert hashlib.sha256(raw.read_bytes()).hexdigest() == lab.sha256(vdi)


def test_empty_disk_is_header_and_tables_alone(lab):
    vdi = lab.disks(lab.snapshot(lab.vm("empty")))["0"]
    size, clusters = parse(export(lab, vdi))
    assert (size, clusters) == (5 * MIB, {})


@pytest.mark.parametrize("device", ["0", "1"])
def test_difference_has_the_clusters_whose_bytes_differ(lab, device):
    live = lab.disks(lab.vm())[device]
    base = lab.disks(lab.snapshot())[device]
    old = flat(*parse(export(lab, base)))
    lab.write(live, 3 * MIB + 5, b"newer")
    lab.write(live, 0, bytes(2 * CLUSTER))  # data that is zero now
    newer = lab.disks(lab.snapshot())[device]
    size, clusters = parse(export(lab, newer, "&base=" + base))
    assert 3 * MIB // CLUSTER in clusters and len(clusters) <= 3
    assert sha256(flat(size, clusters, old)) == lab.sha256(newer)
    assert parse(export(lab, newer, "&base=" + newer))[1] == {}


def imported(lab, vdi, body, **more):
    task = lab.task()
    reply = put(lab.pool, "/import_raw_vdi?format=qcow2&vdi=%s&session_id=%s&task_id=%s" % (vdi, lab.session, task),
                body, **more)
    return reply, lab.outcome(task)


def test_import_of_an_export_gives_the_disk_and_a_difference_goes_on_top(lab):
    live = lab.disks(lab.vm())["1"]
    base = lab.disks(lab.snapshot())["1"]
    lab.write(live, 7 * MIB, b"x" * 100)
    newer = lab.disks(lab.snapshot())["1"]
    target = lab.new_vdi(lab.call("VDI.get_virtual_size", live))
    assert imported(lab, target, export(lab, base))[1] == ("success", [])
    assert lab.sha256(target) == lab.sha256(base)
    assert imported(lab, target, export(lab, newer, "&base=" + base))[1] == ("success", [])
    assert lab.sha256(target) == lab.sha256(newer)


def test_what_qemu_wrote_is_imported(lab, tmp_path):
    if not shutil.which("qemu-img"):
        pytest.skip("SKIPPED: qemu-img (package qemu-utils) is not installed")
    raw, image = tmp_path / "d.raw", tmp_path / "d.qcow2"
    raw.write_bytes(bytes(MIB) + b"q" * (2 * MIB) + bytes(MIB))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)], check=True)
    target = lab.new_vdi(4 * MIB)
    reply, outcome = imported(lab, target, image.read_bytes())
    assert outcome == ("success", []), reply.raw[-500:]
    assert lab.sha256(target) == sha256(raw.read_bytes())


def broken(change):
    image = bytearray(CLUSTER)
    struct.pack_into(">4sIQIIQIIQ", image, 0, b"QFI\xfb", 3, 0, 0, 16, MIB, 0, 1, 5 * CLUSTER)
    change(image)
    return bytes(image)


@pytest.mark.parametrize("body", [
    b"not an image" * 100,
    broken(lambda image: struct.pack_into(">I", image, 20, 40)),          # clusters of a TiB
    broken(lambda image: struct.pack_into(">Q", image, 8, 512)),          # a backing file
    broken(lambda image: struct.pack_into(">I", image, 36, 0xffffffff)),  # a table of 32 GiB
    broken(lambda image: struct.pack_into(">Q", image, 40, 8)),           # a table that is behind us
    broken(lambda image: None)[:90],
], ids=["magic", "clusters", "backing", "huge-table", "table-before", "cut"])
def test_bad_image_fails_behind_the_200(lab, body):
    target = lab.new_vdi(MIB)
    before = lab.sha256(target)
    reply, outcome = imported(lab, target, body, half_close=True)
    assert outcome == ("failure", ["VDI_IO_ERROR", "Device I/O errors"])
    assert reply.status == "HTTP/1.1 200 OK" and PAGE in reply.body
    assert lab.sha256(target) == before


def test_image_for_a_larger_disk_fails(lab):
    big = lab.disks(lab.snapshot())["0"]
    small = lab.new_vdi(MIB)
    assert imported(lab, small, export(lab, big))[1][1] == ["VDI_IO_ERROR", "Device I/O errors"]


def test_image_goes_into_no_sr_directly(lab):
    task = lab.task()
    reply = put(lab.pool, "/import_raw_vdi?format=qcow2&sr_id=%s&session_id=%s&task_id=%s"
                % (lab.by_name("SR", "nfs1"), lab.session, task), b"x")
    assert lab.outcome(task)[1] == ["INTERNAL_ERROR", "Importing a QCOW2 directly into an SR not yet supported"]
    assert " 400 " in reply.status


def test_qcow2_disk_has_no_differences_in_vhd(lab):
    base, newer = (lab.disks(lab.snapshot())["1"] for _ in range(2))
    reply, outcome = lab.export_vdi(newer, "&format=vhd&base=" + base)
    assert outcome[1] == ["INTERNAL_ERROR", 'Failure("Cannot compute differences on non-VHD images")']
    assert reply.body.startswith(PAGE)


def test_release_without_it_calls_the_format_unknown():
    with pool_with() as pool:
        lab = Lab(pool)
        reply, outcome = lab.export_vdi(lab.disks(lab.snapshot())["0"], "&format=qcow2")
        assert reply.status == "HTTP/1.0 404 Not Found" and outcome[1] == ["INTERNAL_ERROR", "Unknown format qcow2"]


def test_wrong_image_format_is_told_with_its_place():
    with pytest.raises(Exception, match=r"image_format: vhd or qcow2 is expected, not vmdk"):
        with pool_with(vms=[{"name": "x", "disks": [{"image_format": "vmdk"}]}]):
            pass
