"""The conversation behind the greeting: log in, and move what the probe asks for."""

from __future__ import annotations

from calendar import timegm

from ..address import AF_INET6
from ..errors import PeerError
from ..files.content import Content, Entries
from ..files.findings import FileFindings
from ..files.settings import Listing, Login
from .canary import fly
from .control import Control, path
from .data import Courier, DataFailed, NotOffered, over_first, set_type
from .login import log_in
from .wire import modification_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue import Dialogue, Stream
    from ..files.settings import File
    from .dialogue import FtpFindings
    from .probe import FtpProbe

_LISTING_LIMIT = 16 << 20


class Attempt:
    """One way to a data connection that was tried, and what is wrong with it: "" for nothing."""

    __slots__ = ("method", "problem", "offered")

    def __init__(self, method: str, problem: str = "", *, offered: bool = True) -> None:
        self.method = method
        self.problem = problem
        self.offered = offered


class DeepFindings(FileFindings):
    """What was found behind the greeting; courier has the data connection of the task, attempts the ways to one."""

    __slots__ = ("courier", "user", "attempts")

    def __init__(self, courier: Courier, user: str) -> None:
        super().__init__()
        self.courier = courier
        self.user = user
        self.attempts: list[Attempt] = []

    def explain(self, message: str) -> str:
        """Returns the message behind the task and the data connection that it is about."""
        return ": ".join(filter(None, (self.task, self.courier.place, message)))


def examine(probe: FtpProbe, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    """Logs in and moves what is asked for; ProbeError, with its phase."""
    control = Control(stream, limit=probe.limit, jail=probe.jail)
    assert findings.address is not None, "we are connected"  # noqa: S101
    login = probe.login or Login()
    deep = DeepFindings(Courier(control, findings.address, probe.active, probe.source), login.user)
    findings.deep = deep
    try:
        yield from _examine(probe, control, deep, login)
    except (PeerError, DataFailed) as failure:
        # Drivers name the phase of what they raise.
        failure.phase = failure.phase or control.phase
        raise


def _examine(probe: FtpProbe, control: Control, deep: DeepFindings, login: Login) -> Dialogue[None]:
    courier = deep.courier
    deep.task = "login"
    yield from log_in(control, login)
    deep.task = ""
    if not probe.moves:
        return
    if control.stream.tls is not None:
        deep.task = "data protection"
        yield from _protect(control, courier, probe.data_protection or "P")
        deep.task = ""
    listing = probe.listing or Listing()
    methods = _methods(probe.data, control.stream.channel.address)
    if probe.data or probe.listing is not None:
        yield from _list(probe, deep, listing, methods)
    usable = [attempt.method for attempt in deep.attempts if not attempt.problem and attempt.offered] or methods
    if probe.get is not None:
        deep.task = f"get {probe.get.name}"
        yield from _get(deep, probe.get, usable)
        deep.task = ""
    if probe.put is not None:
        deep.task = f"put {probe.put}" if probe.put else "put"
        yield from fly(deep, probe.put, usable, probe.timeout)
        deep.task = ""


def _protect(control: Control, courier: Courier, level: str) -> Dialogue[None]:
    """PBSZ and PROT (RFC 4217 section 8)."""
    yield from control.enter("login")
    reply = yield from control.command("PBSZ", "0")
    if reply.code != 200:
        raise control.unexpected("PBSZ refused", "200", reply)
    reply = yield from control.command("PROT", level)
    if reply.code != 200:
        raise control.unexpected(f"PROT {level} refused", "200", reply)
    courier.protected = level == "P"


def _methods(data: str, address: object) -> list[str]:
    is_six = getattr(address, "family", 0) == AF_INET6
    passive = ["EPSV"] if is_six else ["EPSV", "PASV"]
    active = ["EPRT"] if is_six else ["PORT", "EPRT"]
    return {"active": active, "both": passive + active}.get(data, passive)


def _list(probe: FtpProbe, deep: DeepFindings, listing: Listing, methods: list[str]) -> Dialogue[None]:
    """Lists the directory, over each of the ways that were asked for or over the first that is there."""
    deep.task = f"list {listing.folder}" if listing.folder else "list" if probe.listing is not None else ""
    courier = deep.courier
    yield from courier.control.enter("data")
    yield from set_type(courier.control, "A")
    for method in methods:
        entries = Entries()
        try:
            yield from courier.download(
                method, "NLST" if listing.counts else "LIST", path(listing.folder), entries, _LISTING_LIMIT
            )
        except NotOffered as failure:
            deep.attempts.append(Attempt(method, deep.explain(failure.message), offered=False))
        except DataFailed as failure:
            deep.attempts.append(Attempt(method, deep.explain(failure.message)))
            if not probe.data or not courier.place:
                # A folder that cannot be listed cannot be listed over another connection either.
                break
        else:
            entries.finish()
            deep.attempts.append(Attempt(method))
            deep.entries, deep.listed, deep.counted = entries.count, True, listing.counts
            if not probe.data:
                break
        courier.place = ""
    deep.task = ""


def _get(deep: DeepFindings, file: File, methods: list[str]) -> Dialogue[None]:
    control = deep.courier.control
    yield from control.enter("data")
    yield from set_type(control, "I")
    if file.max_age is not None:
        reply = yield from control.command("MDTM", path(file.name))
        if reply.code != 213:
            raise control.unexpected("no age, MDTM refused", "213", reply)
        deep.modified = timegm(modification_time(reply))

    def attempt(method: str) -> Dialogue[None]:
        deep.content = Content(hashed=bool(file.sha256), text=file.contains)
        yield from deep.courier.download(method, "RETR", path(file.name), deep.content, file.limit)

    yield from over_first(methods, attempt)
    deep.got = True
