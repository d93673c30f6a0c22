"""A command line as people may see it: with masks in place of the passwords that its words give."""

from __future__ import annotations

import re
from functools import lru_cache

from ..status.gate import MASK, Gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The option whose value is a password, of any plugin and program. A mistyped one is refused, and shown with what was
# wrong, so the beginnings of its name count too; not those that are short enough to mean another option.
_OPTION, _SHORTEST = "--secret", "--sec"
# Most lines have neither the option nor what a shell would take out of it, and splitting a line is slow.
_HINT = re.compile(rf"{_SHORTEST}|['\"\\]")


# The guardian shows the few commands of its thousands of backends again and again.
@lru_cache(maxsize=64)
def redacted(line: str) -> str:
    """Returns a command line, such as a shell would split, without passwords; unchanged where it has none."""
    if not _HINT.search(line):
        return line
    from shlex import split

    try:
        words = split(line)
    except ValueError:
        # Where the password ends is not known either.
        before, option, _ = line.partition(_SHORTEST)
        return f"{before}{option}{MASK}" if option else line
    gate = Gate(_passwords(words))
    return shown(words, gate) if gate.secrets else line


def shown(words: Iterable[str], gate: Gate) -> str:
    """Returns words as a command line, each masked by itself: quotes in a line may stand within a password."""
    from shlex import join

    return join(map(gate.words, words))


def _passwords(words: Sequence[str]) -> Iterable[str]:
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name.startswith(_SHORTEST) and _OPTION.startswith(name):
            yield value if equals else "".join(words[number + 1 : number + 2])
