# SPDX-License-Identifier: GPL-3.0-or-later
"""Data handlers of a simulated pool over raw sockets, for its tests.

Requests are written by hand: framing, early closes and half-closed bodies are what is tested.
"""
import contextlib
import hashlib
import io
import os
import socket
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from poolsim import Pool, XapiError  # noqa: E402
import xva  # noqa: E402

MIB = 1 << 20
BINARY = os.environ.get("POOLSIM") or os.path.join(os.environ.get("ONYX_BIN", ""), "poolsim")
PAGE = b"HTTP/1.1 500 Internal Error\r\n"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Reply:
    """Status line, headers (as sent) and the body up to the end of the connection."""

    def __init__(self, raw, how):
        self.raw = raw
        self.how = how  # "eof" or "reset"
        head, _, self.body = raw.partition(b"\r\n\r\n")
        self.lines = head.decode("latin-1").split("\r\n")
        self.status = self.lines[0]

    def header(self, name):
        for line in self.lines[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


def connect(pool, host=None):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(pool.hosts[host or pool.master]["socket"])
    return connection


def read_reply(connection):
    parts, how = [], "eof"
    try:
        while True:
            part = connection.recv(1 << 20)
            if not part:
                break
            parts.append(part)
    except ConnectionResetError:
        how = "reset"
    return Reply(b"".join(parts), how)


def get(pool, target, host=None):
    with contextlib.closing(connect(pool, host)) as connection:
        connection.sendall(("GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target).encode())
        return read_reply(connection)


def put(pool, target, body, length=True, half_close=False, headers="", host=None):
    """PUT while the answer is being read; length: True (its own), None (no header) or a number."""
    with contextlib.closing(connect(pool, host)) as connection:
        line = "" if length is None else "Content-Length: %d\r\n" % (
            len(body) if length is True else length)
        connection.sendall(("PUT %s HTTP/1.1\r\nHost: x\r\n%s%s\r\n" % (target, line, headers)).encode())

        def send():
            try:
                connection.sendall(body)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the server may answer and close before it has read all

        sender = threading.Thread(target=send)
        sender.start()
        reply = read_reply(connection)
        connection.close()
        sender.join()
        return reply


class Lab:
    """A pool with a session and short names for what the tests ask again and again."""

    def __init__(self, pool):
        self.pool = pool
        self.session = pool.login()
        # Names of the start: imports make more VMs of the same name.
        self.vms = {record["name_label"]: ref
                    for ref, record in self.call("VM.get_all_records").items()
                    if not record["is_a_snapshot"]}

    def call(self, method, *params):
        return self.pool.rpc(self.pool.master, method, self.session, *params)

    def by_name(self, class_name, name):
        (ref,) = self.call(class_name + ".get_by_name_label", name)
        return ref

    def vm(self, name="web1"):
        return self.vms[name]

    def task(self):
        return self.call("task.create", "test", "")

    def outcome(self, task):
        """(status, error_info) of the task once it has ended."""
        record = self.pool.wait_task(self.session, task)
        return record["status"], record["error_info"]

    def disks(self, vm):
        """userdevice to VDI of the VM's disks."""
        found = {}
        for vbd in self.call("VM.get_VBDs", vm):
            record = self.call("VBD.get_record", vbd)
            if record["type"] == "Disk":
                found[record["userdevice"]] = record["VDI"]
        return found

    def uuid(self, vdi):
        return self.call("VDI.get_uuid", vdi)

    def sha256(self, vdi):
        return self.pool.control("disk.sha256", vdi=vdi)

    def snapshot(self, vm=None, name="snap"):
        return self.call("VM.snapshot", vm or self.vm(), name)

    def write(self, vdi, offset, data):
        self.pool.control("guest.write", vdi=vdi, offset=offset, hex=data.hex())

    def export(self, vm, extra="", host=None):
        """(reply, task outcome) of /export."""
        task = self.task()
        reply = get(self.pool, "/export?ref=%s&session_id=%s&task_id=%s%s"
                    % (vm, self.session, task, extra), host)
        return reply, self.outcome(task)

    def export_vdi(self, vdi, extra="", host=None):
        task = self.task()
        reply = get(self.pool, "/export_raw_vdi?vdi=%s&session_id=%s&task_id=%s%s"
                    % (vdi, self.session, task, extra), host)
        return reply, self.outcome(task)

    def new_vdi(self, size, sr="nfs1"):
        return self.call("VDI.create", {
            "name_label": "new", "name_description": "", "SR": self.by_name("SR", sr),
            "virtual_size": size, "type": "user", "sharable": False, "read_only": False,
            "other_config": {}, "xenstore_data": {}, "sm_config": {}, "tags": []})

    def refs(self):
        """What must not leak."""
        return self.pool.control("state.refs", classes=["VM", "VDI", "VBD", "VIF", "network"])


def parse_xva(reply, **options):
    return xva.read_xva(io.BytesIO(reply.body), **options)


POOL = {
    "name": "lab",
    "hosts": [{"name": "h1"}, {"name": "h2"}],
    "srs": [{"name": "nfs1", "type": "nfs", "shared": True},
            {"name": "local-h1", "type": "ext", "host": "h1"},
            {"name": "local-h2", "type": "ext", "host": "h2"},
            {"name": "raw1", "type": "file", "shared": True}],
    "networks": [{"name": "LAN"}],
    "vms": [
        {"name": "web1", "host": "h1", "power_state": "Running", "disks": [
            {"device": "xvda", "sr": "nfs1", "size_mib": 24, "content": {"seed": 1, "fill": 0.4}},
            {"device": "xvdb", "sr": "nfs1", "size_bytes": 9 * MIB + 1536,
             "content": {"seed": 2, "fill": 0.3}}]},
        {"name": "raw", "host": "h1", "power_state": "Halted", "disks": [
            {"device": "xvda", "sr": "raw1", "size_mib": 8, "content": {"seed": 3, "fill": 0.5}}]},
        {"name": "odd", "host": "h1", "power_state": "Halted", "disks": [
            {"device": "xvda", "sr": "raw1", "size_mib": 7, "content": {"seed": 4, "fill": 1}}]},
        {"name": "far", "host": "h2", "power_state": "Halted", "disks": [
            {"device": "xvda", "sr": "local-h2", "size_mib": 4, "content": {"seed": 5}}]},
        {"name": "split", "power_state": "Halted", "disks": [
            {"device": "xvda", "sr": "local-h1", "size_mib": 4},
            {"device": "xvdb", "sr": "local-h2", "size_mib": 4}]},
    ],
}


@contextlib.contextmanager
def pool_with(profile=None, **more):
    """A pool that has to end cleanly, also under sanitizers."""
    spec = dict(POOL, **more)
    if profile:
        spec["profile"] = profile
    with tempfile.TemporaryDirectory(prefix="poolsim-") as folder:
        pool = Pool(spec, binary=BINARY, folder=folder)
        try:
            yield pool
        except BaseException:
            pool.stop()
            raise
        status = pool.stop()
        with open(os.path.join(folder, "log"), encoding="utf-8", errors="replace") as file:
            assert status == 0, file.read()


__all__ = ["Lab", "MIB", "PAGE", "POOL", "Pool", "Reply", "XapiError", "connect", "get",
           "parse_xva", "pool_with", "put", "read_reply", "sha256", "xva"]
