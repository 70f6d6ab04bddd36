# SPDX-License-Identifier: GPL-3.0-or-later
"""How the pool starts and ends: its file, its folder, its port file."""
import json
import os
import pathlib
import signal
import stat
import subprocess
import threading
import time

import pytest

from call_client import Caller, NULL, running, small_pool
from poolsim import Pool

MIB = 1 << 20

# Word for word the members that a pool file has for its users.
NAMED = {
    "name": "lab", "hosts": [{"name": "h1", "cores": 4}],
    "srs": [{"name": "nfs1", "type": "nfs", "shared": True}, {"name": "local-h1", "type": "ext", "host": "h1"}],
    "networks": [{"name": "LAN"}],
    "vms": [{"name": "web1", "count": 1, "host": "h1", "power_state": "Running", "memory_mib": 512, "vcpus": 1,
             "os": "Debian GNU/Linux 12", "description": "", "tags": [], "other_config": {},
             "disks": [{"device": "xvda", "sr": "nfs1", "size_mib": 64, "content": {"seed": 1, "fill": 0.3}}]}]}


def binary():
    return os.environ.get("POOLSIM") or os.path.join(os.environ.get("ONYX_BIN", ""), "poolsim")


def vms_of(call):
    return {v["name_label"]: v for v in call("VM.get_all_records").values()
            if not (v["is_control_domain"] or v["is_a_template"])}


def test_file_as_its_users_write_it():
    with running(NAMED) as (pool, call):
        ports = pool.ports
        assert sorted(ports) == ["hosts", "master", "password", "user"] and ports["master"] == "h1"
        assert sorted(ports["hosts"][0]) == sorted(
            ["name", "uuid", "hostname", "address", "url", "tls_url", "socket"])
        host = next(iter(call("host.get_all_records").values()))
        assert host["cpu_info"]["cpu_count"] == "4" and host["uuid"] == ports["hosts"][0]["uuid"]
        assert host["hostname"] == ports["hosts"][0]["hostname"] and host["address"] == ports["hosts"][0]["address"]
        vm = vms_of(call)["web1"]
        assert (vm["power_state"], vm["memory_static_max"], vm["VCPUs_max"]) == ("Running", 512 * MIB, 1)
        assert call("VM_guest_metrics.get_os_version", vm["guest_metrics"])["name"] == "Debian GNU/Linux 12"
        disk = call("VBD.get_record", vm["VBDs"][0])
        assert (disk["userdevice"], disk["device"]) == ("0", "xvda")
        srs = {v["name_label"]: v for v in call("SR.get_all_records").values()}
        assert (srs["nfs1"]["type"], srs["nfs1"]["shared"]) == ("nfs", True)
        assert (srs["local-h1"]["type"], srs["local-h1"]["shared"]) == ("ext", False)
        assert call("network.get_by_name_label", "LAN")


def test_all_but_names_is_optional():
    least = {"hosts": [{"name": "a"}, {"name": "b"}], "srs": [{"name": "s"}], "networks": [{"name": "n"}],
             "vms": [{"name": "v", "disks": [{}]}, {"name": "bare"}]}
    with running(least) as (_, call):
        vm = vms_of(call)["v"]
        assert vm["power_state"] == "Halted" and vm["resident_on"] == NULL
        assert call("VDI.get_virtual_size", call("VBD.get_VDI", vm["VBDs"][0])) == 64 * MIB
        assert vms_of(call)["bare"]["VBDs"] == []
    with running({"name": "empty"}) as (pool, call):
        assert len(pool.hosts) == 1 and vms_of(call) == {}


@pytest.mark.parametrize("count", [1, 2, 12])
def test_count_numbers_the_names_if_there_is_more_than_one(count):
    with running({"vms": [{"name": "web1", "count": count}]}) as (_, call):
        names = ["web1"] if count == 1 else ["web1-%d" % n for n in range(1, count + 1)]
        assert sorted(vms_of(call)) == sorted(names)


