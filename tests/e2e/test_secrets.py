# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, passwords and sessions stand where they must and nowhere else; keys rotate in mid-run."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import pytest

from lab import BIN, Lab, pool, vm, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "load"))
import attack  # noqa: E402

SMTP_SECRET = "smtp-Geheim-7261"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def key_of(path):
    """The secret of a key file, as hex and as bytes."""
    digits = re.search(r"\b[0-9a-f]{64}\b", path.read_text()).group(0)
    return [digits.encode(), bytes.fromhex(digits)]


def assert_absent(secrets, data, where):
    for name, forms in secrets.items():
        for form in forms:
            assert form not in data, f"{name} stands in {where}"


def processes(lab, run):
    return [run.pid] + [agent.pid for agent in lab.agents.values()] + lab.workers()


def proc(pid, name):
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except PermissionError:  # hidden from its own user too: nothing to be seen there
        return b""


@pytest.fixture
def lab():
    with Lab(pool([vm("web1", host="h1"), vm("web2", host="h2", sr="local-h2")], hosts=2),
             agents=False) as made:
        yield made


def test_no_secret_stands_where_others_look(lab):
    """Command lines, environments, logs at debug, the catalog, the store, the bytes on the wire."""
    port = free_port()
    recorder = attack.Recorder(free_port(), ("127.0.0.1", port))
    lab.listen = f"127.0.0.1:{recorder.listener.getsockname()[1]}"
    for name in lab.hosts:
        lab.start_agent(name, "-l", "debug")
    lab.listen = f"127.0.0.1:{port}"
    password = lab.folder / "password"
    password.write_text(lab.sim.ports["password"])
    password.chmod(0o600)
    lab.settings_file.write_text(
        lab.settings_file.read_text() + f"[smtp]\nsmtp_enabled = True\nsmtp_auth = True\n"
        f"smtp_user = u\nsmtp_pass = {SMTP_SECRET}\nsmtp_server = 127.0.0.1\nsmtp_port = 1\n"
        "smtp_to = a@example.org\n")
    lab.settings_file.chmod(0o600)
    held = lab.fault(action="stall", stream="export", at_byte=100000)
    args = lab.run_args("-l", "debug")
    args[args.index("--xapi") + 1] = lab.hosts["h1"]["url"]
    run = lab.start_run(*args[:2], "--xapi-user", lab.sim.ports["user"], "--xapi-password-file",
                        password, "-l", "debug")
    lab.wait_held(held)
    sessions = lab.sim.control("state.refs")["session"]
    assert sessions
    secrets = {"the pool key": key_of(lab.key), "the password": [lab.sim.ports["password"].encode()],
               "smtp_pass": [SMTP_SECRET.encode()],
               "a session": [reference.encode() for reference in sessions]}
    for name in lab.hosts:
        secrets[f"the key of {name}"] = key_of(lab.folder / f"agent-{name}.key")
    for pid in processes(lab, run):
        for name in ("cmdline", "environ", "comm"):
            assert_absent(secrets, proc(pid, name), f"/proc/{pid}/{name}")
        assert re.search(rb"Max core file size +0 +0 ", proc(pid, "limits")), pid
    lab.sim.control("fault.release", id=held)
    assert run.wait(120) == 0
    assert_absent(secrets, recorder.bytes(), "the bytes on the wire")
    assert len(recorder.frames()) > 4
    for root in (lab.folder, lab.store):
        for path in root.rglob("*"):
            if path.is_file() and path.suffix not in (".key", ".cfg", ".xva") and \
                    path != password and (lab.folder / "pool") not in path.parents:
                assert_absent(secrets, path.read_bytes(), path)
    recorder.close()


def test_a_process_with_a_key_leaves_no_core(lab):
    agent = lab.start_agent("h1")
    wait_for("the agent", lambda: "ready" in (lab.folder / "agent-h1.log").read_text())
    before = set(os.listdir("."))
    agent.send_signal(signal.SIGABRT)
    agent.wait(60)
    lab.agents.pop("h1")
    assert [name for name in set(os.listdir(".")) - before if name.startswith("core")] == []


