# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are hosts: network namespaces on a bridge of their own, links cut, healed, slowed.

Everything stands in namespaces that this module makes and removes: the bridge in one of them, each
host's veth pair between it and the host's. Nothing reaches the machine's own network. XAPI's
sockets are files and stay reachable from everywhere, as each host's own is in a pool.
"""
import json
import os
import pathlib
import shutil
import subprocess

LOSSY_LINK = pathlib.Path(__file__).resolve().with_name("lossy_link.py")
PREFIX = "10.213.7"


def why_not():
    """Why this machine can't have such hosts; None when it can."""
    if os.geteuid() != 0:
        return "not root: network namespaces can't be made"
    if shutil.which("ip") is None:
        return "ip (iproute2) is not installed"
    name = f"onyxprobe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return f"no network namespaces here: {made.stderr.strip()}"
    try:
        tried = subprocess.run(["ip", "-n", name, "link", "add", "name", "va", "type", "veth", "peer", "name",
                                "vb"], capture_output=True, text=True)
        bridge = subprocess.run(["ip", "-n", name, "link", "add", "name", "vc", "type", "bridge"],
                                capture_output=True, text=True)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)
    if tried.returncode != 0 or bridge.returncode != 0:
        return f"no veth or bridge here: {tried.stderr.strip()} {bridge.stderr.strip()}"
    return None


def run(*words, check=True):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{words}: {done.stderr}"
    return done


class Network:
    """A namespace for each name, with an address each; 'bridge' is the switch between them."""

    def __init__(self, names):
        self.tag = f"onyx{os.getpid()}"
        self.names = list(names)
        self.made, self.cables = [], {}
        try:
            self.add("bridge")
            run("ip", "-n", self.space("bridge"), "link", "add", "name", "sw", "type", "bridge")
            run("ip", "-n", self.space("bridge"), "link", "set", "sw", "up")
            for number, name in enumerate(self.names):
                self.connect(number, name)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def space(self, name):
        return f"{self.tag}-{name}"

    def add(self, name):
        run("ip", "netns", "add", self.space(name))
        self.made.append(name)
        run("ip", "-n", self.space(name), "link", "set", "lo", "up")

    def connect(self, number, name):
        self.add(name)
        switch, host = self.space("bridge"), self.space(name)
        run("ip", "-n", switch, "link", "add", "name", f"p{number}", "type", "veth", "peer", "name", "eth0",
            "netns", host)
        run("ip", "-n", switch, "link", "set", f"p{number}", "master", "sw")
        run("ip", "-n", switch, "link", "set", f"p{number}", "up")
        run("ip", "-n", host, "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
        run("ip", "-n", host, "link", "set", "eth0", "up")

    def address(self, name):
        return f"{PREFIX}.{self.names.index(name) + 10}"

    def inside(self, name):
        """What stands before a command line that runs on that host."""
        return ["ip", "netns", "exec", self.space(name)]

    def cut(self, name):
        """The cable is out: nothing is told to either side, packets vanish."""
        run("ip", "-n", self.space("bridge"), "link", "set", f"p{self.names.index(name)}", "nomaster")

    def heal(self, name):
        run("ip", "-n", self.space("bridge"), "link", "set", f"p{self.names.index(name)}", "master",
            "sw")

    def spoil(self, name, **how):
        """From now on a bad cable stands between host and switch; how: lossy_link.py's options."""
        number = self.names.index(name)
        switch = self.space("bridge")
        self.cut(name)
        run("ip", "-n", switch, "link", "add", "name", f"a{number}", "type", "veth", "peer", "name",
            f"b{number}")
        for end in (f"a{number}", f"b{number}"):
            run("ip", "-n", switch, "link", "set", end, "up")
        run("ip", "-n", switch, "link", "set", f"b{number}", "master", "sw")
        options = [word for key, value in how.items()
                   for word in (f"--{key.replace('_', '-')}", str(value))]
        cable = subprocess.Popen(
            [*self.inside("bridge"), "/usr/bin/python3", str(LOSSY_LINK), f"p{number}", f"a{number}",
             *options], stdout=subprocess.PIPE, text=True)
        self.cables[name] = cable
        assert cable.stdout.readline() == "ready\n", f"the bad cable of {name} did not begin"

    def spoiled(self, name):
        """The bad cable is cut; what it did to frames."""
        cable = self.cables.pop(name)
        cable.terminate()
        told, _ = cable.communicate()
        return json.loads(told)

    def close(self):
        for cable in self.cables.values():
            cable.kill()
            cable.communicate()
        self.cables = {}
        for name in reversed(self.made):
            run("ip", "netns", "del", self.space(name), check=False)
        self.made = []
