"""The findings of the dialogue of an SSH check."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from ..errors import ProbeError
    from .host_key import HostKey
    from .kexinit import Kexinit
    from .transfer import SftpFindings
    from .wire import Identification


class SshFindings:
    """The findings: lines before the identification string, that string, a refusal, KEXINIT, host key, failure.

    deep has the findings of the login and the SFTP session; it is set as soon as the login begins.
    """

    __slots__ = ("lines", "identification", "refusal", "address", "kexinit", "host_key", "deep", "failure")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.identification: Identification | None = None
        self.refusal = ""
        self.address: Address | None = None
        self.kexinit: Kexinit | None = None
        self.host_key: HostKey | None = None
        self.deep: SftpFindings | None = None
        self.failure: ProbeError | None = None
