# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold after any death, looked at from outside the product.

Store: each finished file is whole by its .meta, by its digest and by an independent reader that
compares it with the disk it was made of; nothing else lies there. Catalog: SQLite finds it whole,
and it says what the store says. Pool: nothing is there that was not there before.
"""
import hashlib
import os
import sqlite3
import subprocess
import time

import xva

DAMAGED, EXPIRED = 4, 5


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def read_meta(path):
    """Our section of a .meta as a dictionary; {} where it has none or is cut."""
    text = path.read_bytes().decode(errors="replace")
    head, mark, ours = text.partition("******* ONYXPOOL *******\n")
    if not mark or "\nonyxpool_end=1\n" not in ours:
        return {}
    return dict(line.partition("=")[::2] for line in ours.splitlines() if "=" in line)


class Proof:
    """Looks at one lab again and again; a file that was read once is known by inode and time."""

    def __init__(self, lab):
        self.lab = lab
        self.disks = {}
        self.known = {}
        self.files_read = 0

    def expected(self, name):
        if name not in self.disks:
            self.disks[name] = sorted(self.lab.disk_sums(name))
        return self.disks[name]

    def _content(self, path, meta):
        """What is wrong with the bytes of a backup, or None."""
        if sha256_of(path) != meta["sha256"]:
            return "its digest is not that of its .meta"
        if meta["kind"] == "vm-export" and meta["vm_name"]:
            try:
                disks = sorted(disk.sha256 for disk in xva.read_xva(str(path)).disks.values())
            except (xva.XvaError, OSError, EOFError) as error:
                return f"no good archive: {error}"
            if disks != self.expected(meta["vm_name"]):
                return "its disks are not those of the VM"
        if meta["kind"] == "vdi-export" and path.suffix == ".raw" and \
                sha256_of(path) not in self.expected(meta["vm_name"]):
            return "it is no disk of the VM"
        return None

    def _backup(self, meta_path):
        meta = read_meta(meta_path)
        if not meta:
            return None, f"{meta_path.name}: no whole section of ours"
        path = meta_path.with_name(meta["file"])
        if not path.exists():
            return None, f"{meta_path.name}: its data is not there"
        stat = path.stat()
        if stat.st_size != int(meta["size"]):
            return None, f"{path.name}: {stat.st_size} bytes, not {meta['size']}"
        key = (str(path), stat.st_ino, stat.st_mtime_ns)
        if key not in self.known:
            self.known[key] = self._content(path, meta)
            self.files_read += 1
        if self.known[key]:
            return None, f"{path.name}: {self.known[key]}"
        return meta, None

    def store(self):
        """Backups as {relative path: our section} and what is wrong in the store."""
        found, wrong, claimed = {}, [], set()
        for name in self.lab.files():
            path = self.lab.store / name
            if path.suffix == ".meta":
                meta, why = self._backup(path)
                if why:
                    wrong.append(f"false: {path.parent.name}/{why}")
                    continue
                claimed |= {name, f"{path.parent.name}/{meta['file']}"}
                found[f"{path.parent.name}/{meta['file']}"] = meta
        wrong += [f"left in the store: {name}" for name in self.lab.files() if name not in claimed]
        own = self.lab.store / ".onyxpool"
        wrong += [f"left in the store: {path.relative_to(self.lab.store)}"
                  for path in own.rglob("*") if path.name.endswith((".new", ".partial"))]
        seen = {}
        for path, meta in found.items():
            key = (meta["run"], meta.get("vm_uuid"), meta["kind"], meta.get("device"))
            if key in seen:
                wrong.append(f"doubled: {path} and {seen[key]} are of one run")
            seen[key] = path
        return found, wrong

    def catalog(self, found, is_at_rest=True):
        """What is wrong with the catalog; at rest it names the store's backups and no other."""
        wrong = []
        if not self.lab.catalog.exists():
            return wrong
        base = sqlite3.connect(self.lab.catalog, timeout=30)
        try:
            told = [row[0] for row in base.execute("PRAGMA integrity_check")]
            if told != ["ok"]:
                wrong.append(f"catalog: integrity_check says {told[:3]}")
            if list(base.execute("PRAGMA foreign_key_check")):
                wrong.append("catalog: rows without the row they belong to")
            if is_at_rest:
                rows = {f"{folder}/{file}": (size, digest) for folder, file, size, digest in
                        base.execute("SELECT folder, file, size_bytes, sha256 FROM backup "
                                     "WHERE state NOT IN (?, ?)", (DAMAGED, EXPIRED))}
                files = {path: (int(meta["size"]), meta["sha256"]) for path, meta in found.items()}
                wrong += [f"catalog: {path} is not in the store" for path in rows.keys() - files]
                wrong += [f"catalog: {path} is not known" for path in files.keys() - rows]
                wrong += [f"catalog: {path} differs from its .meta"
                          for path in files.keys() & rows if files[path] != rows[path]]
        finally:
            base.close()
        return wrong

    def sums(self, found):
        """SHA256SUMS as a stranger reads it."""
        path = self.lab.store / ".onyxpool" / "SHA256SUMS"
        if not path.exists():
            return []
        done = subprocess.run(["sha256sum", "--quiet", "-c", str(path)], cwd=self.lab.store,
                              capture_output=True, text=True, check=False)
        named = {line.split("  ", 1)[1] for line in path.read_text().splitlines()}
        return [f"SHA256SUMS: {line}" for line in done.stdout.splitlines()] + \
            [f"SHA256SUMS: {name} is missing" for name in found if name not in named]

    def pool(self, seconds=10):
        """What is in the pool and was not there before."""
        agents = sum(1 for agent in self.lab.agents.values() if agent.poll() is None)
        end = time.monotonic() + seconds
        while True:
            refs, wrong = self.lab.refs(), []
            for name in ("VM", "VDI", "VBD", "task"):
                more = set(refs[name]) - set(self.lab.before[name])
                fewer = set(self.lab.before[name]) - set(refs[name])
                wrong += [f"left in the pool: {name} {ref}" for ref in sorted(more)]
                wrong += [f"gone from the pool: {name} {ref}" for ref in sorted(fewer)]
            sessions = len(refs["session"]) - len(self.lab.before["session"])
            if sessions > agents:
                wrong.append(f"left in the pool: {sessions - agents} sessions")
            if not wrong or time.monotonic() > end:
                return wrong
            time.sleep(0.05)

    def at_rest(self):
        """Everything, after a run that ended by itself."""
        found, wrong = self.store()
        return found, wrong + self.catalog(found) + self.sums(found) + self.pool()


def processes_of(folder):
    """Process ids whose environment has this lab's HOME: nothing of a lab may outlive it."""
    mark, found = f"HOME={folder}".encode(), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if mark in file.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            continue
    return found
