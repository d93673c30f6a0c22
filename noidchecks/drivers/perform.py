"""What each operation of a dialogue means: carried out as far as it goes without waiting, WouldBlock otherwise."""

from __future__ import annotations

from errno import ETIMEDOUT
from time import monotonic

from ..address import literal, look_up
from ..dialogue.operations import (
    Accept,
    Await,
    Close,
    Connect,
    Decrypted,
    Delegate,
    Listen,
    LocalAddress,
    OpenDatagram,
    Phase,
    Prepare,
    Receive,
    ReceiveFrom,
    Redact,
    ReserveTime,
    Resolve,
    Send,
    SendTo,
    Sleep,
)
from ..errors import NotConnected, ProbeError
from . import sockets
from .sockets import WAIT_READ, WouldBlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..address import Address
    from ..dialogue.operations import Datagram
    from .resolver import LookUp
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


def _outcome(session: Session, job: LookUp) -> Any:
    if not job.done:
        raise WouldBlock(job.fileno(), WAIT_READ)
    session.opened.remove(job)
    job.close()
    return job.result()


def _prepare(session: Session, operation: Prepare) -> bool:
    # Not on the path of plugins that have no use for it.
    from . import workers

    is_under_way = workers.prepare(operation.module)
    session.restart_clock()
    return is_under_way


def _delegate(session: Session, operation: Delegate) -> Channel | None:
    from . import workers

    worker: workers.Worker | None = session.progress
    if worker is None:
        worker = workers.ask_for(operation.module)
        if worker is None:
            return None
        session.progress = worker
        session.opened.append(worker)
    worker.arrive()
    worker.hand_over(operation.channel, operation.data)
    session.opened.remove(operation.channel)
    operation.channel.close()
    return worker


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
    except WouldBlock:
        if not _is_over(session, operation.patience):
            raise
        session.opened.remove(channel)
        channel.close()
        what = f"no answer within {operation.patience:g} seconds"
        raise NotConnected(what, ETIMEDOUT, operation.address) from None
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


def _await(session: Session, operation: Await) -> Channel | None:
    ready = sockets.ready(operation.channels)
    if ready is not None or _is_over(session, operation.patience):
        watch: sockets.Watch | None = session.progress
        if watch is not None:
            session.opened.remove(watch)
            watch.close()
        return ready
    if session.progress is None:
        session.progress = sockets.Watch(operation.channels)
        session.opened.append(session.progress)
    raise WouldBlock(session.progress.fileno(), WAIT_READ)


def _is_over(session: Session, patience: float | None) -> bool:
    return patience is not None and monotonic() >= session.operation_began + patience


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
        operation.channel.end()


def _reserve(session: Session, operation: ReserveTime) -> None:
    session.reserve(operation.seconds)


def _tell(_: Session, __: Redact | Decrypted) -> None:
    """Leaves it to the transcript."""


PERFORM: dict[type, Callable[[Session, Any], object]] = {
    Phase: _phase,
    Resolve: _resolve,
    Connect: _connect,
    Listen: _listen,
    Accept: _accept,
    Await: _await,
    LocalAddress: _local_address,
    OpenDatagram: _datagram,
    Send: _send,
    Receive: _receive,
    SendTo: _send_to,
    ReceiveFrom: _receive_from,
    Sleep: _sleep,
    Prepare: _prepare,
    Delegate: _delegate,
    Close: _close,
    ReserveTime: _reserve,
    Redact: _tell,
    Decrypted: _tell,
}
