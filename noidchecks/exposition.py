"""Metrics in the text format of Prometheus (0.0.4): every page and file of metrics is written with this module.

prometheus_client was measured and rejected: importing it costs a guardian 73 ms and 145 modules, to replace 30 lines.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def family(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    """Yields the lines of a metric family, one for each sample; the labels are in the form that label_pairs() returns.

    kind is gauge or counter, text the help without its full stop. The first line comes with the HELP and TYPE lines.
    """
    before = head(name, kind, text)
    for labels, value in samples:
        yield before + sample(name, labels, value)
        before = ""


def head(name: str, kind: str, text: str) -> str:
    """Returns the HELP and TYPE lines, which precede the samples of a family; these must be consecutive."""
    written = text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {written}.\n# TYPE {name} {kind}\n"


def sample(name: str, labels: str, value: float) -> str:
    """Returns the line of one sample; labels is a return value of label_pairs(), or empty."""
    return f"{name}{{{labels}}} {number(value)}\n" if labels else f"{name} {number(value)}\n"


def label_pairs(pairs: Mapping[str, str]) -> str:
    """Returns the labels as they are written between the braces of a sample."""
    return ",".join(f'{name}="{escape(value)}"' for name, value in pairs.items())


def escape(value: str) -> str:
    """Returns a label's value as it is written between quotes.

    A lone surrogate becomes a backslash escape, and that backslash is escaped too: Prometheus rejects a whole page
    because of one unknown escape.
    """
    if not value.isascii():
        value = value.encode(errors="backslashreplace").decode()
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    """Returns the shortest text that reads back as the same number; Prometheus also reads inf and nan."""
    return repr(value) if isinstance(value, float) else str(int(value))
