"""What excuses a failed check: this process did not run meanwhile, or a table of the kernel was full or not ready."""

from __future__ import annotations

from noidchecks.status.result import Result
from noidchecks.status.state import State

from ..events import EventLog
from .flow_table import FlowTable
from .health import has_answered
from .pulse import Pulse
from .targets import Target

# A failed check is repeated when a pause took 20 % of its deadline or 1 s, whichever is less. At most 5 times in a row,
# because a machine that always pauses must detect dead backends too.
_LOST_SHARE, _LOST_MOST = 0.2, 1.0
_REPEATS = 5
# Seconds from which on a pause is reported as an event; seconds between two reads of the conntrack table's size.
_TOLD_PAUSE = 1.0
_TABLE_EVERY = 1.0


class Excuses:
    """Tells failures that are this machine's fault from others, and reports their causes as events.

    Times are those of the loop's clock, running is the number of checks under way. discarded counts the failures that
    were excused; is_full says that the conntrack table was full within the last 10 s.
    """

    def __init__(self, events: EventLog, flow_table: FlowTable) -> None:
        self.flow_table = flow_table
        self.is_full = False
        self.discarded = 0
        self._events = events
        self._pulse = Pulse(0.0)
        self._looked = float("-inf")

    def begin(self, now: float) -> None:
        """Starts to detect pauses, from now on."""
        self._pulse = Pulse(now)

    def beat(self, now: float, running: int) -> None:
        """Detects a pause of this process, and once a second a full conntrack table; to be called every PERIOD s."""
        self._take_pulse(now, running)
        if now - self._looked >= _TABLE_EVERY:
            self._look_at_flows(now)

    def wants_repeat(
        self, target: Target, result: Result, began: float, now: float, running: int, ready: float
    ) -> bool:
        """Tells whether a failed check of a target is to be repeated: it ran across a pause, or began before ready.

        ready is when the kernel's table became that of the present farms, infinity before that.
        """
        is_excused = False
        if result.state != State.OK:
            # After a pause, the loop may deliver this result before the next beat.
            self._take_pulse(now, running)
            lost = self._pulse.lost(began)
            is_paused = 0 < lost >= min(_LOST_MOST, _LOST_SHARE * target.check.deadline)
            # The helpers in the table let the answers of the guardian's checks pass a firewall of this machine.
            is_early = began < ready and target.is_unknown and not has_answered(result)
            is_excused = (is_paused or is_early) and target.repeats < _REPEATS
        target.repeats = target.repeats + 1 if is_excused else 0
        self.discarded += is_excused
        return is_excused

    def of_flows(self, result: Result, began: float, now: float) -> str:
        """Says that the conntrack table was full while a check got no answer; "" when the failure counts."""
        if result.state == State.OK or has_answered(result):
            return ""
        self._look_at_flows(now)
        if not self.flow_table.was_full(began):
            return ""
        self.discarded += 1
        return str(self.flow_table)

    def _take_pulse(self, now: float, running: int) -> None:
        gap = self._pulse.beat(now)
        if gap >= _TOLD_PAUSE:
            lost = f"this process did not run for {gap:.1f} seconds, or the clock was set"
            reason = f"{lost}: those of the {running} checks under way that fail are repeated"
            self._events.report("paused", reason)

    def _look_at_flows(self, now: float) -> None:
        self._looked = now
        self.flow_table.look(now)
        was_full, self.is_full = self.is_full, self.flow_table.is_full(now)
        if self.is_full and not was_full:
            advice = "checks without an answer do not count; raise net.netfilter.nf_conntrack_max"
            self._events.report("conntrack-full", f"{self.flow_table}: {advice}")
        elif was_full and not self.is_full:
            reason = f"{self.flow_table.held} flows: all checks count again"
            self._events.report("conntrack-free", reason)
