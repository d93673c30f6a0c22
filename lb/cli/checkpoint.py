"""The checkpoint that a command leaves for the next one: the generation at which the kernel's table matched the state
folder, and the farms file as tomllib returns it.

Without it, a command without a guardian reads the whole table back, which takes ten times as long as the change itself,
and parses the farms file again, which takes five times as long. While the generation is the same, no program has
changed any table, so the table is the one that the farms file and the overrides of the state folder compile to. A
checkpoint is ignored in any doubt: another generation, boot or network namespace; other farms or overrides; another
version of noidlb, which may compile another table; a file that cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple, Self

from noidchecks import __version__

from ..config.load import Configuration
from ..nft.generation import Generation
from ..nft.skeleton import VERSION
from ..overrides import Overrides, to_json

_MADE_BY = f"{__version__}/{VERSION}"


class Checkpoint(NamedTuple):
    """A generation at which the kernel's table matched a farms file and overrides; digest is the hash of both.

    document is the farms file as tomllib returns it.
    """

    generation: Generation
    digest: str
    document: Mapping[str, object]
    made_by: str = _MADE_BY

    @classmethod
    def of(cls, generation: Generation, configuration: Configuration, overrides: Overrides) -> Self:
        """Makes the checkpoint for a farms file and overrides."""
        return cls(generation, _digest(configuration.text, overrides), configuration.document)

    def holds(self, now: Generation, text: str, overrides: Overrides) -> bool:
        """Tells whether the kernel's table still matches this farms file and these overrides."""
        return (self.generation, self.digest, self.made_by) == (now, _digest(text, overrides), _MADE_BY)

    def to_json(self) -> bytes:
        """Returns the checkpoint as JSON."""
        return json.dumps(self).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Self | None:
        """Reads a checkpoint; None when the data is invalid."""
        try:
            (place, number), digest, document, made_by = json.loads(data)
        except (ValueError, TypeError, RecursionError):
            return None
        return cls(Generation(place, number), digest, document, made_by) if isinstance(document, dict) else None


def _digest(text: str, overrides: Overrides) -> str:
    return sha256(text.encode() + b"\0" + to_json(overrides)).hexdigest()
