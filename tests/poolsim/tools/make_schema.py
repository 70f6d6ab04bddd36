#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make schema_ids.h, schema_fields.c, schema_messages.c and schema_enums.c of the simulated pool.

Reads XAPI's data model (datamodel.json, as xapi's own build writes it) and the recorded answer of
system.listMethods, which also names the messages that the data model hides. Run by hand when the
data model changes; the build uses the files that are committed.

    make_schema.py DATAMODEL.json LISTMETHODS.rep OUTPUT_FOLDER
"""
import json
import re
import sys

NAMED = """rio miami symc orlando orlando-update-1 george midnight-ride cowley boston tampa clearwater
vgpu-tech-preview vgpu-productisation clearwater-felton clearwater-whetstone creedence cream indigo
dundee ely falcon inverness jura kolkata lima naples quebec stockholm stockholm_psr""".split()

# Back references that XAPI keeps by relation: set field <- ref field of the other class.
RELATIONS = """
VM.VBDs VBD.VM|VDI.VBDs VBD.VDI|SR.VDIs VDI.SR|SR.PBDs PBD.SR|host.PBDs PBD.host|VM.VIFs VIF.VM
network.VIFs VIF.network|network.PIFs PIF.network|host.PIFs PIF.host|VM.snapshots VM.snapshot_of
VM.children VM.parent|VDI.snapshots VDI.snapshot_of|host.resident_VMs VM.resident_on
host.host_CPUs host_cpu.host|session.tasks task.session|VM.consoles console.VM|VM.VUSBs VUSB.VM
VM.VTPMs VTPM.VM|VM.VGPUs VGPU.VM|VM_appliance.VMs VM.appliance|task.subtasks task.subtask_of
VDI.crash_dumps crashdump.VDI|VM.crash_dumps crashdump.VM|host.crashdumps host_crashdump.host
VMSS.VMs VM.snapshot_schedule|host.PCIs PCI.host|Bond.slaves PIF.bond_slave_of
""".replace("\n", "|").split("|")

MODEL = []
HIDDEN_FIELDS = {"task": (("session", "session ref"), ("is_cancellable", "bool")), "VTPM": (("contents", "string"),)}
# Messages that the data model hides: arguments and result.
HIDDEN_MESSAGES = {
    "VBD.unplug_force_no_safety_check": ((("self", "VBD ref"),), "void"),
    "VTPM.get_contents": ((("self", "VTPM ref"),), "string"),
    "VTPM.set_contents": ((("self", "VTPM ref"), ("contents", "string")), "void"),
}
NO_EVENTS = {"session", "event", "auth", "role", "user", "data_source", "sr_stat", "probe_result",
             "vdi_nbd_server_info", "LVHD"}
NO_ASYNC = {"session", "event", "task", "data_source", "blob", "system", "VDI.get_nbd_info"}

HEAD = """/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Made by tools/make_schema.py from XAPI's data model; not edited by hand.
 *
 * %s
 */
"""


# Enums start as their first member, and these fields as XAPI's own defaults say.
DEFAULTS = {
    "VM.actions_after_softreboot": "soft_reboot", "VM.actions_after_shutdown": "destroy",
    "VM.actions_after_reboot": "restart", "VM.actions_after_crash": "restart",
    "VM.domain_type": "unspecified", "VM.generation_id": "", "VM.HVM_boot_policy": "",
    "VM.secureboot_certificates_state": "ok", "VM.power_state": "Halted",
    "VM_metrics.current_domain_type": "unspecified",
    "VM_guest_metrics.can_use_hotplug_vbd": "unspecified",
    "VM_guest_metrics.can_use_hotplug_vif": "unspecified",
    "VDI.on_boot": "persist", "VDI.type": "user", "VBD.mode": "RW", "VBD.type": "Disk",
    "VIF.locking_mode": "network_default", "VIF.ipv4_configuration_mode": "None",
    "VIF.ipv6_configuration_mode": "None", "network.default_locking_mode": "unlocked",
    "task.type": "<none/>", "task.backtrace": "()", "task.status": "pending",
    "host.display": "enabled", "host.sched_policy": "credit", "PIF.igmp_snooping_status": "unknown",
    "PIF.ip_configuration_mode": "DHCP", "PIF.ipv6_configuration_mode": "None",
    "PIF.primary_address_type": "IPv4", "host.latest_synced_updates_applied": "unknown",
    "host.numa_affinity_policy": "default_policy", "host.ntp_mode": "Factory",
    "pool.telemetry_frequency": "weekly", "pool.update_sync_frequency": "weekly",
}


def release(name):
    """A number that orders releases: named ones up to 8.2, then xapi's own versions."""
    if name in NAMED:
        return NAMED.index(name)
    numbers = [int(n) for n in re.findall(r"\d+", name)[:3]]
    while len(numbers) < 3:
        numbers.append(0)
    return numbers[0] * 1000000 + numbers[1] * 1000 + numbers[2]


