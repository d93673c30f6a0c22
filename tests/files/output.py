"""All that a result says, as lines that a test can hold to the letter."""

from __future__ import annotations

import json

from noidchecks import Result


def output(result: Result) -> list[str]:
    """Returns the output of the plugin, the parts and, as `--output-format json` has them, the facts."""
    parts = [f"{part.state}: {part.text}" for part in result.parts]
    return [*str(result).split("\n"), *parts, json.dumps(result.facts)]
