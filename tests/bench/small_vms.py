# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM costs beside its bytes: many small VMs, one slot, a simulated pool.

The pool counts how long a call or a stream of it was at work; what is left of the run's wall time is
ours: processes, messages, waits, fsyncs. The store is in memory, so a fsync is counted and costs nothing.
"""
import os
import re
import signal
import sys
import time

ROW = "small-vms"
FSYNC = re.compile(r"\b(fsync|fdatasync|syncfs)\(")


def make_lab(bench, count):
    sys.path.insert(0, str(bench.root / "tests" / "e2e"))
    os.environ["ONYX_BIN"] = str(bench.bin)
    from lab import Lab, pool, vm
    machines = [vm(f"small-{n}", size_mib=8, fill=1.0, power_state="Halted") for n in range(count)]
    return Lab(pool(machines, hosts=1), agents=False, within=bench.folder)


def busy_s(lab):
    return lab.sim.control("calls.busy")["busy_us"] / 1e6


def measure_run(lab):
    """Wall seconds of a run and those the pool was at work meanwhile."""
    before, begun = busy_s(lab), time.monotonic()
    lab.must("run", *lab.run_args("--new"))
    return time.monotonic() - begun, busy_s(lab) - before


def one_pool(bench, count):
    with make_lab(bench, count) as lab:
        lab.set(lease_renew="5s")
        lab.start_agent(lab.sim.master, "--slots", "1")
        return measure_run(lab)


def small_vms(bench):
    """Many small VMs through one slot; the median of three such runs."""
    count, runs = (20, 1) if bench.short else (500, 3)
    found = [bench.quiet(lambda: one_pool(bench, count)) for _ in range(runs)]
    wall, busy = sorted(found, key=lambda pair: pair[0] - pair[1])[runs // 2]
    bench.add(f"{ROW}.wall_ms_per_vm", wall / count * 1000, None)
    bench.add(f"{ROW}.xapi_ms_per_vm", busy / count * 1000, None)
    bench.add(f"{ROW}.own_ms_per_vm", (wall - busy) / count * 1000, 30)
    count_fsyncs(bench, 5)


def count_fsyncs(bench, count):
    """fsyncs of a VM's worker: data, .meta, folder."""
    with make_lab(bench, count) as lab:
        trace = lab.folder / "trace"
        lab.start_agent(lab.sim.master, "--slots", "1", wrapper=[
            "strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,syncfs", "-o", str(trace)])
        lab.must("run", *lab.run_args("--new"))
        for agent in lab.workers(lab.sim.master):
            os.kill(agent, signal.SIGTERM)
        lab.agents.pop(lab.sim.master).wait()
        found = sum(1 for line in trace.read_text().splitlines() if FSYNC.search(line))
    bench.add(f"{ROW}.fsyncs_per_vm", found / count, None)
