"""The settings of a check of an FTP server, validated on construction."""

from __future__ import annotations

from ..address import UNIX_PATH_LIMIT
from ..errors import BareUsageError, UsageError
from ..fields import is_finite, require_types
from ..server import MOST_DESCRIPTORS, Server, is_host, require_server
from ..status.state import State
from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from ..files.settings import File, Listing, Login
    from ..status.gate import Gate
    from ..status.threshold import Range
    from .active import Active

_DATA = ("", "passive", "active", "both")
_TLS = ("", "implicit", "explicit")
# The longest server name that OpenSSL accepts.
_MOST_OF_A_NAME = 255
_NO_CERTIFICATE = "A certificate can only be checked with TLS, implicit or explicit"


class FtpSettings(Server):
    """The settings of an FTP check: the greeting, TLS, the login and the transfers after it.

    host is a name, an address or the path of a unix socket. timeout and delay are seconds. tls is "", "implicit" or
    "explicit" (AUTH TLS); sni, verify (chain and name, against ca_file or the system's authorities), tls_min (the
    oldest version that will do, "1.2" or "1.3"), tls_pins (SHA-256 of which the server's certificate or its public key
    must have one), certificate_days (days left for WARNING and CRITICAL) and certificate_facts (have the facts of the
    certificate, without a judgement) need it. expect replaces the reply 220 by
    strings that must occur anywhere, any of them or with match_all every one. send is sent before reading, quit after
    it. Reading stops at maxbytes, without it at limit. refuse_state is for a refused connection, mismatch_state for an
    unexpected answer, timeout_state for the deadline. warning and critical are limits of the seconds that the check
    takes. jail keeps the server's words out of the output; show_host names the host there, show_phases the seconds of
    each phase.

    Each of login, data, listing, get and put makes the check log in, as anonymous without a login. data is "passive",
    "active" or "both": every method of opening data connections in that mode is tried with a listing. put is the
    directory for the canary ("" for the one after the login), or None. foreign_pasv is the state for a data connection
    to or from an address that is not the server's. data_protection is "P" or "C", by default "P" with TLS. Raises
    UsageError for values that contradict each other.
    """

    host: str
    port: int
    timeout: float
    timeout_state: State
    family: int
    source: str
    tls: str
    sni: str
    verify: bool
    ca_file: str
    tls_min: str
    tls_pins: tuple[str, ...]
    certificate_days: tuple[int, int] | None
    certificate_facts: bool
    send: bytes
    expect: tuple[bytes, ...]
    match_all: bool
    quit: bytes
    maxbytes: int
    limit: int
    delay: float
    login: Login | None
    data: str
    listing: Listing | None
    get: File | None
    put: str | None
    active: Active | None
    foreign_pasv: State
    data_protection: str
    refuse_state: State
    mismatch_state: State
    warning: Range | None
    critical: Range | None
    jail: bool
    show_host: bool
    show_phases: bool

    def __init__(
        self,
        host: str = "127.0.0.1",
        *,
        port: int = 21,
        timeout: float = 10,
        timeout_state: State = State.CRITICAL,
        family: int = 0,
        source: str = "",
        tls: str = "",
        sni: str = "",
        verify: bool = False,
        ca_file: str = "",
        tls_min: str = "",
        tls_pins: tuple[str, ...] = (),
        certificate_days: tuple[int, int] | None = None,
        certificate_facts: bool = False,
        send: bytes = b"",
        expect: tuple[bytes, ...] = (),
        match_all: bool = False,
        quit: bytes = b"QUIT\r\n",
        maxbytes: int = 0,
        limit: int = 65536,
        delay: float = 0,
        login: Login | None = None,
        data: str = "",
        listing: Listing | None = None,
        get: File | None = None,
        put: str | None = None,
        active: Active | None = None,
        foreign_pasv: State = State.CRITICAL,
        data_protection: str = "",
        refuse_state: State = State.CRITICAL,
        mismatch_state: State = State.WARNING,
        warning: Range | None = None,
        critical: Range | None = None,
        jail: bool = False,
        show_host: bool = True,
        show_phases: bool = False,
    ) -> None:
        self._fill(locals())
        self._validate()

    @classmethod
    def of_any_host(cls, host: str, **settings: Any) -> Self:
        """Returns the probe of a command line; a host that is no valid name gives CRITICAL, as in the C plugin."""
        if is_host(host):
            return cls(host, **settings)
        probe = cls("invalid", **settings)
        object.__setattr__(probe, "host", host)
        return probe

    def _validate(self) -> None:
        require_types(self)
        require_server(self)
        if self.limit < 1 or self.maxbytes < 0 or self.delay < 0 or not is_finite(self.delay):
            raise UsageError("Limit must be at least 1 byte, and maxbytes and delay must not be negative")
        if self.host.startswith("/") and len(self.host.encode(errors="surrogateescape")) > UNIX_PATH_LIMIT:
            raise BareUsageError("Supplied path too long unix domain socket")
        # Most checks have neither TLS nor a login.
        if self.tls or self.sni or self.verify or self.ca_file or self.tls_min or self.tls_pins:
            self._validate_tls()
        elif self.reads_certificate:
            raise UsageError(_NO_CERTIFICATE)
        if self.is_deep or self.data_protection or self.active is not None:
            self._validate_login()

    def _validate_tls(self) -> None:
        if self.sni and not _is_server_name(self.sni):
            raise UsageError(f"Server name (sni) must be a name or an address, not {printable(repr(self.sni), 80)}")
        if self.tls not in _TLS:
            raise UsageError(f"TLS must be implicit, explicit or nothing, not {printable(self.tls)}")
        if not self.tls and (self.verify or self.reads_certificate or self.tls_pins):
            raise UsageError(_NO_CERTIFICATE)
        if not self.tls and self.tls_min:
            raise UsageError("A version of TLS can only be demanded with TLS, implicit or explicit")
        if self.tls_pins or self.tls_min:
            from ..dialogue.certificate import pin_of, require_version

            require_version(self.tls_min)
            for pin in self.tls_pins:
                pin_of(pin)
        if self.ca_file and not self.verify:
            raise UsageError("A CA file is only used to verify the certificate (--verify)")
        if self.verify and self.host.startswith("/") and not self.sni:
            raise UsageError("Verifying the certificate of a unix socket needs a server name to compare with")

    def _validate_login(self) -> None:
        if self.data not in _DATA:
            raise UsageError(f"Data must be passive, active or both, not {printable(self.data)}")
        if self.data_protection not in ("", "P", "C"):
            raise UsageError(f"Data protection must be P or C, not {printable(self.data_protection)}")
        if self.data_protection and not (self.tls and self.moves):
            raise UsageError("Data protection is for a check with TLS that moves data")
        if self.active is not None and self.data not in ("active", "both"):
            raise UsageError("Active ports and address are for active data connections (--data active or both)")
        if self.is_deep and (self.send or self.expect or self.maxbytes):
            raise UsageError(
                "A check that logs in cannot send or expect other strings, nor stop after a number of bytes"
            )
        if self.moves and self.host.startswith("/"):
            raise UsageError("Over a unix socket there are no data connections")
        if self.put is not None:
            from ..files.settings import require_one_line

            require_one_line("Directory", self.put)

    @property
    def moves(self) -> bool:
        """Whether the check opens data connections."""
        return bool(self.data) or self.put is not None or self.listing is not None or self.get is not None

    @property
    def descriptors(self) -> int:
        """The most descriptors that the check may have open at a time."""
        return MOST_DESCRIPTORS if self.moves else 1

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases of a check of a healthy server, in order."""
        start = {"": ("greeting",), "implicit": ("tls", "greeting"), "explicit": ("greeting", "tls")}[self.tls]
        transfers = self.get is not None or self.listing is not None or self.put is not None
        further = {"login": self.is_deep, "data": self.moves, "transfer": transfers}
        return ("resolve", "connect", *start, *(name for name, is_asked in further.items() if is_asked))

    @property
    def reads_certificate(self) -> bool:
        """Whether the dialogue reads the server's certificate."""
        return self.certificate_facts or self.certificate_days is not None

    @property
    def is_deep(self) -> bool:
        """Whether the check logs in."""
        return self.login is not None or self.moves

    @property
    def gate(self) -> Gate:
        """The gate that masks the password in the server's text."""
        from ..status.gate import Gate

        return Gate(() if self.login is None else (self.login.password,))

    def words(self, raw: bytes) -> str:
        """Returns the server's text, masked and printable."""
        return printable(raw) if self.login is None else self.gate.words(raw)


def _is_server_name(text: str) -> bool:
    """Tells whether TLS can send the text as server name: labels of 1 to 63 bytes, at most 255 bytes in total."""
    if not is_host(text) or text.startswith((".", "/")):
        return False
    try:
        return len(text.removesuffix(".").lower().encode("idna")) <= _MOST_OF_A_NAME
    except UnicodeError:
        return False
