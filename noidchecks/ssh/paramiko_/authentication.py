"""The login over a transport of paramiko (RFC 4252): keys from files, keys of the agent, a password."""

from __future__ import annotations

import os
import re

from ...errors import LocalError, PeerError
from ...status.text import printable
from . import paramiko
from .keys import add_certificate, certificate_path, key_path, read_key
from .questions import MoreWanted, NewPasswordWanted
from .sockets import AgentSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, NoReturn, TypeAlias

    from ...errors import ProbeError
    from ...files.settings import Login
    from ..identity import Identity
    from ..settings import SshSettings
    from .sockets import Shuttable
    from .transport import Transport

    # The method's name in the protocol, its name in messages, and the attempt.
    Way: TypeAlias = "tuple[str, str, Callable[[], Sequence[str]]]"

_SHOWN = 200
# OpenSSH's default limit of attempts (MaxAuthTries).
_MOST_AGENT_KEYS = 6
_CERTIFICATE = "-cert-v01@openssh.com"
# Names of a second factor in prompts; the server would log a password in its place as a wrong code.
_SECOND_FACTOR = re.compile(r"\b((pass)?code|token|otp|pin|one[- ]time password)\b", re.IGNORECASE)


class Authentication:
    """The attempts to log in, one after the other until one succeeds; adopt() gets the sockets that must be closed.

    They are made in OpenSSH's order: keys, the password by keyboard-interactive, the password; each once, and only
    while the server offers its method. After a partial success, the server offers the methods that it requires in
    addition (RFC 4252 section 5.1). A key that this machine cannot use is skipped, and reported only if all other
    attempts fail too.
    """

    def __init__(self, transport: Transport, login: Login, adopt: Callable[[Shuttable], None]) -> None:
        self._transport = transport
        self._user = _encoded(login.user)
        self._password = _encoded(login.password)
        self._adopt = adopt
        self._words = printable
        self._tried: list[str] = []
        # The methods with a partial success.
        self._accepted: set[str] = set()
        self._lacks_key = False
        self._offered: tuple[str, ...] = ()

    def run(self, settings: SshSettings) -> str:
        """Logs in and returns the name of the successful method; raises PeerError, LocalError."""
        self._words = settings.gate.words
        if self._is_enough("none", "none", lambda: self._transport.auth_none(self._user)):
            return "none"
        self._tried.clear()
        answers = _Answers(self._password)
        ways = {
            "publickey": self._keys(settings),
            "keyboard-interactive": self._questions(answers),
            "password": self._passwords(answers),
        }
        while (way := self._next(ways)) is not None:
            if self._is_enough(*way):
                return way[1]
        raise self._refused(settings)

    def _next(self, ways: dict[str, Iterator[Way]]) -> Way | None:
        """Returns the next attempt with a method that the server offers, None when none is left."""
        # Some servers do not list the methods that they offer.
        offered = self._offered or ("publickey", "password")
        for method, more in ways.items():
            if method in offered and (way := next(more, None)) is not None:
                return way
        return None

    def _is_enough(self, method: str, name: str, attempt: Callable[[], Sequence[str]]) -> bool:
        """Makes one attempt, returns whether the login is complete, and stores the offered methods; PeerError.

        The PeerError is for an expired password, for unanswerable questions and for a connection that the server ends.
        """
        try:
            left = _methods(attempt())
        except paramiko.BadAuthenticationType as error:
            # The server no longer offers the method; if it did before, it has refused this attempt.
            self._tried.append(f"{name} {'refused' if method in self._offered else 'not accepted'}")
            left = _methods(error.allowed_types)
        except NewPasswordWanted as wanted:
            prompt = self._words(wanted.prompt.strip(), _SHOWN)
            text = f"the password has expired{prompt and f': {prompt}'}"
            raise PeerError(text, expected="a login", received=wanted.prompt) from wanted
        except MoreWanted as wanted:
            prompt = self._words(wanted.prompt.strip(), _SHOWN)
            if "password" not in self._offered:
                text = f"the server asks for more than a password: {prompt}"
                raise PeerError(text, expected="a login", received=wanted.prompt) from wanted
            self._tried.append(f"keyboard-interactive asks for more than a password ({prompt})")
            return False
        except LocalError as error:
            self._pass_over(error)
            return False
        except paramiko.AuthenticationException:
            if not self._transport.is_active():
                self._give_up(name)
            self._tried.append(f"{name} refused")
            return False
        else:
            # An empty list of further methods may also follow a partial success. The handler tells them apart; the
            # transport forgets the success when it ends.
            if self._transport.auth_handler.is_authenticated():
                return True
            self._tried.append(f"{name} accepted, but not enough")
            self._accepted.add(method)
        self._offered = left or self._offered
        return False

    def _give_up(self, name: str) -> NoReturn:
        """Raises PeerError for a server that ended the connection instead of answering."""
        words = self._transport.farewell
        reason = f"the server ends the connection{words and f': {words}'}"
        tried = ", ".join([*self._tried, name])
        raise PeerError(f"{tried}: {reason}", expected="an answer", received=words.encode())

    def _refused(self, settings: SshSettings) -> ProbeError:
        """Returns the error for a login of which all attempts failed."""
        tried = list(self._tried)
        if self._lacks_key:
            # The server might have accepted that key.
            return LocalError(", ".join(tried))
        if "publickey" not in self._offered and not any("key " in one or "certificate " in one for one in tried):
            tried += [f"key {printable(identity.path)} not accepted" for identity in settings.identities]
            tried += ["agent keys not accepted"] if settings.agent else []
        if self._password and not any(one.startswith(("password", "keyboard")) for one in tried):
            tried.append("password not accepted")
        text = ", ".join(tried) or "nothing to try"
        offered = f"; the server offers {self._words(', '.join(self._offered), _SHOWN)}" if self._offered else ""
        return PeerError(f"{text}{offered}", expected="a login", received=text.encode())

    def _keys(self, settings: SshSettings) -> Iterator[Way]:
        for identity in settings.identities:
            yield from self._identity(identity)
        if settings.agent:
            agent = _Agent()
            try:
                keys = agent.connect(settings.timeout, self._adopt)
            except LocalError as error:
                self._pass_over(error)
                return
            for key in keys:
                sign = lambda key=key: self._transport.auth_publickey(self._user, key)  # noqa: E731  # short
                yield "publickey", "agent key", lambda sign=sign: agent.watch(sign)  # type: ignore[misc]  # mypy does not infer lambdas with defaults
                if agent.is_lost:
                    return

    def _identity(self, identity: Identity) -> Iterator[Way]:
        """Yields the certificate next to a private key, if any, and then the key, in OpenSSH's order."""
        try:
            key = read_key(identity.path, _encoded(identity.passphrase))
        except LocalError as error:
            self._pass_over(error)
            return
        attempt = lambda: self._transport.auth_publickey(self._user, key)  # noqa: E731  # short
        if certificate := certificate_path(identity.path):
            try:
                add_certificate(key, certificate)
            except LocalError as error:
                self._pass_over(error)
            else:
                yield "publickey", f"certificate {printable(certificate)}", attempt
                key.public_blob = None
        yield "publickey", f"key {printable(key_path(identity.path))}", attempt

    def _pass_over(self, error: LocalError) -> None:
        self._tried.append(error.message)
        self._lacks_key = True

    def _questions(self, answers: _Answers) -> Iterator[Way]:
        if self._password:
            name = "password by keyboard-interactive"
            yield "keyboard-interactive", name, lambda: self._transport.auth_interactive(self._user, answers)

    def _passwords(self, answers: _Answers) -> Iterator[Way]:
        # OpenSSH passes both methods to the same PAM stack: the same wrong password would only count as a second
        # attack. A server that accepted it as an answer may require it by this method too.
        is_wrong = answers.are_given and not answers.is_more_wanted and "keyboard-interactive" not in self._accepted
        if self._password and not (is_wrong and "OpenSSH" in self._transport.remote_version):
            yield "password", "password", lambda: self._transport.auth_password(self._user, self._password)


