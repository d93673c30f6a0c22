"""What `noidlb doctor` does."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from ..config.load import Configuration
from ..doctor.finding import FAULT, Finding
from ..doctor.guardian import examine_guardian
from ..doctor.machine import examine
from ..doctor.pair import examine_pair
from ..guardian.lock import holder
from ..nft.host import is_here
from ..service.direct import current, read_words
from ..service.places import socket_path
from ..service.state import StateError, StateFolder
from .findings import print_findings


def examine_all(
    file: str | None, folder: str, socket: str | None, pair_dir: str, run_dir: str, *, as_json: bool
) -> int:
    """Prints what is found on this machine, and returns the exit code."""
    state = StateFolder(folder)
    applied = state.applied() is not None
    damaged: tuple[Finding, ...] = ()
    try:
        configuration = current(state, file) if file is not None or applied else Configuration(())
    except StateError as error:
        # The rest can be examined without farms.
        configuration, damaged = Configuration(()), (Finding(FAULT, "state folder", str(error)),)
    farms, pair = configuration.farms, configuration.pair
    found = chain(
        damaged,
        examine(farms, in_pair=pair is not None, applied=applied and file is None),
        examine_guardian(farms, read_words(state), Path(socket_path(folder, socket)), holder()),
        () if pair is None else examine_pair(pair, configuration, Path(pair_dir), Path(run_dir), is_here),
    )
    return print_findings(found, as_json=as_json)
