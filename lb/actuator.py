"""From the conditions of backends to the kernel: the one who changes it for a guardian; blocking, for one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from lb import conntrack, kernel
from lb.apply import Plan
from lb.farm import Farm
from lb.generation import generation
from lb.kernel import KernelError, NftSession
from lb.listing import Snapshot
from lb.marks import FLOW_MASK, Marks
from lb.role import Role, cuts_flows, read_role
from lb.ruleset import Conditions, compile_farm, compile_table
from lb.skeleton import TABLE
from lb.table import render, transactions


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done: how many transactions, and how many flows were ended.

    repaired tells that the table was not as it had been left. trouble says in a sentence why flows could not be ended;
    the next change tries again.
    """

    transactions: int = 0
    cut: int = 0
    repaired: bool = False
    trouble: str = ""


class Actuator:
    """Keeps the kernel's table as conditions want it, through an nft that stays open."""

    def __init__(
        self,
        session: NftSession | None = None,
        *,
        generation_of: Callable[[], int | None] = generation,
        role_of: Callable[[], Role] = read_role,
    ) -> None:
        self._session = session or NftSession()
        self._role_of = role_of
        self._generation_of = generation_of
        # The number of the last change of any table, when it was ours.
        self._expected: int | None = None
        self._farms: tuple[Farm, ...] = ()
        self._marks = Marks(())
        self._stopped: frozenset[str] = frozenset()
        # What the table was made from; None while nobody knows what is in it.
        self._conditions: Conditions | None = None
        # Marks whose flows are still to be ended, and those of whom only UDP is.
        self._uncut: set[int] = set()
        self._uncut_udp: set[int] = set()

    def read(self) -> Snapshot | None:
        """Reads the table as the kernel has it; KernelError."""
        return kernel.read()

    def doubt(self) -> None:
        """Lets the next change begin with a look at the kernel's table."""
        self._conditions = None

    def apply(self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> Applied:
        """Makes the table that farms and conditions want, in the smallest transactions; KernelError.

        After an error nothing is half applied: the next call reads the table and goes on from there.
        """
        known, repaired = self._conditions, False
        number = self._generation_of()
        # Until it has gone well, nobody knows.
        self._conditions = None
        if known is None or farms != self._farms or stopped != self._stopped:
            self._farms, self._stopped, self._marks = farms, stopped, Marks(farms)
            batches, gone = self._whole(conditions)
            repaired = known is None and bool(batches)
        else:
            batches, gone = self._parts(known, conditions)
        for batch in batches:
            self._session.run(batch)
        self._conditions = conditions
        self._expected = None if number is None else number + len(batches)
        self._note_gone(gone)
        cut, trouble = self._cut()
        return Applied(len(batches), cut, repaired, trouble)

    def is_disturbed(self) -> bool:
        """Tells whether somebody else has changed any table since; the next change then begins with a look at ours."""
        disturbed = self._conditions is not None and self._generation_of() != self._expected
        if disturbed:
            self._conditions = None
        return disturbed

    def close(self) -> None:
        """Ends nft; the table stays as it is."""
        self._session.close()

    def _whole(self, conditions: Conditions) -> tuple[Sequence[str], Set[int]]:
        """Returns what turns the kernel's table into the wanted one, and the marks that get no packets any more."""
        new = compile_table(self._farms, conditions, self._stopped)
        found = kernel.read()
        if found is None:
            return (render(new),), frozenset()
        if found.version != kernel.VERSION:
            return (f"delete table inet {TABLE}\n{render(new)}",), frozenset()
        return transactions(found.table, new), Plan(found.table, new, ()).gone()

    def _parts(self, known: Conditions, conditions: Conditions) -> tuple[Sequence[str], Set[int]]:
        """Does the same for the farms whose conditions change: what the others are like costs nothing."""
        batches: list[str] = []
        gone: set[int] = set()
        for farm in self._farms:
            keys = [(farm.name, one.name) for one in farm.backends]
            if farm.name in self._stopped or all(known.get(key) == conditions.get(key) for key in keys):
                continue
            before = compile_farm(self._marks, farm, known)
            after = compile_farm(self._marks, farm, conditions)
            batches += transactions(before, after)
            gone |= Plan(before, after, ()).gone()
        # Elements alone change, so that all farms together are one transaction.
        return ["".join(batches)] if batches else [], gone

    def _note_gone(self, gone: Set[int]) -> None:
        if not gone:
            return
        for farm in self._farms:
            own = {self._marks.backend(farm, one.name) & FLOW_MASK for one in farm.backends}
            marks = own & gone
            if marks == own:
                # One pass over all flows instead of one for each.
                marks = {self._marks.farm(farm) & FLOW_MASK}
            if farm.guardian is not None and farm.guardian.cut_connections:
                self._uncut |= marks
            elif farm.protocol.transport == "udp":
                # A client that asks again from the same port would be sent there as long as its flow lives.
                self._uncut_udp |= marks

    def _cut(self) -> tuple[int, str]:
        ended = 0
        if not cuts_flows(self._role_of()):
            # Copies of the other balancer's flows, which ends them itself.
            self._uncut.clear()
            self._uncut_udp.clear()
        try:
            ended += _cut(self._uncut)
            ended += _cut(self._uncut_udp, only_udp=True)
        except KernelError as error:
            return ended, str(error)
        return ended, ""


def _cut(marks: set[int], *, only_udp: bool = False) -> int:
    ended = 0
    while marks:
        mark = next(iter(marks))
        ended += conntrack.cut([mark], only_udp=only_udp)
        marks.discard(mark)
    return ended
