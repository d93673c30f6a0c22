"""Shows farms and their guardian at work: in the lab where that can be, otherwise on loopback, and says why.

Exit codes: 0 all was as it must be, 2 it was not, 3 it could not be shown, 130 interrupted.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from noidlb.errors import LbError

from integration.demo.script import Environment, perform
from noidchecks.demo.server_process import ServerFailed

_RUN = Path(__file__).parents[1] / "run"
# Not on the path of ordinary users.
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
_PROGRAMS = {"unshare": "util-linux", "ip": "iproute2", "nft": "nftables", "conntrack": "conntrack"}
# What has to work inside, tried before anything is promised.
_TRIAL = (
    '[ -d /proc/sys/net/ipv6 ] || { echo "this kernel has no IPv6" >&2; exit 1; }; '
    "nft 'table inet trial { ct helper h { type \"ftp\" protocol tcp; l3proto inet; }; }'"
)
_TRIAL_SECONDS = 30
_say = partial(print, flush=True)


def obstacle() -> str:
    """Returns why there can be no lab on this machine, or nothing when there can be one."""
    for name, package in _PROGRAMS.items():
        if shutil.which(name) is None:
            return f"the program {name} is missing: install the package {package}"
    argv = [*inside(), "/bin/sh", "-c", _TRIAL]
    answer = subprocess.run(argv, capture_output=True, text=True, timeout=_TRIAL_SECONDS)
    if answer.returncode:
        said = answer.stderr.strip().splitlines()
        return f"namespaces of its own are refused here: {said[-1] if said else f'exit code {answer.returncode}'}"
    return ""


def inside() -> list[str]:
    """Returns the words before a command that runs where the lab can be built, as root of a user namespace at least."""
    user = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]
    return [*user, str(_RUN)]


def main(*arguments: str) -> int:
    """Shows it, and returns the exit code."""
    if arguments == ("--in-lab",):
        return _in_lab()
    why = "loopback was asked for" if arguments == ("--loopback",) else obstacle()
    if not why:
        argv = [*inside(), sys.executable, "-P", "-m", __package__, "--in-lab"]
        os.execvp(argv[0], argv)
    return _on_loopback(why)


def _in_lab() -> int:
    from integration.demo.in_lab import InLab
    from integration.lab import Lab

    with Lab(ftp=(), tftp=(), ssh=False) as lab:
        return _shown(InLab(lab))


def _on_loopback(why: str) -> int:
    from integration.demo.loopback import OnLoopback

    _say(f"On loopback alone, without VIP and clients: {why}.\n")
    with TemporaryDirectory(prefix="noidlb-demo-") as folder:
        environment = OnLoopback(Path(folder))
        code = _shown(environment)
        _say("# The table that nftables would have got:")
        _say(environment.table.text())
        return code


def _shown(environment: Environment) -> int:
    return 0 if perform(environment, _say) else 2


def _guarded() -> int:
    # Told to end from elsewhere, it tidies up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PATH}"
    try:
        return main(*sys.argv[1:])
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read has left; the interpreter must not find that out again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except (ServerFailed, LbError, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        _say(f"The demonstration is over: {error}.")
        return 3


if __name__ == "__main__":
    sys.exit(_guarded())
