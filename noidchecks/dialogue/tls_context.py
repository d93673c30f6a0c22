"""The contexts of TLS, with the authorities that they verify against: one for many connections.

Reading the authorities of a system takes 30 ms of processor time and half a MiB of memory: too much for each check of
thousands, on the loop that runs them all. A context is therefore kept for each set of authorities, together with the
identity of the files that they were read from, and made again when that is another one.
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

    # What a path leads to, None where there is nothing.
    Identity: TypeAlias = tuple[str, tuple[int, ...] | None]
    Kept: TypeAlias = list[tuple[tuple[Identity, ...], ssl.SSLContext]]

_MOST_KEPT = 16
# Python as it is released, unlike Debian's, narrows OpenSSL's list to suites with forward secrecy and without SHA-1, of
# which a server of TLS 1.2 may have none, such as an appliance. The C plugin and curl take OpenSSL's list.
_PYTHONS_OWN = "@SECLEVEL=2:ECDH+AESGCM:"


def context_for(*, verify: bool, ca_file: str) -> ssl.SSLContext:
    """Returns a client's context, which verifies against ca_file (PEM), or the system's authorities for ""; LocalError.

    Threads may share it: nothing of it changes once it is made.
    """
    found = tuple(map(_identity, ([ca_file] if ca_file else _of_the_system()) if verify else ()))
    # Not that of the process that this one was forked from: a thread may have held a lock of it, which stays locked.
    kept = _kept(verify, ca_file, os.getpid())
    if not kept or kept[0][0] != found:
        # One assignment, for other threads. The files may be newer than what was found, and are then read once more.
        kept[:] = [(found, _new(verify, ca_file))]
    return kept[0][1]


# The arguments are the key.
@lru_cache(_MOST_KEPT)
def _kept(verify: bool, ca_file: str, process: int) -> Kept:
    return []


def _identity(path: str) -> Identity:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return path, None
    # The time of the last change of status as well: that of the contents can be set, and modes decide who may read.
    return path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _of_the_system() -> list[str]:
    """Returns the file and the folders that OpenSSL takes; it reads those in a folder when it needs them."""
    paths = ssl.get_default_verify_paths()
    folders = os.environ.get(paths.openssl_capath_env, paths.openssl_capath)
    return [os.environ.get(paths.openssl_cafile_env, paths.openssl_cafile), *folders.split(":")]


def _new(verify: bool, ca_file: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Servers of this protocol commonly close without close_notify; a short answer is seen by the protocol above.
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    if getattr(ssl, "_DEFAULT_CIPHERS", "").startswith(_PYTHONS_OWN):
        context.set_ciphers("DEFAULT")
    # What is listed is trusted, also an authority whose own issuer is not (RFC 5280 section 6.1.1), as by curl.
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
