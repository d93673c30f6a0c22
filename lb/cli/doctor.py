"""What `noidlb doctor` does."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from ..config.load import Configuration
from ..doctor.finding import FAULT, Finding
from ..doctor.guardian import Heard, examine_guardian
from ..doctor.machine import examine
from ..doctor.pair import examine_pair
from ..errors import GuardError
from ..guardian.lock import holder
from ..nft.host import is_here
from ..service.client import ask
from ..service.places import socket_path
from ..service.protocol import RequestError
from ..service.state import StateError, StateFolder
from .direct import current, read_overrides
from .findings import print_findings

# Seconds to wait for the guardian's answer; one that is busy with 10,000 backends takes 0.1.
_PATIENCE = 5.0


def examine_all(
    file: str | None, folder: str, socket: str | None, pair_dir: str, run_dir: str, *, as_json: bool
) -> int:
    """Prints the findings on this machine, and returns the exit code."""
    state = StateFolder(folder)
    applied, damaged = True, tuple[Finding, ...]()
    try:
        applied = file is None and state.applied() is not None
        configuration = current(state, file) if file is not None or applied else Configuration(())
    except StateError as error:
        # The rest can be examined without farms.
        configuration, damaged = Configuration(()), (Finding(FAULT, "state folder", str(error)),)
    farms, pair, path = configuration.farms, configuration.pair, Path(socket_path(folder, socket))
    found = chain(
        damaged,
        examine(farms, in_pair=pair is not None, applied=applied),
        examine_guardian(farms, read_overrides(state), path, holder(), _hear(path)),
        () if pair is None else examine_pair(pair, configuration, Path(pair_dir), Path(run_dir), is_here),
    )
    return print_findings(found, as_json=as_json)


def _hear(path: Path) -> Heard:
    """Asks the guardian for its summary and its problems."""
    try:
        answer = ask(path, {"do": "summary"}, timeout=_PATIENCE)
    except RequestError:
        # An older version, which does not know this request.
        return Heard("its version does not say how it is")
    except GuardError as error:
        return Heard(silence=str(error))
    return Heard() if answer is None else Heard(answer["summary"], answer["troubles"])
