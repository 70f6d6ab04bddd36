# SPDX-License-Identifier: GPL-3.0-or-later
"""What messages, help and documents tell people to type is an option that a program has."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]+)")
# Of cmake, of the commands in tests/, and the two that the agent starts its workers with.
OTHERS = {"build", "install", "prefix", "short", "seed", "only", "kind", "json", "limits", "seconds",
          "worker", "standby", "lock", "size-mib", "pairs", "jobs", "part", "sum"}


def sources():
    return [path for room in ("common", "coordinator", "agent")
            for path in sorted((ROOT / room).rglob("*.[ch]"))]


def options():
    return {name for path in sources()
            for name in re.findall(r'\.name = "([a-z][a-z-]+)"', path.read_text())}


def strings(path):
    """The string literals, adjacent ones joined."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    return re.findall(r'"((?:[^"\\\n]|\\.)*)"', re.sub(r'"\s*\n\s*"', "", text))


def test_options_that_messages_name_exist():
    known = options()
    assert {"xapi-cert", "rotate", "drain"} <= known
    named = {(path.name, name) for path in sources() for text in strings(path)
             for name in OPTION.findall(text)}
    assert len(named) > 20
    assert [pair for pair in sorted(named) if pair[1] not in known | OTHERS] == []


def test_options_that_documents_name_exist():
    known = options()
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").rglob("*.service"),
                 ROOT / "deploy/onyxpool.cron"]
    named = {(path.name, name) for path in documents for name in OPTION.findall(path.read_text())}
    assert len(named) > 10
    assert [pair for pair in sorted(named) if pair[1] not in known | OTHERS] == []
