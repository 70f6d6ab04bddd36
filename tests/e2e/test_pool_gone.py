# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool that does not answer any more: told while it lasts, and not waited for without end."""
import signal

from lab import Lab, pool, vm, wait_for

STALL = {"action": "stall", "stream": "export", "at_byte": 1 << 20}


def begin(lab, **settings):
    """A run with a backup under way, and the pool silent."""
    lab.set(lease_renew="300ms", backoff="10ms", **settings)
    held = lab.fault(**STALL)
    run = lab.start_run()
    lab.wait_held(held)
    lab.sim.process.send_signal(signal.SIGSTOP)
    return run, held


def wake(lab):
    lab.sim.process.send_signal(signal.SIGCONT)


def test_pool_that_stays_away_ends_the_run_and_the_next_continues_it():
    with Lab(pool([vm("web1"), vm("web2")], hosts=1)) as lab:
        run, _ = begin(lab, pool_lost="3s")
        try:
            assert run.wait(60) == 3
        finally:
            wake(lab)
        told = (lab.folder / "run-0.log").read_text()
        assert "warn: the pool can't be reached" in told, told
        assert "(pool_lost): the run ends" in told, told
        for name in ("web1", "web2"):
            assert f"{name} is left to the agent of h1" in told, told
        lab.sim.control("fault.clear")
        done = lab.run()
        assert done.returncode == 0, done.stderr
        assert "continuing the unfinished run" in done.stderr
        assert sorted(lab.backups()) == ["web1", "web2"]
        lab.assert_clean()


def test_pool_that_comes_back_is_waited_for():
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        run, held = begin(lab, pool_lost="60s")
        log = lab.folder / "run-0.log"
        try:
            wait_for("the word of it", lambda: "the pool can't be reached" in log.read_text(), 30)
        finally:
            wake(lab)
        wait_for("the word of its end", lambda: "the pool answers again" in log.read_text(), 60)
        lab.sim.control("fault.release", id=held)
        assert run.wait(120) == 0
        lab.assert_clean()


def test_session_file_goes_with_a_clean_log_out():
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        assert lab.run().returncode == 0
        assert not list(lab.folder.glob("catalog.db.session*"))
        lab.assert_clean()
