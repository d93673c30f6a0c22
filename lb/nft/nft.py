"""Runs nft, as the only file that does: one transaction a call, and reading the noidlb table back.

nft rather than libnftables through ctypes: a child that hangs or crashes can be killed at its deadline, a library call
inside the guardian cannot.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from subprocess import PIPE, STDOUT
from typing import IO

from .progress import Progress
from .run import LIMIT, Answer, KernelError, end, environment, find, run as run_program, told
from .skeleton import TABLE, VERSION
from .table import Snapshot

# An nft that uses no processor time for 10 s hangs; a busy one is waited for, minutes on a slow machine.
_IDLE = 10.0
# nft prints nothing for a change but its errors; a listing of 5,000 farms, which has a limit of its own, is 10 MB.
_MOST_SAID = 1 << 20
# Characters of nft's error message that an operator is shown.
_SHOWN = 300
# nft prints nothing after a successful change. This command, which it answers in one line without asking the kernel,
# follows each change and marks the end of the answer.
_MARKER = b"describe iifname\n"
_MARKED = b"meta expression, datatype ifname"
# An nft that stays open keeps every line in its history: after 8 MiB it is replaced by a new one.
_RENEWED_AFTER = 8 << 20

# What the table needs of the kernel, by module; each part is tried alone when all together fail.
_CHECK = "table inet noidlb_check"
_PARTS = {
    "nf_tables": "",
    "nft_chain_nat": "chain c { type nat hook prerouting priority -100; }",
    "nft_nat": "chain c { type nat hook prerouting priority -100; meta l4proto tcp dnat ip to 192.0.2.1:21; }",
    "nft_masq": "chain c { type nat hook postrouting priority 100; masquerade; }",
    "nft_ct": "chain c { ct mark set 1; }",
    "nft_numgen": "chain c { ct mark set numgen inc mod 60; }",
    "nft_hash": "chain c { ct mark set jhash ip saddr mod 60 seed 0x1; }",
    "nft_reject_inet": "chain c { reject with icmpx port-unreachable; }",
    "nft_connlimit": "set s { type mark; ct count over 5; }",
    "nft_objref": (
        'ct helper h { type "ftp" protocol tcp; l3proto inet; }; '
        'chain c { type filter hook prerouting priority -150; tcp dport 21 ct helper set "h"; }'
    ),
    "CONFIG_NF_CONNTRACK_TIMEOUT": "ct timeout t { protocol udp; l3proto inet; policy = { unreplied : 5 }; }",
    "nf_conntrack_ftp": 'ct helper h { type "ftp" protocol tcp; l3proto inet; }',
    "nf_conntrack_tftp": 'ct helper h { type "tftp" protocol udp; l3proto inet; }',
}


def run(text: str) -> None:
    """Runs nft text as one transaction; after a KernelError nothing of it is applied."""
    _done(["-f", "-"], text, limit=_MOST_SAID)


def read() -> Snapshot | None:
    """Reads the noidlb table without the remembered sticky clients; None when it does not exist.

    A table of another version and a damaged one are returned without contents. Raises KernelError.
    """
    # Imported here because a command with a checkpoint of the kernel's table does not read it.
    from .listing import list_commands, read_elements, read_outline, to_snapshot

    answer = _done(["-s", "-t", "list", "ruleset", "inet"])
    outline = read_outline(answer.output.decode(errors="replace"))
    if outline is None:
        return None
    if outline.version != VERSION:
        return Snapshot(outline.version, damage=outline.damage)
    listed = _nft(["-n", "-j", "-i"], list_commands())
    if "No such file or directory" in listed.errors:
        # Another program removed a map: only replacing the whole table restores it.
        return Snapshot(None, damage="a map is missing")
    if "rror" in listed.errors:
        raise KernelError(_explain(listed))
    try:
        return to_snapshot(outline, read_elements(listed.output))
    except ValueError as error:
        raise KernelError(f"nft lists the table in a way that is not understood: {error}") from error


def ruleset() -> str:
    """Returns the whole ruleset as text for doctor: without counters and the elements of named sets."""
    return _done(["-s", "-t", "-y", "list", "ruleset"]).output.decode(errors="replace")


def remove() -> None:
    """Removes the noidlb table, if it exists.

    Established flows break when no other table of type nat is left, because the kernel then stops translating.
    """
    run(f"add table inet {TABLE}\ndelete table inet {TABLE}\n")


def version() -> str:
    """Returns the version line of nft."""
    return _nft(["--version"]).output.decode(errors="replace").strip()[:_SHOWN]


def missing_parts() -> list[str]:
    """Returns the missing modules that the table needs; changes nothing."""
    whole = "".join(f"{_CHECK}_{number} {{ {body}; }}\n" for number, body in enumerate(_PARTS.values()) if body)
    if not _nft(["-c", "-f", "-"], whole).code:
        return []
    missing = []
    for module, body in _PARTS.items():
        answer = _nft(["-c", "-f", "-"], f"{_CHECK} {{ {body}; }}\n")
        if answer.code:
            if _is_forbidden(answer.errors):
                raise KernelError(_explain(answer))
            missing.append(module)
            if module == "nf_tables":
                break
    return missing


class NftSession:
    """An `nft -i` that stays open on pipes: a change takes a fraction of a millisecond instead of 15 ms.

    Not thread-safe. The first change starts nft, and so does the first one after nft has died.
    """

    def __init__(self, *, idle: float = _IDLE) -> None:
        self._idle = idle
        self._process: subprocess.Popen[bytes] | None = None
        # The standard input and output of nft.
        self._pipes: tuple[IO[bytes], ...] = ()
        self._written = 0

    @property
    def pid(self) -> int:
        """The process id of the open nft, which is also the port id of its netlink socket; 0 when none is open."""
        return 0 if self._process is None else self._process.pid

    def run(self, text: str) -> None:
        """Runs nft text as one transaction; after a KernelError nothing of it is applied.

        Except when nft hung or died: the transaction may have been applied then, and read() says whether it was.
        """
        # nft -i commits at each end of line, so the lines of one transaction are joined by semicolons.
        line = "; ".join(stripped for one in text.splitlines() if (stripped := one.strip()))
        if not line:
            return
        answer = self._ask(line.encode() + b"\n" + _MARKER)
        if answer.strip():
            raise KernelError(_explain(Answer(1, b"", answer)))

    def read(self) -> Snapshot | None:
        """Reads the noidlb table as read() does, by an nft of its own."""
        return read()

    def close(self) -> None:
        """Ends nft; the table stays as it is."""
        process, self._process = self._process, None
        if process is None:
            return
        into, out = self._pipes
        # nft ends at the end of its standard input.
        into.close()
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            end(process)
        out.close()

    def _open(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None and self._written < _RENEWED_AFTER:
            return self._process
        self.close()
        argv = [find("nft", "nftables"), "-i"]
        with told("nft"):
            self._process = subprocess.Popen(  # noqa: S603 - nft itself, and nothing else
                argv, stdin=PIPE, stdout=PIPE, stderr=STDOUT, bufsize=0, env=environment(), process_group=0
            )
        self._pipes = tuple(pipe for pipe in (self._process.stdin, self._process.stdout) if pipe is not None)
        os.set_blocking(self._pipes[0].fileno(), False)
        self._written = 0
        return self._process

    def _ask(self, request: bytes) -> str:
        process = self._open()
        self._written += len(request)
        progress = Progress(process.pid, str(process.args[0]), idle=self._idle)  # type: ignore[index]
        looked = time.monotonic()
        unsent = memoryview(request)
        answer = b""
        into, out = (pipe.fileno() for pipe in self._pipes)
        poll = select.poll()
        poll.register(out, select.POLLIN)
        poll.register(into, select.POLLOUT)
        while True:
            ready = dict(poll.poll(progress.look * 1000))
            if not ready or time.monotonic() - looked >= progress.look:
                looked = time.monotonic()
                if trouble := progress.trouble():
                    self._kill()
                    raise KernelError(f"nft {trouble}")
            if into in ready:
                try:
                    unsent = unsent[os.write(into, unsent) :]
                except BrokenPipeError:
                    unsent = memoryview(b"")
                if not unsent:
                    poll.unregister(into)
            if out not in ready:
                continue
            piece = os.read(out, 1 << 16)
            if not piece:
                self._kill()
                raise KernelError(f"nft has ended: {_sentence(Answer(1, b'', answer.decode(errors='replace')))}")
            answer += piece
            if len(answer) > _MOST_SAID:
                self._kill()
                raise KernelError(f"nft printed more than {_MOST_SAID >> 20} MiB")
            if answer.endswith(b"\n") and (begin := answer.rfind(_MARKED)) >= 0:
                return answer[:begin].decode(errors="replace")

    def _kill(self) -> None:
        if self._process is not None:
            end(self._process)
        self.close()


def _nft(arguments: list[str], text: str = "", *, limit: int = LIMIT) -> Answer:
    return run_program([find("nft", "nftables"), *arguments], text, timeout=_IDLE, at_work=True, limit=limit)


def _done(arguments: list[str], text: str = "", *, limit: int = LIMIT) -> Answer:
    """Runs nft; KernelError when it fails."""
    answer = _nft(arguments, text, limit=limit)
    if answer.code:
        raise KernelError(_explain(answer))
    return answer


def _is_forbidden(errors: str) -> bool:
    return "Operation not permitted" in errors or "you must be root" in errors


def _explain(answer: Answer) -> str:
    """Returns one sentence with the cause and the cure."""
    errors = answer.errors
    if _is_forbidden(errors):
        return "the kernel refuses nft: run it as root, or with the capability CAP_NET_ADMIN"
    if "Netlink socket" in errors or "Protocol not supported" in errors:
        return "this kernel has no nftables: load the module nf_tables"
    if any(sign in errors for sign in ("No such file or directory", "not supported", "Invalid argument")):
        missing = missing_parts()
        if missing:
            return f"this kernel lacks {', '.join(missing)}: load the module with modprobe, or install it"
    return _sentence(answer)


def _sentence(answer: Answer) -> str:
    lines = [line.strip() for line in answer.errors.splitlines() if line.strip()]
    complaint = next((line for line in lines if "rror" in line), lines[0] if lines else f"exit code {answer.code}")
    shown = "".join(one if one.isprintable() else "?" for one in complaint)[:_SHOWN]
    return f"nft refuses: {shown}"
