"""The dialogue with a TFTP server: one transfer after the other, under one deadline."""

from __future__ import annotations

from ..address import DATAGRAM, source_family
from ..dialogue.operations import Phase, Resolve, Sleep
from ..errors import NotConnected, ProbeError
from .client import Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..address import Address
    from ..dialogue.operations import Channel, Dialogue
    from .findings import Findings
    from .settings import TftpSettings


def converse(settings: TftpSettings, steps: Iterator[Findings]) -> Dialogue[tuple[Findings, ...]]:
    """Makes the transfers in their order, up to the first failure, and returns the findings of those made.

    When the host has several addresses, the next one is tried only if the port of the current one is unreachable, not
    if it is silent; the first address that answers is used for all further transfers.
    """
    made: list[Findings] = []
    opened: list[Channel] = []
    addresses: tuple[Address, ...] = ()
    for findings in steps:
        made.append(findings)
        try:
            if not addresses:
                family = source_family(settings.source) if settings.source else settings.family
                yield Phase("resolve")
                addresses = yield Resolve(settings.host, settings.port, family, DATAGRAM)
            if findings.pause:
                yield Sleep(findings.pause)
            yield Phase("greeting")
            addresses = ((yield from _transfer(settings, findings, addresses, opened)),)
        except ProbeError as failure:
            failure.phase = failure.phase or ("greeting" if findings.answer is None else "transfer")
            findings.failure = failure
            break
    return tuple(made)


def _transfer(
    settings: TftpSettings, findings: Findings, addresses: tuple[Address, ...], opened: list[Channel]
) -> Dialogue[Address]:
    failure: NotConnected | None = None
    for address in addresses:
        try:
            yield from Client(settings, findings, address).run(opened)
            return address
        except NotConnected as error:
            if findings.sent and settings.read_back:
                # The server closes its port after its last acknowledgement, which may be lost (RFC 1350 section 6). The
                # read back then shows whether the file has arrived.
                return address
            if findings.answer is not None:
                raise
            if failure is None or not error.is_without_way:
                failure = error
    assert failure is not None, "a name has addresses"  # noqa: S101
    raise failure
