#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random patterns through Python's re.match and through our matcher.

Usage: differential.py MATCH_LINES [--patterns N] [--seed S]

Both must agree whether a pattern is good, and on every name. A pattern that we refuse by name
though Python takes it is counted, and must be one of the kinds in REFUSED.
"""
import argparse
import json
import random
import re
import subprocess
import sys
import warnings

warnings.simplefilter("ignore")

NAMES = ["", "a", "b", "ab", "abc", "aab", "ABC", "aA1_", "web1", "web-1", "web 1", "a b", "a\nb",
         "ab\n", "x.y", "1", "12", "a1b2", "é", "Éa", "Straße", "ſK", "ıI", "İi", "µΜ", "٣", "\u00a0",
         "a\u2028", "\x1c", "\u180e", "_-]", "[a]", "{a}", "a{2}", "a,b", "^a$", "\\a", "aaaa",
         "abab", "日本", "²", "Ⅷ", "a\u0301", "|", "()", "ba", "aba", "b\na", ":", "\t", "zZ9"]

REFUSED = ("not supported",)
ATOMS = list("abcABi1_ -.,:]}") + ["é", "ß", "İ", "ſ", "日"]
ESCAPES = ["\\d", "\\D", "\\s", "\\S", "\\w", "\\W", "\\b", "\\B", "\\A", "\\Z", "\\n", "\\t", "\\.",
           "\\-", "\\[", "\\]", "\\\\", "\\{", "\\:", "\\x41", "\\x{41}", "\\u0061", "\\U00000062",
           "\\101", "\\0", "\\012", "\\1", "\\2", "\\h", "\\R", "\\Q", "\\E", "\\z", "\\K", "\\G",
           "\\X", "\\N", "\\pL", "\\C", "\\g1", "\\g{1}", "\\k<n>", "\\c", "\\e", "\\8", "\\ud800",
           "\\é", "\\_"]
REPEATS = ["*", "+", "?", "{2}", "{1,2}", "{,3}", "{2,}", "{,}", "{0}", "{2,1}", "{", "{a}", "{ 1}",
           "{1,2", "{}", "{,a}"]
SUFFIXES = ["", "", "", "", "?", "+", "*"]
GROUPS = ["(%s)", "(%s)", "(?:%s)", "(?P<n>%s)", "(?P<m>%s)", "(?=%s)", "(?!%s)", "(?<=%s)",
          "(?<!%s)", "(?i:%s)", "(?s:%s)", "(?m:%s)", "(?x:%s)", "(?i-s:%s)", "(?-i:%s)", "(?>%s)",
          "(?#%s)", "(?(1)%s)", "(?(1)%s|b)", "(?(n)%s)", "(?|%s)", "(?'q'%s)", "(?<q>%s)", "(?R)%s",
          "(?&n)%s", "(?P=n)%s", "(?P>n)%s", "(?C)%s", "(*ACCEPT)%s", "(?im:%s)", "(?i)%s", "(?ii:%s)",
          "(?i-i:%s)", "(?u:%s)", "(?-:%s)"]
CLASS_ITEMS = list("abcz_ -.,[&|~^") + ["a-c", "A-Z", "0-9", "\\d", "\\D", "\\s", "\\S", "\\w", "\\W",
               "\\]", "\\-", "\\b", "\\n", "[:alpha:]", "[:^digit:]", "z-a", "a-\\d", "\\Q", "é",
               "\\x41", "\\101", "\\8", "à-ÿ", "&&", "--", "\\ud800", "İ", "i"]
STARTS = ["", "", "", "", "", "(?i)", "(?s)", "(?m)", "(?x)", "(?im)", "^", "(?i)(?s)", "(?u)"]


def one_class(rng):
    inside = "".join(rng.choice(CLASS_ITEMS) for _ in range(rng.randint(1, 4)))
    return rng.choice(["[", "[", "[^", "[]", "[^]"]) + inside + rng.choice(["]"] * 9 + [""])


def one_pattern(rng, depth=0):
    out = []
    for _ in range(rng.randint(0 if depth else 1, 4)):
        kind = rng.random()
        if kind < 0.40:
            item = rng.choice(ATOMS)
        elif kind < 0.50:
            item = "."
        elif kind < 0.64:
            item = rng.choice(ESCAPES)
        elif kind < 0.76:
            item = one_class(rng)
        elif kind < 0.80:
            item = rng.choice("^$|") if rng.random() < 0.95 else rng.choice("()")
        elif depth < 3:
            item = rng.choice(GROUPS) % one_pattern(rng, depth + 1)
        else:
            item = rng.choice(ATOMS)
        if rng.random() < 0.25:
            item += rng.choice(REPEATS) + rng.choice(SUFFIXES)
        out.append(item)
        if rng.random() < 0.08:
            out.append("|")
    return "".join(out)


def reference(pattern, names):
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return "bad " + str(error)
    return "".join("1" if compiled.match(name) else "0" for name in names)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--patterns", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    patterns = []
    while len(patterns) < args.patterns:
        pattern = rng.choice(STARTS) + one_pattern(rng)
        if pattern:
            patterns.append(pattern)
    lines = "".join(json.dumps([p] + NAMES) + "\n" for p in patterns)
    answer = subprocess.run([args.program], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    ours = answer.stdout.decode().split("\n")[:-1]
    if len(ours) != len(patterns):
        sys.exit("%d patterns, %d answers" % (len(patterns), len(ours)))
    counts = {"same": 0, "both refuse": 0, "refused by name": 0, "over the limits": 0}
    differs = 0
    for pattern, mine in zip(patterns, ours):
        theirs = reference(pattern, NAMES)
        if mine.startswith("bad") and theirs.startswith("bad"):
            counts["both refuse"] += 1
        elif "!" in mine:
            counts["over the limits"] += 1
        elif mine == theirs:
            counts["same"] += 1
        elif mine.startswith("bad") and any(kind in mine for kind in REFUSED):
            counts["refused by name"] += 1
        else:
            differs += 1
            if differs <= 20:
                print("DIFFERS %r\n  python %s\n  ours   %s" % (pattern, theirs, mine))
                if not mine.startswith("bad") and not theirs.startswith("bad"):
                    print("  on", [n for n, a, b in zip(NAMES, mine, theirs) if a != b])
    print("%d patterns: %s, differ: %d" % (
        len(patterns), ", ".join("%s: %d" % item for item in counts.items()), differs))
    if counts["same"] < len(patterns) // 10:
        sys.exit("too few good patterns: the generator is broken")
    sys.exit(1 if differs else 0)


if __name__ == "__main__":
    main()
