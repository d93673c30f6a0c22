"""Fields, equality, hash and repr for the frozen values of the library."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, Self


class _Fields(type):
    """Makes the annotations of a class its slots; _fields are those of its bases, then its own; _setters set them."""

    _fields: tuple[str, ...]
    _setters: tuple[tuple[str, Callable[[object, object], None]], ...]

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _Fields:
        own = namespace.setdefault("__slots__", tuple(namespace.get("__annotations__", ())))
        made = super().__new__(cls, name, bases, namespace)
        inherited = [base for base in bases if isinstance(base, _Fields)]
        made._fields = (*(field for base in inherited for field in base._fields), *own)
        # A survey fills eight values for each check; object.__setattr__ takes twice as long as the slots' __set__.
        made._setters = (
            *(setter for base in inherited for setter in base._setters),
            *((field, getattr(made, field).__set__) for field in own),
        )
        return made


class Value(metaclass=_Fields):
    """A frozen value: its annotations are its fields, and two values of one class are equal when all fields are.

    dataclasses would give the same, but importing them costs more than a whole check.
    """

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]]
    _setters: ClassVar[tuple[tuple[str, Callable[[object, object], None]], ...]]

    def _fill(self, values: dict[str, object]) -> None:
        try:
            for name, set_field in self._setters:
                set_field(self, values[name])
        except KeyError:
            kind = type(self).__name__
            raise TypeError(
                f"{kind} has a field of its own, {name}, which the constructor of its base cannot set"
            ) from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self._fields}

    def __setstate__(self, state: dict[str, object]) -> None:
        # For copy and pickle, which otherwise would set the fields through __setattr__().
        self._fill(state)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._fields)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in self._fields)))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({fields})"

    def replace(self, **changes: Any) -> Self:
        """Returns a copy with some fields changed, validated like a new one; TypeError for an unknown name."""
        return type(self)(**({name: getattr(self, name) for name in self._fields} | changes))


def setters(kind: type[Value]) -> tuple[Callable[[object, object], None], ...]:
    """Returns the setter of each field of a class, in the order of the fields.

    For the few classes of which each check of a survey creates instances: a constructor that calls the setters one by
    one takes half as long as _fill().
    """
    return tuple(set_field for _, set_field in kind._setters)
