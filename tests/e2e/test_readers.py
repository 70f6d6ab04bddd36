# SPDX-License-Identifier: GPL-3.0-or-later
"""What we publish, read by programs that know nothing of us: tar and xxhsum, gzip and zstd,
qemu-img and libvhdi, sha256sum; and raw files compared with the disks they are of."""
import hashlib
import re
import shutil
import subprocess

import pytest

from lab import Lab, pool, vm

MIB = 1 << 20
SIZES = {"xvda": 7, "xvdb": 4}


def disks():
    return [{"device": device, "sr": "nfs1", "size_mib": size,
             "content": {"seed": size, "fill": 0.4}} for device, size in SIZES.items()]


def need(program):
    if not shutil.which(program):
        pytest.skip(f"THE PROGRAM {program} IS MISSING: deploy/install-deps tests")


def run(*line, **more):
    return subprocess.run([str(word) for word in line], check=True, capture_output=True, text=True,
                          **more).stdout


def sparse_xxh128(path, folder):
    """docs/DESIGN.md, words on disk: XXH3-128 over offset and data of each 64 KiB with data."""
    flat = folder / "flat"
    bytes_ = path.read_bytes()
    with open(flat, "wb") as out:
        for at in range(0, len(bytes_), 65536):
            piece = bytes_[at:at + 65536]
            if any(piece):
                out.write(at.to_bytes(8, "big") + piece)
        out.write(len(bytes_).to_bytes(8, "big"))
    return run("xxhsum", "-H2", flat).split()[0]


def back_up(lab, own=(), **xenserver):
    lines = ["[xenserver]", "space_threshold = 1"]
    lines += [f"{key} = {value}" for key, value in xenserver.items()]
    lab.settings_file.write_text("\n".join(lines + ["[onyxpool]", "lease_renew = 1s",
                                                    "hard_floor = 0"] +
                                           [f"{key} = {value}" for key, value in dict(own).items()])
                                 + "\n")
    done = lab.run()
    assert done.returncode == 0, done.stdout + done.stderr
    if (lab.store / ".onyxpool" / "SHA256SUMS").exists():
        run("sha256sum", "--strict", "-c", ".onyxpool/SHA256SUMS", cwd=lab.store)
    return sorted(path for path in (lab.store / "web1").iterdir() if path.suffix != ".meta")


@pytest.mark.parametrize("compress, unpack", [("False", None), ("gzip", "gzip"), ("zstd", "zstd")])
def test_xva_is_read_by_tar_and_its_sums_by_xxhsum(compress, unpack):
    need("xxhsum")
    with Lab(pool([vm("web1", disks=disks())], hosts=1)) as lab:
        archive, = back_up(lab, compress=compress)
        if unpack:
            run(unpack, "-q", "-t", archive)
            with open(lab.folder / "plain.xva", "wb") as out:
                subprocess.run([unpack, "-q", "-d", "-c", archive], check=True, stdout=out)
            archive = lab.folder / "plain.xva"
        out = lab.folder / "members"
        out.mkdir()
        names = run("tar", "-tf", archive).split()
        subprocess.run(["tar", "-xf", archive, "-C", out], check=True)
        assert names[0] == "ova.xml" and len(names) == len(set(names))
        run("xmllint", "--noout", out / "ova.xml")
        blocks = [name for name in names if re.fullmatch(r"Ref:\d+/\d{8}", name)]
        assert sorted(names) == sorted(["ova.xml", *blocks, *[f"{name}.xxhash" for name in blocks]])
        for name in blocks:
            said = run("xxhsum", "-H1", out / name).split()[0]
            assert (out / f"{name}.xxhash").read_text() == said.upper(), name
        assert len({name.split("/")[0] for name in blocks}) == len(SIZES)
        lab.assert_clean()


def test_vhd_is_read_by_qemu_and_by_libvhdi():
    need("qemu-img")
    need("vhdiinfo")
    with Lab(pool([vm("web1", disks=disks())], hosts=1)) as lab:
        files = back_up(lab, vdi_exports="web1:-1:xvda;xvdb", vdi_export_format="vhd")
        for path, (device, size), want in zip(files, SIZES.items(), lab.disk_sums("web1")):
            assert f"_{device}_" in path.name
            told = run("vhdiinfo", path)
            assert re.search(r"Disk type\s*:\s+Dynamic", told), told
            media = int(re.search(r"Media size\s*:.*\((\d+) bytes\)", told).group(1))
            assert size * MIB <= media <= (size + 2) * MIB and media % MIB == 0
            plain = lab.folder / f"{device}.raw"
            run("qemu-img", "convert", "--image-opts", "-O", "raw",
                f"driver=vpc,force_size_calc=current_size,file.filename={path}", plain)
            bytes_ = plain.read_bytes()
            assert hashlib.sha256(bytes_[:size * MIB]).hexdigest() == want
            assert not any(bytes_[size * MIB:])
        lab.assert_clean()


@pytest.mark.parametrize("source", ["raw", "vhd", "auto"])
def test_raw_is_the_disk_with_its_holes(source):
    """auto: both disks are mostly empty, so by vhd."""
    half_empty = [{"device": "xvda", "sr": "nfs1", "size_mib": 64, "content": {"seed": 3, "fill": 0.05}},
                  {"device": "xvdb", "sr": "nfs1", "size_mib": 32, "content": {"zero": True}}]
    with Lab(pool([vm("web1", disks=half_empty)], hosts=1)) as lab:
        files = back_up(lab, dict(raw_source=source), vdi_exports="web1:-1:xvda;xvdb",
                        vdi_export_format="raw")
        for path, size, want in zip(files, (64, 32), lab.disk_sums("web1")):
            assert path.stat().st_size == size * MIB
            assert hashlib.sha256(path.read_bytes()).hexdigest() == want
            assert path.stat().st_blocks * 512 <= size * MIB // 2, "it has no holes"
            meta = path.with_suffix(".meta").read_text()
            assert f"size={size * MIB}" in meta
            assert (f"sha256={want}" in meta) == (source == "raw")
            if source == "raw":
                assert "proof=length" in meta and "sparse_xxh128" not in meta
            else:
                assert "proof=structure" in meta
                assert f"sparse_xxh128={sparse_xxh128(path, lab.folder)}" in meta
                assert not (lab.store / ".onyxpool" / "SHA256SUMS").exists()
        lab.assert_clean()
