# SPDX-License-Identifier: GPL-3.0-or-later
"""What deploy/ ships: cron lines and units call the programs with options that they take."""
import configparser
import shlex
import subprocess

import pytest

from lab import BIN, ROOT

CRON = [line for line in (ROOT / "deploy" / "onyxpool.cron").read_text().splitlines()
        if line and not line.startswith("#")]
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())


def check_call(words):
    """The program is ours, and takes the line: --version ends it behind the options' check."""
    program = BIN / words[0].rsplit("/", 1)[1]
    done = subprocess.run([str(program), *words[1:], "--version"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0 and "onyxpool" in done.stdout, done.stderr


@pytest.mark.parametrize("line", CRON)
def test_cron_line_is_taken(line):
    minute, hour, day, month, weekday, user, command = line.split(None, 6)
    assert user == "root" and minute.isdigit() and hour.isdigit()
    check_call(shlex.split(command.split(">")[0]))


def test_a_mistyped_line_would_be_seen():
    with pytest.raises(AssertionError):
        check_call(["/opt/onyxpool/bin/onyxpool", "run", "--no-such-option"])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_is_well_formed(unit):
    read = configparser.ConfigParser(interpolation=None, strict=False, delimiters="=")
    read.optionxform = str
    read.read_string(unit.read_text())
    assert read["Unit"]["Description"]
    if unit.suffix == ".timer":
        assert read["Timer"]["OnCalendar"] and read["Install"]["WantedBy"] == "timers.target"
        assert (unit.with_suffix(".service")) in UNITS
        return
    words = shlex.split(read["Service"]["ExecStart"])
    assert words[0].startswith("/opt/onyxpool/bin/")
    check_call(words)
