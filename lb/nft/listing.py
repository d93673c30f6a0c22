"""Reads nft's listing of the noidlb table back into a Table value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from itertools import takewhile
from typing import Any

from ..config.mark_layout import Layout
from .shape import Shape, shape_of
from .skeleton import (
    POSTROUTING,
    REMEMBER,
    TABLE,
    VERSION,
    pick_chain,
    postrouting,
    remember_chains,
    skeleton,
    sticky_chain,
)
from .table import MAPS, SETS, Snapshot, Table, mark_text

_COMMENT = re.compile(r'\tcomment "noidlb ([0-9]{1,9})(?: marks 0x([0-9a-f]{8}))?"')
_FLAGS = re.compile(r"\tflags ([\w,]+)")
_PICK = re.compile(r"(?:(rr)([46])-(\d{1,5})-(\d{1,5})|(random|hash)([46])-(\d{1,5}))")
_STICKY = re.compile(r"sticky([46])-(\d{1,6})")
_REMEMBER = re.compile(rf"{REMEMBER}-(\d{{1,6}})")
_TRANSPORTS = {6: "tcp", 17: "udp"}
# Verdicts that noidlb does not write, but other programs may.
_FOREIGN = ("accept", "drop", "continue", "return")
# The key of a catch-all element.
_ANY = "*"


@dataclass(frozen=True, slots=True)
class Outline:
    """The table without its elements: the chains beyond the skeleton with their rules; damage as in Snapshot."""

    version: int | None
    layout: Layout = field(default_factory=Layout)
    chains: Mapping[str, str] = field(default_factory=dict)
    damage: str = ""


def read_outline(text: str) -> Outline | None:
    """Reads a listing without elements; None when it does not have the table."""
    lines = text.splitlines()
    try:
        begin = lines.index(f"table inet {TABLE} {{")
    except ValueError:
        return None
    lines = list(takewhile(lambda line: line != "}", lines[begin + 1 :]))
    # The order of comment and flags depends on the version of nft.
    comment = next((found for line in lines[:2] if (found := _COMMENT.fullmatch(line))), None)
    flags = next((found for line in lines[:2] if (found := _FLAGS.fullmatch(line))), None)
    if comment is None:
        return Outline(None, damage="it is not noidlb's")
    version = int(comment[1])
    if version != VERSION or comment[2] is None:
        return Outline(version)
    if flags:
        # A dormant table has all its chains, and the kernel calls none.
        return Outline(None, damage=f"it is {flags[1]}")
    layout = Layout(int(comment[2], 16))
    shape, wanted = shape_of("\n".join(lines)), _wanted(layout)
    names = [name.partition(" ")[2] for name in shape if name.startswith("chain ") and name not in wanted]
    chains = {name: _rules(name, layout) for name in names}
    text = "".join(f"chain {name} {{\n{rules}\n}}\n" for name, rules in chains.items())
    damage = _damage(shape, {**wanted, **shape_of(text)})
    return Outline(version if not damage else None, layout, chains, damage)


@lru_cache(maxsize=4)
def _wanted(layout: Layout) -> dict[str, tuple[tuple[str, ...], ...]]:
    return shape_of(skeleton(layout))


def _damage(found: Shape, wanted: Shape) -> str:
    """Names the first part that differs, "" when none does."""
    for name in wanted.keys() | found.keys():
        if found.get(name) != wanted.get(name):
            what = "is missing" if name not in found else "has other rules" if "chain" in name else "is another"
            return f"{name} {what}"
    return ""


def list_commands() -> str:
    """Returns the commands that list every map, one a line, except the maps of sticky clients."""
    kinds = {name: "set" if name in SETS else "map" for name in MAPS}
    return "".join(f"list {kind} inet {TABLE} {name}\n" for name, kind in kinds.items())


def read_elements(output: bytes) -> dict[str, list[Any]]:
    """Reads the answers to list_commands(): the elements of each map, as nft's JSON has them; ValueError."""
    found: dict[str, list[Any]] = {}
    try:
        for line in output.splitlines():
            for item in json.loads(line)["nftables"]:
                listed = item.get("map") or item.get("set")
                if listed:
                    found[listed["name"]] = listed.get("elem", [])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return found


