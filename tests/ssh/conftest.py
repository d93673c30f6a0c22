"""Every way to run an SSH check, on both families."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from noidchecks import Result, SshProbe, check, check_async, survey


def through_asyncio(probe: SshProbe) -> Result:
    return asyncio.run(check_async(probe))


def through_survey(probe: SshProbe) -> Result:
    ((_, result),) = survey([probe])
    return result


@pytest.fixture(params=[check, through_asyncio, through_survey], ids=["poll", "asyncio", "survey"])
def run(request: pytest.FixtureRequest) -> Callable[[SshProbe], Result]:
    function: Callable[[SshProbe], Result] = request.param
    return function


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    address: str = request.param
    return address
