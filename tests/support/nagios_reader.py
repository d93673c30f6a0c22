"""Reads what Nagios reads, in the way in which Nagios Core 4 does: the oracle of what is written for it."""

from __future__ import annotations

from collections.abc import Iterator


def spool_results(data: bytes) -> Iterator[dict[str, str]]:
    """Yields the results of a spool file: key=value lines, an empty line behind each result.

    A line that ends in a single backslash goes on in the next one.
    """
    result: dict[str, str] = {}
    for line in _logical_lines(data.decode()):
        if line.startswith("#"):
            continue
        if not line:
            if "host_name" in result:
                yield result
            result = {}
            continue
        name, equals, value = line.partition("=")
        assert equals, line
        assert name not in result, f"{name} is there twice"
        result[name] = value
    assert "host_name" not in result, "a result without an end"


def _logical_lines(text: str) -> Iterator[str]:
    kept = ""
    for line in text.split("\n"):
        whole = kept + line.strip()
        if whole.endswith("\\") and not whole.endswith("\\\\"):
            kept = whole[:-1]
            continue
        kept = ""
        yield whole


def command(line: bytes) -> tuple[int, list[str]]:
    """Takes one external command apart into its time and its words, the last of which is the output."""
    text = line.decode()
    assert text.endswith("\n")
    assert text.count("\n") == 1
    stamp, _, rest = text.rstrip("\n").partition("] ")
    return int(stamp.removeprefix("[")), rest.split(";", 4)


def shown(output: str) -> tuple[str, str, str]:
    """Returns first line, further lines and performance data as Nagios makes them of an escaped output."""
    plain = ""
    position = 0
    while position < len(output):
        pair = output[position : position + 2]
        if pair in ("\\\\", "\\n"):
            plain += "\\" if pair == "\\\\" else "\n"
            position += 2
        else:
            plain += output[position]
            position += 1
    # Nagios looks a second time.
    first, *more = plain.replace("\\n", "\n").split("\n")
    text, _, perfdata = first.partition("|")
    long_lines = []
    for line in more:
        part, _, data = line.partition("|")
        long_lines.append(part)
        perfdata += data
    return text.rstrip(), "\n".join(long_lines).rstrip(), perfdata.strip()
