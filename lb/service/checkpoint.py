"""What a command leaves for the next one: at which generation the kernel's table was that of the state folder.

A command without a guardian would otherwise read the whole table back, which takes ten times as long as the change
itself. While the generation is the same, no program has changed any table, and the table is the one that the farms file
and the overrides of the state folder make. Any doubt means reading: another generation, boot or network namespace;
other farms or overrides; another version of noidlb, which may compile another table; a file that cannot be read.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import NamedTuple, Self

from noidchecks import __version__

from ..nft.generation import Generation
from ..nft.skeleton import VERSION
from ..overrides import Overrides, to_json

_MADE_BY = f"{__version__}/{VERSION}"


class Checkpoint(NamedTuple):
    """The generation at which the kernel's table was that of a farms file and overrides, of which it has the digest."""

    generation: Generation
    digest: str
    made_by: str = _MADE_BY

    @classmethod
    def of(cls, generation: Generation, text: str, words: Overrides) -> Self:
        """Makes the checkpoint for a farms file and overrides."""
        return cls(generation, sha256(text.encode() + b"\0" + to_json(words)).hexdigest())

    def to_json(self) -> bytes:
        """Writes it as JSON."""
        return json.dumps(self).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Self | None:
        """Reads it, None when it is not one."""
        try:
            (place, number), digest, made_by = json.loads(data)
        except (ValueError, TypeError, RecursionError):
            return None
        return cls(Generation(place, number), digest, made_by)
