"""The transfers that a check makes, one after the other."""

from __future__ import annotations

from os import urandom

from ..status.threshold import Range
from .content import Content
from .file import HASH_LENGTHS, TftpFile
from .findings import Findings
from .settings import ABSENT_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .settings import TftpSettings

# Seconds before a file that differs is read back once more.
_PAUSE = 0.25


def steps(settings: TftpSettings) -> Iterator[Findings]:
    """Returns the empty findings of each transfer, in order."""
    if settings.put:
        return _writing(settings)
    if not settings.filename:
        absent = TftpFile(ABSENT_FILE)
        return iter((_reading(settings, absent, None),))
    # A list, because the import of hashlib must come before the clock starts.
    return iter([_reading(settings, file, _content(settings, file)) for file in settings.files])


def _reading(settings: TftpSettings, file: TftpFile, content: Content | None) -> Findings:
    request = settings.read_request(file.name)
    label = file.name if settings.filename else ""
    return Findings(file, request, settings.options, content, expect=settings.expect_error, label=label)


def _writing(settings: TftpSettings) -> Iterator[Findings]:
    import hashlib

    canary = urandom(settings.put_size)
    size = Range(len(canary), len(canary))
    file = TftpFile(settings.put, size=size, sha256=hashlib.sha256(canary, usedforsecurity=False).hexdigest())
    return _canary(settings, file, canary)


def _canary(settings: TftpSettings, file: TftpFile, canary: bytes) -> Iterator[Findings]:
    request = settings.write_request()
    expect = settings.expect_error
    label = f"{file.name} (write)"
    written = Findings(file, request, settings.write_options, None, expect=expect, label=label, canary=canary)
    yield written
    if expect is not None or not settings.read_back:
        return
    # Some servers acknowledge the last block before they close the file, so a file that differs is read back twice:
    # atftpd may announce the size that the file has when it opens it, and then send the whole file.
    for pause in (0.0, _PAUSE):
        content = _content(settings, file)
        request = settings.read_request(file.name)
        found = Findings(file, request, settings.options, content, label=f"{file.name} (read back)", pause=pause)
        yield found
        if content.digests()["sha256"] == file.sha256:
            # The file is complete even if the last acknowledgement was lost.
            written.written, written.complete = len(canary), True
            if content.agrees(found.granted.get("tsize", content.size)):
                return


def _content(settings: TftpSettings, file: TftpFile) -> Content:
    netascii = settings.mode == "netascii"
    names = [name for name in HASH_LENGTHS if getattr(file, name)]
    if not names:
        return Content(netascii=netascii)
    import hashlib

    return Content([hashlib.new(name, usedforsecurity=False) for name in names], netascii=netascii)
