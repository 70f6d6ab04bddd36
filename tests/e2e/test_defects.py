# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects of the scripts before us that no other file holds: each is one that users were hit by."""
from lab import Lab, pool, vm
from test_survivors import call, make_old


def test_two_leftover_snapshots_do_not_end_a_vms_backups():
    with Lab(pool([vm("web1", size_mib=2)], hosts=1)) as lab:
        left = [call(lab, "VM.snapshot", lab.vm_ref("web1"), "ONYXBACKUP") for _ in range(2)]
        for ref in left:
            make_old(lab, "VM", ref)
        for n in (1, 2):
            done = lab.run()
            assert done.returncode == 0, done.stderr
            assert len(lab.backups()["web1"]) == n
        assert set(left) <= set(lab.refs()["VM"])


def test_a_live_vm_called_restore_is_saved_and_lives_on():
    with Lab(pool([vm("web1", size_mib=2), vm("RESTORE_web1", size_mib=2)], hosts=1)) as lab:
        before = lab.records("VM")[lab.vm_ref("RESTORE_web1")]
        disks = lab.disk_sums("RESTORE_web1")
        done = lab.run()
        assert done.returncode == 0, done.stderr
        assert set(lab.backups()) == {"web1", "RESTORE_web1"}
        after = lab.records("VM")[lab.vm_ref("RESTORE_web1")]
        assert after["uuid"] == before["uuid"] and after["power_state"] == before["power_state"]
        assert lab.disk_sums("RESTORE_web1") == disks
        lab.assert_clean()


def test_names_are_never_read_by_a_shell():
    names = ["; touch PWNED #", "$(touch PWNED)", "`touch PWNED`", "a' b\" $HOME", "-rf", "x\\ny"]
    with Lab(pool([vm(name, size_mib=2) for name in names], hosts=1)) as lab:
        done = lab.run(*[word for name in names for word in ("-x", f"not {name}")])
        assert done.returncode == 0, done.stderr
        metas = [path.read_text() for path in lab.store.glob("*/*.meta")]
        assert len(metas) == len(names)
        for name in names:
            assert sum(f"name_label={name}\n" in text for text in metas) == 1, name
        found = [path for path in lab.folder.rglob("*") if path.name == "PWNED"]
        assert found == []
        lab.assert_clean()
