# SPDX-License-Identifier: GPL-3.0-or-later
"""GET /host_backup and GET /pool/xmldbdump."""
import io
import tarfile
import time
import xml.etree.ElementTree

import pytest

from data_client import PAGE, Lab, get, pool_with


@pytest.fixture(scope="module")
def lab():
    with pool_with() as pool:
        yield Lab(pool)


def backup(lab, host):
    task = lab.task()
    reply = get(lab.pool, "/host_backup?task_id=" + task, host=host)
    return reply, lab.outcome(task)


def test_each_host_backs_up_itself_and_names_no_other(lab):
    for host, other in (("h1", "h2"), ("h2", "h1")):
        start = time.monotonic()
        reply, outcome = backup(lab, host)
        assert time.monotonic() - start >= 2
        assert outcome == ("success", [])
        assert reply.lines == ["HTTP/1.1 200 OK", "Connection: keep-alive",
                               "Cache-Control: no-cache, no-store"]
        with tarfile.open(fileobj=io.BytesIO(reply.body), mode="r:gz") as archive:
            files = {name: archive.extractfile(name).read() for name in archive.getnames()}
        assert files["etc/hostname"].decode().strip() == lab.pool.hosts[host]["hostname"]
        assert lab.pool.hosts[host]["uuid"].encode() in files["etc/xensource-inventory"]
        foreign = [lab.pool.hosts[other]["uuid"].encode(), b"'%s'" % other.encode()]
        assert not any(text in data for text in foreign for data in files.values())


def test_failing_script_is_a_page_behind_the_data(lab):
    lab.pool.control("fault.inject", stream="host_backup", action="child_killed")
    reply, outcome = backup(lab, "h1")
    assert outcome[0] == "failure" and outcome[1][0] == "BACKUP_SCRIPT_FAILED"
    assert PAGE in reply.body and not reply.body.startswith(PAGE)


def test_dump_of_the_master_has_a_row_per_object(lab):
    task = lab.task()
    reply = get(lab.pool, "/pool/xmldbdump?task_id=" + task)
    assert lab.outcome(task) == ("success", [])
    assert reply.lines == ["HTTP/1.1 200 OK", "Connection: close",
                           "Cache-Control: no-cache, no-store"]
    root = xml.etree.ElementTree.fromstring(reply.body)
    tables = {table.get("name"): list(table) for table in root.findall("table")}
    assert root.tag == "database" and list(tables) == sorted(tables)
    assert {row.get("uuid") for row in tables["host"]} == {
        host["uuid"] for host in lab.pool.hosts.values()}
    assert {row.get("name__label") for row in tables["VM"]} >= {"web1", "raw"}
    assert not tables["session"] and not tables["task"]


def test_awkward_texts_are_protected(lab):
    text = 'tab\tquote" <less> 100% \'single\' \\ é'
    lab.call("VM.set_name_description", lab.vm("raw"), text)
    root = xml.etree.ElementTree.fromstring(get(lab.pool, "/pool/xmldbdump").body)
    rows = root.find("table[@name='VM']")
    (row,) = [row for row in rows if row.get("name__label") == "raw"]
    found = row.get("name__description")
    for written, plain in (("%.", " "), ("%t", "\t"), ("%%", "%")):
        found = found.replace(written, plain)
    assert found == text


def test_slave_has_no_database_and_says_so_behind_the_200(lab):
    task = lab.task()
    reply = get(lab.pool, "/pool/xmldbdump?task_id=" + task, host="h2")
    assert reply.status == "HTTP/1.1 200 OK" and reply.body.startswith(PAGE)
    assert lab.outcome(task)[0] == "failure"


def test_during_an_upgrade_a_stub_is_sent_with_success(lab):
    lab.pool.control("fault.inject", stream="xmldbdump", action="source_short")
    task = lab.task()
    reply = get(lab.pool, "/pool/xmldbdump?task_id=" + task)
    assert lab.outcome(task) == ("success", [])
    root = xml.etree.ElementTree.fromstring(reply.body)
    assert list(root.find("table[@name='host']")) == []


def test_cut_streams_fail_their_tasks(lab):
    for stream, target in (("xmldbdump", "/pool/xmldbdump"), ("host_backup", "/host_backup")):
        lab.pool.control("fault.inject", stream=stream, action="cut", at_byte=1000)
        task = lab.task()
        reply = get(lab.pool, "%s?task_id=%s" % (target, task))
        assert len(reply.body) == 1000 and lab.outcome(task)[0] == "failure"
