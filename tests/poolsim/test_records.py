# SPDX-License-Identifier: GPL-3.0-or-later
"""Every record of every class, by get_all_records and by events, has the fields, types and enum values of XAPI's data
model, and names only objects that are there: clients with typed records (Go, Java, C#, C) refuse anything else."""
import collections
import json
import os
import re

import pytest

from call_client import GONE, NULL, running, small_pool

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "../../../shared/xapi/datamodel.json")


# By get_all_records as by events; others were removed from calls, or end meanwhile.
ANSWERED = {"VM", "VM_metrics", "VM_guest_metrics", "VBD", "VDI", "VIF", "SR", "PBD", "PIF", "SM", "host", "pool",
            "host_metrics", "network", "console"}


class Model:
    """The data model, and what was seen not to fit it."""

    def __init__(self):
        with open(MODEL, encoding="utf-8") as file:
            classes = json.load(file)
        self.classes = {cls["name"]: {field["name"]: field["type"] for field in cls["fields"]} for cls in classes}
        self.by_lower = {name.lower(): name for name in self.classes}
        self.enums = {enum["name"]: {value["name"] for value in enum["values"]}
                      for cls in classes for enum in cls["enums"]}
        self.problems = set()
        self.references = collections.defaultdict(set)

    def scalar_fits(self, place, kind, value):
        if kind.startswith("enum "):
            return value in self.enums[kind[5:]]
        if kind.endswith(" ref"):
            if isinstance(value, str) and value != NULL:
                self.references[kind[:-4]].add((place, value))
            return isinstance(value, str) and value.startswith("OpaqueRef:")
        if kind == "datetime":
            return isinstance(value, str) and re.fullmatch(r"\d{8}T\d\d:\d\d:\d\dZ", value)
        if kind in ("int", "float"):
            return not isinstance(value, bool) and isinstance(value, (int,) if kind == "int" else (int, float))
        return isinstance(value, {"string": str, "bool": bool}[kind])

    def check(self, place, kind, value):
        pairs = re.fullmatch(r"\((.+?) -> (.+)\) map", kind)
        if pairs and isinstance(value, dict):
            for key, item in value.items():
                known = self.enums.get(pairs.group(1).removeprefix("enum "))
                if (known and key not in known) or (pairs.group(1) == "int" and not re.fullmatch(r"-?\d+", key)):
                    self.problems.add("%s: key %r" % (place, key))
                self.check(place + "{}", pairs.group(2), item)
        elif kind.endswith(" set") and isinstance(value, list):
            for item in value:
                self.check(place + "[]", kind[:-4].strip("()"), item)
        elif pairs or kind.endswith(" set") or not self.scalar_fits(place, kind, value):
            self.problems.add("%s: %r is no %s" % (place, value, kind))

    def check_record(self, cls, record):
        for name, value in record.items():
            if name in self.classes[cls]:
                self.check("%s.%s" % (cls, name), self.classes[cls][name], value)
            else:
                self.problems.add("%s.%s is unknown" % (cls, name))


def odd_pool(profile):
    """Something of everything that the profile has."""
    pool = small_pool(profile=profile, networks=[{"name": "LAN"}, {"name": "backup", "purpose": ["nbd"]}])
    odd = {"name": "odd", "power_state": "Suspended", "os": "Windows", "cd": {}, "blocked_operations": {"start": "no"},
           "disks": [{"device": "xvda", "size_mib": 2, "on_boot": "reset"}]}
    if profile not in ("ch82", "xs71"):
        odd["vtpm"] = "AAAA"
    if profile != "xs71":
        odd["vusb"] = True
    pool["vms"].append(odd)
    return pool


@pytest.mark.parametrize("profile", ["head", "xs8", "xcp83", "ch82", "xs71"])
def test_all_records_fit_the_data_model_and_name_what_is_there(profile):
    if not os.path.exists(MODEL):
        pytest.skip("SKIPPED: no data model at %s; the records were not compared with it" % MODEL)
    model = Model()
    with running(pool=odd_pool(profile)) as (_, call):
        call("VM.snapshot", call.find("web"), "one")
        call.wait(call("Async.VM.snapshot", call.find("web"), "two"))
        call("Async.VM.destroy", GONE)
        call("task.create", "mine", "")
        told = call("event.from", ["*"], "", 5.0)
        records = collections.defaultdict(dict)
        for event in told["events"]:
            assert event["operation"] == "add", event
            records[model.by_lower[event["class"]]][event["ref"]] = event["snapshot"]
        assert ANSWERED | {"task"} <= set(records)
        for cls, by_ref in records.items():
            if cls in ANSWERED:
                assert call(cls + ".get_all_records") == by_ref, cls
            if cls != "message":
                assert told["valid_ref_counts"][cls.lower()] == len(by_ref), cls
            if profile == "head":
                assert all(set(record) == set(model.classes[cls]) for record in by_ref.values()), cls
            for record in by_ref.values():
                model.check_record(cls, record)
        for cls, places in model.references.items():
            for place, ref in places:
                if ref not in records[cls]:
                    model.problems.add("%s names %s %s, which is not there" % (place, cls, ref))
    assert sorted(model.problems) == []
