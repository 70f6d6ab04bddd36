# SPDX-License-Identifier: GPL-3.0-or-later
"""Changed blocks, and the NBD side of nbdkit with TLS as the networks' purposes ask for it."""
import base64
import os
import shutil
import socket
import ssl
import struct
import time
import warnings

import pytest

from data_client import MIB, Lab, XapiError, pool_with, sha256


class Nbd:
    """A client that negotiates as Xen Orchestra does: STARTTLS if asked, then EXPORT_NAME."""

    def __init__(self, info, tls=True, name=None):
        self.socket = socket.create_connection((info["address"], info["port"]), timeout=20)
        assert self.take(16) == b"NBDMAGICIHAVEOPT"
        self.take(2)
        self.socket.sendall(struct.pack(">I", 1))
        if tls:
            self.socket.sendall(b"IHAVEOPT" + struct.pack(">II", 5, 0))
            magic, option, reply, length = struct.unpack(">QIII", self.take(20))
            assert (magic, option, reply, length) == (0x3E889045565A9, 5, 1, 0)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.load_verify_locations(cadata=info["cert"])
            self.socket = context.wrap_socket(self.socket)
        name = (name or info["exportname"]).encode()
        self.socket.sendall(b"IHAVEOPT" + struct.pack(">II", 1, len(name)) + name)
        answer = self.take(134)
        self.size, self.flags = struct.unpack(">QH", answer[:10])
        assert answer[10:] == bytes(124)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def take(self, n):
        data = b""
        while len(data) < n:
            part = self.socket.recv(n - len(data))
            if not part:
                raise EOFError("the server closed")
            data += part
        return data

    def request(self, kind, offset, n, data=b""):
        self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, 0, kind, 7, offset, n) + data)
        magic, error, handle = struct.unpack(">IIQ", self.take(16))
        assert (magic, handle) == (0x67446698, 7)
        return error

    def read(self, offset, n):
        error = self.request(0, offset, n)
        if error:
            raise OSError(error, "NBD read")
        return self.take(n)

    def close(self):
        try:
            self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 2, 7, 0, 0))
        except OSError:
            pass
        self.socket.close()


MANAGEMENT = "Pool-wide network associated with eth0"  # the one with PIFs
REFUSED = (EOFError, OSError, AssertionError)


@pytest.fixture
def lab():
    with pool_with() as pool:
        lab = Lab(pool)
        lab.call("network.add_purpose", lab.by_name("network", MANAGEMENT), "nbd")
        yield lab


def need_nbdkit():
    if not (shutil.which("nbdkit") or os.path.exists("/usr/sbin/nbdkit")):
        warnings.warn("SKIPPED: nbdkit is not installed")
        pytest.skip("nbdkit is not installed")


def wait_detached(lab, vdi, n):
    deadline = time.monotonic() + 20
    while len(lab.call("VDI.get_VBDs", vdi)) != n:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_disk_read_over_tls_from_every_host_is_the_disk(lab):
    need_nbdkit()
    vdi = lab.disks(lab.snapshot())["0"]
    infos = lab.call("VDI.get_nbd_info", vdi)
    assert [info["address"] for info in infos] == [
        host["address"] for host in lab.pool.hosts.values()]
    for info in infos:
        assert info["exportname"] == "/%s?session_id=%s" % (lab.uuid(vdi), lab.session)
        with Nbd(info) as nbd:
            assert nbd.size == 24 * MIB and nbd.flags & 3 == 3  # has flags, read-only
            data = b"".join(nbd.read(at, 2 * MIB) for at in range(0, nbd.size, 2 * MIB))
            assert sha256(data) == lab.sha256(vdi)


def test_disk_is_in_use_while_a_connection_lives(lab):
    need_nbdkit()
    snap = lab.snapshot()
    vdi = lab.disks(snap)["0"]
    (info, _) = lab.call("VDI.get_nbd_info", vdi)
    with Nbd(info):
        wait_detached(lab, vdi, 2)
        with pytest.raises(XapiError) as caught:
            lab.call("VDI.destroy", vdi)
        assert (caught.value.code, caught.value.params) == ("VDI_IN_USE", [vdi, "destroy"])
    wait_detached(lab, vdi, 1)
    lab.call("VM.destroy", snap)
    lab.call("VDI.destroy", vdi)


def test_seventeenth_connection_of_a_host_is_refused(lab):
    need_nbdkit()
    vdi = lab.disks(lab.vm())["0"]
    first, second = lab.call("VDI.get_nbd_info", vdi)
    many = [Nbd(first) for _ in range(16)]
    with pytest.raises(REFUSED):
        Nbd(first)
    Nbd(second).close()  # the other host has its own sixteen
    many.pop().close()
    wait_detached(lab, vdi, 1 + 15)
    many.append(Nbd(first))
    for nbd in many:
        nbd.close()
    wait_detached(lab, vdi, 1)


