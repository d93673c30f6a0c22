"""Listings: their commands, their lines, and the replies of servers for an empty or unreadable directory."""

from __future__ import annotations

from ..files.content import Entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .wire import Reply

# The nouns in replies for an empty folder: "No files found" (BSD), "No members found", "No data sets found" (z/OS).
_THINGS = frozenset(
    ["files", "members", "datasets", "sets", "entries", "items", "names", "objects", "matches", "match"]
)
# The words in replies for a folder that does not exist, whatever the command.
_ABSENT = frozenset(("such", "found", "exist", "exists", "existing"))
# The commands that list a folder when its entries are counted and when they are not, the best first.
COUNTED = ("NLST", "MLSD", "LIST")
SHOWN = ("LIST", "MLSD", "NLST")


def entries_of(verb: str) -> Entries:
    """Returns the counter of entries for the listing format of the command."""
    return Entries({"LIST": is_listed, "MLSD": is_fact}.get(verb))


def is_listed(line: bytes) -> bool:
    """Tells whether a line of LIST, in the format of ls or MS-DOS, is an entry, not the total, "." or ".."."""
    words = line.split(None, 8)
    if not words or (words[0].lower() == b"total" and len(words) == 2):
        return False
    name = words[8].partition(b" -> ")[0] if len(words) == 9 else words[-1]
    return name.strip() not in (b".", b"..")


def is_fact(line: bytes) -> bool:
    """Tells whether a line of MLSD is an entry, not the folder itself or its parent (RFC 3659 section 7.5)."""
    facts, _, name = line.partition(b" ")
    is_itself = not {b"type=cdir", b"type=pdir"}.isdisjoint(facts.lower().split(b";"))
    return not is_itself and name.strip() not in (b"", b".", b"..")


def is_empty(reply: Reply) -> bool:
    """Tells whether a refused listing means an empty folder, as in "450 No files found"."""
    if reply.kind not in (4, 5) or reply.code == 421:
        return False
    words = _words(reply)
    if "such" in words:
        return False
    if "empty" in words and ("directory" in words or "folder" in words):
        return True
    for at, word in enumerate(words):
        if word == "no":
            behind = words[at + 1 : at + 3]
            if not _THINGS.isdisjoint(behind) or behind == ["file", "found"]:
                return True
    return False


def is_unread(reply: Reply) -> bool:
    """Tells whether the final reply to a listing without entries says that the folder could not be read.

    "226 Transfer done (but failed to open directory)." (vsftpd), "226-Sorry, we were unable to read [D]" (Pure-FTPd).
    """
    words = frozenset(_words(reply))
    return words >= {"failed", "open"} or words >= {"unable", "read"}


def is_refused_for_command(reply: Reply) -> bool:
    """Tells whether another command may list the folder: the reply does not say that the folder does not exist.

    The code alone cannot tell: a server may refuse a forbidden command and a hidden folder with the same code (vsftpd:
    550).
    """
    return reply.kind in (4, 5) and reply.code != 421 and _ABSENT.isdisjoint(_words(reply))


def _words(reply: Reply) -> list[str]:
    text = bytes(byte if chr(byte).isalnum() and byte < 128 else 32 for byte in reply.raw[3:].lower())
    return text.decode().split()
