"""What each operation of a dialogue means: carried out as far as it goes without waiting, WouldBlock otherwise."""

from __future__ import annotations

from errno import ETIMEDOUT

from ..address import literal
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
from ..errors import NotConnected, NotResolved, ProbeError
from . import sockets
from .sockets import WAIT_READ, WouldBlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol, TypeAlias

    from ..address import Address
    from ..dialogue import operations
    from ..dialogue.operations import Datagram
    from .resolver import LookUp
    from .sockets import Channel

    class Running(Protocol):
        """What a session keeps for those that perform its operations.

        progress is what a half-performed operation needs when it is tried again, operation_began when the present
        one was first tried, by the session's clock; what is in opened is closed in the end.
        """

        progress: Any
        opened: list[Any]
        operation_began: float
        clock: Callable[[], float]

        def restart_clock(self) -> None: ...
        def reserve(self, seconds: float) -> None: ...
        def enter(self, phase: str) -> None: ...

    Performers: TypeAlias = Mapping[type, Callable[[Any, Any], object]]


def _own(channel: operations.Channel) -> Channel:
    """Returns the channel of an operation as the class of this driver, which opened it."""
    return channel  # type: ignore[return-value]  # a dialogue has no others


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
        # Here and not above, because most checks are of addresses.
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


def _prepare(session: Running, operation: Prepare) -> bool:
    # Not on the path of plugins that have no use for it.
    from . import workers

    is_under_way = workers.prepare(operation.module)
    session.restart_clock()
    return is_under_way


def _delegate(session: Running, operation: Delegate) -> Channel | None:
    from . import workers

    worker: workers.Worker | None = session.progress
    if worker is None:
        worker = workers.ask_for(operation.module)
        if worker is None:
            return None
        session.progress = worker
        session.opened.append(worker)
    worker.arrive()
    channel = _own(operation.channel)
    worker.hand_over(channel, operation.data)
    session.opened.remove(channel)
    channel.close()
    return worker


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


def _listen(session: Running, operation: Listen) -> Channel:
    channel = sockets.open_listener(operation.address, operation.ports)
    session.opened.append(channel)
    return channel


def _accept(session: Running, operation: Accept) -> Channel:
    channel = _own(operation.channel).accept()
    session.opened.append(channel)
    return channel


def _await(session: Running, operation: Await) -> Channel | None:
    channels = tuple(map(_own, operation.channels))
    ready = sockets.ready(channels)
    if ready is not None:
        ready.is_quiet = False
    if ready is not None or _is_over(session, operation.patience):
        watch: sockets.Watch | None = session.progress
        if watch is not None:
            session.opened.remove(watch)
            watch.close()
        return ready
    if session.progress is None:
        session.progress = sockets.Watch(channels)
        session.opened.append(session.progress)
    raise WouldBlock(session.progress.fileno(), WAIT_READ)


def _is_over(session: Running, patience: float | None) -> bool:
    return patience is not None and session.clock() >= session.operation_began + patience


def _local_address(_: Running, operation: LocalAddress) -> Address:
    return _own(operation.channel).local_address()


def _datagram(session: Running, operation: OpenDatagram) -> Channel:
    channel = sockets.open_datagram(operation.family, operation.source)
    session.opened.append(channel)
    return channel


def _send(session: Running, operation: Send) -> None:
    channel = _own(operation.channel)
    sent: int = session.progress or 0
    while sent < len(operation.data):
        sent += channel.send(operation.data[sent:] if sent else operation.data)
        session.progress = sent


def _receive(_: Running, operation: Receive) -> bytes:
    channel = _own(operation.channel)
    channel.be_patient(operation.patience)
    return channel.receive(operation.limit)


def _send_to(_: Running, operation: SendTo) -> None:
    _own(operation.channel).send_to(operation.data, operation.address)


def _receive_from(_: Running, operation: ReceiveFrom) -> Datagram:
    channel = _own(operation.channel)
    channel.be_patient(operation.patience)
    return channel.receive_from(operation.limit)


def _sleep(session: Running, operation: Sleep) -> None:
    if session.clock() < session.operation_began + operation.seconds:
        raise WouldBlock(-1, WAIT_READ)


def _close(session: Running, operation: Close) -> None:
    channel = _own(operation.channel)
    if channel in session.opened:
        session.opened.remove(channel)
        channel.end()


def _reserve(session: Running, operation: ReserveTime) -> None:
    session.reserve(operation.seconds)


def _tell(_: Running, __: Redact | Decrypted) -> None:
    """Leaves it to the transcript."""


PERFORM: dict[type, Callable[[Running, Any], object]] = {
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