def to_snapshot(outline: Outline, listed: Mapping[str, list[Any]]) -> Snapshot:
    """Builds the snapshot from outline and elements; ValueError when an element cannot be read.

    Elements of another program are contents too, so that a change removes them alone and sticky clients are kept. Only
    a catch-all element is damage: it has no key in which the other modules could find a mark.
    """
    elements: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    totals: dict[int, int] = {}
    try:
        for name in MAPS:
            pairs = {key: value for item in listed[name] for key, value in _pairs(name, item)}
            if _ANY in pairs:
                return Snapshot(None, damage=f"{name} has a catch-all element")
            if pairs:
                elements[name] = pairs
        for name in ("backend4", "backend6", "host4", "host6"):
            _add_details(listed[name], names, totals)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return Snapshot(outline.version, Table(outline.chains, elements, names, outline.layout), totals)


def _rules(name: str, layout: Layout) -> str:
    """Returns the rules of a chain, which follow from its name."""
    if found := _PICK.fullmatch(name):
        if found[1]:
            return pick_chain("rr", int(found[2]), int(found[3]), int(found[4]))[1]
        return pick_chain(found[5], int(found[6]), int(found[7]), 0)[1]
    if found := _STICKY.fullmatch(name):
        return sticky_chain(int(found[1]), int(found[2]), layout)[1]
    if name == POSTROUTING:
        return postrouting()
    if name == REMEMBER:
        return remember_chains(0, layout)[name]
    if found := _REMEMBER.fullmatch(name):
        return remember_chains(int(found[1]), layout)[name]
    return ""


def _pairs(name: str, item: Any) -> Iterator[tuple[str, str]]:
    if name == "full":
        # nft 1.0.6 prints limits from 2**31 on as negative numbers.
        yield _words(item["elem"]["val"]), str(item["elem"]["ct count"]["val"] & 0xFFFFFFFF)
    elif name in SETS:
        yield _words(item), ""
    else:
        key, value = item
        yield _words(key), _words(value)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        if "concat" in value:
            parts = value["concat"]
            first, *rest = parts
            return " . ".join((_first(first, len(parts)), *(_plain(one) for one in rest)))
        if "elem" in value:
            return _words(value["elem"]["val"])
        for verdict in ("goto", "jump"):
            if verdict in value:
                return f"{verdict} {value[verdict]['target']}"
        for verdict in _FOREIGN:
            if verdict in value:
                return verdict
        raise KeyError(next(iter(value), "nothing"))
    if value == _ANY:
        return _ANY
    # A number that stands alone is a mark.
    return mark_text(value) if isinstance(value, int) else _plain(value)


def _first(value: Any, length: int) -> str:
    # In a key of three parts (transport, address, port) a leading number is the transport, in one of two it is a mark.
    if isinstance(value, int):
        return _TRANSPORTS.get(value, str(value)) if length == 3 else mark_text(value)
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        if "range" in value:
            low, high = value["range"]
            return f"{low}-{high}"
        # A prefix of addresses, which only other programs add.
        prefix = value["prefix"]
        return f"{prefix['addr']}/{prefix['len']}"
    if not isinstance(value, (str, int)):
        raise TypeError(f"no address, mark or number: {value}")
    return _address(value) if isinstance(value, str) else str(value)


@lru_cache(maxsize=65536)
def _address(text: str) -> str:
    # nft and Python write some IPv6 addresses differently, such as ::1.2.3.4.
    return str(ip_address(text))


def _add_details(listed: list[Any], names: dict[str, str], totals: dict[int, int]) -> None:
    for key, _ in listed:
        element = key["elem"]
        mark = element["val"]
        if "comment" in element:
            names[mark_text(mark)] = element["comment"]
        totals[mark] = totals.get(mark, 0) + element["counter"]["packets"]
