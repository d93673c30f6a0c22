"""Logging in over a transport of paramiko (RFC 4252): keys of files, keys of the agent, a password."""

from __future__ import annotations

import os

from ..errors import LocalError, PeerError
from ..regular import require_regular
from ..status.text import printable
from .crypto import paramiko
from .sockets import AgentSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, NoReturn

    from ..files.settings import Login
    from .identity import Identity
    from .probe import SshProbe
    from .sockets import Shuttable
    from .transport import Transport

_SHOWN = 200
# As many as OpenSSH lets a client try.
_MOST_AGENT_KEYS = 6
_MOST_BYTES_OF_A_KEY = 1_000_000
_CERTIFICATE = "-cert.pub"


class Authentication:
    """Ways to log in, tried one after the other until the server is content; adopt takes what has to be shut."""

    def __init__(self, transport: Transport, login: Login, adopt: Callable[[Shuttable], None]) -> None:
        self._transport = transport
        self._login = login
        self._adopt = adopt
        self._tried: list[str] = []
        self._offered: tuple[str, ...] = ()

    def run(self, probe: SshProbe) -> str:
        """Returns the method that let us in; PeerError, LocalError."""
        user = self._login.user
        if self._is_enough("none", lambda: self._transport.auth_none(user)):
            return "none"
        for method, attempt in self._ways(probe):
            if self._is_enough(method, attempt):
                return method
        tried = ", ".join(self._tried[1:]) or "nothing to try"
        offered = f"; the server offers {', '.join(map(printable, self._offered))}" if self._offered else ""
        raise PeerError(f"{tried}{printable(offered, _SHOWN)}", expected="a login", received=tried.encode())

    def _is_enough(self, method: str, attempt: Callable[[], Sequence[str]]) -> bool:
        """Tries one way, and keeps what the server offers now."""
        try:
            left = tuple(attempt())
        except paramiko.BadAuthenticationType as error:
            self._tried.append(f"{method} not accepted")
            left = tuple(error.allowed_types)
        except paramiko.AuthenticationException:
            if not self._transport.is_active():
                self._give_up(method)
            self._tried.append(f"{method} refused")
            return False
        else:
            if not left:
                return True
            self._tried.append(f"{method} accepted, but not enough")
        self._offered = left or self._offered
        return False

    def _give_up(self, method: str) -> NoReturn:
        """Says that the server ended the connection instead of an answer; PeerError."""
        words = self._transport.farewell
        reason = f"the server ends the connection{words and f': {words}'}"
        tried = ", ".join([*self._tried[1:], method])
        raise PeerError(f"{tried}: {reason}", expected="an answer", received=words.encode())

    def _ways(self, probe: SshProbe) -> Iterator[tuple[str, Callable[[], Sequence[str]]]]:
        user, password = self._login.user, self._login.password
        for identity in probe.identities:
            key = _load(identity)
            yield f"key {printable(identity.path)}", lambda key=key: self._transport.auth_publickey(user, key)  # type: ignore[misc]  # mypy does not infer lambdas with defaults
        if probe.agent:
            agent = _Agent()
            keys = agent.connect(probe.timeout, self._adopt)
            if not keys:
                self._tried.append("agent has no keys")
            for key in keys[:_MOST_AGENT_KEYS]:
                yield "agent key", lambda key=key: agent.watch(lambda: self._transport.auth_publickey(user, key))  # type: ignore[misc]  # as above
        if password and "keyboard-interactive" in self._offered and "password" not in self._offered:
            answers = _Answers(password)
            yield "password by keyboard-interactive", lambda: self._transport.auth_interactive(user, answers)
        elif password:
            yield "password", lambda: self._transport.auth_password(user, password)


class _Answers:
    """Answers the questions of a server (RFC 4256): the password, once, to one that asks for something hidden."""

    def __init__(self, password: str) -> None:
        self._left = [password]

    def __call__(self, title: str, instructions: str, prompts: Sequence[tuple[str, bool]]) -> list[str]:
        # No questions at all come too, behind the last answer.
        for prompt, is_echoed in prompts[:2]:
            if is_echoed or not self._left or len(prompts) > 1:
                asked = printable(prompt.strip(), _SHOWN)
                raise PeerError(f"the server asks for more than a password: {asked}", expected="", received=asked)
        return [self._left.pop() for _ in prompts]


class _Agent(paramiko.agent.AgentSSH):  # type: ignore[misc]  # paramiko ships no types
    """The agent of SSH_AUTH_SOCK, whose failures are this machine's."""

    def __init__(self) -> None:
        super().__init__()
        self._failure = ""

    def connect(self, timeout: float, adopt: Callable[[Shuttable], None]) -> tuple[paramiko.AgentKey, ...]:
        """Returns the keys, () also when there is no agent; LocalError for one that does not answer."""
        path = os.environ.get("SSH_AUTH_SOCK", "")
        if not path:
            return ()
        # Half of the time, so that what is said at the end is the agent's silence and not the server's.
        sock = AgentSocket(timeout / 2 if timeout > 0 else None)
        adopt(sock)
        try:
            sock.connect(path)
        except BlockingIOError:
            raise LocalError("the agent takes no connection") from None
        except (OSError, ValueError):
            # What ended leaves its name in the environment.
            return ()
        keys: tuple[paramiko.AgentKey, ...] = self.watch(lambda: self._list(sock))
        return keys

    def _list(self, sock: AgentSocket) -> tuple[paramiko.AgentKey, ...]:
        self._connect(sock)
        keys: tuple[paramiko.AgentKey, ...] = self.get_keys()
        return keys

    def watch(self, call: Callable[[], Any]) -> Any:
        """Calls, and blames the agent when it failed meanwhile; LocalError."""
        try:
            return call()
        except Exception as error:
            if self._failure:
                raise LocalError(f"the agent {self._failure}") from error
            raise

    def _send_message(self, message: bytes) -> Any:
        try:
            return super()._send_message(message)
        except TimeoutError:
            self._failure = "does not answer"
        except Exception as error:
            self._failure = f"fails: {printable(str(error), _SHOWN)}"
        # Of this kind, because paramiko's own thread, which signs, dies of a time-out.
        raise paramiko.SSHException(self._failure)


def _load(identity: Identity) -> paramiko.PKey:
    key = os.path.expanduser(identity.path.removesuffix(_CERTIFICATE))
    try:
        require_regular(key, _MOST_BYTES_OF_A_KEY)
        if os.path.exists(key + _CERTIFICATE):
            require_regular(key + _CERTIFICATE, _MOST_BYTES_OF_A_KEY)
        return paramiko.PKey.from_path(identity.path, identity.passphrase.encode() or None)
    except OSError as error:
        reason = error.strerror or str(error)
    except TypeError:
        reason = "it is encrypted" if not identity.passphrase else "it is not encrypted, but there is a passphrase"
    except Exception:
        # cryptography's words for a wrong passphrase and for a broken file are the same, and many.
        reason = "no private key, or not with this passphrase" if identity.passphrase else "no private key"
    raise LocalError(f"cannot read identity {printable(identity.path)}: {reason}")
