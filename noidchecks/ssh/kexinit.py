"""Parses the unencrypted KEXINIT of a server: packets of RFC 4253 section 6, the message of section 7.1."""

from __future__ import annotations

from ..status.text import printable
from ..value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The longest packet (section 6.1); the shortest one has one cipher block of 16 bytes (section 6).
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
# The most characters of a list, so that all lists fit into the output that Nagios keeps.
_SHOWN = 700
# The longest name (RFC 4251 section 6).
SHOWN_NAME = 64


class Malformed(ValueError):
    """The bytes are not a packet, or the packet is not a KEXINIT; the message is the reason."""


class Kexinit(Value):
    """The algorithms that a server offers, the preferred ones first: ten lists with the names of the RFC."""

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
        """Parses the payload of a packet; raises Malformed."""
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
        """Returns the lists by name; words makes an entry printable, with the most characters as second argument."""
        return {name: [words(one, SHOWN_NAME) for one in getattr(self, name)] for name in self._fields}

    def lines(self, words: Callable[[str, int], str] = printable) -> tuple[str, ...]:
        """Returns a line for each list that is not empty; a shortened line has the number of omitted names."""
        return tuple(f"{name}: {_line(names)}" for name, names in self.lists(words).items() if names)

    def payload(self, cookie: bytes = bytes(_COOKIE)) -> bytes:
        """Returns the payload of the message, the inverse of parse()."""
        parts = [bytes((KEXINIT,)), cookie]
        for name in self._fields:
            names = ",".join(getattr(self, name)).encode("ascii")
            parts += (len(names).to_bytes(4), names)
        return b"".join((*parts, bytes(5)))


def client_offer() -> bytes:
    """Returns a packet with a KEXINIT that has algorithms in common with every server.

    It lists old algorithms too, because a server without a common one would log an error. No key exchange follows.
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
    """A sans-IO parser that splits received bytes into the payloads of packets without encryption and MAC."""

    __slots__ = ("_buffer",)

    def __init__(self, data: bytes | bytearray = b"") -> None:
        self._buffer = bytearray(data)

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Adds received bytes."""
        self._buffer += data

    def next(self) -> bytes | None:
        """Returns the next payload, or None when more bytes are needed; raises Malformed."""
        if len(self._buffer) < 5:
            # The length alone may already be invalid, and a peer of another protocol may never send a fifth byte.
            if len(self._buffer) == 4:
                _check_length(int.from_bytes(self._buffer))
            return None
        length, padding = int.from_bytes(self._buffer[:4]), self._buffer[4]
        _check_length(length)
        # The payload has at least one byte, the type of the message.
        if not _LEAST_PADDING <= padding <= length - 2:
            raise Malformed(f"padding of {padding} bytes in a packet of {length}")
        if len(self._buffer) < 4 + length:
            return None
        payload = bytes(self._buffer[5 : 4 + length - padding])
        del self._buffer[: 4 + length]
        return payload


def packet(payload: bytes) -> bytes:
    """Returns an unencrypted packet with the payload."""
    padding = _BLOCK - (5 + len(payload)) % _BLOCK
    if padding < _LEAST_PADDING:
        padding += _BLOCK
    while 5 + len(payload) + padding < _LEAST:
        padding += _BLOCK
    return (1 + len(payload) + padding).to_bytes(4) + bytes((padding,)) + payload + bytes(padding)


def disconnect_reason(payload: bytes) -> bytes:
    """Returns the description in a DISCONNECT (section 11.1), or the part of it that the payload has."""
    return payload[9 : 9 + int.from_bytes(payload[5:9])]


def _line(names: list[str]) -> str:
    """Returns the names, cut to at most 700 characters, and the number of omitted ones."""
    line = ", ".join(names)
    kept = len(names)
    while len(line) > _SHOWN:
        # Reduced in proportion: removing one name at a time would join thousands of names thousands of times.
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
        # Only the lists of languages may be empty (section 7.1).
        if not name.startswith("languages"):
            raise Malformed(f"{name} is empty")
        return ()
    if raw.translate(None, _PRINTABLE):
        raise Malformed(f"{name} has other bytes than those of names")
    names = tuple(raw.decode("ascii").split(","))
    if not all(names):
        raise Malformed(f"{name} has an empty name")
    return names
