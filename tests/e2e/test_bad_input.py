# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong addresses, keys, folders and settings: one clear error, the right exit status, nothing
half-written, no snapshot left."""
import json
import os
import socket
import subprocess

import pytest

from lab import BIN, Lab, pool, vm


@pytest.fixture(scope="module")
def lab():
    """One pool without agents for everything that fails before a run begins."""
    with Lab(pool([vm("web1")], hosts=2), agents=False) as made:
        yield made
        made.assert_clean()


def one_error(done, status, *words):
    """The command failed with this status and said what to do in one error, without a trace."""
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    errors = [line for line in done.stderr.splitlines() if "error" in line.lower()
              or line.startswith("onyxpool")]
    assert len(errors) >= 1, done.stderr
    assert "Sanitizer" not in done.stderr
    for word in words:
        assert word in done.stderr, f"{word!r} not in: {done.stderr}"


def args(lab, **changes):
    """The arguments of a run, some of them changed; None drops one."""
    given = {"--xapi": lab.hosts["h1"]["socket"], "--catalog": lab.catalog, "--key": lab.key,
             "-d": lab.store, "--listen": lab.listen, "--muster": "1"}
    given.update(changes)
    return [str(part) for pair in given.items() if pair[1] is not None for part in pair]


def test_run_when_the_socket_is_not_there(lab):
    one_error(lab.onyxpool("run", *args(lab, **{"--xapi": "/nonexistent/xapi"})), 3,
              "/nonexistent/xapi")


def test_run_when_nobody_listens_at_the_address(lab):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    password = lab.folder / "password"
    password.write_text("x")
    password.chmod(0o600)
    one_error(lab.onyxpool("run", *args(lab, **{"--xapi": url, "--xapi-user": "root",
                                                "--xapi-password-file": password})), 3, url)


def test_run_when_the_password_is_wrong(lab):
    password = lab.folder / "wrong"
    password.write_text("wrong\n")
    password.chmod(0o600)
    one_error(lab.onyxpool("run", *args(lab, **{
        "--xapi": lab.hosts["h1"]["url"], "--xapi-user": "root",
        "--xapi-password-file": password})), 3, "password")


def test_run_when_the_password_would_cross_the_network_in_clear(lab):
    password = lab.folder / "clear"
    password.write_text("x\n")
    password.chmod(0o600)
    one_error(lab.onyxpool("run", *args(lab, **{
        "--xapi": "http://192.0.2.1", "--xapi-user": "root",
        "--xapi-password-file": password})), 2, "in clear", "--xapi-allow-http")


def test_run_when_the_password_file_is_missing(lab):
    one_error(lab.onyxpool("run", *args(lab, **{
        "--xapi": lab.hosts["h1"]["url"], "--xapi-user": "root",
        "--xapi-password-file": "/nonexistent/password"})), 2, "/nonexistent/password")


def test_run_when_the_certificate_is_not_the_pinned_one(lab):
    password = lab.folder / "right"
    password.write_text(lab.sim.ports["password"])
    password.chmod(0o600)
    other = lab.folder / "other.pem"
    os.system(f"openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=other "
              f"-days 1 -out {other} 2>/dev/null")
    one_error(lab.onyxpool("run", *args(lab, **{
        "--xapi": lab.hosts["h1"]["tls_url"], "--xapi-user": lab.sim.ports["user"],
        "--xapi-password-file": password, "--xapi-cert": other})), 3, "certificate")


def test_run_when_the_key_is_missing(lab):
    one_error(lab.onyxpool("run", *args(lab, **{"--key": "/nonexistent/key"})), 2,
              "/nonexistent/key", "keygen")


def test_run_when_the_key_is_no_key(lab):
    bad = lab.folder / "bad.key"
    bad.write_text("not a key\n")
    bad.chmod(0o600)
    one_error(lab.onyxpool("run", *args(lab, **{"--key": bad})), 2, "bad.key")


def test_run_when_others_may_read_the_key(lab):
    open_key = lab.folder / "open.key"
    open_key.write_bytes(lab.key.read_bytes())
    open_key.chmod(0o644)
    one_error(lab.onyxpool("run", *args(lab, **{"--key": open_key})), 2, "open.key", "600")


def test_run_when_the_store_was_never_initialised(lab):
    bare = lab.folder / "bare"
    bare.mkdir(exist_ok=True)
    one_error(lab.onyxpool("run", *args(lab, **{"-d": bare})), 5, "init-store")
    assert list(bare.iterdir()) == []


def test_run_when_the_store_is_not_there(lab):
    one_error(lab.onyxpool("run", *args(lab, **{"-d": lab.folder / "nowhere"})), 5, "nowhere")
    assert not (lab.folder / "nowhere").exists()


def test_run_when_the_store_is_another_pools(lab):
    foreign = lab.folder / "foreign"
    foreign.mkdir(exist_ok=True)
    with Lab(pool([vm("x")], hosts=1), agents=False) as other:
        other.must("init-store", *other.common(), "-d", foreign, "--allow-root-fs")
    one_error(lab.onyxpool("run", *args(lab, **{"-d": foreign})), 5, "pool")


def test_run_when_the_address_is_in_use(lab):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        one_error(lab.onyxpool("run", *args(lab, **{"--listen": address})), 4, address)


def test_run_when_no_agent_answers(lab):
    done = lab.onyxpool("run", *args(lab))
    assert done.returncode != 0
    assert "onyxpool-agent" in done.stderr
    assert lab.files() == []


def test_run_when_the_agents_have_another_pools_key(lab):
    other = lab.folder / "other.key"
    mine, lab.key = lab.key, other
    lab.must("keygen", "--key", other)
    try:
        lab.start_agent("h1")
    finally:
        lab.key = mine
    done = lab.onyxpool("run", *args(lab, **{"--muster": "10s"}))
    lab.stop_agent("h1")
    (lab.folder / "agent-h1.key").unlink()
    assert done.returncode == 1
    assert "were refused: give each of h1" in " ".join(done.stderr.split())
    assert "start onyxpool-agent" not in done.stderr
    status = json.loads(lab.must("status", "--catalog", lab.catalog, "--json").stdout)
    assert status["run"]["refused"]["other_key"] > 0
    assert status["run"]["refused"]["forged"] == 0
    told = lab.must("status", "--catalog", lab.catalog).stdout
    assert "Agents with a key of another pool were refused." in told


@pytest.mark.parametrize("argv, word", [
    (["rnu"], "run"), (["run", "--muste", "1"], "--muster"), (["run", "--muster"], "--muster"),
    (["list", "--attempts", "3"], "--attempts"), ([], "Usage"),
])
def test_command_line_when_mistyped(lab, argv, word):
    done = lab.onyxpool(*argv) if argv else lab.onyxpool("")
    assert done.returncode == 2, done
    assert word.lower() in (done.stderr + done.stdout).lower()


def test_settings_when_a_value_is_out_of_range(lab):
    file = lab.folder / "bad.cfg"
    file.write_text("[xenserver]\nvm_exports = web1\nmax_backups = 0\n")
    one_error(lab.onyxpool("preview", *args(lab, **{"-c": file, "--listen": None,
                                                    "--muster": None})), 2,
              "bad.cfg", "3", "max_backups")


def test_settings_when_a_key_is_unknown(lab):
    file = lab.folder / "typo.cfg"
    file.write_text("[xenserver]\nmax_backup = 3\n")
    done = lab.onyxpool("preview", *args(lab, **{"-c": file, "--listen": None, "--muster": None}))
    assert done.returncode == 0
    assert "max_backups" in done.stderr + done.stdout


@pytest.mark.parametrize("command", ["run", "preview", "status", "list", "show", "report",
                                     "agents", "keygen", "init-store"])
def test_help_fits_a_terminal(lab, command):
    done = lab.onyxpool(command, "--help")
    assert done.returncode == 0 and command in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_keygen_when_the_key_exists_keeps_it(lab):
    before = lab.key.read_bytes()
    done = lab.onyxpool("keygen", "--key", lab.key)
    assert done.returncode != 0
    assert lab.key.read_bytes() == before


@pytest.mark.parametrize("text, word", [
    ("", "JSON"), ("{", "JSON"), ('{"hosts": [{"name": 3}]}', "name"),
    ('{"hosts": [{"name": "h"}], "vms": [{"name": "v", "disks": [{"sr": "none"}]}]}', "none"),
])
def test_poolsim_when_the_pool_file_is_wrong(lab, text, word):
    file = lab.folder / "pool.json"
    file.write_text(text)
    done = subprocess.run([BIN / "poolsim", file, "--dir", lab.folder / "p", "--port-file",
                           lab.folder / "p.json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert word.lower() in done.stderr.lower()
    assert not (lab.folder / "p.json").exists()


@pytest.mark.parametrize("changes, word", [
    ({"--xapi": "/nonexistent/xapi"}, "/nonexistent/xapi"),
    ({"--key": "/nonexistent/key"}, "keygen"),
    ({"--host": "no-uuid"}, "uuid"), ({"--coordinator": "tcp://nowhere"}, "nowhere"),
])
def test_agent_when_started_wrongly(lab, changes, word):
    key = lab.folder / "agent.key"
    if not key.exists():
        lab.must("keygen", "--key", lab.key, "--host", lab.hosts["h1"]["uuid"], "-o", key)
    given = {"--xapi": lab.hosts["h1"]["socket"], "--host": lab.hosts["h1"]["uuid"],
             "--coordinator": lab.listen, "--key": key}
    given.update(changes)
    done = subprocess.run([BIN / "onyxpool-agent", *[str(p) for pair in given.items()
                                                     for p in pair]],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode in (2, 3), done
    assert word in done.stderr


def test_agent_when_its_key_is_of_another_host(lab):
    key = lab.folder / "h2.key"
    lab.must("keygen", "--key", lab.key, "--host", lab.hosts["h2"]["uuid"], "-o", key)
    done = subprocess.run([BIN / "onyxpool-agent", "--xapi", lab.hosts["h1"]["socket"], "--host",
                           lab.hosts["h1"]["uuid"], "--coordinator", lab.listen, "--key", key],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert lab.hosts["h2"]["uuid"] in done.stderr
