"""The server's KEXINIT, which arrives in clear: packets of RFC 4253 section 6, the message of section 7.1."""

from __future__ import annotations

from ..status.text import printable
from ..value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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
# Of one list in words, so that all of them fit in what Nagios keeps of an output.
_SHOWN = 700
# The longest name (RFC 4251 section 6).
SHOWN_NAME = 64


class Malformed(ValueError):
    """Bytes that are no packet, or a packet that is no KEXINIT; the message says why."""


class Kexinit(Value):
    """The algorithms that a server offers, the preferred ones first: ten lists, by the names of the RFC."""

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
        self._fill({name: lists.get(name, ()) for name in self._fields})

    @classmethod
    def parse(cls, payload: bytes) -> Kexinit:
        """Takes the payload of a packet apart; Malformed."""
        if payload[:1] != bytes((KEXINIT,)):
            raise Malformed("not a KEXINIT")
        place = 1 + _COOKIE
        lists = {}
        for name in cls._fields:
            end = place + 4 + int.from_bytes(payload[place : place + 4])
            if place + 4 > len(payload) or end > len(payload):
                raise Malformed(f"{name} is longer than the packet")
            lists[name] = _names(payload[place + 4 : end], name)
            place = end
        # first_kex_packet_follows, and four bytes for extensions.
        if len(payload) - place != 5:
            raise Malformed(f"{len(payload) - place} bytes behind the lists, not 5")
        return cls(**lists)

    def lists(self, words: Callable[[str, int], str] = printable) -> dict[str, list[str]]:
        """Returns the lists by their names; words makes one printable, its second argument is the most characters."""
        return {name: [words(one, SHOWN_NAME) for one in getattr(self, name)] for name in self._fields}

    def lines(self, words: Callable[[str, int], str] = printable) -> tuple[str, ...]:
        """Returns the lists in words, a line each that tells how many names it leaves out."""
        return tuple(f"{name}: {_line(names)}" for name, names in self.lists(words).items() if names)

    def payload(self, cookie: bytes = bytes(_COOKIE)) -> bytes:
        """Returns the message, the inverse of parse()."""
        parts = [bytes((KEXINIT,)), cookie]
        for name in self._fields:
            names = ",".join(getattr(self, name)).encode("ascii")
            parts += (len(names).to_bytes(4), names)
        return b"".join((*parts, bytes(5)))


def client_offer() -> bytes:
    """Returns a packet with the KEXINIT of a client that understands every server.

    It names old algorithms too: a server that finds nothing in common with us would log so. Keys are never exchanged.
    """
    from os import urandom

    return packet(Kexinit(**_CLIENT).payload(urandom(_COOKIE)))


_CIPHERS = (
    *("chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-gcm@openssh.com"),
    *("aes256-gcm@openssh.com", "aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"),
)
_MACS = (
    *("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"),
    *("umac-128@openssh.com", "umac-64@openssh.com", "hmac-sha1", "hmac-sha1-96", "hmac-md5"),
)
_CLIENT = {
    "kex_algorithms": (
        *("sntrup761x25519-sha512@openssh.com", "curve25519-sha256", "curve25519-sha256@libssh.org"),
        *("ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", "diffie-hellman-group-exchange-sha256"),
        *("diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512", "diffie-hellman-group14-sha256"),
        *("diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1", "diffie-hellman-group1-sha1"),
    ),
    "server_host_key_algorithms": (
        *("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512"),
        *("rsa-sha2-256", "ssh-rsa", "ssh-dss"),
    ),
    "encryption_algorithms_client_to_server": _CIPHERS,
    "encryption_algorithms_server_to_client": _CIPHERS,
    "mac_algorithms_client_to_server": _MACS,
    "mac_algorithms_server_to_client": _MACS,
    "compression_algorithms_client_to_server": ("none", "zlib@openssh.com", "zlib"),
    "compression_algorithms_server_to_client": ("none", "zlib@openssh.com", "zlib"),
}


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


def _line(names: list[str]) -> str:
    """Returns the names as far as a line may be long, and how many more there are."""
    line = ", ".join(names)
    kept = len(names)
    while len(line) > _SHOWN:
        # About in proportion, or thousands of names would be joined thousands of times.
        kept = max(1, min(kept - 1, kept * _SHOWN // len(line)))
        line = f"{', '.join(names[:kept])} and {len(names) - kept} more"
    return line


def _check_length(length: int) -> None:
    if not _LEAST <= 4 + length <= PACKET_LIMIT:
        raise Malformed(f"packet length {length}")
    if (4 + length) % _BLOCK:
        raise Malformed(f"packet length {length} is not of whole blocks")


def _names(raw: bytes, name: str) -> tuple[str, ...]:
    if not raw:
        # Section 7.1: only the languages may be empty.
        if not name.startswith("languages"):
            raise Malformed(f"{name} is empty")
        return ()
    if raw.translate(None, _PRINTABLE):
        raise Malformed(f"{name} has other bytes than those of names")
    names = tuple(raw.decode("ascii").split(","))
    if not all(names):
        raise Malformed(f"{name} has an empty name")
    return names
