# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of one host for tests/torture: its programs die, fail or hang at a call of theirs.

strace kills in front of the n-th call of a kind, counted by thread; tests/preload/calls.c does with
the n-th file call on the store what stands in "wish".
"""
import collections
import pathlib
import re
import shutil
import signal
import subprocess
import time

import lab as lab_module
import proof as proof_module

ENOUGH_S = 120
END_S = 30  # an agent ends in this time, also when its store hangs
TRACED = "%file,%desc,%network"
TARGETS = ("worker", "agent", "coordinator")
INTERRUPTED = 6  # an agent that was told to end while it logged in
CALL = re.compile(r"^(\d+) +(\w+)\(")
WRAPPER = """#!/bin/bash
# A worker begins: behind what stands in "worker", if that is there; one worker only.
if [ -e "$0.with" ] && mv "$0.with" "$0.taken" 2>/dev/null; then
  mapfile -t with < "$0.taken"
  exec "${with[@]}" "REAL" "$@"
fi
exec "REAL" "$@"
"""


class Mode(collections.namedtuple("Mode", "is_watched slots clean_max settings vms")):
    """How a lab is set up for a kind of cases; an agent is started anew for another one."""

    def agent_args(self):
        return ("--slots", str(self.slots)) + \
            (("--clean-max", self.clean_max) if self.clean_max else ())


# Times are short where one is waited for; who hangs must not take the only slot for ever when not
# even a kill ends it. Agents need ten seconds to see that a coordinator died with their question.
SETTINGS = {"lease_renew": "1s", "backoff": "10ms"}
HANG_SETTINGS = dict(SETTINGS, idle_timeout="1s", muster_s="12s")
PLAIN = Mode(False, 1, None, SETTINGS, ("web1:2",))
WATCHED = Mode(True, 1, None, SETTINGS, ("web1:2",))
HANG = Mode(True, 1, "1s", HANG_SETTINGS, ("web1:2", "web2:2"))
FREEZE = Mode(True, 2, "1s", HANG_SETTINGS, ("web1:2", "web2:2"))


def strace(output, call=None, n=0):
    """With a call: it alone is looked at, and the n-th is death."""
    words = ["strace", "-D", "-f", "-qq", "-b", "execve", "-o", str(output)]
    if call is None:
        return words + ["-e", f"trace={TRACED}"]
    return words + ["-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={n}"]


def has_strace():
    """Whether this place lets a tracer stop its child."""
    if not shutil.which("strace"):
        return False
    done = subprocess.run(["strace", "-f", "-e", "trace=openat", "-e",
                           "inject=openat:signal=SIGKILL:when=1", "true"], capture_output=True,
                          check=False)
    return done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)


def count_calls(log):
    """Calls by kind: the most that one thread made, and how many of them its start made."""
    counts, at_start = collections.defaultdict(collections.Counter), collections.Counter()
    lines = log.read_text(errors="replace").splitlines()
    last = max([i for i, line in enumerate(lines) if ".so" in line and "openat(" in line] or [0])
    for i, line in enumerate(lines):
        if found := CALL.match(line):
            counts[found[2]][found[1]] += 1
            at_start[found[2]] += i <= last
    return {name: (max(by_thread.values()), at_start[name]) for name, by_thread in counts.items()}


class Bed(lab_module.Lab):
    def __init__(self, preload):
        def disk(name, seed):
            return {"device": name, "sr": "nfs1", "size_mib": 1,
                    "content": {"seed": seed, "fill": 0.6}}
        self.preload, self.mode = preload, PLAIN
        self.wishes = pathlib.Path(lab_module.tempfile.mkdtemp(prefix="onyx-calls-"))
        machines = [lab_module.vm("web1", disks=[disk("xvda", 0), disk("xvdb", 1)]),
                    lab_module.vm("web2", disks=[disk("xvda", 2)])]
        super().__init__(lab_module.pool(machines, hosts=1), agents=False)
        self.set_mode(PLAIN)
        self.wrap = self.folder / "wrap" / "bin"
        self.wrap.mkdir(parents=True)
        wrapper = self.wrap / "onyxpool-agent"
        wrapper.write_text(WRAPPER.replace("REAL", str(lab_module.BIN / "onyxpool-agent")))
        wrapper.chmod(0o755)
        self.proof = proof_module.Proof(self)
        self.runs = 0

    def set_mode(self, mode):
        self.mode = mode
        self.set(**mode.settings)

    def environment(self):
        env = dict(super().environment(), ONYXPOOL_HOME=str(self.folder / "wrap"))
        if self.mode.is_watched:
            env.update(lab_module.preloaded(
                self.preload, ONYX_CALLS=f"{self.store} {self.wishes}"))
        return env

    def close(self, failed=False):
        self.unwish()
        super().close(failed)
        shutil.rmtree(self.wishes, ignore_errors=True)

    # -- agent and run ----------------------------------------------------------------------------

    def begin_agent(self, wrapper=()):
        """strace is put in front of a worker when it starts, so none may have started before."""
        self.is_doomed = bool(wrapper)
        spare = () if self.mode.is_watched else ("--spare-worker", "0")
        return self.start_agent("h1", *self.mode.agent_args(), *spare, wrapper=wrapper)

    def stop_agent(self, name="h1"):
        """One that was started a moment ago may not know the signal yet; one that is to die at a
        call may come to it behind the run, or at its own end."""
        process = self.agents.pop(name)
        process.terminate()
        try:
            status = process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the agent does not end within {END_S} s") from None
        if status not in (0, -signal.SIGTERM, INTERRUPTED) + (-signal.SIGKILL,) * self.is_doomed:
            raise AssertionError(f"the agent ended with {status}")

    def agent_lives(self):
        return self.agents["h1"].poll() is None

    def start(self, wrapper=()):
        words = [word for vm in self.mode.vms for word in ("-e", vm)]
        return self.start_run(*words, wrapper=wrapper)

    def log_of_run(self):
        return (self.folder / f"run-{len(self.commands) - 1}.log").read_text()

    def to_the_end(self, run):
        """The agent comes back by itself, the run does not. Gives the run's status."""
        end = time.monotonic() + ENOUGH_S
        while run.poll() is None or not self.agent_lives():
            if not self.agent_lives():
                self.begin_agent()
            if time.monotonic() > end:
                raise TimeoutError(f"the run stands still: {self.log_of_run()[-1500:]}")
            time.sleep(0.01)
        self.runs += 1
        return run.returncode

    # -- what is loaded in front of the programs ---------------------------------------------------

    def begin_count(self):
        (self.wishes / "count").write_bytes(bytes(24))

    def counted(self):
        data = (self.wishes / "count").read_bytes()
        return {name: int.from_bytes(data[i * 8:i * 8 + 8], "little")
                for i, name in enumerate(TARGETS)}

    def wish(self, text):
        (self.wishes / "hung").unlink(missing_ok=True)
        beside = self.wishes / "wish.new"
        beside.write_text(text)
        beside.rename(self.wishes / "wish")

    def unwish(self):
        (self.wishes / "wish").unlink(missing_ok=True)

    def hangs(self):
        return (self.wishes / "hung").exists()
