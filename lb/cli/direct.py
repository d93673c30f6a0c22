"""The operator's commands without a guardian: read the state folder, change the kernel, print what was changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import click

from noidchecks.status.text import printable

from ..config.load import Configuration, from_document, parse, read_text
from ..errors import FarmError, GuardError
from ..farm import BackendState, Farm
from ..guardian.lock import holder
from ..nft import conntrack, nft as kernel
from ..nft.flows import ending_of
from ..nft.generation import Generation, generation
from ..nft.narrow import plan_backend, plan_farm
from ..nft.plan import Plan, describe, plan
from ..nft.run import KernelError
from ..overrides import Overrides
from ..service.protocol import Request
from ..service.state import StateError, StateFolder
from ..service.verbs import Operation, gone, load_modules, name_in, number, resolve
from .checkpoint import Checkpoint
from .output import tell, warn

# The most changes that are printed.
_MOST_LINES = 20
# The verbs that create a missing table; without a table, the others are only saved as overrides.
_MAKERS = ("apply", "start")


def current(folder: StateFolder, file: str | None) -> Configuration:
    """Reads the configuration of the file, or else the one that was applied last.

    Raises UsageError when there is none, and StateError when what was applied last can no longer be read.
    """
    return _parse(_text(folder, file), folder, file)


def _text(folder: StateFolder, file: str | None) -> str:
    text = folder.applied() if file is None else read_text(file)
    if text is None:
        raise click.UsageError("nothing has been applied yet: run noidlb apply FILE, or name the FILE with --file")
    return text


def _parse(text: str, folder: StateFolder, file: str | None) -> Configuration:
    if file is not None:
        return parse(text, printable(file))
    try:
        return parse(text, "")
    except FarmError as error:
        # It was valid when it was applied: the copy is damaged, or of a noidlb that accepts what this one refuses.
        where = f"{printable(folder.applied_path)}, the copy of the file that was applied last"
        raise StateError(f"{where}, cannot be used: {error}; noidlb apply FILE replaces it") from error


def read_overrides(folder: StateFolder, *, put_aside: bool = False) -> Overrides:
    """Reads the operator's overrides, and prints what is wrong with them."""
    overrides = folder.overrides(put_aside=put_aside)
    warn(folder.warnings)
    folder.warnings.clear()
    return overrides


def operate(request: Request, folder: StateFolder, file: str | None) -> None:
    """Carries out a request of one of the verbs."""
    with folder.locked():
        _require_alone()
        text = _text(folder, file)
        overrides, start = read_overrides(folder, put_aside=True), generation()
        left = _left(folder, start, text, overrides)
        before = overrides if left else None
        # With a checkpoint, an override of a backend changes only its own farm, so no other farm needs to be read.
        only = name_in(request, "farm") if request.get("do") == "say" else None
        configuration = from_document(left.document, text, only=only) if left else _parse(text, folder, file)
        farms, names = configuration.farms, configuration.names
        applied = text if file is None else folder.applied()
        operation = resolve(request, farms, overrides if names or text != applied else overrides.about(farms))
        if text != applied:
            operation = replace(operation, overrides=_beside(operation, overrides, _farms(applied)))
        farm, backend = operation.farm, operation.backend
        if farm is None:
            change = plan(farms, operation.overrides, before=before)
        elif backend is None:
            change = plan_farm(farms, operation.overrides, farm, before=before)
        else:
            change = plan_backend(farms, operation.overrides, farm, backend, before=before, names=names)
        if change.old is None and operation.verb in _MAKERS:
            warn(load_modules(farms))
        carry_out(change, folder, configuration, replace(operation, names=names), start)


def _beside(operation: Operation, overrides: Overrides, applied: tuple[Farm, ...]) -> Overrides:
    """Returns the overrides, which are relative to the farms applied last, after an operation on another file."""
    farm, backend = operation.farm, operation.backend
    if farm is None:
        return operation.overrides
    if backend is not None:
        # Kept even if it agrees with the file applied last: the next apply of that file removes it then.
        return replace(overrides, states={**overrides.states, (farm.name, backend.name): BackendState(operation.verb)})
    if operation.verb == "start":
        return overrides.starting(farm.name, (*applied, *operation.farms))
    return operation.overrides


def apply(configuration: Configuration, folder: StateFolder, warnings: Iterable[str], *, cut: bool) -> None:
    """Applies a configuration; prints the warnings before the change, and afterwards which farms stay stopped."""
    farms = configuration.farms
    with folder.locked():
        _require_alone()
        found = read_overrides(folder, put_aside=True)
        overrides, start = found.about(farms), generation()
        before = found if _left(folder, start, configuration.text, found) else None
        change = plan(farms, overrides, before=before)
        warn(load_modules(farms))
        warn(warnings)
        carry_out(change, folder, configuration, Operation("apply", farms, overrides, cut=cut), start)
    stopped = sorted(overrides.stopped_of(farms))
    if overrides.all_stopped:
        tell("all farms are stopped: noidlb start lets them serve")
    elif stopped:
        tell(f"stopped: {', '.join(stopped[:10])}: noidlb start FARM lets one serve")


