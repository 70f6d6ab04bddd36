#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of cases.json through the real command, against a simulated pool.

Usage: cases.py ONYXPOOL POOLSIM [CASES]
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LISTS = ("excludes", "vdi_exports", "vm_exports")
START_MAX_S = 60


class Pool:
    """A simulated pool with VMs of these names, in a folder of its own."""

    def __init__(self, poolsim, names, folder):
        pool = {"name": "selection", "hosts": [{"name": "h1"}],
                "vms": [{"name": name} for name in names]}
        description = os.path.join(folder, "pool.json")
        ready = os.path.join(folder, "ready.json")
        with open(description, "w") as file:
            json.dump(pool, file)
        self.process = subprocess.Popen([poolsim, description, "--dir", os.path.join(folder, "d"),
                                         "--port-file", ready])
        end = time.monotonic() + START_MAX_S
        while not os.path.exists(ready):
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit("the simulated pool did not start")
            time.sleep(0.02)
        with open(ready) as file:
            self.socket = json.load(file)["hosts"][0]["socket"]

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def preview(onyxpool, pool, case, folder):
    config = os.path.join(folder, "case.cfg")
    with open(config, "w") as file:
        file.write(case["config"])
    home = os.path.join(folder, "home")
    os.makedirs(home, exist_ok=True)
    environment = {**os.environ, "HOME": home, "XDG_STATE_HOME": home}
    done = subprocess.run([onyxpool, "preview", "--json", "--xapi", pool.socket, "-c", config, "-d",
                           os.path.join(folder, "store"), "--install-dir", folder, "--catalog",
                           os.path.join(folder, "catalog.db")] + case["argv"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    if done.returncode != 0:
        raise ValueError("exit status %d: %s" % (done.returncode, done.stderr.decode()))
    return json.loads(done.stdout)


def check(case, got):
    want = case["expect"]
    for name in LISTS + ("settings",):
        if got[name] != want[name]:
            yield "%s: wanted %s\n    and got %s" % (name, json.dumps(want[name]),
                                                     json.dumps(got[name]))
    if want["warnings"] > 0 and not got["warnings"]:
        yield "a warning was wanted"
    decided = {(d["list"], d["vm"]) for d in got["decisions"]}
    chosen = {(name, item if name == "excludes" else item["vm"])
              for name in LISTS for item in want[name]}
    if decided != chosen:
        yield "entries that decided: %s" % sorted(decided ^ chosen)
    if "jobs" not in got["plan"]:
        yield "no plan"


def main():
    onyxpool, poolsim = sys.argv[1:3]
    path = sys.argv[3] if len(sys.argv) > 3 else os.path.join(HERE, "cases.json")
    with open(path) as file:
        cases = json.load(file)
    pools, bad = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            for case in cases:
                key = tuple(case["vms"])
                if key not in pools:
                    own = os.path.join(folder, str(len(pools)))
                    os.mkdir(own)
                    pools[key] = Pool(poolsim, case["vms"], own)
                try:
                    faults = list(check(case, preview(onyxpool, pools[key], case, folder)))
                except ValueError as error:
                    faults = [str(error)]
                bad += bool(faults)
                for fault in faults:
                    print("%s: %s" % (case["name"], fault))
        finally:
            for pool in pools.values():
                pool.end()
    print("%d of %d cases" % (len(cases) - bad, len(cases)))
    return 1 if bad or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
