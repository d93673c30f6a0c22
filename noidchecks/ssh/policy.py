"""The rules for a server's algorithms: patterns of required and forbidden ones, and the built-in policies."""

from __future__ import annotations

from ..errors import UsageError
from ..status.text import printable
from .kexinit import SHOWN_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .kexinit import Kexinit

# The kinds of algorithms, and the lists of a KEXINIT that have them.
KINDS = {
    "kex": ("kex_algorithms",),
    "hostkey": ("server_host_key_algorithms",),
    "cipher": ("encryption_algorithms_client_to_server", "encryption_algorithms_server_to_client"),
    "mac": ("mac_algorithms_client_to_server", "mac_algorithms_server_to_client"),
    "compression": ("compression_algorithms_client_to_server", "compression_algorithms_server_to_client"),
}

# All other algorithms violate the modern policy; none of these violates the compatible one. docs/check_ssh.md has the
# sources. ext-info-s, kex-strict-s and Dropbear's kexguess2 are not algorithms but announce extensions (RFC 8308; the
# countermeasure to Terrapin; the handling of a client's guess).
_MODERN = frozenset(
    (
        "kex:mlkem768x25519-sha256",
        "kex:sntrup761x25519-sha512",
        "kex:sntrup761x25519-sha512@openssh.com",
        "kex:curve25519-sha256",
        "kex:curve25519-sha256@libssh.org",
        "kex:ecdh-sha2-nistp256",
        "kex:ecdh-sha2-nistp384",
        "kex:ecdh-sha2-nistp521",
        "kex:diffie-hellman-group-exchange-sha256",
        "kex:diffie-hellman-group14-sha256",
        "kex:diffie-hellman-group16-sha512",
        "kex:diffie-hellman-group18-sha512",
        "kex:ext-info-s",
        "kex:kex-strict-s-v00@openssh.com",
        "kex:kexguess2@matt.ucc.asn.au",
        "hostkey:ssh-ed25519",
        "hostkey:ssh-ed25519-cert-v01@openssh.com",
        "hostkey:sk-ssh-ed25519@openssh.com",
        "hostkey:sk-ssh-ed25519-cert-v01@openssh.com",
        "hostkey:ecdsa-sha2-nistp256",
        "hostkey:ecdsa-sha2-nistp384",
        "hostkey:ecdsa-sha2-nistp521",
        "hostkey:ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "hostkey:ecdsa-sha2-nistp384-cert-v01@openssh.com",
        "hostkey:ecdsa-sha2-nistp521-cert-v01@openssh.com",
        "hostkey:sk-ecdsa-sha2-nistp256@openssh.com",
        "hostkey:sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "hostkey:rsa-sha2-256",
        "hostkey:rsa-sha2-512",
        "hostkey:rsa-sha2-256-cert-v01@openssh.com",
        "hostkey:rsa-sha2-512-cert-v01@openssh.com",
        "cipher:chacha20-poly1305@openssh.com",
        "cipher:aes128-ctr",
        "cipher:aes192-ctr",
        "cipher:aes256-ctr",
        "cipher:aes128-gcm@openssh.com",
        "cipher:aes256-gcm@openssh.com",
        "mac:umac-64@openssh.com",
        "mac:umac-128@openssh.com",
        "mac:umac-64-etm@openssh.com",
        "mac:umac-128-etm@openssh.com",
        "mac:hmac-sha2-256",
        "mac:hmac-sha2-512",
        "mac:hmac-sha2-256-etm@openssh.com",
        "mac:hmac-sha2-512-etm@openssh.com",
        "mac:hmac-sha1",
        "mac:hmac-sha1-etm@openssh.com",
        "compression:none",
        "compression:zlib@openssh.com",
    )
)
# Only these violate the compatible policy.
_COMPATIBLE = (
    "kex:*-sha1",
    "kex:*-sha1-*",
    "kex:*-sha1@*",
    "hostkey:ssh-rsa",
    "hostkey:ssh-rsa-cert-*",
    "hostkey:ssh-rsa@*",
    "hostkey:ssh-dss*",
    "hostkey:x509v3-ssh-rsa",
    "hostkey:x509v3-ssh-dss",
    "hostkey:x509v3-sign-rsa",
    "hostkey:x509v3-sign-dss",
    "cipher:*-cbc",
    "cipher:*-cbc@*",
    "cipher:arcfour*",
    "cipher:none",
    "mac:hmac-md5*",
    "mac:hmac-ripemd160*",
    "mac:hmac-sha1-96*",
    "mac:none",
)
POLICIES = ("modern", "compatible")


