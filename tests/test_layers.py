"""The order of the house: no circle of imports, and each room imports only from rooms below it.

Every import counts: at the top of a module, inside a function, and for types alone. What one module names to load it
later (the plugins in `plugin/plugin.py`, the public names in `__init__.py`) is no import: that is how the bottom
reaches the top on demand.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import noidlb
import pytest

import noidchecks
from noidchecks.plugin.plugin import PLUGINS

HOUSES = {"noidchecks": Path(noidchecks.__file__).parent, "noidlb": Path(noidlb.__file__).parent}

# From the bottom to the top: a room imports nothing from its own row but itself, and nothing from above. A module of a
# room may have a row of its own.
LAYERS = {
    "noidchecks": [
        [
            "value",
            "duration",
            "timings",
            "regular",
            "atomic",
            "exposition",
            "status.state",
            "status.text",
        ],
        ["address", "page", "systemd"],
        ["errors"],
        ["fields"],
        ["status"],
        ["server"],
        ["dialogue", "descriptors"],
        ["contract", "drivers", "judging"],
        ["probe"],
        ["batch"],
        ["plugin"],
        ["files"],
        # The protocols.
        sorted({module.split(".")[1] for module in PLUGINS.values()}),
        ["exporter", "surveys"],
        ["install", "command_group"],
        ["demo"],
        ["cli"],
        ["__main__"],
    ],
    "noidlb": [
        ["errors", "events", "role"],
        ["guard", "address"],
        ["farm"],
        ["overrides"],
        ["config"],
        ["nft"],
        ["guardian"],
        ["pair", "farm_status"],
        ["status"],
        ["service", "doctor"],
        ["cli"],
    ],
}


def modules_of(house: str) -> dict[str, Path]:
    """Returns the file of each module by its dotted name."""
    folder = HOUSES[house]
    found = {}
    for path in folder.rglob("*.py"):
        words = path.relative_to(folder).with_suffix("").parts
        found[".".join((house, *(words[:-1] if words[-1] == "__init__" else words)))] = path
    return found


def imports_in(module: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Returns the modules of the same house that a module imports anywhere in its text."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            names = {f"{source}.{alias.name}" for alias in node.names}
            found |= {name if name in known else source for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name in known and name != module}


def graph_of(house: str) -> dict[str, set[str]]:
    known = modules_of(house)
    return {module: imports_in(module, path, known) for module, path in known.items()}


def room_of(house: str, module: str) -> str:
    """Returns the module's row in LAYERS, "" for the package's own file."""
    inner = module.partition(".")[2]
    return inner if any(inner in rooms for rooms in LAYERS[house]) else inner.partition(".")[0]


@pytest.mark.parametrize("house", list(HOUSES))
def test_no_circle_of_imports(house: str) -> None:
    graph = graph_of(house)
    # The package's own file imports public names for type checkers only; they are loaded when they are asked for.
    graph[house] = set()
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


@pytest.mark.parametrize("house", list(HOUSES))
def test_a_room_imports_only_from_below(house: str) -> None:
    floor = {room: number for number, rooms in enumerate(LAYERS[house]) for room in rooms}
    wrong = []
    for module, targets in sorted(graph_of(house).items()):
        room = room_of(house, module)
        if not room:
            continue
        assert room in floor, f"{module} is in no layer of this test"
        for target in sorted(targets):
            other = room_of(house, target)
            if other and other != room and floor[other] >= floor[room]:
                wrong.append(f"{module} imports {target}")
    assert wrong == []


def test_the_core_of_the_balancer_imports_nothing_else() -> None:
    core = {"farm", "address", "guard", "overrides", "events", "errors", "role", "config", "nft", "guardian"}
    rooms = {(module.split(".")[1:2] or [""])[0] for module in graph_of("noidlb")}
    assert core <= rooms
    for module, targets in graph_of("noidlb").items():
        if (module.split(".")[1:2] or [""])[0] in core:
            assert {target.split(".")[1] for target in targets if "." in target} <= core, module
