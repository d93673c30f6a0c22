"""Each row of docs/what-can-break.md: the failure is provoked, and the checks say of it what the page says."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from integration.breaks import ftp, sftp, ssh, tftp, tls, vip as behind
from integration.breaks.page import Line, Row, rows
from integration.breaks.scene import FAILURES, Scene, Where
from integration.lab import vip
from integration.lb.balance import flush
from integration.lb.farms import farm

assert all((ftp, tls, tftp, ssh, sftp, behind)), "they register their failures"

BIN = Path(sys.executable).parent
ROWS = rows()
PORTS = {"ftp": 21, "tftp": 69, "sftp": 22, "tcp": 21, "udp": 69}
PROTOCOLS = {"check_ftp": "ftp", "check_tftp": "tftp", "check_ssh": "sftp", "check_sftp": "sftp"}
VIP_SECTION = "Only through the VIP"
OK = Line("OK")
PLACES = {
    (False, True): ((False, True), (False, True)),
    (False, False): ((False,), (False,)),
    (True, True): ((False,), (True,)),
}
"""Where the plain check looks, and that with the option (True: through the VIP); by whether the row is about the VIP,
and whether it is looked at there."""
SOON, LATE = "3", "30"
"""Deadlines in seconds: for what never comes, and for what does."""


def test_each_row_has_a_test_and_each_test_a_row() -> None:
    assert sorted((row.section, row.failure) for row in ROWS) == sorted(FAILURES)


@pytest.mark.root
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_page_is_true(scene: Scene, row: Row) -> None:
    plain_at, deep_at = PLACES[row.section == VIP_SECTION, row.through_vip]
    with closing(FAILURES[row.section, row.failure](scene)) as stages:
        where = next(stages)
        balance(scene, row, where)
        for at_vip in deep_at:
            look(scene, row.plugin, where, row.words, OK, through=at_vip)
        where = next(stages)
        balance(scene, row, where)
        for at_vip in plain_at:
            look(scene, row.plain_plugin, where, (), row.plain, through=at_vip)
        if row.line is not None:
            for at_vip in deep_at:
                look(scene, row.plugin, where, row.words, row.line, through=at_vip)


def balance(scene: Scene, row: Row, where: Where) -> None:
    """Puts the farm before the server."""
    protocol = where.farm or PROTOCOLS[row.plugin]
    scene.lab.mode = "dnat" if where.mode == "dnat" else "snat"
    port = PORTS[protocol]
    scene.balance(
        farm(
            scene.lab,
            protocol,
            vips=[vip(4)],
            ports=port,
            mode=where.mode,
            backends=[scene.backend],
            every={"port": where.port, "state": where.state},
        )
    )
    flush(scene.lab.balancer)


def look(scene: Scene, plugin: str, where: Where, words: tuple[str, ...], expected: Line, *, through: bool) -> None:
    """Runs the plugin from the balancer at the server itself, or from the client through the VIP, and judges it."""
    host = vip(4) if through else scene.backend.address(4)
    argv: list[str | Path] = [BIN / plugin, "-H", host]
    if not through:
        argv += ["-p", str(where.port)]
    argv += ["-t", SOON if expected.is_timeout else LATE]
    argv += [where.words.get(word, word) for word in words]
    namespace = scene.lab.client if through else scene.lab.balancer
    done = namespace.run(argv, check=False, env={**os.environ, "LC_ALL": "C"})
    line = done.stdout.partition("\n")[0].partition("|")[0].strip()
    said = f"{argv[1:]}: {done.returncode} {done.stdout}{done.stderr}"
    assert done.returncode == expected.code, f"expected {expected.text}, got {said}"
    assert done.stderr == "", said
    assert expected.matches(line, host), f"expected {expected.text}, got {said}"
