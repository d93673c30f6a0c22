"""The exporter's index in a real browser: light and dark, on a telephone and on a desk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from integration.browser import AXE, Browser
from integration.monitoring.exporting import exporting
from integration.servers import HOST, Server
from tests.support.peers import Peer, await_text

pytestmark = pytest.mark.root

VIEWS = [(360, False), (360, True), (1280, False), (1280, True)]
# What a server may say; a browser that took it for markup would show it by a request, a complaint or a new element.
HOSTILE = b"<img src=http://192.0.2.66/x onerror=alert(1)><script>alert(2)</script><style>body{display:none}</style>"


def test_the_index(new_folder: Callable[[], Path], vsftpd: Server, sshd: Server, tmp_path: Path) -> None:
    with (
        exporting(new_folder(), "--allow", "127.0.0.0/8") as exporter,
        Peer(b"220-" + b"long" * 100 + HOSTILE + b"\r\n220 end\r\n", await_text(b"QUIT")) as hostile,
        Browser() as browser,
    ):
        for module, port in (("ftp", vsftpd.port), ("ssh", sshd.port), ("ftp", hostile.port), ("tftp", 1)):
            assert exporter.ask(f"/probe?module={module}&target={HOST}:{port}")[0] == 200
        # A page that is fetched again in the middle of it cannot be judged on a slow machine.
        url = f"http://{HOST}:{exporter.port}/?refresh=off"
        shades = set()
        for width, dark in VIEWS:
            browser.show(url, width=width, dark=dark)
            assert browser.requests == [url]
            assert browser.complaints == []
            assert browser.run("document.documentElement.scrollWidth") <= width
            assert browser.run("document.querySelectorAll('img, script, body style').length") == 0
            assert browser.run("document.title") == "1 failed - noidchecks exporter"
            assert browser.run("document.querySelectorAll('[aria-label=\"Last probes\"] tbody tr').length") == 4
            shades.add(browser.run("getComputedStyle(document.body).backgroundColor"))
            assert not AXE.exists() or browser.axe() == []
            browser.screenshot(tmp_path / f"index-{width}-{'dark' if dark else 'light'}.png")
        assert len(shades) == 2
        # The form probes, and a row leads to its dialogue.
        browser.press(f"document.forms[0].target.value = '{HOST}:{vsftpd.port}'; document.forms[0].submit()")
        assert "probe_success 1" in browser.run("document.body.innerText")
        browser.show(url, width=1280)
        browser.press("[...document.links].find(link => link.search == '?id=2').click()")
        text = browser.run("document.body.innerText")
        assert "alert(2)" in text
        assert browser.run("document.querySelectorAll('img, script').length") == 0
