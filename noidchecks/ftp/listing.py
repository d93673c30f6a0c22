"""Listings: the commands that make them, their lines, and how servers say that there is nothing to list."""

from __future__ import annotations

from ..files.content import Entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .wire import Reply

# What a folder may be said to have none of: "No files found" (BSD), "No members found", "No data sets found" (z/OS).
_THINGS = frozenset(
    ["files", "members", "datasets", "sets", "entries", "items", "names", "objects", "matches", "match"]
)
# What is said of a folder that is not there, whichever command asks for it.
_ABSENT = frozenset(("such", "found", "exist", "exists", "existing"))
# The ways to list a folder with and without counting, the best first.
COUNTED = ("NLST", "MLSD", "LIST")
SHOWN = ("LIST", "MLSD", "NLST")


def entries_of(verb: str) -> Entries:
    """Returns what counts the entries in a listing that the command makes."""
    return Entries({"LIST": is_listed, "MLSD": is_fact}.get(verb))


def is_listed(line: bytes) -> bool:
    """Tells whether a line of LIST, in the manner of ls or of MS-DOS, is an entry: no total, neither "." nor ".."."""
    words = line.split(None, 8)
    if not words or (words[0].lower() == b"total" and len(words) == 2):
        return False
    name = words[8].partition(b" -> ")[0] if len(words) == 9 else words[-1]
    return name.strip() not in (b".", b"..")


def is_fact(line: bytes) -> bool:
    """Tells whether a line of MLSD is an entry: neither the folder itself nor the one above (RFC 3659 section 7.5)."""
    facts, _, name = line.partition(b" ")
    is_itself = not {b"type=cdir", b"type=pdir"}.isdisjoint(facts.lower().split(b";"))
    return not is_itself and name.strip() not in (b"", b".", b"..")


def is_empty(reply: Reply) -> bool:
    """Tells whether this refusal to list is the server's way to say that there is nothing: "450 No files found"."""
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
    """Tells whether the end of a listing without an entry says that the folder could not be read.

    "226 Transfer done (but failed to open directory)." (vsftpd), "226-Sorry, we were unable to read [D]" (Pure-FTPd).
    """
    words = frozenset(_words(reply))
    return words >= {"failed", "open"} or words >= {"unable", "read"}


def is_refused_for_command(reply: Reply) -> bool:
    """Tells whether another command may list what this one was refused: the reply does not say that nothing is there.

    With a server that forbids a command, the code is the same as for a folder that it does not show (550 of vsftpd).
    """
    return reply.kind in (4, 5) and reply.code != 421 and _ABSENT.isdisjoint(_words(reply))


def _words(reply: Reply) -> list[str]:
    text = bytes(byte if chr(byte).isalnum() and byte < 128 else 32 for byte in reply.raw[3:].lower())
    return text.decode().split()
