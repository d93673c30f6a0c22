"""The conversation of a TOY check: the greeting is read."""

from __future__ import annotations

from noidchecks.dialogue.operations import Phase
from noidchecks.dialogue.stream import open_stream
from noidchecks.errors import ProbeError

from .findings import ToyFindings
from .wire import LIMIT, name_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from noidchecks.dialogue.operations import Dialogue

    from .settings import ToySettings


def converse(settings: ToySettings) -> Dialogue[ToyFindings]:
    """Reads the greeting; what fails stands in the findings."""
    findings = ToyFindings()
    try:
        stream = yield from open_stream(settings.host, settings.port, settings.family, settings.source)
        yield Phase("greeting")
        line = b""
        while b"\n" not in line and len(line) < LIMIT and (data := (yield from stream.receive(LIMIT - len(line)))):
            line += data
        findings.name = name_in(line)
    except ProbeError as error:
        findings.failure = error
    return findings
