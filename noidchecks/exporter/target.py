"""Parses the target of a probe in an HTTP request: HOST, HOST:PORT, [IPV6] or [IPV6]:PORT."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

from ..status.text import printable
from ..value import Value
from .errors import RequestError

# A host name has at most 253 characters; an IPv6 address may have a scope.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?", re.ASCII)
_MOST_NAME = 254
_SCOPE = re.compile(r"[A-Za-z0-9_.-]{1,15}", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_FORMS = "write HOST, HOST:PORT, [IPV6] or [IPV6]:PORT"


class Target(Value):
    """A host, which is a name or an address, and a port, 0 for that of the module.

    hostname is the server name for TLS when the host is an address; "" for the host itself.
    """

    host: str
    port: int
    hostname: str

    def __init__(self, host: str, port: int = 0, hostname: str = "") -> None:
        self._fill({"host": host, "port": port, "hostname": hostname})

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


def parse_target(text: str, hostname: str = "") -> Target:
    """Reads a target; RequestError for any other text, also for paths of unix sockets and words like options."""
    if hostname and not (len(hostname) <= _MOST_NAME and _NAME.fullmatch(hostname)):
        raise RequestError(f"hostname {printable(repr(hostname), 120)} is no host name")
    shown = printable(repr(text), 120)
    if text.startswith("/"):
        raise RequestError(f"target {shown} is the path of a unix socket, which is not probed over HTTP")
    if "://" in text:
        raise RequestError(f"target {shown} is a URL: {_FORMS}")
    host, port = _split(text, shown)
    return Target(host, _port(port) if port is not None else 0, hostname)


def _split(text: str, shown: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if bracket and _is_ipv6(host) and (not rest or rest.startswith(":")):
            return host, rest[1:] if rest else None
    elif text.count(":") > 1:
        if _is_ipv6(text):
            return text, None
    else:
        host, colon, port = text.partition(":")
        if len(host) <= _MOST_NAME and _NAME.fullmatch(host):
            return host, port if colon else None
    raise RequestError(f"target {shown} is neither a host name nor an address: {_FORMS}")


def _is_ipv6(text: str) -> bool:
    address, percent, scope = text.partition("%")
    if percent and not _SCOPE.fullmatch(scope):
        return False
    try:
        IPv6Address(address)
    except AddressValueError:
        return False
    return True


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise RequestError(f"port must be 1 to 65535, not {printable(repr(text), 60)}")
    return int(text)
