"""A server's requests during a login (message 60): a new password, or more than a password."""

from __future__ import annotations

from . import paramiko

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# OpenSSH's limit; a server can announce 2**32 - 1 prompts in a few bytes.
_MOST_QUESTIONS = 100


class NewPasswordWanted(paramiko.AuthenticationException):  # type: ignore[misc]  # paramiko ships no types
    """The password has expired; prompt is the server's text. Whether the password is right remains unknown.

    The message is SSH_MSG_USERAUTH_PASSWD_CHANGEREQ (RFC 4252 section 8).
    """

    def __init__(self, prompt: bytes) -> None:
        super().__init__("new password wanted")
        self.prompt = prompt


class MoreWanted(paramiko.AuthenticationException):  # type: ignore[misc]  # as above
    """The server asks by keyboard-interactive for something other than a password; prompt is its text."""

    def __init__(self, prompt: bytes) -> None:
        super().__init__("more than a password wanted")
        self.prompt = prompt


class Questions(paramiko.auth_handler.AuthHandler):  # type: ignore[misc]  # as above
    """Answers message 60, whose meaning depends on the current method.

    An attempt that cannot continue ends, and another one may follow on the same connection (RFC 4256 section 3.1),
    whereas paramiko ends the connection.
    """

    def _parse_userauth_info_request(self, message: Any) -> None:
        if self.auth_method == "password":
            self._end(NewPasswordWanted(message.get_string()))
            return
        if self.auth_method not in ("keyboard-interactive", "keyboard_interactive"):
            super()._parse_userauth_info_request(message)
            return
        title, instruction, _ = message.get_string(), message.get_string(), message.get_string()
        prompts = []
        for _ in range(min(message.get_int(), _MOST_QUESTIONS)):
            prompts.append((message.get_string(), message.get_boolean()))
        try:
            answers = self.interactive_handler(title, instruction, prompts)
        except MoreWanted as wanted:
            self._end(wanted)
            return
        reply = paramiko.Message()
        reply.add_byte(paramiko.common.cMSG_USERAUTH_INFO_RESPONSE)
        reply.add_int(len(answers))
        for answer in answers:
            reply.add_string(answer)
        self.transport._send_message(reply)

    def _end(self, reason: Exception) -> None:
        self.authenticated = False
        self.transport.saved_exception = reason
        if self.auth_event is not None:
            self.auth_event.set()
