"""The server's KEXINIT, which arrives in clear: packets of RFC 4253 section 6, the message of section 7.1."""

from __future__ import annotations

from ..value import Value

# Of a whole packet (section 6.1); the least is one cipher block of 16 bytes (section 6).
PACKET_LIMIT = 35000
_LEAST = 16
_BLOCK = 8
_LEAST_PADDING = 4

DISCONNECT = 1
IGNORE = 2
UNIMPLEMENTED = 3
DEBUG = 4
KEXINIT = 20

_COOKIE = 16
_PRINTABLE = bytes(range(33, 127))


class Malformed(ValueError):
    """Bytes that are no packet, or a packet that is no KEXINIT; the message says why."""


class Kexinit(Value):
    """The algorithms that a server offers, the preferred ones first: ten lists, by the names of the RFC."""

    __slots__ = (
        "kex_algorithms",
        "server_host_key_algorithms",
        "encryption_algorithms_client_to_server",
        "encryption_algorithms_server_to_client",
        "mac_algorithms_client_to_server",
        "mac_algorithms_server_to_client",
        "compression_algorithms_client_to_server",
        "compression_algorithms_server_to_client",
        "languages_client_to_server",
        "languages_server_to_client",
    )
    kex_algorithms: tuple[str, ...]
    server_host_key_algorithms: tuple[str, ...]
    encryption_algorithms_client_to_server: tuple[str, ...]
    encryption_algorithms_server_to_client: tuple[str, ...]
    mac_algorithms_client_to_server: tuple[str, ...]
    mac_algorithms_server_to_client: tuple[str, ...]
    compression_algorithms_client_to_server: tuple[str, ...]
    compression_algorithms_server_to_client: tuple[str, ...]
    languages_client_to_server: tuple[str, ...]
    languages_server_to_client: tuple[str, ...]

    def __init__(self, **lists: tuple[str, ...]) -> None:
        self._fill({name: lists.get(name, ()) for name in self.__slots__})

    @classmethod
    def parse(cls, payload: bytes) -> Kexinit:
        """Takes the payload of a packet apart; Malformed."""
        if payload[:1] != bytes((KEXINIT,)):
            raise Malformed("not a KEXINIT")
        place = 1 + _COOKIE
        lists = {}
        for name in cls.__slots__:
            end = place + 4 + int.from_bytes(payload[place : place + 4])
            if place + 4 > len(payload) or end > len(payload):
                raise Malformed(f"{name} is longer than the packet")
            lists[name] = _names(payload[place + 4 : end], name)
            place = end
        # first_kex_packet_follows, and four bytes for extensions.
        if len(payload) - place != 5:
            raise Malformed(f"{len(payload) - place} bytes behind the lists, not 5")
        return cls(**lists)

    def lists(self) -> dict[str, list[str]]:
        """Returns the lists by their names."""
        return {name: list(getattr(self, name)) for name in self.__slots__}

    def lines(self) -> tuple[str, ...]:
        """Returns the lists in words, a line each."""
        return tuple(f"{name}: {', '.join(names)}" for name, names in self.lists().items() if names)

    def payload(self, cookie: bytes = bytes(_COOKIE)) -> bytes:
        """Returns the message, the inverse of parse()."""
        parts = [bytes((KEXINIT,)), cookie]
        for name in self.__slots__:
            names = ",".join(getattr(self, name)).encode("ascii")
            parts += (len(names).to_bytes(4), names)
        return b"".join((*parts, bytes(5)))


class PacketReader:
    """Bytes in any chunks in, the payloads of packets out, without encryption and MAC."""

    __slots__ = ("_buffer",)

    def __init__(self, data: bytes | bytearray = b"") -> None:
        self._buffer = bytearray(data)

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Takes bytes in."""
        self._buffer += data

    def next(self) -> bytes | None:
        """Returns the next payload, or None when more bytes are needed; Malformed."""
        if len(self._buffer) < 5:
            # The length alone may be wrong already, and then the fifth byte never comes.
            if len(self._buffer) == 4:
                _check_length(int.from_bytes(self._buffer))
            return None
        length, padding = int.from_bytes(self._buffer[:4]), self._buffer[4]
        _check_length(length)
        # Something must be left for the payload: the type of the message.
        if not _LEAST_PADDING <= padding <= length - 2:
            raise Malformed(f"padding of {padding} bytes in a packet of {length}")
        if len(self._buffer) < 4 + length:
            return None
        payload = bytes(self._buffer[5 : 4 + length - padding])
        del self._buffer[: 4 + length]
        return payload


def packet(payload: bytes) -> bytes:
    """Returns the payload as a packet without encryption."""
    padding = _BLOCK - (5 + len(payload)) % _BLOCK
    if padding < _LEAST_PADDING:
        padding += _BLOCK
    while 5 + len(payload) + padding < _LEAST:
        padding += _BLOCK
    return (1 + len(payload) + padding).to_bytes(4) + bytes((padding,)) + payload + bytes(padding)


def disconnect_reason(payload: bytes) -> bytes:
    """Returns the description in a DISCONNECT (section 11.1), as much of it as there is."""
    return payload[9 : 9 + int.from_bytes(payload[5:9])]


def _check_length(length: int) -> None:
    if not _LEAST <= 4 + length <= PACKET_LIMIT:
        raise Malformed(f"packet length {length}")
    if (4 + length) % _BLOCK:
        raise Malformed(f"packet length {length} is not of whole blocks")


def _names(raw: bytes, name: str) -> tuple[str, ...]:
    if not raw:
        return ()
    if raw.translate(None, _PRINTABLE):
        raise Malformed(f"{name} has other bytes than those of names")
    names = tuple(raw.decode("ascii").split(","))
    if not all(names):
        raise Malformed(f"{name} has an empty name")
    return names
