"""Each row of docs/what-can-break.md: the failure is provoked, and the checks say of it what the page says."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from integration.breaks import ftp, ssh, tftp, tls, vip as behind
from integration.breaks.page import Line, Row, rows
from integration.breaks.scene import FAILURES, Scene, Where
from integration.lab import vip
from integration.lb.balance import flush
from integration.lb.farms import farm

assert all((ftp, tls, tftp, ssh, behind)), "they register their failures"

BIN = Path(sys.executable).parent
ROWS = rows()
PORTS = {"ftp": 21, "tftp": 69, "sftp": 22, "tcp": 21, "udp": 69}
PROTOCOLS = {"check_ftp": "ftp", "check_tftp": "tftp", "check_ssh": "sftp", "check_sftp": "sftp"}
VIP_SECTION = "Only through the VIP"
OK = Line("OK")
SOON, LATE = "3", "30"
"""Deadlines in seconds: for what never comes, and for what does."""


def test_each_row_has_a_test_and_each_test_a_row() -> None:
    assert sorted((row.section, row.failure) for row in ROWS) == sorted(FAILURES)


@pytest.mark.root
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_page_is_true(scene: Scene, row: Row) -> None:
    through = row.section == VIP_SECTION
    with closing(FAILURES[row.section, row.failure](scene)) as stages:  # type: ignore[type-var]
        where = next(stages)
        balance(scene, row, where)
        look(scene, row, where, row.words, OK, through=through)
        if row.through_vip and not through:
            look(scene, row, where, row.words, OK, through=True)
        where = next(stages)
        balance(scene, row, where)
        look(scene, row, where, (), row.plain, through=False)
        if row.line is None:
            if row.through_vip:
                look(scene, row, where, (), row.plain, through=True)
            return
        look(scene, row, where, row.words, row.line, through=through)
        if row.through_vip and not through:
            look(scene, row, where, (), row.plain, through=True)
            look(scene, row, where, row.words, row.line, through=True)


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


def look(scene: Scene, row: Row, where: Where, words: tuple[str, ...], expected: Line, *, through: bool) -> None:
    """Runs the plugin from the balancer at the server itself, or from the client through the VIP, and judges it."""
    host = vip(4) if through else scene.backend.address(4)
    argv: list[str | Path] = [BIN / row.plugin, "-H", host]
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
