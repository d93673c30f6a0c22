"""The functions that perform the operations of only some checks; perform.py has those of every check."""

from __future__ import annotations

from ..dialogue.operations import (
    Accept,
    Await,
    Close,
    Datagram,
    Decrypted,
    Delegate,
    Listen,
    LocalAddress,
    OpenDatagram,
    Prepare,
    ReceiveFrom,
    Redact,
    ReserveTime,
    SendTo,
    Sleep,
)
from . import sockets
from .sockets import WAIT_READ, WouldBlock, own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from .running import Performers, Running
    from .sockets import Channel


def _prepare(session: Running, operation: Prepare) -> bool:
    # Imported here because only SSH key exchanges use it.
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
    channel = own(operation.channel)
    worker.hand_over(channel, operation.data)
    session.opened.remove(channel)
    channel.close()
    return worker


def _listen(session: Running, operation: Listen) -> Channel:
    channel = sockets.open_listener(operation.address, operation.ports)
    session.opened.append(channel)
    return channel


def _accept(session: Running, operation: Accept) -> Channel:
    channel = own(operation.channel).accept()
    session.opened.append(channel)
    return channel


def _await(session: Running, operation: Await) -> Channel | None:
    channels = tuple(map(own, operation.channels))
    ready = sockets.ready(channels)
    if ready is not None:
        ready.is_quiet = False
    if ready is not None or session.is_over(operation.patience):
        watch: sockets.Watch | None = session.progress
        if watch is not None:
            session.opened.remove(watch)
            watch.close()
        return ready
    if session.progress is None:
        session.progress = sockets.Watch(channels)
        session.opened.append(session.progress)
    raise WouldBlock(session.progress.fileno(), WAIT_READ)


def _local_address(_: Running, operation: LocalAddress) -> Address:
    return own(operation.channel).local_address()


def _datagram(session: Running, operation: OpenDatagram) -> Channel:
    channel = sockets.open_datagram(operation.family, operation.source)
    session.opened.append(channel)
    return channel


def _send_to(_: Running, operation: SendTo) -> None:
    own(operation.channel).send_to(operation.data, operation.address)


def _receive_from(_: Running, operation: ReceiveFrom) -> Datagram:
    channel = own(operation.channel)
    channel.be_patient(operation.patience)
    return Datagram(*channel.receive_from(operation.limit))


def _sleep(session: Running, operation: Sleep) -> None:
    if session.clock() < session.operation_began + operation.seconds:
        raise WouldBlock(-1, WAIT_READ)


def _close(session: Running, operation: Close) -> None:
    channel = own(operation.channel)
    if channel in session.opened:
        session.opened.remove(channel)
        channel.end()


def _reserve(session: Running, operation: ReserveTime) -> None:
    session.reserve(operation.seconds)


def _tell(_: Running, __: Redact | Decrypted) -> None:
    """Does nothing: only the transcript uses these operations."""


MORE: Performers = {
    Listen: _listen,
    Accept: _accept,
    Await: _await,
    LocalAddress: _local_address,
    OpenDatagram: _datagram,
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
