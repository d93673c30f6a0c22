"""The transfers over an SFTP session: a listing, a file, a canary."""

from __future__ import annotations

from ..errors import DeadlineExceeded, PeerError, ProbeError
from ..files.canary import Canary
from ..files.content import Content
from ..files.findings import FileFindings
from . import filexfer
from .sftp_session import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Dialogue
    from ..files.settings import File, Listing
    from .settings import SshSettings
    from .sftp_session import SftpSession

# The most entries of a listing, because a hostile server's listing may never end.
_MOST_ENTRIES = 1_000_000


class SftpFindings(FileFindings):
    """The findings of the login and the SFTP session.

    method is the login method that succeeded. moved is the number of transferred bytes. stamp is the requested
    modification time of a file, in Unix seconds.
    """

    __slots__ = ("method", "moved", "stamp")

    def __init__(self) -> None:
        super().__init__()
        self.method = ""
        self.moved = 0
        self.stamp: float | None = None


def fetch(settings: SshSettings, session: SftpSession, found: SftpFindings) -> Dialogue[None]:
    """Performs the listing, the get and the request for a timestamp of the settings; raises PeerError."""
    if settings.listing is not None:
        yield from _list(session, settings.listing, found)
    if settings.get is not None:
        yield from _get(session, settings.get, found)
    if settings.timestamp:
        found.task = f"timestamp of {settings.timestamp}"
        found.stamp = float((yield from session.modified(_raw(settings.timestamp))))
        found.task = ""


def put(session: SftpSession, folder: str, found: SftpFindings) -> Dialogue[None]:
    """Stores a canary, reads it back, compares and deletes it, even when an earlier step fails; raises PeerError."""
    found.task = f"put {folder}" if folder else "put"
    canary = Canary(folder)
    name = _raw(canary.name)
    try:
        # Exclusive, so that no other file is overwritten.
        flags = filexfer.TO_WRITE | filexfer.CREATE | filexfer.TRUNCATE | filexfer.EXCLUSIVE
        # Set unless the server refuses: it may have created the file although its answer is late or lost.
        found.leftover = canary.name
        try:
            handle = yield from session.open(name, flags)
        except Refused:
            found.leftover = ""
            raise
        yield from session.write(handle, canary.data)
        yield from session.close(handle)
        found.moved += len(canary.data)
        back = canary.to_read()
        yield from _read(session, name, back, len(canary.data), found)
        if complaint := canary.complaint(back):
            raise PeerError(complaint, expected=f"{len(canary.data)} bytes", received=b"")
    except DeadlineExceeded:
        # The caller uses the reserved time to delete the canary.
        raise
    except ProbeError:
        if found.leftover:
            yield from remove(session, found)
        raise
    yield from session.remove(name)
    found.leftover = ""
    found.put = True
    found.task = ""


def remove(session: SftpSession, found: SftpFindings) -> Dialogue[None]:
    """Deletes the canary after a failure, which remains the result; leftover stays set if that fails."""
    try:
        yield from session.remove(_raw(found.leftover))
    except Refused as refused:
        if refused.code != filexfer.NO_SUCH_FILE:
            return
    except ProbeError:
        return
    found.leftover = ""


def _list(session: SftpSession, listing: Listing, found: SftpFindings) -> Dialogue[None]:
    found.task = f"list {listing.folder}" if listing.folder else "list"
    handle = yield from session.read_folder(_raw(listing.folder or "."))
    found.entries = yield from session.names(handle, _MOST_ENTRIES)
    yield from session.drop(handle)
    found.listed = found.counted = True
    found.task = ""


def _get(session: SftpSession, file: File, found: SftpFindings) -> Dialogue[None]:
    found.task = f"get {file.name}"
    name = _raw(file.name)
    if file.max_age is not None:
        found.modified = float((yield from session.modified(name)))
    content = found.content = Content(hashed=bool(file.sha256), text=file.contains)
    yield from _read(session, name, content, file.limit, found)
    found.got = True
    found.task = ""


def _read(session: SftpSession, name: bytes, content: Content, limit: int, found: SftpFindings) -> Dialogue[None]:
    handle = yield from session.open(name, filexfer.TO_READ)

    def take(data: bytes) -> None:
        content.feed(data)
        found.moved += len(data)
        if content.size > limit:
            raise PeerError(f"more than {limit} bytes", expected=f"at most {limit} bytes", received=b"")

    yield from session.contents(handle, take)
    yield from session.drop(handle)


def _raw(name: str) -> bytes:
    """Returns the bytes of a name as the command line had it; SFTP's names are bytes."""
    return name.encode(errors="surrogateescape")
