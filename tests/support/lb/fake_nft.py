"""A fake nft: it takes the text of transactions as strictly as nft and the kernel do, and keeps the table in memory.

FakeNft stands for an open nft, FakeKernel is the guardian's own applier on top of it. What the compiler, the plan, the
applier, the guardian and the service tell nft is so judged by what it makes of the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field

from noidlb.config.mark_layout import Layout
from noidlb.farm import BackendState, Conditions, Farm
from noidlb.guardian.applier import ApplyResult, NftApplier
from noidlb.nft.compile import compile_table
from noidlb.nft.flows import Ending
from noidlb.nft.nft import NftSession
from noidlb.nft.notices import Notice, Notices
from noidlb.nft.run import KernelError
from noidlb.nft.skeleton import VERSION, skeleton
from noidlb.nft.table import MAPS, Snapshot, Table

_MADE = re.compile(r'\tcomment "noidlb \d+ marks 0x([0-9a-f]{8})"\n')
_CHAINS = re.compile(r"^\tchain (\S+) \{\n\t\t(.*?)\n\t\}$", re.DOTALL | re.MULTILINE)
_ELEMENTS = re.compile(r"(add|delete) element inet noidlb (\S+) \{ (.*) \}")
_CHAIN = re.compile(r"(flush|delete) chain inet noidlb (\S+)")
_COMMENT = re.compile(r' comment "([^"]*)"')
_ABSENT = "Error: Could not process rule: No such file or directory"
_EXISTS = "Error: Could not process rule: File exists"
_BUSY = "Error: Could not process rule: Device or resource busy"


@dataclass
class _Kept:
    """The table as it is now."""

    layout: Layout
    chains: dict[str, str] = field(default_factory=dict)
    elements: dict[str, dict[str, str]] = field(default_factory=lambda: {name: {} for name in MAPS})
    names: dict[str, str] = field(default_factory=dict)


class FakeNft(NftSession):
    """An nft that stays open, and the table that its transactions have made.

    transactions are the texts that were applied; the next `failures` ones are refused, and of those nothing is applied.
    With ends, nft ends once, after it has applied a transaction and before it says so. generation is the kernel's
    counter of changes, reads the number of times that the table was read, version that of the noidlb that made it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.transactions: list[str] = []
        self.failures = 0
        self.ends = False
        self.generation = 7
        self.reads = 0
        self.damage = ""
        self.version = VERSION
        self.closed = False
        self._kept: _Kept | None = None

    @property
    def pid(self) -> int:
        return 4711

    @property
    def table(self) -> Table | None:
        """The table, without the maps that are empty."""
        if (kept := self._kept) is None:
            return None
        elements = {name: dict(values) for name, values in kept.elements.items() if values}
        return Table(dict(kept.chains), elements, dict(kept.names), kept.layout)

    def load(self, table: Table | None) -> None:
        """Has another program leave this table there."""
        self.generation += 1
        self.damage = ""
        self._kept = None
        if table is not None:
            self._kept = _Kept(table.layout, dict(table.chains), names=dict(table.names))
            self._kept.elements |= {name: dict(values) for name, values in table.elements.items()}

    def read(self) -> Snapshot | None:
        self.reads += 1
        if self.damage:
            return Snapshot(None, damage=self.damage)
        table = self.table
        if table is None or self.version != VERSION:
            return None if table is None else Snapshot(self.version)
        return Snapshot(VERSION, table)

    def run(self, text: str) -> None:
        if self.failures:
            self.failures -= 1
            raise KernelError("nft refuses")
        before, self._kept = self._kept, deepcopy(self._kept)
        try:
            for command in _commands(text):
                self._do(command)
        except KernelError:
            self._kept = before
            raise
        self.transactions.append(text)
        self.generation += 1
        if self.ends:
            self.ends = False
            raise KernelError("nft has ended")

    def close(self) -> None:
        self.closed = True

    def _do(self, command: str) -> None:
        if command == "delete table inet noidlb":
            self._require(self._kept is not None, _ABSENT)
            self._kept, self.damage, self.version = None, "", VERSION
        elif command.startswith("table inet noidlb {\n"):
            self._add(command)
        elif found := _ELEMENTS.fullmatch(command):
            for element in found[3].split(", "):
                self._element(found[1], found[2], element)
        elif found := _CHAIN.fullmatch(command):
            self._end_chain(found[1], found[2])
        else:
            raise KernelError(f"Error: syntax error: {command}")

    def _add(self, block: str) -> None:
        if made := _MADE.search(block):
            self._require(self._kept is None, _EXISTS)
            self._kept = _Kept(Layout(int(made[1], 16)))
            assert f"{block}\n" == skeleton(self._kept.layout), "not the skeleton that the mark's bits call for"
            return
        chains = _CHAINS.findall(block)
        assert len(chains) == 1, block
        self._require(self._kept is not None and chains[0][0] not in self._kept.chains, _EXISTS)
        self._known.chains.update(chains)

    def _element(self, verb: str, name: str, element: str) -> None:
        comment = _COMMENT.search(element)
        key, _, value = _COMMENT.sub("", element).partition(" ct count over " if name == "full" else " : ")
        elements = self._known.elements.get(name)
        if elements is None:
            raise KernelError(_ABSENT)
        if verb == "delete":
            self._require(key in elements, _ABSENT)
            del elements[key]
            return
        # The kernel takes an element that it has already, with the same value; a smallest change has none of these.
        self._require(key not in elements, _EXISTS)
        verdict, _, target = value.partition(" ")
        if verdict in ("jump", "goto"):
            self._require(target in self._known.chains or f"\tchain {target} {{" in self._skeleton, _ABSENT)
        elements[key] = value
        if comment:
            self._known.names[key] = comment[1]

    def _end_chain(self, verb: str, name: str) -> None:
        chains = self._known.chains
        self._require(name in chains, _ABSENT)
        if verb == "flush":
            chains[name] = ""
            return
        verdicts = (value for values in self._known.elements.values() for value in values.values())
        self._require(not any(value.endswith(f" {name}") for value in verdicts), _BUSY)
        del chains[name]

    @property
    def _known(self) -> _Kept:
        if self._kept is None:
            raise KernelError(_ABSENT)
        return self._kept

    @property
    def _skeleton(self) -> str:
        return skeleton(self._known.layout)

    @staticmethod
    def _require(is_so: bool, error: str) -> None:
        if not is_so:
            raise KernelError(error)


