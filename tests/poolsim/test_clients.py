# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's clients of XAPI drive the pool: the npm package xen-api and Python's xmlrpc.client."""
import http.client
import json
import os
import shutil
import socket
import subprocess
import xmlrpc.client

import pytest

from call_client import running

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = "xen-api@4"


class SocketTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket, as XenAPI.py's xapi_local does it."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def make_connection(self, host):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.path)
        return connection


def test_xmlrpc_client_works_over_the_socket_without_a_password():
    with running() as (pool, _):
        server = xmlrpc.client.ServerProxy("http://localhost/", SocketTransport(pool.hosts["h2"]["socket"]))
        session = server.session.login_with_password("root", "", "1.0", "xmlrpc")["Value"]
        records = server.VM.get_all_records(session)["Value"]
        vm = [ref for ref, record in records.items() if record["name_label"] == "web"][0]
        snapshot = server.VM.snapshot(session, vm, "by xmlrpc")["Value"]
        assert server.VM.get_is_a_snapshot(session, snapshot)["Value"] is True
        task = server.Async.VM.destroy(session, snapshot)["Value"]
        assert task.startswith("OpaqueRef:")
        events = getattr(server, "event.from")(session, ["VM"], "", 1.0)
        assert {e["class"] for e in events["Value"]["events"]} == {"vm"}
        assert isinstance(events["Value"]["valid_ref_counts"]["vm"], int)
        assert server.session.logout(session)["Value"] == ""


def install(folder):
    """The package in a folder; the test is skipped loudly where the registry is not reached."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("SKIPPED: npm and node are not installed; the npm client did not drive the pool")
    try:
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent",
                               "--fetch-retries=0", "--fetch-timeout=20000", PACKAGE], cwd=folder,
                              capture_output=True, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        done = None
    if not done or done.returncode:
        pytest.skip("SKIPPED: npm install %s failed (no registry?); the npm client did not drive the pool" % PACKAGE)


@pytest.mark.parametrize("scheme", ["url", "tls_url"])
def test_npm_client_logs_events_exports_and_imports(tmp_path, scheme):
    install(tmp_path)
    shutil.copy(os.path.join(HERE, "clients", "drive.mjs"), tmp_path)
    vms = [{"name": "one", "power_state": "Running",
            "disks": [{"device": "xvda", "size_mib": 6, "content": {"seed": 3, "fill": 0.5}}]}]
    with running(vms=vms) as (pool, call):
        done = subprocess.run(["node", "drive.mjs", pool.hosts["h1"][scheme], pool.ports["user"],
                               pool.ports["password"], "one", "nfs1"], cwd=tmp_path, capture_output=True, text=True,
                              timeout=180, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        seen = json.loads(done.stdout.strip().splitlines()[-1])
        assert seen["disks"] == [6 << 20] and seen["event"] and seen["entry"] == "two" and seen["snapshot"]
        assert seen["archive_begins"] == "ova.xml" and seen["raw"] == 6 << 20 and seen["sums_equal"]
        assert seen["imported"] == 1
        assert seen["error"] == ["HANDLE_INVALID", ["VM", "OpaqueRef:00000000-0000-0000-0000-000000000000"]]
        assert len(call("VM.get_by_name_label", "by the client")) == 2  # the snapshot and what was made of it
