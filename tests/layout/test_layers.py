# SPDX-License-Identifier: GPL-3.0-or-later
"""The house stands as its plan says: includes point down the layers, libraries stay in their rooms.

Read from the sources themselves, so a wrong arrow fails here before anyone has to see it.
"""
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A layer may include itself and what is listed.
LAYERS = {
    "common/base": [],
    "common/model": ["common/base"],
    "common/format": ["common/base", "common/model"],
    "common/store": ["common/base", "common/model", "common/format"],
    "common/xapi": ["common/base", "common/model", "common/format"],
    "common/wire": ["common/base", "common/model", "proto"],
    "coordinator/policy": ["common/base", "common/model"],
    "coordinator": ["common/base", "common/model", "common/format", "common/store", "common/xapi",
                    "common/wire", "coordinator/policy"],
    "agent": ["common/base", "common/model", "common/format", "common/store", "common/xapi",
              "common/wire"],
    "tests/poolsim": ["common/base"],
}

# One room knows a library; the others know the room.
LIBRARY_ROOMS = {
    "nanomsg/": ["common/wire/link.c"],
    "protobuf-c/": [],
    "onyxpool.pb-c.h": ["common/wire/message"],
    "curl/": ["common/xapi/http.c", "coordinator/mail/mail.c"],
    "sqlite3.h": ["coordinator/catalog"],
    "sodium.h": ["common/wire/seal.c", "common/wire/key.c"],
    "pcre2.h": ["coordinator/policy/regex.c"],
    "zstd.h": ["common/format/"],
    "zlib.h": ["common/format/"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


def sources(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            yield path.relative_to(ROOT)


def layer_of(path):
    text = str(path)
    return max((layer for layer in LAYERS if text.startswith(layer + "/")), key=len, default=None)


def includes(path):
    return INCLUDE.findall((ROOT / path).read_text(encoding="utf-8"))


PRODUCT = list(sources("common", "coordinator", "agent", "tests/poolsim"))


def test_the_layers_are_there():
    assert {layer_of(path) for path in PRODUCT} >= set(LAYERS)


def wrong_arrows(path, names):
    layer = layer_of(path)
    allowed = LAYERS[layer] + [layer]
    for name in names:
        target = layer_of(pathlib.Path(name))
        if target is None:
            if name.split("/")[0] in ("common", "coordinator", "agent", "tests"):
                yield name
        elif target not in allowed:
            yield name


def test_includes_point_down_the_layers():
    wrong = [f"{path} includes {name}" for path in PRODUCT for name in
             wrong_arrows(path, includes(path))]
    assert not wrong, "\n".join(wrong)


def test_an_arrow_up_is_seen():
    assert list(wrong_arrows(pathlib.Path("common/base/str.c"), ["common/model/job.h"]))
    assert list(wrong_arrows(pathlib.Path("agent/main.c"), ["coordinator/catalog/catalog.h"]))
    assert list(wrong_arrows(pathlib.Path("coordinator/policy/place.c"), ["common/xapi/call.h"]))


def test_own_headers_are_rooted_at_the_repository():
    wrong = []
    for path in PRODUCT:
        for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', (ROOT / path).read_text(), re.M):
            if name.endswith(".pb-c.h"):
                continue
            if not (ROOT / name).exists():
                wrong.append(f"{path} includes \"{name}\"")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("library", sorted(LIBRARY_ROOMS))
def test_a_library_is_known_in_one_room_only(library):
    rooms = LIBRARY_ROOMS[library]
    wrong = [str(path) for path in sources("common", "coordinator", "agent")
             if any(name.startswith(library) for name in includes(path))
             and not any(str(path).startswith(room) for room in rooms)]
    assert not wrong, f"{library} is included by {wrong}"


def test_no_cycles_between_headers():
    graph = {str(path): [name for name in includes(path) if (ROOT / name).exists()]
             for path in PRODUCT if path.suffix == ".h"}
    done, busy = set(), []

    def visit(name):
        assert name not in busy, " -> ".join(busy + [name])
        if name in done or name not in graph:
            return
        busy.append(name)
        for target in graph[name]:
            visit(target)
        busy.pop()
        done.add(name)

    for name in graph:
        visit(name)


def test_every_header_compiles_alone():
    headers = [str(path) for path in sources("common", "coordinator", "agent")
               if path.suffix == ".h"]
    text = "".join(f'#include "{name}"\n' for name in headers)
    # Twice and one by one: guards hold, and nothing leans on what stood before it.
    for name in headers:
        run = subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-DONYX_VERSION=\"0\"", "-I",
                              str(ROOT), "-fsyntax-only", "-x", "c", "-"],
                             input=f'#include "{name}"\n#include "{name}"\n', text=True,
                             capture_output=True)
        assert run.returncode == 0, f"{name}: {run.stderr}"
    assert text


def test_every_file_says_its_licence_and_what_it_is():
    wrong = []
    for path in PRODUCT:
        head = (ROOT / path).read_text(encoding="utf-8").splitlines()[:3]
        if not head or "SPDX-License-Identifier: GPL-3.0-or-later" not in head[0]:
            wrong.append(f"{path}: no SPDX line")
        elif len(head) < 2 or not head[1].startswith("/*"):
            wrong.append(f"{path}: no module comment")
    assert not wrong, "\n".join(wrong)


POISON = re.compile(r"\b(sprintf|vsprintf|strcpy|strcat|strncpy|strncat|strtok|atoi|atol|atoll|gets"
                    r"|alloca)\s*\(")


def test_poisoned_functions_are_not_called():
    wrong = [f"{path}: {match.group(1)}" for path in PRODUCT
             for match in POISON.finditer((ROOT / path).read_text(encoding="utf-8"))]
    assert not wrong, "\n".join(wrong)
