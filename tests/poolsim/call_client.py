# SPDX-License-Identifier: GPL-3.0-or-later
"""A small pool and a caller, for the tests of calls."""
import contextlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from poolsim import Pool, XapiError  # noqa: E402

NULL = "OpaqueRef:NULL"
GONE = "OpaqueRef:00000000-0000-0000-0000-000000000000"


def small_pool(**more):
    """Two hosts, a shared and a local SR, a running VM with two disks and a drive, a halted one."""
    pool = {
        "name": "lab", "login_delay_ms": 50, "heartbeat_ms": 3600000,
        "hosts": [{"name": "h1"}, {"name": "h2"}],
        "srs": [{"name": "nfs1", "type": "nfs"}, {"name": "local", "type": "ext", "host": "h1"},
                {"name": "raw", "type": "rawhba"}],
        "networks": [{"name": "LAN"}],
        "vms": [
            {"name": "web", "host": "h1", "power_state": "Running", "os": "Debian GNU/Linux 12", "cd": {},
             "disks": [{"device": "xvda", "size_mib": 8, "content": {"seed": 1, "fill": 1.0}},
                       {"device": "xvdb", "size_mib": 4}]},
            {"name": "idle", "disks": [{"device": "xvda", "size_mib": 4, "sr": "local"}]},
        ],
    }
    pool.update(more)
    return pool


class Caller:
    """A session on the master's socket."""

    def __init__(self, pool, host=None, originator="test"):
        self.pool = pool
        self.host = host or pool.master
        self.session = pool.login(self.host, originator)

    def __call__(self, method, *params, **more):
        return self.pool.rpc(self.host, method, self.session, *params, **more)

    def fails(self, method, *params):
        """The code and parameters of the failure that the call must give."""
        try:
            result = self(method, *params)
        except XapiError as error:
            return [error.code] + error.params
        raise AssertionError("%s succeeded: %r" % (method, result))

    def find(self, name, cls="VM"):
        """The one object of the name that is no snapshot."""
        refs = self(cls + ".get_by_name_label", name)
        assert len(refs) == 1, refs
        return refs[0]

    def wait(self, task):
        """The finished task, destroyed: its status, result and error."""
        record = self.pool.wait_task(self.session, task)
        self("task.destroy", task)
        return record["status"], record["result"], record["error_info"]

    def disks(self, vm):
        """VDIs of a VM by device number."""
        found = {}
        for vbd in self("VM.get_VBDs", vm):
            record = self("VBD.get_record", vbd)
            if record["type"] == "Disk":
                found[record["userdevice"]] = record["VDI"]
        return found


@contextlib.contextmanager
def running(pool=None, **more):
    """A pool that must end cleanly, with a caller."""
    own = Pool(pool or small_pool(**more))
    try:
        yield own, Caller(own)
        text = own.text()
    finally:
        status = own.stop()
    assert status == 0 and "ERROR" not in text, text
