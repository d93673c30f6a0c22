"""The transfers that a check makes, one after the other."""

from __future__ import annotations

from os import urandom

from ..status.threshold import Range
from . import wire
from .content import Content
from .file import HASH_LENGTHS, TftpFile
from .findings import Findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .probe import TftpProbe

# Asked for when no file is given, so it must not exist.
ABSENT_FILE = "noidchecks-absent-file"
# Seconds before a file that differs is read back once more.
_PAUSE = 0.25


def steps(probe: TftpProbe) -> Iterator[Findings]:
    """Returns the findings, still empty, of each transfer in its turn."""
    if probe.put:
        return _writing(probe)
    if not probe.filename:
        absent = TftpFile(ABSENT_FILE)
        return iter((_reading(probe, absent, None),))
    # A list: what has to be loaded for it must not be counted as the server's time.
    return iter([_reading(probe, file, _content(probe, file)) for file in probe.files])


def read_request(probe: TftpProbe, name: str) -> bytes:
    """Returns the read request for a file."""
    return wire.request(name.encode(errors="surrogateescape"), probe.mode, probe.options)


def write_request(probe: TftpProbe, name: str) -> bytes:
    """Returns the write request for a file."""
    return wire.request(name.encode(errors="surrogateescape"), probe.mode, probe.write_options, wire.WRQ)


def _reading(probe: TftpProbe, file: TftpFile, content: Content | None) -> Findings:
    request = read_request(probe, file.name)
    label = file.name if probe.filename else ""
    return Findings(file, request, probe.options, content, expect=probe.expect_error, label=label)


def _writing(probe: TftpProbe) -> Iterator[Findings]:
    import hashlib

    canary = urandom(probe.put_size)
    size = Range(len(canary), len(canary))
    file = TftpFile(probe.put, size=size, sha256=hashlib.sha256(canary, usedforsecurity=False).hexdigest())
    return _canary(probe, file, canary)


def _canary(probe: TftpProbe, file: TftpFile, canary: bytes) -> Iterator[Findings]:
    request = write_request(probe, file.name)
    expect = probe.expect_error
    yield Findings(file, request, probe.write_options, None, expect=expect, label=f"{file.name} (write)", canary=canary)
    if expect is not None or not probe.read_back:
        return
    # Some servers acknowledge the last block before they close the file, so a difference is looked at twice.
    for pause in (0.0, _PAUSE):
        content = _content(probe, file)
        request = read_request(probe, file.name)
        yield Findings(file, request, probe.options, content, label=f"{file.name} (read back)", pause=pause)
        if content.digests()["sha256"] == file.sha256:
            return


def _content(probe: TftpProbe, file: TftpFile) -> Content:
    netascii = probe.mode == "netascii"
    names = [name for name in HASH_LENGTHS if getattr(file, name)]
    if not names:
        return Content(netascii=netascii)
    import hashlib

    return Content([hashlib.new(name, usedforsecurity=False) for name in names], netascii=netascii)
