# SPDX-License-Identifier: GPL-3.0-or-later
"""A run whose coordinator left it: what its agents do behind it is told and kept."""
import signal
import subprocess

from lab import Lab, pool, vm, wait_for

STALL = {"action": "stall", "stream": "export", "at_byte": 1 << 20}


def leave_a_run(lab):
    """Two Ctrl-C during a backup, of which its agent, stopped for that time, never hears."""
    held = lab.fault(**STALL)
    run = lab.start_run("--new")
    log = lab.folder / f"run-{len(lab.commands) - 1}.log"
    lab.wait_held(held)
    agent = lab.agents["h1"]
    agent.send_signal(signal.SIGSTOP)
    run.send_signal(signal.SIGINT)
    wait_for("the first Ctrl-C to be heard", lambda: "cancelling" in log.read_text())
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 6
    return agent


def let_it_end(lab, agent):
    agent.send_signal(signal.SIGCONT)
    lab.sim.control("fault.clear")
    wait_for("the backup", lab.backups)


def sums_of(lab):
    """What SHA256SUMS names; each is as it says."""
    sums = lab.store / ".onyxpool" / "SHA256SUMS"
    done = subprocess.run(["sha256sum", "-c", str(sums)], cwd=lab.store, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(line.split("  ", 1)[1] for line in sums.read_text().splitlines())


def data_files(lab):
    return [name for name in lab.files() if not name.endswith(".meta")]


def test_digests_of_a_run_that_was_left_come_with_the_next():
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        let_it_end(lab, leave_a_run(lab))
        assert lab.run("--new").returncode == 0
        assert len(data_files(lab)) == 2
        assert sums_of(lab) == data_files(lab)
        lab.assert_clean()
