"""The fields of probes and of the values in them: each has the type that its class declares."""

from __future__ import annotations

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

# The greatest float: a greater int has none.
_GREATEST = 1.7976931348623157e308

_declared: dict[type, tuple[_Field, ...]] = {}


class _Field:
    """A field: the plain types that it may have, the public classes by name, and of a tuple what its items may be."""

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
        # A bool is an int to Python, and a mistake to us.
        if kind is not bool and any(issubclass(kind, one) for one in self.plain):
            return True
        import noidchecks

        return any(isinstance(value, getattr(noidchecks, name)) for name in self.classes)


def require_types(value: Value) -> None:
    """Refuses a field of another type than the class declares, and NUL in text; UsageError naming the field.

    The field's value is not repeated: it may be a secret.
    """
    fields = _declared.get(type(value)) or _declare(type(value))
    for field in fields:
        found = getattr(value, field.name)
        if not field.takes(found):
            raise UsageError(f"{field.name} must be {field.words}, not {_type_words(field, found)}")
        if found.__class__ is str and "\0" in found:
            raise UsageError(f"{field.name} must not hold NUL")


def is_finite(number: float) -> bool:
    """Tells whether a number, which may be an int of any size, is a finite float."""
    return -_GREATEST <= number <= _GREATEST


def _type_words(field: _Field, found: object) -> str:
    if field.items is not None and isinstance(found, tuple):
        kinds = sorted({type(item).__name__ for item in found})
        return f"a tuple of {len(found)}: {', '.join(kinds)}"
    return type(found).__name__


def _declare(kind: type[Value]) -> tuple[_Field, ...]:
    annotations: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        annotations |= getattr(base, "__annotations__", {})
    fields = tuple(_Field(name, annotations[name]) for name in kind.__slots__)
    _declared[kind] = fields
    return fields
