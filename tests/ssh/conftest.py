"""Every way to run an SSH check, on both families; a folder to serve, and a key to log in with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from noidchecks import Result, SshProbe, check, check_async, survey
from noidchecks.drivers.workers import prepare
from noidchecks.ssh.delegation import MODULE
from tests.support.ssh_logins import HELLO, KEY, Check


@pytest.fixture(autouse=True, scope="session")
def workers() -> None:
    """Starts the process that forks workers, which stays, before anybody counts what a test leaves."""
    prepare(MODULE)


def through_asyncio(probe: SshProbe) -> Result:
    return asyncio.run(check_async(probe))


def through_survey(probe: SshProbe) -> Result:
    ((_, result),) = survey([probe])
    return result


@pytest.fixture(params=[check, through_asyncio, through_survey], ids=["poll", "asyncio", "survey"])
def run(request: pytest.FixtureRequest) -> Check:
    function: Check = request.param
    return function


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    address: str = request.param
    return address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "hello.txt").write_bytes(HELLO)
    (root / "in").mkdir()
    return root


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "id"
    KEY.write_private_key_file(str(path))
    return path
