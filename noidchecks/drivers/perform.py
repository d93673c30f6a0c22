"""The functions that perform the operations of every dialogue; they raise WouldBlock when they would have to wait."""

from __future__ import annotations

from errno import ETIMEDOUT

from ..address import literal
from ..dialogue.stream_operations import Connect, Phase, Receive, Resolve, Send
from ..errors import NotConnected, NotResolved, ProbeError
from . import sockets
from .sockets import WAIT_READ, WouldBlock, own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..address import Address
    from .resolver import LookUp
    from .running import Running
    from .sockets import Channel


def _phase(session: Running, operation: Phase) -> None:
    session.enter(operation.name)


def _resolve(session: Running, operation: Resolve) -> tuple[Address, ...]:
    job: LookUp | None = session.progress
    if job is None:
        try:
            found = literal(operation.host, operation.port, operation.family, operation.kind)
        except ValueError as error:
            raise NotResolved(str(error)) from None
        if found is not None:
            return found
        # Imported here because most checks use literal addresses.
        from .resolver import look_up

        job = look_up(operation.host, operation.port, operation.family, operation.kind)
        session.progress = job
        session.opened.append(job)
    addresses: tuple[Address, ...] = _outcome(session, job)
    return addresses


def _outcome(session: Running, job: LookUp) -> Any:
    if not job.done:
        raise WouldBlock(job.fileno(), WAIT_READ)
    session.opened.remove(job)
    job.close()
    return job.result()


def _connect(session: Running, operation: Connect) -> Channel:
    channel: Channel | None = session.progress
    if channel is None:
        channel = sockets.open_stream(operation.address, operation.source)
        session.opened.append(channel)
    try:
        if session.progress is not channel:
            session.progress = channel
            channel.connect(operation.address)
        else:
            channel.connected()
    except WouldBlock:
        if not session.is_over(operation.patience):
            raise
        session.opened.remove(channel)
        channel.close()
        what = f"no answer within {operation.patience:g} seconds"
        raise NotConnected(what, ETIMEDOUT, operation.address) from None
    except ProbeError:
        # Closed at once and not with the session: a host with many dead addresses would hold a descriptor for each.
        session.opened.remove(channel)
        channel.close()
        raise
    return channel


def _send(session: Running, operation: Send) -> None:
    channel = own(operation.channel)
    sent: int = session.progress or 0
    while sent < len(operation.data):
        sent += channel.send(operation.data[sent:] if sent else operation.data)
        session.progress = sent


def _receive(_: Running, operation: Receive) -> bytes:
    channel = own(operation.channel)
    channel.be_patient(operation.patience)
    return channel.receive(operation.limit)


class _Performers(dict[type, "Callable[[Running, Any], object]"]):
    """The performers by type of operation; perform_more.py is imported when an operation first needs it."""

    def __missing__(self, kind: type) -> Callable[[Running, Any], object]:
        from .perform_more import MORE

        self.update(MORE)
        return MORE[kind]


PERFORM = _Performers({Phase: _phase, Resolve: _resolve, Connect: _connect, Send: _send, Receive: _receive})