def lifecycle(item, *states):
    found = [release(t["release"]) for t in item["lifecycle"]["transitions"]
             if t["transition"] in states]
    return min(found) if found else 0


def simple(text):
    """Kind and class or enum name of a type that is no set or map."""
    if text in ("string", "int", "float", "bool"):
        return {"string": "TEXT"}.get(text, text.upper()), ""
    if text == "datetime":
        return "DATE", ""
    if text.endswith(" record"):
        return "RECORD", text[:-7]
    if text.endswith(" ref"):
        return "REF", text[:-4]
    if text.startswith("enum "):
        return "ENUM", text[5:]
    if text.endswith(" option"):
        return "OPTION", simple(text[:-7])[1]
    if text.endswith(" set"):
        return "SET", simple(text[:-4])[1]
    if text == "an event batch":
        return "RECORD", "event_batch"
    if text == "void":
        return "VOID", ""
    raise SystemExit("unknown type " + text)


def type_row(text):
    found = re.match(r"\((.*?) -> (.*)\) map$", text)
    if found and found.group(2).endswith(" map"):
        return "{KIND_MAP, KIND_MAP, KIND_%s, \"\"}" % simple(found.group(1))[0]
    if found:
        key, item = simple(found.group(1)), simple(found.group(2))
        return "{KIND_MAP, KIND_%s, KIND_%s, \"%s\"}" % (item[0], key[0], item[1] or key[1])
    if text.endswith(" set"):
        inner = text[:-4]
        if inner.startswith("(") or inner.endswith(" set"):
            return "{KIND_SET, KIND_%s, KIND_VOID, \"\"}" % ("MAP" if inner.endswith("map") else "SET")
        kind, name = simple(inner)
        return "{KIND_SET, KIND_%s, KIND_VOID, \"%s\"}" % (kind, name)
    if text.endswith(" option"):
        kind, name = simple(text[:-7])
        return "{KIND_OPTION, KIND_%s, KIND_VOID, \"%s\"}" % (kind, name)
    kind, name = simple(text)
    return "{KIND_%s, KIND_VOID, KIND_VOID, \"%s\"}" % (kind, name)


def main():
    model = json.load(open(sys.argv[1], encoding="utf-8"))
    MODEL.extend(model)
    with open(sys.argv[2], "rb") as file:
        listed = json.loads(file.read().split(b"\r\n\r\n", 1)[1])["result"]
    out = sys.argv[3]
    # What is there in XAPI's database and not in its records.
    for cls in model:
        for name, kind in HIDDEN_FIELDS.get(cls["name"], ()):
            cls["fields"].append({"name": name, "type": kind, "qualifier": "RO/runtime",
                                  "hidden": True, "lifecycle": {"transitions": []}})
    classes = {c["name"]: c for c in model}
    relations = {}
    for pair in RELATIONS:
        if pair.strip():
            many, one = pair.split()
            relations[one] = many
    ids(model, out)
    fields(model, classes, relations, listed, out)
    messages(model, listed, out)
    enums(model, out)


def ids(model, out):
    with open(out + "/schema_ids.h", "w", encoding="utf-8") as file:
        file.write(HEAD % "Numbers of classes and fields: a field is its class * 256 + its place.")
        file.write("#ifndef ONYX_TESTS_POOLSIM_SCHEMA_IDS_H\n#define ONYX_TESTS_POOLSIM_SCHEMA_IDS_H\n\n")
        file.write("enum class_id {\n")
        for cls in model:
            file.write("    CLASS_%s,\n" % cls["name"])
        file.write("    CLASSES_N\n};\n\nenum field_id {\n")
        for number, cls in enumerate(model):
            for place, field in enumerate(cls["fields"]):
                file.write("    F_%s_%s = %d,\n" % (cls["name"], field["name"], number * 256 + place))
        file.write("    F_NONE = 65535\n};\n\n#endif\n")


def default_text(cls, field):
    if field["type"].startswith("enum ") and not field["type"].endswith((" set", " map")):
        members = [e["values"] for c in MODEL for e in c["enums"] if e["name"] == field["type"][5:]]
        return DEFAULTS.get(cls["name"] + "." + field["name"], members[0][0]["name"])
    if field["type"].endswith(" ref"):
        return "OpaqueRef:NULL"
    if field["type"] == "datetime":
        return "19700101T00:00:00Z"
    return DEFAULTS.get(cls["name"] + "." + field["name"], "")


