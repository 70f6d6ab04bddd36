# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers as real toolstacks, proxies and other releases give them, in front of the simulated pool."""
import json
import re

import pytest

from lab import pool, vm
from xapi_proxy import Proxied


def two_vms(**more):
    return pool([vm("a", size_mib=4), vm("b", "h2", sr="local-h2", size_mib=4)], hosts=2, **more)


@pytest.mark.parametrize("frame", ["plain", "chunked", "old", "close", "dying", "bare"])
def test_every_framing_of_answers_is_understood(frame):
    with Proxied(two_vms(), frame=frame) as lab:
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert set(lab.backups()) == {"a", "b"}
        asked = lab.calls()
        lab.assert_clean()
        # Nothing that changes the pool was asked twice.
        assert asked.count("Async.VM.snapshot") == 2 and asked.count("Async.VM.destroy") in (0, 2)


# --- what stands in records -------------------------------------------------------------------------

DEAD = "OpaqueRef:deadbeef-0000-0000-0000-000000000000"
OLDER = {"VM": ["VUSBs", "VTPMs", "NVRAM", "domain_type", "is_default_template", "blocked_operations", "tags"],
         "VDI": ["cbt_enabled", "is_tools_iso", "on_boot", "tags"], "SM": ["features"], "pool": ["tags"],
         "host": ["control_domain", "features", "editions"], "network": ["purpose", "managed"],
         "VBD": ["other_config"], "task": ["backtrace", "subtasks"], "SR": ["clustered", "is_tools_sr"]}


def walk(value, change):
    """The value with every scalar in it changed."""
    if isinstance(value, dict):
        return {key: walk(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [walk(item, change) for item in value]
    return change(value)


def records(change):
    """A tamper that changes every record of every class by change(class, record)."""
    def tamper(method, result):
        cls, _, name = method.partition(".")
        if name == "get_record":
            return change(cls, dict(result))
        if name == "get_all_records":
            return {ref: change(cls, dict(record)) for ref, record in result.items()}
        if method == "event.from":
            return dict(result, events=[dict(event, snapshot=change(event["class"], dict(event["snapshot"])))
                                        if "snapshot" in event else event for event in result["events"]])
        return result
    return tamper


def as_texts(_, record):
    """Numbers and booleans as XML-RPC's bridges give them."""
    return walk(record, lambda value: value if isinstance(value, str) or value is None else str(value).lower())


def no_numbers(method, result):
    """Floats as OCaml prints them, and an integer beyond 64 bits."""
    if not method.endswith("get_all_records"):
        return result
    text = re.sub(r'"(HVM_shadow_multiplier|progress)": [0-9.e-]+',
                  r'"\1": nan, "a": Infinity, "b": -inf, "c": 1e999, "d": 01, "e": 99999999999999999999', json.dumps(result))
    return b'{"jsonrpc":"2.0","result":%s,"id":1}' % text.encode()


def newer(cls, record):
    """Members, operations and enum values that no release has yet."""
    record = dict(record, brand_new={"a": [1, {"b": None}]}, nothing=None)
    if "allowed_operations" in record:
        record["allowed_operations"] = ["levitate"] + record["allowed_operations"]
    if cls == "VM" and not record["is_control_domain"]:
        record["power_state"] = "Frozen"
    if cls == "VDI":
        record["type"] = "holographic"
    return record


def older(cls, record):
    return {name: value for name, value in record.items() if name not in OLDER.get(cls, [])}


def dangling(cls, record):
    """References to what vanished between two calls."""
    for name in {"VM": ["VBDs", "VIFs", "snapshots"], "SR": ["PBDs", "VDIs"], "VDI": ["VBDs"]}.get(cls, []):
        record[name] = record[name] + [DEAD]
    record.update({"VM": {"guest_metrics": DEAD, "affinity": DEAD}, "VIF": {"network": DEAD}}.get(cls, {}))
    return record


def odd_texts(cls, record):
    """Maps full of odd keys, hosts with IPv6 addresses of a link, times without a zone."""
    if "other_config" in record:
        odd = {"": "empty", "a\nb": "c\r\nd", "=": "=", "%0A": "%", "\u00e9": "\U0001f600", "k" * 5000: "v" * 70000,
               "onyxpool": "garbage/////", "onyxpool_lease_x": "y", "onyxpool_lease_": "z"}
        record["other_config"] = dict(record["other_config"], **odd, **{"n%d" % n: "x" for n in range(3000)})
    if cls == "host":
        record["address"] = "fe80::%x%%eth0" % len(record["name_label"])
    return walk(record, lambda value: value[:-1] if re.fullmatch(r"\d{8}T[\d:]{8}Z", str(value)) else value)


def nameless(cls, record):
    """What only says a word of a VM, or nothing: no uuid, or no record at all."""
    if cls in ("VIF", "VBD", "PBD"):
        return {name: value for name, value in record.items() if name != "uuid"}
    return "" if cls in ("network", "VM_guest_metrics", "SM") else record


def no_interface(cls, record):
    return [] if cls == "VIF" else record


def odd_events(method, result):
    """Numbers for texts, no counts; results of tasks with blanks between their elements."""
    if method != "event.from":
        return result
    for event in result["events"]:
        if event["class"] == "task" and "snapshot" in event:
            event["snapshot"].update(result=event["snapshot"]["result"].replace("><", ">\n  <"), progress=None)
    return dict(result, events=[dict(event, id=int(event["id"]), timestamp=0, obj_uuid=None)
                                for event in result["events"]], valid_ref_counts=None)


def no_snapshots(method, result):
    """Events without their records: the object was gone when they were written."""
    if method != "event.from":
        return result
    return dict(result, events=[{key: value for key, value in event.items() if key != "snapshot"}
                                for event in result["events"]])


@pytest.mark.parametrize("tamper", [records(as_texts), no_numbers, records(newer), records(older), records(dangling),
                                    records(odd_texts), records(nameless), records(no_interface),
                                    odd_events, no_snapshots],
                         ids=["as_texts", "no_numbers", "newer", "older", "dangling", "odd_texts", "nameless", "no_interface",
                              "odd_events", "no_snapshots"])
def test_odd_records_of_other_releases_do_no_harm(tamper):
    with Proxied(two_vms(), tamper=tamper) as lab:
        done = lab.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert set(lab.backups()) == {"a", "b"} and lab.report()["warnings"] == []
        lab.assert_clean()
