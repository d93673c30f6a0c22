"""The findings of an FTP dialogue, and the descriptions of the server that the judgements share."""

from __future__ import annotations

from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from ..dialogue.tls import TlsFacts
    from ..errors import ProbeError
    from .deep_findings import DeepFindings
    from .settings import FtpSettings
    from .wire import Reply


class FtpFindings:
    """The findings: the answer, whether it matched, TLS, the findings after the login (deep), the failure.

    waited is the seconds that the dialogue waited for more data after an answer that was already complete, or that was
    no FTP reply.
    """

    __slots__ = ("received", "matched", "reply", "tls", "address", "deep", "failure", "waited")

    def __init__(self) -> None:
        self.received = b""
        self.matched = False
        self.reply: Reply | None = None
        self.tls: TlsFacts | None = None
        self.address: Address | None = None
        self.deep: DeepFindings | None = None
        self.failure: ProbeError | None = None
        self.waited = 0.0


def peer(settings: FtpSettings) -> str:
    """Returns the host and port, or the socket, that the probe connects to, for the long texts."""
    host = printable(settings.host)
    return host if host.startswith("/") else f"{host} on port {settings.port}"


def place(settings: FtpSettings) -> str:
    """Returns the host and port, or the socket, that the probe connects to, for the status line."""
    if settings.host.startswith("/"):
        return f"on socket {printable(settings.host)}"
    return f"on {printable(settings.host)} port {settings.port}" if settings.show_host else f"on port {settings.port}"


def facts_of(settings: FtpSettings, findings: FtpFindings) -> dict[str, object]:
    """Returns the facts about the server before the login, by name."""
    facts: dict[str, object] = {}
    if findings.address is not None:
        facts["address"] = str(findings.address)
    if findings.received and not settings.jail:
        facts["greeting"] = settings.words(findings.received.rstrip())
    if findings.reply is not None:
        facts["reply_code"] = findings.reply.code
    if findings.tls is not None:
        # Imported here because a check without TLS does not need it.
        from hashlib import sha256

        facts["tls_version"] = findings.tls.version
        facts["tls_cipher"] = findings.tls.cipher
        facts["certificate_subject"] = printable(findings.tls.chain[0].subject, 200)
        facts["certificate_expires"] = findings.tls.chain[0].not_after.isoformat()
        facts["certificate_sha256"] = sha256(findings.tls.chain[0].der).hexdigest()
        facts["chain_expires"] = min(certificate.not_after for certificate in findings.tls.chain).isoformat()
    return facts