def _commands(text: str) -> Iterator[str]:
    """Yields the commands of a transaction: a line, or a block to its closing brace."""
    waiting: list[str] = []
    for line in text.splitlines():
        waiting.append(line)
        if not waiting[0].endswith("{") or line == "}":
            yield "\n".join(waiting)
            waiting.clear()
    assert not waiting, f"a block without an end: {waiting}"


class FakeNotices(Notices):
    """What the kernel says of others' changes: nothing, or what a test says; works is whether it says it at all."""

    def __init__(self, *, works: bool = False) -> None:
        self._works = works
        self.notice: Notice | None = None
        self.ignored = 0

    @property
    def works(self) -> bool:
        return self._works

    def read(self) -> Notice | None:
        notice, self.notice = self.notice, None
        return notice

    def ignore(self, port: int) -> None:
        self.ignored = port

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        """Nothing is open."""


class FakeKernel(NftApplier):
    """The guardian's applier over a fake nft: what it applied, and the table that came of it.

    conditions are those of each successful apply(), in their order; ended is what flows it would have ended. The next
    `end_failures` times, conntrack fails.
    """

    def __init__(self, table: Table | None = None) -> None:
        self.nft = FakeNft()
        self.conditions: list[Conditions] = []
        self.ended = self.end_failures = 0
        if table is not None:
            self.nft.load(table)
        super().__init__(
            self.nft, generation_of=lambda: self.nft.generation, notices=FakeNotices(), end=self._end_flows
        )

    @property
    def failures(self) -> int:
        """How many more calls of apply() nft refuses."""
        return self.nft.failures

    @failures.setter
    def failures(self, number: int) -> None:
        self.nft.failures = number

    @property
    def closed(self) -> bool:
        """Whether nft has been closed."""
        return self.nft.closed

    def apply(self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> ApplyResult:
        result = super().apply(farms, conditions, stopped)
        assert self.nft.table == compile_table(farms, conditions, stopped)
        self.conditions.append(conditions)
        return result

    def state(self, backend: str, farm: str = "f") -> BackendState | None:
        """Returns the state that was applied last; None when nothing has been applied yet."""
        return self.conditions[-1][farm, backend].state if self.conditions else None

    def _end_flows(self, ending: Ending) -> int:
        number = len(ending.marks) + len(ending.udp)
        if number and self.end_failures:
            self.end_failures -= 1
            raise KernelError("conntrack fails")
        ending.marks.clear()
        ending.udp.clear()
        self.ended += number
        return number
