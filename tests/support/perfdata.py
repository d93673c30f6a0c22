"""Performance data, read as a monitoring server does."""

from __future__ import annotations

import re

_VALUE = re.compile(r"(U|-?[0-9]+(?:\.[0-9]+)?)([A-Za-z%]*)")


def read_perfdata(text: str) -> list[tuple[str, float | None, str, list[str]]]:
    """Reads performance data as the guideline describes it: (label, value, unit, the four limits)."""
    found = []
    position = 0
    while position < len(text):
        label = ""
        if text[position] == "'":
            position += 1
            while True:
                if text.startswith("''", position):
                    label += "'"
                    position += 2
                elif text[position] == "'":
                    position += 1
                    break
                else:
                    label += text[position]
                    position += 1
            assert text[position] == "="
        else:
            end = text.index("=", position)
            label, position = text[position:end], end
            assert " " not in label
        end = text.find(" ", position)
        end = len(text) if end < 0 else end
        value, *limits = text[position + 1 : end].split(";")
        match = _VALUE.fullmatch(value)
        assert match is not None, f"not a value: {value!r}"
        number = None if match[1] == "U" else float(match[1])
        assert len(limits) <= 4
        found.append((label, number, match[2], limits + [""] * (4 - len(limits))))
        position = end + 1
    return found
