"""Tests of noidchecks.drivers.names."""

from __future__ import annotations

import select

import pytest

from noidchecks import NotResolved
from noidchecks.address import AF_INET, AF_UNSPEC, STREAM, Address
from noidchecks.drivers.names import look_up


def test_a_name_is_looked_up_in_the_background() -> None:
    job = look_up("localhost", 21, AF_INET, STREAM)
    try:
        assert select.select([job.fileno()], [], [], 20)[0]
        assert job.result() == (Address(AF_INET, ("127.0.0.1", 21)),)
    finally:
        job.close()


@pytest.mark.parametrize("name", ["\udcff", "é" * 70, "ü..example"])
def test_a_name_that_has_no_idna_form_is_not_resolved(name: str) -> None:
    job = look_up(name, 21, AF_UNSPEC, STREAM)
    try:
        assert select.select([job.fileno()], [], [], 20)[0]
        with pytest.raises(NotResolved, match="not a name"):
            job.result()
    finally:
        job.close()
