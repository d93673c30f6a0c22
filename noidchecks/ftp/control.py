"""The control connection after the greeting: commands out, replies in."""

from __future__ import annotations

from ..dialogue.operations import Await, Phase, Redact
from ..errors import DeadlineExceeded, NotConnected, PeerError
from ..status.gate import Gate
from .wire import ReplyReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Channel, Dialogue
    from ..dialogue.stream import Stream
    from .wire import Reply

_CHUNK = 1024
_GREETING = 220
# The final replies to transfers, successful or not.
_ENDS_TRANSFER = frozenset((225, 226, 250, 425, 426, 450, 451, 452, 522, 550, 551, 552, 553))
# Seconds without data after which a reply counts as complete: one whose last line ends in CR alone, and one whose last
# line has another code than its first, which is less certain.
_LINE_PAUSE = 0.25
_REPLY_PAUSE = 2.0


class Control:
    """Sends commands and reads their replies; more than limit bytes between two commands are a PeerError.

    phase is the last phase that was entered, owed the number of commands whose final reply is outstanding, waited the
    seconds spent waiting for more data of a reply, or after an upload, that was complete already. With jail, no text of
    the server is printed; otherwise the gate masks secrets in it.
    """

    __slots__ = ("stream", "phase", "owed", "waited", "jail", "_limit", "_reader", "_fed", "_gate", "_next")

    def __init__(self, stream: Stream, *, limit: int, jail: bool = False, gate: Gate | None = None) -> None:
        self.stream = stream
        self.phase = ""
        self.owed = 0
        self.waited = 0.0
        self.jail = jail
        self._limit = limit
        self._reader = ReplyReader()
        self._fed = 0
        self._gate = gate or Gate()
        self._next: Reply | None = None

    @property
    def has_more(self) -> bool:
        """Whether unread bytes follow the last reply."""
        return self._reader.has_more

    def enter(self, phase: str) -> Dialogue[None]:
        """Enters a phase."""
        self.phase = phase
        yield Phase(phase)

    def send(self, verb: str, argument: str = "") -> Dialogue[None]:
        """Sends a command; the caller must read its reply."""
        yield from self._send(encoded(f"{verb} {argument}" if argument else verb))

    def _send(self, line: bytes, shown: bytes = b"") -> Dialogue[None]:
        try:
            yield from self.stream.send(line + b"\r\n", shown)
        except NotConnected:
            # The reason can still be read: a reply 421, or TLS 1.3's alert for a missing client certificate.
            pass
        self.owed += 1
        self._fed = 0

    def command(self, verb: str, argument: str = "") -> Dialogue[Reply]:
        """Sends a command that begins no transfer and returns its final reply; raises PeerError.

        Skips late final replies of abandoned transfers. Replies come in the order of the commands, so replies that are
        outstanding when this command has its own will never come.
        """
        belated = self.owed
        yield from self.send(verb, argument)
        reply = yield from self._final()
        while belated and reply.code in _ENDS_TRANSFER:
            belated -= 1
            reply = yield from self._final()
        self.owed = 0
        return reply

    def first_command(self, verb: str, argument: str) -> Dialogue[Reply]:
        """Sends the first command of a session and returns its final reply; raises PeerError.

        A 220 in place of that reply is skipped: it is the server's greeting, which a proxy sends after its own one.
        """
        reply = yield from self.command(verb, argument)
        while reply.code == _GREETING:
            reply = yield from self._final()
        return reply

    def keep_secret(self, password: str) -> Dialogue[None]:
        """Masks the password in all output, also where the server repeats it."""
        self._gate.add(encoded(password))
        yield Redact(encoded(password))

    def password(self, password: str) -> Dialogue[Reply]:
        """Sends PASS, whose argument the transcript masks, and returns the final reply."""
        yield from self._send(b"PASS " + encoded(password), shown=b"PASS ****\r\n")
        return (yield from self._final())

    def reply(self) -> Dialogue[Reply]:
        """Returns the next reply; PeerError when the server closes the connection or its reply exceeds the limit."""
        reply = yield from self.poll(None)
        assert reply is not None, "a reply without patience is awaited to the deadline"  # noqa: S101
        return reply

    def _final(self) -> Dialogue[Reply]:
        while (reply := (yield from self.reply())).kind == 1:
            # A preliminary reply (1yz) is skipped: its final reply must not be taken for that of the next command.
            pass
        return reply

    def poll(self, patience: float | None) -> Dialogue[Reply | None]:
        """Returns the next reply, or None after patience seconds without data."""
        if (early := self._next) is not None:
            self._next = None
            return early
        while True:
            if (reply := self._reader.next()) is not None:
                return self._took(reply)
            pause = self._pause()
            pauses = pause is not None and (patience is None or pause < patience)
            data = yield from self._receive(pause if pauses else patience)
            if data is None and not pauses:
                return None
            if not data:
                if (reply := self._reader.end()) is not None:
                    self.waited += pause if data is None and pause is not None else 0.0
                    return self._took(reply)
                if data is None:
                    continue
                raise PeerError("the server closed the connection", expected="a reply", received=b"")
            self._fed += len(data)
            if self._fed > self._limit:
                raise PeerError("the reply does not end", expected="a reply", received=b"")
            self._reader.feed(data)

    def first(self, channel: Channel) -> Dialogue[Reply | None]:
        """Waits for a reply and for the channel: returns the reply, or None as soon as the channel is readable."""
        while True:
            # The channel takes precedence: a reply after the data reports the end of the transfer.
            if (yield Await((channel, self.stream.channel), 0.0)) is channel:
                return None
            if (reply := (yield from self.poll(0.0))) is not None:
                return reply
            pause = self._pause()
            ready = yield Await((channel, self.stream.channel), pause)
            if ready is channel:
                return None
            if ready is None and (reply := self._reader.end()) is not None:
                self.waited += pause or 0.0
                return self._took(reply)

    def put_back(self, reply: Reply) -> None:
        """Makes a reply that was read too early the next one again."""
        self._next = reply

    def words(self, reply: Reply) -> str:
        """Returns the printable text of a reply; only its code with jail or when it repeats a secret."""
        return str(reply.code) if self._is_hidden(reply.raw) else self._gate.words(reply.raw.strip(), 300)

    def unexpected(self, what: str, expected: str, reply: Reply) -> PeerError:
        """Returns the error for a reply that is not the expected one."""
        return PeerError(f"{what}: {self.words(reply)}", expected=expected, received=self.words(reply))

    def _pause(self) -> float | None:
        """Returns the seconds of silence after which an unfinished reply counts as complete; None if it never does."""
        if self._reader.lacks_line_feed:
            return _LINE_PAUSE
        return _REPLY_PAUSE if self._reader.ends_otherwise else None

    def _took(self, reply: Reply) -> Reply:
        if self.owed and reply.kind > 1:
            self.owed -= 1
        return reply

    def _receive(self, patience: float | None) -> Dialogue[bytes | None]:
        try:
            return (yield from self.stream.receive(_CHUNK, patience))
        except DeadlineExceeded as failure:
            stray = self._reader.stray
            if stray and not self._is_hidden(stray):
                failure.message += f", and the server does not answer with a reply: {self._gate.words(stray, 100)}"
            raise

    def _is_hidden(self, raw: bytes) -> bool:
        return self.jail or self._gate.repeats(raw)


def encoded(text: str) -> bytes:
    """Returns the bytes of a name; one that was decoded with surrogateescape gives its original bytes."""
    return text.encode(errors="surrogateescape")


def path(name: str) -> str:
    """Returns the name, prefixed by ./ when it begins with a dash, which servers would take for an option."""
    return f"./{name}" if name.startswith("-") else name
