# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole installation in a temporary folder: simulated pool, agents, store, coordinator.

Everything is found through files and sockets of the folder; nothing has a fixed port. A lab ends
its processes and removes its folder, and says so when one of them does not end well.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "poolsim"))

import poolsim  # noqa: E402

BIN = pathlib.Path(os.environ.get("ONYX_BIN", ROOT / "build" / "bin"))
WAIT_S = 120
PROFILE = os.environ.get("ONYX_PROFILE", "xcp83")


def wait_for(what, condition, seconds=WAIT_S):
    """Poll until the condition gives something true; the event is waited for, not a time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def is_spare(pid):
    """Whether a process is a worker that waits for its job."""
    try:
        return b"--standby" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def build_preload(name, folder):
    """A library of tests/preload, made in that folder, to be loaded in front of programs."""
    made = pathlib.Path(folder) / f"{name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-I", ROOT, "-o", made,
                    ROOT / "tests" / "preload" / f"{name}.c", "-ldl"], check=True)
    return made


def preloaded(library, **more):
    """What the environment of a program behind such a library has, sanitizers or not."""
    options = os.environ.get("ASAN_OPTIONS", "")
    return dict(more, LD_PRELOAD=str(library),
                ASAN_OPTIONS=f"{options}:verify_asan_link_order=0".lstrip(":"))


def vm(name, host="h1", sr="nfs1", size_mib=8, fill=0.5, **more):
    """A VM of one disk for a pool file."""
    seed = sum(map(ord, name))
    return dict({"name": name, "host": host, "disks": [
        {"device": "xvda", "sr": sr, "size_mib": size_mib,
         "content": {"seed": seed, "fill": fill}}]}, **more)


def pool(vms, hosts=3, **more):
    """A pool file: hosts h1.., a shared SR nfs1, a local SR on each host."""
    names = [f"h{n + 1}" for n in range(hosts)]
    return dict({
        "name": "lab", "profile": PROFILE, "hosts": [{"name": name, "cores": 4} for name in names],
        "srs": [{"name": "nfs1", "type": "nfs", "shared": True}] +
               [{"name": f"local-{name}", "type": "ext", "host": name} for name in names],
        "networks": [{"name": "LAN"}], "vms": vms}, **more)


class Lab:
    def __init__(self, pool_file, agents=True, within=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="onyx-", dir=within))
        self.sim = None
        self.agents = {}
        self.commands = []
        try:
            (self.folder / "pool").mkdir()
            self.sim = poolsim.Pool(pool_file, binary=str(BIN / "poolsim"),
                                    folder=str(self.folder / "pool"))
            self.hosts = self.sim.hosts
            self.store = self.folder / "store"
            self.store.mkdir()
            self.catalog = self.folder / "catalog.db"
            self.key = self.folder / "pool.key"
            self.listen = f"ipc://{self.folder}/bus"
            self.settings_file = self.folder / "lab.cfg"
            self.set(lease_renew="1s", backoff="10ms")
            self.must("keygen", "--key", self.key)
            self.must("init-store", *self.common(), "-d", self.store, "--allow-root-fs")
            self.before = self.refs()
            if agents:
                for name in self.hosts:
                    self.start_agent(name)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close(failed=kind is not None)

    def close(self, failed=False):
        for process in list(self.agents.values()) + self.commands:
            if process.poll() is None:
                process.terminate()
        for process in list(self.agents.values()) + self.commands:
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        ended = self.sim.stop() if self.sim else 0
        if failed:
            for log in sorted(self.folder.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-6000:]}")
            print(f"--- poolsim\n{(self.folder / 'pool' / 'log').read_text()[-4000:]}")
        shutil.rmtree(self.folder, ignore_errors=True)
        assert failed or ended == 0, f"poolsim ended with {ended}"

    # -- the product ------------------------------------------------------------------------------

    def common(self, host=None):
        socket = self.hosts[host or self.sim.master]["socket"]
        return ["--xapi", socket, "--catalog", self.catalog, "--key", self.key]

    def onyxpool(self, command, *args, **more):
        """Run a command to its end; gives the finished process with text output."""
        line = [str(BIN / "onyxpool"), command, *map(str, args)]
        return subprocess.run(line, capture_output=True, text=True, timeout=WAIT_S * 2,
                              stdin=subprocess.DEVNULL, env=self.environment(), **more)

    def must(self, command, *args):
        done = self.onyxpool(command, *args)
        assert done.returncode == 0, f"{command} {args}: {done.returncode}\n" \
            f"{done.stdout}\n{done.stderr}"
        return done

    def environment(self):
        env = dict(os.environ, HOME=str(self.folder), LC_ALL="C.UTF-8")
        env.pop("XDG_STATE_HOME", None)
        return env

    def set(self, **settings):
        """Settings of our own section for the runs from now on; those of [xenserver] by their
        own names. However full the disk of the machine is, tests run."""
        settings = dict({"space_threshold": 1, "hard_floor": 0}, **settings)
        sections = {"xenserver": "", "onyxpool": ""}
        for key, value in settings.items():
            section = "xenserver" if key in ("space_threshold", "share_type") else "onyxpool"
            sections[section] += f"{key} = {value}\n"
        self.settings_file.write_text("".join(f"[{name}]\n{lines}"
                                              for name, lines in sections.items()))

    def run_args(self, *args):
        return [*self.common(), "-c", self.settings_file, "-d", self.store, "--listen",
                self.listen, "--install-dir", self.folder, *args]

    def run(self, *args):
        return self.onyxpool("run", *self.run_args(*args))

    def start_run(self, *args, wrapper=()):
        """Start a run in the background, its output in run-N.log."""
        log = open(self.folder / f"run-{len(self.commands)}.log", "w")
        process = subprocess.Popen(
            [*wrapper, str(BIN / "onyxpool"), "run", *map(str, self.run_args(*args))],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env=self.environment())
        log.close()
        self.commands.append(process)
        return process

    def start_agent(self, name, *args, wrapper=()):
        host = self.hosts[name]
        key = self.folder / f"agent-{name}.key"
        if not key.exists():
            self.must("keygen", "--key", self.key, "--host", host["uuid"], "-o", key)
        with open(self.folder / f"agent-{name}.log", "a") as log:
            process = subprocess.Popen(
                [*wrapper, str(BIN / "onyxpool-agent"), "--xapi", host["socket"], "--host",
                 host["uuid"], "--coordinator", self.listen, "--key", str(key), *map(str, args)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment())
        self.agents[name] = process
        return process

    def stop_agent(self, name):
        process = self.agents.pop(name)
        process.terminate()
        assert process.wait(WAIT_S) == 0, f"agent of {name} ended with {process.returncode}"

    def workers(self, name=None):
        """Process ids of the workers of one agent, or of all; not those that wait for a job."""
        return [pid for pid in self.children(name) if not is_spare(pid)]

    def spares(self, name=None):
        """Those that wait."""
        return [pid for pid in self.children(name) if is_spare(pid)]

    def children(self, name=None):
        found = []
        for agent in [self.agents[name]] if name else self.agents.values():
            children = pathlib.Path(f"/proc/{agent.pid}/task/{agent.pid}/children")
            if children.exists():
                found += [int(pid) for pid in children.read_text().split()]
        return found

    def kill_workers(self, name=None):
        for pid in wait_for("a worker", lambda: self.workers(name)):
            os.kill(pid, signal.SIGKILL)

    # -- what is left ---------------------------------------------------------------------------

    def refs(self):
        """References per class of everything that a run might leave in the pool."""
        refs = self.sim.control("state.refs")
        return {name: sorted(refs[name]) for name in ("VM", "VDI", "VBD", "task", "session")}

    def records(self, name):
        """All records of a class by reference."""
        session = self.sim.login(originator="lab")
        try:
            return self.sim.rpc(None, f"{name}.get_all_records", session)
        finally:
            self.sim.rpc(None, "session.logout", session)

    def vm_ref(self, name):
        """Reference of the plain VM of that name."""
        found = [ref for ref, record in self.records("VM").items()
                 if record["name_label"] == name and not record["is_a_snapshot"]
                 and not record["is_a_template"]]
        assert len(found) == 1, (name, found)
        return found[0]

    def disk_sums(self, name):
        """sha256 of each disk of a VM, in order of userdevice."""
        vm, vbds = self.vm_ref(name), self.records("VBD").values()
        disks = sorted((vbd for vbd in vbds if vbd["VM"] == vm and vbd["type"] == "Disk"),
                       key=lambda vbd: int(vbd["userdevice"]))
        return [self.sim.control("disk.sha256", vdi=vbd["VDI"]) for vbd in disks]

    def fault(self, **params):
        """Inject a fault; gives its number."""
        return self.sim.control("fault.inject", **params)

    def wait_held(self, fault, seconds=60):
        """Until a call or a stream waits in the fault; a run that ended will not bring it."""
        def look():
            shown = next(f for f in self.sim.control("fault.list") if f["id"] == fault)
            ended = [c.returncode for c in self.commands if c.poll() is not None]
            assert shown["held"] or not self.commands or len(ended) < len(self.commands), \
                f"the runs ended with {ended} before anything came to the fault"
            return shown["held"]
        return wait_for("the fault to hold something", look, seconds)

    def files(self):
        """Files below the store, without the store's own folder."""
        return sorted(str(path.relative_to(self.store)) for path in self.store.rglob("*")
                      if path.is_file() and ".onyxpool" not in path.parts)

    def backups(self):
        """Published backups by VM folder."""
        found = {}
        for name in self.files():
            if name.endswith(".meta"):
                folder, file = name.rsplit("/", 1)
                found.setdefault(folder, []).append(file)
        return found

    def assert_clean(self):
        """No snapshot, disk, task or session of ours, no partial file, no worker."""
        agents = sum(1 for agent in self.agents.values() if agent.poll() is None)
        refs = wait_for_clean(self, agents)
        for name in ("VM", "VDI", "VBD", "task"):
            assert refs[name] == self.before[name], f"{name} differ"
        assert len(refs["session"]) - len(self.before["session"]) <= agents
        assert [name for name in self.files() if ".partial" in name] == []

    def report(self):
        return json.loads(self.must("report", "--catalog", self.catalog, "--json").stdout)


def wait_for_clean(lab, agents):
    """A logout or a task's end may be a moment late; what stays is the caller's to judge."""
    end = time.monotonic() + 10
    while True:
        refs = lab.refs()
        same = all(refs[name] == lab.before[name] for name in ("VM", "VDI", "VBD", "task"))
        if (same and len(refs["session"]) - len(lab.before["session"]) <= agents) or \
                time.monotonic() > end:
            return refs
        time.sleep(0.05)
