"""Applies the conditions of backends to nftables in the smallest transactions. Blocking; for one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..farm import Conditions, Farm
from ..nft import conntrack, nft as kernel
from ..nft.compile import compile_farm, compile_table
from ..nft.flows import Ending, ending_of
from ..nft.listing import Snapshot
from ..nft.marks import Marks
from ..nft.netlink import generation
from ..nft.nft import KernelError, NftSession
from ..nft.notices import Notices
from ..nft.plan import compare
from ..nft.table import transactions
from ..role import Role, cuts_flows, read_role


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What was done: how many transactions, and how many flows were ended.

    repaired tells that the table was not as it had been left, and why says what is known of that. trouble says in a
    sentence why flows could not be ended; the next change tries again.
    """

    transactions: int = 0
    cut: int = 0
    repaired: bool = False
    why: str = ""
    trouble: str = ""


class NftApplier:
    """Keeps the kernel's table as conditions want it, through an nft that stays open."""

    def __init__(
        self,
        session: NftSession | None = None,
        *,
        generation_of: Callable[[], int | None] = generation,
        role_of: Callable[[], Role] = read_role,
        notices: Notices | None = None,
    ) -> None:
        self._session = session or NftSession()
        self._role_of = role_of
        self._generation_of = generation_of
        self._notices = notices or Notices()
        self._why = ""
        # The number of the last change of any table, when it was ours.
        self._expected: int | None = None
        self._farms: tuple[Farm, ...] = ()
        self._marks = Marks(())
        self._stopped: frozenset[str] = frozenset()
        # What the table was made from; None while nobody knows what is in it.
        self._conditions: Conditions | None = None
        # What is still to be ended.
        self._ending = Ending()

    def read(self) -> Snapshot | None:
        """Reads the table as the kernel has it; KernelError."""
        return kernel.read()

    def apply(self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> ApplyResult:
        """Makes the table that farms and conditions want, in the smallest transactions; KernelError.

        After an error nothing is half applied: the next call reads the table and goes on from there.
        """
        known, repaired = self._conditions, False
        number = self._generation_of()
        # Until it has gone well, nobody knows.
        self._conditions = None
        if known is None or farms != self._farms or stopped != self._stopped:
            self._farms, self._stopped, self._marks = farms, stopped, Marks(farms)
            batches, ending = self._whole(conditions)
            repaired = known is None and bool(batches)
        else:
            batches, ending = self._parts(known, conditions)
        for batch in batches:
            self._session.run(batch)
            self._notices.ignore(self._session.pid)
        self._conditions = conditions
        self._expected = None if number is None else number + len(batches)
        self._ending.add(ending)
        cut, trouble = self._cut()
        why, self._why = self._why, ""
        return ApplyResult(len(batches), cut, repaired, why if repaired else "", trouble)

    def fileno(self) -> int:
        """Returns the descriptor that becomes readable when somebody else has changed a table; -1: nobody tells."""
        return self._notices.fileno()

    def is_disturbed(self) -> bool:
        """Tells whether somebody else has changed our table since; the next change then begins with a look at it.

        Changes of other tables count where the kernel does not tell which one was changed, or could not tell all.
        """
        notice = self._notices.read()
        if self._notices.works and (notice is None or not notice.lost):
            disturbed = notice is not None
        else:
            disturbed = self._generation_of() != self._expected
        disturbed = disturbed and self._conditions is not None
        if disturbed:
            self._conditions = None
            self._why = "" if notice is None else str(notice)
        return disturbed

    def close(self) -> None:
        """Ends nft; the table stays as it is."""
        self._session.close()
        self._notices.close()

    def _whole(self, conditions: Conditions) -> tuple[Sequence[str], Ending]:
        """Returns what turns the kernel's table into the wanted one, and which flows end with it."""
        change = compare(kernel.read(), compile_table(self._farms, conditions, self._stopped))
        return change.batches, ending_of(change.old, change.new, cuts=self._cuts())

    def _parts(self, known: Conditions, conditions: Conditions) -> tuple[Sequence[str], Ending]:
        """Does the same for the farms whose conditions change: what the others are like costs nothing."""
        batches: list[str] = []
        ending = Ending()
        for farm in self._farms:
            keys = [(farm.name, one.name) for one in farm.backends]
            if farm.name in self._stopped or all(known.get(key) == conditions.get(key) for key in keys):
                continue
            before = compile_farm(self._marks, farm, known)
            after = compile_farm(self._marks, farm, conditions)
            batches += transactions(before, after)
            ending.add(ending_of(before, after, cuts=self._cuts()))
        # Elements alone change, so that all farms together are one transaction.
        return ["".join(batches)] if batches else [], ending

    def _cuts(self) -> Callable[[int], bool]:
        """Returns what tells of a farm, by its mark, whether its flows end with their backends."""
        return frozenset(
            self._marks.farm(farm)
            for farm in self._farms
            if farm.guardian is not None and farm.guardian.cut_connections
        ).__contains__

    def _cut(self) -> tuple[int, str]:
        if not cuts_flows(self._role_of()):
            # Copies of the other balancer's flows, which ends them itself.
            self._ending = Ending()
        try:
            return conntrack.end(self._ending), ""
        except KernelError as error:
            return 0, str(error)