def test_thousands_of_one_kind_are_there_at_once():
    pool = dict(NAMED, vms=[dict(NAMED["vms"][0], count=5000)])
    begun = time.monotonic()
    with running(pool) as (_, call):
        started = time.monotonic() - begun
        vms = vms_of(call)
        assert len(vms) == 5000 and "web1-1" in vms and "web1-5000" in vms
    assert started < 40, started


def test_drive_takes_a_device_that_no_disk_has():
    with running({"srs": [{"name": "s"}], "vms": [{"name": "many", "disks": [{}] * 5, "cd": {}}]}) as (_, call):
        records = [call("VBD.get_record", v) for v in call("VM.get_VBDs", call.find("many"))]
        assert sorted((r["userdevice"], r["type"]) for r in records) == [
            ("0", "Disk"), ("1", "Disk"), ("2", "Disk"), ("3", "Disk"), ("4", "Disk"), ("5", "CD")]


def test_odd_sizes_are_kept_to_the_byte():
    sizes = [512, 1, 4095, MIB + 512, 3 * MIB - 1, (1 << 41) + 512]
    disks = [{"size_bytes": size, "content": {"seed": 1, "fill": 0.0001}} for size in sizes]
    with running({"srs": [{"name": "s"}], "vms": [{"name": "odd", "disks": disks}]}) as (_, call):
        vm = call.find("odd")
        found = {int(number): call("VDI.get_virtual_size", vdi) for number, vdi in call.disks(vm).items()}
        assert found == dict(enumerate(sizes))


@pytest.mark.parametrize("change, text", [
    ({"hostz": []}, "hostz: there is no such setting"),
    ({"hosts": [{"name": "h1", "core": 4}]}, "hosts[0].core: there is no such setting"),
    ({"hosts": [{"cores": 4}]}, "hosts[0]: name is missing"),
    ({"hosts": [{"name": "h1"}, {"name": "h1"}]}, "h1"),
    ({"hosts": []}, "hosts"),
    ({"hosts": {"name": "h1"}}, "hosts: a list"),
    ({"hosts": [{"name": "h1", "cores": "four"}]}, "hosts[0].cores: a whole number"),
    ({"hosts": [{"name": "h1", "cores": 0}]}, "hosts[0].cores: a whole number"),
    ({"srs": [{"name": "nfs1", "type": "zfs"}]}, "srs[0].type: one of nfs"),
    ({"srs": [{"type": "nfs"}]}, "srs[0]: name is missing"),
    ({"srs": [{"name": "nfs1", "host": "h9"}]}, "there is no host h9 in hosts"),
    ({"networks": [{}]}, "networks[0]: name is missing"),
    ({"vms": [{}]}, "vms[0]: name is missing"),
    ({"vms": [{"name": "x", "count": 0}]}, "vms[0].count: a whole number from 1"),
    ({"vms": [{"name": "x", "count": 10**9}]}, "vms[0].count: a whole number from 1"),
    ({"vms": [{"name": "x", "count": 1.5}]}, "vms[0].count: a whole number from 1"),
    ({"vms": [{"name": "x", "host": "h9"}]}, "vms[0].host: there is no host h9 in hosts"),
    ({"vms": [{"name": "x", "power_state": "running"}]}, "vms[0].power_state: one of Halted"),
    ({"vms": [{"name": "x", "disks": [{"sr": "nfs2"}]}]}, "vms[0].disks[0].sr: there is no SR nfs2 in srs"),
    ({"srs": [], "vms": [{"name": "x", "disks": [{}]}]}, "vms[0].disks[0].sr: the pool file has no srs"),
    ({"vms": [{"name": "x", "disks": [{"size_mib": 0}]}]}, "vms[0].disks[0].size_mib: a whole number from 1"),
    ({"vms": [{"name": "x", "disks": [{"size_mib": 2.5}]}]}, "vms[0].disks[0].size_mib: a whole number"),
    ({"vms": [{"name": "x", "disks": [{"size_mib": -3}]}]}, "vms[0].disks[0].size_mib: a whole number"),
    ({"vms": [{"name": "x", "disks": [{"device": "nvme0"}]}]}, "vms[0].disks[0].device: xvda, xvdb"),
    ({"vms": [{"name": "x", "disks": [{"device": "xvda"}, {"device": "0"}]}]}, "vms[0].disks[1].device"),
    ({"vms": [{"name": "x", "disks": [{"device": "xvdd"}], "cd": {"device": "3"}}]}, "vms[0].cd: device"),
    ({"vms": [{"name": "x", "disks": [{"content": {"sead": 1}}]}]}, "vms[0].disks[0].content"),
    ({"vms": [{"name": "x", "disks": [{"content": {"file": "/nowhere"}}]}]}, "/nowhere"),
    ({"vms": [{"name": "x", "disks": [{"content": {"ext4_from": "/nowhere"}}]}]}, "/nowhere"),
    ({"vms": [{"name": "x", "tags": "a"}]}, "vms[0].tags: a list"),
    ({"vms": [{"name": "x", "other_config": []}]}, "vms[0].other_config: an object"),
    ({"vms": [{"name": 5}]}, "vms[0].name: a text"),
    ({"vms": [{"name": "x", "vtpm": "?"}]}, "vms[0].vtpm: base64"),
    ({"profile": "ch82", "vms": [{"name": "x", "vtpm": "AAAA"}]}, "vms[0].vtpm: profile ch82 has no VTPMs"),
    ({"profile": "xs99"}, "profile: one of ch82"),
    ({"networks": [{"name": "n", "purpose": ["nbt"]}]}, "networks[0]: purpose: nbt is neither"),
    ({"heartbeat_ms": 0}, "heartbeat_ms: a whole number"),
])
def test_wrong_file_is_one_line_with_its_place_and_leaves_no_port_file(tmp_path, change, text):
    file = tmp_path / "pool.json"
    file.write_text(json.dumps(dict(NAMED, **change)))
    ended = subprocess.run([binary(), str(file), "--dir", str(tmp_path / "d"), "--port-file", str(tmp_path / "p")],
                           capture_output=True, text=True, check=False, timeout=60)
    lines = ended.stderr.splitlines()
    assert ended.returncode != 0 and len(lines) == 1 and text in lines[0], ended.stderr
    assert lines[0].startswith("poolsim: %s: " % file)
    assert not (tmp_path / "p").exists()