def fields(model, classes, relations, listed, out):
    with open(out + "/schema_fields.c", "w", encoding="utf-8") as file:
        file.write(HEAD % "Fields of every class with type, access and release.")
        file.write('#include "tests/poolsim/schema_tables.h"\n\n/* clang-format off */\n')
        for cls in model:
            if not cls["fields"]:
                continue
            file.write("static const struct field fields_%s[] = {\n" % cls["name"])
            for field in cls["fields"]:
                access = {"RW": "RW", "RO/constructor": "STATIC_RO",
                          "RO/runtime": "DYNAMIC_RO"}[field["qualifier"]]
                many = relations.get(cls["name"] + "." + field["name"])
                back = "F_" + many.replace(".", "_") if many else "F_NONE"
                file.write('    {"%s", %s, ACCESS_%s, %d, %s, %s, "%s"},\n' % (
                    field["name"], type_row(field["type"]), access,
                    lifecycle(field, "published", "prototyped"), back,
                    "true" if field.get("hidden") else "false",
                    default_text(cls, field)))
            file.write("};\n\n")
        file.write("const struct class_schema schema_classes[CLASSES_N] = {\n")
        for cls in model:
            name = cls["name"]
            rows = "fields_%s" % name if cls["fields"] else "NULL"
            file.write('    {"%s", %s, %d, %s, %s, %d},\n' % (
                name, rows, len(cls["fields"]), "false" if name in NO_EVENTS else "true",
                "true" if name + ".get_all_records" in listed else "false",
                lifecycle(cls, "published", "prototyped")))
        file.write("};\n")


def has_async(name, implicit):
    """Calls that XAPI makes by itself have none, but for create and destroy."""
    cls, message = name.split(".", 1)
    return cls not in NO_ASYNC and name not in NO_ASYNC and (not implicit or message in ("create", "destroy"))


def messages(model, listed, out):
    known = {}
    for cls in model:
        for message in cls["messages"]:
            known[cls["name"] + "." + message["name"]] = (cls, message)
    with open(out + "/schema_messages.c", "w", encoding="utf-8") as file:
        file.write(HEAD % "Messages in the order in which system.listMethods gives them.")
        file.write('#include "tests/poolsim/schema_tables.h"\n\n/* clang-format off */\n')
        rows = []
        params = {}
        for name in listed:
            cls, message = known.get(name, (None, None))
            if message is None:
                arguments = []
                session = name != "session.slave_login"
                if name.endswith("_where"):
                    arguments = [{"name": "expr", "type": "string", "required": True}]
                result, since, removed, implicit = "void", 0, 0, name not in HIDDEN_MESSAGES
                if name in HIDDEN_MESSAGES:
                    hidden_arguments, result = HIDDEN_MESSAGES[name]
                    arguments = [{"name": n, "type": t, "required": True} for n, t in hidden_arguments]
                if name.endswith(".get_all_where"):
                    result = name.split(".")[0] + " ref set"
                elif name.endswith(".get_all_records_where"):
                    result = "(%s ref -> %s record) map" % ((name.split(".")[0],) * 2)
                base = [c for c in model if c["name"] == name.split(".")[0]]
                if base:
                    since = lifecycle(base[0], "published", "prototyped")
            else:
                arguments = [p for p in message["params"] if p["name"] != "session_id"]
                session = len(arguments) != len(message["params"])
                result = message["result"][0] if message.get("result") else "void"
                since = max(lifecycle(message, "published", "prototyped"),
                            lifecycle(cls, "published", "prototyped"))
                # Setters of task.other_config were made from the field until they got a check of
                # who calls in 25.8; they are as old as the field.
                if re.fullmatch(r"task\.(set|add_to|remove_from)_other_config", name):
                    since = max(lifecycle(f, "published") for f in cls["fields"]
                                if f["name"] == "other_config")
                removed = lifecycle(message, "removed")
                implicit = bool(message.get("implicit"))
            row = ", ".join('{"%s", %s, %s}' % (p["name"], type_row(p["type"]),
                                                 "true" if p["required"] else "false")
                            for p in arguments)
            if row and row not in params:
                params[row] = "params_%d" % len(params)
            hidden = message is None
            rows.append('    {"%s", %s, %d, %d, %s, %d, %d, %s, %s, %s, %s},\n' % (
                name, params[row] if row else "NULL", len(arguments),
                sum(1 for p in arguments if p["required"]), type_row(result), since,
                removed, "true" if session else "false",
                "true" if has_async(name, implicit) else "false",
                "true" if implicit else "false", "true" if hidden else "false"))
        for row, name in params.items():
            file.write("static const struct param %s[] = {%s};\n" % (name, row))
        file.write("\nconst struct message schema_messages[] = {\n" + "".join(rows) + "};\n")
        file.write("const size_t schema_messages_count = sizeof schema_messages / sizeof *schema_messages;\n")


def enums(model, out):
    found = {}
    for cls in model:
        for enum in cls["enums"]:
            found[enum["name"]] = [v["name"] for v in enum["values"]]
    with open(out + "/schema_enums.c", "w", encoding="utf-8") as file:
        file.write(HEAD % "Members of every enum, each text ended by a space.")
        file.write('#include "tests/poolsim/schema_tables.h"\n\n/* clang-format off */\n')
        file.write("const struct enum_row schema_enums[] = {\n")
        for name in sorted(found):
            file.write('    {"%s", " %s "},\n' % (name, " ".join(found[name])))
        file.write("    {NULL, NULL},\n};\n")


if __name__ == "__main__":
    main()
