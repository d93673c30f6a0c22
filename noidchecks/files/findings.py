"""What was found of the files that a check lists, gets and puts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .content import Content


class FileFindings:
    """What was found of a listing, of a file and of a canary.

    task is what was under way when the conversation ended. entries are what was listed, and counted says that each is
    a file. modified is the time of the file in Unix seconds. leftover is the name of a canary that may still be there.
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
