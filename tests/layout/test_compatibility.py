# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/COMPATIBILITY.md names a test for each row: every one of them exists, and nothing is put off."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "COMPATIBILITY.md"
VERDICTS = {"same", "better", "different"}

# What users of the old program bring (its manual, feature by feature): a row of the page each.
BROUGHT = [
    "install dir", "settings files", "`[xenserver]` keys and defaults", "`[smtp]` keys and defaults",
    "names of the program", "options", "list entry", "simple names", "regex", "order of the lists",
    "a VM in both lists", "nothing selected", "bad `max_backups`", "bad regex", "disks",
    "what counts as a VM", "names that a share refuses", "two VMs with one name",
    "OnyxBackupVM still running on the same folder", "snapshot name", "quiesce",
    "files of a VM export", "`.meta`", "retention", "`space_threshold`", "order of a run",
    "mail", "log files, `logging.json`, `LOG_CFG`", "schedule", "exit status",
]

# The eleven defects of the scripts before us, by the words of their rows.
DEFECTS = [
    "failed export left a partial file", "touched files outlived newer ones",
    "a stale share crashed the space check", "a hyphen made a name a regex",
    "two leftover snapshots", "no mail when the run broke", "`mkdir` on an unmounted share",
    "a live VM called RESTORE_", "names pasted into shell commands",
    "password on the command line", "failed runs counted",
]


def tables():
    """(title of the page's part, cells) of every row but heads and rules."""
    part, found = "", []
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            part = line[3:]
        if line.startswith("|") and not set(line) <= set("|- "):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            found.append((part, cells))
    heads = {("feature", "here", "how", "test"), ("VM", "what happens", "test"),
             ("defect", "here", "test")}
    return [(part, cells) for part, cells in found if tuple(cells) not in heads]


def unit_names():
    """Names that CMake gives to tests."""
    names = {path.stem for path in ROOT.glob("tests/fuzz/**/fuzz_*.c")}
    for path in ROOT.glob("tests/**/CMakeLists.txt"):
        text = path.read_text()
        names |= set(re.findall(r"(?:onyx_unit_test|onyx_fuzz_test|add_test)\s*\(\s*(?:NAME\s+)?"
                                r"([A-Za-z0-9_]+)[\s)]", text))
        for rooms, body in re.findall(r"foreach\((?:\w+) ([^)]*)\)(.*?)endforeach", text, re.S):
            for pattern in re.findall(r"onyx_unit_test\(([A-Za-z_]*\$\{\w+\}[A-Za-z_]*)", body):
                names |= {re.sub(r"\$\{\w+\}", room, pattern) for room in rooms.split()}
    return names


def functions():
    names = set()
    for path in ROOT.glob("tests/**/*.py"):
        names |= set(re.findall(r"^def (test_\w+)", path.read_text(), re.M))
    for path in ROOT.glob("tests/unit/**/*.c"):
        text = path.read_text()
        names |= set(re.findall(r"^static void (\w+)\(void \*\*state\)", text, re.M))
        names |= set(re.findall(r"^CASE\((\w+),$", text, re.M))
    return names


def words(cell):
    """The tests that a cell names."""
    cell = re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", cell)
    return [word for word in re.split(r"[\s,`]+", cell) if word not in ("", "e2e", "and")]


@pytest.fixture(scope="module")
def known():
    files = {path.stem for path in ROOT.glob("tests/**/test_*.py")}
    return files | unit_names() | functions()


def is_known(word, known):
    if word.endswith("..."):
        return any(name.startswith(word[:-3]) for name in known)
    return word in known


@pytest.mark.parametrize("part, cells", tables(), ids=lambda one: str(one)[:40])
def test_each_row_names_tests_that_exist(part, cells, known):
    named = words(cells[-1])
    assert named or "..." in cells[-1], f"{cells[0]} names no test"
    missing = [word for word in named if word != "..." and not is_known(word, known)]
    assert not missing, f"{cells[0]}: {missing}"


def test_every_feature_that_users_bring_has_its_row():
    rows = {cells[0]: cells for part, cells in tables() if len(cells) == 4}
    missing = [feature for feature in BROUGHT if feature not in rows]
    assert not missing
    for feature, cells in rows.items():
        assert cells[1] in VERDICTS, f"{feature}: {cells[1]}"


def test_every_defect_of_the_scripts_before_us_is_a_test():
    rows = [cells[0] for part, cells in tables() if "efects" in part]
    missing = [defect for defect in DEFECTS if not any(defect in row for row in rows)]
    assert not missing and len(rows) == len(DEFECTS)


def test_nothing_is_put_off():
    assert "not yet" not in PAGE.read_text()
