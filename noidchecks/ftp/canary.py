"""The canary: a file of the check itself that it stores, reads back, compares and deletes."""

from __future__ import annotations

from ..dialogue.operations import ReserveTime
from ..errors import ProbeError
from ..files.canary import Canary, reserve
from .control import path
from .data import set_type
from .opening import DataFailed
from .ways import over_first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Dialogue
    from .deep_findings import DeepFindings

# Replies to the transfer that may arrive before the reply to DELE.
_BELATED = frozenset((125, 150, 225, 226, 425, 426, 451, 452))
_MOST_BELATED = 8


def run_canary(deep: DeepFindings, folder: str, methods: list[str], timeout: float) -> Dialogue[None]:
    """Stores the canary, reads it back and deletes it, even when the first two fail or time out; raises ProbeError."""
    connection = deep.connection
    canary = Canary(path(folder))
    name, data = canary.name, canary.data
    back = canary.to_read()

    def store(method: str) -> Dialogue[None]:
        try:
            yield from connection.upload(method, name, data)
        finally:
            if connection.begun:
                deep.leftover = name

    def read(method: str) -> Dialogue[None]:
        yield from connection.download(method, "RETR", name, back, len(data))

    yield from connection.control.enter("data")
    yield from set_type(connection.control, "I")
    if timeout > 0:
        yield ReserveTime(reserve(timeout))
    try:
        yield from over_first(deep, methods, store)
        yield from over_first(deep, methods, read)
        if complaint := canary.complaint(back):
            raise DataFailed(complaint)
    except ProbeError as failure:
        if deep.leftover:
            try:
                yield from connection.abandon()
                yield from _delete(deep, name)
            except ProbeError:
                # The first failure is reported; leftover says that the canary may remain.
                pass
        raise failure
    yield ReserveTime(0.0)
    connection.opening.place = ""
    yield from _delete(deep, name)
    deep.put = True


def _delete(deep: DeepFindings, name: str) -> Dialogue[None]:
    control = deep.connection.control
    reply = yield from control.command("DELE", name)
    for _ in range(_MOST_BELATED):
        # An aborted transfer may end with more than one reply.
        if reply.code not in _BELATED:
            break
        reply = yield from control.reply()
    if reply.kind != 2:
        raise control.unexpected("DELE refused", "250", reply)
    deep.leftover = ""
