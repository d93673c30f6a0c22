"""The cache of TLS contexts, which hold the authorities to verify against: one context serves many connections.

Reading the authorities of a system takes 30 ms of processor time and half a MiB of memory: too much for each of
thousands of checks on one loop. Therefore a context is cached for each set of authorities, together with the identity
of the files that they were read from, and created again when a file has changed.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

from ..errors import LocalError
from .certificate import read_authorities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    # A path, and the identity of the file at it, None for a missing file.
    Identity: TypeAlias = tuple[str, tuple[int, ...] | None]
    Kept: TypeAlias = list[tuple[tuple[Identity, ...], ssl.SSLContext]]

_MOST_KEPT = 16
# Upstream Python, unlike Debian's, restricts OpenSSL's list to cipher suites with forward secrecy and without SHA-1. A
# TLS 1.2 server, such as an appliance, may support none of them. The C plugin and curl use OpenSSL's list.
_PYTHONS_OWN = "@SECLEVEL=2:ECDH+AESGCM:"


def context_for(*, verify: bool, ca_file: str) -> ssl.SSLContext:
    """Returns a client context that verifies against ca_file (PEM) or, for "", the system's authorities; LocalError.

    Threads may share it, because it is never changed after its creation.
    """
    found = tuple(map(_identity, ([ca_file] if ca_file else _of_the_system()) if verify else ()))
    # A forked process does not use the contexts of its parent: another thread may have held an OpenSSL lock of one
    # during the fork, and it would stay locked.
    kept = _kept(verify, ca_file, os.getpid())
    if not kept or kept[0][0] != found:
        # One assignment is atomic for other threads. A file that changed after the stat() is read again the next time.
        kept[:] = [(found, _new(verify, ca_file))]
    return kept[0][1]


# lru_cache makes the arguments the key of the cache.
@lru_cache(_MOST_KEPT)
def _kept(verify: bool, ca_file: str, process: int) -> Kept:
    return []


def _identity(path: str) -> Identity:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return path, None
    # Includes ctime, because mtime can be set at will and a change of mode decides whether the file can be read.
    return path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _of_the_system() -> list[str]:
    """Returns OpenSSL's file and folders of authorities; it reads the files of a folder when it needs them."""
    paths = ssl.get_default_verify_paths()
    folders = os.environ.get(paths.openssl_capath_env, paths.openssl_capath)
    return [os.environ.get(paths.openssl_cafile_env, paths.openssl_cafile), *folders.split(":")]


def _new(verify: bool, ca_file: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # FTP servers commonly close without close_notify; the protocol above TLS detects truncated answers.
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    if getattr(ssl, "_DEFAULT_CIPHERS", "").startswith(_PYTHONS_OWN):
        context.set_ciphers("DEFAULT")
    # Every listed certificate is a trust anchor, as in curl, even if its issuer is not (RFC 5280 section 6.1.1).
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if verify and ca_file:
        try:
            context.load_verify_locations(cadata=read_authorities(ca_file))
        except OSError as error:
            reason = "no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
            raise LocalError(f"Cannot read CA file {ca_file}: {reason}") from error
    elif verify:
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