def test_wrong_session_disk_or_encryption_is_refused(lab):
    need_nbdkit()
    vdi = lab.disks(lab.vm())["0"]
    info = lab.call("VDI.get_nbd_info", vdi)[0]
    for name in ("/%s?session_id=OpaqueRef:none" % lab.uuid(vdi), "/none?session_id=" + lab.session,
                 "", lab.uuid(vdi)):
        with pytest.raises(REFUSED):
            Nbd(info, name=name or "?")
    with pytest.raises(REFUSED):
        Nbd(info, tls=False)
    other = Lab(lab.pool)
    stale = other.call("VDI.get_nbd_info", vdi)[0]
    other.call("session.logout")
    with pytest.raises(REFUSED):
        Nbd(stale)


def test_purpose_decides_about_tls_and_about_service_at_all(lab):
    need_nbdkit()
    vdi, network = lab.disks(lab.vm())["0"], lab.by_name("network", MANAGEMENT)
    old = lab.call("VDI.get_nbd_info", vdi)[0]
    lab.call("network.remove_purpose", network, "nbd")
    assert lab.call("VDI.get_nbd_info", vdi) == []
    with pytest.raises(REFUSED):
        Nbd(old)
    lab.call("network.add_purpose", network, "insecure_nbd")
    (info, _) = lab.call("VDI.get_nbd_info", vdi)
    assert info["cert"]  # filled all the same
    with Nbd(info, tls=False) as nbd:
        assert nbd.size == 24 * MIB


def changed(lab, older, newer):
    bits = base64.b64decode(lab.call("VDI.list_changed_blocks", older, newer))
    return [i for i in range(len(bits) * 8) if bits[i // 8] & (0x80 >> i % 8)], len(bits)


def test_changed_blocks_are_those_the_guest_wrote(lab):
    live = lab.disks(lab.vm())["0"]
    lab.call("VDI.enable_cbt", live)
    first = lab.snapshot()
    lab.write(live, 5 * 65536 + 9, b"x")
    lab.write(live, 7 * 65536 - 1, b"two grains")
    second = lab.snapshot()
    lab.write(live, 0, b"after")
    older, newer = lab.disks(first)["0"], lab.disks(second)["0"]
    found, size = changed(lab, older, newer)
    assert found == [5, 6, 7] and size == 24 * MIB // 65536 // 8
    assert changed(lab, older, older)[0] == []
    lab.call("VM.destroy", first)
    lab.call("VDI.data_destroy", older)
    assert lab.call("VDI.get_type", older) == "cbt_metadata"
    assert changed(lab, older, newer)[0] == [5, 6, 7]
    with pytest.raises(XapiError) as caught:
        lab.call("VDI.get_nbd_info", older)
    assert caught.value.code == "VDI_INCOMPATIBLE_TYPE"


def test_incremental_copy_by_cbt_and_nbd_is_the_newer_disk(lab):
    need_nbdkit()
    live = lab.disks(lab.vm())["0"]
    lab.call("VDI.enable_cbt", live)
    older = lab.disks(lab.snapshot())["0"]
    (full, _) = lab.export_vdi(older)
    for i in range(20):
        lab.write(live, i * 1200000 + 77, b"round %d" % i)
    newer = lab.disks(lab.snapshot())["0"]
    copy = bytearray(full.body)
    grains, _ = changed(lab, older, newer)
    with Nbd(lab.call("VDI.get_nbd_info", newer)[0]) as nbd:
        with pytest.raises(XapiError) as caught:
            changed(lab, older, newer)
        assert caught.value.code == "VDI_IN_USE"
        for grain in grains:
            copy[grain * 65536:(grain + 1) * 65536] = nbd.read(grain * 65536, 65536)
    assert sha256(copy) == lab.sha256(newer) != sha256(full.body)


@pytest.mark.parametrize("name", ["backup", MANAGEMENT])
def test_network_that_the_pool_file_gives_a_purpose_serves_disks(name):
    need_nbdkit()
    with pool_with(networks=[{"name": name, "purpose": ["insecure_nbd"]}]) as pool:
        lab = Lab(pool)
        vdi = lab.disks(lab.snapshot())["0"]
        infos = lab.call("VDI.get_nbd_info", vdi)
        assert [info["address"] for info in infos] == [host["address"] for host in pool.hosts.values()]
        with Nbd(infos[0], tls=False) as nbd:
            assert sha256(nbd.read(0, nbd.size)) == lab.sha256(vdi)
        assert len(lab.call("network.get_by_name_label", name)) == 1
