"""Escapes output for the command file and the spool folder of Nagios."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .record import Record


def escaped_output(record: Record, limit: int) -> bytes:
    """Returns the output of a record as one line of at most limit bytes.

    Backslashes are doubled and line ends are written `\\n`. Nagios reverts that, and then takes a backslash and an n
    for a line end once more, so a blank is inserted between them. A text that is too long is cut, but performance data
    is kept complete or, if it does not fit, left out completely.
    """
    whole = _escaped(record.output(record.text))
    if len(whole) <= limit:
        return whole
    bare = len(_escaped(record.output("...")))
    if bare > limit:
        return _cut(record.text, limit - 3)
    text = record.text
    while len(shortened := _escaped(record.output(f"{text}..."))) > limit:
        # A character takes at most 12 bytes, most take one.
        text = text[: -max(1, (len(shortened) - limit) // 12)]
    return shortened


def _cut(text: str, limit: int) -> bytes:
    while len(shortened := _escaped(text)) > limit:
        text = text[: -max(1, (len(shortened) - limit) // 12)]
    return shortened + b"..."


def _escaped(text: str) -> bytes:
    plain = text.encode(errors="backslashreplace").replace(b"\r", b" ").replace(b"\0", b" ")
    return plain.replace(b"\\n", b"\\ n").replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
