"""The dialogue after the greeting: the login and the transfers that the probe requests."""

from __future__ import annotations

from calendar import timegm

from ..errors import PeerError
from ..files.content import Content
from ..files.settings import Listing, Login
from .canary import run_canary
from .control import Control, encoded, path
from .data import DataConnection, Refused, set_type
from .deep_findings import Attempt, DeepFindings
from .listing import COUNTED, SHOWN, entries_of, is_unread
from .login import log_in
from .opening import DataFailed, NotOpened, Opening
from .reply_values import directory, fact_time, modification_time
from .ways import failed, over_first, ways

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dialogue.operations import Dialogue
    from ..dialogue.stream import Stream
    from ..files.content import Entries
    from ..files.settings import File
    from .findings import FtpFindings
    from .settings import FtpSettings
    from .wire import Reply

_LISTING_LIMIT = 16 << 20
# The server knows PROT but refuses the level (RFC 2228 section 3).
_LEVEL_REFUSED = (504, 534, 536)
# Characters that servers take for a glob pattern, so that a listing does not prove that a folder of that name exists.
_PATTERN = frozenset("*?[")
_NOTHING_SENT = "the server has nothing to send, and does not connect: list another folder"


def run_session(settings: FtpSettings, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    """Logs in and performs the requested transfers; raises ProbeError with its phase."""
    control = Control(stream, limit=settings.limit, jail=settings.jail)
    assert findings.address is not None, "we are connected"  # noqa: S101
    login = settings.login or Login()
    opening = Opening(control, findings.address, settings.active, settings.source, settings.timeout)
    deep = DeepFindings(DataConnection(opening), login.user)
    findings.deep = deep
    try:
        yield from _examine(settings, control, deep, login)
    except PeerError as failure:
        # Drivers set the phase of their errors.
        failure.phase = failure.phase or control.phase
        raise
    finally:
        findings.waited += control.waited


def _examine(settings: FtpSettings, control: Control, deep: DeepFindings, login: Login) -> Dialogue[None]:
    connection = deep.connection
    deep.task = "login"
    yield from log_in(control, login)
    deep.task = ""
    if not settings.moves:
        return
    if control.stream.tls is not None:
        deep.task = "data protection"
        yield from _protect(control, connection, settings.data_protection or "P")
        deep.task = ""
    listing = settings.listing or Listing()
    methods = ways(settings.data, control.stream.channel.address)
    if settings.data or settings.listing is not None:
        yield from _list(settings, deep, listing, methods)
    if settings.data:
        methods = [attempt.method for attempt in deep.attempts if not attempt.problem] or methods
    if settings.get is not None:
        deep.task = f"get {settings.get.name}"
        yield from _get(deep, settings.get, methods)
        deep.task = ""
    if settings.put is not None:
        deep.task = f"put {settings.put}" if settings.put else "put"
        yield from run_canary(deep, settings.put, methods, settings.timeout)
        deep.task = ""


def _protect(control: Control, connection: DataConnection, level: str) -> Dialogue[None]:
    """Sends PBSZ and PROT (RFC 4217 section 8)."""
    yield from control.enter("login")
    # The RFC requires PBSZ, but with TLS its value has no meaning, so other refusals are ignored: PROT decides.
    reply = yield from control.command("PBSZ", "0")
    if reply.code == 421:
        raise control.unexpected("PBSZ refused", "200", reply)
    reply = yield from control.command("PROT", level)
    # Without PROT, data is not encrypted (RFC 4217 section 9). Servers behind a TLS-terminating proxy do not know PROT.
    is_clear = level == "C" and reply.kind == 5 and reply.code not in _LEVEL_REFUSED
    if reply.kind != 2 and not is_clear:
        raise control.unexpected(f"PROT {level} refused", "200", reply)
    connection.protected = level == "P"


def _list(settings: FtpSettings, deep: DeepFindings, listing: Listing, methods: list[str]) -> Dialogue[None]:
    """Lists the directory, over each of the methods if data is set, otherwise over the first one that works."""
    deep.task = f"list {listing.folder}" if listing.folder else "list" if settings.listing is not None else ""
    connection = deep.connection
    yield from connection.control.enter("data")
    yield from set_type(connection.control, "A")
    verbs = list(COUNTED if listing.counts else SHOWN)
    folder = path(listing.folder)
    entries: Entries | None = None
    end: Reply | None = None

    def attempt(method: str) -> Dialogue[None]:
        nonlocal entries, end
        entries, end = yield from _entries(connection, verbs, method, folder)
        deep.entries, deep.listed, deep.counted = entries.count, True, listing.counts
        deep.refused = ""
        if settings.listing is not None and not entries.size and end is not None and is_unread(end):
            # Without a requested listing only the data connections are tested, and an unreadable folder is no failure.
            words = connection.control.words(end)
            deep.listed, deep.refused = False, deep.explain(f"the directory cannot be read: {words}")

    def list_again() -> Dialogue[None]:
        nonlocal folder
        folder, count = "", deep.entries
        yield from _list_over_first(deep, methods, attempt)
        if end is None:
            # z/OS lists a data set by its name, but has nothing to list when CWD has made that name the prefix.
            deep.entries = count

    if settings.data:
        yield from _list_over_each(deep, methods, attempt, folder)
    else:
        yield from _list_over_first(deep, methods, attempt)
    if entries is not None and listing.folder and _PATTERN.isdisjoint(listing.folder):
        # For a folder that may not be entered or read, servers may list a line about it or the error message of ls.
        is_named = encoded(listing.folder.rstrip("/").rpartition("/")[2]) in entries.last
        if entries.count == 0 or (entries.count == 1 and is_named):
            yield from _enter(settings, deep, listing.folder, list_again if entries.count else None)
    deep.task = ""


def _enter(
    settings: FtpSettings, deep: DeepFindings, folder: str, then: Callable[[], Dialogue[None]] | None
) -> Dialogue[None]:
    """Sends CWD for a folder whose listing does not prove that it exists, and calls then while in the folder.

    The names of later transfers are relative to the folder of the login, so a second CWD returns there. When the server
    refuses every CWD, with the code for a missing folder, the empty listing is accepted.
    """
    control = deep.connection.control
    home = ""
    if settings.get is not None or settings.put is not None:
        home = directory((yield from control.command("PWD")))
        if not home:
            return
    reply = yield from control.command("CWD", path(folder))
    if reply.kind in (4, 5) and not reply.is_unknown_command:
        if reply.code == 421:
            raise control.unexpected("CWD refused", "250", reply)
        if not deep.entries and (yield from control.command("CWD", ".")).kind != 2:
            return
        deep.listed = False
        deep.refused = deep.explain(f"CWD refused: {control.words(reply)}")
        return
    if reply.kind == 2 and then is not None:
        yield from then()
    if reply.kind == 2 and home:
        reply = yield from control.command("CWD", home)
        if reply.kind != 2:
            raise control.unexpected("CWD back refused", "250", reply)


def _list_over_first(
    deep: DeepFindings, methods: list[str], attempt: Callable[[str], Dialogue[None]]
) -> Dialogue[None]:
    deep.listed = False
    try:
        yield from over_first(deep, methods, attempt)
    except NotOpened:
        # The attempts report the failure; the other requested transfers are still performed.
        pass
    except DataFailed as failure:
        deep.refused = deep.explain(failure.message)
    deep.connection.opening.place = ""


def _list_over_each(
    deep: DeepFindings, methods: list[str], attempt: Callable[[str], Dialogue[None]], folder: str
) -> Dialogue[None]:
    for method in methods:
        try:
            yield from attempt(method)
            if not deep.connection.opened[method]:
                yield from _have_it_opened(deep.connection, method, folder)
        except DataFailed as failure:
            deep.attempts.append(failed(deep, method, failure))
            if not deep.connection.opening.place:
                # A folder that cannot be listed cannot be listed over another connection either.
                break
        else:
            is_proven = bool(deep.connection.opened[method])
            deep.attempts.append(Attempt(method, "" if is_proven else deep.explain(_NOTHING_SENT), proven=is_proven))
        deep.connection.opening.place = ""


def _have_it_opened(connection: DataConnection, method: str, folder: str) -> Dialogue[None]:
    """Sends LIST, for which BSD's servers, among others, open a data connection even with nothing to send."""
    try:
        yield from connection.download(method, "LIST", folder, entries_of("LIST"), _LISTING_LIMIT)
    except Refused:
        pass


def _entries(
    connection: DataConnection, verbs: list[str], method: str, folder: str
) -> Dialogue[tuple[Entries, Reply | None]]:
    """Lists with the first command that the server allows; returns the entries and the final reply, if any.

    Commands that the server does not know are removed from verbs.

    After a refusal that may have been about the folder, an empty listing by another command does not count: vsftpd
    lists a missing folder as empty.
    """
    refused: Refused | None = None
    for verb in tuple(verbs):
        entries = entries_of(verb)
        try:
            end = yield from connection.download(method, verb, folder, entries, _LISTING_LIMIT)
        except Refused as failure:
            if refused is None or (refused.unknown and not failure.unknown):
                refused = failure
            if not failure.for_command:
                break
            if failure.unknown and len(verbs) > 1:
                verbs.remove(verb)
            continue
        entries.finish()
        if refused is None or refused.unknown or not folder or entries.count:
            return entries, end
    assert refused is not None, "there is a command to list with"  # noqa: S101
    raise refused from None


def _get(deep: DeepFindings, file: File, methods: list[str]) -> Dialogue[None]:
    control = deep.connection.control
    yield from control.enter("data")
    yield from set_type(control, "I")
    if file.max_age is not None:
        deep.modified = timegm((yield from _modified(control, path(file.name))))

    def attempt(method: str) -> Dialogue[None]:
        deep.content = Content(hashed=bool(file.sha256), text=file.contains)
        yield from deep.connection.download(method, "RETR", path(file.name), deep.content, file.limit)

    yield from over_first(deep, methods, attempt)
    deep.got = True


def _modified(control: Control, name: str) -> Dialogue[tuple[int, int, int, int, int, int]]:
    """Returns the modification time of a file, by MDTM or, if the server refuses that, by MLST; raises PeerError."""
    reply = yield from control.command("MDTM", name)
    if reply.code == 213:
        return modification_time(reply)
    if reply.kind in (4, 5) and reply.code != 421:
        other = yield from control.command("MLST", name)
        if other.code == 250:
            return fact_time(other)
    raise control.unexpected("no age, MDTM refused", "213", reply)
