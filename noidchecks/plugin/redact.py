"""Redacts command lines: masks the passwords in their arguments."""

from __future__ import annotations

import re
from functools import lru_cache

from ..status.gate import MASK, Gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The option whose value is a password, of any plugin or program. A mistyped option is refused and shown in the error,
# so prefixes of its name count too, except those that are short enough to mean another option.
_OPTION, _SHORTEST = "--secret", "--sec"
# Most lines have neither the option nor quotes or backslashes, and splitting a line is slow.
_HINT = re.compile(rf"{_SHORTEST}|['\"\\]")


# Cached, because the guardian repeatedly shows the few commands of its thousands of backends.
@lru_cache(maxsize=64)
def redacted(line: str) -> str:
    """Returns a shell-like command line with masked passwords; unchanged if it has none."""
    if not _HINT.search(line):
        return line
    from shlex import split

    try:
        words = split(line)
    except ValueError:
        # The end of the password is unknown too, so the rest of the line is masked.
        before, option, _ = line.partition(_SHORTEST)
        return f"{before}{option}{MASK}" if option else line
    gate = Gate(_passwords(words))
    return shown(words, gate) if gate.secrets else line


def shown(words: Iterable[str], gate: Gate) -> str:
    """Returns the words as a command line, each masked separately, because the line's quoting may change a password."""
    from shlex import join

    return join(map(gate.words, words))


def _passwords(words: Sequence[str]) -> Iterable[str]:
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name.startswith(_SHORTEST) and _OPTION.startswith(name):
            yield value if equals else "".join(words[number + 1 : number + 2])
