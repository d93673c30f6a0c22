"""The settings of an SSH check."""

from __future__ import annotations

from ..address import STREAM, UNIX_PATH_LIMIT, literal
from ..errors import UsageError
from ..fields import require_types
from ..server import MOST_DESCRIPTORS, Server, require_server
from ..status.gate import Gate
from ..status.state import State
from ..status.text import printable
from .versions import is_fingerprint, is_version, validate_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..files.settings import File, Listing, Login
    from ..status.threshold import Range
    from .identity import Identity


class SshSettings(Server):
    """The settings of an SSH check: identification string, algorithms, host key, login and transfers.

    host is a name, an address or the path of a unix socket; timeout is seconds, 0 or less for none. remote_version
    must equal the software version, with or without its comment, remote_protocol the protocol version; None does not
    ask, "" is never met. version_pattern is a regular expression to be found in software version and comment,
    min_version the oldest good version, as 9.6 or 9.6p1. overload_state is for a server that turns us away for now,
    timeout_state for the deadline. warning and critical are limits of the seconds that the check takes; show_phases
    shows those of each phase.

    algorithms reads what the server offers; so do forbid and require, patterns with * for names that must not or must
    be offered, `kex:`, `hostkey:`, `cipher:`, `mac:` or `compression:` before them for one kind, and policy, modern or
    compatible. fingerprints, as SHA256:..., and known_hosts, a file, have the host keys of which it must be one.

    login makes the check log in with the keys of identities, the agent's keys and the password, in this order, but not
    to a server with a wrong host key. sftp opens an SFTP session; so do listing, get, put (the directory for the
    canary, "" for the one after the login) and timestamp (a file whose modification time is reported). Keys are
    exchanged only for a host key or a login, in a worker process, which is killed at the deadline. Raises UsageError
    for invalid or contradictory values.
    """

    host: str
    port: int
    timeout: float
    timeout_state: State
    family: int
    source: str
    remote_version: str | None
    remote_protocol: str | None
    version_pattern: str
    min_version: str
    overload_state: State
    algorithms: bool
    forbid: tuple[str, ...]
    require: tuple[str, ...]
    policy: str
    fingerprints: tuple[str, ...]
    known_hosts: str
    login: Login | None
    identities: tuple[Identity, ...]
    agent: bool
    sftp: bool
    listing: Listing | None
    get: File | None
    put: str | None
    timestamp: str
    warning: Range | None
    critical: Range | None
    show_phases: bool

    def __init__(
        self,
        host: str,
        *,
        port: int = 22,
        timeout: float = 10,
        timeout_state: State = State.CRITICAL,
        family: int = 0,
        source: str = "",
        remote_version: str | None = None,
        remote_protocol: str | None = None,
        version_pattern: str = "",
        min_version: str = "",
        overload_state: State = State.WARNING,
        algorithms: bool = False,
        forbid: tuple[str, ...] = (),
        require: tuple[str, ...] = (),
        policy: str = "",
        fingerprints: tuple[str, ...] = (),
        known_hosts: str = "",
        login: Login | None = None,
        identities: tuple[Identity, ...] = (),
        agent: bool = False,
        sftp: bool = False,
        listing: Listing | None = None,
        get: File | None = None,
        put: str | None = None,
        timestamp: str = "",
        warning: Range | None = None,
        critical: Range | None = None,
        show_phases: bool = False,
    ) -> None:
        self._fill(locals())
        self._validate()

    def _validate(self) -> None:
        require_types(self)
        if not 1 <= self.port <= 65535:
            raise UsageError(f"Port number must be a positive integer, at most 65535 - {self.port}")
        try:
            literal(self.host, self.port, self.family, STREAM)
        except ValueError:
            raise UsageError(f"Invalid hostname/address - {printable(self.host)}") from None
        require_server(self)
        if self.host.startswith("/") and len(self.host.encode(errors="surrogateescape")) > UNIX_PATH_LIMIT:
            raise UsageError("Supplied path too long unix domain socket")
        if self.version_pattern:
            validate_pattern(self.version_pattern)
        if self.min_version and not is_version(self.min_version):
            raise UsageError(
                f"Minimum version must be numbers with dots, as 9.6 or 9.6p1, not {printable(self.min_version)}"
            )
        if self.policy or self.forbid or self.require:
            from .policy import validate

            validate(self.policy, (*self.forbid, *self.require))

        for fingerprint in self.fingerprints:
            if not is_fingerprint(fingerprint):
                raise UsageError(f"Fingerprint must be SHA256: and 43 characters, not {printable(fingerprint)}")
        self._validate_login()

    def _validate_login(self) -> None:
        if self.login is None:
            if self.identities or self.agent:
                raise UsageError("An identity or an agent needs a user to log in as")
            if self.opens_sftp:
                raise UsageError("An SFTP session needs a user to log in as")
        elif not (self.identities or self.agent or self.login.password):
            raise UsageError(f"User {printable(self.login.user)} needs an identity, an agent or a password")
        if self.put is not None:
            from ..files.settings import require_one_line

            require_one_line("Directory", self.put)

    @property
    def pins_host_key(self) -> bool:
        """Whether the host key is compared with expected ones."""
        return bool(self.fingerprints or self.known_hosts)

    @property
    def exchanges_keys(self) -> bool:
        """Whether the dialogue includes a key exchange."""
        return self.pins_host_key or self.login is not None

    @property
    def descriptors(self) -> int:
        """The most descriptors that the check may have open at a time."""
        return MOST_DESCRIPTORS if self.exchanges_keys else 1

    @property
    def moves(self) -> bool:
        """Whether the check lists, gets or puts files."""
        return self.listing is not None or self.get is not None or self.put is not None

    @property
    def opens_sftp(self) -> bool:
        """Whether the dialogue opens an SFTP session."""
        return self.sftp or self.moves or bool(self.timestamp)

    @property
    def reads_kexinit(self) -> bool:
        """Whether the dialogue reads the server's KEXINIT."""
        return bool(self.algorithms or self.forbid or self.require or self.policy)

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases of a check of a healthy server, in order."""
        further = {
            "kexinit": self.reads_kexinit,
            "kex": self.exchanges_keys,
            "login": self.login is not None,
            "sftp": self.opens_sftp,
            "transfer": self.moves,
        }
        return (*super().phases, *(name for name, is_asked in further.items() if is_asked))

    @property
    def gate(self) -> Gate:
        """The gate that masks password and passphrases in the server's text."""
        passwords = () if self.login is None else (self.login.password,)
        return Gate((*passwords, *(identity.passphrase for identity in self.identities)))
