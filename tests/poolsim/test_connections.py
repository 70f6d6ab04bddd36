# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a connection may be silent, and how many a host takes at once."""
import contextlib
import json
import select
import socket
import ssl
import time

import pytest

from call_client import running

CALL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "system.listMethods", "params": []}).encode()
REQUEST = b"POST /jsonrpc HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(CALL), CALL)


@pytest.fixture(scope="module")
def lab():
    with running() as (pool, _):
        yield pool


def target(pool, kind):
    host = pool.hosts["h1"]
    if kind == "unix":
        return socket.AF_UNIX, host["socket"]
    address, port = host["tls_url" if kind == "tls" else "url"].split("//")[1].split(":")
    return socket.AF_INET, (address, int(port))


def connect(pool, kind):
    family, address = target(pool, kind)
    plain = socket.socket(family, socket.SOCK_STREAM)
    plain.connect(address)  # waits for room in the backlog
    plain.settimeout(60)
    if kind != "tls":
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def read_to_end(connection):
    data = b""
    while True:
        more = connection.recv(65536)
        if not more:
            return data
        data += more


def is_quiet(connection, seconds):
    """Nothing comes for so long. select() has no room for so many descriptors."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return poll.poll(seconds * 1000) == []


def answered(connection):
    """Whether a whole good answer came."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split()[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head.startswith(b"HTTP/1.1 200 OK") and json.loads(body)["id"] == 1


def test_first_header_must_come_in_time_over_tcp_alone(lab):
    """All at once, since each waits ten seconds."""
    begun = time.monotonic()
    silent = [connect(lab, kind) for kind in ("tcp", "tls")]
    half = connect(lab, "tcp")
    half.sendall(b"POST /jsonrpc HTTP/1.1\r\n")
    patient = connect(lab, "unix")
    kept = connect(lab, "tcp")
    kept.sendall(REQUEST)
    assert answered(kept)
    for connection in silent + [half]:
        answer = read_to_end(connection)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b"<h1>HTTP 408 request timeout</h1>Timed out waiting for the request." in answer
    waited = time.monotonic() - begun
    assert 9 < waited < 40, waited
    # The unix socket waits for ever, and a connection that was used once may rest.
    time.sleep(max(0.0, 11 - (time.monotonic() - begun)))
    for connection in (patient, kept):
        assert is_quiet(connection, 0)
        connection.sendall(REQUEST)
        assert answered(connection)


@pytest.mark.parametrize("kind, limit", [("tcp", 800), ("unix", 1024)])
def test_one_connection_too_many_waits_until_another_leaves(kind, limit):
    with running() as (pool, _), contextlib.ExitStack() as stack:
        def fresh():
            return stack.enter_context(contextlib.closing(connect(pool, kind)))
        full = [fresh() for _ in range(limit)]
        for connection in (full[0], full[-1]):
            connection.sendall(REQUEST)
            assert answered(connection)
        late = fresh()
        late.sendall(REQUEST)
        assert is_quiet(late, 0.5)
        # Others are not touched: another host, the other transport, control calls.
        with contextlib.closing(connect(pool, "tcp" if kind == "unix" else "unix")) as other:
            other.sendall(REQUEST)
            assert answered(other)
        assert pool.rpc("h2", "system.listMethods")
        assert pool.control("gc.run")
        full[1].close()
        assert answered(late)
