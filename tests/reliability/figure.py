# SPDX-License-Identifier: GPL-3.0-or-later
"""What all commands that measure reliability share: arguments, the verdict, its JSON.

Goals are (name, value, goal, ok); the exit status is 0 only when all hold.
"""
import argparse
import json
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def use_binaries():
    """$ONYX_BIN, or the first build at hand; then the lab may be imported."""
    places = [os.environ.get("ONYX_BIN"), ROOT / "build" / "bin",
              ROOT / "build-tests-release" / "bin"]
    for place in filter(None, places):
        if all((pathlib.Path(place) / name).exists()
               for name in ("onyxpool", "onyxpool-agent", "poolsim")):
            os.environ["ONYX_BIN"] = str(place)
            break
    else:
        sys.exit("no onyxpool, onyxpool-agent and poolsim: build them, or set ONYX_BIN to their "
                 "folder")
    options = os.environ.get("ASAN_OPTIONS", "")
    os.environ["ASAN_OPTIONS"] = f"{options}:detect_leaks=0".lstrip(":")
    for folder in ("tests/e2e", "tests/poolsim", "tests/reliability"):
        sys.path.insert(0, str(ROOT / folder))


def parser(doc):
    made = argparse.ArgumentParser(description=doc.strip().split("\n")[0],
                                   formatter_class=argparse.RawDescriptionHelpFormatter,
                                   epilog="\n".join(doc.strip().split("\n")[1:]))
    made.add_argument("--json", metavar="FILE", help="write the figures there")
    made.add_argument("--seed", type=int, default=1, metavar="N")
    made.add_argument("--short", action="store_true", help="a sample, for every build")
    made.add_argument("--seconds", type=float, metavar="N", help="begin nothing new after so long")
    made.add_argument("--jobs", type=int, default=3, metavar="N", help="labs side by side")
    made.add_argument("-v", "--verbose", action="store_true")
    return made


class Figures:
    def __init__(self, name, args):
        self.name, self.args, self.begun = name, args, time.monotonic()
        self.rows = []
        self.more = {}  # what else stands in the JSON

    def add(self, name, value, goal=None, ok=True):
        self.rows.append({"name": name, "value": value, "goal": goal, "ok": bool(ok)})

    def end(self):
        """Print the table, write the JSON; gives the exit status."""
        took = round(time.monotonic() - self.begun, 1)
        for row in self.rows:
            goal = f"  goal {row['goal']}" if row["goal"] is not None else ""
            print(f"{'ok  ' if row['ok'] else 'BAD '} {row['name']}: {row['value']}{goal}")
        good = bool(self.rows) and all(row["ok"] for row in self.rows)
        print(f"{self.name}: {'all goals hold' if good else 'FAILED'}, seed {self.args.seed}, "
              f"{took} s, {time.strftime('%Y-%m-%d')}")
        if self.args.json:
            pathlib.Path(self.args.json).write_text(json.dumps(
                {"name": self.name, "date": time.strftime("%Y-%m-%d"), "seed": self.args.seed,
                 "short": self.args.short, "seconds": took, "ok": good, "figures": self.rows,
                 **self.more}, indent=2) + "\n")
        return 0 if good else 1
