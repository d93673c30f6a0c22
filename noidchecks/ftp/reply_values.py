"""Parses values in FTP replies: addresses, ports, directories and times of files."""

from __future__ import annotations

from ..errors import PeerError
from .wire import Reply

_DIGITS = b"0123456789"
_COMMA, _BLANK = b", "


def pasv_endpoint(reply: Reply) -> tuple[str, int]:
    """Returns address and port of a reply 227: the first six numbers, with or without parentheses; PeerError."""
    text = b",".join(part.strip(b" ") for part in reply.raw[3:].split(b","))
    for word in bytes(byte if byte in _DIGITS or byte == _COMMA else _BLANK for byte in text).split():
        # A comma next to the address belongs to the surrounding text, which is arbitrary (RFC 1123 section 4.1.2.6).
        fields = word.strip(b",").split(b",")
        if len(fields) == 6 and all(0 < len(field) <= 3 and int(field) <= 255 for field in fields):
            numbers = [int(field) for field in fields]
            port = numbers[4] * 256 + numbers[5]
            if port:
                return ".".join(map(str, numbers[:4])), port
            break
    raise PeerError("PASV: the reply 227 holds no address and port", expected="h1,h2,h3,h4,p1,p2", received=reply.raw)


def epsv_port(reply: Reply) -> int:
    """Returns the port of a reply 229 (RFC 2428 section 3); PeerError."""
    for text in reply.raw[3:].split(b"(")[1:]:
        delimiter = text[:1]
        if not b"!" <= delimiter <= b"~" or delimiter in _DIGITS:
            continue
        fields = text[1:].split(delimiter, 3)
        if len(fields) == 4 and fields[:2] == [b"", b""] and fields[3].startswith(b")"):
            digits = fields[2]
            if 0 < len(digits) <= 5 and digits.isdigit() and 1 <= int(digits) <= 65535:
                return int(digits)
    raise PeerError("EPSV: the reply 229 holds no port", expected="(|||port|)", received=reply.raw)


def directory(reply: Reply) -> str:
    """Returns the directory in a reply 257 to PWD (RFC 959 appendix II), "" for none."""
    # A quote in the name is doubled.
    name, quote, _ = reply.raw.partition(b'"')[2].replace(b'""', b"\0").partition(b'"')
    is_one_line = b"\r" not in name and b"\n" not in name and b"\0" not in reply.raw
    if reply.code != 257 or not quote or not is_one_line:
        return ""
    return name.replace(b"\0", b'"').decode(errors="surrogateescape")


def modification_time(reply: Reply) -> tuple[int, int, int, int, int, int]:
    """Returns the six fields of the time (UTC) in a reply 213 to MDTM (RFC 3659 section 3); PeerError."""
    digits = reply.raw[3:].strip().partition(b".")[0]
    if len(digits) == 14 and digits.isdigit():
        year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
        hour, minute, second = int(digits[8:10]), int(digits[10:12]), int(digits[12:14])
        if year and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60:
            return year, month, day, hour, minute, second
    raise PeerError("MDTM: the reply 213 holds no time", expected="YYYYMMDDhhmmss", received=reply.raw)


def fact_time(reply: Reply) -> tuple[int, int, int, int, int, int]:
    """Returns the six fields of the fact modify (UTC) in a reply 250 to MLST (RFC 3659 section 7); PeerError."""
    for line in reply.raw.lower().splitlines()[1:]:
        for fact in line.strip().partition(b" ")[0].split(b";"):
            if fact.startswith(b"modify="):
                return modification_time(Reply(213, b"213 " + fact[7:]))
    raise PeerError("MLST: the reply 250 holds no time", expected="modify=YYYYMMDDhhmmss", received=reply.raw)
