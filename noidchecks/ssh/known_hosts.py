"""Reads host keys from a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT); invalid lines are skipped."""

from __future__ import annotations

from ..errors import LocalError
from ..status.text import printable
from ..value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SSH_PORT = 22
_MOST_BYTES = 16_000_000
# Far longer than a line with many names and the longest key.
_LONGEST_LINE = 65536
# The most bytes of a pattern for names, as in OpenSSH.
_LONGEST_PATTERN = 1024
_REVOKED = b"@revoked"
_HASHED = b"|1|"
# The number of fields in a key blob after the name of its type (RFC 4253 section 6.6, RFC 5656, RFC 8709, PROTOCOL.u2f
# of OpenSSH).
_FIELDS = {
    "ssh-rsa": 2,
    "ssh-dss": 4,
    "ssh-ed25519": 1,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
# The bytes of the last field where it has a fixed length; a point of ECDSA begins with the byte 4.
_LENGTHS = {
    "ssh-ed25519": 32,
    "ecdsa-sha2-nistp256": 65,
    "ecdsa-sha2-nistp384": 97,
    "ecdsa-sha2-nistp521": 133,
}


class KnownKeys(Value):
    """The entries of a file for one host: types and fingerprints of its keys, and the fingerprints of revoked keys.

    is_without_port says that the file has the host only without the port.
    """

    kinds: tuple[str, ...]
    fingerprints: tuple[str, ...]
    revoked: tuple[str, ...]
    is_without_port: bool

    def __init__(
        self,
        kinds: tuple[str, ...] = (),
        fingerprints: tuple[str, ...] = (),
        revoked: tuple[str, ...] = (),
        *,
        is_without_port: bool = False,
    ) -> None:
        self._fill(
            {"kinds": kinds, "fingerprints": fingerprints, "revoked": revoked, "is_without_port": is_without_port}
        )

    def expected(self, fingerprint: str) -> tuple[str, ...]:
        """Returns the expected fingerprints, () for an unknown server; fingerprint is that of the server's key.

        When the file has the host only without the port, a server with another key is unknown and not wrong: servers on
        other ports may have their own keys.
        """
        return () if self.is_without_port and fingerprint not in self.fingerprints else self.fingerprints


def read(path: str, host: str, port: int) -> KnownKeys:
    """Returns the keys of the host in the file; LocalError for a file that cannot be read or has more than 16 MB."""
    from ..regular import read_regular

    try:
        data = read_regular(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LocalError(f"cannot read known hosts {printable(path)}: {printable(reason, 200)}") from error
    return look_up(data.split(b"\n"), host, port)


def look_up(lines: Sequence[bytes], host: str, port: int) -> KnownKeys:
    """Returns the keys of [HOST]:PORT in the lines or, as ssh(1) does, of HOST when no line has a key for that."""
    lines = _likely(lines, host)
    good, revoked = _keys(lines, _names(host, port))
    is_without_port = not good and port != SSH_PORT
    if is_without_port:
        good, more = _keys(lines, _names(host, None))
        revoked |= more
    kept = {fingerprint: kind for fingerprint, kind in good.items() if fingerprint not in revoked}
    kinds = tuple(dict.fromkeys(kept.values()))
    return KnownKeys(kinds, tuple(kept), tuple(revoked), is_without_port=is_without_port and bool(kept))


def _likely(lines: Sequence[bytes], host: str) -> Sequence[bytes]:
    """Returns the lines that may match the host: those with its name, a hash, a pattern or an IPv6 address.

    In a file of thousands of lines, parsing all of them takes longer than a key exchange.
    """
    if not host.isascii():
        return lines
    name = _canonical(host).encode().rstrip(b".")
    return [
        line
        for line in lines
        if name in line.lower() or b"|" in line or b"*" in line or b"?" in line or line.count(b":") > 1
    ]


def _keys(lines: Sequence[bytes], names: frozenset[bytes]) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the fingerprints and types of the keys for these names, and those of revoked keys."""
    good: dict[str, str] = {}
    revoked: dict[str, str] = {}
    for line in lines:
        marker, hosts, rest = _split(line[: _LONGEST_LINE + 1])
        # Lines of authorities are skipped: of a host certificate, which paramiko prefers least, only the plain key is
        # compared.
        if not hosts or len(line) > _LONGEST_LINE or marker not in (b"", _REVOKED) or not _are_meant(hosts, names):
            continue
        kind, fingerprint = _key(rest)
        if kind:
            (revoked if marker else good)[fingerprint] = kind
    return good, revoked


def _names(host: str, port: int | None) -> frozenset[bytes]:
    """Returns the forms of the host's name in a file: also in lower case, without a trailing dot, with the port."""
    found = set()
    for name in {host, host.lower(), _canonical(host)}:
        raw = name.encode(errors="surrogateescape")
        for form in {raw, raw.rstrip(b".") or raw}:
            if port is not None:
                found.add(b"[%b]:%d" % (form, port))
            if port in (None, SSH_PORT):
                found.add(form)
    return frozenset(found)


def _canonical(host: str) -> str:
    """Returns an IPv6 address in its canonical form, any other name in lower case."""
    if ":" not in host:
        return host.lower().rstrip(".") or host
    from ipaddress import IPv6Address

    try:
        return str(IPv6Address(host)).lower()
    except ValueError:
        return host.lower()


def _split(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Returns the marker, the names and the rest of a line; all empty for a comment or an invalid line."""
    line = line.strip()
    marker = b""
    if line.startswith(b"@"):
        marker, *more = line.split(None, 1)
        line = more[0] if more else b""
    if not line or line.startswith((b"#", b"@")):
        return b"", b"", b""
    hosts, *more = line.split(None, 1)
    return marker, hosts, more[0] if more else b""


def _are_meant(hosts: bytes, names: frozenset[bytes]) -> bool:
    """Tells whether the names of a line, hashed or patterns, match the host; a matching negated one excludes it."""
    if hosts.startswith(b"|"):
        return _is_hash_of(hosts, names)
    found = False
    for pattern in hosts.lower().split(b","):
        is_negated = pattern.startswith(b"!")
        if _is_any(pattern[is_negated:], names):
            if is_negated:
                return False
            found = True
    return found


def _is_hash_of(hosts: bytes, names: frozenset[bytes]) -> bool:
    """Tells whether `|1|SALT|HASH` is the hash of one of the names (HMAC-SHA1 with the salt as key)."""
    import hmac

    if not hosts.startswith(_HASHED):
        return False
    salt, _, digest = hosts[len(_HASHED) :].partition(b"|")
    key, expected = _base64(salt), _base64(digest)
    return bool(key and expected) and any(hmac.digest(key, name, "sha1") == expected for name in names)


def _is_any(pattern: bytes, names: frozenset[bytes]) -> bool:
    if not pattern or len(pattern) > _LONGEST_PATTERN:
        return False
    if b"*" in pattern or b"?" in pattern:
        # A fast test that excludes most patterns: the text between the wildcards must occur in the name.
        pieces = pattern.replace(b"?", b"*").split(b"*")
        return any(
            all(piece in name for piece in pieces) and matches(pattern, name) for name in map(bytes.lower, names)
        )
    if pattern in names or (pattern.rstrip(b".") or pattern) in names:
        return True
    if pattern.count(b":") < 2 and not pattern.startswith(b"["):
        return False
    # Another notation of the same IPv6 address, or a trailing dot within brackets.
    inner, bracket, port = pattern.removeprefix(b"[").partition(b"]")
    name = _canonical(inner.decode(errors="surrogateescape")).encode(errors="surrogateescape")
    return (b"[%b]%b" % (name, port) if bracket and port else name) in names


def matches(pattern: bytes, name: bytes) -> bool:
    """Tells whether the name matches a pattern in which * stands for any bytes and ? for one byte."""
    place = at = 0
    star, resumed = -1, 0
    # Backtracking only to the last * is enough, and limits the time to the product of both lengths.
    while at < len(name):
        if place < len(pattern) and pattern[place] == 0x2A:
            star, resumed = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in (0x3F, name[at]):
            place += 1
            at += 1
        elif star >= 0:
            resumed += 1
            place, at = star + 1, resumed
        else:
            return False
    return not pattern[place:].strip(b"*")


def _key(rest: bytes) -> tuple[str, str]:
    """Returns type and fingerprint of the key in the rest of a line, "" and "" for an invalid key."""
    from binascii import b2a_base64
    from hashlib import sha256

    words = rest.split(None, 2)
    blob = _base64(words[1]) if len(words) > 1 else b""
    kind = words[0].decode("ascii", "replace") if blob else ""
    if not _is_key(kind, blob):
        return "", ""
    digest = b2a_base64(sha256(blob).digest(), newline=False).rstrip(b"=")
    return kind, f"SHA256:{digest.decode()}"


def _is_key(kind: str, blob: bytes) -> bool:
    """Tells whether the bytes are a complete key of that type, each field with its length (RFC 4251 section 5)."""
    fields: list[bytes] = []
    place = 0
    while place < len(blob) and len(fields) < 8:
        end = place + 4 + int.from_bytes(blob[place : place + 4])
        if place + 4 > len(blob) or end > len(blob):
            return False
        fields.append(blob[place + 4 : end])
        place = end
    if kind not in _FIELDS or len(fields) != _FIELDS[kind] + 1 or place != len(blob) or fields[0] != kind.encode():
        return False
    return all(fields[1:]) and len(fields[-1]) == _LENGTHS.get(kind, len(fields[-1]))


def _base64(text: bytes) -> bytes:
    from binascii import Error, a2b_base64

    try:
        return a2b_base64(text, strict_mode=True)
    except Error:
        return b""
