"""Debian's Chromium without a screen, spoken to in the DevTools protocol over a pair of pipes."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

from integration.daemon import children

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).parent / ".cache" / "axe-core" / "package" / "axe.min.js"


class Browser:
    """One Chromium with one tab, in the network namespace of its caller; it is ended with the block.

    Puppeteer and Playwright were not taken: they bring a browser of their own. The pipes need no library: each message
    is JSON that ends with a NUL.
    """

    def __init__(self) -> None:
        # Processes of Chromium that are being killed may still write into it.
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._number = 0
        self._buffer = b""
        self.events: list[dict[str, Any]] = []
        """What Chromium has told without being asked."""

    def __enter__(self) -> Self:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        words = (
            *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"),
            *("--disable-extensions", "--hide-scrollbars", "--force-color-profile=srgb"),
            f"--user-data-dir={self._folder.name}",
            "about:blank",
        )
        # Chromium reads from descriptor 3 and writes to 4.
        script = f'exec 3<&{theirs_in} 4>&{theirs_out} && exec "$0" "$@"'
        with open(Path(self._folder.name) / "log", "wb") as log:
            self._process = subprocess.Popen(
                ["/usr/bin/unshare", "--pid", "--fork", "--kill-child", "/bin/bash", "-c", script, CHROMIUM, *words],
                pass_fds=(theirs_in, theirs_out),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        os.close(theirs_in)
        os.close(theirs_out)
        targets = self._ask("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self._ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        return self

    def __exit__(self, *exception: object) -> None:
        # Its first process and not unshare, which returns while others still write into the folder.
        for chromium in children(self._process.pid):
            os.kill(chromium, signal.SIGKILL)
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command to the tab, and returns its answer."""
        return self._ask(method, self._session, **parameters)

    def show(self, url: str, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Opens a page as a device of this width shows it, and returns when it is loaded."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[feature])
        self.events.clear()
        answer = self.ask("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        self.wait("Page.loadEventFired")

    def press(self, script: str) -> None:
        """Does something in the page that leads to another one, and returns when that is loaded."""
        self.events.clear()
        self.run(f"{{{script}}};0")
        self.wait("Page.loadEventFired")

    def wait(self, method: str) -> dict[str, Any]:
        """Returns the next event of a kind."""
        while not (found := [one for one in self.events if one["method"] == method]):
            self._take()
        return found[0]

    def run(self, script: str) -> Any:
        """Returns the value of an expression in the page, awaited where it is a promise."""
        answer = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def axe(self) -> list[str]:
        """Returns what axe-core finds wrong with the page, by its rules and the first element."""
        # In a world of its own, because the page's own policy lets nothing run.
        self.run(f"{AXE.read_text()};0")
        kinds = "{resultTypes: ['violations']}"
        taken = "found => found.violations.map(one => [one.id, one.nodes[0].html])"
        found = self.run(f"axe.run({kinds}).then({taken})")
        return [f"{rule}: {element}" for rule, element in found]

    def screenshot(self, path: Path) -> None:
        """Writes a picture of the whole page."""
        answer = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    @property
    def requests(self) -> list[str]:
        """The addresses of everything that was fetched since show()."""
        sent = [one["params"]["request"]["url"] for one in self.events if one["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith("data:")]

    @property
    def complaints(self) -> list[str]:
        """What stands in the console since show()."""
        kinds = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [json.dumps(one["params"]) for one in self.events if one["method"] in kinds]

    def _ask(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while (answer := self._take()).get("id") != self._number:
            pass
        assert "error" not in answer, (method, answer)
        found: dict[str, Any] = answer["result"]
        return found

    def _take(self) -> dict[str, Any]:
        """Reads one message, and keeps it when it is an event."""
        while b"\0" not in self._buffer:
            piece = os.read(self._in, 1 << 20)
            if not piece:
                log = Path(self._folder.name) / "log"
                raise RuntimeError(f"Chromium has ended: {log.read_text(errors='replace')[-2000:]}")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.append(message)
        return message
