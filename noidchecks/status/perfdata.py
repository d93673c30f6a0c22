"""Metrics: the performance data of the plugin guidelines."""

from __future__ import annotations

from ..value import Value, setters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .threshold import Range


class Metric(Value):
    """One measured number as `'label'=value[unit];warning;critical;minimum;maximum`.

    Floats print with six decimals, as in the C plugins, integers without decimals, None and non-finite values as U.
    Raises ValueError for a label that cannot be parsed: empty, not printable, or with `=` or `|`.
    """

    label: str
    value: float | None
    unit: str
    warning: Range | None
    critical: Range | None
    minimum: float | None
    maximum: float | None

    def __init__(
        self,
        label: str,
        value: float | None,
        unit: str = "",
        *,
        warning: Range | None = None,
        critical: Range | None = None,
        minimum: float | None = None,
        maximum: float | None = None,
    ) -> None:
        if not label.strip() or not label.isprintable() or "=" in label or "|" in label:
            raise ValueError(f"metric label must be printable, without '=' and '|': {label!r}")
        _set_label(self, label)
        _set_value(self, value)
        _set_unit(self, unit)
        _set_warning(self, warning)
        _set_critical(self, critical)
        _set_minimum(self, minimum)
        _set_maximum(self, maximum)

    def to_dict(self) -> dict[str, object]:
        """Returns the metric as a JSON object, without the limits that are None."""
        from .plain import plain

        ranges = {"warning": self.warning, "critical": self.critical}
        ends = {"minimum": self.minimum, "maximum": self.maximum}
        return {
            **{"label": plain(self.label), "value": plain(self.value), "unit": plain(self.unit)},
            **{name: str(limit) for name, limit in ranges.items() if limit is not None},
            **{name: plain(end) for name, end in ends.items() if end is not None},
        }

    def __str__(self) -> str:
        label = (
            f"'{self.label.replace(chr(39), chr(39) * 2)}'" if " " in self.label or "'" in self.label else self.label
        )
        number = _number(self.value)
        fields = (
            f"{label}={number}{self.unit if number != 'U' else ''}",
            _range(self.warning),
            _range(self.critical),
            "" if self.minimum is None else _number(self.minimum),
            "" if self.maximum is None else _number(self.maximum),
        )
        return ";".join(fields).rstrip(";")


_set_label, _set_value, _set_unit, _set_warning, _set_critical, _set_minimum, _set_maximum = setters(Metric)


def _number(value: float | None) -> str:
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return "U"
    return str(value) if isinstance(value, int) else f"{value:f}"


def _range(limit: Range | None) -> str:
    if limit is None:
        return ""
    # Icinga 2 keeps warning and critical only when they are plain numbers.
    return f"{limit.end:f}" if limit.is_upper_limit or _is_negative(limit) else str(limit)


def _is_negative(limit: Range) -> bool:
    """Tells whether the range is that of a negative number as threshold, -0 included, as in the C plugins."""
    return limit.start == -float("inf") and str(limit.end).startswith("-") and not limit.inside
