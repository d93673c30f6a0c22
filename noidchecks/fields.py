"""Run-time type checks of the fields of probes and of the values in them, by the annotations of their classes."""

from __future__ import annotations

# _operator, not operator: the latter is written in Python, and nothing else of a check imports it.
from _operator import attrgetter, is_not

from .errors import UsageError
from .status.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .value import Value

_PLAIN: dict[str, tuple[frozenset[type], str]] = {
    "str": (frozenset((str,)), "a str"),
    "bytes": (frozenset((bytes,)), "bytes"),
    "bool": (frozenset((bool,)), "True or False"),
    "int": (frozenset((int,)), "an int"),
    "float": (frozenset((float, int)), "a number"),
    "State": (frozenset((State,)), "a State"),
    "None": (frozenset((type(None),)), "None"),
}

# The greatest float; a greater int cannot be converted to one.
_GREATEST = 1.7976931348623157e308

_declared: dict[type, _Declaration] = {}


class _Field:
    """The types of a field: built-in types, names of public classes and, for a tuple, those of its items."""

    __slots__ = ("name", "plain", "classes", "items", "length", "words")

    def __init__(self, name: str, annotation: str) -> None:
        self.name = name
        plain: set[type] = set()
        words: list[str] = []
        self.classes: list[str] = []
        self.items: _Field | None = None
        self.length = -1
        self.words = ""
        for kind in annotation.split(" | "):
            if kind in _PLAIN:
                types, word = _PLAIN[kind]
                plain |= types
            elif kind.startswith("tuple["):
                inner = kind[len("tuple[") : -1].split(", ")
                self.items = _Field(name, inner[0])
                self.length = -1 if inner[-1] == "..." else len(inner)
                word = f"a tuple{'' if self.length < 0 else f' of {self.length}'}, each {self.items.words}"
            else:
                self.classes.append(kind)
                word = f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"
            words.append(word)
        self.plain = frozenset(plain)
        self.words = " or ".join(words)

    def takes(self, value: object) -> bool:
        kind = type(value)
        if kind in self.plain:
            return True
        if self.items is not None and isinstance(value, tuple):
            return self.length in (-1, len(value)) and all(map(self.items.takes, value))
        # In Python a bool is an int, but here it is a mistake of the caller.
        if kind is not bool and any(issubclass(kind, one) for one in self.plain):
            return True
        # Compared by name, so that the class need not be imported: a class that is not imported has no instances.
        return any(base.__name__ in self.classes and _is_ours(base) for base in kind.__mro__)


class _Declaration:
    """The declared fields of a class; values() reads them all, right has the values that were last found valid.

    A _Field is created only when a value of it is checked: a plugin makes one probe, most of whose fields have their
    defaults.
    """

    __slots__ = ("names", "values", "right", "_annotations", "_fields")

    def __init__(self, kind: type[Value]) -> None:
        self.names = kind._fields
        self._annotations: dict[str, str] = {}
        for base in reversed(kind.__mro__):
            self._annotations |= getattr(base, "__annotations__", {})
        self.values = attrgetter(*self.names)
        # Type checkers have verified the defaults.
        defaults = kind.__init__.__kwdefaults__ or {}
        self.right: tuple[object, ...] = tuple(defaults.get(name, self) for name in self.names)
        self._fields: dict[str, _Field] = {}

    def takes(self, name: str, value: object) -> bool:
        """Tells whether a field may have the value."""
        annotation = self._annotations[name]
        if value is None and annotation.endswith(" | None"):
            return True
        kind = type(value)
        if kind is tuple and not value and annotation.endswith(", ...]"):
            return True
        return (annotation in _PLAIN and kind in _PLAIN[annotation][0]) or self.field(name).takes(value)

    def field(self, name: str) -> _Field:
        """Returns the declaration of a field."""
        field = self._fields.get(name)
        if field is None:
            field = self._fields[name] = _Field(name, self._annotations[name])
        return field


def require_types(value: Value) -> None:
    """Raises UsageError for a field whose type is not the declared one, and for text with NUL or a lone surrogate.

    The message names the field but not its value, which may be a secret.
    """
    declared = _declared.get(value.__class__)
    if declared is None:
        declared = _declared[value.__class__] = _Declaration(value.__class__)
    # A survey makes thousands of probes, and nearly all of their fields have the same objects as the previous probe's.
    # They need no further check, because all values that a field can have are immutable.
    values = declared.values(value)
    differs = [*map(is_not, values, declared.right)]
    index = -1
    for _ in range(differs.count(True)):
        index = differs.index(True, index + 1)
        _require(declared, declared.names[index], values[index])
    declared.right = values


def _require(declared: _Declaration, name: str, found: object) -> None:
    if not declared.takes(name, found):
        field = declared.field(name)
        raise UsageError(f"{name} must be {field.words}, not {_type_words(field, found)}")
    if isinstance(found, str):
        if "\0" in found:
            raise UsageError(f"{name} must not hold NUL")
        if not found.isascii():
            _require_bytes(name, found)


def _require_bytes(name: str, text: str) -> None:
    """Raises UsageError for text with a lone surrogate, unless it stands for an undecodable byte (surrogateescape)."""
    try:
        text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise UsageError(f"{name} must not hold half a character (a lone surrogate)") from None


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == __package__


def is_finite(number: float) -> bool:
    """Tells whether a number, also an int of any size, can be a finite float."""
    return -_GREATEST <= number <= _GREATEST


def _type_words(field: _Field, found: object) -> str:
    if field.items is not None and isinstance(found, tuple):
        kinds = sorted({type(item).__name__ for item in found})
        return f"a tuple of {len(found)}: {', '.join(kinds)}"
    return type(found).__name__