def validate(policy: str, patterns: tuple[str, ...]) -> None:
    """Raises UsageError for an unknown policy and for an invalid pattern."""
    if policy and policy not in POLICIES:
        raise UsageError(f"Policy must be one of {', '.join(POLICIES)}: {printable(policy)}")
    for pattern in patterns:
        kind, colon, glob = pattern.rpartition(":")
        if colon and kind not in KINDS:
            raise UsageError(f"Kind of algorithm must be one of {', '.join(KINDS)}: {printable(pattern)}")
        if not glob or not glob.isascii() or not glob.isprintable() or " " in glob or "," in glob:
            raise UsageError(f"Not the name of an algorithm, nor a pattern with * for one: {printable(pattern)}")


def violations(
    offer: Kexinit,
    *,
    policy: str = "",
    forbid: tuple[str, ...] = (),
    require: tuple[str, ...] = (),
    words: Callable[[str, int], str] = printable,
) -> tuple[str, ...]:
    """Returns a clause for each violation: forbidden algorithms, missing ones, those against the policy.

    words makes a server's name printable, with the most characters as second argument.
    """
    found = []
    forbidden, broken = _globs(forbid), _globs(_COMPATIBLE)
    for kind, name in _offered(offer):
        if any(matches(glob, name) for glob in forbidden[kind]):
            found.append(f"offers forbidden {kind} {words(name, SHOWN_NAME)}")
    found += [f"does not offer {printable(pattern)}" for pattern in require if not _is_met(offer, pattern)]
    for kind, name in _offered(offer) if policy else ():
        # Modern algorithms are compatible too, and this look-up is faster than the patterns.
        is_modern = f"{kind}:{name}" in _MODERN
        if not is_modern and (policy == "modern" or any(matches(glob, name) for glob in broken[kind])):
            found.append(f"offers {kind} {words(name, SHOWN_NAME)}, against the {policy} policy")
    return tuple(found)


def counts(offer: Kexinit) -> str:
    """Returns the number of offered algorithms of each kind, as text."""
    offered = list(_offered(offer))
    return ", ".join(f"{sum(1 for kind, _ in offered if kind == one)} {one}" for one in KINDS)


def matches(glob: str, name: str) -> bool:
    """Tells whether the name matches a shell pattern in which only * is special."""
    first, *rest = glob.split("*")
    if not rest:
        return name == glob
    last = rest.pop()
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    place, end = len(first), len(name) - len(last)
    for part in rest:
        place = name.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True


def _offered(offer: Kexinit) -> Iterator[tuple[str, str]]:
    """Yields each kind and name once, even if it is in the lists of both directions."""
    for kind, lists in KINDS.items():
        names = {name: None for one in lists for name in getattr(offer, one)}
        yield from ((kind, name) for name in names)


def _globs(patterns: tuple[str, ...]) -> dict[str, list[str]]:
    """Returns the patterns by kind, split once in advance because a hostile offer may have 9,000 names."""
    parted = [pattern.rpartition(":") for pattern in patterns]
    return {kind: [glob for wanted, _, glob in parted if wanted in ("", kind)] for kind in KINDS}


def _is_met(offer: Kexinit, pattern: str) -> bool:
    """Tells whether algorithms of one kind match the pattern, in both directions if the kind has two."""
    wanted, _, glob = pattern.rpartition(":")
    return any(
        all(any(matches(glob, name) for name in getattr(offer, one)) for one in lists)
        for kind, lists in KINDS.items()
        if wanted in ("", kind)
    )
