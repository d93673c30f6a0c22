"""The tables of the soak."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from integration.bench.soak.samples import FIGURES, Sampler

if TYPE_CHECKING:
    from integration.bench.soak.__main__ import Soak

_MIB = 1024


def figures(sampler: Sampler) -> str:
    """Returns what the longest life of each process held: first, last, most, and the trend of its last half."""
    lines = [f"{'':10} {'':12} {'first':>8} {'last':>8} {'most':>8}   a hour more, over the last half of its life"]
    for name in ("guardian", "its nft", "survey"):
        life = sampler.longest(name)
        if life is None or not life.samples[FIGURES[0]]:
            continue
        for figure in FIGURES:
            values = [value for _, value in life.samples[figure]]
            trend = life.trend(figure)
            verdict = "grows" if trend.is_growth else "no growth"
            lines.append(
                f"{name:10} {figure:12} {values[0]:8.0f} {values[-1]:8.0f} {max(values):8.0f}   {trend!s:>20} {verdict}"
            )
        lines[-1] += f" (in {life.seconds / 60:.1f} minutes, {len(values)} samples)"
    return "\n".join(lines)


def _count(name: str) -> int:
    """Returns how many processes of a name run in these namespaces."""
    found = 0
    for file in Path("/proc").glob("[0-9]*/comm"):
        # It may end meanwhile.
        with suppress(OSError):
            found += file.read_text().strip() == name
    return found


def table(soak: Soak) -> str:
    """Returns the disturbances, the clients and the totals."""
    judge, operated, survey = soak.judge, soak.operated, soak.survey
    lines = [f"{'disturbance':42} {'times':>6} {'wrong':>6} {'table right within':>19}"]
    lines += [f"{name:42} {row.times:6} {row.wrong:6} {row.worst:17.1f} s" for name, row in sorted(soak.rows.items())]
    lines += ["", f"{'clients':42} {'sessions':>9} {'last failure after':>19}"]
    lines += [f"{kind + 's':42} {count:9}" for kind, count in sorted(judge.counts.items())]
    for name, count in sorted(judge.failed_in.items()):
        since = judge.longest.get(name)
        lines.append(f"{'failed in ' + name:42} {count:9}" + (f" {since:17.1f} s" if since is not None else ""))
    lines.append(f"{'failed without a cause, or led to a wrong one':42} {judge.unexplained:6}")
    lines += [
        "",
        f"{(time.monotonic() - soak.begin) / 60:.1f} minutes; kills of the guardian: {soak.kills}; "
        f"failures of backends: {judge.flaps['failures']}, "
        f"recoveries: {judge.flaps['recoveries']}, connections that they took: {judge.flaps['accepted']}",
        f"left in the state folder: {', '.join(operated.left_behind()) or 'nothing'}; "
        f"processes of nft: {_count('nft')}",
        "words: " + ", ".join(f"{word} {count}" for word, count in sorted(operated.said.items())),
        "events: " + ", ".join(f"{kind} {count}" for kind, count in sorted(operated.events.items()) if count),
        f"survey: {survey.taken} results taken in {survey.lives} lives; said: "
        + "; ".join(f"{line} ({count})" for line, count in survey.said.most_common(6)),
    ]
    return "\n".join(lines)