def refused(done, *words):
    assert done.returncode == 2, (done.returncode, done.stderr)
    for word in words:
        assert word in done.stderr, done.stderr


def test_files_with_secrets_must_be_private(lab):
    """Modes and owners, of the key of both programs, the former key and the password."""
    agent_key = lab.folder / "agent.key"
    lab.must("keygen", "--key", lab.key, "--host", lab.hosts["h1"]["uuid"], "-o", agent_key)
    password = lab.folder / "password"
    password.write_text(lab.sim.ports["password"])
    password.chmod(0o600)
    lab.must("keygen", "--key", lab.key, "--rotate", "1h")

    def run_with(path):
        return lab.onyxpool("run", *lab.run_args("--xapi", lab.hosts["h1"]["url"], "--xapi-user",
                                                 lab.sim.ports["user"], "--xapi-password-file",
                                                 password))

    def agent_with(path):
        agent = lab.start_agent("h1", "--key", path)
        status = agent.wait(60)
        lab.agents.pop("h1")
        log = (lab.folder / "agent-h1.log").read_text()
        return type("Done", (), {"returncode": status, "stderr": log})

    old = lab.folder / "pool.key.old"
    for path, start in ((lab.key, run_with), (old, run_with), (password, run_with),
                        (agent_key, agent_with)):
        for mode in (0o640, 0o604, 0o660):
            path.chmod(mode)
            refused(start(path), str(path), "chmod 600")
        path.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(path, 12345, 12345)
            refused(start(path), str(path), "chown")
            os.chown(path, 0, 0)


def test_a_password_in_a_settings_file_that_others_read_is_told(lab):
    lab.settings_file.write_text(lab.settings_file.read_text() + f"[smtp]\nsmtp_pass = {SMTP_SECRET}\n")
    lab.settings_file.chmod(0o644)
    done = lab.must("preview", *lab.run_args())
    assert f"chmod 600 {lab.settings_file}" in done.stderr
    assert SMTP_SECRET not in done.stdout + done.stderr
    lab.settings_file.chmod(0o600)
    assert "chmod 600" not in lab.must("preview", *lab.run_args()).stderr


def new_agent_key(lab, name):
    """As an administrator does it: made on the coordinator, moved over the one on the host."""
    made = lab.folder / "new.key"
    lab.must("keygen", "--key", lab.key, "--host", lab.hosts[name]["uuid"], "-o", made)
    os.replace(made, lab.folder / f"agent-{name}.key")


def exports_of(lab, name):
    return sum(1 for job in lab.report()["jobs"] if job["name"] == name and job["attempt"] == 1)


