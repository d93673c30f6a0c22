"""What the conversation with an FTP server found."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from ..dialogue.tls import TlsFacts
    from ..errors import ProbeError
    from .deep_findings import DeepFindings
    from .wire import Reply


class FtpFindings:
    """What was seen: the answer, whether it was the expected one, TLS, what is behind the login, the failure."""

    __slots__ = ("received", "matched", "reply", "tls", "address", "deep", "failure")

    def __init__(self) -> None:
        self.received = b""
        self.matched = False
        self.reply: Reply | None = None
        self.tls: TlsFacts | None = None
        self.address: Address | None = None
        self.deep: DeepFindings | None = None
        self.failure: ProbeError | None = None
