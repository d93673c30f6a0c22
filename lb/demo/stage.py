"""The stage of the demonstration: namespaces of its own, wired by iproute2; everything is gone when its process is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from noidlb.demo.scene import CLIENT, GATEWAY, HOSTS, VIP
from noidlb.nft.run import KernelError, find, run

_TIMEOUT = 30.0
_PROGRAMS = (("unshare", "util-linux"), ("ip", "iproute2"), ("nft", "nftables"), ("conntrack", "conntrack"))
_UNSHARE = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
# What has to work inside, tried before anything is promised.
_TRY = (
    "mount -t tmpfs -o mode=0755 tmpfs /run && ip link set lo up && "
    "nft 'table inet try { ct helper h { type \"ftp\" protocol tcp; l3proto inet; }; }'"
)


def obstacle() -> str:
    """Returns why there can be no stage on this machine, or nothing when there can be one."""
    for name, package in _PROGRAMS:
        try:
            find(name, package)
        except KernelError as error:
            return str(error)
    try:
        answer = run([*_enter(), "/bin/sh", "-c", _TRY], timeout=_TIMEOUT)
    except KernelError as error:
        return str(error)
    if answer.code:
        said = answer.errors.strip().splitlines()
        return f"namespaces of its own are refused here: {said[-1] if said else f'exit code {answer.code}'}"
    return ""


def enter(module: str) -> int:
    """Runs a module of ours inside, and returns its exit code."""
    argv = [*_enter(), sys.executable, "-P", "-m", module]
    return subprocess.run(argv, env={**os.environ, "PATH": _path()}).returncode  # noqa: S603


def build() -> None:
    """Makes the namespaces of the client and the backends, and wires them to the balancer, which is this one."""
    _run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    _run("ip", "link", "set", "lo", "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
    _wire("client", "front", (GATEWAY, 24), (CLIENT, 24))
    _run("ip", "address", "add", f"{VIP}/32", "dev", "front")
    for host in HOSTS:
        # No other route: what reaches a backend comes from the balancer, and answers to it.
        _wire(host.name, f"to-{host.name}", (host.gateway, 30), (host.address, 30))


def within(name: str, *words: str) -> list[str]:
    """Returns the words of a command that runs in a namespace."""
    return ["ip", "netns", "exec", name, *words]


def _enter() -> list[str]:
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return [find("unshare", "util-linux"), *user, *_UNSHARE]


def _wire(name: str, interface: str, ours: tuple[str, int], theirs: tuple[str, int]) -> None:
    _run("ip", "netns", "add", name)
    _run("ip", "link", "add", interface, "type", "veth", "peer", "name", "eth0", "netns", name)
    _run("ip", "address", "add", f"{ours[0]}/{ours[1]}", "dev", interface)
    _run("ip", "link", "set", interface, "up")
    _run("ip", "-n", name, "link", "set", "lo", "up")
    _run("ip", "-n", name, "address", "add", f"{theirs[0]}/{theirs[1]}", "dev", "eth0")
    _run("ip", "-n", name, "link", "set", "eth0", "up")


def _run(*words: str) -> None:
    program = shutil.which(words[0], path=_path())
    answer = run([program or words[0], *words[1:]], timeout=_TIMEOUT)
    if answer.code:
        raise KernelError(f"{' '.join(words)}: {answer.errors.strip() or f'exit code {answer.code}'}")


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
