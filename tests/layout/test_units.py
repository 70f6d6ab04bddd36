# SPDX-License-Identifier: GPL-3.0-or-later
"""Service files: what the programs do not need they do not have, and no secret stands in them."""
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
EXPOSURE_MAX = 45  # tenths, systemd-analyze's scale of 0 to 100

# Known to systemd 219 of the oldest dom0 stand first: they hold everywhere.
WANTED = {
    "NoNewPrivileges": "yes", "ProtectSystem": "full", "PrivateTmp": "yes", "PrivateDevices": "yes",
    "UMask": "0077", "LimitCORE": "0", "SystemCallArchitectures": "native",
    "ProtectKernelTunables": "yes", "ProtectKernelModules": "yes", "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes", "ProtectClock": "yes", "ProtectHostname": "yes",
    "RestrictSUIDSGID": "yes", "RestrictRealtime": "yes", "RestrictNamespaces": "yes",
    "LockPersonality": "yes", "MemoryDenyWriteExecute": "yes",
}
# Each would let a program out of what the rest holds it in.
NEVER = ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_MODULE", "CAP_NET_ADMIN", "CAP_SETUID",
         "CAP_SYS_RAWIO", "CAP_MKNOD")


def directives(unit):
    lines = [line.partition("=") for line in unit.read_text().splitlines()
             if "=" in line and not line.startswith("#")]
    return {key: value for key, _, value in lines}


def test_there_are_service_files():
    assert {unit.name for unit in UNITS} == {"onyxpool-agent.service", "onyxpool-run.service"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_service_has_no_more_than_it_needs(unit):
    found = directives(unit)
    assert {key: found.get(key) for key in WANTED} == WANTED
    capabilities = found["CapabilityBoundingSet"].split()
    assert capabilities and not set(capabilities) & set(NEVER)
    assert set(found["RestrictAddressFamilies"].split()) <= {"AF_UNIX", "AF_INET", "AF_INET6",
                                                             "AF_NETLINK"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_service_names_no_secret_and_keeps_what_outlives_it(unit):
    found = directives(unit)
    assert "password" not in found["ExecStart"] and "Environment" not in found
    assert "RuntimeDirectory" not in found  # would go with a killed agent, and its session with it


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_a_service_little_exposed(unit):
    tool = shutil.which("systemd-analyze")
    if tool is None or "--offline" not in subprocess.run([tool, "--help"], capture_output=True,
                                                         text=True).stdout:
        pytest.skip("systemd-analyze with --offline is not here")
    done = subprocess.run([tool, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}",
                           str(unit)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
