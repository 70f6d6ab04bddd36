# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that only read, on catalogs that former versions left: before any run has moved them."""
import hashlib
import json
import os
import pathlib
import sqlite3
import subprocess

import pytest

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "catalog"
RUN = "0123456789abcdef"


def onyxpool(*words):
    return subprocess.run([os.path.join(os.environ["ONYX_BIN"], "onyxpool"), *map(str, words)],
                          capture_output=True, text=True, check=False, timeout=60)


def make(folder, dump):
    path = folder / "catalog.db"
    with sqlite3.connect(path) as database:
        database.executescript(dump.read_text())
    database.close()
    return path


@pytest.mark.parametrize("dump", sorted(GOLDEN.glob("version_*.sql")), ids=lambda dump: dump.stem)
def test_a_former_catalog_is_read_as_it_is(dump, tmp_path):
    path = make(tmp_path, dump)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    listed = onyxpool("list", "--catalog", path, "--json")
    assert listed.returncode == 0, listed.stdout + listed.stderr
    assert "backup_20231114-221320.xva" in listed.stdout
    json.loads(listed.stdout)
    for words in (["status"], ["show", "web1/backup_20231114-221320.xva"], ["report", RUN]):
        done = onyxpool(*words, "--catalog", path)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_a_newer_catalog_is_refused_with_what_to_do(tmp_path):
    path = make(tmp_path, GOLDEN / "version_1.sql")
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    done = onyxpool("status", "--catalog", path)
    assert done.returncode != 0
    assert "use the newer onyxpool that wrote it" in done.stdout + done.stderr
