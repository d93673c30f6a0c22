"""Fuzzes the targets one after the other: `python -m tests.fuzz [--seconds N] [TARGET ...]`.

With atheris, guided by coverage, otherwise by plain mutations. An input that shows a fault is kept, and its path and
the fault are printed; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FINDINGS = Path("fuzz-findings")
# A single input takes milliseconds.
_HANGS_AFTER = 20
# Their module is imported only where it is instrumented.
_TARGETS = ("ftp", "tftp", "ssh", "kexinit", "sftp", "frames", "messages", "certificate", "values")


def main() -> int:
    """Fuzzes and returns the exit code."""
    # The first import of the package has to be that of atheris' loader, which instruments it.
    has_atheris = importlib.util.find_spec("atheris") is not None
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--guided", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*")
    words = parser.parse_args()
    if words.guided:
        _guided(words.targets[0], words.seconds)
    if not has_atheris:
        print("atheris is not here for this Python: plain mutations, not guided by coverage")
    FINDINGS.mkdir(exist_ok=True)
    failed = []
    for name in words.targets or _TARGETS:
        print(f"== {name}", flush=True)
        if has_atheris:
            command = [sys.executable, "-P", "-m", "tests.fuzz", "--guided", "--seconds", str(words.seconds), name]
            good = subprocess.run(command).returncode == 0
        else:
            good = _plain(name, words.seconds)
        if not good:
            failed.append(name)
    print(f"faults in {', '.join(failed)}: their inputs are in {FINDINGS}/" if failed else "no faults")
    return bool(failed)


def _guided(name: str, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["noidchecks"]):
        from tests.fuzz.targets import CORPUS, TARGETS
    with tempfile.TemporaryDirectory() as found:
        libfuzzer = [f"-max_total_time={seconds}", f"-timeout={_HANGS_AFTER}", "-max_len=4096", "-verbosity=0"]
        kept = f"-artifact_prefix={FINDINGS}/{name}-"
        atheris.Setup(
            [sys.argv[0], *libfuzzer, "-print_final_stats=1", kept, found, str(CORPUS / name)], TARGETS[name].run
        )
        # It ends the process.
        atheris.Fuzz()


def _plain(name: str, seconds: int) -> bool:
    from tests.fuzz.mutate import mutations
    from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    end = time.monotonic() + seconds
    for number, raw in enumerate(mutations(target.corpus(), seed=int.from_bytes(os.urandom(8)))):
        try:
            target.run(raw)
        except Exception as fault:
            path = FINDINGS / f"{name}-{number}"
            path.write_bytes(raw)
            print(f"{path}: {type(fault).__name__}: {fault}")
            return False
        if time.monotonic() > end:
            print(f"{number + 1} inputs")
            return True
    return True


if __name__ == "__main__":
    sys.exit(main())
