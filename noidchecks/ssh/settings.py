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
    """What to check of an SSH server: identification string, algorithms, host key, and what is behind the login.

    host is a name, an address or the path of a unix socket; timeout is seconds, 0 or less for none. remote_version
    must equal the software version, with or without its comment, remote_protocol the protocol version; None does not
    ask, "" is never met. version_pattern is a regular expression to be found in software version and comment,
    min_version the oldest good version, as 9.6 or 9.6p1. overload_state is for a server that turns us away for now,
    timeout_state for the deadline. warning and critical are limits of the seconds that the check takes; show_phases
    shows those of each phase.

    algorithms reads what the server offers; so do forbid and require, patterns with * for names that must not or must
    be offered, `kex:`, `hostkey:`, `cipher:`, `mac:` or `compression:` before them for one kind, and policy, modern or
    compatible. fingerprints, as SHA256:..., and known_hosts, a file, have the host keys of which it must be one.

    login makes the check log in, with the keys of identities, those of the agent and the password, in this order; never
    at a server whose key is not one of those that it must have. sftp opens an SFTP session; so do listing, get, put (a
    directory, "" for that after the login, None for nothing) and timestamp, a file whose time is asked for. Keys are
    exchanged only for a host key or a login, and that is the work of a worker process, which the deadline ends.
    UsageError for values that make no sense.
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
        """Whether the server must have one of certain host keys."""
        return bool(self.fingerprints or self.known_hosts)

    @property
    def exchanges_keys(self) -> bool:
        """Whether the conversation goes on to a key exchange."""
        return self.pins_host_key or self.login is not None

    @property
    def descriptors(self) -> int:
        """The most descriptors that the check may have open at a time."""
        return MOST_DESCRIPTORS if self.exchanges_keys else 1

    @property
    def moves(self) -> bool:
        """Whether files or a list of them are asked for."""
        return self.listing is not None or self.get is not None or self.put is not None

    @property
    def opens_sftp(self) -> bool:
        """Whether the conversation goes on to an SFTP session."""
        return self.sftp or self.moves or bool(self.timestamp)

    @property
    def reads_kexinit(self) -> bool:
        """Whether the conversation goes on to the server's KEXINIT."""
        return bool(self.algorithms or self.forbid or self.require or self.policy)

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases that a healthy server goes through, in their order."""
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
        """The mask for the server's text: password and passphrases are replaced before it is shown."""
        passwords = () if self.login is None else (self.login.password,)
        return Gate((*passwords, *(identity.passphrase for identity in self.identities)))
