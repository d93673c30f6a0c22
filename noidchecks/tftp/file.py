"""A file to read and its requirements."""

from __future__ import annotations

from ..errors import UsageError
from ..fields import require_types
from ..status.text import printable
from ..value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..status.threshold import Range

HASH_LENGTHS = {"sha256": 64, "sha1": 40}


class TftpFile(Value):
    """A file of the server: size is the allowed range in bytes, sha256 and sha1 are hexadecimal.

    Raises UsageError for values that no file can have.
    """

    name: str
    size: Range | None
    sha256: str
    sha1: str

    def __init__(self, name: str, *, size: Range | None = None, sha256: str = "", sha1: str = "") -> None:
        self._fill(locals())
        require_types(self)
        sha256, sha1 = sha256.strip().lower(), sha1.strip().lower()
        self._fill(locals())
        for algorithm, length in HASH_LENGTHS.items():
            value = getattr(self, algorithm)
            if value and (len(value) != length or not set(value) <= set("0123456789abcdef")):
                shown = printable(repr(value), 80)
                raise UsageError(f"{algorithm.upper()} must be {length} hexadecimal digits, not {shown}")
        if size is not None and size.end < 0 and not size.inside:
            raise UsageError(f"Size must not be negative: {size}")

    @property
    def is_judged(self) -> bool:
        """Whether a size or a hash is required."""
        return self.size is not None or bool(self.sha256 or self.sha1)
