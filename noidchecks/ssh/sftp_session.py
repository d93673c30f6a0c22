"""An SFTP session as a dialogue: requests and their answers over a channel in a worker process."""

from __future__ import annotations

from ..dialogue.operations import Decrypted
from ..errors import PeerError, ProbeError
from ..status.text import printable
from . import filexfer
from .delegation import Ended
from .filexfer import Fields, Malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ..dialogue.operations import Dialogue
    from .delegation import Delegation

    T = TypeVar("T")
    # Masks the server's text and makes it printable, with the most characters as second argument.
    Words = Callable[[bytes | str, int], str]

CHUNK = 32768
# The least bytes of a READ, for a server whose answers are short.
_LEAST_CHUNK = 4096
# The number of outstanding READDIR or READ requests at the beginning, enough for a small directory or file; it grows
# with each full answer.
_READ_AHEAD = 2
_MOST_READ_AHEAD = 8
# A MiB in flight, which allows 10 MB/s at a round-trip time of 0.1 s.
_MOST_CHUNKS_AHEAD = 32
_SHOWN = 200
# The seconds to wait for the rest of a text that comes in place of an SFTP packet.
_TEXT_GAP = 1.0
# The seconds to wait for the answer to CLOSE of a handle that was only read.
_CLOSE_GAP = 1.0
_NO_ATTRIBUTES = filexfer.number(0)


class Refused(PeerError):
    """The server answered with a STATUS; has its code, and its text as the message."""

    def __init__(self, code: int, words: bytes, gate: Words) -> None:
        super().__init__(gate(words, _SHOWN), expected="", received=words)
        self.code = code


