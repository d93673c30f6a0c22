"""Keeps Python's garbage collector away from the tests that pytest has collected.

They are some 200 MB of objects that live as long as the process. The collector would look at them again and again while
they grow, and then at each of its full collections, of which some tests ask for two.
"""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collects the tests without the garbage collector, which never looks at what is there afterwards."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
