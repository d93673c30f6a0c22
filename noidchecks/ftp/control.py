"""The control connection after the greeting: commands out, replies in."""

from __future__ import annotations

from ..dialogue import Mask, Phase
from ..errors import PeerError
from ..status.text import Gate
from .wire import NotAReply, ReplyReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue import Dialogue, Stream
    from .wire import Reply

_CHUNK = 1024


class Control:
    """Sends commands and reads their replies; a reply longer than limit bytes is a PeerError.

    phase is the last phase that was entered, owed the number of commands whose final reply is still to come. With jail
    the words of the server are not repeated.
    """

    __slots__ = ("stream", "phase", "owed", "_limit", "_jail", "_reader", "_fed", "_gate")

    def __init__(self, stream: Stream, *, limit: int, jail: bool = False) -> None:
        self.stream = stream
        self.phase = ""
        self.owed = 0
        self._limit = limit
        self._jail = jail
        self._reader = ReplyReader()
        self._fed = 0
        self._gate = Gate()

    def enter(self, phase: str) -> Dialogue[None]:
        """Enters a phase."""
        self.phase = phase
        yield Phase(phase)

    def command(self, verb: str, argument: str = "") -> Dialogue[Reply]:
        """Sends a command and returns the first reply to it; PeerError."""
        line = f"{verb} {argument}" if argument else verb
        yield from self.stream.send(encoded(line) + b"\r\n")
        self.owed += 1
        return (yield from self.reply())

    def keep_secret(self, password: str) -> Dialogue[None]:
        """Keeps the password out of all that is shown, also where the server repeats it."""
        self._gate.add(encoded(password))
        yield Mask(encoded(password))

    def password(self, password: str) -> Dialogue[Reply]:
        """Sends PASS, which no transcript shows."""
        yield from self.stream.send(b"PASS " + encoded(password) + b"\r\n", shown=b"PASS ****\r\n")
        self.owed += 1
        return (yield from self.reply())

    def reply(self) -> Dialogue[Reply]:
        """Returns the next reply; PeerError when the server ends the connection or does not speak FTP."""
        reply = yield from self.poll(None)
        assert reply is not None, "a reply without patience is awaited to the deadline"  # noqa: S101
        return reply

    def poll(self, patience: float | None) -> Dialogue[Reply | None]:
        """Returns the next reply, or None when nothing comes for patience seconds."""
        while True:
            try:
                reply = self._reader.next()
            except NotAReply:
                raise PeerError("the server does not answer with a reply", expected="a reply", received=b"") from None
            if reply is not None:
                self._fed = 0
                if self.owed and reply.code >= 200:
                    self.owed -= 1
                return reply
            data = yield from self.stream.receive(_CHUNK, patience)
            if data is None:
                return None
            if not data:
                raise PeerError("the server closed the connection", expected="a reply", received=b"")
            self._fed += len(data)
            if self._fed > self._limit:
                raise PeerError("the reply does not end", expected="a reply", received=b"")
            self._reader.feed(data)

    def words(self, reply: Reply) -> str:
        """Returns a reply as it may be printed."""
        if self._jail or self._gate.repeats(reply.raw):
            return str(reply.code)
        return self._gate.words(reply.raw.strip(), 300)

    def unexpected(self, what: str, expected: str, reply: Reply) -> PeerError:
        """Returns the error for a reply that is not the expected one."""
        return PeerError(f"{what}: {self.words(reply)}", expected=expected, received=self.words(reply))


def encoded(text: str) -> bytes:
    """Returns the bytes of a name, also of one that is no UTF-8."""
    return text.encode(errors="surrogateescape")


def path(name: str) -> str:
    """Returns a name that no server takes for options."""
    return f"./{name}" if name.startswith("-") else name