class _Answers:
    """Answers the prompts of a server (RFC 4256): sends the password once, to a single prompt without echo.

    Prompts may be in any language, so only the names of a second factor show that the server asks for something else.
    """

    def __init__(self, password: bytes) -> None:
        self._left = [password]
        self.is_more_wanted = False

    @property
    def are_given(self) -> bool:
        """Whether the password was sent."""
        return not self._left

    def __call__(self, title: bytes, instruction: bytes, prompts: Sequence[tuple[bytes, bool]]) -> list[bytes]:
        # A request without prompts is valid too: servers send it after the last answer.
        for prompt, is_echoed in prompts[:1]:
            is_other = is_echoed or _SECOND_FACTOR.search(prompt.decode(errors="replace")) is not None
            if is_other or not self._left or len(prompts) > 1:
                self.is_more_wanted = True
                raise MoreWanted(prompt or instruction or title)
        return [self._left.pop() for _ in prompts]


def _methods(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the names without empty ones: paramiko splits an empty list into one empty name."""
    return tuple(filter(None, names))


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


class _Agent(paramiko.agent.AgentSSH):  # type: ignore[misc]  # paramiko ships no types
    """The agent at SSH_AUTH_SOCK; its failures are reported as LocalError."""

    def __init__(self) -> None:
        super().__init__()
        self._failure = ""
        # Set after a failure: a late answer would be taken for that to the next request.
        self.is_lost = False

    def connect(self, timeout: float, adopt: Callable[[Shuttable], None]) -> tuple[paramiko.AgentKey, ...]:
        """Returns the keys of the agent, one at least; LocalError."""
        path = os.environ.get("SSH_AUTH_SOCK", "")
        if not path:
            raise LocalError("there is no agent (SSH_AUTH_SOCK)")
        # Half of the time, so that what is said at the end is the agent's silence and not the server's.
        sock = AgentSocket(timeout / 2 if timeout > 0 else None)
        adopt(sock)
        try:
            sock.connect(path)
        except BlockingIOError:
            raise LocalError("the agent takes no connection") from None
        except (OSError, ValueError):
            # What ended leaves its name in the environment.
            raise LocalError("there is no agent (SSH_AUTH_SOCK)") from None
        keys: tuple[paramiko.AgentKey, ...] = self.watch(lambda: self._list(sock))
        if not keys:
            raise LocalError("the agent has no keys")
        return keys

    def _list(self, sock: AgentSocket) -> tuple[paramiko.AgentKey, ...]:
        """Returns at most six keys; paramiko's own function fails at a comment that is not UTF-8."""
        self._conn = sock
        _, answer = self._send_message(paramiko.agent.cSSH2_AGENTC_REQUEST_IDENTITIES)
        keys = []
        for _ in range(min(answer.get_int(), _MOST_AGENT_KEYS)):
            key = paramiko.AgentKey(agent=self, blob=answer.get_binary())
            # paramiko 3.5 needs this attribute, but does not set it for keys of unknown types, such as certificates.
            key.public_blob = None
            if key.get_name().endswith(_CERTIFICATE):
                # Otherwise paramiko offers the plain key of an RSA certificate with the certificate's type.
                key.inner_key = None
            keys.append(key)
            answer.get_binary()
        self._keys = tuple(keys)
        return self._keys

    def watch(self, call: Callable[[], Any]) -> Any:
        """Makes the call; raises LocalError when it fails and the agent has failed during the call."""
        self._failure = ""
        try:
            return call()
        except Exception as error:
            if self._failure:
                raise LocalError(f"the agent {self._failure}") from error
            raise

    def _send_message(self, message: bytes) -> Any:
        try:
            kind, answer = super()._send_message(message)
        except TimeoutError:
            self._failure, self.is_lost = "does not answer", True
        except Exception as error:
            self._failure, self.is_lost = f"fails: {printable(str(error), _SHOWN)}", True
        else:
            if kind in (paramiko.agent.SSH2_AGENT_IDENTITIES_ANSWER, paramiko.agent.SSH2_AGENT_SIGN_RESPONSE):
                return kind, answer
            # For example, a key must be confirmed or its token was removed; another key may work.
            self._failure = "refuses to sign" if self.get_keys() else "refuses to list its keys"
        # An SSHException, because a TimeoutError would end paramiko's thread, which calls this to sign.
        raise paramiko.SSHException(self._failure)
