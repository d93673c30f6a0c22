"""Reads Prometheus' web configuration file, YAML with TLS and basic authentication, which all exporters support.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md describes it. A change of the file,
or of the certificate and key that it names, takes effect for the next connection; after an invalid change, the previous
configuration remains in effect. So it does for an empty file: many programs truncate a file before they write it, and
TLS and passwords would be disabled in between.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from ..regular import read_regular
from ..status.text import printable
from ..value import Value
from .errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from typing import Any

_MOST_BYTES = 1 << 20
_SECTIONS = ("tls_server_config", "basic_auth_users", "http_server_config")
_TLS_KEYS = ("cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version", "max_version")
# The header fields that other exporters allow in the file.
_HEADERS = (
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "Strict-Transport-Security",
)
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


class WebConfig(Value):
    """The security settings of the HTTP server: a TLS context or None, and the bcrypt hashes of passwords by user.

    headers are additional header fields of every answer.
    """

    tls: ssl.SSLContext | None
    users: dict[str, bytes]
    headers: dict[str, str]

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        users: Mapping[str, bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._fill({"tls": tls, "users": dict(users or {}), "headers": dict(headers or {})})

    @property
    def knows_clients(self) -> bool:
        """Whether clients must authenticate by a password or a certificate."""
        return bool(self.users) or (self.tls is not None and self.tls.verify_mode == ssl.CERT_REQUIRED)


class WebConfigFile:
    """The file at a path, "" for none, which is read again when it or a file that it names has changed.

    The constructor raises ConfigurationError; later, say gets a sentence when a change is invalid or takes effect.
    """

    def __init__(self, path: str, say: Callable[[str], object]) -> None:
        self._path = path
        self._say = say
        self._seen: tuple[object, ...] = ()
        self._files: list[str] = []
        self._current = WebConfig()
        if path:
            self._read()

    def current(self) -> WebConfig:
        """Returns the current configuration, after reading a changed file."""
        if self._path and self._stamps() != self._seen:
            try:
                self._read()
            except ConfigurationError as error:
                self._say(f"{error}; what it said before stays")
            else:
                self._say(f"read {printable(self._path)} again")
        return self._current

    def _read(self) -> None:
        is_first = not self._seen
        # Taken before the files are read, so that a change during the reading causes another one.
        self._seen = self._stamps()
        document = _document(self._path, may_be_empty=is_first)
        table = _table(self._path, document, "tls_server_config")
        folder = Path(self._path).parent
        self._files = [
            str(folder / str(table[key])) for key in ("cert_file", "key_file", "client_ca_file") if key in table
        ]
        self._seen = (self._seen[0], *map(_stamp, self._files))
        self._current = WebConfig(
            _tls(self._path, table, folder) if table else None,
            _users(self._path, document),
            _headers(self._path, document),
        )

    def _stamps(self) -> tuple[object, ...]:
        return tuple(_stamp(path) for path in (self._path, *self._files))


def _stamp(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError as error:
        return error.errno
    except ValueError:
        # The path contains NUL.
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _document(path: str, *, may_be_empty: bool) -> dict[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
        """A loader that refuses a repeated key, of which the second one, perhaps empty, would take effect."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            seen = set()
            for key, _ in node.value:
                # Any other kind of node cannot be a key, and gets its own error.
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    raise _wrong(path, f"{printable(key.value, 60)} is there twice, line {key.start_mark.line + 1}")
                seen.add(str(key.value))
            found: dict[Hashable, Any] = super().construct_mapping(node, deep)
            return found

    try:
        found = yaml.load(read_regular(path, _MOST_BYTES), Loader)  # noqa: S506  # a SafeLoader
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}") from None
    except ConfigurationError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # YAML's own message is left out, because its context may show the hash of a password.
        mark = getattr(error, "problem_mark", None)
        raise _wrong(path, f"is not YAML{f', line {mark.line + 1}' if mark else ''}") from None
    if found is None and may_be_empty:
        return {}
    if found is None:
        raise _wrong(path, "is empty")
    if not isinstance(found, dict):
        raise _wrong(path, "must have tls_server_config or basic_auth_users")
    _require_known(path, found, _SECTIONS)
    return found


def _table(path: str, document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise _wrong(path, f"{name} must have keys and values")
    return found


def _require_known(path: str, table: dict[Any, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise _wrong(path, f"{printable(str(key), 60)} is not understood here, only {', '.join(known)}")


def _tls(path: str, table: dict[str, Any], folder: Path) -> ssl.SSLContext:
    _require_known(path, table, _TLS_KEYS)
    for key, value in table.items():
        if not isinstance(value, str) or "\0" in value:
            raise _wrong(path, f"tls_server_config: {key} must be text")
    if "cert_file" not in table or "key_file" not in table:
        raise _wrong(path, "tls_server_config needs cert_file and key_file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.minimum_version = _VERSIONS[table.get("min_version", "TLS12")]
        context.maximum_version = _VERSIONS[table.get("max_version", "TLS13")]
        mode = _CLIENT_AUTH[table.get("client_auth_type", "NoClientCert")]
    except KeyError as error:
        raise _wrong(path, f"tls_server_config: {printable(str(error), 60)} is not understood") from None
    if context.minimum_version > context.maximum_version:
        raise _wrong(path, "tls_server_config: min_version is above max_version")
    if (mode != ssl.CERT_NONE) != ("client_ca_file" in table):
        raise _wrong(path, "tls_server_config: client_ca_file and a client_auth_type that verifies go together")
    # An empty passphrase, so that OpenSSL does not prompt for one on the terminal.
    _load(path, "certificate and key", lambda: context.load_cert_chain(
        folder / table["cert_file"], folder / table["key_file"], password=lambda: b""
    ))  # fmt: skip
    if mode != ssl.CERT_NONE:
        _load(path, "client_ca_file", lambda: context.load_verify_locations(folder / table["client_ca_file"]))
        context.verify_mode = mode
    return context


def _load(path: str, what: str, load: Callable[[], object]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise _wrong(path, f"tls_server_config: the {what} cannot be used: {error.reason or error}") from None
    except OSError as error:
        raise _wrong(path, f"tls_server_config: the {what} cannot be read: {error.strerror}") from None


def _users(path: str, document: dict[str, Any]) -> dict[str, bytes]:
    table = _table(path, document, "basic_auth_users")
    users = {}
    for name, found in table.items():
        if not isinstance(found, str) or not found.startswith(("$2a$", "$2b$", "$2y$")) or len(found) != 60:
            # The message does not repeat the text, which may be a password.
            raise _wrong(path, f"basic_auth_users: {printable(name, 60)} must have the bcrypt hash of a password")
        users[name] = found.encode(errors="replace")
    return users


def _headers(path: str, document: dict[str, Any]) -> dict[str, str]:
    table = _table(path, document, "http_server_config")
    # http2 has no effect, because this server supports only HTTP/1.1.
    _require_known(path, table, ("http2", "headers"))
    if not isinstance(table.get("http2", True), bool):
        raise _wrong(path, "http_server_config: http2 must be true or false")
    headers = _table(path, table, "headers")
    _require_known(path, headers, _HEADERS)
    for name, value in headers.items():
        if not isinstance(value, str) or not value.isprintable() or not value.isascii():
            raise _wrong(path, f"http_server_config: {name} must be one line of ASCII text")
    return headers


def _wrong(path: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"{printable(path)}: {why}")
