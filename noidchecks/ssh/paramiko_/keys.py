"""Reads private keys and their certificates from files."""

from __future__ import annotations

import os

from ...errors import LocalError
from ...regular import require_regular
from ...status.text import printable
from . import paramiko

_MOST_BYTES = 1_000_000
_CERTIFICATE = "-cert.pub"
# In the order of their cost: Ed25519Key recognises a key of another type without decrypting it.
_KINDS = ("Ed25519Key", "ECDSAKey", "RSAKey", "DSSKey")


def key_path(path: str) -> str:
    """Returns the path of a private key, given that path or the path of its certificate."""
    return path.removesuffix(_CERTIFICATE)


def certificate_path(path: str) -> str:
    """Returns the path of the certificate next to a private key, "" when the file does not exist."""
    certificate = key_path(path) + _CERTIFICATE
    return certificate if os.path.exists(os.path.expanduser(certificate)) else ""


def read_key(path: str, passphrase: bytes) -> paramiko.PKey:
    """Returns the private key without a certificate; an unnecessary passphrase is ignored. Raises LocalError."""
    # Not by PKey.from_path(), which always loads the certificate too and fails if that fails.
    file = os.path.expanduser(key_path(path))
    try:
        require_regular(file, _MOST_BYTES)
        # It may be a valid key of another kind: DSA, a security key, PuTTY's format, chacha20-poly1305 encryption.
        reason = "no private key that paramiko reads" + (", or not with this passphrase" if passphrase else "")
        if _is_pkcs8(file):
            reason = "paramiko does not read PKCS#8; convert the key with ssh-keygen -p -f FILE"
        for kind in filter(None, (getattr(paramiko, name, None) for name in _KINDS)):
            try:
                return kind.from_private_key_file(file, passphrase or None)
            except paramiko.PasswordRequiredException:
                reason = "it is encrypted"
                break
            except OSError:
                raise
            except Exception:  # noqa: S112  # of any kind, for a broken file and for a key of another kind
                continue
    except OSError as error:
        reason = error.strerror or str(error)
    raise LocalError(f"cannot read identity {printable(path)}: {reason}")


def add_certificate(key: paramiko.PKey, path: str) -> None:
    """Makes the key present this certificate in place of its public key; raises LocalError."""
    file = os.path.expanduser(path)
    try:
        require_regular(file, _MOST_BYTES)
        key.load_certificate(file)
        return
    except OSError as error:
        reason = error.strerror or str(error)
    except Exception:
        reason = "no certificate of this key"
    raise LocalError(f"cannot read certificate {printable(path)}: {reason}")


def _is_pkcs8(path: str) -> bool:
    with open(path, "rb") as file:
        return file.readline(80).startswith((b"-----BEGIN PRIVATE KEY-----", b"-----BEGIN ENCRYPTED PRIVATE KEY-----"))
