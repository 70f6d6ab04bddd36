# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts measured: /rrd_updates, /host_rrd and /vm_rrd."""
import json
import time
import urllib.parse
from xml.etree import ElementTree

import pytest

from call_client import GONE, running
from data_client import get


@pytest.fixture(scope="module")
def lab():
    with running() as pair:
        yield pair


def ask(lab, path, at="h1", **query):
    pool, call = lab
    return get(pool, path + "?" + urllib.parse.urlencode(dict(query, session_id=call.session)), at)


def test_host_tells_of_itself_and_of_the_vms_that_run_there(lab):
    _, call = lab
    now = int(time.time())
    told = json.loads(ask(lab, "/rrd_updates", start=now - 60, cf="AVERAGE", host="true", json="true").body)
    meta = told["meta"]
    assert meta["step"] == 5 and meta["columns"] == len(meta["legend"]) and 10 <= meta["rows"] <= 13
    assert len(told["data"]) == meta["rows"] and told["data"][0]["t"] == meta["end"]  # newest first
    latest = dict(zip(meta["legend"], map(float, told["data"][0]["values"])))
    vm, host = call.find("web"), call("host.get_by_name_label", "h1")[0]
    assert latest["AVERAGE:vm:%s:memory" % call("VM.get_uuid", vm)] == call("VM.get_memory_dynamic_max", vm)
    free = latest["AVERAGE:host:%s:memory_free_kib" % call("host.get_uuid", host)]
    assert free * 1024 == call("host.compute_free_memory", host)
    assert 0 <= latest["AVERAGE:host:%s:cpu_avg" % call("host.get_uuid", host)] <= 1
    assert call("VM.get_uuid", call.find("idle")) not in "".join(meta["legend"])
    there = json.loads(ask(lab, "/rrd_updates", at="h2", start=now - 60, json="true").body)
    assert call("VM.get_uuid", vm) not in "".join(there["meta"]["legend"])


@pytest.mark.parametrize("age, interval, step", [
    (60, None, 5), (3000, None, 60), (90000, None, 3600), (4000000, None, 86400), (60, 60, 60), (60, 100, 60),
    (4000000, 5, 5)])
def test_step_follows_the_age_or_what_is_asked(lab, age, interval, step):
    more = {} if interval is None else {"interval": interval}
    root = ElementTree.fromstring(ask(lab, "/rrd_updates", start=int(time.time()) - age, host="true", **more).body)
    meta = root.find("meta")
    assert root.tag == "xport" and int(meta.find("step").text) == step
    rows = root.findall("data/row")
    assert len(rows) == int(meta.find("rows").text)
    assert [len(row.findall("v")) for row in rows] == [int(meta.find("columns").text)] * len(rows)
    times = [int(row.find("t").text) for row in rows]
    assert times == sorted(times, reverse=True) and all(at % step == 0 for at in times)


def test_nothing_is_new_since_the_future(lab):
    told = json.loads(ask(lab, "/rrd_updates", start=int(time.time()) + 1000, json="true").body)
    assert told["data"] == [] and told["meta"]["rows"] == 0


def test_whole_rrds_of_a_host_and_of_a_vm_where_it_runs(lab):
    _, call = lab
    host = ElementTree.fromstring(ask(lab, "/host_rrd").body)
    assert "memory_total_kib" in [ds.find("name").text for ds in host.findall("ds")]
    assert [len(rra.findall("database/row")) for rra in host.findall("rra")] == [120, 120, 168, 366]
    uuid = call("VM.get_uuid", call.find("web"))
    vm = ElementTree.fromstring(ask(lab, "/vm_rrd", uuid=uuid).body)
    assert {"memory", "cpu0"} <= {ds.find("name").text for ds in vm.findall("ds")}
    elsewhere = ask(lab, "/vm_rrd", at="h2", uuid=uuid)
    assert elsewhere.status == "HTTP/1.1 302 Found" and "/vm_rrd?uuid=" + uuid in elsewhere.header("location")
    assert ask(lab, "/vm_rrd", uuid=call("VM.get_uuid", call.find("idle"))).status == "HTTP/1.0 404 Not Found"
    assert ask(lab, "/vm_rrd", uuid=GONE).status == "HTTP/1.0 404 Not Found"


def test_who_asks_wrongly_is_told(lab):
    pool, _ = lab
    assert ask(lab, "/rrd_updates").status == "HTTP/1.0 400 Bad Request"
    assert ask(lab, "/vm_rrd").status == "HTTP/1.0 400 Bad Request"
    assert ask(lab, "/rrd_updates", start="x", json="true").status == "HTTP/1.1 200 OK"
    for path in ("rrd_updates", "host_rrd", "vm_rrd"):
        connection = pool.connection("h1", socket_path=False)
        connection.request("GET", "/%s?start=0&session_id=bad" % path)
        page = connection.getresponse()
        assert page.status == 401 and page.getheader("www-authenticate") == 'Basic realm="%s"' % path
        connection.close()
