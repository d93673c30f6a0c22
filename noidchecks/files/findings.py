"""The findings about the files that a check lists, gets and puts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .content import Content


class FileFindings:
    """The findings about a listing, a file and a canary.

    task is the task during which the dialogue ended. entries is the number of listed entries; counted says that it is
    the number of files. modified is the time of the file in Unix seconds. leftover is the name of a canary that may
    still be on the server.
    """

    __slots__ = ("task", "entries", "listed", "counted", "content", "modified", "got", "put", "leftover")

    def __init__(self) -> None:
        self.task = ""
        self.entries = 0
        self.listed = False
        self.counted = False
        self.content: Content | None = None
        self.modified: float | None = None
        self.got = False
        self.put = False
        self.leftover = ""
