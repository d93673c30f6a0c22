"""The names that a shell completes: farms, backends and nodes of the farms file.

After an error there are no names and no message, which would appear in the middle of the line that the user types.
"""

from __future__ import annotations

import os
from contextlib import suppress

import click

DEFAULT_FILE = "/etc/noidlb/farms.toml"


def farm_names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the farms whose names begin with incomplete."""
    return _beginning(incomplete, _document(context).get("farms"))


def backend_names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the backends, whose names begin with incomplete, of the farm given before."""
    farms = _document(context).get("farms")
    farm = farms.get(context.params.get("farm")) if isinstance(farms, dict) else None
    backends = farm.get("backends") if isinstance(farm, dict) else None
    tables = backends if isinstance(backends, list) else ()
    return _beginning(incomplete, [one.get("name") for one in tables if isinstance(one, dict)])


def node_names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Returns the nodes of the pair whose names begin with incomplete."""
    pair = _document(context).get("pair")
    return _beginning(incomplete, pair.get("nodes") if isinstance(pair, dict) else None)


def _beginning(incomplete: str, names: object) -> list[str]:
    from ..farm import is_name

    if not isinstance(names, (dict, list)):
        return []
    return [name for name in names if isinstance(name, str) and is_name(name) and name.startswith(incomplete)]


def _document(context: click.Context) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(_text(context))
    except (ValueError, RecursionError):
        return {}


def _text(context: click.Context) -> str:
    """Returns the text of the file given, else of the one applied last, else of the one that apply takes by default."""
    from ..config.load import read_text
    from ..service.state import StateError, StateFolder

    named, folder = context.params.get("file"), context.params.get("folder")
    # Only root and the guardian may read the file applied last, but other users may operate a guardian too.
    with suppress(StateError):
        if folder and not named and (applied := StateFolder(folder).applied()) is not None:
            return applied
    return read_text(named or os.environ.get("NOIDLB_FILE", DEFAULT_FILE))
