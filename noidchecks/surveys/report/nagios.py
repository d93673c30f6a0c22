"""Output as Nagios reads it from its command file and from its spool folder."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .record import Record


def escaped_output(record: Record, limit: int) -> bytes:
    """Returns the output of a record as one line of at most limit bytes.

    Backslashes are doubled and line ends are written `\\n`. Nagios undoes that, and then once more takes a backslash
    and an n for a line end: so a blank parts them. A text that is too long is cut, the performance data is not;
    where it does not fit by itself, it is left out whole.
    """
    whole = _escaped(record.output(record.text))
    if len(whole) <= limit:
        return whole
    bare = len(_escaped(record.output("...")))
    if bare > limit:
        return _cut(record.text, limit - 3)
    text = record.text
    while len(shortened := _escaped(record.output(f"{text}..."))) > limit:
        # No character takes more than 12 bytes, most take one.
        text = text[: -max(1, (len(shortened) - limit) // 12)]
    return shortened


def _cut(text: str, limit: int) -> bytes:
    while len(shortened := _escaped(text)) > limit:
        text = text[: -max(1, (len(shortened) - limit) // 12)]
    return shortened + b"..."


def _escaped(text: str) -> bytes:
    plain = text.encode(errors="backslashreplace").replace(b"\r", b" ").replace(b"\0", b" ")
    return plain.replace(b"\\n", b"\\ n").replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
