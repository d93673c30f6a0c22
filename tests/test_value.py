"""Tests of noidchecks.value."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from noidchecks import FtpProbe, Range, UsageError
from noidchecks.value import Value


class Point(Value):
    x: int
    y: int

    def __init__(self, x: int, y: int = 0) -> None:
        if x < 0:
            raise ValueError("x must not be negative")
        self._fill(locals())


class Place(Point):
    """Another class with the same fields."""


class Solid(Point):
    z: int

    def __init__(self, x: int, y: int = 0, z: int = 0) -> None:
        self._fill(locals())


def test_the_annotations_are_the_fields_and_nothing_else_has_room() -> None:
    assert Point._fields == ("x", "y")
    assert Solid._fields == ("x", "y", "z")
    assert Solid(1, 2, 3).replace(y=4) == Solid(1, 4, 3)
    assert not hasattr(Solid(1), "__dict__")


class Named(Point):
    name: str

    def __init__(self, x: int, *, name: str) -> None:
        super().__init__(x)


class OwnedProbe(FtpProbe):
    owner: str


@pytest.mark.parametrize("make", [lambda: Named(1, name="a"), lambda: OwnedProbe("ftp.example.net")])
def test_a_base_cannot_set_the_field_that_a_subclass_adds(make: Callable[[], Value]) -> None:
    with pytest.raises(TypeError, match=r"^(Named|OwnedProbe) has a field of its own, (name|owner), which the constr"):
        make()


def test_values_are_equal_when_all_fields_are() -> None:
    assert Point(1, 2) == Point(1, 2)
    assert Point(1, 2) != Point(1, 3)
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert len({Point(1), Point(1, 0), Point(2)}) == 2


def test_values_of_other_classes_are_not_equal() -> None:
    assert Range(1, 2) != Point(1, 2)
    assert Point(1, 2) != (1, 2)
    assert Point(1) != Place(1)


def test_values_are_frozen() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="Point is frozen: x cannot be set"):
        point.x = 2
    with pytest.raises(AttributeError, match="Point is frozen: x cannot be deleted"):
        del point.x
    with pytest.raises(AttributeError, match="frozen"):
        point.z = 3
    assert point == Point(1)


def test_a_value_shows_its_fields() -> None:
    assert repr(Point(1, 2)) == "Point(x=1, y=2)"


def test_replace_changes_a_copy() -> None:
    point = Point(1, 2)
    assert point.replace(y=3) == Point(1, 3)
    assert point == Point(1, 2)


def test_replace_validates() -> None:
    with pytest.raises(ValueError, match="negative"):
        Point(1).replace(x=-1)
    with pytest.raises(TypeError):
        Point(1).replace(z=1)
    with pytest.raises(UsageError):
        FtpProbe().replace(port=0)


def test_values_can_be_copied_and_pickled() -> None:
    """As any program that hands them to another process does."""
    probe = FtpProbe("localhost", warning=Range(0, 1))
    assert copy.copy(probe) == copy.deepcopy(probe) == probe
    assert pickle.loads(pickle.dumps(probe)) == probe
