"""What is imported where, and when."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import noidchecks
from noidchecks.plugin.plugin import PLUGINS
from tests.support.loading import PACKAGE, ROOT, loaded_after
from tests.support.peers import Peer

# The folders of the protocols.
PROTOCOLS = sorted({module.split(".")[1] for module in PLUGINS.values()})
# Each of them costs a plugin more than its network traffic.
EXPENSIVE = {
    *("asyncio", "ssl", "logging", "dataclasses", "typing", "click", "paramiko", "cryptography"),
    *("enum", "re", "inspect", "socket", "selectors", "contextlib", "functools", "threading", "argparse", "json"),
}


# All that a plain check of an address loads: each module more costs it some 0.15 ms, a hundredth of its time. What only
# other checks need is imported where they need it.
PLAIN = {
    "noidchecks": ("address", "errors", "fields", "judging", "probe", "server", "timings", "value"),
    "noidchecks.dialogue": ("stream", "stream_operations"),
    "noidchecks.drivers": ("perform", "session", "sockets"),
    "noidchecks.ftp": ("dialogue", "findings", "judge", "options", "probe", "settings", "wire"),
    "noidchecks.plugin": ("common", "getopt", "main", "plugin"),
    "noidchecks.status": ("perfdata", "result", "state", "text"),
}


def test_a_plain_check_imports_nothing_expensive() -> None:
    with Peer(b"220 ready\r\n") as peer:
        words = ["check_ftp", "-H", peer.host, "-p", str(peer.port), "-w", "5", "-c", "10", "-t", "20"]
        loaded = loaded_after(
            f"from noidchecks.plugin.main import run\ncode, text = run('check_ftp', {words!r})\nassert code == 0, text"
        )
    assert "noidchecks.ftp.probe" in loaded
    assert loaded & EXPENSIVE == set()


def test_a_plain_check_imports_what_it_needs_and_nothing_more() -> None:
    with Peer(b"220 ready\r\n") as peer:
        words = ["check_ftp", "-H", peer.host, "-p", str(peer.port)]
        loaded = loaded_after(
            f"from noidchecks.plugin.main import run\ncode, text = run('check_ftp', {words!r})\nassert code == 0, text"
        )
    ours = {*PLAIN, *(f"{room}.{name}" for room, names in PLAIN.items() for name in names)}
    assert {name for name in loaded if name.startswith("noidchecks")} == ours
    # os is loaded by site.
    assert loaded - ours - loaded_after("import os") <= {"__future__", "_operator", "_socket", "errno", "select"}


def test_a_failing_check_imports_nothing_expensive() -> None:
    loaded = loaded_after(
        "from noidchecks.plugin.main import run\n"
        "code, text = run('check_ftp', ['check_ftp', '-H', '[x]', '-p', '1'])\nassert code == 2, text"
    )
    assert loaded & EXPENSIVE == set()


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_imports_nothing_expensive_and_no_other_protocol(name: str) -> None:
    loaded = loaded_after(
        f"from noidchecks.plugin.main import run\ncode, text = run({name!r}, [{name!r}, '-V'])\nassert code == 3, text"
    )
    own = PLUGINS[name].rpartition(".")[0]
    others = {f"noidchecks.{protocol}" for protocol in PROTOCOLS} - {own}
    assert loaded & EXPENSIVE == set()
    assert loaded & others == set()


def test_importing_the_package_loads_no_submodule() -> None:
    assert loaded_after("import noidchecks") == {"__future__", "noidchecks"}


def test_public_names_resolve() -> None:
    assert set(noidchecks.__all__) <= set(dir(noidchecks))
    for name in noidchecks.__all__:
        found = getattr(noidchecks, name)
        assert name == "__version__" or found.__name__ == name


def test_help_explains_every_setting_of_a_probe() -> None:
    # In docs/library.md, because all probes have them; and port needs no word.
    shared = {"port", "family", "source", "warning", "critical", "show_phases"}
    for probe in (noidchecks.FtpProbe, noidchecks.TftpProbe, noidchecks.SshProbe):
        explained = set(re.findall(r"\w+", probe.__doc__ or ""))
        assert set(probe._fields) - shared <= explained


def test_public_names_are_those_that_type_checkers_see() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    seen = {alias.asname for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen - {None} == set(noidchecks.__all__) - {"__version__"}


def test_public_names_are_written_out_as_they_are_loaded() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (written,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__"
    )
    # Type checkers evaluate nothing else: without it, `from noidchecks import *` has no names for them.
    assert ast.literal_eval(written) == ["__version__", *noidchecks._PUBLIC]


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'noidchecks' has no attribute 'nosuch'"):
        noidchecks.nosuch  # noqa: B018  # the look-up is the test


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert noidchecks.__version__ == project["version"]


def imports_of(path: Path) -> Iterator[str]:
    """Yields every absolute module that a file imports, wherever in it, but for type checkers only."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *(node.module.split(".") if node.module else ())))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "demo" not in path.relative_to(PACKAGE).parts)
# What knows no sockets.
DIALOGUES = [path for path in SOURCES if path.parent.name in PROTOCOLS or path.name == "dialogue.py"]


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def roots(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in imports_of(path)}


def test_the_walk_sees_imports() -> None:
    found = set(imports_of(PACKAGE / "drivers" / "sockets.py"))
    assert {"_socket", "noidchecks.address", "noidchecks.address.AF_INET"} <= found
    assert "noidchecks.drivers.session" not in set(imports_of(PACKAGE / "drivers" / "aio.py"))


@pytest.mark.parametrize("path", DIALOGUES, ids=names)
def test_a_protocol_imports_no_sockets(path: Path) -> None:
    # What paramiko gets, and what runs in a process of its own.
    allowed = (
        {"socket"}
        if names(path) in ("noidchecks/ssh/paramiko_/sockets.py", "noidchecks/ssh/paramiko_/worker.py")
        else set()
    )
    assert roots(path) & {"socket", "_socket", "asyncio", "select", "selectors", "subprocess"} <= allowed


@pytest.mark.parametrize("path", SOURCES, ids=names)
def test_foreign_things_are_imported_in_one_file(path: Path) -> None:
    found = roots(path)
    where = names(path)
    with_sockets = (
        *("noidchecks/drivers/" + name for name in ("sockets.py", "workers.py", "resolver.py")),
        "noidchecks/address.py",
    )
    assert "_socket" not in found or where in with_sockets
    assert "paramiko" not in found or where == "noidchecks/ssh/paramiko_/__init__.py"
    assert "click" not in found or where in ("noidchecks/cli.py", "noidchecks/command_group.py")
    assert found & {"lb", "tests", "integration"} == set()


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parent.name == "drivers"], ids=names)
def test_a_driver_knows_no_protocol(path: Path) -> None:
    protocols = {f"noidchecks.{protocol}" for protocol in PROTOCOLS}
    assert not [module for module in imports_of(path) if ".".join(module.split(".")[:2]) in protocols]
