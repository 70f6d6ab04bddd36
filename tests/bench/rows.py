# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the table: what is run against what, and the goal it is held to.

A row is a function of the bench; it adds figures. A figure without a goal is reported only.
"""
import os
import shlex
import shutil

import measure
from small_vms import small_vms

NO_SHA = {"OPENSSL_ia32cap": ":~0x20000000"}  # a CPU without SHA instructions, as many of dom0's
TRANSPORTS = ("unix", "tcp")
KINDS = ("text", "binary", "random", "sparse")


def clear(bench):
    """The folder where the files of one run are made, empty."""
    shutil.rmtree(bench.out)
    bench.out.mkdir()


def ours(bench, name, transport="unix", compress="none", keep=True, env=None, jobs=1, ring=None,
         out=None):
    """A Sample of the product with the stream; several jobs read it into folders of their own."""
    def command(n):
        folder = (out or bench.out) / f"ours-{n}"
        if keep:
            folder.mkdir(exist_ok=True)
        return [bench.binary("bench_ours"), bench.server(transport), name,
                str(folder) if keep else "-", compress] + ([str(ring)] if ring else [])

    def once():
        sample = measure.run(command, env, jobs)
        remove_ours(out or bench.out, jobs)
        return sample
    return once


def remove_ours(out, jobs):
    for n in range(jobs):
        for path in (out / f"ours-{n}").glob("*/*"):
            path.unlink()


def theirs(bench, name, pipe, transport="unix", jobs=1, out=None, size=None):
    """A Sample of curl with what stands behind it; %s in pipe is the file it makes."""
    def command(n):
        file = shlex.quote(str((out or bench.out) / f"theirs-{n}"))
        return bench.curl(transport, name) + " " + pipe.replace("%s", file)

    def once():
        sample = measure.run(command, jobs=jobs)
        for n in range(jobs):
            file = (out or bench.out) / f"theirs-{n}"
            if file.exists():
                sample.size = file.stat().st_size
                file.unlink()
        return sample
    return once


def per_gib(samples, what, bench, name):
    return measure.median([getattr(s, what) for s in samples]) / bench.gib(name)


def compare(bench, row, name, commands, goals, jobs=1):
    """Run ours and the peers; tell wall and CPU per GiB, and ratios with their goals.

    goals is {peer: [(figure, what, limit)]}; what is "wall", "cpu" or "size" (ours / theirs, at most
    the limit), or "speed" (theirs / ours, at least the limit).
    """
    found = measure.pairs(bench.pairs, bench.locks, commands)
    for who, samples in found.items():
        bench.tell(f"{row}.{who}", wall=per_gib(samples, "wall", bench, name) / jobs,
                   cpu=per_gib(samples, "cpu", bench, name) / jobs)
    mine = found["ours"]
    for peer, wanted in goals.items():
        for figure, what, limit in wanted:
            if what == "size":
                value = mine[0].told()["file_bytes"] / found[peer][0].size
            elif what == "speed":
                value = 1 / measure.ratio(mine, found[peer], "wall")
            else:
                value = measure.ratio(mine, found[peer], what)
            bench.add(f"{row}.{figure}", value, limit, at_least=what == "speed")
    return found


def receive(bench):
    """Receive and check: no file."""
    for transport in TRANSPORTS:
        name = bench.stream("binary")
        compare(bench, f"receive.{transport}", name, {
            "ours": ours(bench, name, transport, keep=False),
            "curl": theirs(bench, name, "-o /dev/null", transport),
        }, {"curl": [("wall", "wall", 1.3), ("cpu", "cpu", None)]})


def plain(bench, env=None, row="plain", kinds=None):
    """No compression, all checks, both digests, into memory."""
    for kind in kinds or bench.kinds:
        name = bench.stream(kind)
        compare(bench, f"{row}.{kind}", name, {
            "ours": ours(bench, name, env=env),
            "curl": theirs(bench, name, "-o %s"),
        }, {"curl": [("wall", "wall", 1.25), ("cpu", "cpu", 2.0)]})


def no_sha_kinds(bench):
    """A digest costs the same whatever is in it: one kind of disk, unless others were asked for."""
    return bench.kinds if bench.kinds != list(KINDS) else ["binary"]


def plain_no_sha(bench):
    """The same without SHA instructions."""
    plain(bench, NO_SHA, "plain-no-sha", no_sha_kinds(bench))


def plain_tcp(bench):
    """The same over TCP; reported."""
    name = bench.stream("binary")
    compare(bench, "plain-tcp.binary", name, {
        "ours": ours(bench, name, "tcp"), "curl": theirs(bench, name, "-o %s", "tcp"),
    }, {"curl": [("wall", "wall", None), ("cpu", "cpu", None)]})


def disk(bench):
    """To a disk, durable; reported."""
    name = bench.stream("binary")
    out = bench.disk_folder()
    compare(bench, "disk.binary", name, {
        "ours": ours(bench, name, out=out),
        "curl-sync": theirs(bench, name, "-o %s && sync %s", out=out),
    }, {"curl-sync": [("wall", "wall", None), ("cpu", "cpu", None)]})


def gzip(bench, env=None, row="gzip", kinds=None):
    """gzip against pigz, and against gzip on a shorter stream."""
    for kind in kinds or bench.kinds:
        name = bench.stream(kind)
        compare(bench, f"{row}.{kind}", name, {
            "ours": ours(bench, name, compress="gzip", env=env),
            "pigz": theirs(bench, name, "| pigz -1 > %s"),
        }, {"pigz": [("speed-pigz", "speed", 3.0), ("size", "size", 1.02),
                     ("cpu-pigz", "cpu", None)]})
        if env is None:
            gzip_slow(bench, kind, row)


def gzip_slow(bench, kind, row):
    name = bench.stream(kind, bench.slow_mib)
    compare(bench, f"{row}-short.{kind}", name, {
        "ours": ours(bench, name, compress="gzip"),
        "gzip": theirs(bench, name, "| gzip -6 > %s"),
    }, {"gzip": [("speed-gzip", "speed", 10.0)]})


def gzip_no_sha(bench):
    """gzip without SHA instructions."""
    gzip(bench, NO_SHA, "gzip-no-sha", no_sha_kinds(bench))


def zstd(bench, env=None, row="zstd", kinds=None):
    """zstd -1 against zstd -1 with all cores."""
    for kind in kinds or bench.kinds:
        name = bench.stream(kind)
        compare(bench, f"{row}.{kind}", name, {
            "ours": ours(bench, name, compress="zstd", env=env),
            "zstd": theirs(bench, name, "| zstd -q -1 -T0 > %s"),
        }, {"zstd": [("wall", "wall", 0.85), ("cpu", "cpu", 0.70), ("size", "size", 1.02)]})


def zstd_no_sha(bench):
    """zstd without SHA instructions."""
    zstd(bench, NO_SHA, "zstd-no-sha", no_sha_kinds(bench))


def jobs(bench):
    """As many jobs as cores; reported."""
    cores = os.cpu_count()
    for compress, peer, mib in (("none", "-o %s", bench.mib),
                                ("zstd", "| zstd -q -1 -T0 > %s", bench.mib),
                                ("gzip", "| pigz -1 > %s", bench.slow_mib)):
        name = bench.stream("binary", mib)
        compare(bench, f"jobs-{cores}.{compress}", name, {
            "ours": ours(bench, name, compress=compress, jobs=cores),
            "peer": theirs(bench, name, peer, jobs=cores),
        }, {"peer": [("wall", "wall", None), ("cpu", "cpu", None)]}, jobs=cores)


def memory(bench):
    """Peak of a worker's memory, for short and long streams, rings and compressors."""
    limits = {(64, "none"): 96, (64, "gzip"): 128, (64, "zstd"): 128,
              (8, "none"): 32, (8, "gzip"): 64, (8, "zstd"): 64}
    for what, virtual_mib in (("full", bench.mib), ("100gib", 100 * 1024)):
        name = bench.stream("binary", bench.mib, virtual_mib)
        for (ring, compress), limit in limits.items():
            sample = ours(bench, name, compress=compress, ring=ring)()
            bench.add(f"memory.ring-{ring}.{compress}.{what}.mib", sample.told()["peak_kib"] / 1024,
                      limit)


