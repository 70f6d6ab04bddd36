# SPDX-License-Identifier: GPL-3.0-or-later
"""VM.import: the pool fetches an archive from a web server by itself."""
import contextlib
import gzip
import http.server
import threading

import pytest

from data_client import Lab, XapiError, pool_with


class Web(http.server.BaseHTTPRequestHandler):
    """Serves server.pages: path to (status, headers, body)."""

    def do_GET(self):  # pylint: disable=invalid-name
        status, headers, body = self.server.pages.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # who has what it wants may leave
            self.wfile.write(body)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@contextlib.contextmanager
def serving(pages):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.pages = pages
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield "http://127.0.0.1:%d" % server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def lab():
    with pool_with() as pool:
        made = Lab(pool)
        made.archive = made.export(made.snapshot())[0].body
        yield made


def import_url(lab, url, restore=False, force=False):
    return lab.call("VM.import", url, lab.by_name("SR", "nfs1"), restore, force)


def fails(lab, url):
    before = lab.refs()
    with pytest.raises(XapiError) as raised:
        import_url(lab, url)
    assert lab.refs() == before
    return [raised.value.code] + raised.value.params


@pytest.mark.parametrize("packed", [False, True])
def test_archive_behind_a_url_becomes_a_vm_with_the_same_bytes(lab, packed):
    body = gzip.compress(lab.archive) if packed else lab.archive
    with serving({"/a.xva?key=1": (200, {"Content-Type": "application/octet-stream"}, body)}) as url:
        (vm,) = import_url(lab, url + "/a.xva?key=1")
    source, made = lab.disks(lab.snapshot()), lab.disks(vm)
    assert {device: lab.sha256(vdi) for device, vdi in made.items()} == {
        device: lab.sha256(vdi) for device, vdi in source.items()}
    record = lab.call("VM.get_record", vm)
    assert record["current_operations"] == {} and not record["is_a_snapshot"]


def test_task_of_a_background_import_names_the_vm(lab):
    with serving({"/a": (200, {}, lab.archive)}) as url:
        task = lab.call("Async.VM.import", url + "/a", lab.by_name("SR", "nfs1"), False, False)
        record = lab.pool.wait_task(lab.session, task)
    assert record["status"] == "success"
    ref = record["result"].split("<data><value>")[1].split("</value>")[0]
    assert lab.call("VM.get_other_config", ref)["import_task"] == task


def test_redirects_are_followed_but_not_for_ever(lab):
    pages = {"/a": (200, {}, lab.archive), "/nowhere": (302, {}, b"")}
    with serving(pages) as url:
        for i in range(5):
            pages["/%d" % i] = (302, {"Location": url + ("/%d" % (i + 1) if i < 4 else "/a")}, b"")
        pages["/round"] = (301, {"Location": url + "/round"}, b"")
        assert len(import_url(lab, url + "/0")) == 1
        assert fails(lab, url + "/round") == ["IMPORT_ERROR", "Maximum redirect limit reached"]
        assert fails(lab, url + "/nowhere") == ["IMPORT_ERROR", "Redirect with no new location"]


def test_what_is_not_to_be_had_is_said_and_leaves_nothing(lab):
    with serving({"/cut": (200, {}, lab.archive[:-5 << 20]), "/empty": (200, {}, b"")}) as url:
        assert fails(lab, url + "/missing") == ["IMPORT_ERROR", "404 Not Found"]
        assert fails(lab, url + "/cut") == ["IMPORT_ERROR_PREMATURE_EOF"]
        assert fails(lab, url + "/empty") == ["IMPORT_ERROR_PREMATURE_EOF"]
    assert fails(lab, url + "/a")[0] == "INTERNAL_ERROR"  # nobody listens there any more
    assert fails(lab, "https://127.0.0.1:1/a") == ["TLS_CONNECTION_FAILED", "127.0.0.1", "1"]
    for url in ("ftp://x/a", "http://", "", "http://[::1"):
        assert fails(lab, url)[0] == "IMPORT_ERROR"


def test_restore_by_url_has_the_rules_of_a_restore(lab):
    with serving({"/a": (200, {}, lab.archive)}) as url:
        with pytest.raises(XapiError) as raised:
            import_url(lab, url + "/a", restore=True)
    assert raised.value.code == "DUPLICATE_MAC_SEED"
