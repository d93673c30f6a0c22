"""The methods of opening a data connection: their choice and their order of attempts."""

from __future__ import annotations

from ..address import AF_INET6
from .deep_findings import Attempt
from .opening import DataFailed, NotOffered, NotOpened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dialogue.operations import Dialogue
    from .deep_findings import DeepFindings


def ways(data: str, address: object) -> list[str]:
    """Returns the methods of a mode for the server's address; PASV and PORT support only IPv4 (RFC 2428)."""
    is_six = getattr(address, "family", 0) == AF_INET6
    passive = ["EPSV"] if is_six else ["EPSV", "PASV"]
    active = ["EPRT"] if is_six else ["PORT", "EPRT"]
    return {"active": active, "both": passive + active}.get(data, passive)


def over_first(deep: DeepFindings, methods: list[str], attempt: Callable[[str], Dialogue[None]]) -> Dialogue[None]:
    """Makes the attempt with each method until one opens a data connection; raises DataFailed.

    Methods that open none are removed from the list, so that the next transfer does not try them again.
    """
    while True:
        method = methods[0]
        try:
            yield from attempt(method)
        except NotOpened as failure:
            deep.note(failed(deep, method, failure))
            if len(methods) == 1:
                raise
            deep.connection.opening.place = ""
            del methods[0]
        except DataFailed:
            deep.note(Attempt(method))
            raise
        else:
            deep.note(Attempt(method))
            return


def failed(deep: DeepFindings, method: str, failure: DataFailed) -> Attempt:
    """Returns the attempt that ended with the failure."""
    return Attempt(method, deep.explain(failure.message), offered=not isinstance(failure, NotOffered))