def test_member_given_twice_is_refused(tmp_path):
    file = tmp_path / "pool.json"
    file.write_text('{"vms": [], "vms": []}')
    ended = subprocess.run([binary(), str(file), "--dir", str(tmp_path / "d"), "--port-file", str(tmp_path / "p")],
                           capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2 and "duplicate" in ended.stderr


def start(folder, directory, ports, file):
    return subprocess.Popen([binary(), str(file), "--dir", str(directory), "--port-file", str(ports)], cwd=folder,
                            stderr=subprocess.PIPE, text=True)


def wait_for(path, process):
    deadline = time.monotonic() + 60
    while not os.path.exists(path):
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.005)
    return json.loads(pathlib.Path(path).read_text())


def end(process):
    process.send_signal(signal.SIGTERM)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 0 and "ERROR" not in text, text


def test_relative_folder_gives_whole_socket_paths(tmp_path):
    (tmp_path / "pool.json").write_text(json.dumps(NAMED))
    process = start(tmp_path, "d", "ports", "pool.json")
    socket = wait_for(tmp_path / "ports", process)["hosts"][0]["socket"]
    assert os.path.isabs(socket) and stat.S_ISSOCK(os.stat(socket).st_mode)
    assert stat.S_IMODE(os.stat(tmp_path / "ports").st_mode) == 0o600  # it holds the password
    end(process)


def test_port_file_is_whole_when_it_appears_and_the_pool_answers(tmp_path):
    """Whoever reads as fast as possible never sees a part of it."""
    for n in range(3):
        pool = Pool(small_pool(), folder=str(tmp_path))  # reads and parses it as soon as it is there
        assert Caller(pool)("VM.get_all")
        assert pool.stop() == 0 and not os.path.exists(pool.port_file), n


