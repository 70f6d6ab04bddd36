# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark command on streams too small to tell anything: it runs, and says so in its words."""
import json
import pathlib
import subprocess
import sys

from lab import BIN, ROOT

sys.path.insert(0, str(ROOT / "tests" / "bench"))

import measure  # noqa: E402


def bench(tmp_path, *args):
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [str(ROOT / "tests" / "bench" / "run"), "--binary-dir", str(BIN), "--size-mib", "4",
         "--pairs", "1", "--kind", "binary", "--folder", str(tmp_path), "--json", str(out), *args],
        capture_output=True, text=True, timeout=300)
    return done, json.loads(out.read_text()) if out.exists() else None


def test_figures_have_names_values_goals_and_a_verdict(tmp_path):
    done, figures = bench(tmp_path, "--only", "receive", "--only", "zstd")
    assert done.returncode in (0, 1), done.stderr
    names = {figure["name"]: figure for figure in figures}
    assert {"receive.unix.wall", "receive.tcp.wall", "zstd.binary.size"} <= set(names)
    assert all(set(figure) == {"name", "value", "goal", "ok"} for figure in figures)
    assert done.returncode == (0 if all(figure["ok"] for figure in figures) else 1)
    assert names["receive.unix.wall"]["goal"] == 1.3 and names["receive.unix.wall"]["value"] > 0
    assert 0.9 < names["zstd.binary.size"]["value"] < 1.1
    assert list(pathlib.Path(tmp_path).glob("onyx-bench-*")) == []


def test_a_row_that_is_not_there_is_refused(tmp_path):
    done, figures = bench(tmp_path, "--only", "nothing")
    assert done.returncode == 2 and figures is None
    assert "receive" in done.stderr


def test_a_command_that_fails_ends_the_measurement():
    try:
        measure.run("exit 3")
    except RuntimeError as error:
        assert "ended with 3" in str(error)
    else:
        raise AssertionError("a failed command was measured")


def test_ratios_are_medians_of_pairs():
    ours = [measure.Sample(wall, 1, "") for wall in (2, 30, 4)]
    theirs = [measure.Sample(wall, 1, "") for wall in (1, 10, 4)]
    assert measure.ratio(ours, theirs, "wall") == 2


def test_cpu_of_children_is_counted():
    sample = measure.run("python3 -c 'sum(range(6000000))' | cat >/dev/null")
    assert sample.cpu > 0.02 and sample.wall > 0.02