def test_keys_rotate_while_a_run_goes_on(lab):
    """Both agents export; one is given its new key, one keeps the older; nothing is begun again.
    When the older key's time is over its agent is refused, and told what to do."""
    for name in lab.hosts:
        lab.start_agent(name)
    held = [lab.fault(action="stall", stream="export", object=name, at_byte=100000)
            for name in ("web1", "web2")]
    run = lab.start_run("-l", "info")
    for fault in held:
        lab.wait_held(fault)
    workers = sorted(lab.workers())
    lab.must("keygen", "--key", lab.key, "--rotate", "1h")
    new_agent_key(lab, "h1")
    log = lab.folder / "agent-h1.log"
    wait_for("the new key", lambda: "a new key is in" in log.read_text())
    time_heard = lambda: json.loads(lab.must("agents", "--catalog", lab.catalog, "--json").stdout)
    assert time_heard()
    # Both are heard with what they have: the run's orders come through to the end.
    lab.sim.control("fault.release", id=held[0])
    wait_for("web1", lambda: lab.backups().get("web1"))
    assert run.poll() is None and sorted(set(lab.workers()) & set(workers))
    # The older one is gone: h2 is refused until it has its new key, its job lives on.
    (lab.folder / "pool.key.old").unlink()
    text = lab.folder / "agent-h2.log"
    wait_for("the refusal", lambda: "does not accept this key" in text.read_text())
    assert set(lab.workers("h2")) <= set(workers) and lab.workers("h2")
    new_agent_key(lab, "h2")
    wait_for("the new key of h2", lambda: "a new key is in" in text.read_text())
    # A rotation that lets the former key count no longer: the same for h1.
    refused_n = log.read_text().count("does not accept this key")
    lab.must("keygen", "--key", lab.key, "--rotate", "0s")
    wait_for("the refusal",
             lambda: log.read_text().count("does not accept this key") > refused_n)
    for name in lab.hosts:
        new_agent_key(lab, name)
        agent_log = lab.folder / f"agent-{name}.log"
        wait_for("the next key", lambda: agent_log.read_text().count("a new key is in") == 2)
    lab.sim.control("fault.release", id=held[1])
    assert run.wait(120) == 0, (lab.folder / "run-0.log").read_text()
    jobs = {job["name"]: job for job in lab.report()["jobs"]}
    assert jobs["web1"]["state"] == jobs["web2"]["state"] == "done"
    assert len(lab.backups()["web1"]) == len(lab.backups()["web2"]) == 1
    lab.assert_clean()


def test_a_rotation_under_way_is_not_begun_again(lab):
    lab.must("keygen", "--key", lab.key, "--rotate", "7d")
    again = lab.onyxpool("keygen", "--key", lab.key, "--rotate", "7d")
    assert again.returncode != 0 and "remove it when all have" in again.stderr


def stalled(lab, **more):
    held = lab.fault(action="stall", stream="export", at_byte=100000)
    run = lab.start_run(**more)
    lab.wait_held(held)
    return held, run


def test_an_agent_that_is_stopped_lets_go(lab):
    """SIGTERM in mid-export: snapshot, partial file, task and session go before the agent ends."""
    lab.start_agent("h1")
    held, run = stalled(lab)
    lab.stop_agent("h1")
    assert [name for name in lab.files() if ".partial" in name] == []
    refs = lab.refs()
    assert refs["VM"] == lab.before["VM"] and refs["VDI"] == lab.before["VDI"]
    lab.sim.control("fault.clear")
    run.send_signal(signal.SIGTERM)
    run.wait(120)
    lab.assert_clean()


def test_an_agent_that_drains_ends_its_jobs_first(lab):
    lab.start_agent("h1")
    held, run = stalled(lab)
    drain = lab.hosts["h1"]
    asked = subprocess.Popen([BIN / "onyxpool-agent", "--drain", "--xapi", drain["socket"],
                              "--host", drain["uuid"]], env=lab.environment())
    log = lab.folder / "agent-h1.log"
    wait_for("the drain", lambda: "draining" in log.read_text())
    assert lab.agents["h1"].poll() is None and asked.poll() is None and lab.workers("h1")

    def told():
        return json.loads(lab.must("agents", "--catalog", lab.catalog, "--json").stdout)["agents"][0]

    wait_for("the coordinator to know", lambda: "draining" in (told()["reason"] or ""))
    for _ in range(2):  # it is heard of every few seconds, longer than a farewell takes
        seen = told()["seen_at"]
        wait_for("it to be heard of again", lambda: told()["seen_at"] != seen or
                 lab.agents["h1"].poll() is not None)
    assert lab.agents["h1"].poll() is None and asked.poll() is None and lab.workers("h1")
    lab.sim.control("fault.release", id=held)
    assert lab.agents["h1"].wait(120) == 0
    assert asked.wait(60) == 0
    assert len(lab.backups()) >= 1
    lab.agents.pop("h1")
    run.send_signal(signal.SIGTERM)
    run.wait(120)
    lab.assert_clean()
