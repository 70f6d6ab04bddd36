#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An independent reader of XVA archives, for tests.

Walks the tar by itself, checks the checksum of every block, and puts the disks together as XAPI's
own import does: an offset grows by what was skipped and by what was read, so keep-alive members of
length zero, which take a number and no place, do no harm. Nothing of the product or of the
simulator is used. gzip is read by Python, zstd by the program zstd.

    xva.py FILE [--out DIR]      prints what is in it as JSON; writes the raw disks to DIR
"""
import argparse
import ctypes
import ctypes.util
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import xmlrpc.client

BLOCK = 1 << 20
TAR = 512


class XvaError(Exception):
    """The archive is not what XAPI would have written or would accept."""


def _xxh64_library():
    name = ctypes.util.find_library("xxhash")
    if not name:
        return None
    function = ctypes.CDLL(name).XXH64
    function.restype = ctypes.c_ulonglong
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_ulonglong]
    return lambda data: function(data, len(data), 0)


def xxh64_python(data):
    """XXH64 with seed 0, by its specification; slow."""
    p1, p2, p3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
    p4, p5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
    mask = (1 << 64) - 1

    def rotate(x, r):
        return ((x << r) | (x >> (64 - r))) & mask

    def mix(acc, lane):
        return rotate((acc + lane * p2) & mask, 31) * p1 & mask

    n, at = len(data), 0
    if n >= 32:
        lanes = [(p1 + p2) & mask, p2, 0, -p1 & mask]
        while at + 32 <= n:
            for i in range(4):
                lanes[i] = mix(lanes[i], int.from_bytes(data[at:at + 8], "little"))
                at += 8
        h = sum(rotate(lane, r) for lane, r in zip(lanes, (1, 7, 12, 18))) & mask
        for lane in lanes:
            h = ((h ^ mix(0, lane)) * p1 + p4) & mask
    else:
        h = p5
    h = (h + n) & mask
    while at + 8 <= n:
        h = (rotate(h ^ mix(0, int.from_bytes(data[at:at + 8], "little")), 27) * p1 + p4) & mask
        at += 8
    if at + 4 <= n:
        h = (rotate(h ^ int.from_bytes(data[at:at + 4], "little") * p1 & mask, 23) * p2 + p3) & mask
        at += 4
    while at < n:
        h = rotate(h ^ data[at] * p5 & mask, 11) * p1 & mask
        at += 1
    h = (h ^ (h >> 33)) * p2 & mask
    h = (h ^ (h >> 29)) * p3 & mask
    return h ^ (h >> 32)


xxh64 = _xxh64_library() or xxh64_python


class Disk:
    """One disk of the archive: id "Ref:N", its VDI record, where its blocks lay."""

    def __init__(self, ref, record):
        self.ref = ref
        self.record = record
        self.uuid = record["uuid"]
        self.size = int(record["virtual_size"])
        self.blocks = []  # (number in the name, offset on the disk, length)
        self.keepalives = 0
        self.sha256 = None
        self.path = None


class Xva:
    """What was read: version, objects ({class: {id: record}}), disks by id, in archive order."""

    def __init__(self):
        self.version = {}
        self.objects = {}
        self.disks = {}
        self.members = []  # (name, length)
        self.is_complete = False  # the two zero blocks are there and nothing behind them
        self.ova = b""

    def vm(self):
        """The one VM's record."""
        (record,) = self.objects["VM"].values()
        return record

    def disk_of(self, userdevice):
        """The disk that a VBD of this userdevice names."""
        for vbd in self.objects.get("VBD", {}).values():
            if vbd["userdevice"] == str(userdevice):
                return self.disks[vbd["VDI"]]
        raise XvaError("no VBD has userdevice %s" % userdevice)


class _Reader:
    def __init__(self, stream):
        self.stream = stream
        self.at = 0

    def take(self, n):
        data = b""
        while len(data) < n:
            part = self.stream.read(n - len(data))
            if not part:
                break
            data += part
        self.at += len(data)
        return data

    def need(self, n, what):
        data = self.take(n)
        if len(data) != n:
            raise XvaError("the archive ends at byte %d, inside %s" % (self.at, what))
        return data


def _open(path):
    raw = open(path, "rb")
    magic = raw.read(4)
    raw.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=raw)
    if magic == b"\x28\xb5\x2f\xfd":
        raw.close()
        child = subprocess.run(["zstd", "-dc", path], stdout=subprocess.PIPE, check=True)
        return io.BytesIO(child.stdout)
    return raw


def _header(reader):
    """(name, length, mode, mtime), or None at the end of the archive."""
    block = reader.take(TAR)
    if not block or block == bytes(TAR):
        return None if not block else "zero"
    if len(block) != TAR:
        raise XvaError("the archive ends inside a header at byte %d" % reader.at)
    claimed = int(block[148:156].split(b"\0")[0].strip() or b"0", 8)
    if claimed != sum(block[:148]) + 8 * 32 + sum(block[156:]):
        raise XvaError("a tar header's checksum is wrong at byte %d" % (reader.at - TAR))
    name = block[:100].split(b"\0")[0].decode()
    fields = [block[a:b].split(b"\0")[0] for a, b in ((124, 136), (100, 108), (136, 148))]
    length, mode, mtime = (int(f or b"0", 8) for f in fields)
    return name, length, mode, mtime


