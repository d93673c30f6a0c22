"""The settings of a check with a login: the login, the directory to list and the file to get."""

from __future__ import annotations

from ..errors import UsageError
from ..fields import is_finite, require_types
from ..status.text import printable
from ..value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..status.threshold import Range

GIBIBYTE = 1 << 30
_HEX = frozenset("0123456789abcdef")


class Login(Value):
    """A user and a password; the repr masks the password."""

    user: str
    password: str

    def __init__(self, user: str = "anonymous", password: str = "noidchecks@") -> None:  # noqa: S107  # what anonymous servers ask for
        self._fill({"user": user, "password": password})
        require_types(self)
        if not user:
            raise UsageError("User name must not be empty")
        require_one_line("User name", user)
        if has_line_end(password):
            # The message does not repeat the value, which is a secret.
            raise UsageError("Password must not hold line ends or NUL")

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, password='****')"


class Listing(Value):
    """A directory to list ("" for the one after the login), and the least and the most entries that it may have."""

    folder: str
    min_files: int | None
    max_files: int | None

    def __init__(self, folder: str = "", *, min_files: int | None = None, max_files: int | None = None) -> None:
        self._fill({"folder": folder, "min_files": min_files, "max_files": max_files})
        require_types(self)
        require_one_line("Directory", folder)
        if any(limit is not None and limit < 0 for limit in (min_files, max_files)):
            raise UsageError("Numbers of files must not be negative")
        if min_files is not None and max_files is not None and min_files > max_files:
            raise UsageError(f"At least {min_files} files cannot be at most {max_files}")

    @property
    def counts(self) -> bool:
        """Whether the number of entries is judged."""
        return self.min_files is not None or self.max_files is not None


class File(Value):
    """A file to get and its requirements; max_age is seconds, limit the number of bytes after which the check fails."""

    name: str
    size: Range | None
    sha256: str
    contains: bytes
    max_age: float | None
    limit: int

    def __init__(
        self,
        name: str,
        *,
        size: Range | None = None,
        sha256: str = "",
        contains: bytes = b"",
        max_age: float | None = None,
        limit: int = GIBIBYTE,
    ) -> None:
        self._fill(locals())
        require_types(self)
        if not name:
            raise UsageError("File name must not be empty")
        require_one_line("File name", name)
        sha256 = sha256.lower()
        if sha256 and (len(sha256) != 64 or not _HEX.issuperset(sha256)):
            raise UsageError("SHA-256 must be 64 hexadecimal digits")
        if max_age is not None and (max_age < 0 or not is_finite(max_age)):
            raise UsageError("Age must be seconds, 0 or more")
        if limit < 1:
            raise UsageError(f"Limit must be at least 1 byte, not {limit}")
        self._fill(locals())


def has_line_end(text: str) -> bool:
    """Tells whether the text has CR, LF or NUL, which would end a line of the control connection."""
    return "\r" in text or "\n" in text or "\0" in text


def require_one_line(what: str, text: str) -> None:
    """Raises UsageError for text with CR, LF or NUL, which would end a line of the control connection."""
    if has_line_end(text):
        raise UsageError(f"{what} must not hold line ends or NUL: {printable(repr(text), 80)}")
