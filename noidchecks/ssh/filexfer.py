"""Builds and parses SFTP packets, version 3 (draft-ietf-secsh-filexfer-02), within limits."""

from __future__ import annotations

VERSION_SPOKEN = 3
INIT, VERSION = 1, 2
OPEN, CLOSE, READ, WRITE, OPENDIR, READDIR, REMOVE, STAT = 3, 4, 5, 6, 11, 12, 13, 17
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
KINDS = {
    **{INIT: "INIT", VERSION: "VERSION", OPEN: "OPEN", CLOSE: "CLOSE", READ: "READ", WRITE: "WRITE"},
    **{OPENDIR: "OPENDIR", READDIR: "READDIR", REMOVE: "REMOVE", STAT: "STAT"},
    **{STATUS: "STATUS", HANDLE: "HANDLE", DATA: "DATA", NAME: "NAME", ATTRS: "ATTRS"},
}
# Flags of OPEN (section 6.3).
TO_READ, TO_WRITE, CREATE, TRUNCATE, EXCLUSIVE = 1, 2, 8, 16, 32
# Codes of STATUS (section 7).
OK, EOF, NO_SUCH_FILE = 0, 1, 2
_WORDS = {
    **{0: "OK", 1: "End of file", 2: "No such file", 3: "Permission denied", 4: "Failure", 5: "Bad message"},
    **{6: "No connection", 7: "Connection lost", 8: "Operation unsupported"},
}
# OpenSSH's limit; its own packets, and those of the drafts, are shorter than 34000 bytes.
PACKET_LIMIT = 256 << 10
# The longest handle (section 6.3).
_HANDLE_LIMIT = 256
# The most strings in a packet, two for each file name: 256 KiB of empty ones would block the loop for 0.1 s.
_MOST_STRINGS = 8192
_SIZE, _OWNERS, _PERMISSIONS, _TIMES, _EXTENDED = 1, 2, 4, 8, 1 << 31


class Malformed(ValueError):
    """The bytes are not SFTP; the message is the reason."""


class PacketReader:
    """A sans-IO parser that splits received bytes into packets, each a type and a body."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def rest(self) -> bytes:
        """The received bytes of the next packet, which may be incomplete."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> None:
        """Adds received bytes."""
        self._buffer += data

    def next(self) -> tuple[int, bytes] | None:
        """Returns the next packet, or None when more bytes are needed; raises Malformed."""
        if len(self._buffer) < 4:
            return None
        length = int.from_bytes(self._buffer[:4])
        if not 1 <= length <= PACKET_LIMIT:
            raise Malformed(f"SFTP packet length {length}")
        if len(self._buffer) < 4 + length:
            return None
        kind, body = self._buffer[4], bytes(self._buffer[5 : 4 + length])
        del self._buffer[: 4 + length]
        return kind, body


class Fields:
    """Reads the fields of a packet one after the other; raises Malformed when the packet ends too early."""

    __slots__ = ("_body", "_place", "_strings_left")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._place = 0
        self._strings_left = _MOST_STRINGS

    @property
    def left(self) -> int:
        """The number of unread bytes."""
        return len(self._body) - self._place

    def number(self, size: int = 4) -> int:
        """Returns the next unsigned integer."""
        return int.from_bytes(self._take(size))

    def string(self, limit: int = PACKET_LIMIT) -> bytes:
        """Returns the next string."""
        self._strings_left -= 1
        if self._strings_left < 0:
            raise Malformed(f"SFTP packet of more than {_MOST_STRINGS} strings")
        # Not by number(), whose calls would slow down a packet of thousands of strings.
        start = self._place + 4
        length = int.from_bytes(self._body[self._place : start])
        if length > limit:
            raise Malformed(f"SFTP string of {length} bytes")
        end = start + length
        if end > len(self._body):
            raise Malformed("SFTP packet ends too early")
        self._place = end
        return self._body[start:end]

    def _take(self, size: int) -> bytes:
        if size > self.left:
            raise Malformed("SFTP packet ends too early")
        self._place += size
        return self._body[self._place - size : self._place]


def packet(kind: int, *fields: bytes) -> bytes:
    """Returns a packet."""
    body = b"".join(fields)
    return (1 + len(body)).to_bytes(4) + bytes((kind,)) + body


def number(value: int, size: int = 4) -> bytes:
    """Returns an unsigned integer as a field."""
    return value.to_bytes(size)


def string(value: bytes) -> bytes:
    """Returns a string as a field."""
    return len(value).to_bytes(4) + value


def status(fields: Fields) -> tuple[int, bytes]:
    """Returns the code of a STATUS and the server's message, or a default for the code.

    Servers that follow older drafts, and some others, omit message and language.
    """
    code = fields.number()
    words = b""
    if fields.left >= 4:
        words = fields.string()
    return code, words or _WORDS.get(code, f"status {code}").encode()


def handle(fields: Fields) -> bytes:
    """Returns the handle of a HANDLE."""
    return fields.string(_HANDLE_LIMIT)


def names(fields: Fields) -> list[bytes]:
    """Returns the file names of a NAME."""
    found = []
    # Each name takes two strings of the packet, so a false number of names ends the loop at the end of the packet.
    for _ in range(fields.number()):
        found.append(fields.string())
        fields.string()
        modified(fields)
    return found


def modified(fields: Fields) -> int | None:
    """Reads attributes and returns the modification time, None if they have none."""
    flags = fields.number()
    found = None
    if flags & _SIZE:
        fields.number(8)
    if flags & _OWNERS:
        fields.number(8)
    if flags & _PERMISSIONS:
        fields.number()
    if flags & _TIMES:
        fields.number()
        found = fields.number()
    if flags & _EXTENDED:
        # Limited by the length of the packet, as the names are.
        for _ in range(fields.number()):
            fields.string()
            fields.string()
    return found