class SftpSession:
    """A session with its outstanding requests; every operation raises ProbeError."""

    __slots__ = ("_delegation", "_reader", "_last", "_open", "_early", "_words")

    def __init__(self, delegation: Delegation, words: Words = printable) -> None:
        self._delegation = delegation
        self._words = words
        self._reader = filexfer.PacketReader()
        self._last = 0
        # The outstanding requests, and the answers received before they are needed, by request id.
        self._open: set[int] = set()
        self._early: dict[int, tuple[int, Fields]] = {}

    def begin(self) -> Dialogue[None]:
        """Negotiates the version; a server that sends text instead offers no SFTP session (PeerError)."""
        version = filexfer.number(filexfer.VERSION_SPOKEN)
        try:
            yield from self._send(filexfer.INIT, filexfer.packet(filexfer.INIT, version))
            while (packet := self._reader.next()) is None:
                yield from self._receive()
            if packet[0] != filexfer.VERSION:
                raise Malformed(f"SFTP packet of type {packet[0]} in place of a version")
            Fields(packet[1]).number()
        except Malformed as reason:
            text = yield from self._text()
            raise _no_session(text or str(reason), self._reader.rest) from None
        except Ended as end:
            raise _no_session(self._as_text(self._reader.rest) or end.words or end.message, self._reader.rest) from None

    def read_folder(self, folder: bytes) -> Dialogue[bytes]:
        """Opens a directory and returns its handle."""
        return self._handle(filexfer.OPENDIR, filexfer.string(folder))

    def names(self, handle: bytes, limit: int) -> Dialogue[int]:
        """Returns the number of names in a directory, without "." and ".."; answers may come in any order. PeerError.

        An answer without names ends the directory as a STATUS of EOF does, because some servers never send EOF.
        """
        count, ahead = 0, _READ_AHEAD
        waiting: list[int] = []
        end = failure = 0
        refusal: Refused | None = None
        while waiting or not (end or failure):
            while len(waiting) < ahead and not (end or failure):
                waiting.append((yield from self._ask(filexfer.READDIR, filexfer.string(handle))))
            number = yield from self._first_of(waiting)
            waiting.remove(number)
            kind, fields = self._early.pop(number)
            code = filexfer.EOF
            if kind == filexfer.NAME:
                found = _parsed(filexfer.names, fields)
                count += sum(name not in (b".", b"..") for name in found)
                if count > limit:
                    raise PeerError(f"more than {limit} files", expected="", received=b"")
                if found:
                    ahead = min(ahead + 1, _MOST_READ_AHEAD)
                    continue
            else:
                code, words = _status(kind, fields)
            if code == filexfer.EOF:
                end = min(end or number, number)
            elif not failure or number < failure:
                failure, refusal = number, self._refused(code, words)
        # Requests made after the end of the directory may be refused with any code.
        if refusal is not None and not 0 < end < failure:
            raise refusal
        return count

    def open(self, name: bytes, flags: int) -> Dialogue[bytes]:
        """Opens a file and returns its handle."""
        return self._handle(filexfer.OPEN, filexfer.string(name), filexfer.number(flags), _NO_ATTRIBUTES)

    def contents(self, handle: bytes, take: Callable[[bytes], None]) -> Dialogue[None]:
        """Passes the bytes of a file to take() in order, with several outstanding requests; raises PeerError.

        The missing bytes of a short answer are requested next, and later requests are no longer than that answer. An
        exception of take() ends the reading.
        """
        ahead, size, offset = _READ_AHEAD, CHUNK, 0
        # The outstanding requests in the order of the file: id, offset and length.
        waiting: list[tuple[int, int, int]] = []
        while True:
            while len(waiting) < ahead:
                waiting.append((yield from self._ask_read(handle, offset, size)))
                offset += size
            number, begin, wanted = waiting.pop(0)
            data = yield from self._read_answer(number, wanted)
            if not data:
                break
            take(data)
            if len(data) < wanted:
                waiting.insert(0, (yield from self._ask_read(handle, begin + len(data), wanted - len(data))))
                size = min(size, max(len(data), _LEAST_CHUNK))
            else:
                ahead = min(ahead + 1, _MOST_CHUNKS_AHEAD)
        # Requests beyond the end of the file may be answered in any way.
        for number, _, _ in waiting:
            yield from self._answer(number)

    def _ask_read(self, handle: bytes, offset: int, size: int) -> Dialogue[tuple[int, int, int]]:
        place = filexfer.number(offset, 8)
        number = yield from self._ask(filexfer.READ, filexfer.string(handle), place, filexfer.number(size))
        return number, offset, size

    def _read_answer(self, number: int, wanted: int) -> Dialogue[bytes]:
        """Returns the bytes of the answer, b"" at the end of the file."""
        kind, fields = yield from self._answer(number)
        if kind == filexfer.DATA:
            data = _parsed(Fields.string, fields)
            if len(data) > wanted:
                raise PeerError(f"{len(data)} bytes, {wanted} were asked for", expected="", received=data[:16])
            return data
        code, words = _status(kind, fields)
        if code != filexfer.EOF:
            raise self._refused(code, words)
        return b""

    def write(self, handle: bytes, data: bytes) -> Dialogue[None]:
        """Writes at the beginning of a file."""
        yield from self._done(filexfer.WRITE, filexfer.string(handle), filexfer.number(0, 8), filexfer.string(data))

    def close(self, handle: bytes) -> Dialogue[None]:
        """Closes a handle; raises Refused if the server could not write the data."""
        yield from self._done(filexfer.CLOSE, filexfer.string(handle))

    def drop(self, handle: bytes) -> Dialogue[None]:
        """Closes a handle whose data has been read completely; a missing or negative answer is ignored."""
        try:
            number = yield from self._ask(filexfer.CLOSE, filexfer.string(handle))
            while number not in self._early and (yield from self._take(_CLOSE_GAP)):
                pass
        except PeerError:
            pass

    def remove(self, name: bytes) -> Dialogue[None]:
        """Deletes a file."""
        yield from self._done(filexfer.REMOVE, filexfer.string(name))

    def modified(self, name: bytes) -> Dialogue[int]:
        """Returns the modification time of a file, in Unix seconds."""
        number = yield from self._ask(filexfer.STAT, filexfer.string(name))
        kind, fields = yield from self._answer(number)
        if kind != filexfer.ATTRS:
            raise self._refused(*_status(kind, fields))
        seconds = _parsed(filexfer.modified, fields)
        if seconds is None:
            raise PeerError("the server does not say when it was modified", expected="mtime", received=b"")
        return seconds

    def _refused(self, code: int, words: bytes) -> Refused:
        return Refused(code, words, self._words)

    def _handle(self, kind: int, *fields: bytes) -> Dialogue[bytes]:
        number = yield from self._ask(kind, *fields)
        answer, found = yield from self._answer(number)
        if answer != filexfer.HANDLE:
            raise self._refused(*_status(answer, found))
        return _parsed(filexfer.handle, found)

    def _done(self, kind: int, *fields: bytes) -> Dialogue[None]:
        number = yield from self._ask(kind, *fields)
        code, words = _status(*(yield from self._answer(number)))
        if code != filexfer.OK:
            raise self._refused(code, words)

    def _ask(self, kind: int, *fields: bytes) -> Dialogue[int]:
        self._last = number = (self._last + 1) % (1 << 32)
        self._open.add(number)
        yield from self._send(kind, filexfer.packet(kind, filexfer.number(number), *fields))
        return number

    def _answer(self, number: int) -> Dialogue[tuple[int, Fields]]:
        yield from self._first_of([number])
        return self._early.pop(number)

    def _first_of(self, numbers: list[int]) -> Dialogue[int]:
        """Waits for an answer to any of the requests and returns that request's id."""
        while True:
            for number in numbers:
                if number in self._early:
                    return number
            yield from self._take(None)

    def _take(self, patience: float | None) -> Dialogue[bool]:
        """Reads the next answer, or the next bytes of it; returns False after patience seconds without bytes."""
        try:
            packet = self._reader.next()
            if packet is None:
                return (yield from self._receive(patience))
            kind, fields = packet[0], Fields(packet[1])
            found = fields.number()
        except Malformed as reason:
            raise _broken(str(reason)) from None
        yield Decrypted(self._delegation.channel, _shown(kind, packet[1]))
        if found not in self._open:
            raise _broken(f"an answer to a request that was never made, {found}")
        self._open.remove(found)
        self._early[found] = kind, fields
        return True

    def _send(self, kind: int, packet: bytes) -> Dialogue[None]:
        yield from self._delegation.send(packet, _shown(kind, packet[5:]))

    def _receive(self, patience: float | None = None) -> Dialogue[bool]:
        data = yield from self._delegation.receive(patience)
        self._reader.feed(data or b"")
        return data is not None

    def _text(self) -> Dialogue[str]:
        """Returns the text received in place of a packet, up to a line end or a pause of a second."""
        while len(rest := self._reader.rest) < _SHOWN and b"\n" not in rest.strip():
            try:
                data = yield from self._delegation.receive(_TEXT_GAP)
            except ProbeError:
                break
            if data is None:
                break
            self._reader.feed(data)
        return self._as_text(self._reader.rest)

    def _as_text(self, data: bytes) -> str:
        """Returns the printable text at the beginning of the data, up to the first control byte."""
        end = next((place for place, byte in enumerate(data) if byte < 32 and byte not in b"\t\r\n\x1b"), len(data))
        text = data[:end].strip()
        return self._words(text, _SHOWN) if text else ""


def _status(kind: int, fields: Fields) -> tuple[int, bytes]:
    if kind != filexfer.STATUS:
        raise _broken(f"SFTP packet of type {kind} in place of an answer")
    return _parsed(filexfer.status, fields)


def _parsed(read: Callable[[Fields], T], fields: Fields) -> T:
    try:
        return read(fields)
    except Malformed as reason:
        raise _broken(str(reason)) from None


def _broken(reason: str) -> PeerError:
    return PeerError(reason, expected="an SFTP packet", received=b"")


def _no_session(reason: str, received: bytes) -> PeerError:
    text = f"the server gives no SFTP session: {printable(reason, _SHOWN)}"
    return PeerError(text, expected="sftp", received=received[:_SHOWN])


def _shown(kind: int, body: bytes) -> bytes:
    name = filexfer.KINDS.get(kind, f"type {kind}")
    return f"SSH_FXP_{name} ".encode() + body[:_SHOWN]