def empty_space(bench):
    """A raw disk out of its VHD: 100 GiB with 1 GiB of data against 1 GiB that is full."""
    data = 128 if bench.short else 1024

    def disk(virtual_mib):
        def once():
            sample = measure.run([bench.binary("bench_empty"), str(virtual_mib), str(data),
                                  str(bench.out)])
            clear(bench)
            return sample
        return once

    found = measure.pairs(bench.pairs, bench.locks, {"empty": disk(100 * data), "full": disk(data)})
    for who, samples in found.items():
        gib = data / 1024
        bench.tell(f"empty-space.{who}",
                   wall=measure.median([sample.wall for sample in samples]) / gib,
                   cpu=measure.median([sample.cpu for sample in samples]) / gib)
    bench.add("empty-space.wall", measure.ratio(found["empty"], found["full"], "wall"), 1.3)
    bench.add("empty-space.cpu", measure.ratio(found["empty"], found["full"], "cpu"), None)
    told = found["empty"][0].told()
    bench.add("empty-space.room", told["room_bytes"] / (data << 20), 1.1)


ROWS = {
    "receive": receive,
    "plain": plain,
    "plain-no-sha": plain_no_sha,
    "plain-tcp": plain_tcp,
    "disk": disk,
    "gzip": gzip,
    "gzip-no-sha": gzip_no_sha,
    "zstd": zstd,
    "zstd-no-sha": zstd_no_sha,
    "jobs": jobs,
    "memory": memory,
    "empty-space": empty_space,
    "small-vms": small_vms,
}
