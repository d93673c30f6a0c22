"""What nft lists of our table, read back into the value that it was written from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from lb.skeleton import TABLE, pick_chain, skeleton, sticky_chain
from lb.table import MAPS, Table

_COMMENT = re.compile(r'\tcomment "noidlb ([0-9]{1,9})"')
_CHAIN = re.compile(r"\tchain (\S+) \{")
_PICK = re.compile(r"(?:(rr)([46])-(\d{1,5})-(\d{1,5})|(random|hash)([46])-(\d{1,5}))")
_STICKY = re.compile(r"sticky([46])-(\d{1,6})")
_CONSTANT = frozenset(re.findall(r"^\tchain (\S+) \{", skeleton(), re.MULTILINE))
_TRANSPORTS = {6: "tcp", 17: "udp"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The table as the kernel has it: the version of its skeleton, its contents, and new connections by mark.

    version is None when it is not a whole table of ours.
    """

    version: int | None
    table: Table = field(default_factory=Table)
    totals: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseChain:
    """A chain of somebody else's table that packets come to by themselves."""

    family: str
    table: str
    name: str
    type: str
    hook: str
    policy: str
    priority: int


def read_chains(output: bytes) -> list[BaseChain]:
    """Reads the base chains of all tables but ours; ValueError."""
    found = []
    for item in json.loads(output)["nftables"]:
        chain = item.get("chain", {})
        if "hook" in chain and (chain["family"], chain["table"]) != ("inet", TABLE):
            words = {key: str(chain.get(key, "")) for key in ("family", "table", "name", "type", "hook", "policy")}
            found.append(BaseChain(**words, priority=int(chain.get("prio", 0))))
    return found


def read_outline(text: str) -> tuple[int | None, dict[str, str]] | None:
    """Reads the version and the variable chains from a listing without elements; None when the table is not there."""
    lines = iter(text.splitlines())
    if f"table inet {TABLE} {{" not in lines:
        return None
    version = None
    chains = set()
    for line in lines:
        if line == "}":
            break
        if found := _COMMENT.fullmatch(line):
            version = int(found[1])
        elif found := _CHAIN.fullmatch(line):
            chains.add(found[1])
    # Chains that are not there, or a table that somebody else has made, are no version of ours.
    if not chains >= _CONSTANT:
        version = None
    return version, {name: _rules(name) for name in chains - _CONSTANT}


def list_commands() -> str:
    """Returns the commands that list every map, one a line; what clients leave behind is not asked for."""
    kinds = {name: "set" if name.startswith(("full", "ftp", "tftp")) else "map" for name in MAPS}
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


def to_snapshot(version: int | None, chains: Mapping[str, str], listed: Mapping[str, list[Any]]) -> Snapshot:
    """Makes the value of what was read; ValueError when it is not what nft lists of our table."""
    elements: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    totals: dict[int, int] = {}
    try:
        for name in MAPS:
            pairs = {key: value for item in listed[name] for key, value in _pairs(name, item)}
            if pairs:
                elements[name] = pairs
        # A backend that is in both kinds of map is in host for its FTPS data connections, which are not counted.
        for name in ("backend4", "backend6", "host4", "host6"):
            _add_details(listed[name], names, totals, counted=frozenset(names) if "host" in name else frozenset())
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return Snapshot(version, Table(dict(chains), elements, names), totals)


def _rules(name: str) -> str:
    """Returns the rules that the chain of a name has; they follow from it."""
    if found := _PICK.fullmatch(name):
        if found[1]:
            return pick_chain("rr", int(found[2]), int(found[3]), int(found[4]))[1]
        return pick_chain(found[5], int(found[6]), int(found[7]), 0)[1]
    if found := _STICKY.fullmatch(name):
        return sticky_chain(int(found[1]), int(found[2]))[1]
    return ""


def _pairs(name: str, item: Any) -> Iterator[tuple[str, str]]:
    if name == "full":
        # A set gives its limit to each element; -1 and the like are how 1.0.6 prints the largest numbers.
        yield _mark(item["elem"]["val"]), str(item["elem"]["ct count"]["val"] & 0xFFFFFFFF)
    elif name.startswith(("ftp", "tftp")):
        yield _words(item), ""
    else:
        key, value = item
        yield _words(key), _words(value)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        if "concat" in value:
            parts = value["concat"]
            first, *rest = parts
            return " . ".join((_first(first, len(parts), rest), *(_plain(one) for one in rest)))
        if "elem" in value:
            return _words(value["elem"]["val"])
        for verdict in ("goto", "jump"):
            if verdict in value:
                return f"{verdict} {value[verdict]['target']}"
        raise KeyError(next(iter(value), "nothing"))
    return _mark(value) if isinstance(value, int) else _address(value)


def _first(value: Any, length: int, rest: list[Any]) -> str:
    # Alone, a number in front is a mark; the transport stands before an address and a port.
    if length == 3:
        return _TRANSPORTS.get(value, str(value))
    return _mark(value) if isinstance(value, int) else _address(value)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        low, high = value["range"]
        return f"{low}-{high}"
    return _address(value) if isinstance(value, str) else str(value)


def _mark(value: int) -> str:
    return f"{value:#010x}"


@lru_cache(maxsize=65536)
def _address(text: str) -> str:
    # nft and Python write some IPv6 addresses differently, such as ::1.2.3.4.
    return str(ip_address(text))


def _add_details(listed: list[Any], names: dict[str, str], totals: dict[int, int], *, counted: frozenset[str]) -> None:
    for key, _ in listed:
        element = key["elem"]
        mark = element["val"]
        if _mark(mark) in counted:
            continue
        if "comment" in element:
            names[_mark(mark)] = element["comment"]
        totals[mark] = totals.get(mark, 0) + element["counter"]["packets"]
