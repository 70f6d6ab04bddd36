# SPDX-License-Identifier: GPL-3.0-or-later
"""A coordinator and agents on addresses of their own: links cut and healed in mid-job, slow, lossy.

Skipped, loudly, where the machine gives no network namespaces.
"""
import warnings

import pytest

import netns
from lab import Lab, pool, vm, wait_for

HOSTS = ["h1", "h2", "h3"]
REASON = netns.why_not()
if REASON:
    warnings.warn(f"hosts on networks of their own are NOT tested: {REASON}")
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

@pytest.fixture
def network():
    with netns.Network(["coordinator", *HOSTS]) as made:
        yield made


class Site:
    """A lab whose programs stand on hosts of their own."""

    def __init__(self, network, lab):
        self.network, self.lab = network, lab
        lab.listen = f"{network.address('coordinator')}:7451"
        for name in HOSTS:
            lab.start_agent(name, wrapper=network.inside(name))

    def start_run(self, *args):
        return self.lab.start_run(*args, wrapper=self.network.inside("coordinator"))

    def log(self, name):
        return (self.lab.folder / f"{name}.log").read_text(errors="replace")


@pytest.fixture
def site(network):
    vms = [vm(f"web{n}", host=f"h{n}", sr=f"local-h{n}") for n in (1, 2, 3)]
    with Lab(pool(vms, hosts=3), agents=False) as lab:
        made = Site(network, lab)
        yield made


def done(site, run, seconds=180):
    assert run.wait(seconds) == 0, site.log("run-0")
    jobs = site.lab.report()["jobs"]
    assert {job["state"] for job in jobs} == {"done"}, jobs
    assert sorted(site.lab.backups()) == ["web1", "web2", "web3"]
    assert all(len(files) == 1 for files in site.lab.backups().values())
    site.lab.assert_clean()
    return jobs



def test_agents_of_several_hosts_share_the_run(site):
    run = site.start_run()
    jobs = done(site, run)
    assert {job["host"] for job in jobs} == set(HOSTS)
    for name in HOSTS:
        assert "10.213.7" in site.log(f"agent-{name}")


def test_a_link_that_is_cut_in_mid_job_and_healed_costs_nothing(site):
    """The agent goes on alone, says Hello when the link is back, and its export counts."""
    lab = site.lab
    held = lab.fault(action="stall", stream="export", object="web2", at_byte=100000)
    run = site.start_run()
    lab.wait_held(held)
    worker = lab.workers("h2")
    site.network.cut("h2")
    lab.sim.control("fault.release", id=held)
    wait_for("the file of web2", lambda: lab.backups().get("web2"))
    assert run.poll() is None, "the run ended without having heard of web2"
    wait_for("the silence to be told", lambda: "no answer from the coordinator" in
             site.log("agent-h2"))
    site.network.heal("h2")
    jobs = done(site, run)
    assert worker and [job["attempts"] for job in jobs if job["name"] == "web2"] == [1]


def test_a_host_that_stays_cut_off_is_lost_and_its_export_counts_if_it_ended(site):
    """Another host looks after what the lost attempt left, once it moves no more: a file that it
    published alone is a backup, and what is reported is what stands there."""
    lab = site.lab
    lab.set(lost="6s", attempts=1, muster_s="3s")
    held = lab.fault(action="stall", stream="export", object="web3", at_byte=100000)
    run = site.start_run()
    lab.wait_held(held)
    site.network.cut("h3")
    wait_for("the loss to be told", lambda: "web3: lost on h3" in site.log("run-0"), 60)
    assert run.poll() is None, "the run ended with an export of its own under way"
    lab.sim.control("fault.release", id=held)
    status = run.wait(60)
    jobs = {job["name"]: job for job in lab.report()["jobs"]}
    assert jobs["web1"]["state"] == jobs["web2"]["state"] == "done"
    assert (status == 0) == (jobs["web3"]["state"] == "done") == bool(lab.backups().get("web3")), \
        (status, jobs["web3"], lab.backups())
    site.network.heal("h3")
    before = lab.backups().get("web3", [])
    again = site.start_run("--new")
    assert again.wait(60) == 0, site.log("run-1")
    assert len(lab.backups()["web3"]) == len(before) + 1
    assert all((lab.store / "web3" / meta.replace(".meta", ".xva")).exists()
               for meta in lab.backups()["web3"])
    lab.assert_clean()


def test_the_coordinators_link_flaps_and_all_is_done_once(site):
    """Cut and healed five times while three exports wait."""
    lab = site.lab
    held = [lab.fault(action="stall", stream="export", object=f"web{n}", at_byte=100000)
            for n in (1, 2, 3)]
    run = site.start_run()
    for fault in held:
        lab.wait_held(fault)
    for round_ in range(5):
        site.network.cut("coordinator")
        wait_for("packets to be lost", lambda: not reaches(site, "h1"), 10)
        site.network.heal("coordinator")
        wait_for("packets to come", lambda: reaches(site, "h1"), 10)
        if round_ < 3:
            lab.sim.control("fault.release", id=held[round_])
    jobs = done(site, run)
    assert {job["attempts"] for job in jobs} == {1}


def reaches(site, name):
    """Whether the host's packets come to the coordinator's port."""
    probe = ("import socket, sys\n"
             "try: socket.create_connection((sys.argv[1], 7451), 0.3).close()\n"
             "except OSError: sys.exit(1)\n")
    return netns.run(*site.network.inside(name), "/usr/bin/python3", "-c", probe,
                     site.network.address("coordinator"), check=False).returncode == 0


def test_slow_and_lossy_links_only_slow_it(site):
    """120 ms each way, a frame in twelve lost, many overtaken: one attempt each, nobody is lost."""
    names = ("coordinator", *HOSTS)
    for seed, name in enumerate(names):
        site.network.spoil(name, delay_ms=60, jitter_ms=30, loss=0.08, duplicate=0.03, seed=seed)
    jobs = done(site, site.start_run())
    assert [job["attempts"] for job in jobs] == [1, 1, 1]
    for name in names:
        told = site.network.spoiled(name)
        assert told["frames"] > 20, (name, told)
        assert told["lost"] and told["overtaken"], (name, told)
