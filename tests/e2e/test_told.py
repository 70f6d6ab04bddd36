# SPDX-License-Identifier: GPL-3.0-or-later
"""What is probably a slip is told, though the run goes on."""
import json
import subprocess

from lab import BIN, Lab, pool, vm


def help_of(program, *command):
    return subprocess.run([str(BIN / program), *command, "--help"], capture_output=True,
                          text=True, check=True).stdout


def test_help_of_a_reading_command_begins_with_its_own_options():
    told = help_of("onyxpool", "list").split("\noptions:\n", 1)[1]
    own, common = told.split("\nthe same for every command:\n")
    assert "-a, --all" in own and "--catalog" in own and "--xapi" not in own
    assert "--xapi TARGET" in common and "--catalog" not in common


def test_help_of_the_agent_is_for_people():
    told = help_of("onyxpool-agent")
    assert told.startswith("usage: onyxpool-agent ")
    assert "--worker" not in told and "\n\n\n" not in told


def test_help_of_a_command_is_had_both_ways():
    both = [subprocess.run([str(BIN / "onyxpool"), *argv], capture_output=True, text=True)
            for argv in (["help", "prune"], ["prune", "--help"], ["help", "prunne"])]
    assert both[0].stdout == both[1].stdout != ""
    assert both[2].returncode == 2 and "'prune'" in both[2].stderr


def test_keygen_tells_what_can_be_pasted(tmp_path):
    def keygen(*argv):
        return subprocess.run([str(BIN / "onyxpool"), "keygen", "--key", key, *argv],
                              capture_output=True, text=True, check=True).stdout

    key = tmp_path / "new" / "my.key"
    line = f"onyxpool keygen --key {key} --host UUID -o agent.key"
    assert line in keygen()
    kept = keygen("--rotate", "1h")
    assert line in kept and "are heard until" in kept
    gone = keygen("--rotate", "0s")
    assert line in gone and "are heard no more" in gone and "until" not in gone


def test_keygen_in_json_is_json_or_refused(tmp_path):
    def keygen(*argv):
        return subprocess.run([str(BIN / "onyxpool"), "keygen", "--json", "--key", tmp_path / "pool.key", *argv],
                              capture_output=True, text=True)

    host = ("--host", "12345678-1234-1234-1234-123456789012")
    assert json.loads(keygen().stdout)["key"] == "pool"
    refused = keygen(*host)
    assert refused.returncode == 2 and refused.stdout == "" and "-o FILE" in refused.stderr
    assert json.loads(keygen(*host, "-o", tmp_path / "agent.key").stdout)["key"] == "agent"


def test_keygen_makes_the_folder_of_the_key_and_no_other(tmp_path):
    def keygen(key):
        return subprocess.run([str(BIN / "onyxpool"), "keygen", "--key", key],
                              capture_output=True, text=True)

    assert keygen(tmp_path / "onyxpool" / "pool.key").returncode == 0
    assert (tmp_path / "onyxpool").stat().st_mode & 0o777 == 0o700
    slip = keygen(tmp_path / "ect" / "onyxpool" / "pool.key")
    assert slip.returncode != 0 and "ect/onyxpool/pool.key" in slip.stderr
    assert not (tmp_path / "ect").exists()


def test_slips_are_told():
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        new = lab.folder / "nope" / "cat.db"
        args = [*lab.run_args("-e", "web1"), "--catalog", new, "--xapi-user", "root"]
        done = lab.onyxpool("run", *args)
        assert done.returncode == 0, done.stderr
        assert f"the catalog {new} is made anew" in done.stderr
        assert "--xapi-user root is not used" in done.stderr
        again = lab.onyxpool("run", *args)
        assert "made anew" not in again.stderr
        lab.assert_clean()


def test_entry_that_chooses_no_vm_is_a_warning_and_help_says_so():
    with Lab(pool([vm("web1")], hosts=1)) as lab:
        done = lab.run("-e", "nosuchvm")
        assert done.returncode == 0
        assert "nosuchvm" in done.stderr
        told = " ".join(lab.onyxpool("run", "--help").stdout.split())
        assert "An entry that chooses no VM is a warning" in told


def test_preview_has_the_order_of_the_run():
    with Lab(pool([vm("web1"), vm("nodisk", disks=[]), vm("web2", size_mib=12)],
                  hosts=1)) as lab:
        shown = lab.must("preview", *lab.common(), "-c", lab.settings_file, "-d", lab.store).stdout
        assert "The plan (3 jobs, in this order)" in shown
        plan = shown.split("in this order)", 1)[1].split("\n\n", 1)[0]
        planned = sorted(("web1", "web2", "nodisk"), key=plan.index)
        lab.set(lease_renew="1s", host_jobs=1)
        told = lab.run().stderr
        begun = sorted(planned, key=lambda name: told.index(f"{name}: begins"))
        assert begun == planned
        lab.assert_clean()
