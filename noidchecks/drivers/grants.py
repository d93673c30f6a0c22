"""What each operation of a dialogue means: carried out as far as it goes without waiting, WouldBlock otherwise."""

from __future__ import annotations

from time import monotonic

from ..address import literal, look_up
from ..background import SESSIONS, Full, Job
from ..dialogue import (
    Accept,
    Close,
    Connect,
    Heard,
    Listen,
    LocalAddress,
    Mask,
    OpenDatagram,
    Phase,
    Receive,
    ReceiveFrom,
    Reserve,
    Resolve,
    Run,
    Send,
    SendTo,
    Sleep,
)
from ..errors import LocalError, ProbeError
from . import sockets
from .sockets import WAIT_READ, WouldBlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..address import Address
    from ..dialogue import Datagram
    from ..resolver import LookUp
    from .session import Session
    from .sockets import Channel


def _phase(session: Session, operation: Phase) -> None:
    session.enter(operation.name)


def _resolve(session: Session, operation: Resolve) -> tuple[Address, ...]:
    job: LookUp | None = session.progress
    if job is None:
        found = literal(operation.host, operation.port, operation.family, operation.kind)
        if found is not None:
            return found
        job = look_up(operation.host, operation.port, operation.family, operation.kind)
        session.progress = job
        session.opened.append(job)
    addresses: tuple[Address, ...] = _outcome(session, job)
    return addresses


def _outcome(session: Session, job: Job | LookUp) -> Any:
    if not job.done:
        raise WouldBlock(job.fileno(), WAIT_READ)
    session.opened.remove(job)
    job.close()
    return job.result()


def _run(session: Session, operation: Run) -> object:
    job: _StoppedJob | None = session.progress
    if job is None:
        try:
            job = _StoppedJob(operation)
        except Full as full:
            raise LocalError(f"more than {full.limit} sessions run in threads at once") from full
        except (OSError, RuntimeError) as error:
            raise LocalError(f"cannot start a thread: {error}") from error
        session.progress = job
        session.opened.append(job)
    return _outcome(session, job)


class _StoppedJob(Job):
    """A job whose call is told to return when nobody waits for it any more."""

    __slots__ = ("_stop",)

    def __init__(self, operation: Run) -> None:
        self._stop = operation.stop
        super().__init__(operation.call, SESSIONS)

    def close(self) -> None:
        super().close()
        if not self.done:
            self._stop()


def _connect(session: Session, operation: Connect) -> Channel:
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
    except ProbeError:
        # Here and not at the end: a host with many dead addresses would hold a descriptor for each.
        session.opened.remove(channel)
        channel.close()
        raise
    return channel


def _listen(session: Session, operation: Listen) -> Channel:
    channel = sockets.open_listener(operation.address, operation.ports)
    session.opened.append(channel)
    return channel


def _accept(session: Session, operation: Accept) -> Channel:
    channel = operation.channel.accept()
    session.opened.append(channel)
    return channel


def _local_address(_: Session, operation: LocalAddress) -> Address:
    return operation.channel.local_address()


def _datagram(session: Session, operation: OpenDatagram) -> Channel:
    channel = sockets.open_datagram(operation.family, operation.source)
    session.opened.append(channel)
    return channel


def _send(session: Session, operation: Send) -> None:
    sent: int = session.progress or 0
    while sent < len(operation.data):
        sent += operation.channel.send(operation.data[sent:] if sent else operation.data)
        session.progress = sent


def _receive(_: Session, operation: Receive) -> bytes:
    return operation.channel.receive(operation.limit)


def _send_to(_: Session, operation: SendTo) -> None:
    operation.channel.send_to(operation.data, operation.address)


def _receive_from(_: Session, operation: ReceiveFrom) -> Datagram:
    return operation.channel.receive_from(operation.limit)


def _sleep(session: Session, operation: Sleep) -> None:
    if monotonic() < session.operation_began + operation.seconds:
        raise WouldBlock(-1, WAIT_READ)


def _close(session: Session, operation: Close) -> None:
    if operation.channel in session.opened:
        session.opened.remove(operation.channel)
        operation.channel.close()


def _reserve(session: Session, operation: Reserve) -> None:
    session.reserve(operation.seconds)


def _tell(_: Session, __: Mask | Heard) -> None:
    """Leaves it to the transcript."""


GRANTS: dict[type, Callable[[Session, Any], object]] = {
    Phase: _phase,
    Resolve: _resolve,
    Connect: _connect,
    Listen: _listen,
    Accept: _accept,
    LocalAddress: _local_address,
    OpenDatagram: _datagram,
    Send: _send,
    Receive: _receive,
    SendTo: _send_to,
    ReceiveFrom: _receive_from,
    Sleep: _sleep,
    Run: _run,
    Close: _close,
    Reserve: _reserve,
    Mask: _tell,
    Heard: _tell,
}
