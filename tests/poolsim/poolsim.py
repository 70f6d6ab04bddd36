# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a simulated pool, talk to it, stop it. Python's standard library only.

    with Pool({"vms": [{"name": "web1"}]}) as pool:
        session = pool.login()
        pool.rpc(pool.master, "VM.get_all_records", session)
        pool.control("fault.inject", method="VM.snapshot", error=["SR_BACKEND_FAILURE_44", "", "", ""])

The binary is taken from the argument, $POOLSIM or $ONYX_BIN.
"""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time


class XapiError(Exception):
    """A failure that the pool answered: code and parameters."""

    def __init__(self, code, params):
        super().__init__("%s %s" % (code, params))
        self.code = code
        self.params = params


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Pool:
    """A running poolsim in a folder of its own."""

    def __init__(self, pool, binary=None, folder=None, start_timeout=60):
        self.binary = binary or os.environ.get("POOLSIM") or os.path.join(os.environ.get("ONYX_BIN", ""), "poolsim")
        self.owns_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="poolsim-")
        self.file = os.path.join(self.folder, "pool.json")
        self.port_file = os.path.join(self.folder, "ports.json")
        with open(self.file, "w", encoding="utf-8") as file:
            json.dump(pool, file)
        self.log = open(os.path.join(self.folder, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [self.binary, self.file, "--dir", os.path.join(self.folder, "d"),
             "--port-file", self.port_file], stderr=self.log)
        deadline = time.monotonic() + start_timeout
        while not os.path.exists(self.port_file):
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = self.text()
                status = self.process.poll()
                self.stop()
                raise RuntimeError("poolsim did not start (%s): %s" % (status, text))
            time.sleep(0.01)
        with open(self.port_file, encoding="utf-8") as file:
            self.ports = json.load(file)
        self.hosts = {host["name"]: host for host in self.ports["hosts"]}
        self.master = self.ports["master"]
        self.request_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def text(self):
        """What the pool wrote to stderr."""
        self.log.flush()
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        """End it; gives its exit status (0 when clean)."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.log.close()
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        return status

    def connection(self, host=None, socket_path=True, timeout=120):
        """A fresh HTTP connection to a host (default: the master's unix socket)."""
        entry = self.hosts[host or self.master]
        if socket_path:
            return UnixConnection(entry["socket"], timeout)
        address, port = entry["url"][len("http://"):].split(":")
        return http.client.HTTPConnection(address, int(port), timeout=timeout)

    def post(self, host, path, body, socket_path=True, timeout=120, headers=None):
        """POST text; gives the body of the answer."""
        connection = self.connection(host, socket_path, timeout)
        try:
            connection.request("POST", path, body.encode(), headers or {})
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def rpc(self, host, method, *params, socket_path=True, timeout=120, headers=None):
        """A JSON-RPC call; gives its result or raises XapiError."""
        self.request_id += 1
        call = {"jsonrpc": "2.0", "method": method, "params": list(params), "id": self.request_id}
        answer = json.loads(self.post(host, "/jsonrpc", json.dumps(call), socket_path, timeout,
                                      headers))
        error = answer.get("error")
        if isinstance(error, dict):
            raise XapiError(error["message"], error["data"])
        if isinstance(error, list):
            raise XapiError(error[0], error[1:])
        return answer["result"]

    def login(self, host=None, originator="test", socket_path=True):
        """A session of root."""
        return self.rpc(host or self.master, "session.login_with_password", self.ports["user"],
                        self.ports["password"], "1.0", originator, socket_path=socket_path)

    def control(self, call, /, timeout=120, **params):
        """A control call (README.md) with its parameters by name."""
        body = json.dumps({"jsonrpc": "2.0", "method": call, "params": params, "id": 1})
        folder = os.path.dirname(self.hosts[self.master]["socket"])
        connection = UnixConnection(os.path.join(folder, "control.sock"), timeout)
        try:
            connection.request("POST", "/poolsim", body.encode())
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in answer:
            raise RuntimeError(answer["error"]["message"])
        return answer["result"]

    def wait_task(self, session, task, timeout=60):
        """The task's record once it is no longer pending."""
        deadline = time.monotonic() + timeout
        while True:
            record = self.rpc(self.master, "task.get_record", session, task)
            if record["status"] != "pending":
                return record
            if time.monotonic() > deadline:
                raise TimeoutError("task %s still pending" % record["name_label"])
            time.sleep(0.02)
