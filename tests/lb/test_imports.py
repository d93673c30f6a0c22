"""What `import noidlb` and the commands that serve no connections load."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from tests.support.lb.seen import backend, farm
from tests.support.loading import loaded_after

# A guardian needs these; a command that a person or a script waits for does not.
OF_A_GUARDIAN = {"asyncio", "ssl", "logging", "concurrent.futures", "paramiko"}
# Each of them costs a tenth of what click costs, or more. What a command loads of them, it uses.
EXPENSIVE = {
    *("json", "socket", "pathlib", "dataclasses", "ipaddress", "tomllib", "hashlib", "subprocess", "tempfile"),
    *("shutil", "difflib", "shlex", "random", "gzip", "urllib.parse", *OF_A_GUARDIAN),
}
# What declares the commands, and ends them.
DECLARED = {
    *("noidlb", "noidlb.cli", "noidlb.errors", "noidlb.role", "noidlb.service", "noidlb.service.places"),
    *(f"noidlb.cli.{name}" for name in ("codes", "commands", "main", "names", "options", "output")),
}
SPOKEN = {"noidlb.cli.speak", "noidlb.service.client", "noidlb.service.protocol"}
FARM = """\
[farms.ftp]
protocol = "ftp"
vip = "192.0.2.10"
backends = [{ name = "b1", address = "10.0.1.11" }]
guardian = { command = "check_ftp -H HOST -p PORT" }
"""


def test_importing_the_package_loads_no_other_module_of_it() -> None:
    assert {name for name in loaded_after("import noidlb") if name.startswith("noidlb")} == {"noidlb"}


# A command that needs nft ends there, having loaded all that it uses.
WITHOUT_NFT = "import os; os.environ['PATH'] = ''\nfrom noidlb.nft import run\nrun._SYSTEM_PATH = ''\n"


def loaded_by(*command: str, first: str = "") -> set[str]:
    """What a command loads beyond click."""
    return loaded_after(
        f"{first}from noidlb.cli import main\nmain._run({command!r})",
        # With the first option click asks for the language, and it wraps the lines of its help.
        before="import click, locale, textwrap",
    )


def ours(loaded: set[str]) -> set[str]:
    return {name for name in loaded if name.partition(".")[0] == "noidlb"}


@contextmanager
def guardian(folder: Path, answer: object) -> Iterator[str]:
    """A guardian that says so to one request; yields the path of its socket."""
    path = str(folder / "control")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as lines:
                lines.readline()
                connection.sendall(json.dumps(answer).encode() + b"\n")

        thread = Thread(target=serve)
        thread.start()
        yield path
        thread.join(60)


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("drain", "--help"), ("no-such-command",), ()])
def test_what_only_prints_a_text_loads_the_declarations_alone(words: tuple[str, ...]) -> None:
    loaded = loaded_by(*words)
    # click's own: it asks for the width of the terminal, and for the nearest name.
    assert loaded & EXPENSIVE <= {"difflib", "shutil"}
    assert ours(loaded) == DECLARED


def test_an_override_that_a_guardian_takes_loads_its_client_alone(tmp_path: Path) -> None:
    with guardian(tmp_path, {"ok": True, "lines": ["backend ftp/b1: drain"]}) as path:
        loaded = loaded_by("drain", "ftp", "b1", "--socket", path)
    assert loaded & EXPENSIVE == {"json"}
    assert ours(loaded) == DECLARED | SPOKEN | {"noidlb.cli.operate"}


def test_the_status_of_a_guardian_loads_its_table_alone(tmp_path: Path) -> None:
    seen = farm("ftp", backend("b1", guardian=None))
    told = {**seen._asdict(), "backends": [one._asdict() for one in seen.backends]}
    answer = {"ok": True, "digest": "0" * 64, "sticky": {"4": [7, 262144]}, "status": {"version": 1, "farms": [told]}}
    with guardian(tmp_path, answer) as path:
        loaded = loaded_by("status", "--socket", path, "--run-dir", str(tmp_path))
    assert loaded & EXPENSIVE == {"json"}
    shown = {"noidlb.cli.status", "noidlb.cli.status_table", "noidlb.farm_status", "noidlb.service.lookup"}
    assert ours(loaded) == DECLARED | SPOKEN | shown


@pytest.mark.parametrize("words", [["check"], ["show"], ["diff"], ["status"], ["drain"], ["apply"]])
def test_a_command_without_a_guardian_loads_nothing_of_one(words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "farms.toml"
    file.write_text(FARM)
    where = ["--state-dir", str(tmp_path / "state")]
    rest = {
        "check": [str(file)],
        "show": [str(file), *where],
        "diff": [str(file), *where],
        "apply": [str(file), *where],
        "status": ["--file", str(file), *where],
        "drain": ["ftp", "b1", "--file", str(file), *where],
    }
    loaded = loaded_by(*words, *rest[words[0]], first=WITHOUT_NFT)
    assert "noidlb.config.load" in loaded
    assert loaded & OF_A_GUARDIAN == set()
    # Only doctor looks at other programs' rules, only pair writes the files of keepalived.
    assert (
        loaded & {"noidlb.doctor.machine", "noidlb.doctor.rules", "noidlb.pair.files", "noidlb.pair.keepalived"}
        == set()
    )


def test_a_change_without_a_guardian_loads_what_it_uses(tmp_path: Path) -> None:
    file = tmp_path / "farms.toml"
    file.write_text(FARM)
    where = ["--file", str(file), "--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "control")]
    loaded = loaded_by("drain", "ftp", "b1", *where, first=WITHOUT_NFT)
    used = {"tomllib", "json", "socket", "dataclasses", "ipaddress", "hashlib", "subprocess"}
    # Of a farms file with commands.
    assert loaded & EXPENSIVE <= used | {"shlex"}


def test_only_a_guardian_needs_them() -> None:
    assert OF_A_GUARDIAN - {"paramiko"} <= loaded_after("import noidlb.guardian.guardian")