def test_two_pools_run_beside_each_other():
    with running(dict(NAMED, name="one")) as (one, ask_one), running(dict(NAMED, name="two")) as (two, ask_two):
        for pool, ask, name in ((one, ask_one, "one"), (two, ask_two, "two")):
            assert ask("pool.get_name_label", ask("pool.get_all")[0]) == name
            session = pool.login(socket_path=False)
            assert pool.rpc("h1", "VM.get_all", session, socket_path=False) == ask("VM.get_all")
        ask_one("VM.set_name_label", ask_one.find("web1"), "changed")
        assert list(vms_of(ask_two)) == ["web1"]


def test_second_pool_in_one_folder_is_refused_and_the_first_lives_on(tmp_path):
    file = tmp_path / "pool.json"
    file.write_text(json.dumps(NAMED))
    first = start(tmp_path, "d", "p1", file)
    wait_for(tmp_path / "p1", first)
    second = start(tmp_path, "d", "p2", file)
    _, text = second.communicate(timeout=60)
    assert second.returncode == 2 and "another poolsim runs in" in text and not (tmp_path / "p2").exists()
    assert (tmp_path / "p1").exists()
    end(first)


def test_killed_pool_is_started_again_in_its_folder(tmp_path):
    """What it left (disks, sockets, its port file) is no hindrance and is not taken for the new one's."""
    big = small_pool(vms=[{"name": "big", "count": 3000, "disks": [{"size_mib": 64}]}])
    old = Pool(big, folder=str(tmp_path))
    old.control("guest.write", vm="big-1", offset=0, length=MIB, seed=3)
    old.process.kill()
    old.process.wait()
    old.log.close()
    left = pathlib.Path(old.port_file).read_text()
    process = start(tmp_path, "d", "ports.json", "pool.json")
    deadline = time.monotonic() + 60
    while os.path.exists(old.port_file) and pathlib.Path(old.port_file).read_text() == left:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.001)
    ports = wait_for(old.port_file, process)
    assert json.dumps(ports) not in left
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    process.stderr.close()
    assert sorted(f for f in os.listdir(tmp_path / "d") if f.endswith(".sock")) == []
    fresh = Pool(small_pool(), folder=str(tmp_path))
    assert Caller(fresh)("VM.get_all")
    assert fresh.stop() == 0


def test_term_while_it_still_builds_ends_it(tmp_path):
    file = tmp_path / "pool.json"
    file.write_text(json.dumps(dict(NAMED, vms=[dict(NAMED["vms"][0], count=20000)])))
    process = start(tmp_path, "d", "p", file)
    deadline = time.monotonic() + 60
    while not (tmp_path / "d" / "disks").exists():
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    _, text = process.communicate(timeout=120)
    assert process.returncode == 0 and not (tmp_path / "p").exists(), text


def test_term_in_the_middle_of_streams_both_ways(tmp_path):
    pool = Pool(small_pool(hosts=[{"name": "h1", "rate_mib_s": 1}, {"name": "h2"}]), folder=str(tmp_path))
    call = Caller(pool)
    snapshot = call("VM.snapshot", call.find("web"), "s")
    seen = threading.Barrier(4)

    def read(path):
        connection = pool.connection("h1")
        connection.request("GET", path + "&session_id=" + call.session)
        answer = connection.getresponse()
        answer.read(1000)
        seen.wait(30)
        try:
            answer.read()
        except OSError:
            pass
        connection.close()

    def write():
        connection = pool.connection("h1")
        connection.connect()
        connection.sock.sendall(b"PUT /import_raw_vdi?vdi=%s&format=raw&session_id=%s HTTP/1.1\r\n"
                                b"Content-Length: 4194304\r\n\r\n%s" % (
                                    call.disks(call.find("idle"))["0"].encode(), call.session.encode(), bytes(70000)))
        connection.sock.recv(100)
        seen.wait(30)
        try:
            while connection.sock.recv(1000):
                pass
        except OSError:
            pass
        connection.close()
    disk = call.disks(snapshot)["0"]
    threads = [threading.Thread(target=read, args=("/export?ref=" + snapshot,)),
               threading.Thread(target=read, args=("/export_raw_vdi?format=vhd&vdi=" + disk,)),
               threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    seen.wait(30)
    begun = time.monotonic()
    text = pool.text()
    assert pool.stop() == 0 and "ERROR" not in text
    assert time.monotonic() - begun < 20
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
