"""Parses command lines as getopt_long does, by the option table of a plugin."""

from __future__ import annotations

from ..errors import UsageError
from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# The spellings that the C plugins replace before they parse.
_RESPELT = {"-to": "-t", "-wt": "-w", "-ct": "-c"}


class Option:
    """One row of an option table: long name, letter, name of the value ("" for a flag), one sentence of help.

    aliases are further long names; repeatable rows collect their values. The C plugin does not have an extension, which
    therefore never makes an abbreviation ambiguous that the C plugin accepts.

    field is the setting that the row sets: a flag sets it to value, another row to its text or to the result of read()
    for the text and the row's title (UsageError); a repeatable row sets a tuple. Without a field, read() returns
    settings by name. The plugin itself parses the text of a row without field and read.
    """

    __slots__ = ("name", "letter", "metavar", "help", "aliases", "repeatable", "extension", "field", "read", "value")

    def __init__(
        self,
        name: str,
        letter: str = "",
        metavar: str = "",
        help: str = "",
        *,
        aliases: tuple[str, ...] = (),
        repeatable: bool = False,
        extension: bool = False,
        field: str = "",
        read: Callable[[str, str], object] | None = None,
        value: object = True,
    ) -> None:
        self.name = name
        self.letter = letter
        self.metavar = metavar
        self.help = help
        self.aliases = aliases
        self.repeatable = repeatable
        self.extension = extension
        self.field = field
        self.read = read
        self.value = value

    @property
    def title(self) -> str:
        """The name at the beginning of sentences about the value: `Put size` for put-size."""
        return self.name.replace("-", " ").capitalize()

    def __str__(self) -> str:
        return f"-{self.letter}, --{self.name}" if self.letter else f"--{self.name}"


class Scan:
    """An iterator of (option name, value) in the order of the words; rest holds the words after the options.

    Parsing stops at the first word that is not an option. Clusters, attached values, `--name=value` and unambiguous
    prefixes of long names are accepted; a flag has the value "". Raises UsageError with getopt's texts.

    The options of more() are added when a word is not among options; took_more tells whether they were.
    """

    __slots__ = ("rest", "took_more", "_options", "_more", "_words", "_ended")

    def __init__(
        self, options: Sequence[Option], words: Sequence[str], more: Callable[[], Sequence[Option]] = tuple
    ) -> None:
        self.rest: list[str] = []
        self.took_more = False
        self._options = options
        self._more = more
        self._ended = False
        self._words = [_RESPELT.get(word, word) for word in words]

    @property
    def is_empty(self) -> bool:
        """Whether the command line has no words."""
        return not self._words and not self.rest

    def leading_word(self) -> str | None:
        """Removes and returns the first word unless it is an option: the C plugins accept a host before the options."""
        if self._words and not self._words[0].startswith("-"):
            return self._words.pop(0)
        return None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        words = self._words
        while words:
            word = words[0]
            if word == "--":
                del words[0]
                self._ended = True
                break
            if len(word) < 2 or word[0] != "-":
                break
            del words[0]
            if word[1] == "-":
                yield self._long(word[2:])
            else:
                yield from self._cluster(word[1:])
        self.rest = words

    def anywhere(self) -> Iterator[tuple[str, str]]:
        """Yields the options before, between and after other words, which rest then holds; `--` ends the options.

        Empty words are dropped, because monitoring systems pass them for macros without a value.
        """
        rest: list[str] = []
        while True:
            yield from self
            if self._ended or not self._words:
                break
            rest.append(self._words.pop(0))
        self.rest = [word for word in (*rest, *self._words) if word]

    def _long(self, text: str) -> tuple[str, str]:
        name, equals, value = text.partition("=")
        option = self._match(name)
        if not option.metavar:
            if equals:
                raise UsageError(f"option '--{option.name}' doesn't allow an argument")
            return option.name, ""
        if not equals:
            if not self._words:
                raise UsageError(f"option '--{option.name}' requires an argument")
            value = self._words.pop(0)
        return option.name, value

    def _match(self, name: str) -> Option:
        for option in self._options:
            if name == option.name or name in option.aliases:
                return option
        if self._take_more():
            return self._match(name)
        found = {known: one for one in self._options for known in (one.name, *one.aliases) if known.startswith(name)}
        candidates = set(found.values())
        inherited = {option for option in candidates if not option.extension}
        if len(inherited or candidates) == 1:
            return (inherited or candidates).pop()
        if not found:
            raise UsageError(f"unrecognized option '--{printable(name)}'")
        choices = " ".join(f"'--{known}'" for known in found)
        raise UsageError(f"option '--{name}' is ambiguous; possibilities: {choices}")

    def _cluster(self, letters: str) -> Iterator[tuple[str, str]]:
        while letters:
            letter, letters = letters[0], letters[1:]
            option = self._with_letter(letter)
            if not option.metavar:
                yield option.name, ""
                continue
            if letters:
                yield option.name, letters
            elif self._words:
                yield option.name, self._words.pop(0)
            else:
                raise UsageError(f"option requires an argument -- '{letter}'")
            return

    def _with_letter(self, letter: str) -> Option:
        for option in self._options:
            if option.letter == letter:
                return option
        if self._take_more():
            return self._with_letter(letter)
        raise UsageError(f"invalid option -- '{printable(letter)}'")

    def _take_more(self) -> bool:
        """Adds the options of more(); returns False if they were added before."""
        if self.took_more:
            return False
        self.took_more = True
        self._options = (*self._options, *self._more())
        return True
