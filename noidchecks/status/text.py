"""Text from the wire and from the caller, made safe to print on a status line."""

from __future__ import annotations

# The most characters of one text; Nagios keeps 8192 bytes of output, performance data included.
LIMIT = 4000
# The most bytes of a status line, performance data included, without its line end: when a plugin has already exited, a
# worker of Nagios 4 reads 4096 bytes and drops the rest.
LINE = 4095


def printable(raw: bytes | str, limit: int = LIMIT) -> str:
    """Returns the text as one printable line of at most limit characters.

    Line ends, tabs and `|` (which would start performance data) become blanks; control characters, format characters
    and undecodable bytes become escapes; a blank is inserted after a `<` that Icinga Web would take for an HTML tag.
    """
    # A character has at most four bytes, so no more bytes than these can be printed.
    text = raw[: 4 * limit + 4].decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    if text.isprintable() and "|" not in text and "<" not in text:
        return text
    text = text.replace("\r\n", " ").replace("|", " ")
    safe = "".join(char if char.isprintable() else _escape(char) for char in text)
    parts = safe.split("<")
    safe = parts[0] + "".join(
        f"< {part}" if part[:1].isalnum() or part[:1] in ("_", "/", "!") else f"<{part}" for part in parts[1:]
    )
    return safe if len(safe) <= limit else safe[: limit - 3] + "..."


def shortened(text: str, limit: int) -> str:
    """Returns the text, cut to limit bytes of UTF-8."""
    raw = text.encode(errors="backslashreplace")
    return text if len(raw) <= limit else raw[: limit - 3].decode(errors="ignore") + "..."


def _escape(char: str) -> str:
    return " " if char in "\r\n\t\v\f" else ascii(char)[1:-1]