def _parse_ova(xva, data):
    xva.ova = data
    envelope = b'<?xml version="1.0"?><methodResponse><params><param>%s</param></params></methodResponse>'
    (value,), _ = xmlrpc.client.loads(envelope % data)
    xva.version = value["version"]
    for item in value["objects"]:
        xva.objects.setdefault(item["class"], {})[item["id"]] = item["snapshot"]


class _Builder:
    """Puts one disk together as its blocks come."""

    def __init__(self, disk, out):
        self.disk = disk
        self.digest = hashlib.sha256()
        self.offset = 0
        self.last = -1
        self.file = None
        if out:
            disk.path = os.path.join(out, disk.uuid + ".raw")
            self.file = open(disk.path, "wb")
            self.file.truncate(disk.size)

    def _zeros(self, n):
        while n > 0:
            part = min(n, BLOCK)
            self.digest.update(bytes(part))
            n -= part

    def add(self, number, data, first_length):
        if number <= self.last:
            raise XvaError("block %d follows block %d" % (number, self.last))
        skipped = (number - self.last - 1) * first_length
        self._zeros(skipped)
        self.offset += skipped
        self.last = number
        if not data:
            self.disk.keepalives += 1
        else:
            self.disk.blocks.append((number, self.offset, len(data)))
        if self.file:
            self.file.seek(self.offset)
            self.file.write(data)
        self.digest.update(data)
        self.offset += len(data)
        if self.offset > self.disk.size:
            raise XvaError("%s has more bytes than its virtual_size" % self.disk.ref)

    def finish(self):
        if self.offset != self.disk.size:
            raise XvaError("%s ends at byte %d of %d" % (self.disk.ref, self.offset, self.disk.size))
        if self.file:
            self.file.close()
        self.disk.sha256 = self.digest.hexdigest()


def _check(reader, name, data, xva):
    head = _header(reader)
    if head in (None, "zero"):
        raise XvaError("no checksum follows %s" % name)
    sum_name, length, _, _ = head
    xva.members.append((sum_name, length))
    text = reader.need((length + TAR - 1) // TAR * TAR, sum_name)[:length].decode()
    if sum_name == name + ".xxhash":
        want = "%016X" % xxh64(data)
    elif sum_name == name + ".checksum":
        want = hashlib.sha1(data).hexdigest()
    else:
        raise XvaError("%s follows %s" % (sum_name, name))
    if text != want:
        raise XvaError("%s says %s, the data are %s" % (sum_name, text, want))


def _read_end(reader, xva):
    xva.is_complete = reader.take(TAR) == bytes(TAR) and reader.take(1) == b""
    return xva


def read_xva(source, out=None, strict=True):
    """Read an archive from a path or a binary stream.

    With out the raw disks are written there. strict: it has to end with two zero blocks and
    nothing behind them, and each disk has to be whole; raises XvaError otherwise.
    """
    stream = source if hasattr(source, "read") else _open(source)
    reader, xva = _Reader(stream), Xva()
    builders, current, first_length, order = {}, None, None, []
    head = _header(reader)
    if not head or head == "zero" or head[0] != "ova.xml":
        raise XvaError("the first member is not ova.xml")
    while head and head != "zero":
        name, length, _, _ = head
        xva.members.append((name, length))
        data = reader.need((length + TAR - 1) // TAR * TAR, name)[:length]
        if name == "ova.xml":
            _parse_ova(xva, data)
        else:
            ref, number = name.split("/")
            _check(reader, name, data, xva)
            if ref not in builders:
                if current:
                    builders[current].finish()
                record = xva.objects.get("VDI", {}).get(ref)
                if record is None:
                    raise XvaError("%s is in no record" % ref)
                xva.disks[ref] = Disk(ref, record)
                builders[ref] = _Builder(xva.disks[ref], out)
                current = ref
                order.append(ref)
            elif ref != current:
                raise XvaError("%s comes twice" % ref)
            first_length = len(data) if first_length is None else first_length
            builders[ref].add(int(number), data, first_length)
        head = _header(reader)
    if current:
        builders[current].finish()
    if order != sorted(order):
        raise XvaError("the disks are not in string order: %s" % order)
    if head == "zero":
        _read_end(reader, xva)
    if strict and not xva.is_complete:
        raise XvaError("the archive does not end with two zero blocks")
    return xva


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--out", help="folder for the raw disks")
    args = parser.parse_args()
    if args.out:
        os.makedirs(args.out, exist_ok=True)
    try:
        xva = read_xva(args.file, args.out)
    except (XvaError, OSError, EOFError) as error:
        sys.exit("%s: %s" % (args.file, error))
    json.dump({"version": xva.version, "vm": xva.vm()["name_label"], "disks": [
        {"ref": d.ref, "uuid": d.uuid, "size": d.size, "sha256": d.sha256, "blocks": len(d.blocks),
         "keepalives": d.keepalives, "path": d.path} for d in xva.disks.values()]},
              sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
