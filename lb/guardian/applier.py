"""Applies the conditions of backends to nftables in the smallest transactions. Blocking; not thread-safe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..farm import Conditions, Farm
from ..nft import conntrack
from ..nft.compile import compile_farm, compile_table
from ..nft.flows import Ending, ending_of
from ..nft.marks import Marks
from ..nft.nfnetlink import generation_number
from ..nft.nft import NftSession
from ..nft.notices import Notices
from ..nft.plan import Plan, compare, known
from ..nft.run import KernelError
from ..nft.table import Snapshot, Table, transactions, united
from ..role import Role, cuts_flows, read_role


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The number of transactions and of flows that were ended (cut).

    repaired: the table differed from what the applier had left there; why: what is known about the cause. trouble: one
    sentence on why flows could not be ended; the next apply() tries again.
    """

    transactions: int = 0
    cut: int = 0
    repaired: bool = False
    why: str = ""
    trouble: str = ""


class NftApplier:
    """Changes the kernel's table to match conditions, through an nft that stays open.

    It remembers what it applied last, so that a change costs the difference and no reading. When another program
    changes the table, or a call fails, it forgets the conditions, and the next apply() reads the kernel's table first.
    When the farms change, it also reads the table if another program has changed any table meanwhile.

    The table that is read after a failure does not say which flows must still end: it is right already when nft died
    after it had applied the transaction, or when only conntrack failed. So the applier keeps the tables from before the
    failed calls until one succeeds, and ends what ends between them and the new one. Flows of a backend that serves
    again by then go on.
    """

    def __init__(
        self,
        session: NftSession | None = None,
        *,
        generation_of: Callable[[], int | None] = generation_number,
        role_of: Callable[[], Role] = read_role,
        notices: Notices | None = None,
        end: Callable[[Ending], int] = conntrack.end,
    ) -> None:
        self._end = end
        self._session = session or NftSession()
        self._role_of = role_of
        self._generation_of = generation_of
        self._notices = notices or Notices()
        self._why = ""
        # The kernel's change counter after the last own transaction; None when unknown.
        self._expected: int | None = None
        self._farms: tuple[Farm, ...] = ()
        self._marks = Marks(())
        self._stopped: frozenset[str] = frozenset()
        # The conditions in the kernel's table; None: unknown, so that apply() reads the table first.
        self._conditions: Conditions | None = None
        # The tables before the calls that have failed since the last success, as one; None after a success.
        self._left: Table | None = None

    def read(self) -> Snapshot | None:
        """Reads the kernel's table; raises KernelError."""
        return self._session.read()

    def apply(self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> ApplyResult:
        """Changes the table to what farms and conditions want, in the smallest transactions.

        Raises KernelError; the next call then reads the table and applies what is missing.
        """
        before, number = self._conditions, self._generation_of()
        # Unknown until every transaction has succeeded.
        self._conditions = None
        change: Plan | None = None
        batches: Sequence[str]
        if before is None or farms != self._farms or stopped != self._stopped:
            is_proven = number is not None and number == self._expected
            change = self._whole(farms, conditions, stopped, before if is_proven else None)
            batches, ending = change.batches, ending_of(change.old, change.new, cuts=self._cuts())
        else:
            batches, ending = self._parts(before, conditions)
        if self._left is not None:
            new = compile_table(farms, conditions, stopped) if change is None else change.new
            ending.add(ending_of(self._left, new, cuts=self._cuts()))
        cut, trouble = 0, ""
        try:
            for batch in batches:
                self._session.run(batch)
                self._notices.ignore(self._session.pid)
            self._conditions = conditions
            self._expected = None if number is None else number + len(batches)
            cut = self._cut(ending)
        except KernelError as error:
            if batches:
                self._keep(compile_table(farms, before, stopped) if change is None else change.old)
            if self._conditions is None:
                raise
            trouble = str(error)
        else:
            self._left = None
        repaired = before is None and bool(batches)
        why, self._why = self._why, ""
        return ApplyResult(len(batches), cut, repaired, why if repaired else "", trouble)

    def fileno(self) -> int:
        """Returns the descriptor that becomes readable when another program changes a table; -1 without notices."""
        return self._notices.fileno()

    def is_disturbed(self) -> bool:
        """Returns whether another program has changed the table since apply(); the next apply() then reads it.

        Changes of other tables count too where the kernel sends no notices, or dropped some.
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

    def _whole(
        self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str], before: Conditions | None
    ) -> Plan:
        """Returns the change to the table of other farms.

        before are the conditions of the present farms in the kernel's table, which is read when they are None.
        """
        found = self._session.read() if before is None else known(self._farms, before, self._stopped)
        self._farms, self._stopped, self._marks = farms, stopped, Marks(farms)
        return compare(found, compile_table(farms, conditions, stopped))

    def _parts(self, present: Conditions, conditions: Conditions) -> tuple[Sequence[str], Ending]:
        """Returns the transactions from the present conditions and the flows that end, of the farms that change.

        It reads nothing.
        """
        batches: list[str] = []
        ending = Ending()
        for farm in self._farms:
            keys = [(farm.name, one.name) for one in farm.backends]
            if all(present.get(key) == conditions.get(key) for key in keys):
                continue
            # Of a stopped farm, the passive ports of its backends change.
            refused = farm.name in self._stopped
            before = compile_farm(self._marks, farm, present, refused=refused)
            after = compile_farm(self._marks, farm, conditions, refused=refused)
            batches += transactions(before, after)
            ending.add(ending_of(before, after, cuts=self._cuts()))
        # Only elements change, so one transaction holds all farms.
        return ["".join(batches)] if batches else [], ending

    def _keep(self, old: Table | None) -> None:
        """Keeps the table from before a call that failed; None: there was none."""
        old = old or Table(layout=self._marks.layout)
        self._left = old if self._left is None else united(self._left, old)

    def _cuts(self) -> Callable[[int], bool]:
        """Returns a predicate on a farm's mark: whether its TCP flows end with their backends (cut-connections)."""
        return frozenset(
            self._marks.farm(farm)
            for farm in self._farms
            if farm.guardian is not None and farm.guardian.cut_connections
        ).__contains__

    def _cut(self, ending: Ending) -> int:
        # On the standby node of a pair, flows are copies of the active node's, which ends them itself.
        return self._end(ending) if cuts_flows(self._role_of()) else 0
