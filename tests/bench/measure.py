# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands measured: wall and CPU seconds of a command with all its children, in turn with a peer.

A pair is run under the locks that were named, so that a machine that is shared stays still for as long
as one pair takes and no longer. Who goes first changes from pair to pair.
"""
import contextlib
import fcntl
import json
import os
import statistics
import subprocess
import tempfile
import time


class Sample:
    """What one run of a command cost; out is what it printed."""

    def __init__(self, wall, cpu, out):
        self.wall, self.cpu, self.out = wall, cpu, out

    def told(self):
        """The line of JSON that our programs print."""
        return json.loads(self.out)


def start(command, env):
    out, err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
    line = command if isinstance(command, list) else \
        ["bash", "-o", "pipefail", "-c", command]
    return subprocess.Popen(line, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                            env=dict(os.environ, LC_ALL="C", **env)), out, err, line


def run(command, env=None, jobs=1):
    """Run jobs copies of a command side by side; command is a list, or a text for bash."""
    commands = [command(n) if callable(command) else command for n in range(jobs)]
    begun = time.monotonic()
    started = [start(one, env or {}) for one in commands]
    cpu, outs = 0.0, []
    for process, out, err, line in started:
        # The rusage of a child that was waited for holds its own children's too.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu += usage.ru_utime + usage.ru_stime
        out.seek(0)
        err.seek(0)
        outs.append(out.read())
        if process.returncode != 0:
            raise RuntimeError(f"{line} ended with {process.returncode}: {err.read()[-2000:]}")
    return Sample(time.monotonic() - begun, cpu, outs[0])


@contextlib.contextmanager
def held(locks):
    """Hold files' locks (flock) in this order."""
    with contextlib.ExitStack() as stack:
        for name in locks:
            file = stack.enter_context(open(name, "a"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def pairs(count, locks, commands, between=lambda: None):
    """Run the named commands in turn, count times; gives {name: [Sample, ...]} in step.

    commands is {name: function that gives a Sample}; between runs behind each of them.
    """
    found = {name: [] for name in commands}
    for turn in range(count):
        with held(locks):
            names = list(commands) if turn % 2 == 0 else list(commands)[::-1]
            for name in names:
                found[name].append(commands[name]())
                between()
    return found


def median(values):
    return statistics.median(values)


def ratio(ours, theirs, what):
    """Median of the pairs' ratios of a Sample's attribute."""
    return median([getattr(a, what) / getattr(b, what) for a, b in zip(ours, theirs)])
