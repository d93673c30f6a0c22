"""Delivers results to the API of Icinga 2: POST /v1/actions/process-check-result, pipelined on one connection."""

from __future__ import annotations

import json
import os
import socket
import ssl
from base64 import b64encode
from urllib.parse import urlsplit

from ...dialogue.certificate import read_authorities
from ...errors import UsageError
from ...regular import read_regular
from ...status.text import printable
from ..destination import Outcome, Report
from .http import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .record import Record

USER_VARIABLE, PASSWORD_VARIABLE = "NOIDCHECKS_ICINGA_USER", "NOIDCHECKS_ICINGA_PASSWORD"
_PORT = 5665
_TIMEOUT = 10.0
_CREDENTIALS_LIMIT = 65536
_ACTION = "/v1/actions/process-check-result"
# Status codes about a single object, for which a retry would have the same answer.
_FINAL = frozenset((400, 403, 404, 409, 500))
# The text of Icinga's 404 about an object; a 404 of a proxy, or about the path, says nothing about the object.
_NO_OBJECT = "No objects found"


class Icinga2(Report):
    """Sends a request for each result, because the API does not accept different results in one request.

    At most batch requests are pipelined, so that they take one round trip. The server's certificate and its name are
    verified. An answer about a single object (not found, passive checks disabled) is final; every other failure (no
    connection, wrong password, 503) is trouble and is retried.
    """

    batch = 50
    pause = 0.2

    def __init__(self, url: str, user: str, password: str, ca_file: str = "") -> None:
        # The message does not repeat the URL, because a password in it must not reach a log. With a slash or # in the
        # password, urlsplit() would not find it in the part for the user.
        if "@" in url:
            raise UsageError("The URL of the Icinga 2 API must not hold a user or a password")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, _PORT if parts.port is None else parts.port
        except ValueError:
            host, port = None, 0
        if not host or not port or parts.scheme != "https" or parts.query or parts.fragment:
            raise UsageError(f"The Icinga 2 API must be like https://host:5665, not {printable(url)}")
        self._address = (host, port)
        try:
            self._context = _context(ca_file)
        except OSError as error:
            reason = "no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
            raise UsageError(f"Cannot read --icinga-ca {printable(ca_file)}: {reason}") from None
        login = b64encode(f"{user}:{password}".encode(errors="surrogateescape")).decode()
        self._head = (
            f"POST {parts.path.rstrip('/')}{_ACTION} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Authorization: Basic {login}\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
            "User-Agent: noidchecks\r\nContent-Length: "
        ).encode()
        self._source = socket.gethostname()
        self._connection: Connection | None = None

    def pack(self, record: Record) -> bytes:
        """Returns the body of the request."""
        body = {
            "type": "Service",
            "service": f"{record.host}!{record.service}",
            "exit_status": int(record.state),
            "plugin_output": record.text,
            "performance_data": record.perfdata,
            "execution_start": round(record.started, 6),
            "execution_end": round(record.finished, 6),
            "check_source": self._source,
        }
        return json.dumps(body).encode()

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """Sends the records and reads the answers."""
        settled = 0
        refused: list[tuple[str, str]] = []
        trouble = ""
        try:
            for code, body in self._connected().ask([self._request(record) for record in records]):
                trouble, reason = _verdict(code, body)
                if trouble:
                    break
                if reason:
                    refused.append((records[settled].name, reason))
                settled += 1
        except OSError as error:
            trouble = printable(error.strerror or str(error))
        if trouble or settled < len(records):
            self.close()
        return Outcome(records[settled:], trouble, refused)

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> Connection:
        # Icinga 2 closes idle connections after ten seconds, which is not a failure.
        if self._connection is not None and not self._connection.is_usable():
            self.close()
        if self._connection is None:
            try:
                self._connection = Connection(*self._address, self._context, _TIMEOUT)
            except ssl.SSLCertVerificationError as error:
                raise OSError(0, f"certificate cannot be verified: {error.verify_message}") from error
        return self._connection

    def _request(self, record: Record) -> bytes:
        body = self.pack(record)
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)


def _context(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=read_authorities(ca_file) if ca_file else None)
    # Python 3.13 sets the flag, but the certificate authority that Icinga generates has neither key usage nor key
    # identifier (Icinga/icinga2#10469). Chain and name are verified without the flag too.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _verdict(code: int, body: bytes) -> tuple[str, str]:
    """Returns the trouble, for which a retry makes sense, and the reason why the object is refused; "" for none.

    A status of 200 alone is not a success: the login page of a proxy has it too.
    """
    words = "is no answer of Icinga 2" if code == 200 else ""
    about_object = False
    try:
        answer = json.loads(body)
        if results := answer.get("results"):
            found = int(results[0]["code"])
            if found == code == 200:
                return "", ""
            code = found
            words = str(results[0]["status"])
            about_object = code in _FINAL
        else:
            words = str(answer.get("status", ""))
            about_object = code == answer.get("error") == 404 and words.startswith(_NO_OBJECT)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        pass
    words = printable(f"{code} {words}".strip(), 200)
    return ("", words) if about_object else (f"HTTP {words}", "")


def credentials(file: str) -> tuple[str, str]:
    """Returns user and password from a file of two lines or, without a file, the environment; raises UsageError."""
    if not file:
        user, password = os.environ.get(USER_VARIABLE, ""), os.environ.get(PASSWORD_VARIABLE, "")
        if not user or not password:
            raise UsageError(
                f"The Icinga 2 API needs --icinga-credentials, or {USER_VARIABLE} and {PASSWORD_VARIABLE} in the "
                "environment"
            )
        return user, password
    try:
        text = read_regular(file, _CREDENTIALS_LIMIT).decode(errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"Cannot read --icinga-credentials {printable(file)}: {error.strerror}") from None
    user, password = (line.rstrip("\r") for line in f"{text}\n\n".split("\n")[:2])
    if not user or not password:
        raise UsageError(f"The first two lines of {printable(file)} must be user and password")
    return user, password
