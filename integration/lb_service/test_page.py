"""The guardian's page for people, in a real browser."""

from __future__ import annotations

import http.server
import re
import resource
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from noidlb.events import Event
from noidlb.farm_status import BackendView
from noidlb.service.page import render
from noidlb.service.page_query import PageQuery

from integration.browser import AXE, Browser
from integration.lab import Lab, vip
from integration.lb_guard.farms import guarded
from integration.lb_service.serving import Serving
from noidchecks.page import headers
from tests.support.lb.seen import NOW, backend, farm, health, seen
from tests.support.waiting import until

pytestmark = pytest.mark.root

Serve = Callable[..., Serving]
PHONE, DESKTOP = 360, 1280
VIEWS = [(PHONE, False), (PHONE, True), (DESKTOP, False), (DESKTOP, True)]
# What a server may say; a browser that took it for markup would show it by a request, a complaint or a new element.
HOSTILE = "<img src=http://192.0.2.66/x onerror=alert(1)><script>alert(2)</script><style>body{display:none}</style>"


@contextmanager
def served(page: str, fields: dict[str, str]) -> Iterator[str]:
    """Serves one page on loopback with these fields, and yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in fields.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *words: object) -> None:
            """Keeps quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def judged(browser: Browser) -> list[str]:
    """Returns what axe-core finds wrong; where it could not be fetched, the rest of the test holds without it."""
    return browser.axe() if AXE.exists() else []


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not here: integration/prepare fetches it where there is npm")
def test_axe_finds_what_is_wrong() -> None:
    """So that no violation elsewhere means something."""
    page = "<!doctype html><title>x</title><img src='data:,'><p style='color:#eee;background:#fff'>pale</p>"
    with Browser() as browser, served(page, {"Content-Type": "text/html"}) as url:
        browser.show(url, width=DESKTOP)
        found = {line.partition(":")[0] for line in browser.axe()}
    assert {"image-alt", "html-has-lang", "color-contrast"} <= found


def test_the_page_of_a_guardian(lab: Lab, names: int, serve: Serve, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    plugin = tmp_path / "check_it"
    plugin.write_text(
        f"#!/bin/sh\ncase $1 in *.2.2) echo 'X CRITICAL - {HOSTILE}'; exit 2;; esac\necho 'X OK - well'\n"
    )
    plugin.chmod(0o755)
    address = f"{vip(4, 1)}:9190"
    one = serve(guarded(lab, "tcp", ports=[names], command=f"{plugin} HOST"), "--metrics", address)
    one.wait_all("up", "b1", "b3")
    one.wait("down", "b2")
    one.noidlb("drain", "farm", "b3")
    with lab.balancer.entered(), Browser() as browser:
        shades = set()
        for width, dark in VIEWS:
            browser.show(f"http://{address}/", width=width, dark=dark)
            assert browser.requests == [f"http://{address}/"]
            assert browser.complaints == []
            assert browser.run("document.documentElement.scrollWidth") <= width
            assert browser.run("document.querySelectorAll('img, script, body style').length") == 0
            text = browser.run("document.body.innerText")
            assert "1 of 3 up" in text
            assert "drained by the operator" in text
            assert "img src=http://192.0.2.66/x onerror=alert(1)>" in text
            assert browser.run("document.title") == "2 of 3 backends in trouble - noidlb"
            shades.add(browser.run("getComputedStyle(document.body).backgroundColor"))
            assert judged(browser) == []
            browser.screenshot(tmp_path / f"page-{width}-{'dark' if dark else 'light'}.png")
        assert len(shades) == 2
        # It is fetched again by itself, by a field of the answer.
        planned = browser.wait("Page.frameScheduledNavigation")["params"]
        assert (planned["reason"], planned["delay"]) == ("httpHeaderRefresh", 15)
        # What is looked for is found, and the page that shows it can be stopped.
        browser.press("document.forms[0].q.value = 'b2'; document.forms[0].submit()")
        assert browser.run("location.search") == "?q=b2"
        assert browser.run("document.querySelectorAll('td .name').length") == 1
        browser.press("[...document.links].find(link => link.text == 'stop').click()")
        assert browser.run("location.search") == "?q=b2&refresh=off"
        assert browser.complaints == []


def test_ten_thousand_backends_and_long_names_fit_a_telephone() -> None:
    long = "n" * 63
    sight = BackendView(state="down", reason="r" * 300, since=NOW, flaps=2)
    bad = backend(long, "down", address=("2001:db8:1111:2222:3333:4444:5555:6666",), port=65535, guardian=sight)
    farms = [farm(long, bad, state="partial", families={"ipv4": "serving", "ipv6": "refusing"})]
    farms += [farm(f"f{number}", *(backend(f"b{each}", "down") for each in range(250))) for number in range(40)]
    events = [Event(time=NOW, kind="down", farm=long, backend=long, reason="r" * 500)]
    view = seen(*farms, watched=[health()], events=events, troubles=["t" * 300])
    with Browser() as browser, served("".join(render(view, PageQuery())), headers()) as url:
        for width, dark in VIEWS[1:3]:
            browser.show(url, width=width, dark=dark)
            assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run("document.querySelectorAll('td .name').length") == 300
        assert judged(browser) == []


def test_five_thousand_half_open_clients_lose_no_probe(lab: Lab, names: int, serve: Serve) -> None:
    address = str(vip(4, 1)), 9190
    url = f"{address[0]}:{address[1]}"
    one = serve(guarded(lab, "tcp", ports=[names], command="check_ftp -H HOST -p 21"), "--metrics", url)
    one.wait_all("up", "b1", "b2", "b3")

    def get(path: str) -> str:
        with urllib.request.urlopen(f"http://{url}{path}", timeout=20) as answer:
            return str(answer.read().decode())

    def page() -> str:
        try:
            return get("/")
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            return ""

    def probes() -> list[int]:
        return [int(count) for count in re.findall(r"^noidlb_probes_total{.*} (\d+)$", get("/metrics"), re.M)]

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (6000, limits[1]))
    try:
        with lab.balancer.entered(), ExitStack() as stack:
            first = probes()
            for number in range(5000):
                client = stack.enter_context(socket.create_connection(address, timeout=20))
                # Nothing, half a request, or a whole one whose answer is never read.
                with suppress(OSError):
                    client.sendall((b"", b"GET / HTTP/1.1\r\nHost: x", b"GET / HTTP/1.1\r\n\r\n")[number % 3])
            # Those of them whose requests are whole are answered first, and take all places meanwhile.
            until(lambda: "3 backends" in page())
            # While all of them are there, every backend is checked again and again.
            until(lambda: all(count >= before + 3 for before, count in zip(first, probes(), strict=True)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert not {"down", "keep", "note"} & {event.kind for event in one.events}
