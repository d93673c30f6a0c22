"""Why a program cannot be run is found out before it is run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from noidlb.guardian import executable
from noidlb.guardian.executable import trouble


def program(folder: Path, head: bytes, *, mode: int = 0o755) -> str:
    path = folder / "check_own"
    path.write_bytes(head)
    path.chmod(mode)
    return str(path)


def can_run(path: str) -> bool:
    try:
        subprocess.run([path], capture_output=True, check=False)
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("head", "mode", "expected"),
    [
        (b"#!/bin/sh\nexit 0\n", 0o755, None),
        (b"#! /bin/sh -e\nexit 0\n", 0o755, None),
        (b"#!/usr/bin/env sh\nexit 0\n", 0o755, None),
        (Path("/bin/true").read_bytes(), 0o755, None),
        (b"#!/bin/sh\n", 0o644, "is not executable"),
        (b"#!/no/such/interpreter\n", 0o755, "needs the interpreter /no/such/interpreter, which is missing"),
        (b"#!/usr/bin/env no-such-python\n", 0o755, "needs the interpreter no-such-python, which is missing"),
        (b"#!/etc/passwd\n", 0o755, "needs the interpreter /etc/passwd"),
        (b"#!/bin\n", 0o755, "needs the interpreter /bin"),
        (b"#!\n", 0o755, "names no interpreter"),
        (b"echo no shebang\n", 0o755, "neither a binary nor a script"),
        (b"", 0o755, "neither a binary nor a script"),
    ],
)
def test_says_why_a_program_cannot_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes, mode: int, expected: str | None
) -> None:
    monkeypatch.setattr(executable, "_has_other_formats", lambda: False)
    path = program(tmp_path, head, mode=mode)
    found = trouble(path)
    if expected is None:
        assert found is None
        assert can_run(path)
    else:
        assert found is not None
        assert expected in found


def test_says_why_there_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/no/such/target")
    assert trouble("/no/such/plugin") == "there is no program /no/such/plugin"
    assert trouble(str(tmp_path)) == f"{tmp_path} is a directory"
    assert trouble(str(tmp_path / "link")) == f"{tmp_path}/link is a link to a program that does not exist"
    assert "must be a path that begins with /" in str(trouble("plugins/check_own"))
    assert str(trouble("chek_ftp")).endswith("did you mean check_ftp?")
    assert "there is no program no-such-thing-anywhere" in str(trouble("no-such-thing-anywhere"))
    assert trouble("/dev/null") == "/dev/null is no file"


def test_a_program_that_may_be_run_but_not_read_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path, b"#!/bin/sh\n", mode=0o755)

    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(executable, "open", refuse, raising=False)
    assert trouble(path) is None