def _require_alone() -> None:
    """Raises GuardError when a guardian has started since the command found none.

    Only under the folder's lock: a guardian takes its own lock first, then reads the overrides under the folder's. A
    guardian whose lock is not seen here will therefore read what this command writes.
    """
    if found := holder():
        raise GuardError(f"a guardian has just begun ({found}), and nothing is changed: repeat the command")


def _left(folder: StateFolder, now: Generation | None, text: str, overrides: Overrides) -> Checkpoint | None:
    """Returns the last command's checkpoint if it holds for this farms file and these overrides, otherwise None."""
    if now is None:
        return None
    found = Checkpoint.from_json(folder.checkpoint())
    return found if found is not None and found.holds(now, text, overrides) else None


def carry_out(
    change: Plan,
    folder: StateFolder,
    configuration: Configuration,
    operation: Operation,
    start: Generation | None = None,
) -> None:
    """Saves configuration and overrides, runs the plan, ends the flows that end with it, and prints the changes.

    In this order, because a command may be killed at any moment and its output closed: the saved state is then never
    older than the table. When the disk is full, the table is changed nevertheless, and StateError is raised at the end.
    start is the generation before the kernel was read: it shows afterwards whether this was the only change.

    The configuration is saved only if the whole table becomes that of it: when one farm changes by another file than
    the one applied last, the other farms and their overrides remain those of the file applied last.
    """
    runs = change.old is not None or bool(change.foreign) or operation.verb in _MAKERS
    is_of_all = runs and (operation.farm is None or change.old is None)
    overrides = operation.overrides.about(configuration.farms) if is_of_all else operation.overrides
    before = folder.applied(), folder.overrides()
    trouble = _keep(folder, configuration.text if is_of_all or before[0] is None else None, overrides)
    ended = 0
    if not runs:
        tell("there is no table in the kernel: this will hold from the next noidlb apply or start on")
    else:
        try:
            change.run()
        except KernelError:
            # Restores the saved state, so that the next command does not apply what the kernel has refused.
            _keep(folder, *before)
            raise
        if start is not None and change.is_whole and not trouble:
            end = start.after(len(change.batches))
            if generation() == end:
                folder.save_checkpoint(Checkpoint.of(end, configuration, overrides).to_json())
        ended = _end(change, operation, before[0], configuration.farms)
        _print(change, configuration)
    if operation.cut:
        is_removed = runs and operation.verb == "stop" and operation.farm is None
        try:
            ended += 0 if operation.verb == "apply" else operation.cut_flows()
            if is_removed:
                kernel.remove()
        except KernelError:
            if trouble:
                warn((trouble,))
            raise
        tell(f"ended {number(ended, 'flow')}")
        if is_removed:
            tell("the table is removed")
    if trouble:
        raise StateError(f"{trouble}; the table is changed, but a restart will not know of it")


def _end(change: Plan, operation: Operation, before: str | None, farms: tuple[Farm, ...]) -> int:
    """Ends the flows that end with the change, and for apply --cut those of gone() too; returns their number."""
    cuts = operation.verb == "apply" and operation.cut
    ending = ending_of(change.old, change.new, cuts=lambda _: cuts)
    if cuts:
        ending.add(gone(_farms(before), farms, operation.overrides))
    try:
        return conntrack.end(ending)
    except KernelError as error:
        # Repeating the command does not help: it would find the table unchanged, and so no flows to end.
        raise KernelError(f"{error}; the table is changed, but flows that should have ended go on") from error


def _print(change: Plan, configuration: Configuration) -> None:
    lines = describe(change, configuration.farms, configuration.names)
    for line in lines[:_MOST_LINES]:
        tell(line)
    if len(lines) > _MOST_LINES:
        tell(f"... and {len(lines) - _MOST_LINES} more")
    if not change.batches:
        tell("nothing to change")


def _farms(text: str | None) -> tuple[Farm, ...]:
    """Returns the farms of the file applied last; () when its copy is damaged, which an apply replaces."""
    try:
        return parse(text, "").farms if text is not None else ()
    except FarmError:
        return ()


def _keep(folder: StateFolder, text: str | None, overrides: Overrides) -> str:
    """Saves the overrides and, unless None, the configuration; returns "" or the reason of a failure."""
    try:
        if text is not None:
            folder.save_applied(text)
        folder.save_overrides(overrides)
    except StateError as error:
        return str(error)
    return ""
