"""Metrics in the text format of Prometheus (0.0.4): every page and file of metrics is written with this module.

prometheus_client was measured and not taken: its import costs a guardian 73 ms and 145 modules, for what is 30 lines.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def family(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    """Yields the lines of a family: one for each pair of labels, as label_pairs() writes them, and value.

    kind is gauge or counter, text the help without its full stop.
    """
    before = head(name, kind, text)
    for labels, value in samples:
        yield before + sample(name, labels, value)
        before = ""


def head(name: str, kind: str, text: str) -> str:
    """Returns the lines that stand before the samples of a family, which must all stand together."""
    written = text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {written}.\n# TYPE {name} {kind}\n"


def sample(name: str, labels: str, value: float) -> str:
    """Returns the line of one value; labels is what label_pairs() has returned, or empty."""
    return f"{name}{{{labels}}} {number(value)}\n" if labels else f"{name} {number(value)}\n"


def label_pairs(pairs: Mapping[str, str]) -> str:
    """Returns what stands between the braces."""
    return ",".join(f'{name}="{escape(value)}"' for name, value in pairs.items())


def escape(value: str) -> str:
    """Returns a label's value as it stands between its quotes.

    What is no Unicode character is written as a backslash escape, and that backslash is escaped too: Prometheus
    refuses a whole page for one escape that it does not know.
    """
    if not value.isascii():
        value = value.encode(errors="backslashreplace").decode()
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    """Returns a value in the shortest form that reads back as the same number; Prometheus reads inf and nan too."""
    return repr(value) if isinstance(value, float) else str(int(value))
